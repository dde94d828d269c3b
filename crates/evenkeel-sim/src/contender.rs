//! Who is compared, by name.

use evenkeel_base::rules::{BalancerRules, Choices, HashRules, HashTable, PrequalRules, Signals};
use evenkeel_config::model::Cluster;
use evenkeel_config::parse_balancer;

use crate::paper;
use crate::rule::{Contender, Picks};
use crate::tuned::tuned;

/// Balancers with knobs that are worth comparing, by names that only the simulator knows.
pub const VARIANTS: [(&str, &str); 6] = [
    (
        "least-request-all",
        "least-request that compares all endpoints",
    ),
    (
        "prequal-header",
        "prequal by what endpoints say with each response",
    ),
    (
        "prequal-probe",
        "prequal by what endpoints say when they are asked",
    ),
    (
        "ring-hash-bounded",
        "ring-hash that gives no endpoint more than 1.25 times the average",
    ),
    ("maglev-bounded", "maglev with that bound"),
    ("rendezvous-bounded", "rendezvous with that bound"),
];

/// The balancer of that name, a variant of [`VARIANTS`], a rule of [`paper`], or a balancer with knobs (`name:knob=value`). Where the cluster has that balancer, it keeps the cluster's knobs;
/// else it has its defaults.
///
/// # Errors
/// A sentence with the nearest name, or all names.
pub fn contender(name: &str, cluster: &Cluster) -> Result<Contender, String> {
    if name.contains(':') {
        return tuned(name);
    }
    if let Some(rule) = paper::find(name) {
        return Ok(rule);
    }
    if let Some(rules) = variant(name) {
        return Ok(Contender {
            name: name.to_owned(),
            picks: Picks::Policy(rules),
        });
    }
    let kind = parse_balancer(name).map_err(|why| {
        let variants = VARIANTS.iter().map(|(name, _)| *name);
        let names: Vec<&str> = variants.chain(paper::names()).collect();
        format!("{why}; here also {}", names.join(", "))
    })?;
    let rules = if cluster.balancer.kind() == kind {
        cluster.balancer.clone()
    } else {
        BalancerRules::of(kind)
    };
    Ok(Contender {
        name: kind.name().to_owned(),
        picks: Picks::Policy(rules),
    })
}

/// The balancer that the cluster has.
#[must_use]
pub fn own(cluster: &Cluster) -> Contender {
    Contender {
        name: cluster.balancer.kind().name().to_owned(),
        picks: Picks::Policy(cluster.balancer.clone()),
    }
}

fn variant(name: &str) -> Option<BalancerRules> {
    let bounded = |table| {
        BalancerRules::Hash(HashRules {
            bound_percent: 125,
            ..HashRules::of(table)
        })
    };
    let prequal = |signals| {
        BalancerRules::Prequal(PrequalRules {
            signals,
            ..PrequalRules::DEFAULT
        })
    };
    Some(match name {
        "least-request-all" => BalancerRules::LeastRequest {
            choices: Choices::All,
        },
        "prequal-header" => prequal(Signals::Header("endpoint-load-metrics".to_owned())),
        "prequal-probe" => prequal(Signals::Probe("/load".to_owned())),
        "ring-hash-bounded" => bounded(HashTable::Ring),
        "maglev-bounded" => bounded(HashTable::Maglev),
        "rendezvous-bounded" => bounded(HashTable::Rendezvous),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use evenkeel_base::BalancerKind;
    use evenkeel_config::{Nowhere, check_cluster};

    use super::*;

    #[test]
    fn every_name_finds_its_balancer_and_no_other_does() {
        let cluster = check_cluster("", "", &["cluster"], &Nowhere)
            .cluster
            .unwrap();
        let kinds = BalancerKind::ALL.map(BalancerKind::name);
        for name in kinds.into_iter().chain(VARIANTS.map(|(name, _)| name)) {
            assert_eq!(contender(name, &cluster).unwrap().name, name);
        }
        let why = contender("maglef", &cluster).unwrap_err();
        assert!(
            why.contains("maglev") && why.contains("prequal-probe"),
            "{why}"
        );
    }
}
