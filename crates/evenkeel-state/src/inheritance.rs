//! What a process that takes the place of another is told of what that one learnt.
//!
//! Endpoints are known by cluster, id and target; what the new configuration does not have is nobody's and is left. Averages of
//! latency, budgets, rate limits and counters begin anew: they fill within seconds.

use std::collections::HashMap;
use std::time::Instant;

use evenkeel_base::rules::EndpointLimit;
use evenkeel_config::model;
use evenkeel_policy::{Past, Stood};

use crate::discovery::Resolved;
use crate::endpoint::EndpointState;
use crate::overlay::Ordered;
use crate::snapshot::Snapshot;

/// Everything that is handed on.
#[derive(Clone, Debug)]
pub struct Inheritance {
    /// When the clock began that all times in it are told by.
    pub began: Instant,
    /// The generation that the other process served.
    pub generation: u64,
    /// What operators ordered: cluster, endpoint, order.
    pub overlay: Vec<(String, String, Ordered)>,
    /// What operators added: cluster, endpoint.
    pub added: Vec<(String, model::Endpoint)>,
    /// The endpoints.
    pub endpoints: Vec<Legacy>,
    /// What names led to: the new process may find nobody who knows.
    pub resolved: Resolved,
}

/// What was learnt of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Legacy {
    /// Its cluster's name.
    pub cluster: String,
    /// Its id.
    pub endpoint: String,
    /// Where it is: a name that has moved is another endpoint.
    pub target: String,
    /// Where it stood.
    pub stood: Stood,
    /// Its ejections.
    pub past: Past,
    /// How many requests it may have in flight, where that adapts.
    pub limit: u32,
    /// How long it keeps idle connections, in milliseconds: as it announced, and as it was seen to.
    pub keeps: [Option<u32>; 2],
}

impl Snapshot {
    /// What was learnt of every endpoint so far.
    #[must_use]
    pub fn legacies(&self) -> Vec<Legacy> {
        let clusters = self.clusters().iter();
        let endpoints = clusters.flat_map(|cluster| {
            let list = cluster.endpoints.list.iter();
            list.map(|endpoint| Legacy {
                cluster: cluster.config.name.clone(),
                endpoint: (*endpoint.id).to_owned(),
                target: endpoint.target.to_string(),
                stood: endpoint.state.standing.stood(),
                past: endpoint.state.outlier.past(),
                limit: endpoint.state.limit(),
                keeps: endpoint.state.keepalive.learnt(),
            })
        });
        endpoints.collect()
    }

    /// Goes on from what another process learnt. To be called before anybody probes the endpoints or sends them requests.
    pub fn inherit(&self, legacies: &[Legacy]) {
        let key = |legacy: &'_ Legacy| {
            let Legacy {
                cluster,
                endpoint,
                target,
                ..
            } = legacy;
            (cluster.clone(), endpoint.clone(), target.clone())
        };
        let known: HashMap<_, &Legacy> = legacies.iter().map(|one| (key(one), one)).collect();
        for cluster in self.clusters() {
            let rules = &cluster.config.limits.endpoint_requests;
            for endpoint in &cluster.endpoints.list {
                let key = (
                    cluster.config.name.clone(),
                    (*endpoint.id).to_owned(),
                    endpoint.target.to_string(),
                );
                if let Some(legacy) = known.get(&key) {
                    endpoint.state.inherit(legacy, rules);
                }
            }
        }
    }
}

impl EndpointState {
    fn inherit(&self, legacy: &Legacy, rules: &EndpointLimit) {
        self.outlier.restore(legacy.past);
        self.standing.restore(legacy.stood);
        self.keepalive.restore(legacy.keeps);
        if matches!(rules, EndpointLimit::Adaptive(_)) && legacy.limit != u32::MAX {
            self.set_limit(legacy.limit);
            self.follow_limit(rules);
        }
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_config::{Nowhere, check};
    use evenkeel_policy::outlier::Cause;
    use evenkeel_policy::{Health, Phase};

    use super::*;
    use crate::compile::{Registry, Resolved};

    fn snapshot(cluster: &str) -> Snapshot {
        let text = format!(
            "version = 1\n[listener.a]\nbind = \":0\"\n[[route]]\ncluster = \"c\"\n[cluster.c]\n{cluster}\n"
        );
        let config = check(&text, "test", &Nowhere).config.unwrap();
        Registry::new(1, &[0; 32]).compile(config, &Resolved::new(), 1)
    }

    fn state(snapshot: &Snapshot, at: usize) -> &EndpointState {
        &snapshot.clusters()[0].endpoints.list[at].state
    }

    #[test]
    fn what_both_have_goes_on_and_the_rest_begins_anew() {
        let old = snapshot(
            "endpoints = [\"10.0.0.1:1\", \"10.0.0.2:1\", \"10.0.0.3:1\"]\nlimits = { endpoint_requests = { min = 1, max = 100, initial = 20 } }",
        );
        let cluster = &old.clusters()[0];
        let rules = &cluster.config.outlier;
        let list = &cluster.endpoints.list;
        let _ = cluster.state.eject(list, 1, Cause::Connect, rules, 7_000);
        state(&old, 0).set_limit(77);
        state(&old, 0).keepalive.announced(10);
        let new = snapshot(
            "endpoints = [\"10.0.0.2:1\", \"10.0.0.1:1\", \"10.0.0.4:1\"]\nlimits = { endpoint_requests = { min = 1, max = 100, initial = 20 } }\nprobe = { http = { path = \"/\" } }",
        );
        new.inherit(&old.legacies());
        let (ejected, well, stranger) = (state(&new, 0), state(&new, 1), state(&new, 2));
        let left = |state: &EndpointState| state.outlier.ejection(&state.standing, 9_000);
        assert_eq!(left(ejected), left(state(&old, 1)));
        assert!(left(ejected).is_some());
        assert_eq!(well.limit(), 77);
        assert_eq!(well.keepalive.learnt(), [Some(9_000), None]);
        assert_eq!(well.standing.health(), Health::Waiting, "it had no probes");
        assert_eq!(stranger.standing.phase(), Phase::Admitting);
        assert_ne!(stranger.limit(), 77);
    }
}
