//! The steward of endpoints: one task for each endpoint that is probed, brought in line with every new snapshot.
//!
//! ```text
//! snapshot ─▶ reconcile ─┬─ new endpoint, or another probe ─▶ a watch begins (the old one ends)
//!                        ├─ endpoint gone, or in maint ─────▶ its watch ends
//!                        └─ as before ──────────────────────▶ its watch goes on undisturbed
//! ```
//!
//! Who is not probed stands accordingly from the snapshot on (`evenkeel_state::compile`). What a watch does stands in
//! [`crate::watch`]; what it decides by, in `evenkeel_policy::health`.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_base::Rng;
use evenkeel_base::rules::AdminState;
use evenkeel_config::model::{Cluster, Probe};
use evenkeel_policy::health::Start;
use evenkeel_state::{Endpoint, Snapshot};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time;

use crate::again::again;
use crate::clock::Clock;
use crate::probe::Plan;
use crate::turns::Turns;
use crate::watch::Watch;

/// What the wait for first results takes beyond the longest timeout of a probe: the time to hear of the last ones.
const GRACE: Duration = Duration::from_millis(200);

/// And the most that it takes in all: an endpoint that is silent, with a probe that is patient, keeps no others from being served.
const MOST_PATIENCE: Duration = Duration::from_secs(5);

/// All watches of the process.
#[derive(Debug)]
pub(crate) struct Steward {
    watched: HashMap<u32, Watched>,
    /// Endpoints that an operator keeps from being probed.
    resting: HashSet<u32>,
    /// Ends them when it is dropped.
    tasks: JoinSet<()>,
    clock: Clock,
    turns: Turns,
    /// Seeded by the system: that is all the chance that probes need.
    chance: RandomState,
}

/// A running watch, and what it was begun with.
#[derive(Debug)]
struct Watched {
    cluster: Arc<Cluster>,
    endpoint: Endpoint,
    task: AbortHandle,
}

impl Watched {
    /// Whether the watch would be begun in the same way now.
    fn fits(&self, cluster: &Arc<Cluster>, endpoint: &Endpoint) -> bool {
        let same_rules = Arc::ptr_eq(&self.cluster, cluster)
            || (self.cluster.probe == cluster.probe
                && self.cluster.slow_start == cluster.slow_start);
        same_rules
            && self.endpoint.id == endpoint.id
            && self.endpoint.authority == endpoint.authority
            && self.endpoint.dial.serial == endpoint.dial.serial
    }
}

impl Steward {
    pub(crate) fn new(clock: Clock, turns: Turns) -> Self {
        Self {
            watched: HashMap::new(),
            resting: HashSet::new(),
            tasks: JoinSet::new(),
            clock,
            turns,
            chance: RandomState::new(),
        }
    }

    /// Brings the watches in line with a snapshot. Gives what waits for the first results of those that began.
    pub(crate) fn reconcile(&mut self, snapshot: &Snapshot) -> FirstRound {
        let (begun, all) = mpsc::channel(1);
        let (mut wanted, mut resting) = (HashSet::new(), HashSet::new());
        let mut longest = Duration::ZERO;
        for cluster in snapshot.clusters() {
            let config = &cluster.config;
            let mut plan = None;
            for endpoint in &cluster.endpoints.list {
                let serial = endpoint.state.serial;
                if endpoint.admin == AdminState::Maint {
                    resting.insert(serial);
                    continue;
                }
                if config.probe == Probe::Off {
                    continue;
                }
                wanted.insert(serial);
                let running = self.watched.get(&serial);
                if running.is_some_and(|watched| watched.fits(config, endpoint)) {
                    continue;
                }
                // Compiled once for the endpoints of a cluster, and only if there is one that needs it.
                if plan.is_none() {
                    plan = Plan::new(&config.probe);
                }
                if let Some(plan) = &plan {
                    // What is known from before is what there is to go by until then.
                    let is_known = matches!(endpoint.state.probe_start(), Start::Up | Start::Down);
                    let begun = (!is_known).then(|| begun.clone());
                    if begun.is_some() {
                        longest = longest.max(plan.rules().timeout);
                    }
                    self.begin(plan, config, endpoint, begun);
                }
            }
        }
        self.watched.retain(|serial, watched| {
            let keep = wanted.contains(serial);
            if !keep {
                watched.task.abort();
            }
            keep
        });
        self.resting = resting;
        while self.tasks.try_join_next().is_some() {}
        FirstRound { all, longest }
    }

    fn begin(
        &mut self,
        plan: &Arc<Plan>,
        cluster: &Arc<Cluster>,
        endpoint: &Endpoint,
        begun: Option<mpsc::Sender<()>>,
    ) {
        let serial = endpoint.state.serial;
        let watch = Arc::new(Watch {
            cluster: Arc::clone(cluster),
            endpoint: endpoint.clone(),
            prober: plan.prober(&endpoint.target, &endpoint.dial, &endpoint.authority),
            shows: plan.shows(),
            rules: *plan.rules(),
            start: self.start(endpoint),
            clock: self.clock.clone(),
            turns: self.turns.clone(),
        });
        let mut begun = begun;
        let rng = Rng::new(self.chance.hash_one(serial));
        let watched = Watched {
            cluster: Arc::clone(cluster),
            endpoint: endpoint.clone(),
            task: self.tasks.spawn(again(move || {
                Arc::clone(&watch).run(rng.clone(), begun.take())
            })),
        };
        if let Some(old) = self.watched.insert(serial, watched) {
            old.task.abort();
        }
    }

    /// What is known of an endpoint when its watch begins.
    fn start(&self, endpoint: &Endpoint) -> Start {
        match endpoint.state.probe_start() {
            // The others have carried the traffic meanwhile.
            Start::Process if self.resting.contains(&endpoint.state.serial) => Start::Added,
            start => start,
        }
    }
}

/// The first results of the watches that a reconcile began.
#[derive(Debug)]
pub(crate) struct FirstRound {
    /// Closed when every watch has let go of its sender.
    all: mpsc::Receiver<()>,
    longest: Duration,
}

impl FirstRound {
    /// Waits until every watch has its first result of which nothing was known before, but not much longer than the longest timeout
    /// of a probe, nor than [`MOST_PATIENCE`]: what is missing then is waited for by the endpoint alone.
    pub(crate) async fn over(mut self) {
        let patience = self.longest.saturating_add(GRACE).min(MOST_PATIENCE);
        let _ = time::timeout(patience, self.all.recv()).await;
    }
}

#[cfg(test)]
mod tests;
