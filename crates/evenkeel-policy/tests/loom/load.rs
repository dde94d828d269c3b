//! Workers that measure the same endpoint at once, and the balancers that compare what they measured.

use std::time::Duration;

use evenkeel_base::Rng;
use evenkeel_base::rules::BalancerRules;
use evenkeel_policy::{Balancer, Candidate, Decay, Load, Member, Observed, Report, Tried, Wanted};
use loom::sync::Arc;
use loom::thread;

const DECAY: Decay = Decay::over(Duration::from_secs(1));

/// An attempt: milliseconds that it took, and when it ended.
type Attempt = (u64, u64);

fn observe(load: &Load, (took, ended): Attempt) {
    let observed = Observed {
        latency: Some(Duration::from_millis(took)),
        ..Observed::default()
    };
    load.observe_peak(&observed, ended * 1_000, DECAY);
    load.observe_average(&observed, ended * 1_000, DECAY);
}

/// Peak and average two seconds after the beginning.
fn seen(load: &Load) -> [Option<u32>; 2] {
    let whole = |latency: Option<f32>| latency.map(|us| us.round() as u32);
    [
        whole(load.peak_us(2_000_000, DECAY)),
        whole(load.average_us(2_000_000, DECAY)),
    ]
}

/// What is seen after these attempts, one after the other.
fn after(attempts: &[Attempt]) -> [Option<u32>; 2] {
    let load = Load::new();
    for &attempt in attempts {
        observe(&load, attempt);
    }
    seen(&load)
}

/// Lets two workers measure and a third look on; all that is seen is what some order of the attempts gives.
fn assert_in_some_order(before: &'static [Attempt], one: Attempt, other: Attempt) {
    loom::model(move || {
        let load = Arc::new(Load::new());
        before.iter().for_each(|&attempt| observe(&load, attempt));
        let worker = |attempt| {
            let load = Arc::clone(&load);
            thread::spawn(move || observe(&load, attempt))
        };
        let workers = [worker(one), worker(other)];
        let between = seen(&load);
        workers
            .into_iter()
            .for_each(|worker| worker.join().unwrap());
        let end = seen(&load);
        let orders = [&[][..], &[one], &[other], &[one, other], &[other, one]]
            .map(|order| after(&[before, order].concat()));
        for number in [0, 1] {
            assert!(orders.iter().any(|order| order[number] == between[number]));
            let whole = &orders[3..];
            assert!(whole.iter().any(|order| order[number] == end[number]));
        }
    });
}

#[test]
fn no_measurement_is_lost_or_torn() {
    assert_in_some_order(&[], (10, 1_000), (100, 2_000));
    assert_in_some_order(&[], (100, 1_000), (10, 2_000));
}

#[test]
fn no_measurement_beside_older_ones_is() {
    assert_in_some_order(&[(100, 0)], (10, 1_000), (50, 2_000));
    assert_in_some_order(&[(10, 500)], (200, 1_999), (300, 1_998));
}

/// An idle endpoint that is measured.
#[derive(Debug)]
struct Endpoint(Load);

impl Candidate for Endpoint {
    fn weight(&self) -> u16 {
        1
    }

    fn in_flight(&self) -> u32 {
        0
    }

    fn share(&self) -> u16 {
        1_000
    }

    fn has_room(&self) -> bool {
        true
    }

    fn load(&self) -> Option<&Load> {
        Some(&self.0)
    }
}

fn world(rules: &BalancerRules) -> Arc<(Balancer, [Endpoint; 2])> {
    let member = Member {
        id: "",
        weight: 1,
        rank: 0,
    };
    let balancer = Balancer::new(rules, &[member; 2], None);
    Arc::new((balancer, [Endpoint(Load::new()), Endpoint(Load::new())]))
}

fn pick(world: &(Balancer, [Endpoint; 2])) -> usize {
    let tried = Tried::new();
    let picked = world
        .0
        .pick(&world.1, Wanted::new(&tried), &mut Rng::new(1));
    picked.unwrap()
}

#[test]
fn idle_endpoints_take_turns_whoever_picks() {
    loom::model(|| {
        let world = world(&BalancerRules::LeastConnections);
        let other = {
            let world = Arc::clone(&world);
            thread::spawn(move || pick(&world))
        };
        let here = pick(&world);
        assert_ne!(here, other.join().unwrap());
    });
}

#[test]
fn a_pick_while_weights_are_made_anew_finds_an_endpoint() {
    loom::model(|| {
        let rules = BalancerRules::ReportedLoad(evenkeel_base::rules::ReportedRules::DEFAULT);
        let world = world(&rules);
        let other = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                let report = Report {
                    requests_per_second: Some(10.0),
                    utilization: Some(0.5),
                    ..Report::default()
                };
                let observed = Observed {
                    report,
                    ..Observed::default()
                };
                world.0.observe(&world.1, 1, &observed, 0);
                world.0.tick(&world.1, 0);
            })
        };
        assert!(pick(&world) < 2);
        other.join().unwrap();
        assert_eq!(world.1[1].0.reported_weight(0, 1), Some(20.0));
    });
}
