//! Queueing theory as the oracle: means of long runs within a few percent of what is proven.

use evenkeel_base::BalancerKind::{LeastRequest, Random, RoundRobin};
use evenkeel_base::rules::{BalancerRules, Choices};
use evenkeel_sim::Scenario;
use evenkeel_sim::distribution::Distribution;
use evenkeel_sim::scenario::{Asks, Discipline};

use crate::small::{SERVICE, run, run_rules, world};

/// The mean time in the system, in services.
fn mean(scenario: &Scenario, balancer: evenkeel_base::BalancerKind) -> f64 {
    let outcome = run(scenario, balancer, 1);
    assert_eq!(outcome.latency.failed(), 0);
    outcome.latency.mean().as_secs_f64() / SERVICE
}

fn near(found: f64, wanted: f64, tolerance: f64) {
    let off = found / wanted - 1.0;
    assert!(
        off.abs() <= tolerance,
        "{found:.3}, theory says {wanted:.3}"
    );
}

#[test]
fn one_queue_and_one_core() {
    // M/M/1: 1 / (1 - ρ).
    for load in [0.3, 0.5, 0.8] {
        near(
            mean(&world(1, load, 4_000), Random),
            1.0 / (1.0 - load),
            0.03,
        );
    }
}

#[test]
fn one_queue_and_many_cores() {
    // M/M/c by Erlang's C.
    for (cores, load) in [(2, 0.7), (8, 0.8), (8, 0.5)] {
        let mut scenario = world(1, load, 1_000);
        scenario.endpoints[0].cores = f64::from(cores);
        scenario.endpoints[0].machine = f64::from(cores);
        let offered = f64::from(cores) * load;
        let (mut term, mut sum) = (1.0, 1.0);
        for n in 1..cores {
            term *= offered / f64::from(n);
            sum += term;
        }
        let waiting = term * offered / f64::from(cores) / (1.0 - load);
        let waits = waiting / (sum + waiting);
        let wanted = 1.0 + waits / (f64::from(cores) * (1.0 - load));
        near(mean(&scenario, Random), wanted, 0.03);
    }
}

#[test]
fn a_queue_feels_the_spread_of_service() {
    // M/G/1: 1 + ρ (1 + c²) / 2 (1 - ρ) (Pollaczek and Khinchine).
    let spreads = [
        (Distribution::Constant { mean: SERVICE }, 0.0),
        (Distribution::Exponential { mean: SERVICE }, 1.0),
        (
            Distribution::Bimodal {
                short: 0.5 * SERVICE,
                long: 5.5 * SERVICE,
                part: 0.1,
            },
            2.25,
        ),
    ];
    for (service, square) in spreads {
        let mut scenario = world(1, 0.6, 8_000);
        scenario.endpoints[0].service = service;
        let wanted = 1.0 + 0.6 * (1.0 + square) / (2.0 * 0.4);
        near(mean(&scenario, Random), wanted, 0.05);
    }
}

#[test]
fn shared_cores_feel_only_its_mean() {
    // M/G/1-PS: 1 / (1 - ρ), whatever the distribution is.
    for service in [
        Distribution::Constant { mean: SERVICE },
        Distribution::Exponential { mean: SERVICE },
        Distribution::Bimodal {
            short: 0.5 * SERVICE,
            long: 5.5 * SERVICE,
            part: 0.1,
        },
    ] {
        let mut scenario = world(1, 0.7, 6_000);
        scenario.endpoints[0].service = service;
        scenario.endpoints[0].discipline = Discipline::Shares;
        near(mean(&scenario, Random), 1.0 / 0.3, 0.04);
    }
}

#[test]
fn choices_bring_what_they_are_known_to_bring() {
    // Random splitting leaves M/M/1 at each endpoint. With two choices the mean is the sum of ρ^((2^i - 2) / 1), i ≥ 1, in
    // the limit of many endpoints (Mitzenmacher 2001; Vvedenskaya and others 1996).
    let load: f64 = 0.9;
    near(mean(&world(100, load, 200), Random), 10.0, 0.06);
    let two: f64 = (1..12).map(|i| load.powi((1 << i) - 2)).sum();
    near(mean(&world(100, load, 200), LeastRequest), two, 0.05);
    // Comparing all is nearly one queue for all.
    let all = BalancerRules::LeastRequest {
        choices: Choices::All,
    };
    let outcome = run_rules(&world(100, load, 100), all, 1);
    let all = outcome.latency.mean().as_secs_f64() / SERVICE;
    assert!(all < two && all < 1.4, "{all}");
}

#[test]
fn rotation_smooths_arrivals() {
    // D/M/1 in the limit of many endpoints: 1 / (1 - σ), σ = exp(-(1 - σ) / ρ).
    let load: f64 = 0.8;
    let mut sigma: f64 = 0.5;
    for _ in 0..200 {
        sigma = (-(1.0 - sigma) / load).exp();
    }
    near(
        mean(&world(100, load, 200), RoundRobin),
        1.0 / (1.0 - sigma),
        0.05,
    );
}

#[test]
fn a_closed_loop_asks_as_often_as_it_is_answered() {
    // X = N / (Z + R), whatever else is so.
    let think = Distribution::Exponential { mean: 0.5 };
    for clients in [1, 20, 200] {
        let mut scenario = world(2, 0.0, 300);
        scenario.clients[0].asks = Asks::Closed { clients, think };
        let outcome = run(&scenario, LeastRequest, 1);
        let response = outcome.latency.mean().as_secs_f64();
        let rate = outcome.all_requests as f64 / 300.0;
        near(rate, f64::from(clients) / (0.5 + response), 0.06);
    }
}

#[test]
fn utilization_is_load() {
    for load in [0.3, 0.7] {
        let outcome = run(&world(10, load, 400), LeastRequest, 1);
        near(outcome.mean_utilization(), load, 0.02);
        assert!(outcome.busiest() < 1.05 && outcome.variation() < 0.03);
    }
}
