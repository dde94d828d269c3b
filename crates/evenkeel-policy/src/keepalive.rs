//! How long an idle connection to an endpoint may be used again: learnt, so that it is we who close it and not the
//! endpoint.
//!
//! When an endpoint closes an idle connection while a request is on its way to it, the request fails although nothing
//! is wrong. The only sure remedy is to stop using a connection before the endpoint does, and endpoints differ: 2 s,
//! 5 s, 60 s, 75 s. Two things tell:
//!
//! - The endpoint **announces** it: `Keep-Alive: timeout=5`. The last announcement counts, for an endpoint may be
//!   replaced by one that is set up otherwise.
//! - It is **seen**: a pooled connection was found closed after an idle time. The shortest counts. This may be wrong, as
//!   an endpoint that restarts closes connections of every age. So ages below a second teach nothing, and the estimate
//!   grows by an eighth again after [`PROOFS`] connections in a row proved good in its last quarter. Where it was right,
//!   growing costs a closed idle connection now and then, and the estimate is back.
//!
//! Both are undercut by a tenth, at least half a second, at most half of the time ([`margin`]): what we measure is
//! shorter than what the endpoint measures by the way there and back, and its timers may be coarse. The result is
//! never longer than what is configured, nor than 55 s: below the minute that load balancers, NAT boxes and endpoints
//! have in common as a limit.
//!
//! It is not the pool: it holds no connection and reads no clock.

use std::time::Duration;

use crate::sync::{AtomicU32, Ordering};

/// What is known about one endpoint's idle connections; shared by the workers, outlives snapshots.
#[derive(Debug)]
pub struct KeepAlive {
    /// Milliseconds that the endpoint last announced, undercut; [`UNKNOWN`] when it never did.
    announced: AtomicU32,
    /// Milliseconds after which it was seen to close, undercut; [`UNKNOWN`] when it was not.
    seen: AtomicU32,
    /// Connections that proved good in the last quarter of `seen` since it last changed.
    proofs: AtomicU32,
}

/// Nothing is known.
const UNKNOWN: u32 = u32::MAX;

/// An idle time below this teaches nothing: it is more likely a restart, or a limit of requests per connection.
const SHORTEST_LESSON: Duration = Duration::from_secs(1);

/// So many good connections near the end of the estimate make it grow.
const PROOFS: u32 = 32;

impl KeepAlive {
    /// No connection is used again after a longer idle time, whatever is configured or announced.
    pub const LONGEST: Duration = Duration::from_secs(55);

    /// A connection that was idle for no longer than this is as good as fresh for a request that cannot be repeated. Half
    /// of the shortest idle time that endpoints are commonly set to.
    pub const JUST_USED: Duration = Duration::from_secs(1);

    /// Nothing known yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            announced: AtomicU32::new(UNKNOWN),
            seen: AtomicU32::new(UNKNOWN),
            proofs: AtomicU32::new(0),
        }
    }

    /// The longest idle time after which a connection may be used again; `configured` is the operator's limit. Zero means
    /// that the connection is not kept.
    #[must_use]
    pub fn limit(&self, configured: Duration) -> Duration {
        let known = |millis: &AtomicU32| match millis.load(Ordering::Relaxed) {
            UNKNOWN => Self::LONGEST,
            millis => Duration::from_millis(millis.into()),
        };
        let learnt = known(&self.announced).min(known(&self.seen));
        configured.min(Self::LONGEST).min(learnt)
    }

    /// Whether a connection that was idle for `age` may take a request. One that cannot be repeated wants a connection
    /// that is fresh or was [just used](Self::JUST_USED).
    #[must_use]
    pub fn admits(&self, age: Duration, configured: Duration, method_idempotent: bool) -> bool {
        let limit = self.limit(configured);
        age < limit && (method_idempotent || age <= Self::JUST_USED)
    }

    /// The endpoint announced `Keep-Alive: timeout=seconds`.
    pub fn announced(&self, seconds: u64) {
        let millis = millis(undercut(Duration::from_secs(seconds)));
        self.announced.store(millis, Ordering::Relaxed);
    }

    /// The endpoint was found to have closed a pooled connection that had been idle for `age`.
    pub fn closed_after(&self, age: Duration) {
        if age >= SHORTEST_LESSON {
            self.seen
                .fetch_min(millis(undercut(age)), Ordering::Relaxed);
            self.proofs.store(0, Ordering::Relaxed);
        }
    }

    /// A pooled connection that had been idle for `age` brought a response.
    pub fn good_after(&self, age: Duration) {
        let seen = self.seen.load(Ordering::Relaxed);
        if seen == UNKNOWN || millis(age) < seen - seen / 4 {
            return;
        }
        if self.proofs.fetch_add(1, Ordering::Relaxed) + 1 < PROOFS {
            return;
        }
        self.proofs.store(0, Ordering::Relaxed);
        let longer = seen.saturating_add(seen / 8);
        let longer = if longer < millis(Self::LONGEST) {
            longer
        } else {
            UNKNOWN
        };
        // When another worker has just learnt otherwise, its lesson stands.
        let order = Ordering::Relaxed;
        let _ = self.seen.compare_exchange(seen, longer, order, order);
    }
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self::new()
    }
}

/// A time less its margin.
fn undercut(time: Duration) -> Duration {
    time.saturating_sub(margin(time))
}

/// How much earlier than the endpoint we give a connection up: a tenth, at least half a second, at most half of the time.
fn margin(time: Duration) -> Duration {
    (time / 10).max(Duration::from_millis(500)).min(time / 2)
}

/// Milliseconds in 32 bits, below [`UNKNOWN`]: 49 days are as good as for ever.
fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis())
        .unwrap_or(UNKNOWN)
        .min(UNKNOWN - 1)
}

#[cfg(test)]
mod tests;
