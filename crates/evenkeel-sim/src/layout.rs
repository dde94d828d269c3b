//! Who stands where: the endpoints of a scenario one by one, and which of them a node knows, in which order.

use evenkeel_base::Rng;
use evenkeel_policy::subset::subset;
use evenkeel_policy::tiers::rank;

use crate::chance::seed;
use crate::endpoint::Endpoint;
use crate::node::Listed;
use crate::scenario::{Group, Scenario};

/// The endpoints, in the order of their groups.
pub(crate) fn endpoints(scenario: &Scenario, run: u64) -> Vec<Endpoint> {
    (0..)
        .zip(each(scenario))
        .map(|(number, (at, group, position))| {
            Endpoint::new((at, group), position, Rng::new(seed(run, 1, number)))
        })
        .collect()
}

/// Their ids.
pub(crate) fn ids(scenario: &Scenario) -> Vec<String> {
    each(scenario)
        .map(|(_, group, position)| group.id(position))
        .collect()
}

/// What node `number` knows, in the order of ranks.
pub(crate) fn listed(scenario: &Scenario, ids: &[String], number: u32) -> Vec<Listed> {
    let zone = zone_of(scenario, number);
    let prefers = scenario.cluster.tiers.prefer_zone && !zone.is_empty();
    let all = (0..).zip(each(scenario)).zip(ids);
    let mut list: Vec<Listed> = all
        .map(|((endpoint, (_, group, _)), id)| Listed {
            endpoint,
            id: id.clone(),
            weight: group.weight,
            rank: rank(group.tier, prefers && group.zone != zone),
        })
        .collect();
    keep(&mut list, scenario, number);
    list.sort_by_key(|one| one.rank);
    list
}

/// The zone of a node.
fn zone_of(scenario: &Scenario, number: u32) -> &str {
    let zones = &scenario.zones;
    let at = (number as usize).checked_rem(zones.len());
    at.and_then(|at| zones.get(at)).map_or("", String::as_str)
}

/// Keeps those of the subset that the node works with.
fn keep(list: &mut Vec<Listed>, scenario: &Scenario, number: u32) {
    let size = scenario.subset();
    if size == 0 {
        return;
    }
    let ids: Vec<&str> = list.iter().map(|one| one.id.as_str()).collect();
    let kept = subset(&format!("node-{}", number + 1), &ids, size as usize);
    *list = kept.iter().map(|at| list[*at].clone()).collect();
}

/// Every endpoint: its group's position, its group, and its position therein.
fn each(scenario: &Scenario) -> impl Iterator<Item = (usize, &Group, u32)> {
    let groups = scenario.endpoints.iter().enumerate();
    groups.flat_map(|(at, group)| (0..group.count).map(move |position| (at, group, position)))
}
