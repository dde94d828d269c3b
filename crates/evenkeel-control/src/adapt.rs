//! Limits of requests in flight that follow latency: ten times a second each endpoint's new latencies are handed to its
//! machine in `evenkeel_policy::adaptive`, and the limit that comes back is set.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

use evenkeel_base::Rng;
use evenkeel_base::rules::{AdaptiveRules, EndpointLimit};
use evenkeel_policy::adaptive::{Adaptive, Sample};
use evenkeel_state::histogram::Counts;
use evenkeel_state::{EndpointState, Snapshot};

/// The machines of all endpoints that adapt, by serial.
#[derive(Debug, Default)]
pub(crate) struct Adapters {
    all: HashMap<u32, Adapter>,
    looks: u64,
    /// Seeded by the system: that is all the chance the machines need.
    chance: RandomState,
}

#[derive(Debug)]
struct Adapter {
    machine: Adaptive,
    rules: AdaptiveRules,
    before: Box<Counts>,
    /// In which of the looks it was seen last: one that is gone is forgotten.
    look: u64,
}

impl Adapters {
    /// Sets the limits of this moment.
    pub(crate) fn adapt(&mut self, snapshot: &Snapshot, now: Instant) {
        self.looks += 1;
        for cluster in snapshot.clusters() {
            let EndpointLimit::Adaptive(rules) = cluster.config.limits.endpoint_requests else {
                continue;
            };
            for endpoint in &cluster.endpoints.list {
                self.adapt_one(&endpoint.state, rules, now);
            }
        }
        let look = self.looks;
        self.all.retain(|_, adapter| adapter.look == look);
    }

    fn adapt_one(&mut self, state: &EndpointState, rules: AdaptiveRules, now: Instant) {
        let chance = &self.chance;
        let from = |limit| Adapter {
            machine: Adaptive::at(limit, rules, Rng::new(chance.hash_one(state.serial))),
            rules,
            before: Box::new(state.latencies()),
            look: 0,
        };
        // Another process may have come to it; where it has not, it is the initial one.
        let first = || from(state.limit());
        let adapter = self.all.entry(state.serial).or_insert_with(first);
        if adapter.rules != rules {
            *adapter = from(rules.initial);
        }
        adapter.look = self.looks;
        state.set_limit(adapter.update(state, now));
    }
}

impl Adapter {
    fn update(&mut self, state: &EndpointState, now: Instant) -> u32 {
        let counts = Box::new(state.latencies());
        let since = counts.since(&self.before);
        self.before = counts;
        let requests = u32::try_from(since.count()).unwrap_or(u32::MAX);
        let sample = Sample {
            requests,
            latency: since.geometric_mean().unwrap_or_default(),
            in_flight: state.in_flight(),
        };
        self.machine.update(sample, now)
    }
}

#[cfg(test)]
mod tests;
