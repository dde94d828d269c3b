//! The arithmetic of a rate limit: debts in ticks, on a circle of time. It remembers nothing.
//!
//! Each request of a key adds an interval (the time divided by the requests) to its debt, and time pays it. A request is
//! admitted when the debt with it is at most the span, the interval times the burst.
//!
//! ```text
//!         now       now + owed            now + span
//! ─────────┼────────────┼─────┼───────────────┼─────────▶
//!                       └──┬──┘ interval: fits before the span's end, so the request is admitted
//! ```
//!
//! A tick is a power of two of microseconds, as short as the interval needs to be right to a thousandth (it is rounded up:
//! stricter, never looser) and as long as the span needs to be a small part of the circle.

use std::time::Duration;

use evenkeel_base::rules::RateRules;

use super::Decision;

/// Bits of a time; times are compared on the circle of that many ticks.
pub(super) const TIME_BITS: u32 = 44;

/// The bits of a time.
pub(super) const TIME: u64 = (1 << TIME_BITS) - 1;

/// An interval has at least so many ticks, unless that takes ticks shorter than the shortest.
const PRECISION: u128 = 1_024;

/// The shortest tick is a microsecond divided by two to this power.
const FINEST: i32 = 12;

/// The longest span, as part of the circle.
const LONGEST_SPAN: u128 = 1 << (TIME_BITS - 4);

/// The longest time that a limit may be given for: 35 years, in microseconds.
const LONGEST: u128 = 1 << 50;

/// How far a worker's clock may lag behind another's, in microseconds.
const LAG: u64 = 10_000_000;

/// The rules in ticks.
#[derive(Debug)]
pub(super) struct Gcra {
    /// Ticks are microseconds times two to this power.
    finer: i32,
    interval: u64,
    span: u64,
    /// A debt that reaches further is none, but a time from which the circle has come round.
    furthest: u64,
}

impl Gcra {
    pub(super) fn new(rules: &RateRules) -> Self {
        let requests = u128::from(rules.requests.max(1));
        let burst = u128::from(rules.burst.max(1));
        let per = rules.per.as_micros().clamp(1, LONGEST);
        let interval = |finer: i32| {
            let (times, by) = (finer.max(0), (-finer).max(0));
            (per << times).div_ceil(requests << by)
        };
        let mut finer = 0;
        while finer < FINEST && interval(finer) < PRECISION {
            finer += 1;
        }
        while interval(finer) * burst > LONGEST_SPAN {
            finer -= 1;
        }
        let ticks = |n: u128| u64::try_from(n).unwrap_or(u64::MAX);
        let (interval, span) = (ticks(interval(finer)), ticks(interval(finer) * burst));
        let lag = shift(LAG, finer).min(1 << (TIME_BITS - 4));
        Self {
            finer,
            interval,
            span,
            furthest: span + lag,
        }
    }

    /// The place on the circle of a time in microseconds.
    pub(super) const fn ticks(&self, micros: u64) -> u64 {
        shift(micros, self.finer) & TIME
    }

    /// What is owed at `now` by who will have paid at `time`.
    pub(super) const fn owed(&self, time: u64, now: u64) -> u64 {
        let ahead = time.wrapping_sub(now) & TIME;
        if ahead <= self.furthest { ahead } else { 0 }
    }

    /// The debt with one request more; none when that is too much.
    pub(super) fn take(&self, owed: u64) -> Option<u64> {
        let more = owed + self.interval;
        (more <= self.span).then_some(more)
    }

    pub(super) fn admitted(&self, owed: u64) -> Decision {
        let left = self.span.saturating_sub(owed) / self.interval;
        Decision {
            admitted: true,
            remaining: u32::try_from(left).unwrap_or(u32::MAX),
            retry_after: Duration::ZERO,
            reset: self.time(owed),
        }
    }

    pub(super) fn refused(&self, owed: u64) -> Decision {
        Decision {
            admitted: false,
            remaining: 0,
            retry_after: self.time((owed + self.interval).saturating_sub(self.span)),
            reset: self.time(owed),
        }
    }

    /// Ticks as a time, rounded up to microseconds.
    fn time(&self, ticks: u64) -> Duration {
        let ticks = u128::from(ticks);
        let micros = if self.finer > 0 {
            ticks.div_ceil(1 << self.finer)
        } else {
            ticks << self.finer.unsigned_abs()
        };
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

/// `n` times two to the power `by`; what does not fit is cut off at the top.
const fn shift(n: u64, by: i32) -> u64 {
    let bits = by.unsigned_abs();
    if by >= 0 { n << bits } else { n >> bits }
}
