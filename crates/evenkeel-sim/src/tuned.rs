//! A balancer with knobs, in one word: `prequal:hot_quantile=0.5`, for sweeps.
//!
//! The knobs are those of the configuration, checked as there: `NAME:KNOB=VALUE`, and more of them behind further colons. Texts need no quotes.
//! What is not given has its default, or what the variant of that name has; what the scenario's cluster has does not count.

use evenkeel_config::{Nowhere, check_cluster};

use crate::rule::{Contender, Picks};

/// The balancer of that description.
///
/// # Errors
/// What the configuration's check says of it.
pub(crate) fn tuned(description: &str) -> Result<Contender, String> {
    let mut parts = description.split(':');
    let name = parts.next().unwrap_or_default();
    let (kind, given) = match name {
        "prequal-probe" => ("prequal", ", signals = { probe = \"/load\" }"),
        "prequal-header" => (
            "prequal",
            ", signals = { header = \"endpoint-load-metrics\" }",
        ),
        other => (other, ""),
    };
    let mut knobs = String::from(given);
    for part in parts {
        let (key, value) = part.split_once('=').ok_or_else(|| {
            format!("\"{description}\": a knob is KNOB=VALUE, and \"{part}\" is not")
        })?;
        let value = in_toml(value);
        knobs = format!("{knobs}, {key} = {value}");
    }
    let text = format!("[cluster]\nbalancer = {{ kind = \"{kind}\"{knobs} }}\n");
    let checked = check_cluster(&text, description, &["cluster"], &Nowhere);
    match (checked.cluster, checked.diagnostics.first()) {
        (Some(cluster), None) => Ok(Contender {
            name: description.to_owned(),
            picks: Picks::Policy(cluster.balancer),
        }),
        (_, Some(first)) => Err(format!("\"{description}\": {}", first.message)),
        (None, None) => Err(format!("\"{description}\" is no balancer")),
    }
}

/// Numbers, tables and lists as they are; everything else is a text.
fn in_toml(value: &str) -> String {
    let is_toml = value.parse::<f64>().is_ok()
        || matches!(value, "true" | "false")
        || value.starts_with(['"', '{', '[']);
    if is_toml {
        value.to_owned()
    } else {
        format!("{value:?}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evenkeel_base::rules::{BalancerRules, Choices, Signals};

    use super::*;

    fn rules(description: &str) -> BalancerRules {
        let contender = tuned(description).unwrap();
        assert_eq!(contender.name, description);
        match contender.picks {
            Picks::Policy(rules) => rules,
            Picks::Rule(_) => panic!("{description}"),
        }
    }

    #[test]
    fn knobs_are_those_of_the_configuration() {
        let all = Choices::All;
        assert_eq!(
            rules("least-request:choices=all"),
            BalancerRules::LeastRequest { choices: all }
        );
        let decay = Duration::from_secs(5);
        assert_eq!(
            rules("peak-ewma:decay=5s"),
            BalancerRules::PeakEwma { decay }
        );
        let BalancerRules::Prequal(prequal) = rules("prequal-probe:hot_quantile=0.5:pool=8") else {
            panic!()
        };
        assert_eq!(
            (prequal.hot_quantile, prequal.pool, prequal.signals),
            (500, 8, Signals::Probe("/load".to_owned()))
        );
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (description, says) in [
            ("prequal:hot_quantile", "KNOB=VALUE"),
            ("prequal:hot_quantile=7", "hot_quantile"),
            ("prequal:choices=2", "choices"),
            ("random:", "KNOB=VALUE"),
        ] {
            let why = tuned(description).unwrap_err();
            assert!(why.contains(says), "{description}: {why}");
        }
    }
}
