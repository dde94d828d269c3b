//! Clients that begin a request and never finish its head.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::{Crowd, Member};

/// What such clients send.
#[derive(Clone, Copy, Debug)]
pub struct SlowHead {
    /// So many bytes at once,
    pub first: usize,
    /// and then one more after each of these.
    pub pause: Duration,
    /// A client that is let go comes again, so many times.
    pub again: usize,
    /// So long after one the next one comes.
    pub apart: Duration,
}

/// What came of such a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The status that it was told.
    pub status: Option<u16>,
    /// How long it was let: from its connection to the end of that; none when it went by itself.
    pub gone: Option<Duration>,
}

/// Lets so many begin, one shortly after the other.
#[must_use]
pub fn slow_heads(to: SocketAddr, number: usize, how: SlowHead) -> Crowd<Head> {
    Crowd::gather(number, move |mut member| async move {
        sleep(how.apart * u32::try_from(member.number).unwrap_or(u32::MAX)).await;
        let mut head = dawdle(to, how, &mut member, true).await;
        for _ in 0..how.again {
            if head.gone.is_none() {
                break;
            }
            head = dawdle(to, how, &mut member, false).await;
        }
        head
    })
}

async fn dawdle(to: SocketAddr, how: SlowHead, member: &mut Member, is_first: bool) -> Head {
    let mut head = Head::default();
    let Ok(mut stream) = TcpStream::connect(to).await else {
        member.is_ready();
        return head;
    };
    let began = Instant::now();
    let mut text = b"GET / HTTP/1.1\r\nHost: bad.day\r\nX-Slow: ".to_vec();
    text.resize(text.len().max(how.first), b's');
    // One that is turned away may be so in the middle of it.
    let _ = stream.write_all(&text).await;
    if is_first {
        member.is_ready();
    }
    let (mut answer, mut bytes) = (Vec::new(), [0; 512]);
    loop {
        tokio::select! {
            biased;
            read = stream.read(&mut bytes) => match read {
                Ok(read) if read > 0 => answer.extend_from_slice(&bytes[..read]),
                _ => {
                    head.gone = Some(began.elapsed());
                    head.status = status(&answer);
                    return head;
                }
            },
            () = member.is_over() => return head,
            () = sleep(how.pause) => drop(stream.write_all(b"s").await),
        }
    }
}

fn status(answer: &[u8]) -> Option<u16> {
    let text = answer.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    str::from_utf8(text).ok()?.parse().ok()
}
