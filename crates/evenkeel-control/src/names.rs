//! Names among the endpoints' addresses: resolved at start, then again and again.
//!
//! A name that cannot be resolved keeps the addresses it had last: an answer that fails says nothing about the endpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_base::Address;
use evenkeel_config::model::{Cluster, Config};
use evenkeel_net::resolve::resolve;
use evenkeel_state::Resolved;
use tokio::task::JoinSet;
use tokio::time;

use crate::Control;

/// How long the start waits for names: a dead resolver must not keep the other clusters from serving.
const START_PATIENCE: Duration = Duration::from_secs(3);

/// A name that did not resolve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// The name.
    pub host: String,
    /// What the resolver said.
    pub why: String,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} does not resolve: {}", self.host, self.why)
    }
}

type Name = (String, u16);

/// Resolves every name of a configuration, all at once.
pub(crate) async fn resolve_all(config: &Config) -> (Resolved, Vec<Unresolved>) {
    let names: BTreeSet<Name> = config.clusters.iter().flat_map(names_of).collect();
    let mut missing = names.clone();
    let (mut resolved, mut unresolved) = (Resolved::new(), Vec::new());
    let mut lookups = look_up(names);
    let all = async {
        while let Some(Ok((name, found))) = lookups.join_next().await {
            missing.remove(&name);
            match found {
                Ok(addresses) => {
                    resolved.insert(name, addresses);
                }
                Err(error) => unresolved.push(Unresolved {
                    host: name.0,
                    why: error.to_string(),
                }),
            }
        }
    };
    if time::timeout(START_PATIENCE, all).await.is_err() {
        let late = |(host, _)| Unresolved {
            host,
            why: "the resolver did not answer in time".into(),
        };
        unresolved.extend(missing.into_iter().map(late));
    }
    unresolved.sort_by(|a, b| a.host.cmp(&b.host));
    (resolved, unresolved)
}

/// Resolves names until the set is dropped, those of one interval together.
pub(crate) fn keep_fresh(control: &Arc<Control>) -> JoinSet<()> {
    let config = Arc::clone(&control.publisher.current().config);
    let mut by_interval: BTreeMap<Duration, BTreeSet<Name>> = BTreeMap::new();
    for cluster in &config.clusters {
        let names: Vec<Name> = names_of(cluster).collect();
        if !names.is_empty() {
            by_interval
                .entry(cluster.resolve_interval)
                .or_default()
                .extend(names);
        }
    }
    let mut loops = JoinSet::new();
    for (interval, names) in by_interval {
        let control = Arc::clone(control);
        loops.spawn(async move {
            loop {
                time::sleep(interval).await;
                control.publish_resolved(look_up_quietly(names.clone()).await);
            }
        });
    }
    loops
}

async fn look_up_quietly(names: BTreeSet<Name>) -> Resolved {
    let mut resolved = Resolved::new();
    let mut lookups = look_up(names);
    while let Some(Ok((name, found))) = lookups.join_next().await {
        match found {
            Ok(addresses) => {
                resolved.insert(name, addresses);
            }
            Err(error) => {
                tracing::warn!(name = name.0, %error, "a name does not resolve; its last addresses are kept");
            }
        }
    }
    resolved
}

fn look_up(names: BTreeSet<Name>) -> JoinSet<(Name, std::io::Result<Vec<std::net::SocketAddr>>)> {
    let mut lookups = JoinSet::new();
    for (host, port) in names {
        lookups.spawn(async move {
            let found = resolve(&host, port).await;
            ((host, port), found)
        });
    }
    lookups
}

fn names_of(cluster: &Cluster) -> impl Iterator<Item = Name> {
    cluster
        .endpoints
        .iter()
        .filter_map(|endpoint| match &endpoint.address {
            Address::Name { host, port } => Some((host.clone(), *port)),
            Address::Ip(_) | Address::Unix(_) => None,
        })
}

#[cfg(test)]
mod tests;
