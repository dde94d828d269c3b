//! What time alone changes: ten times a second ramps climb, ejections and trials end, tiers spill over and limits adapt; once a
//! second endpoints are judged by what was seen of them.
//!
//! It decides nothing: `evenkeel_policy` says what follows from the numbers it reads. An endpoint with nothing to do costs
//! it one load.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_policy::panic::panics;
use evenkeel_policy::{Candidate, Standing};
use evenkeel_state::{ClusterSnapshot, Publisher, Snapshot};
use tokio::time::{self, MissedTickBehavior};

use crate::adapt::Adapters;
use crate::clock::Clock;
use crate::judge::Judges;
use crate::latency::Latencies;
use crate::spill::Spills;
use crate::told::{Of, panic_over, panics_now};

/// From one look at all endpoints to the next.
const TICK: Duration = Duration::from_millis(100);

/// So many of them make a second.
const PER_SECOND: u64 = 10;

/// Looks again and again, until its task is ended.
pub(crate) async fn run(publisher: Arc<Publisher>) {
    let mut interval = time::interval(TICK);
    // After a pause of the machine one look does for all that were missed.
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticker = Ticker::new(Clock::of(&publisher));
    loop {
        interval.tick().await;
        ticker.tick(&publisher.current());
    }
}

/// What is kept from one look to the next.
#[derive(Debug)]
struct Ticker {
    clock: Clock,
    ticks: u64,
    spills: Spills,
    adapters: Adapters,
    judges: Judges,
    latencies: Latencies,
}

impl Ticker {
    fn new(clock: Clock) -> Self {
        Self {
            clock,
            ticks: 0,
            spills: Spills::default(),
            adapters: Adapters::default(),
            judges: Judges::default(),
            latencies: Latencies::default(),
        }
    }

    fn tick(&mut self, snapshot: &Snapshot) {
        let now_ms = self.clock.millis();
        let now = time::Instant::now().into_std();
        look_at_all(snapshot, now_ms);
        self.spills.tick(snapshot, self.clock.micros());
        self.adapters.adapt(snapshot, now);
        for cluster in snapshot.clusters() {
            // After the limits and the endpoints have changed: that is where places come from that nobody gave back.
            cluster.state.limits.room.stir(now);
        }
        if self.ticks.is_multiple_of(PER_SECOND) {
            self.judges.judge(snapshot, now_ms);
            self.latencies.measure(snapshot);
        }
        self.ticks += 1;
    }
}

/// What the clock changes of all clusters.
pub(crate) fn look_at_all(snapshot: &Snapshot, now_ms: u64) {
    for cluster in snapshot.clusters() {
        look(cluster, now_ms);
    }
}

/// What the clock changes of the endpoints of one cluster, and of the cluster as a whole.
fn look(cluster: &ClusterSnapshot, now_ms: u64) {
    let config = &cluster.config;
    let mut settled = true;
    for endpoint in &cluster.endpoints.list {
        let state = &endpoint.state;
        if state.standing.share() == Standing::FULL {
            continue;
        }
        settled = false;
        if let Some(event) = state.tick(&config.outlier, config.slow_start, now_ms) {
            Of::new(config, endpoint).event(&event);
        }
    }
    let list = &cluster.endpoints.list;
    let panicking = !settled && panics(list, config.panic_below_percent);
    if !cluster.state.set_panicking(panicking) {
        return;
    }
    let weighted = list.iter().filter(|endpoint| endpoint.weight > 0);
    let admitting = weighted.clone().filter(|endpoint| endpoint.share() > 0);
    let (admitting, endpoints) = (admitting.count(), weighted.count());
    if panicking {
        panics_now(&config.name, admitting, endpoints);
    } else {
        panic_over(&config.name, admitting, endpoints);
    }
}

#[cfg(test)]
mod tests;
