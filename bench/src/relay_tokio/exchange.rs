//! A client's requests, one after the other: head over, body over, response back.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::pin;
use std::task::Poll;

use httparse::{EMPTY_HEADER, Header, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Buffers, Shared};
use crate::body::Body;
use crate::head::{Framing, Malformed};

/// Fields that a head may have.
const FIELDS: usize = 64;

/// Up to here a body is copied behind its head, so that both leave in one plain write.
const JOIN: usize = 4 * 1024;

/// Longer heads are refused.
const MAX_HEAD: usize = 64 * 1024;

/// Serves a client until either side closes.
pub(super) async fn serve(mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    // Bytes of the next request that came with the last one.
    let mut ahead = Vec::new();
    loop {
        let mut buffers = if ahead.is_empty() {
            match first_bytes(&mut client, shared).await? {
                Some(buffers) => buffers,
                None => return Ok(()),
            }
        } else {
            shared.take_buffers()
        };
        buffers.input.append(&mut ahead);
        let stays = exchange(&mut client, &mut buffers, shared).await;
        if stays.is_ok() && !buffers.input.is_empty() {
            ahead.extend_from_slice(&buffers.input);
        }
        shared.give_buffers(buffers);
        if !stays? {
            return Ok(());
        }
    }
}

/// Waits for the first bytes of a request, and holds buffers only when there are some; none at the end of the connection.
/// (Waiting until the stream is readable would not do: tokio takes a stream for readable until a read has found nothing,
/// so that 5,000 new connections held 62 KB each.)
async fn first_bytes(client: &mut TcpStream, shared: &Shared) -> io::Result<Option<Buffers>> {
    poll_fn(|context| {
        let mut buffers = shared.take_buffers();
        let read = pin!(client.read_buf(&mut buffers.input)).poll(context);
        match read {
            Poll::Ready(Ok(1..)) => Poll::Ready(Ok(Some(buffers))),
            other => {
                shared.give_buffers(buffers);
                other.map_ok(|_| None)
            }
        }
    })
    .await
}

/// One request and its response; says whether the client's connection stays. What is left in `input` belongs to the next
/// request.
async fn exchange(
    client: &mut TcpStream,
    buffers: &mut Buffers,
    shared: &Shared,
) -> io::Result<bool> {
    let Buffers { input, output } = buffers;
    let request = loop {
        if let Some(head) = read_request(input, output)? {
            break head;
        }
        if read(client, input).await? == 0 {
            return Ok(false);
        }
    };
    let (turn, mut origin) = shared.obtain().await?;
    let mut body = Passage::new(request.len, request.framing);
    body.pass(client, &mut origin, input, output).await?;
    // Bytes behind the request wait until it is answered; a client that sends none costs nothing here.
    let ahead = input[body.at..].to_vec();
    input.clear();
    let mut from = 0;
    let response = loop {
        output.clear();
        if let Some(head) = read_response(&input[from..], output, &request)? {
            from += head.len;
            if head.status >= 200 {
                break head;
            }
            client.write_all(output).await?;
            continue;
        }
        if read(&mut origin, input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let mut body = Passage::new(from, response.framing);
    body.pass(&mut origin, client, input, output).await?;
    if response.keep_alive && body.at == input.len() {
        shared.keep(turn, origin);
    }
    input.clear();
    input.extend_from_slice(&ahead);
    Ok(request.keep_alive && response.framing != Framing::UntilClose)
}

/// A message's way: from where in the input its body begins, on.
struct Passage {
    /// What of the input has been passed on.
    at: usize,
    body: Body,
}

impl Passage {
    fn new(at: usize, framing: Framing) -> Self {
        let body = Body::new(framing);
        Self { at, body }
    }

    /// Sends the head in `output`, and the body. What is behind the body stays in `input`, from `at` on.
    async fn pass(
        &mut self,
        from: &mut TcpStream,
        to: &mut TcpStream,
        input: &mut Vec<u8>,
        output: &mut Vec<u8>,
    ) -> io::Result<()> {
        let n = self.body.advance(&input[self.at..]).map_err(refuse)?;
        let body = &input[self.at..self.at + n];
        self.at += n;
        if n <= JOIN {
            output.extend_from_slice(body);
            to.write_all(output).await?;
        } else {
            write_both(to, output, body).await?;
        }
        while !self.body.is_done() {
            input.clear();
            if read(from, input).await? == 0 {
                return if self.body.may_end_here() {
                    self.at = 0;
                    Ok(())
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
            self.at = self.body.advance(input).map_err(refuse)?;
            to.write_all(&input[..self.at]).await?;
        }
        Ok(())
    }
}

/// Writes both, in as few pieces as the socket permits.
async fn write_both(to: &mut TcpStream, first: &[u8], second: &[u8]) -> io::Result<()> {
    let n = to
        .write_vectored(&[IoSlice::new(first), IoSlice::new(second)])
        .await?;
    to.write_all(first.get(n..).unwrap_or(&[])).await?;
    let over = n.saturating_sub(first.len());
    to.write_all(&second[over..]).await
}

async fn read(stream: &mut TcpStream, input: &mut Vec<u8>) -> io::Result<usize> {
    if input.len() >= MAX_HEAD {
        return Err(refuse(Malformed));
    }
    stream.read_buf(input).await
}

/// What the relay needs to know of a request.
struct Request {
    len: usize,
    framing: Framing,
    keep_alive: bool,
    is_head: bool,
}

/// What the relay needs to know of a response.
struct Response {
    len: usize,
    status: u16,
    framing: Framing,
    keep_alive: bool,
}

/// Reads a request's head and writes it anew; none when it is not complete.
fn read_request(input: &[u8], output: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let mut fields = [EMPTY_HEADER; FIELDS];
    let mut head = httparse::Request::new(&mut fields);
    let Status::Complete(len) = head.parse(input).map_err(|_| refuse(Malformed))? else {
        return Ok(None);
    };
    let (method, target) = (head.method.unwrap_or(""), head.path.unwrap_or(""));
    let version = head.version.unwrap_or(0);
    output.clear();
    for part in [method, " ", target, " HTTP/1.1\r\n"] {
        output.extend_from_slice(part.as_bytes());
    }
    let copied = copy_fields(head.headers, output)?;
    output.extend_from_slice(b"\r\n");
    Ok(Some(Request {
        len,
        framing: copied.framing.unwrap_or(Framing::Empty),
        keep_alive: !copied.close && (version == 1 || copied.stay),
        is_head: method == "HEAD",
    }))
}

/// Reads a response's head and writes it anew; none when it is not complete.
fn read_response(
    input: &[u8],
    output: &mut Vec<u8>,
    request: &Request,
) -> io::Result<Option<Response>> {
    let mut fields = [EMPTY_HEADER; FIELDS];
    let mut head = httparse::Response::new(&mut fields);
    let Status::Complete(len) = head.parse(input).map_err(|_| refuse(Malformed))? else {
        return Ok(None);
    };
    let status = head.code.unwrap_or(0);
    let version = head.version.unwrap_or(0);
    if !(100..1000).contains(&status) || status == 101 {
        return Err(refuse(Malformed));
    }
    output.extend_from_slice(b"HTTP/1.1 ");
    for part in [status / 100, status / 10 % 10, status % 10] {
        output.extend(u8::try_from(part).map(|digit| b'0' + digit));
    }
    output.push(b' ');
    output.extend_from_slice(head.reason.unwrap_or("").as_bytes());
    output.extend_from_slice(b"\r\n");
    let copied = copy_fields(head.headers, output)?;
    let has_body = !request.is_head && status >= 200 && status != 204 && status != 304;
    let framing = match copied.framing {
        _ if !has_body => Framing::Empty,
        Some(framing) => framing,
        None => Framing::UntilClose,
    };
    if status >= 200 && (!request.keep_alive || framing == Framing::UntilClose) {
        output.extend_from_slice(b"Connection: close\r\n");
    }
    output.extend_from_slice(b"\r\n");
    let keep_alive = !copied.close && (version == 1 || copied.stay);
    Ok(Some(Response {
        len,
        status,
        framing,
        keep_alive: keep_alive && framing != Framing::UntilClose,
    }))
}

/// What the fields say about framing and the connection.
#[derive(Default)]
struct Copied {
    framing: Option<Framing>,
    close: bool,
    stay: bool,
}

/// Writes the fields anew, without those about the connection.
fn copy_fields(fields: &[Header<'_>], output: &mut Vec<u8>) -> io::Result<Copied> {
    let mut copied = Copied::default();
    for field in fields {
        if field.name.eq_ignore_ascii_case("content-length") {
            let text = str::from_utf8(field.value).map_err(|_| refuse(Malformed))?;
            let length = text.parse().map_err(|_| refuse(Malformed))?;
            copied.add(Framing::Length(length))?;
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            if !field.value.eq_ignore_ascii_case(b"chunked") {
                return Err(refuse(Malformed));
            }
            copied.add(Framing::Chunked)?;
        } else if field.name.eq_ignore_ascii_case("connection") {
            for option in field.value.split(|byte| *byte == b',') {
                let option = option.trim_ascii();
                copied.close |= option.eq_ignore_ascii_case(b"close");
                copied.stay |= option.eq_ignore_ascii_case(b"keep-alive");
            }
            continue;
        } else if field.name.eq_ignore_ascii_case("keep-alive") {
            continue;
        }
        output.extend_from_slice(field.name.as_bytes());
        output.extend_from_slice(b": ");
        output.extend_from_slice(field.value);
        output.extend_from_slice(b"\r\n");
    }
    Ok(copied)
}

impl Copied {
    /// Two fields that disagree about the framing are refused.
    fn add(&mut self, framing: Framing) -> io::Result<()> {
        if self.framing.is_some_and(|other| other != framing) {
            return Err(refuse(Malformed));
        }
        self.framing = Some(framing);
        Ok(())
    }
}

fn refuse(malformed: Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, malformed)
}
