//! The retry budget of a cluster: retries and hedges stay a fraction of the traffic, whatever every exchange would like.
//!
//! A token bucket that all workers share. A request deposits `ratio` of a token (0.2), a retry takes one. It starts
//! full, so that the death of an endpoint is absorbed by a quiet cluster too, and it holds at most the larger of
//! `burst` (100) and `ratio` of the requests of the last ten seconds: a busy cluster may repeat what was in flight to an
//! endpoint that died, and a storm ends when the bucket is empty, for retries themselves deposit nothing.
//!
//! ```text
//! deposit(now) ──▶ ring of seconds: how many requests ──▶ capacity, brought up to date once a second
//!              └─▶ tokens: + ratio, up to the capacity ◀── withdraw(now): − 1, or no
//! ```
//!
//! A request costs one addition to a shared counter and two loads; tokens are written only while the bucket is not full.
//! `now` is milliseconds from any fixed point, and may differ between workers by some seconds.

use crate::sync::{AtomicU64, Ordering, Padded};

/// How far the capacity looks back, in seconds.
const WINDOW: u64 = 10;

/// Places in the ring: the window, the second that runs, and room for workers whose clocks lag.
const SECONDS: usize = 16;

/// Tokens are counted in thousandths, so that a ratio is exact to three digits.
const TOKEN: u64 = 1_000;

/// Bits of a place in the ring that count; those above say which second it is.
const COUNT_BITS: u32 = 32;

/// The allowance of a cluster for second attempts.
#[derive(Debug)]
pub struct Budget {
    /// Thousandths of a token that a request deposits.
    ratio: AtomicU64,
    /// Thousandths of a token that there is always room for.
    burst: AtomicU64,
    shared: Padded<Shared>,
}

/// What all workers write.
#[derive(Debug)]
struct Shared {
    tokens: AtomicU64,
    capacity: AtomicU64,
    /// Each place holds a second and the number of its requests: one value, because the two must agree.
    seconds: [AtomicU64; SECONDS],
    /// Tokens that were taken, and those that were wanted and not there, since the start: for people.
    taken: AtomicU64,
    refused: AtomicU64,
}

impl Budget {
    /// A full bucket. A ratio that is negative or no number counts as 0, one above 1,000 as 1,000.
    #[must_use]
    pub fn new(ratio: f32, burst: u32) -> Self {
        let burst = u64::from(burst) * TOKEN;
        Self {
            ratio: AtomicU64::new(thousandths(ratio)),
            burst: AtomicU64::new(burst),
            shared: Padded(Shared {
                tokens: AtomicU64::new(burst),
                capacity: AtomicU64::new(burst),
                seconds: std::array::from_fn(|_| AtomicU64::new(0)),
                taken: AtomicU64::new(0),
                refused: AtomicU64::new(0),
            }),
        }
    }

    /// Follows rules that may have changed. What a larger burst makes room for is there at once, as in a new bucket; what a smaller
    /// one has no room for goes with the next second.
    pub fn configure(&self, ratio: f32, burst: u32) {
        self.ratio.store(thousandths(ratio), Ordering::Relaxed);
        let burst = u64::from(burst) * TOKEN;
        let before = self.burst.swap(burst, Ordering::Relaxed);
        let Some(more @ 1..) = burst.checked_sub(before) else {
            return;
        };
        let shared = &self.shared.0;
        let capacity = shared
            .capacity
            .fetch_max(burst, Ordering::Relaxed)
            .max(burst);
        let mut tokens = shared.tokens.load(Ordering::Relaxed);
        while tokens < capacity {
            match self.replace(tokens, capacity.min(tokens + more)) {
                Ok(()) => return,
                Err(current) => tokens = current,
            }
        }
    }

    /// Counts a request (a first attempt, not a retry) and deposits its fraction of a token.
    #[inline]
    pub fn deposit(&self, now: u64) {
        self.count(now / 1_000, 1);
        let capacity = self.shared.0.capacity.load(Ordering::Relaxed);
        let mut tokens = self.shared.0.tokens.load(Ordering::Relaxed);
        while tokens < capacity {
            let more = capacity.min(tokens + self.ratio.load(Ordering::Relaxed));
            match self.replace(tokens, more) {
                Ok(()) => return,
                Err(current) => tokens = current,
            }
        }
    }

    /// Takes a token for a retry; `false` when there is none, and the retry must not be made.
    #[must_use]
    pub fn withdraw(&self, now: u64) -> bool {
        // The capacity may date from a busier time.
        self.count(now / 1_000, 0);
        let mut tokens = self.shared.0.tokens.load(Ordering::Relaxed);
        while tokens >= TOKEN {
            match self.replace(tokens, tokens - TOKEN) {
                Ok(()) => {
                    self.shared.0.taken.fetch_add(1, Ordering::Relaxed);
                    return true;
                }
                Err(current) => tokens = current,
            }
        }
        self.shared.0.refused.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// How many retries it would allow at this moment: for status and metrics.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.shared.0.tokens.load(Ordering::Relaxed) / TOKEN
    }

    /// Tokens that retries and hedges took since the start: for status and metrics.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.shared.0.taken.load(Ordering::Relaxed)
    }

    /// Tokens that were wanted and not there since the start: for status and metrics.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.shared.0.refused.load(Ordering::Relaxed)
    }

    /// Adds to the requests of a second. Who first comes by in a second brings the capacity up to date.
    #[inline]
    fn count(&self, second: u64, requests: u64) {
        let at = usize::try_from(second % SECONDS as u64).unwrap_or(0);
        let place = &self.shared.0.seconds[at];
        let seen = place.load(Ordering::Relaxed);
        if seen >> COUNT_BITS == second {
            // Should another worker begin a later second in this place right now, the request counts there.
            place.fetch_add(requests, Ordering::Relaxed);
        } else {
            self.begin(place, seen, second, requests);
        }
    }

    /// Begins a second in its place, unless the clock that says so lags by more than the ring, or another worker did.
    #[cold]
    fn begin(&self, place: &AtomicU64, mut seen: u64, second: u64, requests: u64) {
        while seen >> COUNT_BITS < second {
            let first = second << COUNT_BITS | requests;
            match place.compare_exchange(seen, first, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return self.resize(second),
                Err(current) => seen = current,
            }
        }
        place.fetch_add(requests, Ordering::Relaxed);
    }

    /// Sets the capacity by the requests of the window, and lets go what no longer fits.
    fn resize(&self, second: u64) {
        let shared = &self.shared.0;
        let requests: u64 = shared
            .seconds
            .iter()
            .map(|place| place.load(Ordering::Relaxed))
            .filter(|seen| (second.saturating_sub(WINDOW)..=second).contains(&(seen >> COUNT_BITS)))
            .map(|seen| seen & ((1 << COUNT_BITS) - 1))
            .sum();
        let (ratio, burst) = (&self.ratio, &self.burst);
        let requested = requests.saturating_mul(ratio.load(Ordering::Relaxed));
        let capacity = burst.load(Ordering::Relaxed).max(requested);
        shared.capacity.store(capacity, Ordering::Relaxed);
        let mut tokens = shared.tokens.load(Ordering::Relaxed);
        while tokens > capacity {
            match self.replace(tokens, capacity) {
                Ok(()) => return,
                Err(current) => tokens = current,
            }
        }
    }

    fn replace(&self, tokens: u64, by: u64) -> Result<(), u64> {
        let order = Ordering::Relaxed;
        let done = self
            .shared
            .0
            .tokens
            .compare_exchange(tokens, by, order, order);
        done.map(|_| ())
    }
}

/// A ratio in thousandths.
fn thousandths(ratio: f32) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=1,000,000, and NaN casts to 0"
    )]
    let thousandths = (ratio.clamp(0.0, 1_000.0) * 1_000.0).round() as u64;
    thousandths
}

#[cfg(test)]
mod tests;
