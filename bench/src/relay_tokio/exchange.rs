//! A client's requests, one after the other: head over, body over, response back.

use std::io;

use httparse::{EMPTY_HEADER, Header, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Buffers, Shared};
use crate::body::Body;
use crate::head::{Framing, Malformed};

/// Fields that a head may have.
const FIELDS: usize = 64;

/// Longer heads are refused.
const MAX_HEAD: usize = 64 * 1024;

/// Serves a client until either side closes.
pub(super) async fn serve(mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    // Bytes of the next request that came with the last one.
    let mut ahead = Vec::new();
    loop {
        if ahead.is_empty() {
            client.readable().await?;
        }
        let mut buffers = shared.take_buffers();
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
    pass(client, &mut origin, input, output, request.framing).await?;
    // Bytes behind the request wait until it is answered; a client that sends none costs nothing here.
    let ahead = input.clone();
    input.clear();
    let response = loop {
        output.clear();
        if let Some(head) = read_response(input, output, &request)? {
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
    pass(&mut origin, client, input, output, response.framing).await?;
    if response.keep_alive && input.is_empty() {
        shared.keep(turn, origin);
    }
    input.clear();
    input.extend_from_slice(&ahead);
    Ok(request.keep_alive && response.framing != Framing::UntilClose)
}

/// Sends `output` and the body that begins in `input`. What is behind the body stays in `input`.
async fn pass(
    from: &mut TcpStream,
    to: &mut TcpStream,
    input: &mut Vec<u8>,
    output: &mut Vec<u8>,
    framing: Framing,
) -> io::Result<()> {
    let mut body = Body::new(framing);
    let n = body.advance(input).map_err(refuse)?;
    output.extend_from_slice(&input[..n]);
    input.drain(..n);
    to.write_all(output).await?;
    output.clear();
    while !body.is_done() {
        if read(from, input).await? == 0 {
            return if body.may_end_here() {
                Ok(())
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            };
        }
        let n = body.advance(input).map_err(refuse)?;
        to.write_all(&input[..n]).await?;
        input.drain(..n);
    }
    Ok(())
}

async fn read(stream: &mut TcpStream, input: &mut Vec<u8>) -> io::Result<usize> {
    if input.len() >= MAX_HEAD {
        return Err(refuse(Malformed));
    }
    stream.read_buf(input).await
}

/// What the relay needs to know of a request.
struct Request {
    framing: Framing,
    keep_alive: bool,
    is_head: bool,
}

/// What the relay needs to know of a response.
struct Response {
    status: u16,
    framing: Framing,
    keep_alive: bool,
}

/// Takes a request's head out of `input` and writes it anew; none when it is not complete.
fn read_request(input: &mut Vec<u8>, output: &mut Vec<u8>) -> io::Result<Option<Request>> {
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
    let request = Request {
        framing: copied.framing.unwrap_or(Framing::Empty),
        keep_alive: !copied.close && (version == 1 || copied.stay),
        is_head: method == "HEAD",
    };
    input.drain(..len);
    Ok(Some(request))
}

/// Takes a response's head out of `input` and writes it anew; none when it is not complete.
fn read_response(
    input: &mut Vec<u8>,
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
    input.drain(..len);
    Ok(Some(Response {
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
