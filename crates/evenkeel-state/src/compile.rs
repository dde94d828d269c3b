//! From a checked configuration to a snapshot.
//!
//! The [`Registry`] remembers the state of every cluster and endpoint by name, so that a new generation finds what the
//! old one learnt. It looks nothing up itself: the addresses of names come in as [`Resolved`], and a list of endpoints that
//! changed as such.

mod orders;
mod places;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use evenkeel_base::rules::AdminState;
use evenkeel_base::{Address, ClusterId, RouteId, Target};
use evenkeel_config::model::{self, StickyKey};
use evenkeel_policy::slow_start::Entry;
use evenkeel_policy::{Budget, Health, Member, Tiers};
use evenkeel_route::RouteTable;

pub use self::orders::{NotThere, Unfit};
use self::places::{Node, Place, places};
pub use crate::discovery::Resolved;

use crate::cluster::ClusterState;
use crate::dial::Dials;
use crate::discovery::Sought;
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

/// Whose word counts for clusters whose endpoints are listed in a file of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// What the configuration found in it: it was read just now.
    Read,
    /// What is served of the same list: the configuration was read earlier, and may know endpoints that have long gone.
    Served,
}

/// The lists of their own that a snapshot serves, as they were read last.
#[must_use]
pub fn served_lists(snapshot: &Snapshot) -> HashMap<Sought, &[model::Endpoint]> {
    let clusters = snapshot.clusters().iter().map(|cluster| &cluster.config);
    let listed = clusters.filter_map(|cluster| {
        let list = Sought::list_of(cluster)?;
        Some((list, cluster.endpoints.as_slice()))
    });
    listed.collect()
}

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
        self.compile_after(None, config, Lists::Read, resolved, generation)
    }

    /// The same for one that takes the place of another: rotations go on from where they stand.
    pub fn compile_after(
        &mut self,
        before: Option<&Snapshot>,
        config: impl Into<Arc<model::Config>>,
        lists: Lists,
        resolved: &Resolved,
        generation: u64,
    ) -> Snapshot {
        let config = config.into();
        let served = before.filter(|_| lists == Lists::Served);
        let served = served.map(served_lists).unwrap_or_default();
        let configured: Vec<model::Cluster> = config
            .clusters
            .iter()
            .map(|cluster| as_served(cluster, &served))
            .collect();
        // A certificate that was renewed, or the same file read again, takes no endpoint away.
        let same =
            |before: &Snapshot| Overlay::sees_the_same(&before.config.clusters, &config.clusters);
        if !before.is_some_and(same) {
            self.overlay.keep_up(&configured);
        }
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
        let clusters = configured.into_iter().zip(0..).map(|(cluster, i)| {
            let cluster = Arc::new(cluster);
            // Before its state is made: that is how endpoints know whether they join a cluster or begin with it.
            let follows = known.get(cluster.name.as_str()).copied();
            let added = self
                .overlay
                .added()
                .beside(&cluster.name, &cluster.endpoints);
            let endpoints = self.endpoint_set(&cluster, &added, node, resolved, follows);
            let endpoints = Arc::new(endpoints);
            let state = self.cluster_state(&cluster);
            let needs = endpoints.tiers.needs();
            state.limits.ask_for_requests(needs.in_flight);
            Arc::new(ClusterSnapshot {
                id: ClusterId::new(i),
                config: cluster,
                added: added.into(),
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
        let proven = proven(&config.listeners);
        Snapshot {
            generation,
            config,
            table,
            clusters,
            listeners,
            proven,
            rates,
            splits,
            traffic,
        }
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
        self.overlay.added_mut().give_up(&old.name, &endpoints);
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
        let added = self.overlay.added().beside(&config.name, &config.endpoints);
        let follows = Some(&old.endpoints.tiers);
        let set = self.endpoint_set(&config, &added, node, resolved, follows);
        let key = |endpoint: &Endpoint| {
            (
                endpoint.id.clone(),
                endpoint.target.clone(),
                (endpoint.weight, endpoint.admin, endpoint.ordered),
                endpoint.rank,
            )
        };
        let listed = config.endpoints == old.config.endpoints && *added == *old.added;
        let (now, before) = (set.list.iter().map(key), old.endpoints.list.iter().map(key));
        if listed && now.eq(before) {
            return None;
        }
        let new = Arc::new(ClusterSnapshot {
            id: cluster,
            config,
            added: added.into(),
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
            proven: Arc::clone(&snapshot.proven),
        })
    }

    /// The endpoints of a cluster, and who picks among them.
    fn endpoint_set(
        &mut self,
        cluster: &model::Cluster,
        added: &[model::Endpoint],
        node: Node<'_>,
        resolved: &Resolved,
        follows: Option<&Tiers>,
    ) -> EndpointSet {
        self.follow_names(cluster, added, resolved, Instant::now());
        let list: Vec<Endpoint> = places(cluster, added, node, resolved)
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

    /// Forgets orders for addresses that have not been a cluster's for a while.
    fn follow_names(
        &mut self,
        cluster: &model::Cluster,
        added: &[model::Endpoint],
        resolved: &Resolved,
        now: Instant,
    ) {
        if self.overlay.concerns(&cluster.name) {
            let named = cluster.endpoints.iter().chain(added);
            let named: HashSet<&str> = named.map(|one| one.id.as_str()).collect();
            let found = places::ids(cluster, added, resolved);
            self.overlay.follow(&cluster.name, &named, &found, now);
        }
    }

    fn endpoint(&mut self, cluster: &model::Cluster, place: Place<'_>) -> Endpoint {
        let Place {
            from,
            is_added,
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
            is_added,
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
            .and_modify(|state| {
                let rules = &cluster.budget;
                state.budget.configure(rules.ratio, rules.burst);
                state.limits.configure(&cluster.limits);
            })
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

/// A cluster with the endpoints that are served of its list.
fn as_served(
    cluster: &model::Cluster,
    served: &HashMap<Sought, &[model::Endpoint]>,
) -> model::Cluster {
    let mut cluster = cluster.clone();
    let list = Sought::list_of(&cluster);
    if let Some(endpoints) = list.and_then(|list| served.get(&list)) {
        cluster.endpoints = endpoints.to_vec();
    }
    cluster
}

/// The names of all fields by which a listener tells of clients' certificates, each once.
fn proven(listeners: &[model::Listener]) -> Arc<[String]> {
    let clients = listeners
        .iter()
        .filter_map(|one| one.tls.as_ref()?.client.as_ref());
    let names = clients.flat_map(|client| client.headers.names());
    let names: BTreeSet<String> = names.map(str::to_ascii_lowercase).collect();
    names.into_iter().collect()
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
