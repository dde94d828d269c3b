//! What the stages of forwarding have in common: the surroundings of one attempt.

use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_base::{ClusterId, Fault, GrpcStatus};
use evenkeel_config::model::{HostRewrite, PathRewrite, Route};
use evenkeel_policy::outlier::{Attempted, Cause, Event};
use evenkeel_state::sticky::Cookie;
use evenkeel_state::{ClusterSnapshot, Endpoint, EndpointCounters};

use crate::downstream::Downstream;
use crate::scene::Scene;
use crate::trace::Traced;
use evenkeel_state::decide::client::Client;
use evenkeel_state::decide::patience;

/// What a route says about forwarding.
pub(crate) struct Forward<'a> {
    pub(crate) route: &'a Route,
    pub(crate) cluster: ClusterId,
    pub(crate) rewrite: &'a PathRewrite,
    pub(crate) host: &'a HostRewrite,
    pub(crate) client: Client,
    /// The trace that the request belongs to; none: traces are off.
    pub(crate) trace: Option<Traced>,
    /// Whether the request is a call of gRPC.
    pub(crate) call: bool,
}

impl Forward<'_> {
    /// When the whole exchange ends. Its time begins with the end of the request's head: what the client took to send that is bounded
    /// by `request_header_timeout`, and no endpoint's doing.
    pub(crate) fn ends_at<D: Downstream>(&self, scene: &Scene<'_>, down: &D) -> Option<Instant> {
        let allowed = patience::allowed(self.route, &down.request(), self.call);
        scene.asked.checked_add(allowed)
    }
}

/// One attempt's surroundings.
#[derive(Clone, Copy)]
pub(crate) struct Stage<'a> {
    pub(crate) scene: &'a Scene<'a>,
    pub(crate) forward: &'a Forward<'a>,
    pub(crate) cluster: &'a Arc<ClusterSnapshot>,
    pub(crate) endpoint: &'a Endpoint,
    /// Where it stands in the cluster's list.
    pub(crate) index: usize,
    pub(crate) counters: &'a EndpointCounters,
    /// When the attempt began.
    pub(crate) began: Instant,
    /// How many other requests were in flight there then, where the balancer wants to know.
    pub(crate) in_flight: u32,
    /// The end of the whole exchange; none: no total timeout.
    pub(crate) total_at: Option<Instant>,
    /// The end of this attempt, unless its response has begun by then; none: no timeout for attempts.
    pub(crate) attempt_at: Option<Instant>,
    /// The id that evenkeel made for the request.
    pub(crate) request_id: &'a [u8; 32],
    /// What the client is to know this endpoint by; none when there is nothing for it to learn.
    pub(crate) cookie: Option<&'a Cookie>,
}

impl Stage<'_> {
    /// When the attempt ends while it has no connection.
    pub(crate) fn ends_at(&self) -> Option<Instant> {
        earliest(self.total_at, self.attempt_at)
    }

    /// The response's head came, on a connection that had been idle for so long.
    pub(crate) fn reached(&self, idle: Option<Duration>) {
        self.endpoint.state.outlier.spoke();
        if let Some(idle) = idle {
            self.endpoint.state.keepalive.good_after(idle);
        }
    }

    /// The attempt was given up for another one that began later and had its response earlier.
    #[cold]
    pub(crate) fn given_up(&self) {
        self.saw_overtaken(Instant::now());
        let patience = self.attempt_timeout();
        let event = self
            .cluster
            .given_up(self.index, patience, self.attempted());
        self.tell(event);
    }

    /// A whole response came, whose status says whether the endpoint is well, and how the call ended when it was one. Not before its
    /// end: an endpoint that closes in the middle of every body would count as well with every head.
    #[inline]
    pub(crate) fn answered(&self, status: u16, grpc: Option<GrpcStatus>) {
        if let Some(grpc) = grpc {
            self.counters.call(grpc);
        }
        if let Some(cause) = Cause::of_response(status, grpc) {
            return self.failed_by(cause);
        }
        let state = &self.endpoint.state;
        if !state.outlier.is_untroubled(&state.standing) {
            let event = self.cluster.succeeded(self.index, self.attempted());
            self.tell(event);
        }
    }

    /// The attempt failed by that fault.
    pub(crate) fn failed(&self, fault: Fault) {
        if let Some(cause) = Cause::of(fault) {
            self.failed_by(cause);
        }
    }

    /// The response, which was counted, broke off by that fault.
    pub(crate) fn cut(&self, fault: Fault) {
        if let Some(cause) = Cause::of(fault) {
            self.counters.cut();
            self.failed_by(cause);
        }
    }

    #[cold]
    fn failed_by(&self, cause: Cause) {
        let worker = self.scene.worker.id;
        let attempted = self.attempted();
        let event = self.cluster.failed(self.index, worker, cause, attempted);
        self.tell(event);
    }

    fn attempted(&self) -> Attempted {
        let worker = self.scene.worker;
        Attempted {
            began_ms: worker.millis(self.began),
            ended_ms: worker.millis(Instant::now()),
        }
    }

    fn tell(&self, event: Option<Event>) {
        if let Some(event) = event {
            tell_event(&self.cluster.config.name, &self.endpoint.id, event);
        }
    }

    /// How long an attempt may take.
    pub(crate) const fn attempt_timeout(&self) -> Duration {
        self.forward.route.retry.attempt_timeout
    }

    /// Why it ends now, when it does whatever it is doing; the attempt ends at `attempt_at`.
    pub(crate) fn expired(&self, now: Instant, attempt_at: Option<Instant>) -> Option<Fault> {
        if self.scene.worker.is_stopping() {
            Some(Fault::Shutdown)
        } else if self.total_at.is_some_and(|at| now >= at) {
            Some(Fault::TotalTimeout)
        } else if attempt_at.is_some_and(|at| now >= at) {
            Some(Fault::AttemptTimeout)
        } else {
            None
        }
    }
}

/// Says what became of an endpoint.
fn tell_event(cluster: &str, endpoint: &str, event: Event) {
    match event {
        Event::Ejected { .. } => tracing::warn!(cluster, endpoint, "{event}"),
        Event::Trial { .. } | Event::Readmitted { .. } => {
            tracing::info!(cluster, endpoint, "{event}");
        }
    }
}

/// The protocol the client would like to switch to.
pub(crate) fn asked_protocol<D: Downstream>(down: &D) -> Option<&[u8]> {
    down.facts().upgrade.map(|span| down.request().span(span))
}

/// The earlier of two instants, where none is never.
pub(crate) fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
