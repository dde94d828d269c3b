//! What the stages of forwarding have in common: the surroundings of one attempt.

use std::time::Instant;

use evenkeel_base::ClusterId;
use evenkeel_config::model::{HostRewrite, PathRewrite, Route};
use evenkeel_state::{ClusterSnapshot, Endpoint, EndpointCounters};

use crate::downstream::Downstream;
use crate::exchange::client::Client;
use crate::scene::Scene;

/// What a route says about forwarding.
pub(crate) struct Forward<'a> {
    pub(crate) route: &'a Route,
    pub(crate) cluster: ClusterId,
    pub(crate) rewrite: &'a PathRewrite,
    pub(crate) host: &'a HostRewrite,
    pub(crate) client: Client,
}

/// One attempt's surroundings.
pub(crate) struct Stage<'a> {
    pub(crate) scene: &'a Scene<'a>,
    pub(crate) forward: &'a Forward<'a>,
    pub(crate) cluster: &'a ClusterSnapshot,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) counters: &'a EndpointCounters,
    /// The end of the whole exchange; none: no total timeout.
    pub(crate) total_at: Option<Instant>,
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
