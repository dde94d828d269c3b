//! Connections that are too many, of their client or of all: a short answer without a request, and the end.
//!
//! Nothing of the client is read before that, so one too many costs a socket and some bytes for a moment, and no more.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use evenkeel_base::Fault;
use evenkeel_config::model::Listener;
use evenkeel_http1::reason_phrase;
use evenkeel_http2::{Abuse, Role};
use evenkeel_net::Stream;

use crate::deadline::{Deadline, Deadlines};

/// So many are held by a worker at the same time until they have read their answer; the others are closed right behind it.
const MOST_AT_ONCE: usize = 128;

/// And no more than this part of all that there may be: those that are turned away need descriptors too.
const PART_AT_ONCE: usize = 16;

/// How long the client may take to read its answer and to close: until then what it sends is thrown away, because closing in
/// front of it would take the answer back (RFC 9112 §9.6).
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// A line of the log for the first one, and then one for all of such a time.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Why a connection is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its client has too many.
    OfClient,
    /// There are as many as the process may have.
    OfAll,
    /// The process is short of something; the log says so when that begins.
    Overload,
}

impl Why {
    /// The name that the answer gives to it.
    pub(crate) const fn fault(self) -> Fault {
        match self {
            Self::OfClient => Fault::TooManyConnections,
            Self::OfAll | Self::Overload => Fault::Overloaded,
        }
    }
}

/// What those that are turned away are told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) fault: Fault,
    pub(crate) proxy_status: bool,
    /// Whether the client expects TLS: a handshake would cost more than all that turning away saves.
    pub(crate) by_alert: bool,
}

/// A fatal alert before any handshake (RFC 8446 §6): `internal_error`, for there is none that says "too busy".
const ALERT: &[u8] = &[21, 3, 3, 0, 2, 2, 80];

/// So many are held at the same time where so many connections may be open.
pub(crate) fn at_once(most: u32) -> usize {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    (most / PART_AT_ONCE + 1).min(MOST_AT_ONCE)
}

/// What a worker knows of those it turned away.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway {
    held: Cell<usize>,
    of_client: Lines,
    of_all: Lines,
    /// One for each: what is new is told at once.
    abuses: [Lines; Abuse::COUNT],
    /// The same of endpoints.
    of_endpoints: [Lines; Abuse::COUNT],
}

/// Lines of the log, a few of very many.
#[derive(Debug, Default)]
struct Lines {
    /// How many would have been written since the last one.
    untold: Cell<u64>,
    told: Cell<Option<Instant>>,
}

impl Lines {
    /// For how many a line is due now; none when there was one a moment ago.
    fn due(&self, now: Instant) -> Option<u64> {
        let untold = self.untold.get() + 1;
        let recently = |at| now.saturating_duration_since(at) < BETWEEN_LINES;
        if self.told.get().is_some_and(recently) {
            self.untold.set(untold);
            return None;
        }
        self.told.set(Some(now));
        self.untold.set(0);
        Some(untold)
    }
}

impl TurnedAway {
    /// Says that a connection was turned away, unless that was said a moment ago.
    pub(crate) fn tell(
        &self,
        why: Why,
        listener: &Listener,
        client: &str,
        most: u32,
        now: Instant,
    ) {
        let listener_name = &listener.name;
        match why {
            Why::Overload => {}
            Why::OfClient => {
                if let Some(turned_away) = self.of_client.due(now) {
                    tracing::warn!(
                        listener = listener_name,
                        client,
                        limit = listener.max_connections_per_client,
                        turned_away,
                        "a client has as many connections as it may, and the next was turned away"
                    );
                }
            }
            Why::OfAll => {
                if let Some(turned_away) = self.of_all.due(now) {
                    tracing::warn!(
                        listener = listener_name,
                        client,
                        limit = most,
                        turned_away,
                        "as many clients are connected as may be, and the next was turned away"
                    );
                }
            }
        }
    }

    /// A connection was ended because of what was done at its other end: for how many of them a line is due now, if one is.
    pub(crate) fn tell_abuse(&self, role: Role, abuse: Abuse, now: Instant) -> Option<u64> {
        let lines = match role {
            Role::Client => &self.abuses,
            Role::Endpoint => &self.of_endpoints,
        };
        lines[abuse.index()].due(now)
    }

    /// Holds another one until it has read its answer, when there may be one more.
    pub(crate) fn hold(self: &Rc<Self>, at_once: usize) -> Option<Held> {
        let held = self.held.get();
        (held < at_once).then(|| {
            self.held.set(held + 1);
            Held(Rc::clone(self))
        })
    }
}

/// One that is held.
#[derive(Debug)]
pub(crate) struct Held(Rc<TurnedAway>);

impl Held {
    /// Answers, and closes when the client has read that.
    pub(crate) async fn answer(self, stream: Stream, deadlines: Rc<Deadlines>, answer: Answer) {
        let deadline = deadlines.slot();
        deadline.set(Instant::now().checked_add(PATIENCE));
        say_and_close(stream, &bytes(answer), &deadline).await;
    }
}

/// Says something as it is, closes the sending side, and throws away what still comes until the client has closed as well.
pub(crate) async fn say_and_close(mut stream: Stream, mut left: &[u8], deadline: &Deadline) {
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
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.set(self.0.held.get() - 1);
    }
}

/// Answers and closes right behind it: a client that sends meanwhile may lose the answer.
pub(crate) fn dismiss(stream: Stream, answer: Answer) {
    // One that does not take it is gone.
    let _ = stream.send_at_once(&bytes(answer));
    drop(stream);
}

fn bytes(answer: Answer) -> Vec<u8> {
    if answer.by_alert {
        ALERT.to_vec()
    } else {
        text(answer).into_bytes()
    }
}

fn text(answer: Answer) -> String {
    let fault = answer.fault;
    let code = fault.status();
    let reason = reason_phrase(code);
    let body = format!("{code} {reason}\n\n{} ({fault})\n", fault.about());
    let status = if answer.proxy_status {
        let token = fault.proxy_status();
        format!("Proxy-Status: evenkeel; error={token}; details=\"{fault}\"\r\n")
    } else {
        String::new()
    };
    format!(
        "HTTP/1.1 {code} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Retry-After: 1\r\n{status}Connection: close\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_held_where_few_may_be_connected() {
        for (most, held) in [(1, 1), (28, 2), (2000, 126), (2032, 128), (u32::MAX, 128)] {
            assert_eq!(at_once(most), held, "{most}");
        }
    }

    #[test]
    fn a_line_is_due_now_and_then_for_all_since_the_last() {
        let (lines, now) = (Lines::default(), Instant::now());
        assert_eq!(lines.due(now), Some(1));
        assert_eq!((lines.due(now), lines.due(now)), (None, None));
        assert_eq!(lines.due(now + BETWEEN_LINES), Some(3));
    }
}
