//! Forwarding: attempt after attempt until one yields a response head, then the relay.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use evenkeel_base::{Fault, Method, RequestView, Side, Target};
use evenkeel_config::model::{HostRewrite, PathRewrite};
use evenkeel_net::{Stream, connect};
use evenkeel_policy::{Allowance, Attempt, Sent, Tried, Verdict, Wanted, verdict};
use evenkeel_state::ClusterSnapshot;

use crate::body::{Length, Pump};
use crate::downstream::{Downstream, Expect};
use crate::exchange::converse::{self, Conversation};
use crate::exchange::stage::{Forward, Stage, asked_protocol, earliest};
use crate::exchange::{fields, relay};
use crate::h1::Channel;
use crate::pool::Want;
use crate::record::Record;
use crate::scene::{After, Scene};
use crate::upstream::h1::H1Upstream;
use crate::upstream::{Ask, Upstream};

/// The detail in the access record of a fault that was not tried again because the cluster's retry budget was spent.
const BUDGET_SPENT: &str = "retry-budget-spent";

/// An attempt that failed before its response head.
struct Failed {
    fault: Fault,
    sent: Sent,
    /// How long the connection had been idle, when it was a reused one.
    idle: Option<Duration>,
}

/// A connection to an endpoint, for one attempt.
struct Link {
    channel: Box<Channel>,
    /// How long it was idle; none: it is fresh.
    idle: Option<Duration>,
    /// When it was there.
    at: Instant,
}

/// Forwards a request; fails with the fault to reply with, and only while the response has not begun.
pub(crate) async fn run<D: Downstream>(
    scene: &Scene<'_>,
    down: &mut D,
    forward: &Forward<'_>,
    record: &mut Record,
) -> Result<After, Fault> {
    let cluster = scene
        .snapshot
        .cluster(forward.cluster)
        .ok_or(Fault::Internal)?;
    let budget = &cluster.state.budget;
    budget.deposit(scene.worker.millis(scene.began));
    let total_at = scene.began.checked_add(forward.route.total_timeout);
    let mut tried = Tried::default();
    let mut left = Allowance::new(forward.route.retry.attempts);
    loop {
        let index = pick(scene, cluster, &tried).ok_or(Fault::NoEndpoint)?;
        let endpoint = &cluster.endpoints.list[index];
        record.endpoint = Some((forward.cluster, index));
        record.attempts += 1;
        let in_flight = endpoint.state.begin();
        let counters = endpoint.state.counters(scene.worker.id);
        counters.attempts.add(1);
        let stage = Stage {
            scene,
            forward,
            cluster,
            endpoint,
            counters,
            total_at,
        };
        let failed = match stage.obtain(down, record).await {
            Ok(link) => {
                let idle = link.idle;
                let mut up = H1Upstream::new(link.channel);
                let mut talk = stage.ask(down, &mut up, link.at, record);
                match converse::run(&stage, down, &mut up, &mut talk).await {
                    Ok(()) => {
                        if let Some(idle) = idle {
                            endpoint.state.keepalive.good_after(idle);
                        }
                        let relayed = relay::run(&stage, down, &mut up, &mut talk, record).await;
                        if let Some(since) = relayed.free_since {
                            relay::give_back(&stage, up, since);
                        }
                        drop(in_flight);
                        return Ok(relayed.after);
                    }
                    Err(fault) => {
                        record.bytes_in = talk.pump.bytes;
                        Failed {
                            fault,
                            sent: if up.has_sent() {
                                Sent::Some
                            } else {
                                Sent::Nothing
                            },
                            idle,
                        }
                    }
                }
            }
            Err(fault) => Failed {
                fault,
                sent: Sent::Nothing,
                idle: None,
            },
        };
        drop(in_flight);
        stage.judge(&failed, &down.request(), record, &mut left)?;
        tried.insert(index);
    }
}

/// Never an endpoint that was tried while another is left; when all were, any again. When none admits, any that has a weight.
fn pick(scene: &Scene<'_>, cluster: &ClusterSnapshot, tried: &Tried) -> Option<usize> {
    let set = &cluster.endpoints;
    let mut rng = scene.worker.rng();
    let none = Tried::default();
    let regardless = cluster.state.is_panicking();
    [
        (tried, regardless),
        (&none, regardless),
        (tried, true),
        (&none, true),
    ]
    .into_iter()
    .find_map(|(tried, regardless)| {
        let wanted = Wanted { tried, regardless };
        set.balancer.pick(&set.list, wanted, &mut rng)
    })
}

impl Stage<'_> {
    /// Decides about a failed attempt: another one may follow, or the exchange ends with the fault.
    fn judge(
        &self,
        failed: &Failed,
        request: &RequestView<'_>,
        record: &mut Record,
        left: &mut Allowance,
    ) -> Result<(), Fault> {
        if failed.fault.side() != Side::Upstream {
            return Err(failed.fault);
        }
        self.counters.fault(failed.fault);
        let attempt = Attempt {
            fault: failed.fault,
            sent: failed.sent,
            method_idempotent: request.method().is_idempotent(),
            reused: failed.idle.is_some(),
            body_replayable: record.bytes_in == 0,
            response_started: false,
        };
        let verdict = verdict(&attempt, *left);
        *left = left.after(verdict);
        match verdict {
            Verdict::GiveUp => Err(failed.fault),
            Verdict::RetryFree => {
                // Its siblings in the pool are likely as dead.
                self.scene.worker.pool.forget(&self.endpoint.state);
                if let Some(idle) = failed.idle {
                    self.endpoint.state.keepalive.closed_after(idle);
                }
                Ok(())
            }
            Verdict::Retry => {
                let now = self.scene.worker.millis(Instant::now());
                if self.cluster.state.budget.withdraw(now) {
                    return Ok(());
                }
                record.detail = Some(BUDGET_SPENT);
                Err(failed.fault)
            }
        }
    }

    /// An idle connection or a fresh one. A request that must not be sent twice takes an idle one only when it was used a moment
    /// ago.
    async fn obtain<D: Downstream>(
        &self,
        down: &mut D,
        record: &mut Record,
    ) -> Result<Link, Fault> {
        let want = if down.request().method().is_idempotent() {
            Want::Any
        } else {
            Want::JustUsed
        };
        let now = if record.attempts == 1 {
            self.scene.asked
        } else {
            Instant::now()
        };
        let pool = &self.scene.worker.pool;
        if let Some((connection, idle)) = pool.take(&self.endpoint.state, want, now) {
            self.counters.reuses.add(1);
            record.connect = Duration::ZERO;
            return Ok(Link {
                channel: connection.into_channel(),
                idle: Some(idle),
                at: now,
            });
        }
        // Boxed: an exchange's future is as large as its widest state, and most find an idle connection.
        let stream = Box::pin(self.connect(down, now)).await?;
        self.counters.connects.add(1);
        let connected = Instant::now();
        record.connect = connected.saturating_duration_since(now);
        Ok(Link {
            channel: H1Upstream::channel(stream, self.scene.worker),
            idle: None,
            at: connected,
        })
    }

    /// Begins the request.
    fn ask<D: Downstream>(
        &self,
        down: &D,
        up: &mut H1Upstream,
        at: Instant,
        record: &Record,
    ) -> Conversation {
        self.begin_request(down, up, record);
        let limit = self.forward.route.max_request_body.bytes();
        let pump = Pump::new(at, limit, self.passes_request_trailers(&down.request()));
        Conversation::new(pump, down.facts())
    }

    fn begin_request<D: Downstream>(&self, down: &D, up: &mut H1Upstream, record: &Record) {
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
            request_id: &record.made_id,
            expect: facts.expect == Expect::Continue,
            trailers: self.passes_request_trailers(&view),
            edits: &self.forward.route.request_headers,
        };
        // RFC 9110 §8.6: a method that usually has a body says so when it has none.
        let length = match (facts.length, view.method()) {
            (Length::Empty, Method::Post | Method::Put | Method::Patch) => Length::Known(0),
            (length, _) => length,
        };
        let ask = Ask {
            head: view.method() == Method::Head,
            upgrade: asked_protocol(down),
        };
        let line = (view.method_name(), path, view.query());
        up.begin_request(line, length, ask, |sink| {
            fields::request(&view, &rules, sink);
        });
    }

    async fn connect<D: Downstream>(&self, down: &mut D, now: Instant) -> Result<Stream, Fault> {
        let deadline = earliest(
            self.total_at,
            now.checked_add(self.cluster.config.timeouts.connect),
        );
        self.scene.deadline.set(deadline);
        let mut connecting = pin!(connect(&self.endpoint.target));
        std::future::poll_fn(|cx| {
            if let Poll::Ready(result) = connecting.as_mut().poll(cx) {
                return Poll::Ready(
                    result.map_err(|error| connect_fault(&error, &self.endpoint.target)),
                );
            }
            if down.request_done() && down.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Fault::ClientGone));
            }
            self.scene.deadline.poll_expired(cx).map(|()| {
                let total = self.total_at.is_some_and(|at| Instant::now() >= at);
                Err(match (self.scene.worker.is_stopping(), total) {
                    (true, _) => Fault::Shutdown,
                    (false, true) => Fault::TotalTimeout,
                    (false, false) => Fault::ConnectTimeout,
                })
            })
        })
        .await
    }

    /// Trailers of requests pass for gRPC and where the route says so.
    fn passes_request_trailers(&self, request: &RequestView<'_>) -> bool {
        let grpc = |value: &[u8]| {
            value
                .get(..16)
                .is_some_and(|kind| kind.eq_ignore_ascii_case(b"application/grpc"))
        };
        self.forward.route.request_trailers
            || request
                .known(evenkeel_base::Known::ContentType)
                .is_some_and(grpc)
    }
}

fn connect_fault(error: &io::Error, target: &Target) -> Fault {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Fault::ConnectRefused,
        // A Unix socket that is not there is a port nobody listens on.
        io::ErrorKind::NotFound if matches!(target, Target::Unix(_)) => Fault::ConnectRefused,
        io::ErrorKind::TimedOut => Fault::ConnectTimeout,
        _ => Fault::ConnectFailed,
    }
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
