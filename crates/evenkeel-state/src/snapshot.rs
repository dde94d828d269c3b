//! The compiled configuration: immutable, published whole, with a generation.
//!
//! Its parts are shared between generations: a change of one cluster's endpoints makes a new [`EndpointSet`] and a new
//! list of clusters, and recompiles no route.

use std::sync::Arc;

use evenkeel_base::{ClusterId, ListenerId, RequestView, RouteId};
use evenkeel_config::model;
use evenkeel_policy::outlier::{Attempted, Cause, Event, Outcome};
use evenkeel_policy::{Balancer, RateLimiter};
use evenkeel_route::RouteTable;

use crate::cluster::ClusterState;
use crate::endpoint::Endpoint;
use crate::limits::{Full, OpenConnection};

/// One generation of everything the data plane decides by.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts up with every change.
    pub generation: u64,
    /// The checked configuration it was compiled from.
    pub config: Arc<model::Config>,
    pub(crate) table: Arc<RouteTable>,
    pub(crate) clusters: Vec<Arc<ClusterSnapshot>>,
    pub(crate) rates: Arc<RouteRates>,
}

/// The rate limits of each route, as far as the last one that has any.
pub(crate) type RouteRates = [Box<[Arc<RateLimiter>]>];

impl Snapshot {
    /// The route of a request, by the most specific match.
    #[inline]
    #[must_use]
    pub fn route(
        &self,
        listener: ListenerId,
        request: &RequestView<'_>,
    ) -> Option<(RouteId, &model::Route)> {
        let id = self.table.find(listener, request)?;
        self.config.routes.get(id.index()).map(|route| (id, route))
    }

    /// The rate limits of a route, in the order of its rules; all of them must admit a request.
    #[inline]
    #[must_use]
    pub fn rate_limits(&self, id: RouteId) -> &[Arc<RateLimiter>] {
        self.rates.get(id.index()).map_or(&[], |rates| rates)
    }

    /// A listener; ids come from this snapshot's own lists, so there is one.
    #[must_use]
    pub fn listener(&self, id: ListenerId) -> Option<&model::Listener> {
        self.config.listeners.get(id.index())
    }

    /// A cluster.
    #[inline]
    #[must_use]
    pub fn cluster(&self, id: ClusterId) -> Option<&Arc<ClusterSnapshot>> {
        self.clusters.get(id.index())
    }

    /// Every cluster.
    #[must_use]
    pub fn clusters(&self) -> &[Arc<ClusterSnapshot>] {
        &self.clusters
    }
}

/// A cluster of one generation.
#[derive(Debug)]
pub struct ClusterSnapshot {
    /// Its position in [`model::Config::clusters`].
    pub id: ClusterId,
    /// Its knobs.
    pub config: Arc<model::Cluster>,
    /// Its endpoints as resolved, with the balancer that picks among them.
    pub endpoints: Arc<EndpointSet>,
    /// What outlives generations.
    pub state: Arc<ClusterState>,
}

impl ClusterSnapshot {
    /// Takes the place of a connection that is about to be made to one of its endpoints.
    ///
    /// # Errors
    /// What has no place.
    #[inline]
    pub fn connect(&self, endpoint: &Endpoint) -> Result<OpenConnection, Full> {
        self.state.limits.connect(&endpoint.state)
    }

    /// An attempt at the endpoint at `at` went well: a response came that is no gateway fault. Two loads while all is well.
    #[inline]
    pub fn succeeded(&self, at: usize, attempt: Attempted) -> Option<Event> {
        let state = &self.endpoints.list.get(at)?.state;
        let slow_start = self.config.slow_start;
        state
            .outlier
            .succeeded(&state.standing, slow_start, attempt)
    }

    /// An attempt of `worker` at the endpoint at `at` failed by the endpoint's fault ([`Cause::of`], [`Cause::of_status`]):
    /// counts it, and ejects the endpoint when that is due and the cap allows.
    pub fn failed(
        &self,
        at: usize,
        worker: usize,
        cause: Cause,
        attempt: Attempted,
    ) -> Option<Event> {
        let list = &self.endpoints.list;
        let state = &list.get(at)?.state;
        state.counters(worker).gateway_fault(cause);
        let rules = &self.config.outlier;
        match state.outlier.failed(&state.standing, rules, attempt) {
            Outcome::Counted => None,
            Outcome::WantsEjection => self.state.eject(list, at, cause, rules, attempt.ended_ms),
        }
    }
}

/// Endpoints and the balancer compiled for them.
#[derive(Debug)]
pub struct EndpointSet {
    /// The endpoints; a balancer's pick is a position in this list.
    pub list: Vec<Endpoint>,
    /// Who picks.
    pub balancer: Balancer,
}
