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
//!   grows by an eighth again after `PROOFS` connections in a row proved good in its last quarter. Where it was right,
//!   growing costs a closed idle connection now and then, and the estimate is back.
//!
//! Both are undercut by a tenth, at least half a second, at most half of the time (`margin`): what we measure is
//! shorter than what the endpoint measures by the way there and back, and its timers may be coarse. The result is
//! never longer than what is configured, nor than 55 s: below the minute that load balancers, NAT boxes and endpoints
//! have in common as a limit.
//!
//! It is not the pool: it holds no connection and reads no clock.

use std::time::Duration;

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// What is known about one endpoint's idle connections; shared by the workers, outlives snapshots.
#[derive(Debug)]
pub struct KeepAlive {
    /// Milliseconds that the endpoint last announced, undercut; [`UNKNOWN`] when it never did.
    announced: AtomicU32,
    /// When it was seen to close, as a [`Lesson`]: one value, because its two halves must agree.
    seen: AtomicU64,
}

/// What was seen of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lesson {
    /// Milliseconds after which it closes, undercut; [`UNKNOWN`] when it was not seen to.
    millis: u32,
    /// Connections that proved good in the last quarter of that time since it last changed or was confirmed.
    proofs: u32,
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
            seen: AtomicU64::new(Lesson::NONE.pack()),
        }
    }

    /// The longest idle time after which a connection may be used again; `configured` is the operator's limit. Zero means
    /// that the connection is not kept.
    #[must_use]
    pub fn limit(&self, configured: Duration) -> Duration {
        let announced = self.announced.load(Ordering::Relaxed);
        // Unknown is longer than the longest.
        let learnt = Duration::from_millis(announced.min(self.seen().millis).into());
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
        if age < SHORTEST_LESSON {
            return;
        }
        let mut seen = self.seen();
        loop {
            let millis = seen.millis.min(millis(undercut(age)));
            match self.replace(seen, Lesson { millis, proofs: 0 }) {
                Ok(()) => return,
                Err(current) => seen = current,
            }
        }
    }

    /// A pooled connection that had been idle for `age` brought a response.
    pub fn good_after(&self, age: Duration) {
        let seen = self.seen();
        if seen.millis == UNKNOWN || millis(age) < seen.millis - seen.millis / 4 {
            return;
        }
        // When another worker was faster, its lesson stands, and a proof more or less does not matter.
        let _ = self.replace(seen, seen.with_proof());
    }

    /// What was announced and what was seen, in milliseconds, for the process that takes the place of this one.
    #[must_use]
    pub fn learnt(&self) -> [Option<u32>; 2] {
        let announced = self.announced.load(Ordering::Relaxed);
        [announced, self.seen().millis].map(|millis| (millis != UNKNOWN).then_some(millis))
    }

    /// Begins with what another process learnt.
    pub fn restore(&self, [announced, seen]: [Option<u32>; 2]) {
        let millis = seen.unwrap_or(UNKNOWN);
        let lesson = Lesson { millis, proofs: 0 };
        self.announced
            .store(announced.unwrap_or(UNKNOWN), Ordering::Relaxed);
        self.seen.store(lesson.pack(), Ordering::Relaxed);
    }

    fn seen(&self) -> Lesson {
        Lesson::unpack(self.seen.load(Ordering::Relaxed))
    }

    fn replace(&self, seen: Lesson, by: Lesson) -> Result<(), Lesson> {
        let (seen, by, order) = (seen.pack(), by.pack(), Ordering::Relaxed);
        let done = self.seen.compare_exchange(seen, by, order, order);
        done.map(|_| ()).map_err(Lesson::unpack)
    }
}

impl Lesson {
    const NONE: Self = Self {
        millis: UNKNOWN,
        proofs: 0,
    };

    const fn with_proof(self) -> Self {
        let Self { millis, proofs } = self;
        if proofs + 1 < PROOFS {
            return Self {
                millis,
                proofs: proofs + 1,
            };
        }
        let longer = millis.saturating_add(millis / 8);
        if longer as u128 >= KeepAlive::LONGEST.as_millis() {
            return Self::NONE;
        }
        Self {
            millis: longer,
            proofs: 0,
        }
    }

    const fn pack(self) -> u64 {
        (self.millis as u64) << 32 | self.proofs as u64
    }

    #[expect(clippy::cast_possible_truncation, reason = "the two halves of 64 bits")]
    const fn unpack(packed: u64) -> Self {
        Self {
            millis: (packed >> 32) as u32,
            proofs: packed as u32,
        }
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
