//! Verdicts over made-up rounds.

use super::super::contestant::Setting;
use super::super::measure::Report;
use super::*;

/// Turns that cost so many microseconds for each request.
fn costs(each: &[f64]) -> Vec<Turn> {
    let turn = |cost: &f64| Turn {
        report: Report {
            requests: 1.0,
            bytes: 1_000.0,
            ..Report::default()
        },
        cpu_micros: *cost,
        ..Turn::default()
    };
    each.iter().map(turn).collect()
}

fn plain(who: Who, each: &[f64]) -> (Entrant, Vec<Turn>) {
    (Entrant::new(who, Setting::Plain), costs(each))
}

#[test]
fn a_target_is_met_by_the_median_and_doubted_by_the_rounds() {
    let target = Target::rival(Measure::Cpu, Who::Nginx, 0.75);
    for (own, met, unanimous) in [
        ([70.0, 71.0, 72.0], true, true),
        ([70.0, 71.0, 99.0], true, false),
        ([70.0, 98.0, 99.0], false, false),
        ([97.0, 98.0, 99.0], false, true),
    ] {
        let field = [plain(Who::Evenkeel, &own), plain(Who::Nginx, &[100.0; 3])];
        let verdict = target.judge(&Field(&field)).unwrap();
        assert_eq!(
            (verdict.met, verdict.unanimous),
            (met, unanimous),
            "{own:?}"
        );
    }
}

#[test]
fn the_better_rival_is_the_one_with_the_better_median() {
    let field = [
        plain(Who::Evenkeel, &[10.0, 10.0]),
        plain(Who::Nginx, &[20.0, 20.0]),
        plain(Who::Haproxy, &[8.0, 8.0]),
        plain(Who::Epoll, &[10.0, 10.0]),
    ];
    let median = |target: Target| {
        target
            .judge(&Field(&field))
            .map(|v| (v.spread.median, v.met))
    };
    assert_eq!(
        median(Target::better(Measure::Cpu, 1.0)),
        Some((1.25, false))
    );
    // More bytes for a CPU-second is better, and the ratio is below 1 when we have fewer.
    assert_eq!(
        median(Target::better(Measure::Throughput, 1.0)),
        Some((0.8, false))
    );
    // 1.2 times the relay is more than the better rival.
    let relay = median(Target::better_or_relay(Measure::Cpu, 1.2)).unwrap();
    assert!((relay.0 - 10.0 / 12.0).abs() < 1e-9 && relay.1);
}

#[test]
fn who_is_missing_leaves_the_target_open() {
    let field = [plain(Who::Evenkeel, &[10.0]), plain(Who::Nginx, &[20.0])];
    for open in [
        Target::better(Measure::Cpu, 1.0),
        Target::rival(Measure::Cpu, Who::Haproxy, 1.0),
        Target::own(Measure::Cpu, 1.1),
        Target::most(Measure::Instructions, 40_000.0),
    ] {
        assert_eq!(open.judge(&Field(&field)), None, "{open:?}");
    }
    assert_eq!(
        Target::most(Measure::Cpu, 10.0).judge(&Field(&field[1..])),
        None
    );
}

#[test]
fn a_setting_is_compared_with_the_plain_one() {
    let field = [
        (
            Entrant::new(Who::Evenkeel, Setting::Logged),
            costs(&[11.5, 11.0]),
        ),
        (Entrant::baseline(Who::Nginx), costs(&[1.0, 1.0])),
        (Entrant::baseline(Who::Evenkeel), costs(&[10.0, 10.0])),
    ];
    let verdict = Target::own(Measure::Cpu, 1.1)
        .judge(&Field(&field))
        .unwrap();
    assert!((verdict.spread.median - 1.125).abs() < 1e-9 && !verdict.met && !verdict.unanimous);
    // A plain nginx is there for nginx with a log, not for us.
    assert_eq!(
        Target::rival(Measure::Cpu, Who::Nginx, 1.0).judge(&Field(&field)),
        None
    );
}
