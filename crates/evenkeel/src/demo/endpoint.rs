//! The demo's endpoints: each answers with its number and with what it received, so that a reader sees what passes.
//!
//! Small on purpose, but honest HTTP: it uses the codec, keeps connections open and reads bodies. Not a web server.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::thread;

use evenkeel_base::{RequestHead, RequestView};
use evenkeel_http1::{ChunkReader, ChunkState, Limits, RequestBody, RequestParser};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;

/// Larger bodies are counted to here and then refused: this is a demo.
const MAX_BODY: usize = 1024 * 1024;

/// Starts `count` endpoints on ports of the system's choice, on a thread of their own; gives their addresses.
pub(crate) fn start(count: usize) -> io::Result<Vec<String>> {
    let mut listeners = Vec::new();
    for _ in 0..count {
        let listener = std::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        listener.set_nonblocking(true)?;
        listeners.push(listener);
    }
    let addresses = listeners
        .iter()
        .map(|one| one.local_addr().map(|address| address.to_string()));
    let addresses = addresses.collect::<io::Result<Vec<_>>>()?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new()
        .name("demo-endpoints".into())
        .spawn(move || {
            runtime.block_on(async move {
                for (listener, number) in listeners.into_iter().zip(1..) {
                    tokio::spawn(accept(listener, number, count));
                }
                std::future::pending::<()>().await;
            });
        })?;
    Ok(addresses)
}

async fn accept(listener: std::net::TcpListener, number: usize, count: usize) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                // A connection that fails is the other side's loss; the demo goes on.
                let _ = serve(stream, number, count).await;
            });
        }
    }
}

async fn serve(mut stream: TcpStream, number: usize, count: usize) -> io::Result<()> {
    let (limits, mut head) = (Limits::default(), RequestHead::default());
    let mut bytes: Vec<u8> = Vec::with_capacity(4096);
    loop {
        let mut parser = RequestParser::default();
        let request = loop {
            match parser.parse(&bytes, &limits, &mut head) {
                Ok(Some(request)) => break request,
                Ok(None) => {}
                Err(_) => return Ok(()),
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        };
        let mut rest = bytes.split_off(request.consumed);
        let Some(body) = read_body(&mut stream, &mut rest, request.body).await? else {
            return Ok(());
        };
        let view = head.view(&bytes);
        let text = describe(&view, &body, number, count);
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX-Endpoint: {number}\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        let mut answer = answer.into_bytes();
        if view.method_name() != b"HEAD" {
            answer.extend_from_slice(&text);
        }
        stream.write_all(&answer).await?;
        bytes = rest;
    }
}

/// What arrived: a line with the number for `/api` itself, everything for what lies below it.
fn describe(view: &RequestView<'_>, body: &[u8], number: usize, count: usize) -> Vec<u8> {
    let mut text = format!("endpoint {number} of {count}\n");
    if view.path() != b"/api" || view.query().is_some() || !body.is_empty() {
        let lossy = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let query = view
            .query()
            .map(|query| format!("?{}", lossy(query)))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "\n{} {}{query}",
            lossy(view.method_name()),
            lossy(view.path())
        );
        for field in view.fields() {
            let _ = writeln!(text, "{}: {}", lossy(field.name), lossy(field.value));
        }
        text.push('\n');
    }
    let mut text = text.into_bytes();
    text.extend_from_slice(body);
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text
}

/// The whole body; none when it is larger than a demo takes or breaks off. `rest` keeps what follows it.
async fn read_body(
    stream: &mut TcpStream,
    rest: &mut Vec<u8>,
    body: RequestBody,
) -> io::Result<Option<Vec<u8>>> {
    let known = match body {
        RequestBody::Empty => Some(0),
        RequestBody::Known(length) => Some(usize::try_from(length).unwrap_or(usize::MAX)),
        RequestBody::Chunked => None,
    };
    let (mut whole, mut reader) = (Vec::new(), ChunkReader::default());
    loop {
        match known {
            Some(length) if length > MAX_BODY => return Ok(None),
            Some(length) if rest.len() >= length => {
                let after = rest.split_off(length);
                return Ok(Some(std::mem::replace(rest, after)));
            }
            Some(_) => {}
            None => {
                let Ok(read) = reader.read(rest, &Limits::default()) else {
                    return Ok(None);
                };
                whole.extend_from_slice(&rest[read.payload]);
                rest.drain(..read.consumed);
                if whole.len() > MAX_BODY {
                    return Ok(None);
                }
                if let ChunkState::Done { .. } = read.state {
                    return Ok(Some(whole));
                }
            }
        }
        if stream.read_buf(rest).await? == 0 {
            return Ok(None);
        }
    }
}
