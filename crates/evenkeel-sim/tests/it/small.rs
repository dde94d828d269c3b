//! The tests' language: a small world that is changed in what a test is about, and played.

use std::time::{Duration, Instant};

use evenkeel_base::BalancerKind;
use evenkeel_base::rules::BalancerRules;
use evenkeel_config::{Nowhere, check_cluster};
use evenkeel_sim::distribution::Distribution;
use evenkeel_sim::scenario::{
    Asks, Clients, Discipline, Failure, FailureKind, Group, Keys, Network, Rate,
};
use evenkeel_sim::{Contender, Outcome, Picks, Play, Scenario, play};

/// Milliseconds of service that most tests have.
pub(crate) const SERVICE: f64 = 0.010;

/// So many endpoints with one core each and exponential service, at that load, for so many seconds, without a network.
pub(crate) fn world(endpoints: u32, load: f64, seconds: u64) -> Scenario {
    Scenario {
        name: "test".to_owned(),
        about: String::new(),
        duration: Duration::from_secs(seconds),
        warm_up: Duration::from_secs(seconds / 20),
        nodes: 1,
        endpoints_per_node: 0,
        zones: Vec::new(),
        network: Network {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
        },
        cluster: check_cluster("", "test", &["cluster"], &Nowhere)
            .cluster
            .unwrap(),
        endpoints: vec![Group {
            name: "e".to_owned(),
            count: endpoints,
            weight: 1,
            zone: String::new(),
            tier: 0,
            cores: 1.0,
            machine: 1.0,
            discipline: Discipline::Queues,
            service: Distribution::Exponential { mean: SERVICE },
            speed: 1.0,
            cancels: false,
            antagonist: None,
            cold: None,
            failures: Vec::new(),
        }],
        clients: vec![Clients {
            name: "c".to_owned(),
            asks: Asks::Open {
                rate: Rate::Load(load),
                steps: Vec::new(),
            },
            timeout: Duration::MAX,
            idempotent: 1.0,
            keys: Keys {
                count: 0,
                skew: 0.0,
            },
        }],
    }
}

/// The same with a cluster's rules, as lines of its table.
pub(crate) fn with_rules(mut scenario: Scenario, rules: &str) -> Scenario {
    let text = format!("[cluster]\n{rules}\n");
    let checked = check_cluster(&text, "test", &["cluster"], &Nowhere);
    assert!(checked.diagnostics.is_empty(), "{:?}", checked.diagnostics);
    scenario.cluster = checked.cluster.unwrap();
    scenario
}

/// The first endpoint in a group of its own, `a`, with that failure.
pub(crate) fn with_failure(
    mut scenario: Scenario,
    from: u64,
    to: u64,
    kind: FailureKind,
) -> Scenario {
    let mut first = scenario.endpoints[0].clone();
    scenario.endpoints[0].count -= 1;
    first.name = "a".to_owned();
    first.count = 1;
    first.failures.push(Failure {
        at: Duration::from_secs(from),
        lasts: Duration::from_secs(to - from),
        stagger: Duration::ZERO,
        kind,
    });
    scenario.endpoints.insert(0, first);
    scenario
}

pub(crate) fn run(scenario: &Scenario, balancer: BalancerKind, seed: u64) -> Outcome {
    run_rules(scenario, BalancerRules::of(balancer), seed)
}

pub(crate) fn run_rules(scenario: &Scenario, rules: BalancerRules, seed: u64) -> Outcome {
    run_all(scenario, rules, seed, None)
}

/// So many requests, whatever the duration is.
pub(crate) fn run_requests(scenario: &Scenario, balancer: BalancerKind, requests: u64) -> Outcome {
    run_all(scenario, BalancerRules::of(balancer), 1, Some(requests))
}

fn run_all(scenario: &Scenario, rules: BalancerRules, seed: u64, requests: Option<u64>) -> Outcome {
    let contender = Contender {
        name: rules.kind().name().to_owned(),
        picks: Picks::Policy(rules),
    };
    let how = Play {
        seed,
        requests,
        origin: some_moment(),
    };
    let outcome = play(scenario, &contender, how, &mut |_| {});
    // Whatever happens: every request ends once.
    let ended = outcome.latency.answered() + outcome.latency.failed();
    assert_eq!(outcome.requests, ended);
    assert_eq!(
        outcome.failed.values().sum::<u64>(),
        outcome.latency.failed()
    );
    let sum = |of: fn(&evenkeel_sim::Sample) -> u64| outcome.series.iter().map(of).sum::<u64>();
    assert_eq!(sum(|one| one.requests), outcome.all_requests);
    assert_eq!(sum(|one| one.answered + one.failed), outcome.all_requests);
    outcome
}

#[expect(
    clippy::disallowed_methods,
    reason = "there is no other way to an instant, and which one it is changes nothing"
)]
pub(crate) fn some_moment() -> Instant {
    Instant::now()
}
