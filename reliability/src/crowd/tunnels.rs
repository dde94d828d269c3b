//! Tunnels through the proxy, over which something goes forth and back all the time.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{Crowd, Member};
use crate::origin::errand::TUNNEL;

/// From one word to the next.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a word may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tunnels that are open.
pub type Tunnels = Crowd<Tunnel>;

/// What came of a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tunnel {
    /// Words that came back as they were sent.
    pub words: u64,
    /// Whether it was alive when it was to end.
    pub is_alive: bool,
}

impl Tunnels {
    /// Opens so many.
    ///
    /// # Errors
    /// When not all of them open.
    pub fn open(to: SocketAddr, number: usize) -> Result<Self> {
        let crowd = Self::gather(number, move |member| converse(to, member));
        crowd.wait_ready(number)?;
        Ok(crowd)
    }
}

async fn converse(to: SocketAddr, mut member: Member) -> Tunnel {
    let mut tunnel = Tunnel::default();
    let Ok(Some(mut stream)) = timeout(PATIENCE, open(to)).await else {
        return tunnel;
    };
    member.is_ready();
    loop {
        let is_over = tokio::select! {
            biased;
            () = member.is_over() => true,
            () = sleep(PAUSE) => false,
        };
        let word = format!("{}.{} ", member.number, tunnel.words).into_bytes();
        let came_back = async {
            stream.write_all(&word).await.ok()?;
            let mut back = vec![0; word.len()];
            stream.read_exact(&mut back).await.ok()?;
            (back == word).then_some(())
        };
        let came_back = timeout(PATIENCE, came_back).await.ok().flatten();
        tunnel.words += u64::from(came_back.is_some());
        tunnel.is_alive = came_back.is_some();
        if is_over || !tunnel.is_alive {
            return tunnel;
        }
    }
}

async fn open(to: SocketAddr) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(to).await.ok()?;
    let head = format!(
        "GET {TUNNEL} HTTP/1.1\r\nHost: bad.day\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.ok()?);
    }
    answer.starts_with(b"HTTP/1.1 101 ").then_some(stream)
}
