//! How many attempts ended and how many of them badly, second by second for the last ten minutes: what a configuration on
//! trial is compared with.
//!
//! Endpoints come and go with configurations, so what is added up are the differences of each endpoint's own counters. What
//! an endpoint counts in its last second may be missing.

use std::collections::{HashMap, VecDeque};
use std::sync::PoisonError;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_policy::trial::Tally;
use evenkeel_state::Snapshot;
use tokio::time::{self, Instant, MissedTickBehavior};

use crate::Control;

/// From one look to the next.
const STEP: Duration = Duration::from_secs(1);

/// So many looks are kept, and so many seconds a trial may last.
const MAX_LOOKS: usize = 600;

/// The looks.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// What each endpoint's counters said at the last look.
    endpoints: HashMap<u32, Tally>,
    /// Everything since the start.
    total: Tally,
    /// The newest last.
    looks: VecDeque<(Instant, Tally)>,
}

impl History {
    /// Everything since the start, as of now.
    fn look(&mut self, snapshot: &Snapshot) -> Tally {
        let mut seen = HashMap::with_capacity(self.endpoints.len());
        for cluster in snapshot.clusters() {
            for endpoint in &cluster.endpoints.list {
                let reading = endpoint.state.reading(0);
                let tally = Tally {
                    requests: reading.requests,
                    faults: reading.faults,
                };
                let serial = endpoint.state.serial;
                let new = tally - self.endpoints.get(&serial).copied().unwrap_or_default();
                self.total.requests += new.requests;
                self.total.faults += new.faults;
                seen.insert(serial, tally);
            }
        }
        self.endpoints = seen;
        self.total
    }

    /// Looks, and keeps what it saw.
    fn note(&mut self, snapshot: &Snapshot, now: Instant) {
        let total = self.look(snapshot);
        if self.looks.len() >= MAX_LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back((now, total));
    }

    /// What came within `length` before now, or since the first look when that is not so long ago.
    fn before(&self, length: Duration, now: Instant) -> Tally {
        let within = |at: &Instant| now.saturating_duration_since(*at) <= length;
        let mut looks = self.looks.iter();
        let first = looks.find(|(at, _)| within(at));
        first.map_or_else(Tally::default, |(_, then)| self.total - *then)
    }
}

/// The longest trial that there is a history for.
pub const MAX_TRIAL: Duration = Duration::from_mins(10);

impl Control {
    /// Attempts that ended so far, over all clusters.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let snapshot = self.publisher.current();
        self.history().look(&snapshot)
    }

    /// Attempts that ended within `length` before now; no more than [`MAX_TRIAL`] is known.
    #[must_use]
    pub fn tally_before(&self, length: Duration) -> Tally {
        let snapshot = self.publisher.current();
        let mut history = self.history();
        history.look(&snapshot);
        history.before(length, Instant::now())
    }

    fn history(&self) -> std::sync::MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks again and again, until its task is ended.
pub(crate) async fn run(control: Arc<Control>) {
    let mut interval = time::interval(STEP);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let snapshot = control.publisher.current();
        control.history().note(&snapshot, Instant::now());
    }
}

/// The lock of a history.
pub(crate) type Shared = Mutex<History>;

#[cfg(test)]
mod tests {
    use evenkeel_policy::outlier::Cause;

    use super::*;
    use crate::rig::{config, published};

    #[tokio::test(start_paused = true)]
    async fn the_last_seconds_are_what_came_since() {
        let publisher = published(config(&[&["127.0.0.1:1".to_owned()]]));
        let snapshot = publisher.current();
        let endpoint = &snapshot.clusters()[0].endpoints.list[0];
        let counters = endpoint.state.counters(0);
        let mut history = History::default();
        for second in 0..1_000_u64 {
            counters.response(200);
            if second >= 990 {
                counters.gateway_fault(Cause::Connect);
            }
            history.note(&snapshot, Instant::now());
            time::advance(STEP).await;
        }
        assert_eq!(history.looks.len(), MAX_LOOKS);
        let before = |seconds| {
            let tally = history.before(Duration::from_secs(seconds), Instant::now());
            (tally.requests, tally.faults)
        };
        // The look of that long ago has counted the request of its own second.
        assert_eq!(before(5), (8, 4));
        assert_eq!(before(100), (109, 10));
        assert_eq!(before(10_000).0, 609, "no more is known");
    }

    #[test]
    fn endpoints_that_go_take_nothing_with_them() {
        let (one, two) = (["127.0.0.1:1".to_owned()], ["127.0.0.1:2".to_owned()]);
        let mut history = History::default();
        for (endpoints, expected) in [(&one, 3), (&two, 6), (&one, 9)] {
            let snapshot = published(config(&[endpoints])).current();
            let state = &snapshot.clusters()[0].endpoints.list[0].state;
            (0..3).for_each(|_| state.counters(0).response(200));
            // Each of these publishers counts serials anew.
            history.endpoints.clear();
            assert_eq!(history.look(&snapshot).requests, expected);
        }
    }
}
