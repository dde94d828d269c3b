//! One connection of the origin: a request, what is said to it, and the next.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use evenkeel_bench::body::Body;
use evenkeel_bench::head::{self, Framing};
use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::errand::{self, Errand};
use super::journal::{Note, Sight};
use super::manner::{Manner, Speech};
use super::{Desk, say};
use crate::echo;

/// Read at once.
const INPUT: usize = 4 * 1024;

/// A request, whole.
#[derive(Debug)]
struct Request {
    id: Option<u64>,
    is_post: bool,
    errand: Errand,
    keep_alive: bool,
    body: Vec<u8>,
}

/// Why there is no next request.
enum Over {
    /// The other side, or we, are done.
    Ended,
    /// It was idle for too long, which this origin does not bear.
    Idle,
}

impl From<io::Error> for Over {
    fn from(_: io::Error) -> Self {
        Self::Ended
    }
}

impl From<head::Malformed> for Over {
    fn from(_: head::Malformed) -> Self {
        Self::Ended
    }
}

/// Serves one connection to its end.
pub(super) async fn serve(mut stream: TcpStream, desk: Arc<Desk>) {
    let mut input = Vec::new();
    loop {
        match next(&mut stream, &mut input, &desk).await {
            Ok(request) => {
                let stays = respond(&mut stream, &request, &desk).await;
                if !stays.unwrap_or(false) {
                    return;
                }
            }
            Err(Over::Ended) => return,
            Err(Over::Idle) => {
                // Noted first: whoever finds the connection reset must find the reason as well.
                say(&Note::Reset);
                let _ = set_socket_linger(&stream, Some(Duration::ZERO));
                return;
            }
        }
    }
}

/// Reads the next request, in any pieces.
async fn next(stream: &mut TcpStream, input: &mut Vec<u8>, desk: &Desk) -> Result<Request, Over> {
    while input.is_empty() {
        wait(stream, desk).await?;
        fill(stream, input).await?;
    }
    let head = loop {
        if let Some(head) = head::request(input)? {
            break head;
        }
        fill(stream, input).await?;
    };
    let mut body = Body::new(head.framing);
    let mut end = head.len;
    loop {
        end += body.advance(&input[end..])?;
        if body.is_done() {
            break;
        }
        fill(stream, input).await?;
    }
    let lines = &input[..head.len];
    let raw = &input[head.len..end];
    let request = Request {
        id: echo::field(lines, echo::ID).and_then(|id| id.parse().ok()),
        is_post: lines.starts_with(b"POST "),
        errand: Errand::of(&lines[head.target.clone()]),
        keep_alive: head.keep_alive,
        body: match head.framing {
            Framing::Chunked => echo::without_chunks(raw),
            _ => raw.to_vec(),
        },
    };
    input.drain(..end);
    Ok(request)
}

/// Waits for the first byte of a request, for as long as this origin bears idle connections.
async fn wait(stream: &TcpStream, desk: &Desk) -> Result<(), Over> {
    let mut retiring = desk.retiring.clone();
    let idle = desk.manner.borrow().idle;
    let patience = async {
        if idle.is_zero() {
            std::future::pending::<()>().await;
        }
        sleep(idle).await;
    };
    tokio::select! {
        biased;
        ready = stream.readable() => Ok(ready?),
        () = patience => Err(Over::Idle),
        _ = retiring.wait_for(|retiring| *retiring) => Err(Over::Ended),
    }
}

async fn fill(stream: &mut TcpStream, input: &mut Vec<u8>) -> Result<(), Over> {
    input.reserve(INPUT);
    match stream.read_buf(input).await? {
        0 => Err(Over::Ended),
        _ => Ok(()),
    }
}

/// Does to a request what the manner says; whether the connection stays.
async fn respond(stream: &mut TcpStream, request: &Request, desk: &Desk) -> io::Result<bool> {
    let manner = desk.manner.borrow().clone();
    match request.errand {
        Errand::Ask => {}
        Errand::Probe => {
            let text = format!(
                "HTTP/1.1 {} Probed\r\nContent-Length: 0\r\n\r\n",
                manner.probe
            );
            stream.write_all(text.as_bytes()).await?;
            return Ok(request.keep_alive);
        }
        Errand::Wait => {
            until_left(stream).await;
            return Ok(false);
        }
        Errand::Tunnel => return errand::echo(stream).await.map(|()| false),
        Errand::Large(coding, bytes) => {
            return errand::pour(stream, coding, bytes).await.map(|()| false);
        }
    }
    let Some(id) = request.id else {
        say(&Note::Lost("a request without an id".to_owned()));
        return Ok(false);
    };
    let _here = Here::new(desk);
    say(&Note::Saw(Sight {
        id,
        is_post: request.is_post,
        in_flight: desk.in_flight.load(Ordering::Relaxed),
    }));
    if request.is_post && request.body != echo::posted(id) {
        say(&Note::Lost(format!("another body with the request {id}")));
    }
    let number = desk.requests.fetch_add(1, Ordering::Relaxed);
    let place = desk.places.acquire().await;
    let takes = manner.takes(number, id, desk.began.elapsed());
    if !takes.is_zero() {
        sleep(takes).await;
    }
    drop(place);
    speak(stream, request, id, number, &manner, desk).await
}

async fn speak(
    stream: &mut TcpStream,
    request: &Request,
    id: u64,
    number: u64,
    manner: &Manner,
    desk: &Desk,
) -> io::Result<bool> {
    let retires = *desk.retiring.borrow();
    let stays = request.keep_alive && !retires;
    let answer = answer(request, id, manner, manner.fails(number), &desk.name, stays);
    match manner.speech {
        Speech::Answer => stream.write_all(&answer).await?,
        Speech::Half => {
            let half = answer.len() - echo::answer(id, &request.body).len() / 2;
            stream.write_all(&answer[..half]).await?;
            return Ok(false);
        }
        Speech::Garbage => {
            stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").await?;
            return Ok(false);
        }
        Speech::Close => return Ok(false),
        Speech::Nothing => {
            until_left(stream).await;
            return Ok(false);
        }
    }
    Ok(stays)
}

/// Waits until the other side has enough of it.
async fn until_left(stream: &mut TcpStream) {
    let mut input = Vec::new();
    while fill(stream, &mut input).await.is_ok() {
        input.clear();
    }
}

fn answer(
    request: &Request,
    id: u64,
    manner: &Manner,
    fails: bool,
    name: &str,
    stays: bool,
) -> Vec<u8> {
    let body = echo::answer(id, &request.body);
    let status = if fails { manner.status } else { 200 };
    let retry_after = match manner.retry_after {
        seconds if fails && seconds > 0 => format!("Retry-After: {seconds}\r\n"),
        _ => String::new(),
    };
    let close = if stays { "" } else { "Connection: close\r\n" };
    let mut answer = format!(
        "HTTP/1.1 {status} Told\r\nContent-Length: {}\r\n{}: {id}\r\n{}: {name}\r\n{retry_after}{close}\r\n",
        body.len(),
        echo::ID,
        echo::BY,
    )
    .into_bytes();
    answer.extend_from_slice(&body);
    answer
}

/// A request that is at this origin, counted while it is.
struct Here<'a>(&'a Desk);

impl<'a> Here<'a> {
    fn new(desk: &'a Desk) -> Self {
        desk.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(desk)
    }
}

impl Drop for Here<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
