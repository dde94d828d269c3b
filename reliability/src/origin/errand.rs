//! What an origin is asked besides that which is accounted for: probes, tunnels that echo, bodies that are large.
//!
//! None of it is noted, and none of it changes how the other requests are answered.

use std::io;

use evenkeel_testkit::floods;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Manner;

/// The path of a tunnel: what comes is sent back.
pub const TUNNEL: &str = "/tunnel";

/// The path of a large body of known length.
pub const LARGE: &str = "/large/known";

/// The path of a large body in chunks.
pub const LARGE_CHUNKED: &str = "/large/chunked";

/// The path of a body of known length that is large for one stream among many.
pub const MEDIUM: &str = "/large/medium";

/// How long that is: where a thousand of them wait, they are less than the system has room for on behalf of all its connections.
const MEDIUM_BYTES: usize = 1024 * 1024;

/// How long a large body is: more than all buffers of the system between an endpoint and a client that does not read.
pub const LARGE_BYTES: usize = 16 * 1024 * 1024;

/// A large body is written in pieces, which are its chunks, of this size.
const PIECE: usize = 64 * 1024;

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// It is accounted for.
    Ask,
    /// Whether the origin is well.
    Probe,
    /// A tunnel.
    Tunnel,
    /// A large body, of so many bytes.
    Large(Coding, usize),
    /// It is never answered, until whoever asks has enough of that.
    Wait,
}

/// How the end of a large body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Known,
    Chunked,
}

impl Errand {
    /// By the request's target.
    pub(super) fn of(target: &[u8]) -> Self {
        match str::from_utf8(target) {
            Ok(Manner::PROBE | floods::FAST) => Self::Probe,
            Ok(floods::SLOW) => Self::Wait,
            Ok(TUNNEL) => Self::Tunnel,
            Ok(LARGE) => Self::Large(Coding::Known, LARGE_BYTES),
            Ok(MEDIUM) => Self::Large(Coding::Known, MEDIUM_BYTES),
            Ok(LARGE_CHUNKED) => Self::Large(Coding::Chunked, LARGE_BYTES),
            _ => Self::Ask,
        }
    }
}

/// Sends back whatever comes, until there is no more.
pub(super) async fn echo(stream: &mut TcpStream) -> io::Result<()> {
    // Nobody looks at the key here; that there is an answer to it is what a proxy looks at (RFC 6455 §4.1).
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: any\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    let mut bytes = [0; 1024];
    loop {
        let read = stream.read(&mut bytes).await?;
        if read == 0 {
            return Ok(());
        }
        stream.write_all(&bytes[..read]).await?;
    }
}

/// Sends a large body, as fast as it is taken.
pub(super) async fn pour(stream: &mut TcpStream, coding: Coding, bytes: usize) -> io::Result<()> {
    let framing = match coding {
        Coding::Known => format!("Content-Length: {bytes}"),
        Coding::Chunked => "Transfer-Encoding: chunked".to_owned(),
    };
    let head = format!("HTTP/1.1 200 Large\r\n{framing}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut piece = vec![b'l'; PIECE];
    if coding == Coding::Chunked {
        let size = format!("{PIECE:x}\r\n");
        piece.splice(..0, size.into_bytes());
        piece.extend_from_slice(b"\r\n");
    }
    for _ in 0..bytes / PIECE {
        stream.write_all(&piece).await?;
    }
    if coding == Coding::Chunked {
        stream.write_all(b"0\r\n\r\n").await?;
    }
    stream.shutdown().await
}
