//! A number and when it was set, in one atomic word: workers never see the number of one update with the time of another.
//!
//! ```text
//! 63           32 31            0
//! ┌──────────────┬──────────────┐
//! │ f32          │ milliseconds │     number > 0; all bits 0: nothing known
//! └──────────────┴──────────────┘
//! ```
//!
//! It is not an average: what follows from the old number and a new one, its user says ([`Cell::update`]).

use crate::sync::{AtomicU64, Ordering};

/// A worker may have read the clock so long before another that was faster to write; in milliseconds. What seems to be set up to
/// so much later than now was set now.
const AHEAD_MS: u32 = 10_000;

/// The least number: what is smaller counts as that.
const LEAST: f32 = f32::MIN_POSITIVE;

/// A number above 0 and its time.
#[derive(Debug)]
pub(super) struct Cell(AtomicU64);

impl Cell {
    /// Nothing known.
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// The number and its age in milliseconds.
    ///
    /// The clock has 32 bits. What nobody touched for 49 days looks new again for a while, which costs one request to an
    /// endpoint that was idle for so long.
    ///
    /// Relaxed order is enough: the word is all there is to see.
    #[inline]
    pub(super) fn get(&self, now_ms: u32) -> Option<(f32, u32)> {
        unpack(self.0.load(Ordering::Relaxed), now_ms)
    }

    /// Sets the number that follows from the one before and its age; none leaves all as it is. `next` is called again when
    /// another worker was faster, which means that the other got on.
    #[inline]
    pub(super) fn update(&self, now_ms: u32, next: impl Fn(Option<(f32, u32)>) -> Option<f32>) {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let before = unpack(word, now_ms);
            let Some(value) = next(before) else {
                return;
            };
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the lower half is the time"
            )]
            let stamp = match before {
                // The time never goes back: another worker's clock may be ahead of ours.
                Some((_, 0)) => word as u32,
                _ => now_ms,
            };
            let new = u64::from(value.max(LEAST).to_bits()) << 32 | u64::from(stamp);
            let order = Ordering::Relaxed;
            match self.0.compare_exchange_weak(word, new, order, order) {
                Ok(_) => return,
                Err(current) => word = current,
            }
        }
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the two halves of a word")]
fn unpack(word: u64, now_ms: u32) -> Option<(f32, u32)> {
    if word == 0 {
        return None;
    }
    let age = now_ms.wrapping_sub(word as u32);
    let age = if age > u32::MAX - AHEAD_MS { 0 } else { age };
    Some((f32::from_bits((word >> 32) as u32), age))
}
