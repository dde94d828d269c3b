//! A client's connection that speaks HTTP/2, in time: many exchanges at once, each in a task.
//!
//! ```text
//!  preface ──▶ serving ── drain, listener gone, idle for too long ──▶ leaving ──▶ closing ──▶ lingering
//!                 │                                        GOAWAY, what runs goes on    ▲
//!                 └── abuse, stop, the client reads nothing ─── GOAWAY, or a cut ──────┘
//! ```
//! The connection's own task moves frames, begins exchanges and keeps the clock; it knows nothing of what they do. What a client
//! has reset counts as running until its exchange has ended, so that it cannot have more work done at once than it may ask for.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use evenkeel_base::Fault;
use evenkeel_config::model::Listener;
use evenkeel_http2::{Abuse, Refusal, Role, Running};
use evenkeel_net::Stream;
use h2::server::{Builder, Connection, Handshake, SendResponse};
use h2::{Reason, RecvStream};
use http::request::Request;

use crate::connection::{REST, limits_of};
use crate::deadline::Deadline;
use crate::door::{Door, View, Visit};
use crate::downstream::h2::{H2Downstream, decoded};
use crate::exchange;
use crate::exchange::tunnel::Outcome;
use crate::h2::{CONNECTION_WINDOW, Outlet, SEND_BUFFER, STREAM_WINDOW, Wire};
use crate::idles::Idling;
use crate::roll::Call;
use crate::runners::Desk;
use crate::scene::{After, From, LINGER, LINGER_BYTES, Scene};
use crate::worker::Worker;

/// Exchanges that a connection begins before the worker's other tasks have their turn.
const TURN: usize = 32;

/// Streams that were reset before anybody took them up: the codec ends the connection at more. The meter has its say long before,
/// and a browser that leaves a page with a hundred pictures means no harm.
const MOST_RESET_UNSEEN: usize = 256;

/// Small DATA frames that were not taken yet, by what they cost the codec beyond their bytes: 6,000 of them, more than there are in
/// 64 KiB, which are read in a row, when each has the five bytes that a message of gRPC has at least. Then those have their turn
/// whose streams they came for, and those that stand still fetch them as well. Sixteen thousand took 19 MB.
const DATA_FRAME_BUDGET: usize = 1536 * 1024;

/// What the codec counts for a field beyond its bytes (RFC 9113 §6.5.2), and what a line of ours takes.
const FIELD_OVERHEAD: usize = 32 - 4;

/// What pseudo-fields have beside their values, which alone count as bytes of a head here.
const PSEUDO_FIELDS: usize = 256;

/// Serves a connection until it ends; `before` is what was read of it already.
pub(crate) async fn serve(
    worker: &Rc<Worker>,
    (door, visit): (&Rc<Door>, Visit),
    stream: Stream,
    before: Bytes,
    from: &From,
) {
    let Some(view) = door.view(worker) else {
        return;
    };
    let Some(listener) = view.listener() else {
        return;
    };
    let (wire, outlet) = Wire::new(stream, before, Role::Client, &worker.blocks);
    outlet.allow(listener.http2.max_concurrent_streams, listener.head.bytes);
    let now = Instant::now();
    let times = Times::of(listener);
    let deadline = worker.deadlines.slot();
    deadline.set(now.checked_add(times.header));
    let life = Rc::new(Life {
        worker: Rc::clone(worker),
        door: Rc::clone(door),
        https: from.proof.is_some(),
        from: from.clone(),
        running: Cell::new(Running::new(listener.http2.max_concurrent_streams)),
        idle_since: Cell::new(now),
        call: Rc::default(),
    });
    let handshake = builder(listener).handshake(wire);
    drop(view);
    let Some(connection) = shake(handshake, &outlet, &deadline).await else {
        return;
    };
    let listed = worker.roll.enter(&life.call);
    let mut streams = Streams {
        worker,
        life: &life,
        visit: Some(visit),
        connection,
        outlet: &outlet,
        deadline: &deadline,
        times,
        phase: Phase::Serving,
        first: true,
        outdated: false,
        idling: None,
        stuck: None,
        armed: None,
    };
    let end = poll_fn(|cx| streams.poll(cx)).await;
    // With it all exchanges learn that their client is gone.
    drop(streams);
    drop(listed);
    if end == End::Said {
        linger(&outlet, &deadline).await;
    }
    drop(outlet);
    life.wait_for_quiet().await;
}

/// Reads the preface, as far as it was not read before; none when it does not come in time or is none.
async fn shake(
    handshake: Handshake<Wire, Bytes>,
    outlet: &Outlet,
    deadline: &Deadline,
) -> Option<Connection<Wire, Bytes>> {
    let mut handshake = pin!(handshake);
    poll_fn(|cx| {
        let polled = handshake.as_mut().poll(cx);
        if let Poll::Ready(Err(_)) = outlet.poll_flush(cx) {
            return Poll::Ready(None);
        }
        match polled {
            Poll::Ready(result) => Poll::Ready(result.ok()),
            Poll::Pending => deadline.poll_expired(cx).map(|()| None),
        }
    })
    .await
}

fn builder(listener: &Listener) -> Builder {
    let head = &listener.head;
    // As much as the heads that may pass, so that what is too large is ours to answer, and to log.
    let list = head.bytes + head.fields * FIELD_OVERHEAD + PSEUDO_FIELDS;
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(listener.http2.max_concurrent_streams)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(list).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(MOST_RESET_UNSEEN)
        .max_local_error_reset_streams(None)
        .data_frame_budget(DATA_FRAME_BUDGET)
        .enable_connect_protocol();
    builder
}

/// Waits for the client to close after what it was told, within limits: closing in front of what it still sends would take that
/// from it.
async fn linger(outlet: &Outlet, deadline: &Deadline) {
    deadline.set(Instant::now().checked_add(LINGER));
    let mut left = LINGER_BYTES;
    poll_fn(|cx| match outlet.poll_drain(cx, &mut left) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => deadline.poll_expired(cx),
    })
    .await;
}

/// What the exchanges of a connection have in common.
struct Life {
    worker: Rc<Worker>,
    door: Rc<Door>,
    from: From,
    /// Whether the client came through TLS.
    https: bool,
    running: Cell<Running>,
    /// When the last exchange ended.
    idle_since: Cell<Instant>,
    call: Rc<Call>,
}

impl Life {
    fn is_quiet(&self) -> bool {
        self.running.get().count() == 0
    }

    /// Waits until no exchange is left. Each ends by its own road, and soon: its client is gone.
    async fn wait_for_quiet(&self) {
        poll_fn(|cx| {
            self.call.wake_with(cx.waker());
            if self.is_quiet() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

/// The place of one exchange among those that a connection may have.
struct Place {
    life: Rc<Life>,
}

impl Place {
    /// Another one; none when there are as many as may be.
    fn take(life: &Rc<Life>) -> Option<Self> {
        let mut running = life.running.get();
        let began = running.begin();
        life.running.set(running);
        began.then(|| Self {
            life: Rc::clone(life),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let life = &self.life;
        let mut running = life.running.get();
        running.end();
        life.running.set(running);
        if life.is_quiet() {
            life.call.wake();
        }
        if std::thread::panicking() {
            life.worker.counters().panics.add(1);
        }
    }
}

/// The times of its listener.
#[derive(Clone, Copy)]
struct Times {
    header: Duration,
    keepalive: Duration,
    write: Duration,
}

impl Times {
    const fn of(listener: &Listener) -> Self {
        Self {
            header: listener.request_header_timeout,
            keepalive: listener.keepalive_timeout,
            write: listener.write_timeout,
        }
    }
}

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// The client knows since then that it is to ask nothing more.
    Leaving(Instant),
    /// It is over with the last byte of what was said then.
    Closing(Instant),
}

/// How a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// In good order: what was said may still be on its way.
    Said,
    /// The client is gone, or reads nothing.
    Cut,
}

/// A connection that is served.
struct Streams<'a> {
    worker: &'a Worker,
    life: &'a Rc<Life>,
    /// None: nothing more is asked here, whatever still runs.
    visit: Option<Visit>,
    connection: Connection<Wire, Bytes>,
    outlet: &'a Outlet,
    deadline: &'a Deadline,
    times: Times,
    phase: Phase,
    /// No stream has come yet.
    first: bool,
    /// A stream was refused, and so is every other one, because of how the connection began.
    outdated: bool,
    idling: Option<Idling<'a>>,
    /// The progress and the time at which the client was last seen to take nothing.
    stuck: Option<(u64, Instant)>,
    /// What the deadline is set to.
    armed: Option<Instant>,
}

impl Streams<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.life.call.wake_with(cx.waker());
        self.outlet.begin_turn();
        loop {
            if let Some(end) = self.move_frames(cx) {
                return Poll::Ready(end);
            }
            if self.look_for_abuse() || self.obey() {
                continue;
            }
            if !self.idles() {
                self.idling = None;
            }
            if let Some(end) = ready!(self.poll_clock(cx)) {
                return Poll::Ready(end);
            }
        }
    }

    /// Reads, begins exchanges and writes until all three have to be waited for.
    fn move_frames(&mut self, cx: &mut Context<'_>) -> Option<End> {
        let mut turn = 0;
        loop {
            match self.connection.poll_accept(cx) {
                // What came before it is read before anything is begun: whoever is about to be ended gets nothing done.
                Poll::Ready(Some(Ok(_))) if self.outlet.verdict().is_err() => break,
                Poll::Ready(Some(Ok((request, respond)))) => {
                    let stream = respond.stream_id().as_u32();
                    self.begin(request, respond);
                    // Requests come in the order of their streams, and for this one the codec has read all there was: looking
                    // for another one is a thirtieth of a request that comes alone.
                    if stream == self.outlet.newest() {
                        break;
                    }
                    turn += 1;
                    if turn == TURN {
                        cx.waker().wake_by_ref();
                        break;
                    }
                }
                Poll::Ready(Some(Err(error))) => return Some(self.failed(&error)),
                Poll::Ready(None) => return Some(End::Said),
                Poll::Pending => break,
            }
        }
        match self.outlet.poll_flush(cx) {
            Poll::Ready(Ok(())) => self.stuck = None,
            Poll::Ready(Err(_)) => return Some(End::Cut),
            Poll::Pending => {
                let progress = self.outlet.progress();
                if self.stuck.is_none_or(|(last, _)| last != progress) {
                    self.stuck = Some((progress, Instant::now()));
                }
            }
        }
        None
    }

    /// What the codec found wrong, it has told the client.
    fn failed(&self, error: &h2::Error) -> End {
        if error.is_io() {
            return End::Cut;
        }
        // Some limits are the codec's own: the meter has read its last word.
        if !matches!(self.phase, Phase::Closing(_))
            && let Err(abuse) = self.outlet.verdict()
        {
            self.tell(abuse);
        }
        End::Said
    }

    /// Ends a connection that makes work nobody asked for; true when it is one.
    fn look_for_abuse(&mut self) -> bool {
        let Err(abuse) = self.outlet.verdict() else {
            return false;
        };
        if matches!(self.phase, Phase::Closing(_)) {
            return false;
        }
        self.tell(abuse);
        self.close(Reason::from(Abuse::CODE));
        true
    }

    fn tell(&self, abuse: Abuse) {
        let worker = &self.life.worker;
        worker.counters().abuses[abuse.index()].add(1);
        if let Some(ended) = worker
            .turned_away
            .tell_abuse(Role::Client, abuse, Instant::now())
        {
            let name = self.life.door.view(worker);
            let listener = name.as_ref().and_then(View::listener);
            tracing::warn!(
                listener = listener.map_or("", |listener| &listener.name),
                client = self.life.from.text,
                abuse = abuse.name(),
                ended,
                "a connection of HTTP/2 was ended: its client makes work that nobody asked for"
            );
        }
    }

    /// Does what the worker was told; true when that is something new.
    fn obey(&mut self) -> bool {
        let worker = &self.life.worker;
        if worker.is_stopping() {
            // The exchanges end by themselves now, and what they still say is worth waiting for.
            let closes = self.life.is_quiet() && !matches!(self.phase, Phase::Closing(_));
            if closes {
                self.close(Reason::NO_ERROR);
            }
            return closes;
        }
        let is_called = worker.is_draining() || self.life.door.is_leaving() || self.is_outdated();
        // Who has just been accepted gets its first answer all the same.
        if is_called && self.phase == Phase::Serving && !self.first {
            self.leave();
            return true;
        }
        false
    }

    /// Whether what the client asks from now on is refused, for it has proven something else than it has to by now.
    fn is_outdated(&self) -> bool {
        let life = self.life;
        self.outdated
            || life.from.is_of_check()
                && life
                    .door
                    .view(self.worker)
                    .is_some_and(|view| life.from.is_outdated(&view.snapshot, view.listener_id))
    }

    /// Tells the client to ask nothing more; what it has asked for meanwhile is answered.
    fn leave(&mut self) {
        self.connection.graceful_shutdown();
        self.phase = Phase::Leaving(Instant::now());
    }

    fn close(&mut self, reason: Reason) {
        self.connection.abrupt_shutdown(reason);
        self.phase = Phase::Closing(Instant::now());
    }

    /// Whether it waits for another request.
    fn idles(&self) -> bool {
        self.phase == Phase::Serving && !self.first && self.life.is_quiet()
    }

    /// Counts the connection among those that wait for a request.
    fn enter_idle(&mut self) {
        let (life, bell) = (self.life, self.deadline.bell());
        let checked = life.from.checked(life.door.state().serial);
        let since = life.idle_since.get();
        self.idling = Some(self.worker.idles.enter(bell, since, checked));
    }

    /// Waits for the next instant at which something is late, and acts on what is; none: it is to be looked again.
    fn poll_clock(&mut self, cx: &Context<'_>) -> Poll<Option<End>> {
        let due = self.due();
        if due != self.armed {
            self.armed = due;
            self.deadline.set(due);
        }
        ready!(self.deadline.poll_expired(cx));
        if self.life.worker.is_stopping() {
            // Everything has expired; whoever still runs wakes this task at its end.
            return Poll::Pending;
        }
        // It has fired, and fires no more until it is set again.
        self.armed = None;
        self.deadline.set(None);
        let now = Instant::now();
        if self.stuck_until().is_some_and(|at| now >= at) {
            return Poll::Ready(Some(End::Cut));
        }
        match self.phase {
            // Only now, for most have another request sooner.
            _ if self.idles() && self.idling.is_none() && self.times.keepalive > REST => {
                self.enter_idle();
            }
            Phase::Serving if self.life.is_quiet() => self.leave(),
            Phase::Leaving(_) if self.life.is_quiet() => self.close(Reason::NO_ERROR),
            // It had time to hear that it is to ask nothing more. What runs on may be a tunnel.
            Phase::Leaving(at) if now >= at + LINGER => self.visit = None,
            Phase::Closing(_) => return Poll::Ready(Some(End::Cut)),
            Phase::Serving | Phase::Leaving(_) => {}
        }
        Poll::Ready(None)
    }

    /// When something is late.
    fn due(&self) -> Option<Instant> {
        let quiet = self.life.is_quiet();
        let since = self.life.idle_since.get();
        let phase = match self.phase {
            Phase::Serving if quiet && self.first => since.checked_add(self.times.header),
            Phase::Serving if quiet && self.idling.is_none() => {
                since.checked_add(self.times.keepalive.min(REST))
            }
            Phase::Serving if quiet => since.checked_add(self.times.keepalive),
            Phase::Leaving(at) if quiet => at.max(since).checked_add(LINGER),
            Phase::Leaving(at) if self.visit.is_some() => at.checked_add(LINGER),
            Phase::Serving | Phase::Leaving(_) => None,
            Phase::Closing(at) => at.checked_add(LINGER),
        };
        match (phase, self.stuck_until()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Until when the client has to take something of what waits to be written.
    fn stuck_until(&self) -> Option<Instant> {
        self.stuck
            .and_then(|(_, since)| since.checked_add(self.times.write))
    }

    fn begin(&mut self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let (parts, request) = request.into_parts();
        self.outlet.decoded(decoded(&parts));
        let place = Place::take(self.life);
        let view = self.life.door.view(self.worker);
        let Some((place, view)) = place.zip(view) else {
            respond.send_reset(Reason::REFUSED_STREAM);
            return;
        };
        let Some(listener) = view.listener() else {
            return;
        };
        self.times = Times::of(listener);
        self.first = false;
        self.outdated |= self.life.from.is_outdated(&view.snapshot, view.listener_id);
        let limits = limits_of(listener);
        let (https, worker) = (self.life.https, self.worker);
        let down = H2Downstream::new((&parts, request), respond, &limits, https, worker);
        worker.runners.run((place, view, down), exchange_of);
    }
}

/// What runs the exchange of a stream: its place among others, what it is served by, and the stream with its head read or refused.
type Job = (Place, View, (H2Downstream, Option<Refusal>));

/// Runs the exchange of one stream, whose head was read or refused.
async fn exchange_of(desk: Rc<Desk<Job>>) {
    let Some((place, view, (mut down, refusal))) = desk.take() else {
        return;
    };
    let life = &place.life;
    let worker = &life.worker;
    let deadline = worker.deadlines.slot();
    let Some(listener) = view.listener() else {
        return;
    };
    let began = Instant::now();
    let scene = Scene {
        worker,
        snapshot: &view.snapshot,
        handle: &view.snapshot,
        listener_id: view.listener_id,
        leaving: view.leaving,
        listener,
        from: &life.from,
        deadline: &deadline,
        began,
        asked: began,
    };
    let (after, ended) = match refusal {
        None => match exchange::run(&scene, &mut down).await {
            Outcome::Over(over) => over,
            Outcome::Tunnel(tunnel) => {
                // Nothing of the exchange is left, and its snapshot may go.
                drop(view);
                let with = (&life.from, &deadline);
                let ended = Box::pin(tunnel.run(worker, with, &mut down)).await;
                down.finish(After::Cut, worker);
                life.idle_since.set(ended);
                return;
            }
        },
        Some(refusal) => {
            let fault = refusal.fault_of_request();
            down.refuse(fault == Fault::RequestMalformed);
            let detail = Some(refusal.name());
            let after = exchange::refuse(&scene, &mut down, fault, detail).await;
            (after, Instant::now())
        }
    };
    down.finish(after, worker);
    life.idle_since.set(ended);
}

#[cfg(test)]
mod tests;
