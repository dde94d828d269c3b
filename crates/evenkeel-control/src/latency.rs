//! How long the requests of a cluster took in the last seconds, for those routes that hedge: once a second each
//! percentile that a route names is written to where workers read it.

use std::collections::{BTreeSet, HashMap, VecDeque};

use evenkeel_config::model::Action;
use evenkeel_state::histogram::Counts;
use evenkeel_state::{ClusterSnapshot, Snapshot};

/// So many seconds count.
const SECONDS: usize = 10;

/// With fewer requests in them the delays stay as they were: a percentile of a handful is chance.
const LEAST_REQUESTS: u64 = 20;

/// The clusters that are hedged, by name.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    /// Which percentiles of which cluster routes name, and the generation in which they do.
    wanted: Vec<(usize, BTreeSet<u8>)>,
    generation: Option<u64>,
    recent: HashMap<String, Recent>,
}

/// What was recorded in each of the last seconds.
#[derive(Debug, Default)]
struct Recent {
    before: Option<Box<Counts>>,
    seconds: VecDeque<Counts>,
}

impl Latencies {
    /// Measures the second that is over.
    pub(crate) fn measure(&mut self, snapshot: &Snapshot) {
        if self.generation != Some(snapshot.generation) {
            self.generation = Some(snapshot.generation);
            self.want(snapshot);
        }
        for (index, percentiles) in &self.wanted {
            let Some(cluster) = snapshot.clusters().get(*index) else {
                continue;
            };
            let recent = self.recent.entry(cluster.config.name.clone()).or_default();
            let Some(all) = recent.measure(cluster) else {
                continue;
            };
            for percentile in percentiles {
                if let Some(delay) = all.quantile(f64::from(*percentile) / 100.0) {
                    cluster.state.set_hedge_delay(*percentile, Some(delay));
                }
            }
        }
    }

    /// Finds who hedges, and forgets who no longer does.
    fn want(&mut self, snapshot: &Snapshot) {
        let mut wanted: HashMap<usize, BTreeSet<u8>> = HashMap::new();
        for route in &snapshot.config.routes {
            if let Action::Forward { split, .. } = &route.action
                && route.retry.hedge.percentile > 0
            {
                for cluster in split.clusters() {
                    let percentiles = wanted.entry(cluster.index()).or_default();
                    percentiles.insert(route.retry.hedge.percentile);
                }
            }
        }
        let clusters = snapshot.clusters();
        self.recent.retain(|name, _| {
            let named =
                |index: &usize| clusters.get(*index).is_some_and(|c| c.config.name == *name);
            wanted.keys().any(named)
        });
        self.wanted = wanted.into_iter().collect();
    }
}

impl Recent {
    /// Takes what was recorded since the last call; gives what was in the last seconds, when that is enough to go by.
    fn measure(&mut self, cluster: &ClusterSnapshot) -> Option<Counts> {
        let mut now = Counts::default();
        for endpoint in &cluster.endpoints.list {
            now.add(&endpoint.state.latencies());
        }
        let now = Box::new(now);
        if let Some(before) = self.before.replace(now.clone()) {
            if self.seconds.len() >= SECONDS {
                self.seconds.pop_front();
            }
            self.seconds.push_back(now.since(&before));
        }
        let mut all = Counts::default();
        self.seconds.iter().for_each(|second| all.add(second));
        (all.count() >= LEAST_REQUESTS).then_some(all)
    }
}

#[cfg(test)]
mod tests;
