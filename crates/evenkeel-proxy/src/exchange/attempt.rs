//! One attempt on its way to the response's head: a connection, the request written anew, the conversation.
//!
//! Whether there is an attempt, at which endpoint, and what follows when it fails is decided elsewhere.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use evenkeel_base::{Fault, Known, Method, RequestView, grpc};
use evenkeel_config::model::{HostRewrite, PathRewrite};
use evenkeel_net::Stream;
use evenkeel_policy::{Failure, Sent};
use evenkeel_state::OpenConnection;
use tokio::task;

use crate::body::{Length, Pump};
use crate::downstream::{Asker, Downstream, Expect};
use crate::exchange::converse::Conversation;
use crate::exchange::stage::{Stage, asked_protocol, earliest};
use crate::exchange::way::{Asked, Way};
use crate::exchange::{fields, reach, way};
use crate::replay::Replay;
use crate::trunks::{Outcome, Place, Waiter};
use crate::upstream::any::AnyUpstream;
use crate::upstream::h1::H1Upstream;
use crate::upstream::h2::H2Upstream;
use crate::upstream::{Ask, Upstream};

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
}

impl Failed {
    /// One that ended without a connection.
    pub(crate) const fn unconnected(fault: Fault) -> Self {
        Self {
            failure: Failure::Fault(fault),
            sent: Sent::Nothing,
            idle: None,
            within_body: false,
            took: None,
        }
    }

    /// One that ended on a connection that had been idle for so long.
    pub(crate) fn on(
        up: &AnyUpstream,
        talk: &Conversation,
        idle: Option<Duration>,
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
    /// How long making it took.
    pub(crate) connect: Duration,
}

impl Stage<'_> {
    /// The connection of the attempt: one that was found for it, or a fresh one; none when what there is by now has to be looked
    /// for anew.
    pub(crate) async fn obtain<A: Asker>(
        &self,
        asker: &mut A,
        way: Option<Way>,
    ) -> Result<Option<Link>, Fault> {
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
        let stream = Box::pin(self.connect(asker, upgrade)).await?;
        self.counters.connects.add(1);
        if reach::is_h2(&stream, &self.endpoint.dial) {
            let link = Box::pin(self.multiply(asker, (stream, open))).await?;
            return Ok(Some(link));
        }
        let channel = H1Upstream::channel(stream, open, self.scene.worker);
        Ok(Some(self.fresh(AnyUpstream::H1(H1Upstream::new(channel)))))
    }

    /// The same for an attempt that stays where it is, also when what there is by now has to be looked for anew.
    pub(crate) async fn obtain_here<A: Asker>(
        &self,
        asker: &mut A,
        mut way: Option<Way>,
        repeatable: bool,
    ) -> Result<Link, Fault> {
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
                return Err(Fault::EndpointClosed);
            }
            anew += 1;
            let found = way::find(self.scene, asked, self.index, (Instant::now(), true));
            // It has its seat already, so what is full are the connections and those that wait for one.
            way = Some(found.map_err(|_| Fault::QueueFull)?);
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
        let path = rewrite(view.path(), self.forward.rewrite, &mut rewritten);
        let host = match self.forward.host {
            HostRewrite::Keep if view.authority().is_empty() => self.endpoint.authority.as_bytes(),
            HostRewrite::Keep => view.authority(),
            HostRewrite::Set(host) => host.as_bytes(),
            HostRewrite::Endpoint => self.endpoint.authority.as_bytes(),
        };
        let rules = fields::RequestRules {
            client: self.forward.client,
            from: self.scene.from.ip,
            from_text: &self.scene.from.text,
            host,
            request_id: self.request_id,
            expect: facts.expect == Expect::Continue,
            trailers: self.passes_request_trailers(),
            grpc_timeout: self.grpc_timeout(at),
            edits: &self.forward.route.request_headers,
            proof: self.scene.from.proof.as_deref(),
            told: self.scene.told_of_clients(),
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
        up.begin_request(line, length, ask, |sink| {
            fields::request(&view, &rules, sink);
        });
    }

    async fn connect<A: Asker>(&self, asker: &mut A, upgrade: bool) -> Result<Stream, Fault> {
        let worker = self.scene.worker;
        // An endpoint that speaks both mostly takes upgrades by HTTP/1.1 only.
        let only_h1 = upgrade && self.endpoint.dial.may_multiplex();
        let name = &self.cluster.config.name;
        let connecting = pin!(reach::connect(worker, name, self.endpoint, only_h1));
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
            if asker.request_done() && asker.poll_gone(cx).is_ready() {
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
    async fn share<A: Asker>(&self, asker: &mut A, waiter: Waiter) -> Result<Option<Link>, Fault> {
        let config = &self.cluster.config;
        let connect = if waiter.is_connecting() {
            config.timeouts.connect
        } else {
            Duration::ZERO
        };
        let until = self
            .began
            .checked_add(connect + config.limits.queue.timeout);
        let outcome = self
            .wait(asker, until, Fault::QueueTimeout, |cx| {
                waiter.poll(cx).map(Ok)
            })
            .await?;
        let up = match outcome {
            Outcome::Place(place) => self.on_trunk(place),
            Outcome::Own(channel) => AnyUpstream::H1(H1Upstream::new(channel)),
            Outcome::Again => return Ok(None),
            Outcome::Failed(fault) => return Err(fault),
        };
        Ok(Some(self.fresh(up)))
    }

    /// A connection that was made for one and can carry many: it is there for others as well.
    async fn multiply<A: Asker>(
        &self,
        asker: &mut A,
        made: (Stream, OpenConnection),
    ) -> Result<Link, Fault> {
        let worker = self.scene.worker;
        let beginning = pin!(reach::trunk(worker, self.cluster, self.endpoint, made));
        let (trunk, driver) = self.within_connect_time(asker, beginning).await?;
        let place = Place::on(&trunk);
        let (serial, dial) = (self.endpoint.state.serial, self.endpoint.dial.serial);
        let shelf = worker.trunks.shelf(serial, dial);
        shelf.add(&trunk, &self.cluster.config.http2);
        task::spawn_local(driver.run());
        Ok(self.fresh(self.on_trunk(place)))
    }

    fn on_trunk(&self, place: Place) -> AnyUpstream {
        let https = self.endpoint.dial.tls.is_some();
        AnyUpstream::H2(H2Upstream::new(place, https, &self.scene.worker.blocks))
    }

    /// A connection that is there now.
    fn fresh(&self, up: AnyUpstream) -> Link {
        let connected = Instant::now();
        Link {
            up,
            idle: None,
            at: connected,
            connect: connected.saturating_duration_since(self.began),
        }
    }

    /// A connection that was there when the attempt began.
    fn reused(&self, up: AnyUpstream, idle: Duration) -> Link {
        self.counters.reuses.add(1);
        Link {
            up,
            idle: Some(idle),
            at: self.began,
            connect: Duration::ZERO,
        }
    }

    /// Trailers of requests pass for gRPC and where the route says so.
    fn passes_request_trailers(&self) -> bool {
        // What is told of the client's certificate could be told otherwise behind the body.
        let told = self.scene.told_of_clients();
        if told.is_some_and(|told| told.names().next().is_some()) {
            return false;
        }
        self.forward.route.request_trailers || self.forward.call
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

/// The path as it is sent on: the request's own bytes, or the route's prefix replaced.
fn rewrite<'a>(path: &'a [u8], rewrite: &PathRewrite, buffer: &'a mut Vec<u8>) -> &'a [u8] {
    let PathRewrite::ReplacePrefix { matched, with } = rewrite else {
        return path;
    };
    if !path.starts_with(b"/") {
        // `OPTIONS *` asks about the server as a whole and has no prefix.
        return path;
    }
    let rest = path.get(*matched..).unwrap_or_default();
    buffer.extend_from_slice(with.as_bytes());
    // `//` at the front would read as a host in some endpoints' eyes; one slash is what is meant.
    if with.is_empty() && rest.starts_with(b"//") {
        buffer.push(b'/');
        buffer.extend_from_slice(rest.trim_ascii_start());
        let cut = buffer.iter().skip(1).take_while(|b| **b == b'/').count();
        buffer.drain(1..=cut);
        return buffer;
    }
    buffer.extend_from_slice(rest);
    if buffer.is_empty() {
        buffer.push(b'/');
    }
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_stripped_and_replaced() {
        let check = |path: &str, matched: usize, with: &str, expected: &str| {
            let rule = PathRewrite::ReplacePrefix {
                matched,
                with: with.into(),
            };
            let mut buffer = Vec::new();
            assert_eq!(
                rewrite(path.as_bytes(), &rule, &mut buffer),
                expected.as_bytes(),
                "{path}"
            );
        };
        check("/api/x", 4, "", "/x");
        check("/api", 4, "", "/");
        check("/api/", 4, "", "/");
        check("/api//evil", 4, "", "/evil");
        check("/api/x", 4, "/v2", "/v2/x");
        check("/api", 4, "/v2", "/v2");
        check("/x", 0, "/v2", "/v2/x");
        check("*", 0, "/v2", "*");
    }
}
