//! The beginning of a client's connection on a listener that speaks TLS: its handshake, within its time, or why there is none.
//!
//! ```text
//!   accepted ──▶ handshake ──┬─▶ a stream like any other, and what the client has proven
//!                            ├─▶ HTTP without TLS: told so, in words that it understands
//!                            └─▶ no agreement, too slow, gone: an alert, the end
//! ```

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use evenkeel_net::{HandshakeError, Stream, TlsStream};
use evenkeel_tls::{Failure, Reason, ServerTls};

use crate::deadline::Deadline;
use crate::door::Door;
use crate::scene::From;
use crate::turned_away::{PATIENCE, say_and_close};
use crate::worker::Worker;

/// What HTTP/1.1 without TLS is told.
const ANSWER: &str = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 94\r\n\
     Connection: close\r\n\r\n400 Bad Request\n\nThis port speaks TLS, and this was HTTP without it: ask again with https://.\n";

/// How HTTP/2 with prior knowledge begins (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// What HTTP/2 without TLS is told: our settings, and that it goes no further (GOAWAY, INADEQUATE_SECURITY) because of the text behind.
const GOAWAY: &[u8] =
    b"\0\0\0\x04\0\0\0\0\0\0\0\x1c\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0cthis port speaks TLS";

/// Shakes hands where the listener speaks TLS, and lets `from` know what came of it; none when the connection is over.
pub(crate) async fn shake(
    worker: &Rc<Worker>,
    door: &Door,
    stream: Stream,
    from: &mut From,
) -> Option<Stream> {
    let (tls, timeout) = {
        let view = door.view(worker)?;
        let Some(config) = &view.listener()?.tls else {
            return Some(stream);
        };
        (view.tls().cloned(), config.handshake_timeout)
    };
    let Some(tls) = tls else {
        tracing::error!("a listener that is to speak TLS has no keys for it");
        return None;
    };
    // Its future is large, and not needed for long: an idle connection's task must not have room for it.
    Box::pin(shake_within(worker, &tls, stream, from, timeout)).await
}

async fn shake_within(
    worker: &Rc<Worker>,
    tls: &ServerTls,
    stream: Stream,
    from: &mut From,
    timeout: std::time::Duration,
) -> Option<Stream> {
    let connection = tls.accept().ok()?;
    let deadline = worker.deadlines.slot();
    deadline.set(Instant::now().checked_add(timeout));
    let counters = worker.counters();
    match within(&deadline, TlsStream::handshake(stream, connection)).await {
        Some(Ok(mut stream)) => {
            counters.handshakes.add(1);
            if stream.connection().is_resumed() {
                counters.resumed.add(1);
            }
            from.proof = tls.proof(stream.connection_mut()).map(Box::new);
            Some(Stream::Tls(Box::new(stream)))
        }
        None => {
            counters.handshakes_failed.add(1);
            tracing::debug!(client = from.text, "a handshake took too long");
            None
        }
        Some(Err(error)) => {
            counters.handshakes_failed.add(1);
            refuse(&deadline, error, &from.text).await;
            None
        }
    }
}

/// Tells the client why, as far as there is anything to tell, and closes when it has read that.
async fn refuse(deadline: &Deadline, error: HandshakeError, client: &str) {
    deadline.set(Instant::now().checked_add(PATIENCE));
    match error {
        HandshakeError::Io(error) => tracing::debug!(client, %error, "a handshake broke off"),
        HandshakeError::Tls(failure, stream) => {
            tracing::debug!(client, reason = word(&failure), %failure, "a handshake failed");
            // The alert is on its way.
            say_and_close(stream, &[], deadline).await;
        }
        HandshakeError::Plain(stream, said) => {
            tracing::debug!(client, "HTTP without TLS on a port that speaks TLS");
            // Its first bytes may be cut anywhere.
            let both = said.len().min(PREFACE.len());
            let is_h2 = both > 2 && said[..both] == PREFACE[..both];
            let answer = if is_h2 { GOAWAY } else { ANSWER.as_bytes() };
            say_and_close(stream, answer, deadline).await;
        }
    }
}

/// What comes of it before the deadline.
async fn within<T>(deadline: &Deadline, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => deadline.poll_expired(cx).map(|()| None),
    })
    .await
}

const fn word(failure: &Failure) -> &'static str {
    match failure.reason() {
        Reason::NotTls => "not-tls",
        Reason::NoAgreement => "no-agreement",
        Reason::NoCertificate => "no-certificate",
        Reason::BadCertificate => "bad-certificate",
        Reason::Refused => "refused",
        Reason::Broken => "broken",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_plain_http_is_told_is_as_long_as_it_says() {
        let (head, body) = ANSWER.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
        // Nine bytes before each payload: its length, type, flags and stream (RFC 9113 §4.1).
        let (settings, goaway) = GOAWAY.split_at(9);
        assert_eq!(settings, b"\0\0\0\x04\0\0\0\0\0");
        assert_eq!(usize::from(goaway[2]), goaway.len() - 9);
        assert_eq!(goaway[3], 7);
    }
}
