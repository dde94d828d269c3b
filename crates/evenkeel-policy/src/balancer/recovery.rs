//! The law of every balancer that compares latencies: an endpoint that was bad and is well again gets its share back within a stated
//! time, whatever was measured of it, and whatever it says of itself while it gets no requests.

use std::time::Duration;

use evenkeel_base::rules::{BalancerRules, PrequalRules, Signals};

use super::traffic::{Traffic, sites};

const ENDPOINTS: usize = 8;
const CLIENTS: usize = 8;

/// Those that compare latencies, and after how many seconds the endpoint is to have its share. What is left of a peak of 20
/// times the latency is within a quarter of the latency after 2.8 decays of 10 s; an average is forgotten after three. What
/// Prequal measured is forgotten after 10 s.
fn all() -> [(&'static str, BalancerRules, u64); 5] {
    let prequal = |signals| {
        BalancerRules::Prequal(PrequalRules {
            signals,
            ..PrequalRules::DEFAULT
        })
    };
    let decay = Duration::from_secs(10);
    [
        ("peak-ewma", BalancerRules::PeakEwma { decay }, 30),
        ("least-time", BalancerRules::LeastTime { decay }, 31),
        ("prequal, own", prequal(Signals::Own), 11),
        (
            "prequal, header",
            prequal(Signals::Header("load".into())),
            11,
        ),
        (
            "prequal, probe",
            prequal(Signals::Probe("/load".into())),
            11,
        ),
    ]
}

/// What the bad endpoint does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bad {
    Slow,
    Fails,
}

#[test]
fn who_was_bad_and_is_well_again_gets_its_share_back() {
    for (name, rules, seconds) in all() {
        for bad in [Bad::Slow, Bad::Fails] {
            let from = sites(&[1; ENDPOINTS]);
            let mut traffic = Traffic::new(&rules, &from).with_reports();
            traffic.run(&from, CLIENTS, 5);
            match bad {
                Bad::Slow => from[3].micros.set(200_000),
                Bad::Fails => from[3].fails.set(true),
            }
            let share = traffic.run(&from, CLIENTS, 20)[3];
            assert!(share < 0.04, "{name}, {bad:?}: {share} while it is bad");
            from[3].micros.set(10_000);
            from[3].fails.set(false);
            traffic.run(&from, CLIENTS, seconds);
            let share = traffic.run(&from, CLIENTS, 5)[3];
            let fair = 1.0 / ENDPOINTS as f64;
            assert!(
                share > 0.7 * fair,
                "{name}, {bad:?}: {share} after {seconds} s"
            );
        }
    }
}
