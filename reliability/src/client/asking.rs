//! One connection to the proxy: a request out, its response back, and every way in which that can fail.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_bench::body::Body;
use evenkeel_bench::head::{self, Framing, ResponseHead};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

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
}

impl Line {
    pub(super) const fn new(to: SocketAddr) -> Self {
        Self { to, stream: None }
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
        tokio::select! {
            biased;
            answered = self.converse(&pieces, id, &expected) => answered,
            () = patience() => {
                self.stream = None;
                (Outcome::Silence, None)
            }
        }
    }

    async fn converse(
        &mut self,
        pieces: &[Vec<u8>],
        id: u64,
        expected: &[u8],
    ) -> (Outcome, Option<Life>) {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => match TcpStream::connect(self.to).await {
                Ok(stream) => stream,
                Err(_) => return (Outcome::NoConnection, None),
            },
        };
        let _ = stream.set_nodelay(true);
        for piece in pieces {
            // A response may be there although the request could not be sent.
            if stream.write_all(piece).await.is_err() {
                break;
            }
        }
        match respond(&mut stream).await {
            Ok(response) => {
                if response.keep_alive {
                    self.stream = Some(stream);
                }
                response.judge(id, expected)
            }
            Err((outcome, by)) => (outcome, by),
        }
    }
}

/// Waits as long as a client does, of the time in which it was not held up itself: where the machine stands still for ten seconds, so does
/// whoever is waited for.
async fn patience() {
    for _ in 0..PATIENCE.as_millis() / TICK.as_millis() {
        sleep(TICK).await;
    }
}

/// A response, whole.
struct Response {
    status: u16,
    keep_alive: bool,
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Response {
    /// What it is to the request with this id, whose answer is to have this body.
    fn judge(&self, id: u64, expected: &[u8]) -> (Outcome, Option<Life>) {
        let Some(echoed) = echo::field(&self.head, echo::ID) else {
            let fault = echo::field(&self.head, "Proxy-Status").and_then(fault);
            let fault = fault.unwrap_or_default().to_owned();
            return (Outcome::Reply(self.status, fault), None);
        };
        let is_right = echoed.parse() == Ok(id) && self.body == expected;
        let outcome = if is_right {
            Outcome::Answer(self.status)
        } else {
            Outcome::MixedUp
        };
        (outcome, by(&self.head))
    }
}

/// Reads a response; how it failed, and who had begun to answer, when it is not whole.
async fn respond(stream: &mut TcpStream) -> Result<Response, (Outcome, Option<Life>)> {
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

fn by(head: &[u8]) -> Option<Life> {
    echo::field(head, echo::BY).and_then(|by| by.parse().ok())
}

/// evenkeel's name of the fault: `…; details="NAME"`.
fn fault(proxy_status: &str) -> Option<&str> {
    let (_, details) = proxy_status.split_once("details=\"")?;
    details.split('"').next()
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

    fn response(head: &str, body: &[u8]) -> Response {
        Response {
            status: 200,
            keep_alive: true,
            head: format!("HTTP/1.1 200 OK\r\n{head}\r\n").into_bytes(),
            body: body.to_vec(),
        }
    }

    #[test]
    fn an_answer_is_the_right_one_or_mixed_up() {
        let expected = echo::answer(7, b"");
        let head = "X-Bad-Day-Id: 7\r\nX-Bad-Day-By: 1.2\r\n";
        let life = Some(Life {
            endpoint: 1,
            number: 2,
        });
        let cases = [
            (head, expected.clone(), (Outcome::Answer(200), life)),
            (head, echo::answer(8, b""), (Outcome::MixedUp, life)),
            ("X-Bad-Day-Id: 8\r\n", expected, (Outcome::MixedUp, None)),
            (
                "Proxy-Status: evenkeel; error=x; details=\"no-endpoint\"\r\n",
                b"no endpoint".to_vec(),
                (Outcome::Reply(200, "no-endpoint".to_owned()), None),
            ),
        ];
        for (head, body, judged) in cases {
            assert_eq!(response(head, &body).judge(7, &expected_of_7()), judged);
        }
    }

    fn expected_of_7() -> Vec<u8> {
        echo::answer(7, b"")
    }

    #[test]
    fn an_upload_is_its_body_in_chunks() {
        let posted = echo::posted(3);
        let pieces = request(3, Kind::Upload, "/", "", &posted).concat();
        let head = head::request(&pieces).unwrap().unwrap();
        assert_eq!(head.framing, Framing::Chunked);
        assert_eq!(echo::without_chunks(&pieces[head.len..]), posted);
    }
}
