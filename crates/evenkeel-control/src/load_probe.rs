//! Probes for load: endpoints of clusters that pick by Prequal with such probes are asked what they have to do.
//!
//! ```text
//! picks ─▶ credit (policy) ─▶ every ms: whom to ask ─▶ GET, at most 64 at once ─▶ report ─▶ policy: the pool of readings
//!                              and at least half a pool in a reading's lifetime
//! ```
//!
//! How many are due, who is asked and what an answer means is decided in `evenkeel_policy`. Nobody waits for an answer: one that
//! comes later than a reading lives is given up, and an endpoint that does not answer has no readings.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_base::Rng;
use evenkeel_base::rules::{BalancerRules, PrequalRules, Signals};
use evenkeel_net::Stream;
use evenkeel_policy::Observed;
use evenkeel_state::{ClusterSnapshot, Endpoint, EndpointSet, Publisher, Snapshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{self, Instant};

use crate::clock::Clock;
use crate::probe::{Bad, LoadRequest, Reported};
use crate::told::load_probes_fail;

/// From one look at what is due to the next, while something is. Requests that come between two of them find the same few
/// readings: of 13,500 in a second to 100 endpoints, in a simulated cluster at 90 % load, the 99th percentile is 0.13 s with a
/// look each millisecond and 0.87 s with one each five.
const LOOK: Duration = Duration::from_millis(1);

/// The same when nothing was due at the last [`PATIENCE`].
const QUIET: Duration = Duration::from_millis(10);

/// With 1,800 requests a second one millisecond in six has none, and a pause of ten after each of those would leave requests
/// with old readings.
const PATIENCE: u32 = 10;

/// The same while no cluster has such probes.
const REST: Duration = Duration::from_millis(500);

/// So many are under way at once in a cluster; what is due beyond them is not asked.
const MOST_UNDER_WAY: usize = 64;

/// So many connections are kept for a cluster's next probes, one for an endpoint; others are closed after their answer.
const MOST_KEPT: usize = 256;

/// A cluster's probes that fail have a line in the log no more often than this.
const TELL: Duration = Duration::from_mins(1);

/// Probes whenever that is due, until its task is ended.
pub(crate) async fn run(publisher: Arc<Publisher>, seed: u64) {
    let mut probes = Probes::new(Clock::of(&publisher), seed);
    loop {
        let pause = probes.look(&publisher.current());
        time::sleep(pause).await;
    }
}

/// The probes for load of all clusters.
#[derive(Debug)]
struct Probes {
    clock: Clock,
    rng: Rng,
    /// Looks in a row at which nothing was due.
    idle: u32,
    /// By name.
    clusters: HashMap<String, Probed>,
}

impl Probes {
    fn new(clock: Clock, seed: u64) -> Self {
        Self {
            clock,
            rng: Rng::new(seed),
            idle: 0,
            clusters: HashMap::new(),
        }
    }

    /// Begins what is due in every cluster; says when to look again.
    fn look(&mut self, snapshot: &Snapshot) -> Duration {
        let probed = |cluster: &Arc<ClusterSnapshot>| asked(cluster).is_some();
        let all: Vec<_> = snapshot.clusters().iter().filter(|c| probed(c)).collect();
        self.clusters
            .retain(|name, _| all.iter().any(|cluster| cluster.config.name == *name));
        self.idle = self.idle.saturating_add(1);
        for cluster in &all {
            let name = &cluster.config.name;
            if !self.clusters.contains_key(name) {
                let probed = Probed::new(&cluster.endpoints);
                self.clusters.insert(name.clone(), probed);
            }
            if let (Some(probed), Some(asked)) = (self.clusters.get_mut(name), asked(cluster)) {
                probed.take_in(name);
                probed.follow(&cluster.endpoints);
                if probed.begin(cluster, asked, &self.clock, &mut self.rng) {
                    self.idle = 0;
                }
            }
        }
        pause(all.is_empty(), self.idle)
    }
}

/// How long until the next look, after so many in a row at which nothing was due.
const fn pause(nobody: bool, idle: u32) -> Duration {
    if nobody {
        REST
    } else if idle >= PATIENCE {
        QUIET
    } else {
        LOOK
    }
}

/// What a cluster's endpoints are asked, and by which rules; none when they are not.
fn asked(cluster: &ClusterSnapshot) -> Option<(&PrequalRules, &str)> {
    match &cluster.config.balancer {
        BalancerRules::Prequal(rules) => match &rules.signals {
            Signals::Probe(path) => Some((rules, path)),
            Signals::Own | Signals::Header(_) => None,
        },
        _ => None,
    }
}

/// An endpoint's serial and that of its dial: a connection that was made otherwise is not kept.
type Key = (u32, u32);

/// The endpoint that was asked, and what came of it.
type Outcome = (Key, Result<Option<Stream>, Bad>);

/// The probes for load of one cluster.
#[derive(Debug)]
struct Probed {
    endpoints: Arc<EndpointSet>,
    /// Ends them when it is dropped.
    tasks: JoinSet<Outcome>,
    under_way: HashMap<Key, AbortHandle>,
    kept: HashMap<Key, Stream>,
    /// When at least one is due; none before the first look.
    next: Option<Instant>,
    failures: Failures,
}

impl Probed {
    fn new(endpoints: &Arc<EndpointSet>) -> Self {
        Self {
            endpoints: Arc::clone(endpoints),
            tasks: JoinSet::new(),
            under_way: HashMap::new(),
            kept: HashMap::new(),
            next: None,
            failures: Failures::default(),
        }
    }

    /// Takes in what has ended.
    fn take_in(&mut self, name: &str) {
        while let Some(ended) = self.tasks.try_join_next() {
            // One that panicked has no outcome; what it held was dropped with it.
            match ended {
                Ok((key, Ok(Some(stream)))) if self.kept.len() < MOST_KEPT => {
                    self.kept.insert(key, stream);
                }
                Ok((_, Err(bad))) => self.failures.count(bad),
                Ok(_) | Err(_) => {}
            }
        }
        self.under_way.retain(|_, task| !task.is_finished());
        self.failures.tell(name);
    }

    /// Forgets endpoints that have gone. A new set has an empty pool, so its endpoints are asked at once.
    fn follow(&mut self, endpoints: &Arc<EndpointSet>) {
        if Arc::ptr_eq(&self.endpoints, endpoints) {
            return;
        }
        let list = &endpoints.list;
        let keys: HashSet<Key> = list.iter().map(key).collect();
        self.kept.retain(|key, _| keys.contains(key));
        self.endpoints = Arc::clone(endpoints);
        self.next = None;
    }

    /// Begins what is due; says whether anything was.
    fn begin(
        &mut self,
        cluster: &ClusterSnapshot,
        (rules, path): (&PrequalRules, &str),
        clock: &Clock,
        rng: &mut Rng,
    ) -> bool {
        let now = Instant::now();
        let least = match self.next {
            None => u32::from(rules.pool),
            Some(next) => u32::from(now >= next),
        };
        if least > 0 {
            self.next = now.checked_add(rules.max_age / u32::from((rules.pool / 2).max(1)));
        }
        let list = &cluster.endpoints.list;
        let mut due = Vec::new();
        cluster
            .endpoints
            .tiers
            .probes(list, least, rng, |at| due.push(at));
        for &at in &due {
            if self.under_way.len() >= MOST_UNDER_WAY {
                break;
            }
            if let Some(endpoint) = list.get(at) {
                self.ask(at, endpoint, (rules, path), clock);
            }
        }
        !due.is_empty()
    }

    /// Asks an endpoint, unless that is under way.
    fn ask(
        &mut self,
        at: usize,
        endpoint: &Endpoint,
        (rules, path): (&PrequalRules, &str),
        clock: &Clock,
    ) {
        let key = key(endpoint);
        if self.under_way.contains_key(&key) {
            return;
        }
        let request = LoadRequest::new(path, &endpoint.authority);
        let kept = self.kept.remove(&key);
        let (endpoints, clock) = (Arc::clone(&self.endpoints), clock.clone());
        let time = rules.max_age;
        let target = endpoint.target.clone();
        let tls = endpoint.dial.tls.clone();
        let task = self.tasks.spawn(async move {
            let outcome = match request.put(&target, tls.as_ref(), kept, time).await {
                Ok(Reported { report, kept }) => {
                    let observed = Observed {
                        report,
                        ..Observed::default()
                    };
                    let (list, tiers) = (&endpoints.list, &endpoints.tiers);
                    tiers.observe(list, at, &observed, clock.micros());
                    Ok(kept)
                }
                Err(bad) => Err(bad),
            };
            (key, outcome)
        });
        self.under_way.insert(key, task);
    }
}

fn key(endpoint: &Endpoint) -> Key {
    (endpoint.state.serial, endpoint.dial.serial)
}

/// Probes that failed since they were last told of.
#[derive(Debug, Default)]
struct Failures {
    count: u32,
    last: Option<Bad>,
    told: Option<Instant>,
}

impl Failures {
    fn count(&mut self, bad: Bad) {
        self.count = self.count.saturating_add(1);
        self.last = Some(bad);
    }

    /// The first one at once, further ones now and then.
    fn tell(&mut self, cluster: &str) {
        if self.told.is_some_and(|told| told.elapsed() < TELL) {
            return;
        }
        if let Some(last) = self.last.take() {
            load_probes_fail(cluster, self.count, &last);
            self.count = 0;
            self.told = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests;
