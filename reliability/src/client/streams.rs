//! One connection of HTTP/2 to the proxy, over which one request after the other is asked.

use std::io::Cursor;
use std::net::SocketAddr;

use h2::RecvStream;
use h2::client::{Builder, ResponseFuture, SendRequest};
use http::request::Request;
use http::response::Parts;
use tokio::net::TcpStream;

use super::response::{Lost, Response, by};
use crate::echo;
use crate::exchange::{Kind, Outcome};

/// What bodies are sent as.
type Data = Cursor<Vec<u8>>;

/// A connection, opened when it is needed and kept as long as it takes requests.
#[derive(Debug)]
pub(super) struct Streams {
    to: SocketAddr,
    requests: Option<SendRequest<Data>>,
}

impl Streams {
    pub(super) const fn new(to: SocketAddr) -> Self {
        Self { to, requests: None }
    }

    /// Asks once.
    pub(super) async fn ask(
        &mut self,
        id: u64,
        kind: Kind,
        path: &str,
        lines: &str,
        posted: Vec<u8>,
    ) -> Result<Response, Lost> {
        let mut requests = self.open().await?;
        let request = request(id, kind, path, lines, posted.len());
        let request = request.map_err(|_| (Outcome::Malformed, None))?;
        let response = send(&mut requests, request, kind, posted).map_err(closed)?;
        let (head, mut body) = response.await.map_err(closed)?.into_parts();
        self.requests = Some(requests);
        let head_lines = lines_of(&head);
        let whole = read(&mut body).await;
        let whole = whole.map_err(|_| (Outcome::Cut, by(&head_lines)))?;
        Ok(Response {
            status: head.status.as_u16(),
            keep_alive: true,
            head: head_lines,
            body: whole,
        })
    }

    /// The connection that there is, when it takes another request, or a new one.
    async fn open(&mut self) -> Result<SendRequest<Data>, Lost> {
        if let Some(requests) = self.requests.take()
            && let Ok(ready) = requests.ready().await
        {
            return Ok(ready);
        }
        let stream = TcpStream::connect(self.to).await;
        let stream = stream.map_err(|_| (Outcome::NoConnection, None))?;
        let _ = stream.set_nodelay(true);
        let hands = Builder::new().handshake::<_, Data>(stream).await;
        let (requests, connection) = hands.map_err(closed)?;
        // How it ends is seen by whoever asks.
        tokio::spawn(async { drop(connection.await) });
        requests.ready().await.map_err(closed)
    }
}

fn closed(_: h2::Error) -> Lost {
    (Outcome::Closed, None)
}

fn request(
    id: u64,
    kind: Kind,
    path: &str,
    lines: &str,
    length: usize,
) -> http::Result<Request<()>> {
    let method = if kind == Kind::Get { "GET" } else { "POST" };
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://bad.day{path}"))
        .header(echo::ID, id);
    if kind == Kind::Post {
        request = request.header("Content-Length", length);
    }
    for (name, value) in lines.lines().filter_map(|line| line.split_once(": ")) {
        request = request.header(name, value);
    }
    request.body(())
}

/// Sends a request whole; an upload in two pieces.
fn send(
    requests: &mut SendRequest<Data>,
    request: Request<()>,
    kind: Kind,
    posted: Vec<u8>,
) -> Result<ResponseFuture, h2::Error> {
    let (response, mut body) = requests.send_request(request, kind == Kind::Get)?;
    let sent = match kind {
        Kind::Get => Ok(()),
        Kind::Post => body.send_data(Cursor::new(posted), true),
        Kind::Upload => {
            let (first, second) = posted.split_at(posted.len() / 2);
            body.send_data(Cursor::new(first.to_vec()), false)
                .and_then(|()| body.send_data(Cursor::new(second.to_vec()), true))
        }
    };
    // A response may be there although the request could not be sent.
    drop(sent);
    Ok(response)
}

/// The fields, as lines.
fn lines_of(head: &Parts) -> Vec<u8> {
    let mut lines = b"HTTP/2\r\n".to_vec();
    for (name, value) in &head.headers {
        lines.extend_from_slice(name.as_str().as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(value.as_bytes());
        lines.extend_from_slice(b"\r\n");
    }
    lines
}

async fn read(body: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut whole = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}
