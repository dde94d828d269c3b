//! Which endpoints fail: one that fails in a millisecond has the lowest latency and nothing in flight, and would get all
//! requests ("sinkholing"), whatever it says of itself in between.
//!
//! For each endpoint the part of its attempts that failed or were answered with an error of its own, an average in which each attempt counts an eighth, and which falls by
//! time as well, so that one that got no requests for its failures is tried again. Above a tenth it is one that fails: a
//! single fault keeps requests away until two good ones have come in or 0.4 s have passed, a row of them up to 15 s. That
//! is no ejection ([`Outlier`](crate::Outlier)): while all fail, they are compared as ever.

use crate::sync::{AtomicU64, Ordering};

/// All attempts failed.
const WHOLE: u64 = 1 << 16;

/// Above this an endpoint is one that fails.
const FAILS: u64 = WHOLE / 10;

/// What an attempt counts.
const EACH: u64 = 8;

/// What is forgiven in a millisecond: everything in 16.4 s.
const FORGIVEN: u64 = 4;

/// How often a note is tried that other workers are in the way of; they note the same.
const TRIES: usize = 4;

/// The faults of all endpoints.
#[derive(Debug)]
pub(super) struct Faults {
    /// Milliseconds above, the part below.
    each: Box<[AtomicU64]>,
    /// When one failed for the last time, in milliseconds, and one more: 0 is never.
    last: AtomicU64,
}

impl Faults {
    pub(super) fn new(count: usize) -> Self {
        Self {
            each: (0..count).map(|_| AtomicU64::new(0)).collect(),
            last: AtomicU64::new(0),
        }
    }

    /// Takes note of an attempt. A good one at an endpoint that does not fail costs a load.
    pub(super) fn note(&self, at: usize, failed: bool, now_us: u64) {
        let Some(cell) = self.each.get(at) else {
            return;
        };
        let now_ms = now_us / 1_000;
        for _ in 0..TRIES {
            let before = cell.load(Ordering::Relaxed);
            let part = left(before, now_ms);
            let after = part - part / EACH + if failed { WHOLE / EACH } else { 0 };
            if after == 0 && before == 0 {
                return;
            }
            let word = if after == 0 { 0 } else { now_ms << 32 | after };
            let order = Ordering::Relaxed;
            if cell.compare_exchange(before, word, order, order).is_ok() {
                break;
            }
        }
        if failed {
            self.last.fetch_max(now_ms + 1, Ordering::Relaxed);
        }
    }

    /// Whether any endpoint can be one that fails.
    #[inline]
    pub(super) fn any(&self, now_us: u64) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        last > 0 && (now_us / 1_000).saturating_sub(last) < WHOLE / FORGIVEN
    }

    /// Whether the endpoint at `at` is one that fails.
    pub(super) fn fails(&self, at: usize, now_us: u64) -> bool {
        let word = self.each.get(at).map(|cell| cell.load(Ordering::Relaxed));
        word.is_some_and(|word| left(word, now_us / 1_000) > FAILS)
    }
}

/// The part that is left of a word at a time. The clock's upper bits are not kept: it begins anew after 49 days, and a fault
/// may then be remembered once more.
const fn left(word: u64, now_ms: u64) -> u64 {
    const LOW: u64 = 0xffff_ffff;
    let past = (now_ms.wrapping_sub(word >> 32)) & LOW;
    // Noted by a worker whose clock is ahead.
    let past = if past > LOW / 2 { 0 } else { past };
    (word & LOW).saturating_sub(past * FORGIVEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000;

    #[test]
    fn a_fault_is_outweighed_by_two_good_attempts_or_half_a_second() {
        let faults = Faults::new(2);
        assert!(!faults.any(0) && !faults.fails(1, 0));
        faults.note(1, true, 10 * MS);
        assert!(faults.any(10 * MS) && faults.fails(1, 10 * MS) && !faults.fails(0, 10 * MS));
        assert!(faults.fails(1, 400 * MS) && !faults.fails(1, 500 * MS));
        faults.note(1, false, 11 * MS);
        assert!(faults.fails(1, 11 * MS));
        faults.note(1, false, 12 * MS);
        assert!(!faults.fails(1, 12 * MS));
    }

    #[test]
    fn a_row_of_faults_is_remembered_for_a_quarter_of_a_minute() {
        let faults = Faults::new(1);
        (0..100).for_each(|ms| faults.note(0, true, ms * MS));
        assert!(faults.fails(0, 14_000 * MS) && !faults.fails(0, 15_000 * MS));
        assert!(faults.any(16_000 * MS) && !faults.any(17_000 * MS));
        faults.note(0, true, 15_000 * MS);
        assert!(faults.fails(0, 16_000 * MS), "and the next one adds to it");
    }

    #[test]
    fn what_fails_now_and_then_is_not_one_that_fails() {
        let faults = Faults::new(1);
        let fails = (0..1_000_u64).filter(|&n| {
            faults.note(0, n % 50 == 0, n * 10 * MS);
            faults.fails(0, n * 10 * MS)
        });
        assert!(fails.count() <= 40);
        // Half of them do.
        let fails = (0..1_000_u64).filter(|&n| {
            faults.note(0, n % 2 == 0, n * 10 * MS);
            faults.fails(0, n * 10 * MS)
        });
        assert!(fails.count() > 990);
    }

    #[test]
    fn a_clock_ahead_and_an_endpoint_that_is_not_there_are_no_panic() {
        let faults = Faults::new(1);
        faults.note(7, true, 0);
        assert!(!faults.fails(7, 0) && !faults.any(0));
        faults.note(0, true, 5_000 * MS);
        assert!(faults.fails(0, 4_000 * MS) && faults.any(4_000 * MS));
        faults.note(0, true, u64::MAX);
        assert!(faults.any(u64::MAX));
    }
}
