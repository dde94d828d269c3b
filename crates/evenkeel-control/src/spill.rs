//! Who spills over: ten times a second the tiers of every cluster find out what they keep, and the log has a line when one of
//! them begins to pass requests on to the next, and when it stops.
//!
//! How much that is is decided in `evenkeel_policy`. While a cluster panics nothing is said of its tiers: that is the graver news.

use std::collections::{BTreeSet, HashMap};

use evenkeel_policy::tiers::Tier;
use evenkeel_state::{ClusterSnapshot, Snapshot};

use crate::told::{keeps_all, spills_over};

/// The tiers that spill over, by the name of their cluster and by rank.
#[derive(Debug, Default)]
pub(crate) struct Spills {
    known: HashMap<String, BTreeSet<u16>>,
    generation: Option<u64>,
}

impl Spills {
    /// Lets the clock change what it changes of all tiers, and tells what came of it.
    pub(crate) fn tick(&mut self, snapshot: &Snapshot, now_us: u64) {
        tick_all(snapshot, now_us);
        if self.generation != Some(snapshot.generation) {
            self.generation = Some(snapshot.generation);
            self.forget_unused(snapshot);
        }
        for cluster in snapshot.clusters() {
            for tier in self.news(cluster) {
                if tier.spills() {
                    spills_over(&cluster.config.name, &tier);
                } else {
                    keeps_all(&cluster.config.name, &tier);
                }
            }
        }
    }

    /// The tiers of a cluster that have begun to spill over, or stopped, since this was last asked.
    fn news(&mut self, cluster: &ClusterSnapshot) -> Vec<Tier> {
        let name = &cluster.config.name;
        let known = self.known.get(name);
        let is_new =
            |tier: &Tier| tier.spills() != known.is_some_and(|ranks| ranks.contains(&tier.rank));
        let tiers = cluster.endpoints.tiers.several();
        let news: Vec<Tier> = tiers.filter(is_new).collect();
        if news.is_empty() || cluster.state.is_panicking() {
            return Vec::new();
        }
        let known = self.known.entry(name.clone()).or_default();
        for tier in &news {
            if tier.spills() {
                known.insert(tier.rank);
            } else {
                known.remove(&tier.rank);
            }
        }
        news
    }

    fn forget_unused(&mut self, snapshot: &Snapshot) {
        self.known.retain(|name, _| {
            let mut all = snapshot.clusters().iter();
            all.any(|cluster| cluster.config.name == *name)
        });
    }
}

/// What the clock changes of the tiers of all clusters.
pub(crate) fn tick_all(snapshot: &Snapshot, now_us: u64) {
    for cluster in snapshot.clusters() {
        cluster.endpoints.tick(now_us);
    }
}

#[cfg(test)]
mod tests;
