//! Tables of made-up rounds.

use super::super::contestant::Setting;
use super::super::measure::Report;
use super::super::scenario::SCENARIOS;
use super::*;

fn turn(cost: f64, failed: u64) -> Turn {
    let failure = (failed > 0).then(|| ("read".to_owned(), failed));
    Turn {
        report: Report {
            requests: 1_000.0,
            seconds: 1.0,
            errors: failure.into_iter().collect(),
            p50: Some(10.0),
            p99: Some(20.0),
            p999: None,
            ..Report::default()
        },
        cpu_micros: cost * 1_000.0,
        peak: 2_097_152.0,
        core_busy: 1.0,
        ..Turn::default()
    }
}

fn outcome(failed: u64) -> Outcome {
    let turns = |costs: [f64; 3]| costs.map(|cost| turn(cost, 0)).to_vec();
    let mut rival = turns([100.0, 200.0, 110.0]);
    rival[1] = turn(200.0, failed);
    Outcome {
        scenario: SCENARIOS.iter().find(|s| s.name == "1b").unwrap(),
        rate: None,
        turns: vec![
            (
                Entrant::new(Who::Evenkeel, Setting::Plain),
                turns([70.0, 140.0, 88.0]),
            ),
            (Entrant::new(Who::Nginx, Setting::Plain), rival),
        ],
        broken: None,
    }
}

#[test]
fn a_table_has_medians_ratios_and_verdicts() {
    let text = scenario(&outcome(0));
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let head = "requests/s|CPU µs/request|evenkeel ÷ it, less is better|busy|core|p50 µs|p99 µs|p99.9 µs|peak MiB|errors";
    assert_eq!(rows[0][1..].join("|"), head);
    let nginx = "nginx|1000|110 (100 to 200)|0.70 (0.70 to 0.80)|11%|100%|10|20|–|2.0|0";
    assert_eq!(rows[3].join("|"), nginx);
    assert!(text.contains("≤ 0.75 × nginx: 0.70 (0.70 to 0.80) met, though not in every round\n"));
    assert!(text.contains("≤ 0.80 × haproxy: not measured"));
    assert!(!text.contains("No result"));
}

#[test]
fn a_run_with_errors_is_no_result() {
    let failed = outcome(3);
    assert!(!failed.is_result());
    let text = scenario(&failed);
    assert!(text.contains("**3 read**") && text.contains("**No result: requests failed.**"));
    assert!(text.contains("nginx: no result") && !text.contains(" met"));
    let broken = Outcome {
        broken: Some("nginx: does not listen".to_owned()),
        ..outcome(0)
    };
    assert!(scenario(&broken).contains("**No result: nginx: does not listen**"));
}

#[test]
fn columns_line_up() {
    let rows = [["a", "µs"], ["long", "1"]].map(|row| row.map(str::to_owned).to_vec());
    assert_eq!(grid(&rows), "| a    | µs |\n|------|----|\n| long | 1  |\n");
}
