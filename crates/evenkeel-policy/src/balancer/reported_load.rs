//! Reported load: a random endpoint, by weights that follow the load that endpoints report in their responses.
//!
//! Source: gRPC's `weighted_round_robin` (proposal A58), Envoy's `client_side_weighted_round_robin`. A report gives the weight
//!
//! ```text
//! requests/s ÷ (utilization + errors/s ÷ requests/s × penalty)
//! ```
//!
//! that is, how many requests a second the endpoint would serve if it were used as a whole. The configured weight multiplies
//! it. Endpoints whose last report is older than `expire`, or that never sent one, count as the mean of the others; with no
//! report at all the configured weights are all there is. Weights are made anew every `interval` in
//! [`tick`](super::Balancer::tick).
//!
//! Three differences from A58. Picks are random by weight and not in the order of a schedule, so no state is shared but the table. No
//! endpoint's report gets it more than [`MOST`] times the median or less than that part of it: one that reports
//! nonsense, or was idle when it measured, does not get all traffic or none. And there is no blackout period after a
//! new endpoint's first report: slow start is there for that, and the first weights are bounded as all are.
//!
//! The report of a failed attempt or an error is not believed: who answers 503 or 500 at once has much less to do per request.
//!
//! The bound: between two changes, shares are those of the weights, exact to the 2^-32 of the table. A pick costs the same
//! for any number of endpoints. The table is written in place, a column at a time: a pick at that moment may see old columns
//! beside new ones, each of which names an endpoint that exists.
//!
//! Choose it where endpoints differ in size or share their machines, and know their own utilization better than latency tells:
//! it steers by the resource and not by its effect, and many nodes agree because all see the same reports. It
//! reacts within `interval`, not at once; against endpoints that hang, outlier detection and timeouts must help.

use evenkeel_base::Rng;
use evenkeel_base::rules::ReportedRules;

use super::Wanted;
use super::weighted::{columns, look};
use crate::Candidate;
use crate::load::{Observed, Report};
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// How far a reported weight may be from the median of all, up or down, as a factor.
const MOST: f64 = 10.0;

/// How often a draw that does not fit is repeated before all endpoints are looked at, as in [`Weighted`](super::weighted::Weighted).
const DRAWS: usize = 8;

/// The balancer `reported-load`.
#[derive(Debug)]
pub struct ReportedLoad {
    /// Column `i` of the alias table belongs to endpoint `i`: the height up to which it stands for it in the upper half, and the
    /// endpoint that it stands for above in the lower half.
    columns: Box<[AtomicU64]>,
    /// The weights that the table was made of.
    weights: Box<[AtomicU32]>,
    /// When weights are to be made anew; only the control plane reads or writes it.
    due_us: AtomicU64,
    interval_us: u64,
    expire_ms: u32,
    error_penalty: f32,
}

impl ReportedLoad {
    /// For endpoints with these weights.
    #[must_use]
    pub fn new(weights: &[u16], rules: &ReportedRules) -> Self {
        let most = u32::MAX / 2;
        let balancer = Self {
            columns: weights.iter().map(|_| AtomicU64::new(0)).collect(),
            weights: weights.iter().map(|_| AtomicU32::new(0)).collect(),
            due_us: AtomicU64::new(0),
            interval_us: u64::try_from(rules.interval.as_micros()).unwrap_or(u64::MAX),
            expire_ms: u32::try_from(rules.expire.as_millis()).map_or(most, |ms| ms.min(most)),
            error_penalty: rules.error_penalty,
        };
        let weights: Vec<f64> = weights.iter().map(|&weight| f64::from(weight)).collect();
        balancer.set(&weights);
        balancer
    }

    /// See [`Balancer::pick`](super::Balancer::pick).
    #[inline(never)]
    pub fn pick<C: Candidate>(
        &self,
        from: &[C],
        wanted: Wanted<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        for _ in 0..DRAWS {
            match self.draw(rng) {
                Some(at) if wanted.draws(from, at, rng) => return Some(at),
                _ => {}
            }
        }
        let pull = |at: usize, candidate: &C| {
            if !wanted.fits(from, at) {
                return 0;
            }
            let weight = self.weights.get(at);
            let weight = weight.map_or(1, |weight| weight.load(Ordering::Relaxed));
            u64::from(weight.max(1)) * u64::from(wanted.share(candidate))
        };
        look(from, pull, rng)
    }

    /// See [`Balancer::observe`](super::Balancer::observe).
    pub fn observe<C: Candidate>(&self, from: &[C], at: usize, observed: &Observed, now_us: u64) {
        if observed.failed || observed.erred {
            return;
        }
        if let Some(weight) = weight(&observed.report, self.error_penalty)
            && let Some(load) = from.get(at).and_then(Candidate::load)
        {
            load.set_reported_weight(weight, now_us);
        }
    }

    /// See [`Balancer::tick`](super::Balancer::tick).
    pub fn tick<C: Candidate>(&self, from: &[C], now_us: u64) {
        if now_us < self.due_us.load(Ordering::Relaxed) {
            return;
        }
        let due = now_us.saturating_add(self.interval_us);
        self.due_us.store(due, Ordering::Relaxed);
        let reported: Vec<Option<f64>> = from
            .iter()
            .map(|candidate| {
                let weight = candidate.load()?.reported_weight(now_us, self.expire_ms)?;
                Some(f64::from(weight))
            })
            .collect();
        let mut weights = evened(&reported);
        for (weight, candidate) in weights.iter_mut().zip(from) {
            *weight *= f64::from(candidate.weight());
        }
        self.set(&weights);
    }

    /// A random endpoint, by weight alone.
    #[inline]
    fn draw(&self, rng: &mut Rng) -> Option<usize> {
        let count = u32::try_from(self.columns.len()).ok()?;
        let (at, height) = rng.below_both(count, u32::MAX);
        let column = self.columns.get(at as usize)?.load(Ordering::Relaxed);
        let own = u64::from(height) < column >> 32;
        Some(if own {
            at as usize
        } else {
            (column & 0xffff_ffff) as usize
        })
    }

    /// Makes the table of these weights. They are not negative; their scale does not matter.
    fn set(&self, weights: &[f64]) {
        let total: f64 = weights.iter().sum();
        if total <= 0.0 {
            return;
        }
        // The sum stays below 32 bits although each is rounded up to at least 1, unless there are as many endpoints as that.
        let count = u32::try_from(weights.len()).unwrap_or(u32::MAX);
        let scale = f64::from(u32::MAX - count) / total;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 32 bits by the scale"
        )]
        let whole = |weight: f64| {
            if weight > 0.0 {
                ((weight * scale) as u32).max(1)
            } else {
                0
            }
        };
        let weights: Vec<(u32, u64)> = (0..)
            .zip(weights)
            .map(|(at, &weight)| (at, u64::from(whole(weight))))
            .collect();
        let height: u64 = weights.iter().map(|(_, weight)| weight).sum();
        for (at, column) in columns(&weights, height).iter().enumerate() {
            let (Some(place), Some(weight)) = (self.columns.get(at), self.weights.get(at)) else {
                return;
            };
            // The height of the columns that are drawn from is 32 bits; full is full whatever it was.
            let split = if column.own == column.other {
                u64::from(u32::MAX)
            } else {
                (u64::from(column.split) << 32) / height.max(1)
            };
            let split = split.min(u64::from(u32::MAX));
            place.store(split << 32 | u64::from(column.other), Ordering::Relaxed);
            let whole = u32::try_from(weights[at].1).unwrap_or(u32::MAX);
            weight.store(whole, Ordering::Relaxed);
        }
    }
}

/// The weight that follows from a report; none when it says too little, or that there is nothing to do.
fn weight(report: &Report, penalty: f32) -> Option<f32> {
    let rate = report.requests_per_second.filter(|&rate| rate > 0.0)?;
    let utilization = report.utilization.filter(|&part| part > 0.0)?;
    let errors = report.errors_per_second.unwrap_or(0.0) / rate;
    Some(rate / (utilization + errors * penalty.max(0.0)))
}

/// A weight for each: what was reported, within [`MOST`] of the median, and the mean of these where nothing was.
fn evened(reported: &[Option<f64>]) -> Vec<f64> {
    let mut sorted: Vec<f64> = reported.iter().copied().flatten().collect();
    sorted.sort_by(f64::total_cmp);
    // The lower of the two in the middle, for two endpoints of which one reports far too much.
    let Some(&median) = sorted.get(sorted.len().saturating_sub(1) / 2) else {
        return vec![1.0; reported.len()];
    };
    let bound = |weight: f64| weight.clamp(median / MOST, median * MOST);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a number of endpoints is below 52 bits"
    )]
    let mean = sorted.iter().map(|&weight| bound(weight)).sum::<f64>() / sorted.len() as f64;
    reported
        .iter()
        .map(|weight| weight.map_or(mean, bound))
        .collect()
}

#[cfg(test)]
mod tests;
