//! Clusters and their endpoints in the picture: all of them are looked at, the worst are shown.
//!
//! While nobody watches, only what history needs is read: how much a cluster's endpoints did, for which there is no counter of the
//! cluster's own, and that of many endpoints not every second.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_policy::Candidate;
use evenkeel_state::histogram::Counts;
use evenkeel_state::{ClusterSnapshot, Endpoint, Failing, Snapshot};

use crate::live::bounds::BOUNDS;
use crate::live::count::{FAULTS, Few, Window, faults, faults_of, quantiles, rate};
use crate::live::history::{self, Point};
use crate::live::state::{Now, State, reason};
use crate::look::{millis, unresolved};
use crate::view::live::{self, Severity, Traffic};

/// While nobody watches, so many counters of endpoints (one for each worker) are read in a second, in the mean.
const AT_REST: usize = 4096;

/// But every endpoint's are once in so many seconds.
const MOST_REST: usize = 60;

/// The median and the 99th percentile, in microseconds.
type Latency = (Option<u64>, Option<u64>);

/// Clusters as they were a second ago.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    /// By name.
    seen: HashMap<String, Seen>,
    looks: usize,
    /// The faults of endpoints that ever had one, and the latencies of those that are shown; of none while nobody watches.
    faults: HashMap<u32, Box<[u64; FAULTS]>>,
    latencies: HashMap<u32, Window>,
    /// Whether the last look was for a picture.
    is_warm: bool,
}

#[derive(Debug)]
struct Seen {
    times: Counts,
    window: Window,
    taken: u64,
    refused: u64,
    /// What its endpoints had done when they were looked at, by serial, and when that was.
    endpoints: HashMap<u32, Few>,
    at: Instant,
    /// What they did until then, and in which time.
    traffic: (Few, Duration),
}

/// A cluster in this second.
#[derive(Debug)]
pub(super) struct Cluster {
    snapshot: Arc<ClusterSnapshot>,
    /// What its endpoints did, in which time.
    traffic: Few,
    span: Duration,
    /// Position, what it did, its state; none while nobody watches.
    endpoints: Vec<(usize, Few, State)>,
    second: Latency,
    lately: Latency,
    retries: u64,
    refused: u64,
}

impl Cluster {
    /// Its second for the history.
    pub(super) fn point(&self) -> (&str, Point) {
        let all = rate(self.traffic.ended(), self.span);
        let errors = rate(self.traffic.errors(), self.span);
        let point = point_of(all, errors, self.second);
        (&self.snapshot.config.name, point)
    }

    fn list(&self) -> &[Endpoint] {
        &self.snapshot.endpoints.list
    }

    fn severity(&self) -> Severity {
        let list = self.list();
        let admits = |one: &Endpoint| one.weight > 0 && one.share() > 0;
        if self.snapshot.state.is_panicking() || !list.iter().any(admits) {
            return Severity::Bad;
        }
        let worst = self.endpoints.iter().map(|(.., state)| state.severity());
        worst.max().unwrap_or_default().min(Severity::Warn)
    }
}

/// A second for the history.
#[expect(
    clippy::cast_possible_truncation,
    reason = "for a chart: seven digits are enough"
)]
pub(super) fn point_of(rate: f64, errors: f64, (p50, p99): Latency) -> Point {
    let micros = |time: Option<u64>| u32::try_from(time.unwrap_or(0)).unwrap_or(u32::MAX);
    Point {
        rate: rate as f32,
        errors: errors as f32,
        p50_us: micros(p50),
        p99_us: micros(p99),
    }
}

/// In how many seconds the endpoints of a cluster are looked at once while nobody watches.
pub(super) fn rest(snapshot: &Snapshot, workers: usize) -> usize {
    let charted = snapshot.clusters().iter().take(history::CLUSTERS);
    let endpoints: usize = charted.map(|one| one.endpoints.list.len()).sum();
    (endpoints.saturating_mul(workers) / AT_REST + 1).min(MOST_REST)
}

impl Seen {
    /// Reads what endpoints did since they were looked at last; with their states when somebody watches.
    fn walk(
        &mut self,
        cluster: &ClusterSnapshot,
        now: Instant,
        is_watched: bool,
    ) -> Vec<(usize, Few, State)> {
        let before = std::mem::take(&mut self.endpoints);
        let list = &cluster.endpoints.list;
        let mut walked = Vec::with_capacity(if is_watched { list.len() } else { 0 });
        let mut traffic = Few::default();
        for (at, endpoint) in list.iter().enumerate() {
            let (read, serial) = (Few::of(endpoint), endpoint.state.serial);
            let since = read.since(before.get(&serial).unwrap_or(&read));
            self.endpoints.insert(serial, read);
            traffic.add(&since);
            if is_watched {
                walked.push((at, since, State::of(endpoint)));
            }
        }
        self.traffic = (traffic, now.saturating_duration_since(self.at));
        self.at = now;
        walked
    }
}

impl Clusters {
    /// Nobody watches any more.
    pub(super) fn forget(&mut self) {
        self.faults = HashMap::new();
        self.latencies = HashMap::new();
        self.is_warm = false;
    }

    /// What happened since the last look. While nobody watches, `rest` says in how many looks each cluster's endpoints have their
    /// turn once; until then what they did in the turn before stands.
    pub(super) fn look(
        &mut self,
        snapshot: &Snapshot,
        now: Instant,
        rest: Option<usize>,
    ) -> Vec<Cluster> {
        let mut known = std::mem::take(&mut self.seen);
        self.looks = self.looks.wrapping_add(1);
        let most = rest.map_or(usize::MAX, |_| history::CLUSTERS);
        let all = snapshot.clusters().iter().take(most).enumerate();
        let mut clusters = Vec::with_capacity(all.len());
        for (at, cluster) in all {
            let is_due = rest.is_none_or(|rest| self.looks.wrapping_add(at) % rest == 0);
            let mut times = Counts::default();
            for made in cluster.state.times.made() {
                made.total.add_to(&mut times);
            }
            let budget = &cluster.state.budget;
            let (taken, refused) = (budget.taken(), budget.refused());
            let name = &cluster.config.name;
            let is_new = !known.contains_key(name);
            let mut seen = known.remove(name).unwrap_or_else(|| Seen {
                window: Window::new(&times),
                times: times.clone(),
                taken,
                refused,
                endpoints: HashMap::new(),
                at: now,
                traffic: Default::default(),
            });
            let mut endpoints = Vec::new();
            if is_due || is_new {
                endpoints = seen.walk(cluster, now, rest.is_none());
            }
            clusters.push(Cluster {
                snapshot: Arc::clone(cluster),
                traffic: seen.traffic.0,
                span: seen.traffic.1,
                endpoints,
                second: quantiles(&times.since(&seen.times)),
                lately: seen.window.look(&times),
                retries: taken.saturating_sub(seen.taken),
                refused: refused.saturating_sub(seen.refused),
            });
            (seen.times, seen.taken, seen.refused) = (times, taken, refused);
            self.seen.insert(name.clone(), seen);
        }
        clusters
    }

    /// Those that a picture shows, the worst first.
    pub(super) fn show(
        &mut self,
        mut clusters: Vec<Cluster>,
        failing: &Failing,
        now: Now,
        span: Duration,
    ) -> Vec<live::Cluster> {
        let fault_rates = self.fault_rates(&clusters, span);
        clusters.sort_by_key(|one| Reverse(one.severity()));
        clusters.truncate(BOUNDS.clusters);
        let mut windows = std::mem::take(&mut self.latencies);
        let mut left = BOUNDS.endpoints;
        let mut shown = Vec::with_capacity(clusters.len());
        for mut cluster in clusters {
            let mut view = of_cluster(&cluster);
            view.unresolved = unresolved(&cluster.snapshot, failing);
            view.unresolved.truncate(BOUNDS.unresolved);
            let room = left.min(BOUNDS.cluster_endpoints);
            cluster
                .endpoints
                .sort_by_key(|(at, few, state)| (Reverse((state.severity(), few.errors())), *at));
            view.endpoints_left_out = cluster.endpoints.len().saturating_sub(room);
            cluster.endpoints.truncate(room);
            // Who fails most decides who is shown, and not the order: it would not keep still.
            cluster
                .endpoints
                .sort_by_key(|(at, _, state)| (Reverse(state.severity()), *at));
            for (at, few, state) in &cluster.endpoints {
                let Some(endpoint) = cluster.list().get(*at) else {
                    continue;
                };
                let serial = endpoint.state.serial;
                let (p50_us, p99_us) = self.latency(endpoint, windows.remove(&serial));
                let traffic = Traffic {
                    faults: fault_rates.get(&serial).cloned().unwrap_or_default(),
                    p50_us,
                    p99_us,
                    ..few.traffic(cluster.span)
                };
                let shown = of_endpoint(endpoint, *state, now, traffic);
                view.endpoints.push(shown);
            }
            left -= view.endpoints.len();
            for endpoint in cluster.list() {
                let rates = fault_rates.get(&endpoint.state.serial);
                for (name, rate) in rates.into_iter().flatten() {
                    *view.traffic.faults.entry(name.clone()).or_default() += rate;
                }
            }
            shown.push(view);
        }
        shown
    }

    /// The latency of the last seconds; the window begins with the first look.
    fn latency(&mut self, endpoint: &Endpoint, window: Option<Window>) -> Latency {
        let counts = endpoint.state.latencies();
        let mut window = window.unwrap_or_else(|| Window::new(&counts));
        let found = window.look(&counts);
        self.latencies.insert(endpoint.state.serial, window);
        found
    }

    /// The faults since the last look, by serial, of those that had any.
    fn fault_rates(
        &mut self,
        clusters: &[Cluster],
        span: Duration,
    ) -> HashMap<u32, BTreeMap<String, f64>> {
        let mut before = std::mem::take(&mut self.faults);
        let mut rates = HashMap::new();
        for endpoint in clusters.iter().flat_map(|cluster| cluster.list()) {
            let serial = endpoint.state.serial;
            let now = faults_of(endpoint);
            if now == [0; FAULTS] {
                continue;
            }
            // One that had none until now had its first since the last look, unless that was for no picture.
            let none = || self.is_warm.then(|| Box::new([0; FAULTS]));
            if let Some(then) = before.remove(&serial).or_else(none) {
                let since = faults(&now, &then, span);
                if !since.is_empty() {
                    rates.insert(serial, since);
                }
            }
            self.faults.insert(serial, Box::new(now));
        }
        self.is_warm = true;
        rates
    }
}

fn of_cluster(cluster: &Cluster) -> live::Cluster {
    let (snapshot, list, span) = (&cluster.snapshot, cluster.list(), cluster.span);
    let mut states = BTreeMap::new();
    for (.., state) in &cluster.endpoints {
        *states.entry(state.name().to_owned()).or_default() += 1;
    }
    let sum = |of: fn(&Endpoint) -> u32| list.iter().map(|one| u64::from(of(one))).sum();
    live::Cluster {
        name: snapshot.config.name.clone(),
        balancer: snapshot.config.balancer.kind().to_string(),
        severity: cluster.severity(),
        panicking: snapshot.state.is_panicking(),
        states,
        size: list.len(),
        admitting: list
            .iter()
            .filter(|one| one.weight > 0 && one.share() > 0)
            .count(),
        queue: snapshot.state.limits.room.len(),
        in_flight: sum(|one| one.state.in_flight()),
        connections: sum(|one| one.state.connections()),
        retries: rate(cluster.retries, span),
        retries_refused: rate(cluster.refused, span),
        traffic: Traffic {
            p50_us: cluster.lately.0,
            p99_us: cluster.lately.1,
            ..cluster.traffic.traffic(span)
        },
        unresolved: Vec::new(),
        endpoints: Vec::new(),
        endpoints_left_out: 0,
    }
}

fn of_endpoint(endpoint: &Endpoint, state: State, now: Now, traffic: Traffic) -> live::Endpoint {
    let why = reason(endpoint, state, now);
    let limit = endpoint.state.limit();
    live::Endpoint {
        id: endpoint.id.to_string(),
        address: endpoint.target.to_string(),
        added: endpoint.is_added,
        state: state.name().to_owned(),
        severity: state.severity(),
        reason: why.text,
        since_ms: why.since.map(millis),
        until_ms: why.until.map(millis),
        admin: endpoint.admin.name().to_owned(),
        configured_admin: endpoint.configured_admin.name().to_owned(),
        ordered_weight: endpoint.ordered.weight,
        weight: endpoint.weight,
        share: endpoint.share(),
        in_flight: endpoint.state.in_flight(),
        limit: (limit != u32::MAX).then_some(limit),
        connections: endpoint.state.connections(),
        traffic,
    }
}

#[cfg(test)]
mod tests;
