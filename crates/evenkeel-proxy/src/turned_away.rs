//! Connections of clients that have too many already: a short answer without a request, and the end.
//!
//! Nothing of the client is read before that, so one too many costs a socket and some bytes for a moment, and no more.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use evenkeel_base::Fault;
use evenkeel_config::model::Listener;
use evenkeel_net::Stream;

use crate::deadline::Deadlines;

/// So many are answered at the same time by a worker; the others are closed without a word.
const MOST_AT_ONCE: usize = 128;

/// How long the client may take to read its answer and to close: until then what it sends is thrown away, because closing in
/// front of it would take the answer back (RFC 9112 §9.6).
const PATIENCE: Duration = Duration::from_secs(1);

/// A line of the log for the first one, and then one for all of such a time.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// What a worker knows of those it turned away.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway {
    answering: Cell<usize>,
    /// How many since the last line of the log.
    untold: Cell<u64>,
    told: Cell<Option<Instant>>,
}

impl TurnedAway {
    /// Says that a client was turned away, unless that was said a moment ago.
    pub(crate) fn tell(&self, listener: &Listener, client: &str, now: Instant) {
        let untold = self.untold.get() + 1;
        let recently = |at| now.saturating_duration_since(at) < BETWEEN_LINES;
        if self.told.get().is_some_and(recently) {
            return self.untold.set(untold);
        }
        self.told.set(Some(now));
        self.untold.set(0);
        tracing::warn!(
            listener = listener.name,
            client,
            limit = listener.max_connections_per_client,
            turned_away = untold,
            "a client has as many connections as it may, and the next was turned away"
        );
    }

    /// Answers and closes; closes at once when there are too many to answer.
    pub(crate) async fn answer(
        self: Rc<Self>,
        mut stream: Stream,
        deadlines: Rc<Deadlines>,
        proxy_status: bool,
    ) {
        let answering = self.answering.get();
        if answering >= MOST_AT_ONCE {
            return;
        }
        self.answering.set(answering + 1);
        let answer = text(proxy_status);
        let mut left = answer.as_bytes();
        let deadline = deadlines.slot();
        deadline.set(Instant::now().checked_add(PATIENCE));
        poll_fn(|cx| {
            if deadline.poll_expired(cx).is_ready() {
                return Poll::Ready(());
            }
            while !left.is_empty() {
                match ready!(stream.poll_write(cx, left)) {
                    Ok(n) => left = left.get(n..).unwrap_or_default(),
                    Err(_) => return Poll::Ready(()),
                }
            }
            if ready!(stream.poll_shutdown(cx)).is_err() {
                return Poll::Ready(());
            }
            let mut bytes = [0_u8; 4096];
            match ready!(stream.poll_read(cx, &mut bytes)) {
                Ok(n) if n > 0 => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Ok(_) | Err(_) => Poll::Ready(()),
            }
        })
        .await;
        self.answering.set(self.answering.get() - 1);
    }
}

fn text(proxy_status: bool) -> String {
    let fault = Fault::TooManyConnections;
    let body = format!(
        "{} Too Many Requests\n\n{} ({fault})\n",
        fault.status(),
        fault.about()
    );
    let status = if proxy_status {
        let token = fault.proxy_status();
        format!("Proxy-Status: evenkeel; error={token}; details=\"{fault}\"\r\n")
    } else {
        String::new()
    };
    format!(
        "HTTP/1.1 {} Too Many Requests\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Retry-After: 1\r\n{status}Connection: close\r\n\r\n{body}",
        fault.status(),
        body.len()
    )
}
