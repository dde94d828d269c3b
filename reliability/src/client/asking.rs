//! One connection to the proxy: a request out, its response back, and every way in which that can fail.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_bench::body::Body;
use evenkeel_bench::head::{self, Framing, ResponseHead};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::response::{Lost, Response, by};
use super::streams::Streams;
use crate::echo;
use crate::exchange::{Kind, Life, Outcome};

/// How long a client waits for the whole of a response: longer than any proxy here may take.
const PATIENCE: Duration = Duration::from_secs(12);

/// How often it is looked whether that is over.
const TICK: Duration = Duration::from_millis(50);

/// Read at once.
const INPUT: usize = 4 * 1024;

/// A connection, opened when it is needed and kept as long as it is good.
#[derive(Debug)]
pub(super) struct Line {
    to: SocketAddr,
    stream: Option<TcpStream>,
    /// The same where HTTP/2 is spoken.
    streams: Option<Streams>,
}

impl Line {
    pub(super) fn new(to: SocketAddr, is_h2: bool) -> Self {
        Self {
            to,
            stream: None,
            streams: is_h2.then(|| Streams::new(to)),
        }
    }

    /// Asks once.
    pub(super) async fn ask(
        &mut self,
        id: u64,
        kind: Kind,
        path: &str,
        lines: &str,
    ) -> (Outcome, Option<Life>) {
        let posted = if kind == Kind::Get {
            Vec::new()
        } else {
            echo::posted(id)
        };
        let pieces = request(id, kind, path, lines, &posted);
        let expected = echo::answer(id, &posted);
        let is_h2 = self.streams.is_some();
        let conversation = async {
            let answered = match &mut self.streams {
                Some(streams) => streams.ask(id, kind, path, lines, posted).await,
                None => self.converse(&pieces).await,
            };
            answered.map_or_else(|lost| lost, |response| response.judge(id, &expected))
        };
        let answered = tokio::select! {
            biased;
            answered = conversation => Some(answered),
            () = patience() => None,
        };
        answered.unwrap_or_else(|| {
            *self = Self::new(self.to, is_h2);
            (Outcome::Silence, None)
        })
    }

    async fn converse(&mut self, pieces: &[Vec<u8>]) -> Result<Response, Lost> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(self.to)
                .await
                .map_err(|_| (Outcome::NoConnection, None))?,
        };
        let _ = stream.set_nodelay(true);
        for piece in pieces {
            // A response may be there although the request could not be sent.
            if stream.write_all(piece).await.is_err() {
                break;
            }
        }
        let response = respond(&mut stream).await?;
        if response.keep_alive {
            self.stream = Some(stream);
        }
        Ok(response)
    }
}

/// Waits as long as a client does, of the time in which it was not held up itself: where the machine stands still for ten seconds, so does
/// whoever is waited for.
async fn patience() {
    for _ in 0..PATIENCE.as_millis() / TICK.as_millis() {
        sleep(TICK).await;
    }
}

/// Reads a response; how it failed, and who had begun to answer, when it is not whole.
async fn respond(stream: &mut TcpStream) -> Result<Response, Lost> {
    let mut input = Vec::with_capacity(INPUT);
    let head = loop {
        match head::response(&input, false) {
            Ok(Some(head)) if head.status < 200 => drop(input.drain(..head.len)),
            Ok(Some(head)) => break head,
            Ok(None) => {
                if !fill(stream, &mut input).await {
                    return Err((Outcome::Closed, None));
                }
            }
            Err(_) => return Err((Outcome::Malformed, None)),
        }
    };
    let by = by(&input[..head.len]);
    let end = read_body(stream, &mut input, &head)
        .await
        .map_err(|outcome| (outcome, by))?;
    let body = match head.framing {
        Framing::Chunked => echo::without_chunks(&input[head.len..end]),
        _ => input[head.len..end].to_vec(),
    };
    let keep_alive = head.keep_alive && end == input.len();
    input.truncate(head.len);
    Ok(Response {
        status: head.status,
        keep_alive,
        head: input,
        body,
    })
}

/// Reads until the body's end, and says where it is.
async fn read_body(
    stream: &mut TcpStream,
    input: &mut Vec<u8>,
    head: &ResponseHead,
) -> Result<usize, Outcome> {
    let mut body = Body::new(head.framing);
    let mut end = head.len;
    loop {
        end += body
            .advance(&input[end..])
            .map_err(|_| Outcome::Malformed)?;
        if body.is_done() {
            return Ok(end);
        }
        if !fill(stream, input).await {
            return if body.may_end_here() {
                Ok(end)
            } else {
                Err(Outcome::Cut)
            };
        }
    }
}

/// Reads once; false when there is nothing more to come.
async fn fill(stream: &mut TcpStream, input: &mut Vec<u8>) -> bool {
    input.reserve(INPUT);
    matches!(stream.read_buf(input).await, Ok(read) if read > 0)
}

/// The bytes of a request, in the pieces in which it is sent.
fn request(id: u64, kind: Kind, path: &str, lines: &str, posted: &[u8]) -> Vec<Vec<u8>> {
    let head = |method: &str, framing: &str| {
        let name = echo::ID;
        format!("{method} {path} HTTP/1.1\r\nHost: bad.day\r\n{name}: {id}\r\n{lines}{framing}\r\n")
            .into_bytes()
    };
    match kind {
        Kind::Get => vec![head("GET", "")],
        Kind::Post => {
            let mut bytes = head("POST", &format!("Content-Length: {}\r\n", posted.len()));
            bytes.extend_from_slice(posted);
            vec![bytes]
        }
        Kind::Upload => {
            let (first, second) = posted.split_at(posted.len() / 2);
            let mut bytes = head("POST", "Transfer-Encoding: chunked\r\n");
            bytes.extend(chunk(first));
            let mut rest = chunk(second);
            rest.extend_from_slice(b"0\r\n\r\n");
            vec![bytes, rest]
        }
    }
}

fn chunk(data: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", data.len()).into_bytes();
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_its_body_in_chunks() {
        let posted = echo::posted(3);
        let pieces = request(3, Kind::Upload, "/", "", &posted).concat();
        let head = head::request(&pieces).unwrap().unwrap();
        assert_eq!(head.framing, Framing::Chunked);
        assert_eq!(echo::without_chunks(&pieces[head.len..]), posted);
    }
}
