//! What is measured of an endpoint and what it reports of itself: the numbers beyond its requests in flight that balancers
//! compare.
//!
//! One block per endpoint, 24 bytes, written by all workers through `&self`. Which of its numbers are kept up to date is the
//! balancer's decision ([`Balancer::observe`](crate::Balancer::observe)): one that compares no latencies measures none.
//!
//! Latency is kept in two ways, for two questions. The *peak* rises at once and falls slowly: how bad may it be? The *average*
//! is the mean over time: how is it as a rule? Both are of all loads that the endpoint had in that time. An estimate for
//! just the present number of requests in flight needs a cell for each range of numbers, and a short decay does not stand in for
//! it; Prequal keeps its own.
//!
//! A number that is older than three of its decays is none: an endpoint that nobody has asked for so long may be as good as any.
//!
//! Microseconds throughout; `now_us` is the clock of [`Wanted::now_us`](crate::Wanted::now_us).

mod cell;
mod report;

use std::time::Duration;

use evenkeel_base::GrpcStatus;

use cell::Cell;
pub use report::{MOST_BYTES, Report};

/// A failed attempt counts as one that took at least so long: 1 s. An endpoint that fails in a millisecond would otherwise be the
/// fastest, and get all requests ("sinkholing").
const FAILED_US: f32 = 1_000_000.0;

/// And as at least so many times of what its endpoint's latency is: where a second is fast, failing must be slow too.
const FAILED_TIMES: f32 = 2.0;

/// No latency counts as more: 1 min. Failures double it, and what has grown for an hour would need as long to be forgotten.
const MOST_US: f32 = 60_000_000.0;

/// How fast a measurement loses its weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decay {
    /// One through the time in which the weight falls to 1/e, in milliseconds.
    per_ms: f32,
    /// A measurement without a newer one counts as none after so many milliseconds.
    forget_ms: u32,
}

impl Decay {
    /// To 1/e over that time; at least a millisecond, at most a day.
    #[must_use]
    pub const fn over(time: Duration) -> Self {
        const DAY_MS: u128 = 86_400_000;
        let ms = time.as_millis();
        #[expect(clippy::cast_possible_truncation, reason = "a day is 27 bits")]
        let ms = if ms == 0 {
            1
        } else if ms > DAY_MS {
            DAY_MS as u32
        } else {
            ms as u32
        };
        Self {
            #[expect(
                clippy::cast_precision_loss,
                reason = "seven digits of a time are enough"
            )]
            per_ms: 1.0 / ms as f32,
            forget_ms: 3 * ms,
        }
    }

    /// What is left of a weight of 1 after that time.
    #[inline]
    #[expect(
        clippy::cast_precision_loss,
        reason = "seven digits of a time are enough"
    )]
    fn left(self, age_ms: u32) -> f32 {
        (-(age_ms as f32) * self.per_ms).exp()
    }
}

/// The numbers of one endpoint.
#[derive(Debug)]
pub struct Load {
    peak: Cell,
    average: Cell,
    /// A weight, and when the report came that it follows from.
    reported: Cell,
}

impl Default for Load {
    fn default() -> Self {
        Self::new()
    }
}

impl Load {
    /// Nothing known.
    #[must_use]
    pub fn new() -> Self {
        Self {
            peak: Cell::new(),
            average: Cell::new(),
            reported: Cell::new(),
        }
    }

    /// The average latency.
    #[inline]
    #[must_use]
    pub fn average_us(&self, now_us: u64, decay: Decay) -> Option<f32> {
        let (value, age) = self.average.get(millis(now_us))?;
        (age <= decay.forget_ms).then_some(value)
    }

    /// The peak latency, less what has decayed of it since.
    #[inline]
    #[must_use]
    pub fn peak_us(&self, now_us: u64, decay: Decay) -> Option<f32> {
        let (value, age) = self.peak.get(millis(now_us))?;
        (age <= decay.forget_ms).then(|| value * decay.left(age))
    }

    /// Takes an attempt into the average latency: a mean in which each attempt has the weight of the time since the one before
    /// it. Of those in the same millisecond the first counts, so a busy endpoint's cell is written a thousand times a second at
    /// most.
    pub fn observe_average(&self, observed: &Observed, now_us: u64, decay: Decay) {
        self.average.update(millis(now_us), |before| {
            let before = before.filter(|&(_, age)| age <= decay.forget_ms);
            let latency = counted(observed, before.map(|(value, _)| value), FAILED_US)?;
            match before {
                None => Some(latency),
                Some((_, 0)) => None,
                Some((value, age)) => Some(latency + (value - latency) * decay.left(age)),
            }
        });
    }

    /// Takes an attempt into the peak latency: one above it is the peak, one below draws it down by the time that has passed.
    pub fn observe_peak(&self, observed: &Observed, now_us: u64, decay: Decay) {
        self.peak.update(millis(now_us), |before| {
            let before = before.filter(|&(_, age)| age <= decay.forget_ms);
            let before_us = before.map(|(value, _)| value);
            // One error in a thousand would keep every peak at a second: it is no peak, and draws none down.
            let latency = counted(observed, before_us, before_us.unwrap_or(FAILED_US))?;
            match before {
                Some((value, 0)) if latency <= value => None,
                Some((value, age)) if latency <= value => {
                    Some(latency + (value - latency) * decay.left(age))
                }
                _ => Some(latency),
            }
        });
    }

    /// The weight that follows from what the endpoint reported, when that was no longer ago than `expire_ms`.
    #[must_use]
    pub fn reported_weight(&self, now_us: u64, expire_ms: u32) -> Option<f32> {
        let (weight, age) = self.reported.get(millis(now_us))?;
        (age <= expire_ms).then_some(weight)
    }

    /// Sets that weight; one that is not above 0 or not finite leaves what is there.
    pub fn set_reported_weight(&self, weight: f32, now_us: u64) {
        if weight.is_finite() && weight > 0.0 {
            self.reported.update(millis(now_us), |_| Some(weight));
        }
    }
}

/// The latency that an attempt counts as, where that of its endpoint is `before`; none when it says nothing. An error counts as
/// no less than `error`.
fn counted(observed: &Observed, before: Option<f32>, error: f32) -> Option<f32> {
    let latency = observed
        .latency
        .map(|latency| (latency.as_secs_f32() * 1e6).clamp(1.0, MOST_US));
    if !observed.failed {
        let least = if observed.erred { error } else { 0.0 };
        return latency.map(|latency| latency.max(least));
    }
    let floor = FAILED_US.max(before.unwrap_or(0.0) * FAILED_TIMES);
    Some(latency.unwrap_or(0.0).max(floor).min(MOST_US))
}

/// Milliseconds in 32 bits; they begin anew after 49 days, which [`Cell::get`] lives with.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "only differences are looked at"
)]
const fn millis(us: u64) -> u32 {
    (us / 1_000) as u32
}

/// What an attempt, or a probe for load, showed of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Observed {
    /// How long it took to the response's head, or to fail; none when that is not known.
    pub latency: Option<Duration>,
    /// Whether it ended with a gateway fault: one that fails fast must not look fast.
    pub failed: bool,
    /// Whether it was answered with an error of the endpoint's own ([`Observed::is_error`]): how quick that was says nothing.
    pub erred: bool,
    /// Requests in flight there, as evenkeel counts them, when the attempt began; it is none of them.
    pub in_flight: u32,
    /// What the endpoint said of itself.
    pub report: Report,
}

impl Observed {
    /// Whether a response with that status says that its endpoint could not do what it should. It is alive, so outlier detection
    /// does not count it, and faster than all who do the work: a balancer that compares latencies would send it nearly
    /// everything. 501 and 505 are about the request, 502 to 504 are gateway faults. Of a call of gRPC whose status is known with
    /// the response's head, what is about the system and no gateway fault.
    #[must_use]
    pub const fn is_error(status: u16, grpc: Option<GrpcStatus>) -> bool {
        let of_call = matches!(
            grpc,
            Some(GrpcStatus::Unknown | GrpcStatus::Internal | GrpcStatus::DataLoss)
        );
        of_call || matches!(status, 500 | 506..=599)
    }
}

#[cfg(test)]
mod tests;
