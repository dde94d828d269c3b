//! The scenarios that come with evenkeel: each is sound, and a short run keeps a bound that follows from what it is.

use evenkeel_base::BalancerKind;
use evenkeel_base::BalancerKind::{LeastRequest, Random, RoundRobin};
use evenkeel_config::render_all;
use evenkeel_sim::builtin::ALL;
use evenkeel_sim::{Builtin, Outcome, Play, Scenario, contender, play, table};

use crate::small::{some_moment, world};

fn scenario(name: &str) -> Scenario {
    let builtin = Builtin::find(name).unwrap();
    let checked = builtin.read();
    let shown = render_all(&checked.diagnostics, builtin.text, false);
    checked.scenario.expect(&shown)
}

fn run(name: &str, balancer: BalancerKind) -> Outcome {
    let scenario = scenario(name);
    let contender = contender(balancer.name(), &scenario.cluster).unwrap();
    let how = Play {
        seed: 1,
        requests: None,
        origin: some_moment(),
    };
    play(&scenario, &contender, how, &mut |_| {})
}

fn p99(outcome: &Outcome) -> f64 {
    let p99 = outcome.latency.answered_quantile(0.99).unwrap();
    p99.as_secs_f64() * 1e3
}

#[test]
fn each_says_what_it_is_and_what_to_look_at() {
    for builtin in ALL {
        let scenario = scenario(builtin.name);
        assert!(builtin.text.starts_with("# "), "{}", builtin.name);
        assert!(scenario.about.contains("Look at:"), "{}", builtin.name);
        assert!(
            builtin.headline().ends_with('.'),
            "{}: {}",
            builtin.name,
            builtin.headline()
        );
    }
}

#[test]
fn steady_load_is_served_and_a_look_at_load_pays() {
    for (name, factor) in [("steady-70", 1.2), ("steady-90", 1.5)] {
        let (sees, blind) = (run(name, LeastRequest), run(name, Random));
        assert_eq!(sees.latency.failed() + blind.latency.failed(), 0);
        assert!(
            p99(&sees) * factor < p99(&blind),
            "{name}: {} {}",
            p99(&sees),
            p99(&blind)
        );
        assert!(sees.variation() < 0.05);
    }
}

#[test]
fn more_than_everything_is_shed_and_no_more() {
    let outcome = run("steady-105", LeastRequest);
    let errors = outcome.error_rate();
    assert!((0.03..0.15).contains(&errors), "{errors}");
    assert!(p99(&outcome) < 700.0, "{}", p99(&outcome));
}

#[test]
fn mixed_hardware_defeats_equal_shares() {
    let (sees, blind) = (
        run("mixed-hardware", LeastRequest),
        run("mixed-hardware", RoundRobin),
    );
    assert!(
        p99(&sees) * 5.0 < p99(&blind),
        "{} {}",
        p99(&sees),
        p99(&blind)
    );
}

#[test]
fn a_slow_endpoint_defeats_equal_shares() {
    let (sees, blind) = (
        run("slow-endpoint", LeastRequest),
        run("slow-endpoint", RoundRobin),
    );
    assert!(
        p99(&sees) * 3.0 < p99(&blind),
        "{} {}",
        p99(&sees),
        p99(&blind)
    );
}

#[test]
fn a_flash_crowd_costs_what_it_must_and_passes() {
    let outcome = run("flash-crowd", LeastRequest);
    let during: u64 = outcome.series[20..31].iter().map(|one| one.failed).sum();
    let after: u64 = outcome.series[32..].iter().map(|one| one.failed).sum();
    assert!(during > 0 && after == 0, "{during} {after}");
    let errors = outcome.error_rate();
    // 10 s at 150 % of 60 s at 15 %: 150 of 225 parts, a third of which is too much.
    assert!((0.15..0.35).contains(&errors), "{errors}");
}

#[test]
fn a_rollout_costs_no_request() {
    let outcome = run("rolling-restart", LeastRequest);
    assert!(outcome.error_rate() < 1e-4, "{:?}", outcome.failed);
}

#[test]
fn a_budget_ends_the_storm() {
    let late = |outcome: &Outcome| {
        let last = &outcome.series[45..60];
        let failed: u64 = last.iter().map(|one| one.failed).sum();
        failed as f64 / last.iter().map(|one| one.requests).sum::<u64>() as f64
    };
    let (with, without) = (
        run("retry-storm", LeastRequest),
        run("retry-storm-no-budget", LeastRequest),
    );
    assert!(late(&with) < 0.001, "{}", late(&with));
    assert!(late(&without) > 0.5, "{}", late(&without));
    assert!(with.attempts_per_request() < 1.25 && without.attempts_per_request() > 2.0);
}

#[test]
fn a_lost_zone_costs_next_to_nothing() {
    let outcome = run("zone-loss", LeastRequest);
    assert!(outcome.error_rate() < 1e-3, "{:?}", outcome.failed);
    assert!(outcome.ejections >= 3);
}

#[test]
fn the_large_ones_are_served() {
    for name in ["antagonists", "many-nodes", "hot-keys"] {
        let outcome = run(name, LeastRequest);
        assert!(outcome.error_rate() < 0.02, "{name}: {:?}", outcome.failed);
        assert!(outcome.requests > 10_000);
    }
}

#[test]
fn a_run_that_ends_within_its_warm_up_says_that_it_counted_nothing() {
    let scenario = world(2, 0.5, 20);
    let contender = contender("random", &scenario.cluster).unwrap();
    for (requests, says) in [(10, true), (10_000, false)] {
        let how = Play {
            seed: 1,
            requests: Some(requests),
            origin: some_moment(),
        };
        let outcome = play(&scenario, &contender, how, &mut |_| {});
        let shown = table(&scenario, 1, &[outcome]);
        assert_eq!(shown.contains("Nothing was counted"), says, "{shown}");
    }
}
