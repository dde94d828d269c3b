//! Splits over snapshots: the clusters that share a route's requests, as they are in one generation, and the rotation between
//! them, which outlives it.
//!
//! The rotation is kept by the name of its route. One whose clusters and weights stay is the same rotation; one that changed
//! goes on from where it stands.

use std::collections::HashMap;
use std::sync::Arc;

use evenkeel_base::ClusterId;
use evenkeel_config::model::{self, Action, Route};
use evenkeel_policy::Split;

use crate::snapshot::{ClusterSnapshot, RouteSplit, RouteSplits, Side};

/// The rotations of the process, with what they were made for.
#[derive(Debug, Default)]
pub(crate) struct Splits {
    by_route: HashMap<(String, usize), (Shares, Arc<Split>)>,
}

/// Names and weights, and whether it goes by key.
type Shares = (Vec<(String, u16)>, bool);

impl Splits {
    /// The splits of these routes: those that are known, and new ones.
    pub(crate) fn compile(
        &mut self,
        routes: &[Route],
        clusters: &[Arc<ClusterSnapshot>],
    ) -> Arc<RouteSplits> {
        let known = std::mem::take(&mut self.by_route);
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let last = routes.iter().rposition(|route| shared(route).is_some());
        let with_splits = &routes[..last.map_or(0, |last| last + 1)];
        let splits = with_splits.iter().map(|route| {
            let wanted = shared(route)?;
            let sides = sides(wanted, clusters);
            let shares = shares(&sides, wanted);
            let position = seen.entry(&route.name).or_default();
            let key = (route.name.clone(), *position);
            *position += 1;
            let split = match known.get(&key) {
                Some((before, split)) if *before == shares => Arc::clone(split),
                known => Arc::new(make(&shares, known.map(|(_, split)| &**split))),
            };
            self.by_route.insert(key, (shares, Arc::clone(&split)));
            Some(Arc::new(RouteSplit { sides, split }))
        });
        splits.collect()
    }
}

/// The same splits with one cluster's endpoints resolved anew.
pub(crate) fn with_cluster(
    splits: &Arc<RouteSplits>,
    changed: &Arc<ClusterSnapshot>,
) -> Arc<RouteSplits> {
    let concerns = |side: &Side| side.cluster.id == changed.id;
    let all = || splits.iter().flatten().flat_map(|split| &split.sides);
    if !all().any(concerns) {
        return Arc::clone(splits);
    }
    let renewed = splits.iter().map(|split| {
        let split = split.as_ref()?;
        if !split.sides.iter().any(concerns) {
            return Some(Arc::clone(split));
        }
        let mut renewed = RouteSplit::clone(split);
        let sides = renewed.sides.iter_mut().filter(|side| concerns(side));
        sides.for_each(|side| side.cluster = Arc::clone(changed));
        Some(Arc::new(renewed))
    });
    renewed.collect()
}

/// The split of a route that has several clusters.
fn shared(route: &Route) -> Option<&model::Split> {
    match &route.action {
        Action::Forward { split, .. } if split.shares.len() > 1 => Some(split),
        Action::Forward { .. } | Action::Redirect(_) | Action::Respond(_) => None,
    }
}

fn sides(split: &model::Split, clusters: &[Arc<ClusterSnapshot>]) -> Box<[Side]> {
    let side = |&(id, weight): &(ClusterId, u16)| {
        let cluster = clusters.get(id.index())?;
        Some(Side {
            cluster: Arc::clone(cluster),
            weight,
        })
    };
    split.shares.iter().filter_map(side).collect()
}

fn shares(sides: &[Side], split: &model::Split) -> Shares {
    let named = sides
        .iter()
        .map(|side| (side.cluster.config.name.clone(), side.weight));
    (named.collect(), !split.by.is_empty())
}

fn make((clusters, by_key): &Shares, follows: Option<&Split>) -> Split {
    let named: Vec<(&str, u16)> = clusters
        .iter()
        .map(|(name, weight)| (name.as_str(), *weight))
        .collect();
    Split::new(&named, *by_key, follows)
}

#[cfg(test)]
mod tests;
