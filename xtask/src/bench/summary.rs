//! What a whole run says in a few lines: targets, and where a rival is better. It formats; the judgement is elsewhere.

use super::measure::{Measure, Turn};
use super::outcome::Outcome;
use super::scenario::{Drive, Scenario};
use super::spread::{ratio, values};
use super::table::{grid, spread, verdict};
use super::target::Field;

/// A line for each target of all outcomes.
pub(super) fn targets(outcomes: &[Outcome]) -> String {
    let head = ["scenario", "target", "measured", ""].map(str::to_owned);
    let mut rows = vec![head.to_vec()];
    for outcome in outcomes {
        for target in outcome.scenario.targets {
            let (measured, word) = verdict(outcome, target);
            let name = outcome.scenario.name.to_owned();
            rows.push(vec![name, target.text(), measured, word]);
        }
    }
    grid(&rows)
}

/// A line for each figure in which a rival is better than evenkeel.
pub(super) fn losses(outcomes: &[Outcome]) -> Vec<String> {
    let results = outcomes.iter().filter(|outcome| outcome.is_result());
    results.flat_map(losses_of).collect()
}

fn losses_of(outcome: &Outcome) -> Vec<String> {
    let Some(subject) = Field(&outcome.turns).subject() else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for (entrant, turns) in &outcome.turns {
        if !entrant.who.is_rival() || entrant.baseline {
            continue;
        }
        for measure in measures(outcome.scenario) {
            if let Some(ratio) = worse(*measure, subject, turns) {
                lines.push(format!(
                    "{}, {}: {} is {ratio} times that of {}.",
                    outcome.scenario.name,
                    outcome.scenario.title,
                    measure.name(),
                    entrant.label()
                ));
            }
        }
    }
    lines
}

/// What is worth comparing: latency only where the rate is fixed, for at saturation it is the length of a queue.
fn measures(scenario: &Scenario) -> &'static [Measure] {
    match (scenario.drive, scenario.measure) {
        (Drive::Open, _) => &[Measure::Cpu, Measure::P99, Measure::P999],
        (_, Measure::Throughput) => &[Measure::Throughput],
        (_, Measure::IdleBytes) => &[Measure::IdleBytes],
        _ => &[Measure::Cpu],
    }
}

/// The ratio of the two, when the first is worse.
fn worse(measure: Measure, own: &[Turn], other: &[Turn]) -> Option<String> {
    let ratio = ratio(&values(measure, own)?, &values(measure, other)?)?;
    let is_worse = if measure.less_is_better() {
        ratio.median > 1.0
    } else {
        ratio.median < 1.0
    };
    is_worse.then(|| spread(ratio, 2))
}

#[cfg(test)]
mod tests {
    use super::super::contestant::{Entrant, Setting, Who};
    use super::super::measure::Report;
    use super::super::scenario::SCENARIOS;
    use super::*;

    fn outcome(name: &str, own: f64, nginx: f64) -> Outcome {
        let turns = |cpu_micros| {
            let report = Report {
                requests: 1.0,
                seconds: 1.0,
                bytes: 1_000.0,
                ..Report::default()
            };
            vec![Turn {
                report,
                cpu_micros,
                ..Turn::default()
            }]
        };
        let plain = |who| Entrant::new(who, Setting::Plain);
        Outcome {
            scenario: SCENARIOS.iter().find(|s| s.name == name).unwrap(),
            rate: None,
            turns: vec![
                (plain(Who::Evenkeel), turns(own)),
                (plain(Who::Nginx), turns(nginx)),
                (plain(Who::Epoll), turns(1.0)),
            ],
            broken: None,
        }
    }

    #[test]
    fn a_loss_is_more_cost_or_fewer_bytes_than_a_rival() {
        // The relay on epoll costs less than either, and is no rival.
        for (name, own, nginx, lost) in [
            ("1a", 10.0, 12.0, None),
            ("1a", 12.0, 10.0, Some("CPU per request is 1.20 times")),
            ("4b", 10.0, 12.0, None),
            ("4b", 12.5, 10.0, Some("bytes per CPU-second is 0.80 times")),
        ] {
            let lines = losses(&[outcome(name, own, nginx)]);
            assert_eq!(lines.len(), usize::from(lost.is_some()), "{lines:?}");
            assert!(lines.iter().all(|line| line.contains(lost.unwrap())));
        }
        let mut broken = outcome("1a", 12.0, 10.0);
        broken.broken = Some("x".to_owned());
        assert_eq!(losses(&[broken]), [""; 0]);
    }

    #[test]
    fn targets_are_one_table() {
        let text = targets(&[outcome("1b", 7.0, 10.0), outcome("3", 1.0, 1.0)]);
        assert_eq!(text.lines().count(), 2 + 2 + 1, "{text}");
        assert!(text.contains("0.75 × nginx") && text.contains("| 0.70 "));
    }
}
