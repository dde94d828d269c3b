//! A client's connection in time: idle, busy, at rest, busy or idle again, closed.
//!
//! ```text
//!            bytes              request over, nothing more received
//!  ┌─ idle ─────────▶ busy ──────────────────────────────────────────▶ at rest
//!  │  a stream and    a boxed task: block, head, exchange after          the task without
//!  │  no more         exchange (pipelined requests stay here)            its buffers
//!  ▲                    │    ▲                 bytes                       │   │
//!  │      close, fault  │    └─────────────────────────────────────────────┘   │
//!  │                    ▼                                                      │ a second, or no
//!  │              lingering close                                              ▼ place to rest
//!  └───────────────────────────────────────────────────────────────────────────┘
//! ```
//! Idle, a connection holds its stream and a deadline slot. Everything a request needs lives in a future that is made
//! when a first byte arrives and is gone when the connection is idle again; requests that follow each other soon share it.
//!
//! A client that begins with the preface of HTTP/2 is found out where the codec of HTTP/1.1 refuses that, so that others pay
//! nothing for it; [`streams`] goes on from there.

#[cfg(test)]
pub(crate) mod bench;
mod streams;

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use evenkeel_base::Fault;
use evenkeel_config::model::Listener;
use evenkeel_http1::Limits;
use evenkeel_net::Stream;
use tokio::task::coop::consume_budget;

use crate::deadline::Deadline;
use crate::door::{Door, View, Visit};
use crate::downstream::h1::{H1Downstream, Refused};
use crate::exchange;
use crate::exchange::tunnel::{Outcome, Tunnel};
use crate::h1::{Boundary, Channel};
use crate::idles::Idling;
use crate::scene::{After, From, LINGER, LINGER_BYTES, Scene};
use crate::worker::{Resting, Worker};

/// A connection whose last request is over keeps what a request needs for this long: the next one finds everything made, and
/// a connection that idles longer than that holds none of it.
const REST: Duration = Duration::from_secs(1);

/// Serves a connection until it ends.
///
/// What an idle connection takes is this future, so it is made of what it captures: what an asynchronous function is given it keeps
/// a second time.
pub(crate) fn serve<'a>(
    worker: &'a Rc<Worker>,
    (door, visit): (&'a Rc<Door>, Visit),
    mut stream: Stream,
    from: &'a From,
) -> impl Future<Output = ()> + use<'a> {
    let mut idle = Idle {
        worker,
        door,
        from,
        deadline: worker.deadlines.slot(),
        since: Instant::now(),
        first: true,
    };
    async move {
        // Boxed: an idle connection that speaks HTTP/1.1 is small.
        let other: Pin<Box<dyn Future<Output = ()>>> = loop {
            if stream.alpn() == Some(b"h2") {
                let by = (door, visit);
                break Box::pin(streams::serve(worker, by, stream, Bytes::new(), from));
            }
            if !idle.wait(&stream).await {
                stream.say_goodbye();
                return;
            }
            stream = match Box::pin(busy(&mut idle, stream)).await {
                Some(Rested::Idle(boundary)) => boundary.into_stream(),
                Some(Rested::Http2(stream, before)) => {
                    break Box::pin(streams::serve(worker, (door, visit), stream, before, from));
                }
                Some(Rested::Tunnel(down, tunnel)) => {
                    // Nothing of the exchange is left, and its snapshot may go; nothing more is asked here.
                    drop(visit);
                    break Box::pin(go_on(worker, (from, idle.deadline), down, tunnel));
                }
                None => return,
            };
            // What came may have been nothing that counts, as often as it likes: others have their turn.
            consume_budget().await;
        };
        other.await;
    }
}

/// A tunnel to its end.
async fn go_on(
    worker: &Worker,
    (from, deadline): (&From, Deadline),
    mut down: Box<H1Downstream>,
    tunnel: Box<Tunnel>,
) {
    tunnel.run(worker, (from, &deadline), &mut *down).await;
}

/// What becomes of a connection whose requests have ceased to follow each other.
enum Rested {
    Idle(Boundary),
    /// It speaks HTTP/2, as what was read of it shows.
    Http2(Stream, Bytes),
    /// It is a tunnel, to its end.
    Tunnel(Box<H1Downstream>, Box<Tunnel>),
}

impl Rested {
    fn http2(down: H1Downstream) -> Self {
        let (stream, before) = down.into_bytes();
        Self::Http2(stream, before)
    }
}

/// What is known of a connection while it waits.
struct Idle<'a> {
    worker: &'a Rc<Worker>,
    door: &'a Door,
    from: &'a From,
    deadline: Deadline,
    /// Since when.
    since: Instant,
    /// No request has come yet.
    first: bool,
}

impl<'a> Idle<'a> {
    /// How long it may wait; none when its listener is gone. A new connection is in a hurry: it counts as a request that has not
    /// come yet.
    fn limit(&self, view: &View) -> Option<Duration> {
        let listener = view.listener()?;
        Some(if self.first {
            listener.request_header_timeout
        } else {
            listener.keepalive_timeout
        })
    }

    /// Waits for bytes; false when there are none in time, or its listener is gone.
    async fn wait(&self, stream: &Stream) -> bool {
        let view = self.door.view(self.worker);
        let Some(limit) = view.and_then(|view| self.limit(&view)) else {
            return false;
        };
        let until = self.since.checked_add(limit);
        if until.is_some_and(|until| until <= Instant::now()) {
            // Whatever woke it in the meantime: it was no request.
            return false;
        }
        self.deadline.set(until);
        // One that has had no request is no idle connection, but a client that is about to ask.
        let _idling = (!self.first).then(|| self.enter());
        wait_for_bytes(stream, &self.deadline).await
    }

    /// Counts it among those that wait for another request.
    fn enter(&self) -> Idling<'a> {
        let checked = self.from.checked(self.door.state().serial);
        let bell = self.deadline.bell();
        self.worker.idles.enter(bell, self.since, checked)
    }

    /// Sets the deadline until which it waits with everything at hand, when there is a place for that; none when its listener
    /// is gone.
    fn rest(&self, view: &View) -> Option<Option<Resting<'a>>> {
        let until = REST.min(self.limit(view)?);
        self.deadline.set(self.since.checked_add(until));
        Some(self.worker.rest())
    }
}

/// Waits without a buffer; false when the time is over.
async fn wait_for_bytes(stream: &Stream, deadline: &Deadline) -> bool {
    poll_fn(|cx| match stream.poll_read_ready(cx) {
        Poll::Ready(result) => Poll::Ready(result.is_ok()),
        Poll::Pending => deadline.poll_expired(cx).map(|()| false),
    })
    .await
}

/// Serves requests for as long as they follow each other soon; gives the connection back when it idles.
async fn busy(idle: &mut Idle<'_>, stream: Stream) -> Option<Rested> {
    let worker = idle.worker;
    let (mut limits, half_close) = {
        let view = idle.door.view(worker)?;
        let listener = view.listener()?;
        (limits_of(listener), listener.half_close)
    };
    let mut down = H1Downstream::new(stream, worker, half_close, idle.from.proof.is_some());
    let mut resting: Option<Resting<'_>> = None;
    loop {
        let patience = resting.as_ref().map(|_| &idle.deadline);
        match next_bytes(&mut down, &limits, patience).await {
            Next::Bytes => drop(resting.take()),
            Next::Gone => return None,
            Next::Late => return down.into_idle(worker).map(Rested::Idle),
        }
        // Only now: what was published while the connection rested holds for what is asked after that.
        let view = idle.door.view(worker)?;
        let listener = view.listener()?;
        limits = limits_of(listener);
        let began = Instant::now();
        idle.deadline
            .set(began.checked_add(listener.request_header_timeout));
        let mut scene = Scene {
            worker,
            snapshot: &view.snapshot,
            handle: &view.snapshot,
            listener_id: view.listener_id,
            leaving: view.leaving,
            listener,
            from: idle.from,
            deadline: &idle.deadline,
            began,
            asked: began,
        };
        let (after, ended) = match read_request(&mut down, &limits, &mut scene, idle.first).await {
            Ok(true) => {
                idle.first = false;
                match exchange::run(&scene, &mut down).await {
                    Outcome::Over((After::Close, _)) if down.has_said_all() => {
                        down.channel().stream.say_goodbye();
                        return None;
                    }
                    Outcome::Over(over) => over,
                    Outcome::Tunnel(tunnel) => return Some(Rested::Tunnel(Box::new(down), tunnel)),
                }
            }
            Ok(false) | Err(Stopped::Gone) => return None,
            Err(Stopped::Preface) => return Some(Rested::http2(down)),
            Err(Stopped::Fault(fault, detail)) => {
                refuse(&scene, &mut down, fault, detail).await;
                return None;
            }
        };
        match after {
            After::Cut => return None,
            After::Close => {
                linger(down.channel(), &idle.deadline, LINGER).await;
                return None;
            }
            After::Persist if !down.next_request() => return None,
            After::Persist => {
                idle.since = ended;
                down.rest();
                resting = idle.rest(&view)?;
            }
        }
    }
}

const fn limits_of(listener: &Listener) -> Limits {
    Limits {
        head_bytes: listener.head.bytes,
        fields: listener.head.fields,
        line_bytes: listener.head.line,
    }
}

/// What came of waiting for a request.
enum Next {
    Bytes,
    Gone,
    Late,
}

/// Waits for a request's first bytes until the deadline; without one they have to be there. The event loop takes it for granted
/// that a new connection has something to say, and only some have.
async fn next_bytes(down: &mut H1Downstream, limits: &Limits, deadline: Option<&Deadline>) -> Next {
    if down.has_bytes() {
        // Many replies to what was sent at once may need no waiting at all: the worker's other connections have their turn.
        consume_budget().await;
        return Next::Bytes;
    }
    poll_fn(|cx| match down.poll_begin(cx, limits) {
        Poll::Ready(true) => Poll::Ready(Next::Bytes),
        Poll::Ready(false) => Poll::Ready(Next::Gone),
        Poll::Pending => match deadline {
            Some(deadline) => deadline.poll_expired(cx).map(|()| Next::Late),
            None => Poll::Ready(Next::Late),
        },
    })
    .await
}

enum Stopped {
    Gone,
    /// It was no request, but the beginning of HTTP/2.
    Preface,
    Fault(Fault, Option<&'static str>),
}

/// Reads a request's head, the connection's `first` or a later one; false when the client left before its first byte.
async fn read_request(
    down: &mut H1Downstream,
    limits: &Limits,
    scene: &mut Scene<'_>,
    first: bool,
) -> Result<bool, Stopped> {
    let mut waited = false;
    let read = poll_fn(|cx| match down.poll_request(cx, limits) {
        Poll::Ready(Ok(there)) => Poll::Ready(Ok(there)),
        Poll::Ready(Err(Refused::Gone)) => Poll::Ready(Err(Stopped::Gone)),
        Poll::Ready(Err(Refused::NoMemory)) => {
            Poll::Ready(Err(Stopped::Fault(Fault::Overloaded, None)))
        }
        Poll::Ready(Err(Refused::Head(refusal))) => Poll::Ready(Err(Stopped::Fault(
            refusal.fault_of_request(),
            Some(refusal.name()),
        ))),
        Poll::Pending => {
            waited = true;
            scene
                .deadline
                .poll_expired(cx)
                .map(|()| Err(Stopped::Fault(Fault::RequestHeaderTimeout, None)))
        }
    })
    .await;
    if waited {
        scene.asked = Instant::now();
    }
    let spoken = scene.listener.protocols;
    match read {
        Ok(true) if !spoken.http1 => Err(Stopped::Fault(Fault::VersionUnsupported, None)),
        Err(Stopped::Fault(Fault::VersionUnsupported, _))
            if first && spoken.http2 && down.is_preface() =>
        {
            Err(Stopped::Preface)
        }
        read => read,
    }
}

/// Replies to a request that was refused, and closes.
async fn refuse(
    scene: &Scene<'_>,
    down: &mut H1Downstream,
    fault: Fault,
    detail: Option<&'static str>,
) {
    down.refuse();
    if exchange::refuse(scene, down, fault, detail).await != After::Cut {
        linger(down.channel(), scene.deadline, patience_after(fault)).await;
    }
}

/// How long the client may take to close after a reply to a request that was refused. One that was too slow for its head had its time,
/// and sends next to nothing that could take its answer away: all such clients are gone a second after their timeout.
fn patience_after(fault: Fault) -> Duration {
    if fault == Fault::RequestHeaderTimeout {
        LINGER / 4
    } else {
        LINGER
    }
}

/// Closes the sending side, then reads and discards until the client has closed too, within limits.
async fn linger(channel: &mut Channel, deadline: &Deadline, patience: Duration) {
    deadline.set(Instant::now().checked_add(patience));
    let mut left = LINGER_BYTES;
    let mut shut = false;
    poll_fn(|cx| {
        if !shut {
            match channel.stream.poll_shutdown(cx) {
                Poll::Ready(Ok(())) => shut = true,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return deadline.poll_expired(cx),
            }
        }
        discard(channel, cx, &mut left, deadline)
    })
    .await;
}

fn discard(
    channel: &mut Channel,
    cx: &mut Context<'_>,
    left: &mut usize,
    deadline: &Deadline,
) -> Poll<()> {
    let mut bytes = [0_u8; 4096];
    loop {
        match channel.stream.poll_read(cx, &mut bytes) {
            Poll::Ready(Ok(n)) if n > 0 && *left > n => *left -= n,
            Poll::Ready(_) => return Poll::Ready(()),
            Poll::Pending => return deadline.poll_expired(cx),
        }
    }
}

#[cfg(test)]
mod tests;
