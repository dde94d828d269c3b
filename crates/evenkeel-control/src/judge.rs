//! Endpoints that are worse than they may be, seen over a window: their counters are read once a second, for the clusters
//! that ask for it. `evenkeel_policy::outlier::judge` says who is.

use std::collections::HashMap;
use std::time::Duration;

use evenkeel_policy::Phase;
use evenkeel_policy::outlier::{Seen, Window, judge};
use evenkeel_state::histogram::Counts;
use evenkeel_state::{ClusterSnapshot, Endpoint, Snapshot};

use crate::told::Of;

/// The windows of all endpoints that are judged, by serial.
#[derive(Debug, Default)]
pub(crate) struct Judges(HashMap<u32, Judged>);

/// What is kept of one endpoint from second to second.
#[derive(Debug, Default)]
struct Judged {
    window: Window,
    latencies: Option<Box<Counts>>,
    /// In which of the looks it was seen last: one that is gone is forgotten.
    look: u64,
}

impl Judges {
    /// Reads, judges, and ejects where the cap allows.
    pub(crate) fn judge(&mut self, snapshot: &Snapshot, now_ms: u64) {
        for cluster in snapshot.clusters() {
            let rules = &cluster.config.outlier;
            if rules.fault_percent > 0 || rules.latency_factor > 0.0 {
                self.judge_cluster(cluster, now_ms);
            }
        }
        self.0.retain(|_, judged| judged.look == now_ms);
    }

    fn judge_cluster(&mut self, cluster: &ClusterSnapshot, now_ms: u64) {
        let (rules, list) = (&cluster.config.outlier, &cluster.endpoints.list);
        let second = now_ms / 1_000;
        let seen: Vec<Seen> = list
            .iter()
            .map(|endpoint| {
                let judged = self.0.entry(endpoint.state.serial).or_default();
                judged.look = now_ms;
                judged.read(endpoint, rules.latency_factor > 0.0, rules.window, second)
            })
            .collect();
        for finding in judge(&seen, rules) {
            let (at, cause) = (finding.at, finding.cause);
            if let Some(event) = cluster.state.eject(list, at, cause, rules, now_ms)
                && let Some(endpoint) = list.get(at)
            {
                Of::new(&cluster.config, endpoint).found(&event, &finding);
            }
        }
    }
}

impl Judged {
    fn read(&mut self, endpoint: &Endpoint, timed: bool, length: Duration, second: u64) -> Seen {
        let state = &endpoint.state;
        if state.standing.phase() != Phase::Admitting {
            self.window.clear();
            self.latencies = None;
            return Seen::default();
        }
        let median_us = if timed { self.median_us(endpoint) } else { 0 };
        self.window.read(length, state.reading(median_us), second)
    }

    /// The median latency since the last look; 0 when it is not known.
    fn median_us(&mut self, endpoint: &Endpoint) -> u32 {
        let now = Box::new(endpoint.state.latencies());
        let median = self
            .latencies
            .as_ref()
            .and_then(|before| now.since(before).quantile(0.5));
        self.latencies = Some(now);
        median.map_or(0, |median| {
            u32::try_from(median.as_micros()).unwrap_or(u32::MAX)
        })
    }
}

#[cfg(test)]
mod tests;
