//! When clients ask, and what for.

use std::time::Duration;

use evenkeel_base::Rng;

use crate::chance::{self, exponential, pow};
use crate::scenario::{Asks, Clients, Keys};
use crate::time::{Nanos, from_duration, from_seconds, seconds};

/// One group of clients at work.
#[derive(Debug)]
pub(crate) struct Arrivals {
    /// Pieces of constant rate: from when on, and how many requests a second.
    rates: Vec<(Nanos, f64)>,
    /// The piece that time is in.
    piece: usize,
    at: Nanos,
    rng: Rng,
    keys: Zipf,
    idempotent: f64,
}

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) node: u32,
    pub(crate) key: Option<u64>,
    pub(crate) idempotent: bool,
}

impl Arrivals {
    /// The clients of a group, where endpoints can serve `capacity` requests a second.
    pub(crate) fn new(clients: &Clients, capacity: f64, rng: Rng) -> Self {
        let rates = match &clients.asks {
            Asks::Open { rate, steps } => {
                let base = rate.per_second(capacity);
                let later = steps
                    .iter()
                    .map(|step| (from_duration(step.at), base * step.factor));
                std::iter::once((0, base)).chain(later).collect()
            }
            Asks::Closed { .. } => Vec::new(),
        };
        Self {
            rates,
            piece: 0,
            at: 0,
            rng,
            keys: Zipf::new(clients.keys),
            idempotent: clients.idempotent,
        }
    }

    /// When the next request of an open loop comes; none when the rate stays 0. Within each piece of constant rate pauses
    /// are exponential; what of a pause is left at the end of a piece goes on at the next rate.
    pub(crate) fn next(&mut self) -> Option<Nanos> {
        let mut left = exponential(&mut self.rng);
        loop {
            let (_, rate) = *self.rates.get(self.piece)?;
            let end = self.rates.get(self.piece + 1).map(|(end, _)| *end);
            let holds = end.map(|end| seconds(end.saturating_sub(self.at)) * rate);
            if let (Some(end), Some(holds)) = (end, holds)
                && holds < left
            {
                left -= holds;
                self.at = end;
                self.piece += 1;
                continue;
            }
            if rate <= 0.0 {
                return None;
            }
            self.at = self.at.saturating_add(from_seconds(left / rate));
            return Some(self.at);
        }
    }

    /// What a request is.
    pub(crate) fn ask(&mut self, nodes: u32) -> Ask {
        let node = self.rng.below(nodes);
        let idempotent = self.idempotent >= 1.0 || chance::unit(&mut self.rng) <= self.idempotent;
        Ask {
            node,
            key: self.keys.draw(&mut self.rng),
            idempotent,
        }
    }

    /// How long a client of a closed loop thinks.
    pub(crate) fn thinks(&mut self, asks: &Asks) -> Nanos {
        match asks {
            Asks::Closed { think, .. } => from_seconds(think.draw(&mut self.rng)),
            Asks::Open { .. } => from_duration(Duration::ZERO),
        }
    }
}

/// Keys of unequal popularity.
#[derive(Debug)]
struct Zipf {
    /// How likely a key is one of the first so many.
    sums: Vec<f64>,
}

impl Zipf {
    fn new(keys: Keys) -> Self {
        let mut sum = 0.0;
        let mut sums: Vec<f64> = (1..=keys.count)
            .map(|rank| {
                sum += pow(f64::from(rank), -keys.skew);
                sum
            })
            .collect();
        sums.iter_mut().for_each(|one| *one /= sum);
        Self { sums }
    }

    /// The hash of a key.
    fn draw(&self, rng: &mut Rng) -> Option<u64> {
        if self.sums.is_empty() {
            return None;
        }
        let at = chance::unit(rng);
        let rank = self.sums.partition_point(|sum| *sum < at);
        Some(Rng::new(rank as u64).next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::Distribution;
    use crate::scenario::{Rate, Step};
    use crate::time::SECOND;

    fn clients(steps: &[(u64, f64)], keys: Keys) -> Clients {
        let step = |(at, factor): &(u64, f64)| Step {
            at: Duration::from_secs(*at),
            factor: *factor,
        };
        Clients {
            name: "web".to_owned(),
            asks: Asks::Open {
                rate: Rate::Load(0.5),
                steps: steps.iter().map(step).collect(),
            },
            timeout: Duration::MAX,
            idempotent: 0.75,
            keys,
        }
    }

    const NONE: Keys = Keys {
        count: 0,
        skew: 0.0,
    };

    #[test]
    fn the_rate_is_a_step_function_of_time() {
        let clients = clients(&[(10, 10.0), (20, 0.0), (30, 2.0), (40, 0.0)], NONE);
        let mut arrivals = Arrivals::new(&clients, 2_000.0, Rng::new(1));
        let mut by_ten = [0_u32; 6];
        while let Some(at) = arrivals.next() {
            by_ten[usize::try_from(at / (10 * SECOND)).unwrap()] += 1;
        }
        for (seen, want) in by_ten.into_iter().zip([10_000, 100_000, 0, 20_000, 0, 0]) {
            assert!(seen.abs_diff(want) <= want / 20, "{by_ten:?}");
        }
    }

    #[test]
    fn keys_follow_zipf() {
        let keys = Keys {
            count: 1_000,
            skew: 1.0,
        };
        let mut arrivals = Arrivals::new(&clients(&[], keys), 1.0, Rng::new(1));
        let mut seen = std::collections::HashMap::new();
        let mut idempotent = 0;
        for _ in 0..100_000 {
            let ask = arrivals.ask(4);
            idempotent += u32::from(ask.idempotent);
            *seen.entry(ask.key.unwrap()).or_insert(0_u32) += 1;
        }
        assert!(idempotent.abs_diff(75_000) < 1_000, "{idempotent}");
        let mut counts: Vec<u32> = seen.into_values().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        // 1 / H(1,000) = 13.4 %, and half of that for the second.
        assert!(counts[0].abs_diff(13_360) < 500, "{}", counts[0]);
        assert!(counts[1].abs_diff(6_680) < 400, "{}", counts[1]);
    }

    #[test]
    fn who_has_no_keys_has_none_and_who_thinks_takes_time() {
        let mut arrivals = Arrivals::new(&clients(&[], NONE), 1.0, Rng::new(1));
        assert_eq!(arrivals.ask(1).key, None);
        let think = Distribution::Constant { mean: 0.25 };
        let closed = Asks::Closed { clients: 1, think };
        assert_eq!(arrivals.thinks(&closed), SECOND / 4);
    }
}
