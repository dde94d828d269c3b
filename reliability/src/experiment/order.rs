//! Whether the order that the simulator puts balancers in is the real one.
//!
//! The simulator's order is a partial one: two balancers are apart when, over all of its seeds, the worst run of one is better
//! than the best run of the other by a factor. All others are tied, and reality may put them in either order.

use super::Spread;

/// Two balancers that the simulator puts apart, by position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The better one.
    pub better: usize,
    /// The worse one.
    pub worse: usize,
    /// How many times as long the worse one takes in the simulator, from middle to middle,
    pub simulated: f64,
    /// and really.
    pub real: f64,
}

impl Pair {
    /// Whether reality has them in that order.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.real > 1.0
    }
}

/// Every pair that the simulator puts apart by more than `factor`. `runs` has for each balancer what was simulated and what was
/// real.
#[must_use]
pub fn pairs(runs: &[(Spread, Spread)], factor: f64) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (better, (sim, real)) in runs.iter().enumerate() {
        for (worse, (worse_sim, worse_real)) in runs.iter().enumerate() {
            if worse_sim.least.as_secs_f64() > sim.most.as_secs_f64() * factor {
                pairs.push(Pair {
                    better,
                    worse,
                    simulated: times(worse_sim, sim),
                    real: times(worse_real, real),
                });
            }
        }
    }
    pairs
}

fn times(long: &Spread, short: &Spread) -> f64 {
    long.middle.as_secs_f64() / short.middle.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn spread(millis: [u64; 3]) -> Spread {
        Spread::of(millis.into_iter().map(Duration::from_millis))
    }

    #[test]
    fn those_that_are_apart_in_every_run_are_a_pair() {
        let runs = [
            (spread([90, 100, 110]), spread([100, 120, 130])),
            (spread([200, 220, 230]), spread([80, 90, 200])),
            (spread([115, 300, 400]), spread([350, 360, 370])),
        ];
        let found = pairs(&runs, 1.2);
        let ends: Vec<_> = found.iter().map(|one| (one.better, one.worse)).collect();
        assert_eq!(ends, [(0, 1)], "the third is near both in some run");
        assert!((found[0].simulated - 2.2).abs() < 1e-9);
        assert!((found[0].real - 0.75).abs() < 1e-9 && !found[0].holds());
        assert!(pairs(&runs, 2.0).is_empty());
        assert_eq!(pairs(&runs, 1.0).len(), 2);
    }
}
