//! One attempt on its way to the response's head: a connection, the request written anew, the conversation.
//!
//! Whether there is an attempt, at which endpoint, and what follows when it fails is decided elsewhere.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use evenkeel_base::{Fault, Method, RequestView, Target};
use evenkeel_config::model::{HostRewrite, PathRewrite};
use evenkeel_net::{Stream, connect};
use evenkeel_policy::{Failure, Sent};
use evenkeel_state::OpenConnection;
use rustix::io::Errno;

use crate::body::{Length, Pump};
use crate::downstream::{Asker, Downstream, Expect};
use crate::exchange::converse::Conversation;
use crate::exchange::fields;
use crate::exchange::stage::{Stage, asked_protocol, earliest};
use crate::h1::{Boundary, Channel};
use crate::replay::Replay;
use crate::upstream::h1::H1Upstream;
use crate::upstream::{Ask, Upstream};

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
        up: &H1Upstream,
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
            idle,
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
            Failure::Status(_) => None,
        }
    }
}

/// The way to an endpoint.
pub(crate) enum Way {
    /// A connection that was idle for so long.
    Idle(Boundary, Duration),
    /// One that is still to be made, within the limits.
    Fresh(OpenConnection),
}

/// A connection to an endpoint, for one attempt.
pub(crate) struct Link {
    pub(crate) channel: Box<Channel>,
    /// How long it was idle; none: it is fresh.
    pub(crate) idle: Option<Duration>,
    /// When it was there.
    pub(crate) at: Instant,
    /// How long making it took.
    pub(crate) connect: Duration,
}

impl Stage<'_> {
    /// The connection of the attempt: the idle one that was found for it, or a fresh one.
    pub(crate) async fn obtain<A: Asker>(
        &self,
        asker: &mut A,
        way: Option<Way>,
    ) -> Result<Link, Fault> {
        let open = match way.ok_or(Fault::Internal)? {
            Way::Idle(connection, idle) => {
                self.counters.reuses.add(1);
                return Ok(Link {
                    channel: connection.into_channel(),
                    idle: Some(idle),
                    at: self.began,
                    connect: Duration::ZERO,
                });
            }
            Way::Fresh(open) => open,
        };
        // Boxed: an exchange's future is as large as its widest state, and most find an idle connection.
        let stream = Box::pin(self.connect(asker, self.began)).await?;
        self.counters.connects.add(1);
        let connected = Instant::now();
        Ok(Link {
            channel: H1Upstream::channel(stream, open, self.scene.worker),
            idle: None,
            at: connected,
            connect: connected.saturating_duration_since(self.began),
        })
    }

    /// Begins the request, from what was kept of its body when something was.
    pub(crate) fn ask<D: Downstream>(
        &self,
        down: &D,
        up: &mut H1Upstream,
        at: Instant,
        replay: Option<Box<Replay>>,
    ) -> Conversation {
        self.begin_request(down, up);
        let limit = self.forward.route.max_request_body.bytes();
        let pump = Pump::new(at, limit, self.passes_request_trailers(&down.request()));
        Conversation::new(pump, down.facts(), replay)
    }

    fn begin_request<D: Downstream>(&self, down: &D, up: &mut H1Upstream) {
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

    async fn connect<A: Asker>(&self, asker: &mut A, now: Instant) -> Result<Stream, Fault> {
        let connect_at = now.checked_add(self.cluster.config.timeouts.connect);
        self.scene
            .deadline
            .set(earliest(self.ends_at(), connect_at));
        let mut connecting = pin!(connect(&self.endpoint.target));
        let mut may_trim = true;
        std::future::poll_fn(|cx| {
            while let Poll::Ready(result) = connecting.as_mut().poll(cx) {
                match result {
                    Err(error) if is_shortage(&error) && may_trim => {
                        may_trim = false;
                        // What is idle is worth less than a request that waits.
                        if self.scene.worker.trim_pool(TRIMMED) {
                            connecting.set(connect(&self.endpoint.target));
                            continue;
                        }
                        return Poll::Ready(Err(Fault::NoDescriptors));
                    }
                    result => {
                        return Poll::Ready(
                            result.map_err(|error| connect_fault(&error, &self.endpoint.target)),
                        );
                    }
                }
            }
            if asker.request_done() && asker.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Fault::ClientGone));
            }
            self.scene.deadline.poll_expired(cx).map(|()| {
                Err(self
                    .expired(Instant::now(), self.attempt_at)
                    .unwrap_or(Fault::ConnectTimeout))
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

/// Idle connections that are closed when the system has no descriptor left for another: a few, for others will need some next.
const TRIMMED: usize = 8;

/// Whether the system is out of something, whichever endpoint it is.
fn is_shortage(error: &io::Error) -> bool {
    let shortage = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| shortage.contains(&errno))
}

fn connect_fault(error: &io::Error, target: &Target) -> Fault {
    match error.kind() {
        _ if is_shortage(error) => Fault::NoDescriptors,
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
