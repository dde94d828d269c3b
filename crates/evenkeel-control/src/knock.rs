//! Connects, once a second and with the handshake where there is TLS, to endpoints that traffic ejected: one that accepts again need not wait out its time.
//! What a connect shows is decided in `evenkeel_policy::outlier`; endpoints that probes call down are
//! [`crate::watch`]'s.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_config::model::Cluster;
use evenkeel_net::dial;
use evenkeel_policy::Phase;
use evenkeel_state::{Endpoint, Publisher, Snapshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{self, MissedTickBehavior};

use crate::clock::Clock;
use crate::told::Of;
use crate::turns::{Turn, Turns};

/// From one connect to the next, and how long one may take.
const INTERVAL: Duration = Duration::from_secs(1);

/// Knocks again and again, until its task is ended.
pub(crate) async fn run(publisher: Arc<Publisher>, turns: Turns) {
    let mut interval = time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut knocker = Knocker::new(Clock::of(&publisher), turns);
    loop {
        interval.tick().await;
        knocker.knock(&publisher.current());
    }
}

/// Who was knocked at, and when.
#[derive(Debug)]
struct Knocker {
    clock: Clock,
    turns: Turns,
    rounds: u64,
    /// By serial, of those that are ejected: in which round it was, and what does it.
    last: HashMap<u32, (u64, AbortHandle)>,
    tasks: JoinSet<()>,
}

impl Knocker {
    fn new(clock: Clock, turns: Turns) -> Self {
        Self {
            clock,
            turns,
            rounds: 0,
            last: HashMap::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Begins a connect to every endpoint that is ejected, unless the last one is still under way. When turns are used up
    /// those that were left out are the first of the next round.
    fn knock(&mut self, snapshot: &Snapshot) {
        while self.tasks.try_join_next().is_some() {}
        self.rounds += 1;
        let mut ejected = ejected(snapshot);
        let serials: HashSet<u32> = ejected.iter().map(|(_, e)| e.state.serial).collect();
        self.last.retain(|serial, _| serials.contains(serial));
        ejected.sort_by_key(|(_, endpoint)| {
            let last = self.last.get(&endpoint.state.serial);
            last.map(|(round, _)| *round)
        });
        for (cluster, endpoint) in ejected {
            let serial = endpoint.state.serial;
            let last = self.last.get(&serial);
            if last.is_some_and(|(_, task)| !task.is_finished()) {
                continue;
            }
            let Some(turn) = self.turns.try_knock() else {
                return;
            };
            let (cluster, endpoint) = (Arc::clone(cluster), endpoint.clone());
            let knock = knock_at(cluster, endpoint, self.clock.clone(), turn);
            let task = self.tasks.spawn(knock);
            self.last.insert(serial, (self.rounds, task));
        }
    }
}

fn ejected(snapshot: &Snapshot) -> Vec<(&Arc<Cluster>, &Endpoint)> {
    let clusters = snapshot.clusters().iter();
    let all = clusters.flat_map(|cluster| {
        let list = cluster.endpoints.list.iter();
        list.map(|endpoint| (&cluster.config, endpoint))
    });
    all.filter(|(_, endpoint)| endpoint.state.standing.phase() == Phase::Ejected)
        .collect()
}

async fn knock_at(cluster: Arc<Cluster>, endpoint: Endpoint, clock: Clock, _turn: Turn) {
    let state = &endpoint.state;
    let connected =
        time::timeout(INTERVAL, dial(&endpoint.target, endpoint.dial.tls.as_ref())).await;
    if matches!(connected, Ok(Ok(_))) {
        if let Some(event) = state.outlier.connected(&state.standing, clock.millis()) {
            Of::new(&cluster, &endpoint).event(&event);
        }
    } else {
        state.outlier.connect_failed();
    }
}

#[cfg(test)]
mod tests;
