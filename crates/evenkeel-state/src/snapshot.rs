//! The compiled configuration: immutable, published whole, with a generation.
//!
//! Its parts are shared between generations: a change of one cluster's endpoints makes a new [`EndpointSet`] and a new
//! list of clusters, and recompiles no route.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_base::{ClusterId, ListenerId, RequestView, RouteId};
use evenkeel_config::model;
use evenkeel_policy::outlier::{Attempted, Cause, Event, Outcome};
use evenkeel_policy::{Candidate, RateLimiter, Split, Standing, Tiers};
use evenkeel_route::RouteTable;
use evenkeel_tls::ServerTls;

use crate::cluster::ClusterState;
use crate::discovery::Sought;
use crate::endpoint::Endpoint;
use crate::limits::{Full, OpenConnection};
use crate::listener::{Compiled, ListenerState};
use crate::sticky::Sticky;
use crate::traffic::Traffic;

/// One generation of everything the data plane decides by.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts up with every change.
    pub generation: u64,
    /// The checked configuration it was compiled from.
    pub config: Arc<model::Config>,
    pub(crate) table: Arc<RouteTable>,
    pub(crate) clusters: Vec<Arc<ClusterSnapshot>>,
    pub(crate) listeners: Compiled,
    pub(crate) rates: Arc<RouteRates>,
    pub(crate) splits: Arc<RouteSplits>,
    pub(crate) traffic: Arc<[Arc<Traffic>]>,
    pub(crate) proven: Arc<[String]>,
}

/// The rate limits of each route, as far as the last one that has any.
pub(crate) type RouteRates = [Box<[Arc<RateLimiter>]>];

/// The splits of each route, as far as the last one that has one.
pub(crate) type RouteSplits = [Option<Arc<RouteSplit>>];

impl Snapshot {
    /// The route of a request for that path, the canonical form of its own or what else it may be read as, by the most specific
    /// match.
    #[inline]
    #[must_use]
    pub fn route(
        &self,
        listener: ListenerId,
        path: &[u8],
        request: &RequestView<'_>,
    ) -> Option<(RouteId, &model::Route)> {
        let id = self.table.find(listener, path, request)?;
        self.config.routes.get(id.index()).map(|route| (id, route))
    }

    /// The routes that a request's host and path lead to, in the order in which they are asked: for people.
    #[must_use]
    pub fn considered(
        &self,
        listener: ListenerId,
        request: &RequestView<'_>,
    ) -> Vec<evenkeel_route::Considered> {
        self.table.considered(listener, request)
    }

    /// The rate limits of a route, in the order of its rules; all of them must admit a request.
    #[inline]
    #[must_use]
    pub fn rate_limits(&self, id: RouteId) -> &[Arc<RateLimiter>] {
        self.rates.get(id.index()).map_or(&[], |rates| rates)
    }

    /// The clusters that share a route's requests; none when the route has one, or does not forward.
    #[inline]
    #[must_use]
    pub fn split(&self, id: RouteId) -> Option<&RouteSplit> {
        self.splits.get(id.index())?.as_deref()
    }

    /// The fields by which listeners tell endpoints of the certificates of clients. An endpoint cannot know which listener a request
    /// came by, so that none of them passes what a client says in their place.
    #[inline]
    #[must_use]
    pub fn proven(&self) -> &[String] {
        &self.proven
    }

    /// What is counted of a route's exchanges.
    #[inline]
    #[must_use]
    pub fn route_traffic(&self, id: RouteId) -> Option<&Arc<Traffic>> {
        self.traffic.get(id.index())
    }

    /// What is counted of the exchanges of each route, in the order of the configuration.
    #[must_use]
    pub fn routes_traffic(&self) -> &[Arc<Traffic>] {
        &self.traffic
    }

    /// A listener; ids come from this snapshot's own lists, so there is one.
    #[must_use]
    pub fn listener(&self, id: ListenerId) -> Option<&model::Listener> {
        self.config.listeners.get(id.index())
    }

    /// What outlives snapshots of the listeners, in their order.
    #[must_use]
    pub fn listeners(&self) -> &[Arc<ListenerState>] {
        &self.listeners.states
    }

    /// What a listener speaks TLS by; none where its configuration has none. Where that has some and there is none here all the
    /// same, nothing can be spoken.
    #[inline]
    #[must_use]
    pub fn tls(&self, id: ListenerId) -> Option<&ServerTls> {
        self.listeners.tls.get(id.index())?.as_ref()
    }

    /// Where the listener with that serial stands in this snapshot; `hint` is where it stood when it was last looked for.
    #[inline]
    #[must_use]
    pub fn find_listener(&self, serial: u32, hint: ListenerId) -> Option<ListenerId> {
        let known = self.listeners.states.get(hint.index());
        if known.is_some_and(|state| state.serial == serial) {
            return Some(hint);
        }
        let mut ids = (0..).map(ListenerId::new).zip(self.listeners.states.iter());
        ids.find(|(_, state)| state.serial == serial)
            .map(|(id, _)| id)
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
    /// The endpoints that operators added to those of the configuration.
    pub added: Arc<[model::Endpoint]>,
    /// Its endpoints as resolved, with who picks among them.
    pub endpoints: Arc<EndpointSet>,
    /// What outlives generations.
    pub state: Arc<ClusterState>,
}

impl ClusterSnapshot {
    /// All that has to be looked for to know its endpoints. Some may be given twice.
    pub fn sought(&self) -> impl Iterator<Item = Sought> {
        Sought::all(&self.config).chain(Sought::behind(&self.added))
    }

    /// Takes the place of a connection that is about to be made to one of its endpoints.
    ///
    /// # Errors
    /// What has no place.
    #[inline]
    pub fn connect(&self, endpoint: &Endpoint) -> Result<OpenConnection, Full> {
        let open = self.state.limits.connect(&endpoint.state)?;
        Ok(open.made_by(endpoint.dial.serial))
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

    /// An attempt at the endpoint at `at` was given up for another one that answered first ([`Outlier::given_up`]).
    ///
    /// [`Outlier::given_up`]: evenkeel_policy::Outlier::given_up
    pub fn given_up(&self, at: usize, patience: Duration, attempt: Attempted) -> Option<Event> {
        let list = &self.endpoints.list;
        let state = &list.get(at)?.state;
        let rules = &self.config.outlier;
        let outlier = &state.outlier;
        match outlier.given_up(&state.standing, rules, patience, attempt) {
            Outcome::Counted => None,
            Outcome::WantsEjection => {
                let now_ms = attempt.ended_ms;
                self.state.eject(list, at, Cause::Timeout, rules, now_ms)
            }
        }
    }
}

/// Endpoints and who picks among them.
#[derive(Debug)]
pub struct EndpointSet {
    /// The endpoints, in the order of their tiers; a pick is a position in this list.
    pub list: Vec<Endpoint>,
    /// Who picks, tier by tier.
    pub tiers: Tiers,
    /// Whether one of them has a weight; else none takes a request of a new client.
    pub takes_anybody: bool,
    /// Which endpoint a client has a claim to.
    pub sticky: Sticky,
}

impl EndpointSet {
    /// What time alone changes of who picks. The control plane calls it ten times a second.
    pub fn tick(&self, now_us: u64) {
        self.tiers.tick(&self.list, now_us);
        if let Sticky::Hashed(hashed) = &self.sticky {
            hashed.tiers.tick(&self.list, now_us);
        }
    }

    /// Finds out which tiers spill over, before the first pick.
    pub(crate) fn weigh(&self) {
        self.tiers.weigh(&self.list);
        if let Sticky::Hashed(hashed) = &self.sticky {
            hashed.tiers.weigh(&self.list);
        }
    }
}

/// The clusters that share the requests of one route: two or more.
#[derive(Clone, Debug)]
pub struct RouteSplit {
    /// The clusters, in the file's order.
    pub sides: Box<[Side]>,
    /// Who picks among them: a pick is a position in this list.
    pub split: Arc<Split>,
}

/// A cluster with its part of a route's requests.
#[derive(Clone, Debug)]
pub struct Side {
    /// The cluster.
    pub cluster: Arc<ClusterSnapshot>,
    pub(crate) weight: u16,
}

impl Side {
    /// Whether the cluster has an endpoint that takes requests. One look at a word while it is well; in panic that admits less than
    /// its percentage, but some, it is open still.
    #[inline]
    #[must_use]
    pub fn is_open(&self) -> bool {
        let cluster = &self.cluster;
        cluster.endpoints.takes_anybody && (!cluster.state.is_panicking() || has_admitting(cluster))
    }
}

#[cold]
fn has_admitting(cluster: &ClusterSnapshot) -> bool {
    let list = &cluster.endpoints.list;
    list.iter().any(|one| one.weight > 0 && one.share() > 0)
}

impl Candidate for Side {
    #[inline]
    fn weight(&self) -> u16 {
        self.weight
    }

    /// Not looked at: a split goes by shares.
    fn in_flight(&self) -> u32 {
        0
    }

    #[inline]
    fn share(&self) -> u16 {
        if self.is_open() { Standing::FULL } else { 0 }
    }

    /// A full cluster has a queue, and its part is its part.
    #[inline]
    fn has_room(&self) -> bool {
        true
    }
}
