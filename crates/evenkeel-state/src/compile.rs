//! From a checked configuration to a snapshot.
//!
//! The [`Registry`] remembers the state of every cluster and endpoint by name, so that a new generation finds what the
//! old one learnt. It looks nothing up itself: the addresses of names come in as [`Resolved`], and a list of endpoints that
//! changed as such.

mod places;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use evenkeel_base::rules::AdminState;
use evenkeel_base::{Address, ClusterId, RouteId, Target};
use evenkeel_config::model::{self, StickyKey};
use evenkeel_policy::slow_start::Entry;
use evenkeel_policy::{Budget, Health, Member, Tiers};
use evenkeel_route::RouteTable;

use self::places::{Node, Place, places};
pub use crate::discovery::Resolved;

use crate::cluster::ClusterState;
use crate::command::EndpointOrder;
use crate::dial::Dials;
use crate::endpoint::{Endpoint, EndpointState};
use crate::listener::Listeners;
use crate::overlay::Overlay;
use crate::rates::Rates;
use crate::snapshot::{ClusterSnapshot, EndpointSet, Snapshot};
use crate::splits::{self, Splits};
use crate::sticky::Sticky;
use crate::traffic::RouteTraffic;

/// Cluster, configured id and target. The target belongs to it: a name that moves to another address is another endpoint,
/// whose connections, counters and lessons are not those of the old one.
type EndpointKey = (String, String, Target);

/// What outlives snapshots, by name.
#[derive(Debug)]
pub struct Registry {
    workers: usize,
    /// What seals the cookies of clusters that have no keys of their own.
    sticky_key: StickyKey,
    next_serial: u32,
    clusters: HashMap<String, Arc<ClusterState>>,
    endpoints: HashMap<EndpointKey, Arc<EndpointState>>,
    dials: Dials,
    listeners: Listeners,
    rates: Rates,
    splits: Splits,
    traffic: RouteTraffic,
    overlay: Overlay,
}

impl Registry {
    /// An empty registry for a process with `workers` workers. `chance` is from the operating system and nobody's to guess: it
    /// seals the cookies of clusters without keys, for as long as the process lives.
    #[must_use]
    pub fn new(workers: usize, chance: &[u8; 32]) -> Self {
        Self {
            workers,
            sticky_key: StickyKey(Box::new(*chance)),
            next_serial: 0,
            clusters: HashMap::new(),
            endpoints: HashMap::new(),
            dials: Dials::default(),
            listeners: Listeners::default(),
            rates: Rates::default(),
            splits: Splits::default(),
            traffic: RouteTraffic::default(),
            overlay: Overlay::default(),
        }
    }

    /// Compiles a configuration into a snapshot of that generation.
    pub fn compile(
        &mut self,
        config: impl Into<Arc<model::Config>>,
        resolved: &Resolved,
        generation: u64,
    ) -> Snapshot {
        self.compile_after(None, config, resolved, generation)
    }

    /// The same for one that takes the place of another: rotations go on from where they stand.
    pub fn compile_after(
        &mut self,
        before: Option<&Snapshot>,
        config: impl Into<Arc<model::Config>>,
        resolved: &Resolved,
        generation: u64,
    ) -> Snapshot {
        let config = config.into();
        self.overlay.keep_up(&config.clusters);
        let known: HashMap<&str, &Tiers> = before
            .into_iter()
            .flat_map(Snapshot::clusters)
            .map(|cluster| (cluster.config.name.as_str(), &cluster.endpoints.tiers))
            .collect();
        let routes = config
            .routes
            .iter()
            .zip(0..)
            .map(|(route, i)| (RouteId::new(i), route.matching.clone()));
        let table = Arc::new(RouteTable::compile(routes));
        let node = Node::of(&config);
        let clusters = config.clusters.iter().zip(0..).map(|(cluster, i)| {
            let cluster = Arc::new(cluster.clone());
            // Before its state is made: that is how endpoints know whether they join a cluster or begin with it.
            let follows = known.get(cluster.name.as_str()).copied();
            let endpoints = Arc::new(self.endpoint_set(&cluster, node, resolved, follows));
            let state = self.cluster_state(&cluster);
            let needs = endpoints.tiers.needs();
            state.limits.ask_for_requests(needs.in_flight);
            Arc::new(ClusterSnapshot {
                id: ClusterId::new(i),
                config: cluster,
                endpoints,
                state,
            })
        });
        let clusters: Vec<_> = clusters.collect();
        self.forget_unused();
        let rates = self.rates.compile(&config.routes);
        let traffic = self.traffic.compile(&config.routes, self.workers);
        let listeners = self.listeners.compile(&config.listeners, self.workers);
        let splits = self.splits.compile(&config.routes, &clusters);
        Snapshot {
            generation,
            config,
            table,
            clusters,
            listeners,
            rates,
            splits,
            traffic,
        }
    }

    /// Takes an operator's order for an endpoint, called by its id or its address; gives where it now applies. It shows in the
    /// next snapshot that has the endpoint: [`Registry::with_resolved`] makes one.
    ///
    /// # Errors
    /// When the snapshot has no such cluster or endpoint.
    pub fn order(
        &mut self,
        snapshot: &Snapshot,
        cluster: &str,
        endpoint: &str,
        order: EndpointOrder,
    ) -> Result<ClusterId, NotThere> {
        let mut clusters = snapshot.clusters().iter();
        let found = clusters
            .find(|one| one.config.name == cluster)
            .ok_or_else(|| NotThere::cluster(cluster, snapshot))?;
        let id = id_of(found, endpoint).ok_or_else(|| NotThere::endpoint(endpoint, found))?;
        self.overlay.order(cluster, &id, order);
        Ok(found.id)
    }

    /// What operators ordered.
    #[must_use]
    pub const fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// The same, to put in what another process was ordered.
    pub const fn overlay_mut(&mut self) -> &mut Overlay {
        &mut self.overlay
    }

    /// The snapshot with the endpoints of one cluster as names resolve and operators order now; `None` when nothing changed.
    pub fn with_resolved(
        &mut self,
        snapshot: &Snapshot,
        cluster: ClusterId,
        resolved: &Resolved,
        generation: u64,
    ) -> Option<Snapshot> {
        let config = Arc::clone(&snapshot.cluster(cluster)?.config);
        self.with_config(snapshot, cluster, config, resolved, generation)
    }

    /// The snapshot with another list of endpoints for one cluster; `None` when nothing changed.
    pub fn with_list(
        &mut self,
        snapshot: &Snapshot,
        cluster: ClusterId,
        endpoints: Vec<model::Endpoint>,
        resolved: &Resolved,
        generation: u64,
    ) -> Option<Snapshot> {
        let old = &snapshot.cluster(cluster)?.config;
        let config = Arc::new(model::Cluster {
            endpoints,
            ..model::Cluster::clone(old)
        });
        self.with_config(snapshot, cluster, config, resolved, generation)
    }

    fn with_config(
        &mut self,
        snapshot: &Snapshot,
        cluster: ClusterId,
        config: Arc<model::Cluster>,
        resolved: &Resolved,
        generation: u64,
    ) -> Option<Snapshot> {
        let old = snapshot.cluster(cluster)?;
        let node = Node::of(&snapshot.config);
        let set = self.endpoint_set(&config, node, resolved, Some(&old.endpoints.tiers));
        let key = |endpoint: &Endpoint| {
            (
                endpoint.id.clone(),
                endpoint.target.clone(),
                (endpoint.weight, endpoint.admin, endpoint.ordered),
                endpoint.rank,
            )
        };
        let listed = config.endpoints == old.config.endpoints;
        let (now, before) = (set.list.iter().map(key), old.endpoints.list.iter().map(key));
        if listed && now.eq(before) {
            return None;
        }
        let new = Arc::new(ClusterSnapshot {
            id: cluster,
            config,
            endpoints: Arc::new(set),
            state: Arc::clone(&old.state),
        });
        let splits = splits::with_cluster(&snapshot.splits, &new);
        let mut clusters = snapshot.clusters.clone();
        clusters[cluster.index()] = new;
        self.forget_unused();
        Some(Snapshot {
            generation,
            config: Arc::clone(&snapshot.config),
            table: Arc::clone(&snapshot.table),
            clusters,
            listeners: snapshot.listeners.clone(),
            rates: Arc::clone(&snapshot.rates),
            splits,
            traffic: Arc::clone(&snapshot.traffic),
        })
    }

    /// The endpoints of a cluster, and who picks among them.
    fn endpoint_set(
        &mut self,
        cluster: &model::Cluster,
        node: Node<'_>,
        resolved: &Resolved,
        follows: Option<&Tiers>,
    ) -> EndpointSet {
        let list: Vec<Endpoint> = places(cluster, node, resolved)
            .into_iter()
            .map(|place| self.endpoint(cluster, place))
            .collect();
        let members: Vec<Member<'_>> = list
            .iter()
            .map(|endpoint| Member {
                id: &endpoint.id,
                weight: endpoint.weight,
                rank: endpoint.rank,
            })
            .collect();
        let tiers = Tiers::new(&cluster.balancer, &cluster.tiers, &members, follows);
        tiers.set_out(node.name);
        let sticky = Sticky::new(cluster, &list, &members, &self.sticky_key.0);
        let set = EndpointSet {
            takes_anybody: list.iter().any(|endpoint| endpoint.weight > 0),
            list,
            tiers,
            sticky,
        };
        // Else the first picks would go by tiers that are all well, whatever has become of them.
        set.weigh();
        set
    }

    fn endpoint(&mut self, cluster: &model::Cluster, place: Place<'_>) -> Endpoint {
        let Place {
            from,
            id,
            target,
            rank,
        } = place;
        let key = (cluster.name.clone(), from.id.clone(), target.clone());
        let joins = self.clusters.contains_key(&cluster.name);
        let probed = cluster.probe.rules().is_some();
        let state = self.endpoints.entry(key).or_insert_with(|| {
            self.next_serial = self.next_serial.wrapping_add(1);
            let joins = joins.then(|| Entry::of(cluster.slow_start));
            let health = if probed {
                Health::Waiting
            } else {
                Health::Unprobed
            };
            Arc::new(EndpointState::of(
                self.next_serial,
                self.workers,
                health,
                joins,
            ))
        });
        let ordered = self.overlay.of(&cluster.name, &from.id, &id);
        let admin = ordered.admin.unwrap_or(from.admin);
        follow_probes(state, probed, admin);
        state.follow_limit(&cluster.limits.endpoint_requests);
        Endpoint {
            id: id.into(),
            authority: host_of(&from.address).into(),
            dial: self.dials.of(cluster, &from.address, &target),
            target,
            weight: match admin {
                AdminState::Ready => ordered.weight.unwrap_or(from.weight),
                AdminState::Drain | AdminState::Maint => 0,
            },
            configured_weight: from.weight,
            admin,
            configured_admin: from.admin,
            ordered,
            rank,
            state: Arc::clone(state),
        }
    }

    fn cluster_state(&mut self, cluster: &model::Cluster) -> Arc<ClusterState> {
        let workers = self.workers;
        let make = || {
            let budget = Budget::new(cluster.budget.ratio, cluster.budget.burst);
            Arc::new(ClusterState::new(budget, &cluster.limits, workers))
        };
        let known = self.clusters.entry(cluster.name.clone());
        let state = known
            .and_modify(|state| state.limits.configure(&cluster.limits))
            .or_insert_with(make);
        Arc::clone(state)
    }

    /// States that no snapshot refers to are dropped, so that endpoints that come and go do not add up.
    fn forget_unused(&mut self) {
        self.endpoints
            .retain(|_, state| Arc::strong_count(state) > 1);
        self.clusters
            .retain(|_, state| Arc::strong_count(state) > 1);
        self.dials.forget_unused();
    }
}

/// A cluster or endpoint that an order names and nobody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotThere {
    what: &'static str,
    wanted: String,
    near: Option<String>,
    /// Some of those that there are.
    others: Vec<String>,
}

impl NotThere {
    /// So many of those that there are, are named.
    const NAMED: usize = 8;

    fn cluster(wanted: &str, snapshot: &Snapshot) -> Self {
        let names = snapshot.clusters().iter();
        let names: Vec<&str> = names.map(|one| one.config.name.as_str()).collect();
        Self::among("cluster", wanted, &names)
    }

    fn endpoint(wanted: &str, cluster: &ClusterSnapshot) -> Self {
        let list = cluster.endpoints.list.iter();
        let names: Vec<&str> = list.map(|one| &*one.id).collect();
        Self::among("endpoint", wanted, &names)
    }

    fn among(what: &'static str, wanted: &str, names: &[&str]) -> Self {
        let near = evenkeel_config::nearest(wanted, names.iter().copied());
        let named = names.iter().take(Self::NAMED);
        Self {
            what,
            wanted: wanted.to_owned(),
            near: near.map(str::to_owned),
            others: named.map(|name| (*name).to_owned()).collect(),
        }
    }
}

impl fmt::Display for NotThere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no {} is called \"{}\"", self.what, self.wanted)?;
        match &self.near {
            Some(near) => write!(f, ": did you mean \"{near}\"?"),
            None if self.others.is_empty() => write!(f, ": there is none at all"),
            None => write!(f, ": there are {}", self.others.join(", ")),
        }
    }
}

/// The id by which orders for that endpoint are kept: the file's, or that of one address behind a name.
fn id_of(cluster: &ClusterSnapshot, wanted: &str) -> Option<String> {
    let list = &cluster.endpoints.list;
    let named = &cluster.config.endpoints;
    let by_id = named.iter().find(|one| one.id == wanted);
    let by_id = by_id.map(|one| one.id.clone());
    let resolved = || list.iter().find(|one| &*one.id == wanted);
    let written = || named.iter().find(|one| one.address.to_string() == wanted);
    let target = || list.iter().find(|one| one.target.to_string() == wanted);
    by_id
        .or_else(|| resolved().map(|one| one.id.to_string()))
        .or_else(|| written().map(|one| one.id.clone()))
        .or_else(|| target().map(|one| one.id.to_string()))
}

/// Brings the health of an endpoint that is known already in line with a configuration that may have changed.
///
/// Where probes were just switched on, the first result decides and until then all goes on as before: a mistake in the new
/// probe must not stop the traffic before it has failed. An endpoint in maintenance is not probed, and what was known of
/// it is worth nothing when it comes back.
fn follow_probes(state: &EndpointState, probed: bool, admin: AdminState) {
    let to = match (probed, admin) {
        (false, _) => Health::Unprobed,
        (true, AdminState::Maint) => Health::Waiting,
        (true, AdminState::Ready | AdminState::Drain) => return,
    };
    // At its full share, as the operator has it: no ramp begins, so that no clock is needed.
    let _ = state.standing.set_health(to, Entry::Full, 0);
}

/// What `Host` says when a route sends the endpoint's own name: RFC 9110 §7.2 leaves a Unix socket no other word.
fn host_of(address: &Address) -> String {
    match address {
        Address::Unix(_) => "localhost".into(),
        Address::Ip(_) | Address::Name { .. } | Address::Service(_) => address.to_string(),
    }
}

#[cfg(test)]
mod tests;
