//! The compiled configuration: immutable, published whole, with a generation.
//!
//! Its parts are shared between generations: a change of one cluster's endpoints makes a new [`EndpointSet`] and a new
//! list of clusters, and recompiles no route.

use std::sync::Arc;

use evenkeel_base::{ClusterId, ListenerId, RequestView, RouteId, Target};
use evenkeel_config::model;
use evenkeel_policy::{Balancer, Candidate};
use evenkeel_route::RouteTable;

use crate::endpoint::{ClusterState, EndpointState};

/// One generation of everything the data plane decides by.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts up with every change.
    pub generation: u64,
    /// The checked configuration it was compiled from.
    pub config: Arc<model::Config>,
    pub(crate) table: Arc<RouteTable>,
    pub(crate) clusters: Vec<Arc<ClusterSnapshot>>,
}

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

/// Endpoints and the balancer compiled for them.
#[derive(Debug)]
pub struct EndpointSet {
    /// The endpoints; a balancer's pick is a position in this list.
    pub list: Vec<Endpoint>,
    /// Who picks.
    pub balancer: Balancer,
}

/// One resolved endpoint.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its stable identity in its cluster: the configured id, with the address behind it when a name has several.
    pub id: Arc<str>,
    /// What the operator wrote, for `Host` and for people.
    pub authority: Arc<str>,
    /// Where to connect.
    pub target: Target,
    /// Its share.
    pub weight: u16,
    /// What outlives generations.
    pub state: Arc<EndpointState>,
}

impl Candidate for Endpoint {
    fn weight(&self) -> u16 {
        self.weight
    }

    fn in_flight(&self) -> u32 {
        self.state.in_flight()
    }

    fn admits(&self) -> bool {
        self.weight > 0
    }
}
