//! Rate limits: so many requests in a time for each key, in memory that does not grow however many keys there are.
//!
//! A token bucket in the form that needs one number a key (GCRA, ITU-T I.371): the time at which its debt will be paid
//! (`gcra.rs`). The numbers stand in a table of fixed size that workers share without a lock. A key's hash names one set of
//! eight cells, a cache line; a cell holds 20 more bits of the hash and 44 bits of time. A request is admitted by one
//! compare-and-swap of its cell, so that workers together never admit more than one would; a refused one writes nothing.
//!
//! **When keys are more than cells**, the key of a set with the least debt is forgotten: most have none, and nothing is
//! lost. Under a flood of keys some do, and what follows is chosen with care:
//!
//! - *A forgotten key begins with a full bucket.* Were the newcomer to inherit the debt instead, a flood would lock out
//!   everybody who is not known yet. It is the limiter that gives way then, not the clients.
//! - *Who is at its limit has the most debt of its set and is the last to be forgotten*: a flood of keys that are used once
//!   never lifts a limit that has been reached. To keep a key from reaching its limit, a flood has to fill its set between
//!   any two of its requests, every time: the second one makes it owe more than those that were asked for once. Sets are
//!   found with a secret seed, so that means all of the table: several times as many other requests for each one that is
//!   too many as there are keys to be remembered. (Who has found out which keys share a set, by watching what is refused in
//!   some millions of tries, needs eight. Each of them is a request on its own.)
//! - *Two keys of a set with the same 20 bits share a bucket*, one in 130,000 of them: their limit is stricter, never looser.
//!
//! Two workers that put the same new key into a set while a third key comes into that set may put it into two cells; what
//! one of them admitted is then forgotten: one request.
//!
//! The clock may be that of any worker: one that lags by less than ten seconds finds debts that reach further than they
//! could by its own time, and takes them for what they are. A key that was quiet for longer than the time bits reach (200
//! days, or less for limits of more than 1,000 requests a second) may by chance be found with a debt, never with a credit.

mod fields;
mod gcra;

pub use self::fields::{LimitField, PolicyField, retry_after};

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use evenkeel_base::rules::{RateKey, RateRules};

use self::gcra::{Gcra, TIME, TIME_BITS};
use crate::sync::{AtomicU64, Ordering};

/// Cells in a set: those of one cache line.
const WAYS: usize = 8;

/// A rate limit and what is known of its keys. `S` hashes with a secret of its own: who knows it can pick keys that share
/// a set.
pub struct RateLimiter<S = RandomState> {
    rules: RateRules,
    gcra: Gcra,
    seed: S,
    sets: Box<[Set]>,
}

/// The cells of keys whose hashes begin alike. A cell is 0 while nobody had it; else the tag of its key, never 0, above the
/// time at which its debt is paid.
#[derive(Debug)]
#[repr(align(64))]
struct Set([AtomicU64; WAYS]);

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is within the limit.
    pub admitted: bool,
    /// How many more would be at this moment.
    pub remaining: u32,
    /// When the next one would be, if this one is not.
    pub retry_after: Duration,
    /// When the bucket would be full again.
    pub reset: Duration,
}

impl<S: BuildHasher> RateLimiter<S> {
    /// Nothing known yet. Numbers of 0 count as 1, for a limit that admits nothing is a route that denies. It takes eight
    /// bytes for each key that is to be remembered, in whole sets, and never more.
    #[must_use]
    pub fn new(rules: RateRules, seed: S) -> Self {
        let sets = match rules.key {
            RateKey::Route => 1,
            _ => (rules.keys as usize / WAYS).max(1),
        };
        let empty = |_| Set(std::array::from_fn(|_| AtomicU64::new(0)));
        Self {
            gcra: Gcra::new(&rules),
            rules,
            seed,
            sets: (0..sets).map(empty).collect(),
        }
    }

    /// Asks for a request of `key`; `now` is microseconds from any fixed point, the same one for all workers.
    pub fn admit(&self, key: &[u8], now: u64) -> Decision {
        let (set, tag) = self.place(key);
        let now = self.gcra.ticks(now);
        loop {
            let (cell, seen, owed) = self.find(set, tag, now);
            let Some(more) = self.gcra.take(owed) else {
                return self.gcra.refused(owed);
            };
            let paid = now.wrapping_add(more) & TIME;
            let order = Ordering::Relaxed;
            let next = tag << TIME_BITS | paid;
            if cell.compare_exchange(seen, next, order, order).is_ok() {
                return self.gcra.admitted(more);
            }
        }
    }

    /// What [`admit`](Self::admit) would say now; it counts nothing. Where several limits must all admit a request, this
    /// asks each of them before any counts one that another refuses.
    #[must_use]
    pub fn look(&self, key: &[u8], now: u64) -> Decision {
        let (set, tag) = self.place(key);
        let (_, _, owed) = self.find(set, tag, self.gcra.ticks(now));
        match self.gcra.take(owed) {
            Some(more) => self.gcra.admitted(more),
            None => self.gcra.refused(owed),
        }
    }

    /// What it was made with.
    #[must_use]
    pub const fn rules(&self) -> &RateRules {
        &self.rules
    }

    /// The set of a key and what tells it from the others there: bits of the hash that do not depend on each other.
    fn place(&self, key: &[u8]) -> (&Set, u64) {
        let hash = self.seed.hash_one(key);
        let high = u128::from(hash >> 32);
        let at = (high * self.sets.len() as u128) >> 32;
        let tag = hash & (u64::MAX >> TIME_BITS);
        let at = usize::try_from(at).unwrap_or(0);
        (&self.sets[at], tag.max(1))
    }

    /// The cell with this tag, or the one to be taken for it: the first of those with the least debt; what is in it, and
    /// what the key owes.
    fn find<'a>(&self, set: &'a Set, tag: u64, now: u64) -> (&'a AtomicU64, u64, u64) {
        let mut least = (&set.0[0], 0, u64::MAX);
        for cell in &set.0 {
            let seen = cell.load(Ordering::Relaxed);
            let owed = if seen == 0 {
                0
            } else {
                self.gcra.owed(seen & TIME, now)
            };
            if seen >> TIME_BITS == tag {
                return (cell, seen, owed);
            }
            if owed < least.2 {
                least = (cell, seen, owed);
            }
        }
        (least.0, least.1, 0)
    }
}

/// Without its cells, which are many.
impl<S> fmt::Debug for RateLimiter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RateLimiter");
        shown.field("rules", &self.rules).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
