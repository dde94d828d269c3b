//! From the response's head to the end: body both ways with back-pressure, or to where a tunnel begins.

use std::borrow::Cow;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Instant;

use evenkeel_base::{Fault, Known, Side};
use evenkeel_state::decide::{fields, sticky};

use crate::body::{Fill, Length, Pump, Source, Waiting, discard_received};
use crate::downstream::{Downstream, Expect};
use crate::exchange::converse::Conversation;
use crate::exchange::stage::{Stage, asked_protocol, earliest};
use crate::exchange::{call, explained, reply};
use crate::record::Record;
use crate::scene::{After, LINGER, LINGER_BYTES};
use crate::upstream::any::{AnyUpstream, by_protocol};
use crate::upstream::{Answer, Upstream};

/// Passes the response on, and what is left of the request; ends with the connections put where they belong.
pub(crate) async fn run<D: Downstream>(
    stage: &Stage<'_>,
    down: &mut D,
    up: &mut AnyUpstream,
    talk: &mut Conversation,
    record: &mut Record,
) -> Relayed {
    let now = Instant::now();
    talk.settle();
    let status = up.response().status();
    record.status = status;
    (record.last.status, record.last.head) = (status, Some(now));
    let elapsed = now.saturating_duration_since(talk.began);
    // An attempt that began with the exchange has taken as long, and taking instants from each other is not free.
    record.first_byte = Some(if talk.began == stage.scene.began {
        elapsed
    } else {
        now.saturating_duration_since(stage.scene.began)
    });
    stage.counters.response(status);
    let latency = talk.latency_of(elapsed, now);
    if let Some(latency) = latency {
        stage.counters.latency().record(latency);
    }
    if stage.scene.worker.keeps_headers() {
        record.response = stage.scene.worker.keep_headers(&up.response());
    }
    let grpc = call::status_in_head(stage, up, talk);
    stage.saw(&up.response(), grpc, latency, now);
    let length = match talk.answer {
        // Passed on it would say that the tunnel stands.
        Answer::Final(_) if down.is_tunnel() && (200..300).contains(&status) => {
            stage.answered(status, None);
            return Box::pin(fail(stage, down, Fault::UpgradeMismatch, record)).await;
        }
        Answer::Final(length) => length,
        // Boxed: tunnels and faults are rare, and an exchange's future is as large as its widest state.
        Answer::Tunnel => return Box::pin(switch(stage, down, up, record)).await,
        Answer::Interim => return Box::pin(fail(stage, down, Fault::Internal, record)).await,
    };
    // A client that still waits for leave to send its body will not get it any more, and may send it or not.
    let undecided = down.facts().expect == Expect::Continue && !down.request_done();
    let close =
        undecided || too_much_left(down, talk) || !down.facts().persistent || stage.scene.is_last();
    begin_response(stage, down, up, (length, close), record);
    let mut relay = Relay {
        response: Pump::new(now, u64::MAX, true),
        trails: !undecided,
    };
    let ended = drive(stage, down, up, talk, &mut relay).await;
    let ended = ended.map_err(|fault| up.why(fault));
    count(stage, talk, &relay, record);
    if relay.response.done {
        record.grpc = grpc.or_else(|| call::status_in_trailers(stage, up));
    }
    judge(stage, ended, record);
    match ended {
        Ok(()) => Relayed {
            // The client was told that its connection persists: what is left of its request is in the way of the next.
            after: if !close && (down.request_done() || discard_rest(stage, down).await) {
                After::Persist
            } else {
                After::Close
            },
            left: match talk.pump.done && !talk.broken {
                true => Left::Free(relay.response.moved),
                false => Left::Nothing,
            },
        },
        // Nothing has left yet: an honest reply is better than a cut connection.
        Err(fault) if fault.side() != Side::Downstream && down.retract_response() => {
            Box::pin(fail(stage, down, fault, record)).await
        }
        Err(fault) => {
            record.fault = Some(fault);
            if fault.side() == Side::Upstream {
                stage.counters.fault(fault);
            }
            Relayed::cut()
        }
    }
}

/// What the end of its response says of the endpoint.
#[inline]
fn judge(stage: &Stage<'_>, ended: Result<(), Fault>, record: &Record) {
    match ended {
        Ok(()) => stage.answered(record.status, record.grpc),
        // An endpoint that has answered may leave the rest of the request unread, and how long that is the client decides.
        Err(Fault::EndpointStalled) => stage.answered(record.status, record.grpc),
        Err(fault) if fault.side() == Side::Upstream => stage.cut(fault),
        // A client that left, or the end of its time, says nothing of an endpoint that was still at it.
        Err(_) => {}
    }
}

/// Whether more of the request is still to come than is read after an early response.
fn too_much_left<D: Downstream>(down: &D, talk: &Conversation) -> bool {
    !down.request_done()
        && matches!(down.facts().length, Length::Known(n) if n.saturating_sub(talk.pump.bytes) > LINGER_BYTES as u64)
}

/// Reads what is left of a request whose response is over, and throws it away; whether that was all within the limits.
async fn discard_rest<D: Downstream>(stage: &Stage<'_>, down: &mut D) -> bool {
    stage.scene.deadline.set(Instant::now().checked_add(LINGER));
    let mut left = LINGER_BYTES;
    poll_fn(|cx| {
        loop {
            let n = down.body().data().len();
            down.body().consume(n);
            match left.checked_sub(n) {
                Some(still) => left = still,
                None => return Poll::Ready(false),
            }
            match down.body().poll_fill(cx) {
                Poll::Ready(Ok(Fill::Data)) => {}
                Poll::Ready(result) => return Poll::Ready(result.is_ok()),
                Poll::Pending => return stage.scene.deadline.poll_expired(cx).map(|()| false),
            }
        }
    })
    .await
}

/// Notes what went each way.
fn count(stage: &Stage<'_>, talk: &Conversation, relay: &Relay, record: &mut Record) {
    record.ended = talk.pump.moved.max(relay.response.moved);
    record.bytes_in = talk.pump.bytes;
    record.bytes_out = relay.response.bytes;
    stage.counters.bytes_sent.add(talk.pump.bytes);
    stage.counters.bytes_received.add(relay.response.bytes);
}

/// How a relay ended.
pub(crate) struct Relayed {
    /// What becomes of the client's connection.
    pub(crate) after: After,
    /// What is left of the endpoint's.
    pub(crate) left: Left,
}

impl Relayed {
    const fn cut() -> Self {
        Self {
            after: After::Cut,
            left: Left::Nothing,
        }
    }
}

/// What is left of the endpoint's connection.
pub(crate) enum Left {
    /// It may carry another exchange: it is at a boundary, and free since then.
    Free(Instant),
    /// Nothing.
    Nothing,
    /// A tunnel, which is to begin.
    Tunnel,
}

fn begin_response<D: Downstream>(
    stage: &Stage<'_>,
    down: &mut D,
    up: &AnyUpstream,
    (length, close): (Length, bool),
    record: &Record,
) {
    let response = up.response();
    let line = up.status_line();
    let edits = &stage.forward.route.response_headers;
    let cookie = set_cookie(stage, down);
    let explained = explained::of(stage.scene, || down.request(), record);
    // A length that frames the body passes as it came, for it was read as strictly as it would be written. Without a body to
    // follow it tells of the one there would be (HEAD, 304), but for 204 of none.
    let told = length != Length::Unknown && response.status() != 204;
    down.begin_response(line, (length, told), close, |sink| {
        fields::response(&response, told, edits, cookie.as_deref(), sink);
        if let Some(explained) = &explained {
            sink.field(explained::NAME, explained.as_bytes());
        }
    });
}

/// What the client is told to know the endpoint by.
#[inline]
fn set_cookie<'s, D: Downstream>(stage: &Stage<'s>, down: &D) -> Option<Cow<'s, str>> {
    let snapshot = stage.scene.snapshot;
    sticky::set_cookie(snapshot, stage.cookie, stage.index, &down.request())
}

/// Gives the endpoint's connection, which has been free since then, back to where others get theirs.
pub(crate) fn give_back(stage: &Stage<'_>, up: AnyUpstream, since: Instant) {
    let (endpoint, cluster) = (&stage.endpoint.state, &stage.cluster.config);
    up.give_back(stage.scene.worker, endpoint, cluster, since);
}

/// Throws a response away that is not passed on. Its connection is kept when that takes no waiting.
pub(crate) fn discard(stage: &Stage<'_>, mut up: AnyUpstream) {
    if discard_received(up.body()) {
        give_back(stage, up, Instant::now());
    }
}

async fn fail<D: Downstream>(
    stage: &Stage<'_>,
    down: &mut D,
    fault: Fault,
    record: &mut Record,
) -> Relayed {
    if fault.side() == Side::Upstream {
        stage.counters.fault(fault);
    }
    let after = reply::fault(stage.scene, down, Some(stage.forward.route), fault, record).await;
    Relayed {
        after,
        left: Left::Nothing,
    }
}

/// Switches both sides to raw bytes, when the endpoint switched to what was asked for.
async fn switch<D: Downstream>(
    stage: &Stage<'_>,
    down: &mut D,
    up: &mut AnyUpstream,
    record: &mut Record,
) -> Relayed {
    let Some(protocol) = matching_protocol(down, up) else {
        stage.failed(Fault::UpgradeMismatch);
        return fail(stage, down, Fault::UpgradeMismatch, record).await;
    };
    let response = up.response();
    let edits = &stage.forward.route.response_headers;
    let cookie = set_cookie(stage, down);
    let explained = explained::of(stage.scene, || down.request(), record);
    down.begin_tunnel(&protocol, |sink| {
        fields::response(&response, false, edits, cookie.as_deref(), sink);
        if let Some(explained) = &explained {
            sink.field(explained::NAME, explained.as_bytes());
        }
    });
    up.begin_tunnel();
    stage.answered(101, None);
    Relayed {
        after: After::Cut,
        left: Left::Tunnel,
    }
}

/// The protocol both sides named: RFC 9110 §7.8 and, for WebSocket, RFC 6455 §4.1.
fn matching_protocol<D: Downstream>(down: &D, up: &AnyUpstream) -> Option<Vec<u8>> {
    let (asked, response) = (asked_protocol(down)?, up.response());
    let given = response.known(Known::Upgrade)?;
    let offered = asked
        .split(|b| *b == b',')
        .any(|one| one.trim_ascii().eq_ignore_ascii_case(given));
    let websocket = given.eq_ignore_ascii_case(b"websocket");
    let accepted = !websocket
        || response
            .known(Known::SecWebSocketAccept)
            .is_some_and(|accept| down.takes_accept(accept));
    (offered && accepted).then(|| given.to_vec())
}

/// The response's direction.
struct Relay {
    response: Pump,
    /// An endpoint that has answered is sent the rest of the request for as long as it takes it.
    trails: bool,
}

impl Relay {
    /// Whether nothing is left to do but to send the rest of the request.
    const fn is_trailing(&self) -> bool {
        self.response.done
    }
}

async fn drive<D: Downstream>(
    stage: &Stage<'_>,
    down: &mut D,
    up: &mut AnyUpstream,
    talk: &mut Conversation,
    relay: &mut Relay,
) -> Result<(), Fault> {
    // What was armed for the response's head must not end the body.
    stage.scene.deadline.set(None);
    let steps = |cx: &mut Context<'_>| {
        let polled = by_protocol!(up, up => step(stage, cx, down, up, talk, relay));
        match polled {
            Poll::Ready(result) => Ok(result),
            Poll::Pending => Err(earliest(deadline(stage, talk, relay).0, talk.watch_at())),
        }
    };
    stage.scene.deadline.drive(steps).await
}

fn step<D: Downstream, U: Upstream>(
    stage: &Stage<'_>,
    cx: &mut Context<'_>,
    down: &mut D,
    up: &mut U,
    talk: &mut Conversation,
    relay: &mut Relay,
) -> Poll<Result<(), Fault>> {
    if stage.scene.worker.is_stopping() {
        return Poll::Ready(Err(Fault::Shutdown));
    }
    if stage.scene.deadline.has_fired() {
        let now = Instant::now();
        talk.watch(now);
        if let (Some(at), fault) = deadline(stage, talk, relay)
            && now >= at
        {
            let over = relay.is_trailing() && fault != Fault::TotalTimeout;
            return Poll::Ready(if over { Ok(()) } else { Err(fault) });
        }
    }
    match talk.send(stage, cx, down, up) {
        // The response is over: what breaks off now is none of its business.
        Err(_) if relay.is_trailing() => return Poll::Ready(Ok(())),
        sent => sent?,
    }
    if !relay.response.done
        && let Poll::Ready(Err(fault)) = relay.response.poll(cx, up.body(), down.body(), &|name| {
            !stage.forward.route.response_headers.names(name)
        })
    {
        return Poll::Ready(Err(fault));
    }
    if relay.response.done && talk.pump.done {
        return Poll::Ready(Ok(()));
    }
    if relay.is_trailing() && (talk.broken || !relay.trails) {
        return Poll::Ready(Ok(()));
    }
    if talk.is_abandoned(cx, down) {
        return Poll::Ready(Err(Fault::ClientGone));
    }
    Poll::Pending
}

/// The next instant at which something is late, and what that would be.
fn deadline(stage: &Stage<'_>, talk: &Conversation, relay: &Relay) -> (Option<Instant>, Fault) {
    let timeouts = &stage.cluster.config.timeouts;
    let moved = talk.pump.moved.max(relay.response.moved);
    let idle = if relay.response.done {
        LINGER
    } else {
        timeouts.idle
    };
    let mut due = (moved.checked_add(idle), Fault::IdleTimeout);
    let mut consider = |at: Option<Instant>, fault: Fault| {
        if at.is_some() && earliest(due.0, at) == at {
            due = (at, fault);
        }
    };
    if !relay.response.done && relay.response.waiting == Waiting::Sink {
        consider(
            relay
                .response
                .moved
                .checked_add(stage.scene.listener.write_timeout),
            Fault::ClientStalled,
        );
    }
    if !talk.pump.done && !talk.broken && talk.pump.waiting == Waiting::Sink {
        consider(
            talk.pump
                .moved
                .checked_add(stage.scene.listener.write_timeout),
            Fault::EndpointStalled,
        );
    }
    consider(stage.total_at, Fault::TotalTimeout);
    due
}
