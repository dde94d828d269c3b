//! The simulator's order of p99 is the real one: the balancing experiment in its short form, with the real binary.
//!
//! Only balancers that the simulator puts apart by a factor of two and more, in every one of its runs: a busy machine adds some
//! milliseconds to a p99, and does not double it. (One that stands still for longer does: such a run is played again, whatever it
//! showed.) `cargo xtask experiment` compares all of them at length.

#![expect(
    clippy::tests_outside_test_module,
    reason = "all of this is test code, also what is outside of a #[test]"
)]

use std::path::PathBuf;
use std::time::Duration;

use evenkeel_reliability::experiment::{Entrant, Figures, Pair, SCENARIO, Spread, Trial, pairs};
use evenkeel_reliability::proxy::Programs;

/// From the best to the worst.
const ORDER: [&str; 3] = ["least-time", "least-request", "round-robin"];

/// Clients ask for so long, the warm-up included: some 2,000 requests count.
const LENGTH: Duration = Duration::from_secs(9);

const APART: f64 = 2.0;

#[test]
fn the_order_of_p99_is_that_of_the_simulator() {
    let programs = Programs {
        origin: PathBuf::from(env!("CARGO_BIN_EXE_bad-day-origin")),
    };
    let (mut runs, mut held_up) = (Vec::new(), Vec::new());
    for name in ORDER {
        let entrant = Entrant::find(name).expect("a balancer of the experiment");
        let trial = Trial::new(SCENARIO, entrant, Some(LENGTH)).expect("the scenario is sound");
        let simulated: Vec<Figures> = (1..=5).map(|seed| trial.simulate(seed)).collect();
        let tell = |real: &Figures| eprintln!("{name}: really {real:?}");
        let (real, _) = trial
            .undisturbed(1, 2, &programs, tell)
            .expect("it is played to its end");
        let simulated = Spread::of(simulated.iter().map(|run| run.p99));
        eprintln!("{name}: simulated p99 {simulated:?}");
        runs.push((simulated, Spread::of([real.p99].into_iter())));
        held_up.push(real.held_up);
    }
    let pairs = pairs(&runs, APART);
    let ends: Vec<_> = pairs.iter().map(|pair| (pair.better, pair.worse)).collect();
    assert_eq!(ends, [(0, 1), (0, 2), (1, 2)], "the simulator says so");
    for Pair { better, worse, .. } in pairs {
        // A machine that held the client up for some time may have added as much to each latency.
        let (p99, added) = (runs[better].1.middle, held_up[better]);
        assert!(
            p99.saturating_sub(added) < runs[worse].1.middle,
            "{} before {}: {runs:?}, held up {added:?}",
            ORDER[better],
            ORDER[worse]
        );
    }
}
