//! The names of what an exchange met: its listener, route, cluster and endpoints, as its record and its trace tell them.
//!
//! They stand in the snapshot that it began with. An exchange that may outlive many snapshots holds none of them: it takes its
//! names along, some two hundred bytes.

use std::sync::Arc;

use evenkeel_base::{ClusterId, ListenerId, RouteId};

use crate::endpoint::Endpoint;
use crate::snapshot::Snapshot;

/// Where the names of one exchange stand.
#[derive(Clone, Copy, Debug)]
pub enum Names<'a> {
    /// In the snapshot it began with.
    In(&'a Snapshot),
    /// Beside it.
    Kept(&'a KeptNames),
}

impl<'a> Names<'a> {
    /// The listener's.
    #[must_use]
    pub fn listener(self, id: ListenerId) -> Option<&'a str> {
        match self {
            Self::In(snapshot) => snapshot.listener(id).map(|one| one.name.as_str()),
            Self::Kept(kept) => Some(&kept.listener),
        }
    }

    /// The route's.
    #[inline]
    #[must_use]
    pub fn route(self, id: RouteId) -> Option<&'a str> {
        match self {
            Self::In(snapshot) => {
                let route = snapshot.config.routes.get(id.index());
                route.map(|route| route.name.as_str())
            }
            Self::Kept(kept) => kept.route.as_deref(),
        }
    }

    /// The cluster's.
    #[must_use]
    pub fn cluster(self, id: ClusterId) -> Option<&'a str> {
        match self {
            Self::In(snapshot) => snapshot.cluster(id).map(|one| one.config.name.as_str()),
            Self::Kept(kept) => Some(&kept.cluster),
        }
    }

    /// The cluster's, and the endpoint that stands at `at` in its list, when the exchange tried that.
    #[inline]
    #[must_use]
    pub fn endpoint(self, cluster: ClusterId, at: usize) -> Option<(&'a str, &'a Endpoint)> {
        match self {
            Self::In(snapshot) => {
                let cluster = snapshot.cluster(cluster)?;
                let endpoint = cluster.endpoints.list.get(at)?;
                Some((cluster.config.name.as_str(), endpoint))
            }
            Self::Kept(kept) => kept.endpoint(at),
        }
    }
}

/// The names of one exchange, without their snapshot.
#[derive(Clone, Debug)]
pub struct KeptNames {
    listener: Box<str>,
    route: Option<Box<str>>,
    cluster: Box<str>,
    /// The endpoints that were tried, with their places in the cluster's list.
    endpoints: Box<[(usize, Endpoint)]>,
}

impl KeptNames {
    /// Those of an exchange that tried the endpoints at those places. What the snapshot has none of has an empty name.
    #[must_use]
    pub fn of(
        snapshot: &Snapshot,
        (listener, route, cluster): (ListenerId, Option<RouteId>, ClusterId),
        tried: impl Iterator<Item = usize>,
    ) -> Self {
        let all = Names::In(snapshot);
        let found = tried.filter_map(|at| Some((at, all.endpoint(cluster, at)?.1.clone())));
        Self {
            listener: all.listener(listener).unwrap_or_default().into(),
            route: route.and_then(|id| all.route(id)).map(Into::into),
            cluster: all.cluster(cluster).unwrap_or_default().into(),
            endpoints: found.collect(),
        }
    }

    /// The listener's.
    #[must_use]
    pub const fn listener(&self) -> &str {
        &self.listener
    }

    #[cold]
    fn endpoint(&self, at: usize) -> Option<(&str, &Endpoint)> {
        let (_, endpoint) = self.endpoints.iter().find(|(place, _)| *place == at)?;
        Some((&self.cluster, endpoint))
    }
}

/// [`Names`] that go where they are needed.
#[derive(Clone, Debug)]
pub enum HeldNames {
    /// In the snapshot it began with.
    In(Arc<Snapshot>),
    /// Without that.
    Kept(KeptNames),
}

impl HeldNames {
    /// Where they stand.
    #[must_use]
    pub fn names(&self) -> Names<'_> {
        match self {
            Self::In(snapshot) => Names::In(snapshot),
            Self::Kept(kept) => Names::Kept(kept),
        }
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_config::{Nowhere, check};

    use super::*;
    use crate::compile::{Registry, Resolved};

    #[test]
    fn names_that_are_kept_are_those_of_the_snapshot_and_keep_nothing_of_it() {
        let text = "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n[cluster.app]\n\
                    endpoints = [\"127.0.0.1:1\", \"127.0.0.1:2\", \"127.0.0.1:3\"]\n\
                    [[route]]\nname = \"all\"\ncluster = \"app\"\n";
        let config = check(text, "test", &Nowhere).config.unwrap();
        let snapshot = Registry::new(1, &[0; 32]).compile(config, &Resolved::new(), 1);
        let snapshot = Arc::new(snapshot);
        let (listener, route, cluster) = (ListenerId::new(0), RouteId::new(0), ClusterId::new(0));
        let met = (listener, Some(route), cluster);
        let kept = KeptNames::of(&snapshot, met, [2, 0].into_iter());
        let told = |names: Names<'_>| {
            let endpoint = |at| {
                names
                    .endpoint(cluster, at)
                    .map(|(_, one)| one.id.to_string())
            };
            let all = [
                names.listener(listener),
                names.route(route),
                names.cluster(cluster),
            ];
            let all = all.map(|name| name.map(ToOwned::to_owned));
            (all, endpoint(0), endpoint(2))
        };
        let held = [HeldNames::In(Arc::clone(&snapshot)), HeldNames::Kept(kept)];
        let [of_snapshot, of_kept] = held.each_ref().map(|held| told(held.names()));
        assert_eq!(of_snapshot, of_kept);
        assert_eq!(of_kept.0[1].as_deref(), Some("all"));
        assert_eq!(of_kept.2.as_deref(), Some("127.0.0.1:3"));
        let [in_snapshot, kept] = held;
        drop(in_snapshot);
        assert!(
            kept.names().endpoint(cluster, 1).is_none(),
            "nobody tried it"
        );
        assert_eq!(Arc::strong_count(&snapshot), 1);
    }
}
