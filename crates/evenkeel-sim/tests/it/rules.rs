//! The rules of evenkeel as they show in whole runs.

use evenkeel_base::BalancerKind::{self, LeastRequest, Random};
use evenkeel_sim::Scenario;
use evenkeel_sim::scenario::{Asks, Cold, FailureKind, Rate, Step};
use std::time::Duration;

use crate::small::{run, run_requests, with_failure, with_rules, world};

#[test]
fn the_same_seed_gives_the_same_outcome() {
    let rules = "retry = { attempts = 3, attempt_timeout = \"100ms\", hedge = { percentile = 90 } }\nlimits.endpoint_requests = 8";
    let scenario = with_rules(world(5, 0.9, 30), rules);
    let mut scenario = with_failure(scenario, 5, 15, FailureKind::Slow(8.0));
    scenario.network.delay = Duration::from_micros(200);
    scenario.network.jitter = Duration::from_micros(300);
    scenario.nodes = 3;
    for balancer in BalancerKind::ALL {
        let outcome = run(&scenario, balancer, 7);
        assert_eq!(outcome, run(&scenario, balancer, 7));
        assert_ne!(outcome, run(&scenario, balancer, 8));
    }
}

#[test]
fn a_killed_endpoint_costs_no_request() {
    let scenario = with_failure(world(4, 0.5, 60), 10, 30, FailureKind::Refuse);
    let outcome = run(&scenario, LeastRequest, 1);
    // What it was working on is sent again.
    assert_eq!(outcome.latency.failed(), 0, "{:?}", outcome.failed);
    assert!(outcome.ejections >= 1 && outcome.attempts > outcome.requests);
    let of = |at: usize| outcome.series[at].utilization[0];
    assert!(of(20) < 0.01 && of(55) > 0.3, "{} {}", of(20), of(55));
}

#[test]
fn without_retries_it_costs_five_and_what_it_had() {
    let scenario = with_rules(world(4, 0.5, 60), "retry.attempts = 0");
    let scenario = with_failure(scenario, 10, 30, FailureKind::Refuse);
    let outcome = run(&scenario, LeastRequest, 1);
    let failed = outcome.latency.failed();
    assert!((5..40).contains(&failed), "{failed}");
    assert_eq!(outcome.attempts, outcome.requests);
}

#[test]
fn a_frozen_endpoint_is_found_by_timeouts() {
    let rules = "retry.attempt_timeout = \"200ms\"";
    let scenario = with_failure(
        with_rules(world(4, 0.4, 60), rules),
        10,
        30,
        FailureKind::Freeze,
    );
    let outcome = run(&scenario, LeastRequest, 1);
    assert_eq!(outcome.latency.failed(), 0, "{:?}", outcome.failed);
    assert!(outcome.ejections >= 1);
    // It has work on hand when it wakes up, and comes back.
    assert!(outcome.series[58].utilization[0] > 0.2);
}

#[test]
fn probes_find_who_is_gone() {
    let rules = "probe.http = { path = \"/\" }\nprobe.interval = \"1s\"\noutlier = \"off\"";
    let scenario = with_failure(
        with_rules(world(3, 0.4, 60), rules),
        10,
        30,
        FailureKind::Restart,
    );
    let outcome = run(&scenario, Random, 1);
    assert_eq!(outcome.latency.failed(), 0, "{:?}", outcome.failed);
    assert_eq!(outcome.ejections, 0);
    let of = |at: usize| outcome.series[at].attempts - outcome.series[at].requests;
    assert!((of(20), of(50)) == (0, 0), "{} {}", of(20), of(50));
}

#[test]
fn a_bounded_queue_sheds_and_keeps_latency() {
    let rules = "limits = { endpoint_requests = 2, queue = { size = 100, timeout = \"1s\" } }";
    let open = run(&world(2, 1.3, 60), LeastRequest, 1);
    let bounded = run(&with_rules(world(2, 1.3, 60), rules), LeastRequest, 1);
    assert_eq!(open.latency.failed(), 0);
    let shed = bounded.error_rate();
    assert!((0.15..0.35).contains(&shed), "{shed} {:?}", bounded.failed);
    let most = bounded.latency.answered_quantile(0.99).unwrap();
    assert!(most < Duration::from_millis(400), "{most:?}");
    assert!(open.latency.quantile(0.5).unwrap() > Duration::from_secs(5));
}

#[test]
fn a_client_that_leaves_is_an_error_and_its_work_goes_on_unless_it_is_cancelled() {
    let mut scenario = world(1, 1.5, 30);
    scenario.clients[0].timeout = Duration::from_millis(300);
    let goes_on = run(&scenario, Random, 1);
    scenario.endpoints[0].cancels = true;
    let cancels = run(&scenario, Random, 1);
    assert!(
        goes_on.failed.contains_key("total-timeout"),
        "{:?}",
        goes_on.failed
    );
    assert!(goes_on.error_rate() > 0.9, "{}", goes_on.error_rate());
    assert!(cancels.error_rate() < 0.6, "{}", cancels.error_rate());
}

#[test]
fn hedges_cut_the_tail_and_are_paid_for() {
    let base = with_failure(world(10, 0.3, 60), 0, 60, FailureKind::Slow(3.0));
    let hedged = with_rules(base.clone(), "retry.hedge = { percentile = 90 }");
    let (plain, hedged) = (run(&base, Random, 1), run(&hedged, Random, 1));
    let p99 = |outcome: &evenkeel_sim::Outcome| outcome.latency.quantile(0.99).unwrap();
    assert!(
        p99(&hedged) * 2 < p99(&plain),
        "{:?} {:?}",
        p99(&hedged),
        p99(&plain)
    );
    assert!(hedged.hedges > 0 && hedged.attempts == hedged.requests + hedged.hedges);
    assert!(hedged.attempts_per_request() < 1.22);
}

#[test]
fn a_number_of_requests_is_reached_or_given_up_when_nobody_asks_any_more() {
    let mut scenario = world(2, 0.5, 10);
    let played = |scenario: &Scenario, requests| run_requests(scenario, LeastRequest, requests);
    assert_eq!(played(&scenario, 50).all_requests, 50);
    assert_eq!(played(&scenario, 5_000).all_requests, 5_000);
    let stops = Step {
        at: Duration::from_secs(3),
        factor: 0.0,
    };
    scenario.clients[0].asks = Asks::Open {
        rate: Rate::PerSecond(100.0),
        steps: vec![stops],
    };
    let all = played(&scenario, 5_000).all_requests;
    assert!((200..400).contains(&all), "{all}");
}

#[test]
fn too_many_endpoints_of_a_configuration_are_refused() {
    let mut scenario = world(2, 0.5, 10);
    scenario.nodes = 3_000_000;
    let mut cluster = scenario.cluster.clone();
    let text = "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\nendpoints = [\":2\", \":3\"]\n";
    let config = evenkeel_config::check(text, "test", &evenkeel_config::Nowhere).config;
    cluster.endpoints = config.unwrap().clusters[0].endpoints.clone();
    let why = scenario.take_cluster(&cluster).unwrap_err();
    assert!(why.contains("subset"), "{why}");
    cluster.subset = 1;
    assert_eq!(scenario.take_cluster(&cluster), Ok(()));
    assert_eq!(scenario.endpoint_count(), 2);
}

#[test]
fn a_cold_endpoint_warms_up_as_it_serves() {
    let mut scenario = world(2, 0.3, 60);
    scenario.endpoints[0].cold = Some(Cold {
        factor: 3.0,
        requests: 500,
        lasts: Duration::MAX,
        at_start: true,
    });
    let outcome = run(&scenario, LeastRequest, 1);
    let first = outcome.series[2].utilization[0];
    let last = outcome.series[55].utilization[0];
    assert!(first > 1.7 * last, "{first} {last}");
}

#[test]
fn a_grey_failure_is_avoided_by_who_looks_at_load() {
    let scenario = with_failure(world(10, 0.6, 60), 0, 60, FailureKind::Slow(5.0));
    let (blind, sees) = (run(&scenario, Random, 1), run(&scenario, LeastRequest, 1));
    let p99 = |outcome: &evenkeel_sim::Outcome| outcome.latency.quantile(0.99).unwrap();
    assert!(
        p99(&sees) * 5 < p99(&blind),
        "{:?} {:?}",
        p99(&sees),
        p99(&blind)
    );
}

#[test]
fn what_a_request_asks_for_does_not_depend_on_the_balancer() {
    let scenario = world(8, 0.5, 60);
    let (one, other) = (run(&scenario, Random, 3), run(&scenario, LeastRequest, 3));
    assert_eq!(one.all_requests, other.all_requests);
    // The work is the same, so all of it that was done is.
    let used = |outcome: &evenkeel_sim::Outcome| outcome.mean_utilization();
    assert!((used(&one) / used(&other) - 1.0).abs() < 0.002);
}
