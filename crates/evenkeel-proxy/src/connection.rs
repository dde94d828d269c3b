//! A client's connection in time: idle, busy, idle again, closed.
//!
//! ```text
//!            bytes                    request over, nothing more received
//!  ┌─ idle ─────────▶ busy ──────────────────────────────────────────────┐
//!  │  a stream and    a boxed task: block, head, exchange after exchange │
//!  │  no more         (pipelined requests stay here)                     │
//!  ▲                    │ close, fault                                   ▼
//!  └────────────────────│───────────────────────────────────────────── idle
//!                       ▼
//!                   lingering close
//! ```
//! Idle, a connection holds its stream and a deadline slot. Everything a request needs lives in a future that is made
//! when its first byte arrives and is gone when the connection is idle again.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use evenkeel_base::{Fault, ListenerId};
use evenkeel_http1::Limits;
use evenkeel_net::Stream;

use crate::deadline::Deadline;
use crate::downstream::h1::{H1Downstream, Refused};
use crate::exchange;
use crate::h1::{Boundary, Channel};
use crate::scene::{After, From, LINGER, LINGER_BYTES, Scene};
use crate::worker::Worker;

/// Serves a connection until it ends.
pub(crate) async fn serve(worker: &Rc<Worker>, listener: ListenerId, stream: Stream, from: From) {
    let deadline = worker.deadlines.slot();
    let mut stream = stream;
    let mut first = true;
    loop {
        let accepted = Instant::now();
        let Some(idle) = worker.snapshot().listener(listener).map(|listener| {
            // A new connection is in a hurry: it counts as a request that has not come yet.
            if first {
                listener.request_header_timeout
            } else {
                listener.keepalive_timeout
            }
        }) else {
            return;
        };
        deadline.set(accepted.checked_add(idle));
        if !wait_for_bytes(&stream, &deadline).await {
            return;
        }
        match Box::pin(busy(worker, listener, stream, &from, &deadline, &mut first)).await {
            Some(boundary) => stream = boundary.into_stream(),
            None => return,
        }
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

/// Serves requests for as long as they follow each other; gives the stream back when it is idle.
async fn busy(
    worker: &Rc<Worker>,
    listener_id: ListenerId,
    stream: Stream,
    from: &From,
    deadline: &Deadline,
    first: &mut bool,
) -> Option<Boundary> {
    let mut snapshot = worker.snapshot();
    let half_close = snapshot.listener(listener_id)?.half_close;
    let mut down = H1Downstream::new(stream, worker, half_close);
    loop {
        let listener = snapshot.listener(listener_id)?;
        let began = Instant::now();
        deadline.set(began.checked_add(listener.request_header_timeout));
        let limits = Limits {
            head_bytes: listener.head.bytes,
            fields: listener.head.fields,
            line_bytes: listener.head.line,
        };
        let scene = Scene {
            worker,
            snapshot: &snapshot,
            listener_id,
            listener,
            from,
            deadline,
            began,
        };
        let after = match read_request(&mut down, &limits, deadline).await {
            Ok(true) => {
                *first = false;
                exchange::run(&scene, &mut down).await
            }
            Ok(false) | Err(Stopped::Gone) => return None,
            Err(Stopped::Nothing) => return down.into_idle(worker),
            Err(Stopped::Fault(fault, detail)) => {
                down.refuse();
                match exchange::refuse(&scene, &mut down, fault, detail).await {
                    After::Cut => After::Cut,
                    After::Persist | After::Close => After::Close,
                }
            }
        };
        match after {
            After::Cut => return None,
            After::Close => {
                linger(down.channel(), deadline).await;
                return None;
            }
            After::Persist if !down.has_bytes() => return down.into_idle(worker),
            After::Persist if !down.next_request() => return None,
            After::Persist => snapshot = worker.snapshot(),
        }
    }
}

enum Stopped {
    /// The event loop spoke of bytes, and there are none: it does after a read that filled its buffer to the last byte.
    Nothing,
    Gone,
    Fault(Fault, Option<&'static str>),
}

async fn read_request(
    down: &mut H1Downstream,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<bool, Stopped> {
    poll_fn(|cx| match down.poll_request(cx, limits) {
        Poll::Pending if !down.has_bytes() => Poll::Ready(Err(Stopped::Nothing)),
        Poll::Ready(Ok(there)) => Poll::Ready(Ok(there)),
        Poll::Ready(Err(Refused::Gone)) => Poll::Ready(Err(Stopped::Gone)),
        Poll::Ready(Err(Refused::Head(refusal))) => Poll::Ready(Err(Stopped::Fault(
            refusal.fault_of_request(),
            Some(refusal.name()),
        ))),
        Poll::Pending => deadline
            .poll_expired(cx)
            .map(|()| Err(Stopped::Fault(Fault::RequestHeaderTimeout, None))),
    })
    .await
}

/// Closes the sending side, then reads and discards until the client has closed too, within limits.
async fn linger(channel: &mut Channel, deadline: &Deadline) {
    deadline.set(Instant::now().checked_add(LINGER));
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
