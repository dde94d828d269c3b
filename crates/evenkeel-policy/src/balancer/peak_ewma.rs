//! Peak EWMA: of two endpoints drawn by weight, the one with the lower product of latency and load, where the latency rises
//! at once and falls slowly.
//!
//! Source: `PeakEwma` of Finagle (`com.twitter.finagle.loadbalancer`), which linkerd uses too. The cost is peak
//! latency × (in flight + 1) / weight: what a request would wait for if all in flight waited for one another. The peak is
//! [`Load`]'s: one slow response counts in full at once and is forgotten at the rate of `decay`, so a hiccup
//! costs an endpoint some seconds of traffic, while with an average many requests would have to suffer first.
//!
//! What it keeps: endpoints whose latencies are within a quarter of each other share as by `least-request`, by weight. One that was not
//! measured within three decays is tried as soon as it is idle, but with a request in flight and no answer it counts as slower than
//! all others, so it gets one request and not a flood. A failed attempt counts as a slow one, and an error of the
//! endpoint's own, such as 500, draws no peak down. No endpoint with a
//! smaller part of its share takes the place of the first draw, as in `least-request`.
//!
//! Choose it where endpoints differ in speed, or slow down at times, and requests are alike. Where requests differ much (a report among lookups), the
//! peak is that of the slowest request and says little of the endpoint. It costs one clock reading per pick and one
//! update per response.

use std::time::Duration;

use evenkeel_base::Rng;

use super::Wanted;
use super::latency::{EQUAL, assumed};
use super::weighted::Weighted;
use crate::load::{Decay, Observed};
use crate::{Candidate, Load};

/// The balancer `peak-ewma`.
#[derive(Debug)]
pub struct PeakEwma {
    weighted: Weighted,
    decay: Decay,
}

impl PeakEwma {
    /// For endpoints with these weights. After `decay`, what is left of a peak is 1/e of it.
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
        let first = self.weighted.pick(from, wanted, rng)?;
        if from.len() == 1 {
            return Some(first);
        }
        let Some(second) = self.weighted.pick_other(from, wanted, first, rng) else {
            return Some(first);
        };
        let better = self.costs_less(&from[second], &from[first], wanted);
        Some(if better { second } else { first })
    }

    /// See [`Balancer::observe`](super::Balancer::observe).
    pub fn observe<C: Candidate>(&self, from: &[C], at: usize, observed: &Observed, now_us: u64) {
        if let Some(load) = from.get(at).and_then(Candidate::load) {
            load.observe_peak(observed, now_us, self.decay);
        }
    }

    /// Whether `a` is worth leaving the first draw `b` for.
    #[inline]
    fn costs_less<C: Candidate>(&self, a: &C, b: &C, wanted: Wanted<'_>) -> bool {
        if a.share() < b.share() && !wanted.regardless {
            return false;
        }
        let (a_load, b_load) = (a.in_flight(), b.in_flight());
        let peak = |load: &Load| load.peak_us(wanted.now_us, self.decay);
        let mut a_latency = assumed(a.load().and_then(peak), a_load);
        let b_latency = assumed(b.load().and_then(peak), b_load);
        if a_latency <= b_latency * EQUAL && b_latency <= a_latency * EQUAL {
            a_latency = b_latency;
        }
        if a_load == 0 && b_load == 0 {
            // Weights say how much endpoints bear, not how fast they are; and see `least_request.rs` on ties.
            return a_latency < b_latency;
        }
        let cost = |latency: f32, load: u32| f64::from(latency) * (f64::from(load) + 1.0);
        cost(a_latency, a_load) * f64::from(b.weight())
            < cost(b_latency, b_load) * f64::from(a.weight())
    }
}
