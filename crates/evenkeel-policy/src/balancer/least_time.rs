//! Least time: of all endpoints the one with the lowest product of average latency and load for its weight.
//!
//! The rule of nginx Plus's `least_time header`, and of queueing theory's "shortest expected delay": a request goes where latency × (in flight + 1) /
//! weight is the least. The average is [`Load`](crate::Load)'s, a mean over time to the response's head with the given decay. Of
//! endpoints that cost the same a random one by weight gets the request.
//!
//! What it keeps: latencies within a quarter of the shortest are equal to it, so endpoints that are alike share by weight as
//! with `least-connections`. Whatever was not measured within three decays is tried as soon as it is idle, one
//! request at a time until it has answered: so an endpoint that was slow comes back, for the price of one request in three
//! decays. A failed attempt counts as a slow one, and so does an error of the endpoint's own, such as 500.
//!
//! Choose it for a few endpoints that differ in speed for good: other machines, other places. It follows the fastest
//! endpoint closely; with many nodes all follow it at once, and a pick looks at all endpoints. Then `peak-ewma` or
//! `prequal` do better.
//!
//! Who takes part, idle endpoints, and slow start: `scan.rs`.

use std::time::Duration;

use evenkeel_base::Rng;

use super::Wanted;
use super::latency::{EQUAL, assumed};
use super::scan::Scan;
use super::weighted::Weighted;
use crate::Candidate;
use crate::load::{Decay, Observed};

/// The balancer `least-time`.
#[derive(Debug)]
pub struct LeastTime {
    weighted: Weighted,
    decay: Decay,
}

impl LeastTime {
    /// For endpoints with these weights. After `decay`, an old latency weighs 1/e of a new one.
    #[must_use]
    pub fn new(weights: &[u16], decay: Duration) -> Self {
        Self {
            weighted: Weighted::new(weights),
            decay: Decay::over(decay),
        }
    }

    /// See [`Balancer::pick`](super::Balancer::pick).
    #[inline(never)]
    pub fn pick<C: Candidate>(
        &self,
        from: &[C],
        wanted: Wanted<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        let scan = Scan::new(&self.weighted, from, wanted, rng)?;
        let measured = |c: &C| {
            c.load()
                .and_then(|load| load.average_us(wanted.now_us, self.decay))
        };
        let shortest = scan.shortest(|c| measured(c).map(f64::from));
        let latency = |c: &C| {
            let latency = f64::from(assumed(measured(c), c.in_flight()));
            if latency > shortest && latency <= shortest * f64::from(EQUAL) {
                shortest
            } else {
                latency
            }
        };
        let least = scan.least(latency);
        Some(scan.one_of(least, latency, rng))
    }

    /// See [`Balancer::observe`](super::Balancer::observe).
    pub fn observe<C: Candidate>(&self, from: &[C], at: usize, observed: &Observed, now_us: u64) {
        if let Some(load) = from.get(at).and_then(Candidate::load) {
            load.observe_average(observed, now_us, self.decay);
        }
    }
}
