//! What a run showed, simulated or real, in the same words; and what several runs showed together.

use std::time::Duration;

use evenkeel_sim::Outcome;

use crate::run::Run;

/// What a run showed of the requests that began after the warm-up.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// How many there were.
    pub requests: u64,
    /// How many of them failed.
    pub failed: u64,
    /// What half of them took at most; one that failed took for ever ([`Duration::MAX`]).
    pub p50: Duration,
    /// What nine of ten took at most.
    pub p90: Duration,
    /// What 99 of a hundred took at most.
    pub p99: Duration,
    /// The part of them that each endpoint answered, or was given in the simulator, in the order of the scenario.
    pub shares: Vec<f64>,
    /// The longest that the machine held the client up; none in the simulator.
    pub held_up: Duration,
}

/// A figure in several runs: the smallest, the one in the middle, the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The smallest.
    pub least: Duration,
    /// The one in the middle; the upper one of two.
    pub middle: Duration,
    /// The largest.
    pub most: Duration,
}

impl Figures {
    /// What the simulator found.
    pub(super) fn simulated(outcome: &Outcome) -> Self {
        let at = |share| outcome.latency.quantile(share).unwrap_or(Duration::MAX);
        let given = outcome.endpoints.iter().map(|one| one.attempts);
        Self {
            requests: outcome.requests,
            failed: outcome.latency.failed(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            shares: shares(given),
            held_up: Duration::ZERO,
        }
    }

    /// What was found with so many endpoints, after the warm-up.
    pub(super) fn real(run: &Run, warm_up: Duration, endpoints: usize) -> Self {
        let counted = || run.began_within(warm_up, Duration::MAX);
        let mut times: Vec<Duration> = counted()
            .map(|one| {
                if one.is_good() {
                    one.took
                } else {
                    Duration::MAX
                }
            })
            .collect();
        times.sort_unstable();
        let at = |per_cent: usize| {
            let rank = (times.len() * per_cent).div_ceil(100).max(1);
            times.get(rank - 1).copied().unwrap_or(Duration::MAX)
        };
        let mut answered = vec![0; endpoints];
        for life in counted().filter_map(|one| one.by) {
            answered[life.endpoint] += 1;
        }
        Self {
            requests: times.len() as u64,
            failed: counted().filter(|one| !one.is_good()).count() as u64,
            p50: at(50),
            p90: at(90),
            p99: at(99),
            shares: shares(answered.into_iter()),
            held_up: run.held_up,
        }
    }
}

impl Spread {
    /// Of these times. Of none: from nothing to for ever.
    #[must_use]
    pub fn of(times: impl Iterator<Item = Duration>) -> Self {
        let mut times: Vec<Duration> = times.collect();
        times.sort_unstable();
        Self {
            least: times.first().copied().unwrap_or(Duration::ZERO),
            middle: times.get(times.len() / 2).copied().unwrap_or(Duration::MAX),
            most: times.last().copied().unwrap_or(Duration::MAX),
        }
    }
}

fn shares(counts: impl Iterator<Item = u64> + Clone) -> Vec<f64> {
    let all: u64 = counts.clone().sum();
    counts.map(|one| one as f64 / all.max(1) as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::Pages;
    use crate::exchange::{Exchange, Kind, Life, Outcome as Came};

    fn exchange(at: u64, took: u64, endpoint: Option<usize>) -> Exchange {
        Exchange {
            id: at,
            load: 0,
            kind: Kind::Get,
            began: Duration::from_millis(at),
            took: Duration::from_millis(took),
            by: endpoint.map(|endpoint| Life {
                endpoint,
                number: 1,
            }),
            outcome: endpoint.map_or(Came::Silence, |_| Came::Answer(200)),
        }
    }

    #[test]
    fn only_what_began_after_the_warm_up_counts_and_failing_is_not_fast() {
        let mut exchanges = vec![exchange(9, 1_000, Some(0))];
        exchanges.extend((10..107).map(|at| exchange(at, at, Some(1))));
        exchanges.push(exchange(107, 107, Some(0)));
        exchanges.extend([exchange(108, 1, None), exchange(109, 1, None)]);
        let run = Run {
            notes: std::collections::BTreeMap::new(),
            samples: Vec::new(),
            exchanges,
            pages: Pages::default(),
            marks: Vec::new(),
            start: std::time::Instant::now(),
            took: Duration::from_secs(1),
            held_up: Duration::ZERO,
            leeway: 1,
        };
        let found = Figures::real(&run, Duration::from_millis(10), 2);
        let millis = Duration::from_millis;
        assert_eq!((found.requests, found.failed), (100, 2));
        assert_eq!((found.p50, found.p90), (millis(59), millis(99)));
        assert_eq!(found.p99, Duration::MAX);
        assert_eq!(found.shares, [1.0 / 98.0, 97.0 / 98.0]);
    }

    #[test]
    fn a_spread_has_two_ends_and_a_middle() {
        let millis = Duration::from_millis;
        let spread = Spread::of([3, 1, 2].into_iter().map(millis));
        let [least, middle, most] = [1, 2, 3].map(millis);
        assert_eq!(
            spread,
            Spread {
                least,
                middle,
                most
            }
        );
        assert_eq!(Spread::of([].into_iter()).middle, Duration::MAX);
    }
}
