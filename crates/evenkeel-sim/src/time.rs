//! Simulated time: whole nanoseconds since the run began, so that sums and comparisons are exact.
//!
//! What flows at a rate (work in an endpoint) is computed in seconds of `f64`; these two functions are the only way
//! between the two.

use std::time::Duration;

/// A moment, or a span, of simulated time in nanoseconds.
pub type Nanos = u64;

/// Nanoseconds in a second.
pub const SECOND: Nanos = 1_000_000_000;

/// Later than any run lasts.
pub const NEVER: Nanos = Nanos::MAX;

/// As seconds. Exact below 104 days.
#[must_use]
pub fn seconds(nanos: Nanos) -> f64 {
    nanos as f64 / 1e9
}

/// From seconds, rounded up; what is negative is 0, and what is too long is [`NEVER`].
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float stops at the ends of the integer"
)]
pub fn from_seconds(seconds: f64) -> Nanos {
    (seconds * 1e9).ceil() as Nanos
}

/// A duration of the configuration; one beyond 584 years is [`NEVER`].
#[must_use]
pub fn from_duration(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

/// Whole milliseconds, as the policies count.
#[must_use]
pub const fn millis(nanos: Nanos) -> u64 {
    nanos / 1_000_000
}

/// Whole microseconds, as balancers and histograms count.
#[must_use]
pub const fn micros(nanos: Nanos) -> u64 {
    nanos / 1_000
}
