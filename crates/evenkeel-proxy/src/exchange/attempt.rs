//! One attempt on its way to the response's head: a connection, the request written anew, the conversation.
//!
//! Whether there is an attempt, at which endpoint, and what follows when it fails is decided elsewhere.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use evenkeel_base::{Fault, FieldSink, Known, Method, RequestView, grpc};
use evenkeel_net::Stream;
use evenkeel_policy::{Failure, Sent};
use evenkeel_state::OpenConnection;
use evenkeel_state::decide::{fields, target};
use tokio::task;

use crate::attempted::{Attempted, Connect, Fate};
use crate::body::{Length, Pump};
use crate::downstream::{Asker, Downstream, Expect};
use crate::exchange::converse::Conversation;
use crate::exchange::stage::{Stage, asked_protocol, earliest};
use crate::exchange::way::{Asked, Way};
use crate::exchange::{reach, way};
use crate::record::Record;
use crate::replay::Replay;
use crate::trace::Traced;
use crate::trunks::{Ended, Outcome, Place, Waiter};
use crate::upstream::any::AnyUpstream;
use crate::upstream::h1::H1Upstream;
use crate::upstream::h2::H2Upstream;
use crate::upstream::{Ask, Fields, Upstream};

/// So often a request looks anew for a connection without an attempt of its own having failed: an endpoint that lets every
/// connection go as soon as it is there would keep it for ever.
pub(super) const MOST_ANEW: u32 = 8;

/// An attempt that failed before its response was passed on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    pub(crate) sent: Sent,
    /// How long the connection had been idle, when it was a reused one.
    pub(crate) idle: Option<Duration>,
    /// Whether it ended in the middle of the request's body.
    pub(crate) within_body: bool,
    /// How long the endpoint took to fail, as far as that is known and its own time.
    pub(crate) took: Option<Duration>,
    /// How it came by its connection, or how long it tried to.
    pub(crate) connect: Connect,
}

/// An attempt that got no connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unconnected {
    pub(crate) fault: Fault,
    /// Since when it shook hands, when it came to that.
    pub(crate) shaking: Option<Instant>,
}

impl From<Fault> for Unconnected {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            shaking: None,
        }
    }
}

impl Failed {
    /// One that ended without a connection.
    #[cold]
    pub(crate) fn unconnected(stage: &Stage<'_>, why: Unconnected) -> Self {
        Self {
            failure: Failure::Fault(why.fault),
            sent: Sent::Nothing,
            idle: None,
            within_body: false,
            took: None,
            connect: Connect {
                took: stage.began.elapsed(),
                tls: why.shaking.map_or(Duration::ZERO, |since| since.elapsed()),
            },
        }
    }

    /// One that ended on a connection that was come by like this and had been idle for so long.
    #[cold]
    pub(crate) fn on(
        up: &AnyUpstream,
        talk: &Conversation,
        (idle, connect): (Option<Duration>, Connect),
        fault: Fault,
    ) -> Self {
        Self {
            failure: Failure::Fault(fault),
            sent: if up.has_sent() {
                Sent::Some
            } else {
                Sent::Nothing
            },
            idle: up.stale_after(idle),
            within_body: talk.pump.bytes > 0 && !talk.pump.done,
            took: talk.latency(Instant::now()),
            connect,
        }
    }

    /// What is remembered of it.
    pub(crate) fn remembered(&self, stage: &Stage<'_>, record: &Record) -> Attempted {
        let now = Instant::now();
        let answered = !matches!(self.failure, Failure::Fault(_));
        Attempted {
            endpoint: stage.index,
            began: stage.began,
            queued: record.waited_before(stage.began),
            connect: self.connect.took,
            tls: self.connect.tls,
            head: answered.then_some(now),
            ended: now,
            fate: Fate::Failed(self.failure),
        }
    }

    /// The fault as far as it is the endpoint's own. One that closes in the middle of an upload may have refused it: some do so
    /// with what is too large for them, and how large it is the client decides.
    pub(crate) fn blame(&self) -> Option<Fault> {
        match self.failure {
            Failure::Fault(Fault::EndpointClosed | Fault::EndpointReset) if self.within_body => {
                None
            }
            Failure::Fault(fault) => Some(fault),
            Failure::Status(_) | Failure::Grpc(_) => None,
        }
    }
}

/// A connection to an endpoint, for one attempt.
pub(crate) struct Link {
    pub(crate) up: AnyUpstream,
    /// How long it was idle; none: it is fresh.
    pub(crate) idle: Option<Duration>,
    /// When it was there.
    pub(crate) at: Instant,
    /// How it was come by; none: it was there. Boxed: few are made, and every exchange moves this.
    pub(crate) connect: Option<Box<Connect>>,
}

/// The fields of a request on its way to an endpoint.
struct OfRequest<'a> {
    view: RequestView<'a>,
    rules: fields::RequestRules<'a>,
}

impl Fields for OfRequest<'_> {
    fn write(&self, sink: &mut impl FieldSink) {
        fields::request(&self.view, &self.rules, sink);
    }
}

impl Stage<'_> {
    /// The connection of the attempt: one that was found for it, or a fresh one; none when what there is by now has to be looked
    /// for anew.
    pub(crate) async fn obtain<A: Asker>(
        &self,
        asker: &mut A,
        way: Option<Way>,
    ) -> Result<Option<Link>, Unconnected> {
        let open = match way.ok_or(Fault::Internal)? {
            Way::Idle(connection, idle) => {
                let up = H1Upstream::new(connection.into_channel());
                return Ok(Some(self.reused(AnyUpstream::H1(up), idle)));
            }
            Way::Place(place, idle) => return Ok(Some(self.reused(self.on_trunk(place), idle))),
            // Boxed, all of these: an exchange's future is as large as its widest state, and most find what they need.
            Way::Shared(waiter) => return Box::pin(self.share(asker, waiter)).await,
            Way::Fresh(open) => open,
        };
        let upgrade = asker.facts().upgrade.is_some();
        let shaking = Cell::new(None);
        let why = |fault| Unconnected {
            fault,
            shaking: shaking.get(),
        };
        let stream = Box::pin(self.connect(asker, upgrade, &shaking));
        let stream = stream.await.map_err(why)?;
        self.counters.connects.add(1);
        let up = if reach::is_h2(&stream, &self.endpoint.dial) {
            let place = Box::pin(self.multiply(asker, (stream, open)));
            self.on_trunk(place.await.map_err(why)?)
        } else {
            let channel = H1Upstream::channel(stream, open, self.scene.worker);
            AnyUpstream::H1(H1Upstream::new(channel))
        };
        Ok(Some(self.fresh(up, shaking.get())))
    }

    /// The same for an attempt that stays where it is, also when what there is by now has to be looked for anew.
    pub(crate) async fn obtain_here<A: Asker>(
        &self,
        asker: &mut A,
        mut way: Option<Way>,
        repeatable: bool,
    ) -> Result<Link, Unconnected> {
        let asked = Asked {
            cluster: self.cluster,
            repeatable,
            upgrade: asker.facts().upgrade.is_some(),
        };
        let mut anew = 0;
        loop {
            if let Some(link) = self.obtain(asker, way).await? {
                return Ok(link);
            }
            if anew == MOST_ANEW {
                return Err(Fault::EndpointClosed.into());
            }
            anew += 1;
            let found = way::find(self.scene, asked, self.index, (Instant::now(), true));
            // It has its seat already, so what is full are the connections and those that wait for one.
            way = Some(found.map_err(|_| Unconnected::from(Fault::QueueFull))?);
        }
    }

    /// Begins the request, from what was kept of its body when something was.
    pub(crate) fn ask<D: Downstream>(
        &self,
        down: &D,
        up: &mut AnyUpstream,
        at: Instant,
        replay: Option<Box<Replay>>,
    ) -> Conversation {
        self.begin_request(down, up, at);
        let limit = self.forward.route.max_request_body.bytes();
        let pump = Pump::new(at, limit, self.passes_request_trailers());
        Conversation::new(pump, down.facts(), replay)
    }

    fn begin_request<D: Downstream>(&self, down: &D, up: &mut AnyUpstream, at: Instant) {
        let (view, facts) = (down.request(), down.facts());
        let mut rewritten = Vec::new();
        let path = target::rewrite(view.path(), self.forward.rewrite, &mut rewritten);
        let host = target::host(&view, self.forward.host, self.endpoint);
        let told = self.forward.trace.map(|traced| self.told_of_trace(traced));
        let rules = fields::RequestRules {
            client: self.forward.client,
            from: self.scene.from.ip,
            from_text: &self.scene.from.text,
            host,
            request_id: self.request_id,
            expect: facts.expect == Expect::Continue,
            trailers: self.passes_request_trailers(),
            grpc_timeout: self.grpc_timeout(at),
            trace: told.as_ref(),
            edits: &self.forward.route.request_headers,
            proof: self.scene.from.proof.as_deref(),
            told: self.scene.told_of_clients(),
            proven: self.scene.snapshot.proven(),
        };
        // RFC 9110 §8.6: a method that usually has a body says so when it has none.
        let length = match (facts.length, view.method()) {
            (Length::Empty, Method::Post | Method::Put | Method::Patch) => Length::Known(0),
            (length, _) => length,
        };
        let ask = Ask {
            head: view.method() == Method::Head,
            upgrade: asked_protocol(down),
            trailers: up.carries_te() && (self.forward.call || takes_trailers(&view)),
        };
        let line = (view.method_name(), path, view.query());
        up.begin_request(line, length, ask, OfRequest { view, rules });
    }

    async fn connect<A: Asker>(
        &self,
        asker: &mut A,
        upgrade: bool,
        shaking: &Cell<Option<Instant>>,
    ) -> Result<Stream, Fault> {
        let worker = self.scene.worker;
        // An endpoint that speaks both mostly takes upgrades by HTTP/1.1 only.
        let only_h1 = upgrade && self.endpoint.dial.may_multiplex();
        let name = &self.cluster.config.name;
        let connecting = reach::connect(worker, name, self.endpoint, only_h1, shaking);
        let connecting = pin!(connecting);
        self.within_connect_time(asker, connecting).await
    }

    /// The outcome of what is part of connecting, unless it takes too long or the client leaves.
    async fn within_connect_time<A: Asker, T>(
        &self,
        asker: &mut A,
        mut connecting: Pin<&mut impl Future<Output = Result<T, Fault>>>,
    ) -> Result<T, Fault> {
        let connect_at = self.began.checked_add(self.cluster.config.timeouts.connect);
        self.wait(asker, connect_at, Fault::ConnectTimeout, |cx| {
            connecting.as_mut().poll(cx)
        })
        .await
    }

    /// Waits for something, until then at most.
    async fn wait<A: Asker, T>(
        &self,
        asker: &mut A,
        until: Option<Instant>,
        late: Fault,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<Result<T, Fault>>,
    ) -> Result<T, Fault> {
        self.scene.deadline.set(earliest(self.ends_at(), until));
        std::future::poll_fn(|cx| {
            if let Poll::Ready(result) = poll(cx) {
                return Poll::Ready(result);
            }
            if asker.poll_abandoned(cx).is_ready() {
                return Poll::Ready(Err(Fault::ClientGone));
            }
            self.scene.deadline.poll_expired(cx).map(|()| {
                let why = self.expired(Instant::now(), self.attempt_at);
                Err(why.unwrap_or(late))
            })
        })
        .await
    }

    /// Waits for a connection with others.
    async fn share<A: Asker>(
        &self,
        asker: &mut A,
        waiter: Waiter,
    ) -> Result<Option<Link>, Unconnected> {
        let config = &self.cluster.config;
        let joins = waiter.is_connecting();
        let connect = if joins {
            config.timeouts.connect
        } else {
            Duration::ZERO
        };
        let until = self
            .began
            .checked_add(connect + config.limits.queue.timeout);
        let ended = self
            .wait(asker, until, Fault::QueueTimeout, |cx| {
                if let Some(asked) = waiter.take_asked() {
                    way::connect_for_all(self.scene, self.cluster, self.index, asked);
                }
                waiter.poll(cx).map(Ok)
            })
            .await;
        let Ended { outcome, shaking } = ended.unwrap_or_else(|fault| Ended {
            outcome: Outcome::Failed(fault),
            shaking: waiter.shaking().filter(|_| joins),
        });
        // Who joins a connect in the middle of its handshake waits for the rest of that.
        let shaking = shaking.map(|since| since.max(self.began));
        let up = match outcome {
            Outcome::Place(place) => self.on_trunk(place),
            Outcome::Own(channel) => AnyUpstream::H1(H1Upstream::new(channel)),
            Outcome::Again => return Ok(None),
            Outcome::Failed(fault) => return Err(Unconnected { fault, shaking }),
        };
        Ok(Some(self.fresh(up, shaking)))
    }

    /// A connection that was made for one and can carry many: it is there for others as well.
    async fn multiply<A: Asker>(
        &self,
        asker: &mut A,
        made: (Stream, OpenConnection),
    ) -> Result<Place, Fault> {
        let worker = self.scene.worker;
        let beginning = pin!(reach::trunk(worker, self.cluster, self.endpoint, made));
        let (trunk, driver) = self.within_connect_time(asker, beginning).await?;
        let place = Place::on(&trunk);
        let (serial, dial) = (self.endpoint.state.serial, self.endpoint.dial.serial);
        let shelf = worker.trunks.shelf(serial, dial);
        shelf.add(&trunk, &self.cluster.config.http2);
        task::spawn_local(driver.run());
        Ok(place)
    }

    fn on_trunk(&self, place: Place) -> AnyUpstream {
        let https = self.endpoint.dial.tls.is_some();
        AnyUpstream::H2(H2Upstream::new(place, https, &self.scene.worker.blocks))
    }

    /// A connection that is there now, and since when it shook hands.
    fn fresh(&self, up: AnyUpstream, shaking: Option<Instant>) -> Link {
        let connected = Instant::now();
        Link {
            up,
            idle: None,
            at: connected,
            connect: Some(Box::new(Connect {
                took: connected.saturating_duration_since(self.began),
                tls: shaking.map_or(Duration::ZERO, |since| {
                    connected.saturating_duration_since(since)
                }),
            })),
        }
    }

    /// A connection that was there when the attempt began.
    fn reused(&self, up: AnyUpstream, idle: Duration) -> Link {
        self.counters.reuses.add(1);
        Link {
            up,
            idle: Some(idle),
            at: self.began,
            connect: None,
        }
    }

    /// Trailers of requests pass for gRPC and where the route says so.
    fn passes_request_trailers(&self) -> bool {
        fields::pass_trailers(self.forward.route, self.forward.call)
    }

    /// Whether this one of them does.
    pub(crate) fn passes_trailer(&self, name: &[u8]) -> bool {
        let edits = &self.forward.route.request_headers;
        !fields::is_claimed(name, edits, self.scene.snapshot.proven())
    }

    /// What the endpoint is told of the trace. Not inlined: most configurations have none.
    #[inline(never)]
    fn told_of_trace(&self, traced: Traced) -> fields::Trace {
        let after = self.began.saturating_duration_since(self.scene.began);
        fields::Trace {
            parent: traced.told(self.index, after).write(),
            is_kept: traced.is_kept(),
        }
    }

    /// What the endpoint is told of the end of a call: the time that is left of it when the attempt is sent at `at`. The protocol
    /// passes deadlines on as what remains of them, and another attempt has less than the first.
    fn grpc_timeout(&self, at: Instant) -> Option<grpc::Timeout> {
        let ends_at = self.total_at.filter(|_| self.forward.call)?;
        Some(grpc::Timeout(ends_at.saturating_duration_since(at)))
    }
}

/// Whether the client reads trailers (RFC 9110 §10.1.4).
fn takes_trailers(request: &RequestView<'_>) -> bool {
    let te = request.known(Known::Te).unwrap_or_default();
    te.split(|byte| *byte == b',')
        .any(|one| one.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}
