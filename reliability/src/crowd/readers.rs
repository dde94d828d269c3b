//! Clients that ask for a large body and stop reading it.

use std::io;
use std::net::SocketAddr;

use evenkeel_bench::body::Body;
use evenkeel_bench::head;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::Crowd;

/// What the system is asked to receive for such a client: little, so that what is on its way is at the proxy.
const RECEIVE: u32 = 8 * 1024;

/// Which body such clients ask for, and what they do when they are told to go.
#[derive(Clone, Copy, Debug)]
pub struct SlowReader {
    /// Its path.
    pub path: &'static str,
    /// Every so many read the rest then, and the others hang up.
    pub finishing: usize,
}

/// What came of such a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reader {
    /// Whether it had the beginning of its body before it stopped.
    pub began: bool,
    /// Whether it wanted the rest in the end.
    pub wanted: bool,
    /// Whether it then had the whole.
    pub is_whole: bool,
}

/// Lets so many ask and stop.
#[must_use]
pub fn slow_readers(to: SocketAddr, number: usize, how: SlowReader) -> Crowd<Reader> {
    Crowd::gather(number, move |mut member| async move {
        let mut reader = Reader::default();
        if let Some((stream, begun)) = begin(to, how.path).await {
            reader.began = true;
            member.is_ready();
            member.is_over().await;
            reader.wanted = member.number.is_multiple_of(how.finishing.max(1));
            reader.is_whole = reader.wanted && read_on(stream, begun).await.is_some();
        }
        reader
    })
}

/// A connection on whose receiving side little waits.
pub(super) async fn narrow(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(RECEIVE)?;
    socket.connect(to).await
}

async fn begin(to: SocketAddr, path: &str) -> Option<(TcpStream, Vec<u8>)> {
    let mut stream = narrow(to).await.ok()?;
    let head = format!("GET {path} HTTP/1.1\r\nHost: bad.day\r\n\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    let mut begun = vec![0; 1024];
    stream.read_exact(&mut begun).await.ok()?;
    begun
        .starts_with(b"HTTP/1.1 200 ")
        .then_some((stream, begun))
}

/// Reads to the end of a body that is as long as it says.
async fn read_on(mut stream: TcpStream, begun: Vec<u8>) -> Option<()> {
    let head = head::response(&begun, false).ok()??;
    let mut body = Body::new(head.framing);
    let mut piece = begun[head.len..].to_vec();
    loop {
        // Nothing follows: the connection carries one response.
        body.advance(&piece).ok()?;
        if body.is_done() {
            return Some(());
        }
        piece.clear();
        piece.reserve(256 * 1024);
        if stream.read_buf(&mut piece).await.ok()? == 0 {
            return None;
        }
    }
}
