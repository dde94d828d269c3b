//! One connection: TLS where it is spoken, one request, its answer, the end. Who is slow at any of these is hung up on.

use std::future::{pending, poll_fn};
use std::io;
use std::time::Duration;

use evenkeel_net::wire::PIECE;
use evenkeel_net::{HandshakeError, Stream, TlsStream, Wire};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::sync::watch;
use tokio::time;

use crate::serve::reception::Reception;
use crate::turn::Turn;

/// The longest head of a request; beyond it 431.
const MAX_HEAD: usize = 16 * 1024;

/// How long a request may take to come, and its answer to go. What is ordered may take longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a client may take to hang up when everything is said. What it still sends is read and dropped meanwhile: a socket that
/// is closed with something unread takes back the answer that is on its way.
const PARTING: Duration = Duration::from_secs(1);

/// So much is read of such a client.
const LAST_WORDS: usize = 1024 * 1024;

/// What HTTP without TLS is told where TLS is spoken.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 62\r\n\
     Connection: close\r\n\r\nThe admin address speaks TLS here: ask again with https://...\n";

/// Has the conversation of a connection.
pub(super) async fn converse(
    stream: Stream,
    reception: Reception,
    mut turns: watch::Receiver<Turn>,
) {
    let shaken = time::timeout(PATIENCE, shake(stream, &reception)).await;
    let Ok(Some(stream)) = shaken else {
        return;
    };
    let service = service_fn(|request| Box::pin(reception.answer(request)));
    let mut connection = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .keep_alive(false)
        .serve_connection(Wire(stream), service);
    loop {
        let now = *turns.borrow_and_update();
        let late = async {
            match now {
                Turn::Working | Turn::Streaming => pending().await,
                Turn::Asking | Turn::Explaining | Turn::Answering | Turn::Parting => {
                    time::sleep(PATIENCE).await;
                }
            }
        };
        tokio::select! {
            // What clients do wrong is their affair: the API has said so, or they are gone.
            _ = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break,
            Ok(()) = turns.changed() => {}
            () = late => return,
        }
    }
    reception.progress.enter(Turn::Parting);
    let Wire(mut stream) = connection.into_parts().io;
    let _ = time::timeout(PARTING, part(&mut stream)).await;
}

/// The stream to speak HTTP on; none: there is none, which has been said as far as it can be.
async fn shake(stream: Stream, reception: &Reception) -> Option<Stream> {
    let gate = reception.shaken.as_ref();
    let Some(tls) = gate.and_then(|gate| gate.tls()) else {
        return Some(stream);
    };
    let connection = tls.accept().ok()?;
    let mut stream = match TlsStream::handshake(stream, connection).await {
        Ok(stream) => return Some(Stream::Tls(Box::new(stream))),
        Err(HandshakeError::Io(_)) => return None,
        // The alert is on its way.
        Err(HandshakeError::Tls(failure, stream)) => {
            tracing::debug!(%failure, "a handshake on the admin address failed");
            stream
        }
        Err(HandshakeError::Plain(mut stream, _)) => {
            write(&mut stream, SPEAK_TLS).await.ok()?;
            stream
        }
    };
    let _ = time::timeout(PARTING, part(&mut stream)).await;
    None
}

async fn write(stream: &mut Stream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = poll_fn(|cx| stream.poll_write(cx, bytes)).await?;
        bytes = &bytes[n..];
    }
    Ok(())
}

/// Says that no more comes, and reads until the other side says so too.
async fn part(stream: &mut Stream) -> io::Result<()> {
    poll_fn(|cx| stream.poll_flush(cx)).await?;
    poll_fn(|cx| stream.poll_shutdown(cx)).await?;
    let mut piece = [0; PIECE];
    let mut read = 0;
    while read < LAST_WORDS {
        match poll_fn(|cx| stream.poll_read(cx, &mut piece)).await? {
            0 => break,
            n => read += n,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_plain_http_is_told_is_as_long_as_it_says() {
        let text = std::str::from_utf8(SPEAK_TLS).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}\r\n", body.len())),
            "{}",
            body.len()
        );
    }
}
