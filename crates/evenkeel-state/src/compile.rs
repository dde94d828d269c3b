//! From a checked configuration to a snapshot.
//!
//! The [`Registry`] remembers the state of every cluster and endpoint by name, so that a new generation finds what the
//! old one learnt. It resolves nothing itself: the addresses of names come in as [`Resolved`].

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use evenkeel_base::rules::AdminState;
use evenkeel_base::{Address, ClusterId, RouteId, Target};
use evenkeel_config::model;
use evenkeel_policy::slow_start::Entry;
use evenkeel_policy::{Balancer, Budget, Health};
use evenkeel_route::RouteTable;

use crate::cluster::ClusterState;
use crate::endpoint::{Endpoint, EndpointState};
use crate::rates::Rates;
use crate::snapshot::{ClusterSnapshot, EndpointSet, Snapshot};

/// The addresses of the names among the endpoints, as far as they are known.
pub type Resolved = HashMap<(String, u16), Vec<SocketAddr>>;

/// The most addresses of one name that become endpoints; more are left out. A name that answers with thousands would
/// otherwise decide how much memory we use.
pub const MAX_ADDRESSES_PER_NAME: usize = 256;

/// Cluster, configured id and target. The target belongs to it: a name that moves to another address is another endpoint,
/// whose connections, counters and lessons are not those of the old one.
type EndpointKey = (String, String, Target);

/// What outlives snapshots, by name.
#[derive(Debug)]
pub struct Registry {
    workers: usize,
    next_serial: u32,
    clusters: HashMap<String, Arc<ClusterState>>,
    endpoints: HashMap<EndpointKey, Arc<EndpointState>>,
    rates: Rates,
}

impl Registry {
    /// An empty registry for a process with `workers` workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self {
            workers,
            next_serial: 0,
            clusters: HashMap::new(),
            endpoints: HashMap::new(),
            rates: Rates::default(),
        }
    }

    /// Compiles a configuration into a snapshot of that generation.
    pub fn compile(
        &mut self,
        config: model::Config,
        resolved: &Resolved,
        generation: u64,
    ) -> Snapshot {
        let routes = config
            .routes
            .iter()
            .zip(0..)
            .map(|(route, i)| (RouteId::new(i), route.matching.clone()));
        let table = Arc::new(RouteTable::compile(routes));
        let clusters = config.clusters.iter().zip(0..).map(|(cluster, i)| {
            let cluster = Arc::new(cluster.clone());
            // Before its state is made: that is how endpoints know whether they join a cluster or begin with it.
            let endpoints = Arc::new(self.endpoint_set(&cluster, resolved, 0));
            let state = self.cluster_state(&cluster);
            Arc::new(ClusterSnapshot {
                id: ClusterId::new(i),
                config: cluster,
                endpoints,
                state,
            })
        });
        let clusters = clusters.collect();
        self.forget_unused();
        let rates = self.rates.compile(&config.routes);
        Snapshot {
            generation,
            config: Arc::new(config),
            table,
            clusters,
            rates,
        }
    }

    /// The snapshot with the endpoints of one cluster resolved anew; `None` when nothing changed.
    pub fn with_resolved(
        &mut self,
        snapshot: &Snapshot,
        cluster: ClusterId,
        resolved: &Resolved,
        generation: u64,
    ) -> Option<Snapshot> {
        let old = snapshot.cluster(cluster)?;
        let set = self.endpoint_set(&old.config, resolved, old.endpoints.balancer.cursor());
        let key = |endpoint: &Endpoint| {
            (
                endpoint.id.clone(),
                endpoint.target.clone(),
                endpoint.weight,
            )
        };
        if set
            .list
            .iter()
            .map(key)
            .eq(old.endpoints.list.iter().map(key))
        {
            return None;
        }
        let new = ClusterSnapshot {
            id: cluster,
            config: Arc::clone(&old.config),
            endpoints: Arc::new(set),
            state: Arc::clone(&old.state),
        };
        let mut clusters = snapshot.clusters.clone();
        clusters[cluster.index()] = Arc::new(new);
        self.forget_unused();
        Some(Snapshot {
            generation,
            config: Arc::clone(&snapshot.config),
            table: Arc::clone(&snapshot.table),
            clusters,
            rates: Arc::clone(&snapshot.rates),
        })
    }

    fn endpoint_set(
        &mut self,
        cluster: &model::Cluster,
        resolved: &Resolved,
        cursor: u64,
    ) -> EndpointSet {
        let mut list = Vec::with_capacity(cluster.endpoints.len());
        for endpoint in &cluster.endpoints {
            match &endpoint.address {
                Address::Ip(address) => {
                    list.push(self.endpoint(cluster, endpoint, &endpoint.id, Target::Ip(*address)));
                }
                Address::Unix(path) => {
                    let target = Target::Unix(Arc::new(path.clone()));
                    list.push(self.endpoint(cluster, endpoint, &endpoint.id, target));
                }
                Address::Name { host, port } => {
                    let known = resolved
                        .get(&(host.clone(), *port))
                        .map_or(&[][..], Vec::as_slice);
                    for address in known.iter().take(MAX_ADDRESSES_PER_NAME) {
                        let id = if known.len() == 1 {
                            endpoint.id.clone()
                        } else {
                            format!("{}/{}", endpoint.id, address.ip())
                        };
                        list.push(self.endpoint(cluster, endpoint, &id, Target::Ip(*address)));
                    }
                }
            }
        }
        let weights: Vec<u16> = list.iter().map(|endpoint| endpoint.weight).collect();
        let balancer = Balancer::new(cluster.balancer, &weights, cursor);
        EndpointSet { list, balancer }
    }

    fn endpoint(
        &mut self,
        cluster: &model::Cluster,
        from: &model::Endpoint,
        id: &str,
        target: Target,
    ) -> Endpoint {
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
        follow_probes(state, probed, from.admin);
        state.follow_limit(&cluster.limits.endpoint_requests);
        Endpoint {
            id: id.into(),
            authority: host_of(&from.address).into(),
            target,
            weight: match from.admin {
                AdminState::Ready => from.weight,
                AdminState::Drain | AdminState::Maint => 0,
            },
            configured_weight: from.weight,
            admin: from.admin,
            state: Arc::clone(state),
        }
    }

    fn cluster_state(&mut self, cluster: &model::Cluster) -> Arc<ClusterState> {
        let make = || {
            let budget = Budget::new(cluster.budget.ratio, cluster.budget.burst);
            Arc::new(ClusterState::new(budget, &cluster.limits))
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
    }
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
        Address::Ip(_) | Address::Name { .. } => address.to_string(),
    }
}

#[cfg(test)]
mod tests;
