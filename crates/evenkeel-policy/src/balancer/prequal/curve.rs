//! The latency of an endpoint at its present load, as evenkeel measures it: an average for each range of requests in flight.
//!
//! The paper has endpoints estimate it from "latency values at (or near) the current RIF", and this is what makes it work: an
//! endpoint that was overloaded and has worked off its queue is fast again from that moment on. One average over all loads would
//! call it slow for as long as it gets no requests, and send them to others until these are overloaded in their turn: in a
//! simulated cluster of ten equal endpoints at 70 % load half of all requests then took 100 times as long.
//!
//! Ranges are 0, 1, 2 to 3, 4 to 7 and so on. Where nothing was measured of late at the present load, the nearest range
//! speaks for it, as if latency grew with the requests that share the endpoint.
//!
//! Beside them one average over all endpoints: what is to be expected of one that nothing is known of. If the unknown counted as
//! the fastest, one of a hundred nodes, which forgets most endpoints before it sends them the next request, would go from one
//! unknown endpoint to the next and never use what it knows: in the scenario `antagonists` p99 is then 2.0 s, else 0.8 s.

use std::time::Duration;

use super::reading::Latency;
use crate::load::Observed;
use crate::sync::{AtomicU64, Ordering, Padded};

/// Ranges of requests in flight; the last one is 1,024 and more.
const RANGES: usize = 12;

/// What is older is not believed any more: an endpoint that has been slow gets a request again.
const FORGET_MS: u32 = 10_000;

/// The time after which a single new measurement counts as much as all before it.
const HALF_MS: f32 = 1_000.0;

/// What a new measurement counts at least: a sixteenth, the paper's endpoints looking at about as many.
const LEAST: f32 = 1.0 / 16.0;

/// And in the average over all endpoints.
const LEAST_OF_ALL: f32 = 1.0 / 64.0;

/// A failed attempt counts as one that took this long.
const FAILED: Duration = Duration::from_secs(1);

/// How often a measurement is tried that other workers are in the way of. Then it is left: they measured the same.
const TRIES: usize = 4;

/// The latencies of all endpoints.
#[derive(Debug)]
pub(super) struct Curves {
    /// [`RANGES`] for each endpoint: microseconds as an `f32` above, milliseconds of the clock below; 0 is nothing.
    cells: Box<[AtomicU64]>,
    /// The same of all endpoints at all loads.
    all: Padded<AtomicU64>,
}

impl Curves {
    pub(super) fn new(count: usize) -> Self {
        Self {
            cells: (0..count * RANGES).map(|_| AtomicU64::new(0)).collect(),
            all: Padded(AtomicU64::new(0)),
        }
    }

    /// Takes an attempt into the average of the load that it met.
    pub(super) fn note(&self, at: usize, observed: &Observed, now_us: u64) {
        let latency = match observed.latency {
            Some(latency) if observed.failed => latency.max(FAILED),
            // Neither quick nor slow: whether it comes too often is `faults.rs`'s to say.
            Some(_) if observed.erred => return,
            Some(latency) => latency,
            None if observed.failed => FAILED,
            None => return,
        };
        let Some(cell) = self.of(at).get(range(observed.in_flight)) else {
            return;
        };
        let (us, now_ms) = (latency.as_secs_f32() * 1e6, millis(now_us));
        take_in(cell, us, now_ms, LEAST);
        take_in(&self.all.0, us, now_ms, LEAST_OF_ALL);
    }

    /// What is to be expected of an endpoint that nothing is known of: the average of all; none when nothing was measured of late.
    #[inline]
    pub(super) fn expected(&self, now_us: u64) -> Option<Latency> {
        let (us, _) = unpack(self.all.0.load(Ordering::Relaxed), millis(now_us))?;
        Some(whole(us))
    }

    /// The latency with so many requests in flight; none when nothing was measured of late.
    #[inline]
    pub(super) fn latency(&self, at: usize, in_flight: u32, now_us: u64) -> Option<Latency> {
        let cells = self.of(at);
        let (own, now_ms) = (range(in_flight), millis(now_us));
        let known = |range: usize| unpack(cells.get(range)?.load(Ordering::Relaxed), now_ms);
        let us = match known(own) {
            Some((us, _)) => us,
            None => near(own, known)?,
        };
        Some(whole(us))
    }

    /// Whether anything was measured of it of late, at any load.
    pub(super) fn knows(&self, at: usize, now_us: u64) -> bool {
        let cells = self.of(at).iter();
        let mut words = cells.map(|cell| cell.load(Ordering::Relaxed));
        words.any(|word| unpack(word, millis(now_us)).is_some())
    }

    #[inline]
    fn of(&self, at: usize) -> &[AtomicU64] {
        let start = at.saturating_mul(RANGES);
        self.cells
            .get(start..start.saturating_add(RANGES))
            .unwrap_or_default()
    }
}

/// Takes a measurement into an average, in which it counts at least so much.
fn take_in(cell: &AtomicU64, us: f32, now_ms: u32, least: f32) {
    for _ in 0..TRIES {
        let word = cell.load(Ordering::Relaxed);
        let value = match unpack(word, now_ms) {
            Some((before, age)) => before + (us - before) * counts(age).max(least),
            None => us,
        };
        // Never 0, which is nothing.
        let new = u64::from(value.max(1.0).to_bits()) << 32 | u64::from(now_ms);
        let order = Ordering::Relaxed;
        if cell.compare_exchange(word, new, order, order).is_ok() {
            return;
        }
    }
}

#[inline]
fn whole(us: f32) -> Latency {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of a float saturates"
    )]
    Latency::micros(us as u64)
}

/// What the nearest range says that knows something, of two the lower.
#[cold]
fn near(own: usize, known: impl Fn(usize) -> Option<(f32, u32)>) -> Option<f32> {
    (1..RANGES).find_map(|distance| {
        let below = own.checked_sub(distance).map(|range| (range, known(range)));
        let above = Some((own + distance, known(own + distance)));
        [below, above]
            .into_iter()
            .flatten()
            .find_map(|(range, known)| {
                let (us, _) = known?;
                Some(us * (middle(own) + 1.0) / (middle(range) + 1.0))
            })
    })
}

/// What a measurement counts that comes so long after the one before.
#[expect(clippy::cast_precision_loss, reason = "a weight")]
fn counts(age_ms: u32) -> f32 {
    let age = age_ms as f32;
    age / (age + HALF_MS)
}

#[inline]
const fn range(in_flight: u32) -> usize {
    let range = (u32::BITS - in_flight.leading_zeros()) as usize;
    if range < RANGES { range } else { RANGES - 1 }
}

/// The requests in flight that a range stands for.
fn middle(range: usize) -> f32 {
    let first = if range == 0 {
        0
    } else {
        1_u16 << (range - 1).min(15)
    };
    f32::from(first) * if range < 2 { 1.0 } else { 1.5 }
}

/// Microseconds, and how many milliseconds ago that was.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the two halves of a word")]
fn unpack(word: u64, now_ms: u32) -> Option<(f32, u32)> {
    if word == 0 {
        return None;
    }
    let age = now_ms.wrapping_sub(word as u32);
    // Measured by a worker whose clock is ahead.
    let age = if age > u32::MAX / 2 { 0 } else { age };
    (age <= FORGET_MS).then(|| (f32::from_bits((word >> 32) as u32), age))
}

/// Milliseconds in 32 bits; they begin anew after 49 days.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "only differences are looked at"
)]
const fn millis(now_us: u64) -> u32 {
    (now_us / 1_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    fn note(curves: &Curves, in_flight: u32, ms: u64, now_us: u64) {
        let observed = Observed {
            latency: Some(Duration::from_millis(ms)),
            in_flight,
            ..Observed::default()
        };
        curves.note(1, &observed, now_us);
    }

    fn ms(ms: u64) -> Option<Latency> {
        Some(Latency::micros(ms * 1_000))
    }

    #[test]
    fn each_load_has_a_latency_of_its_own() {
        let curves = Curves::new(3);
        for (in_flight, latency) in [(0, 10), (1, 11), (3, 12), (40, 90), (5_000, 2_000)] {
            note(&curves, in_flight, latency, S);
        }
        for (in_flight, expected) in [
            (0, 10),
            (1, 11),
            (2, 12),
            (3, 12),
            (33, 90),
            (63, 90),
            (1_024, 2_000),
        ] {
            assert_eq!(curves.latency(1, in_flight, S), ms(expected), "{in_flight}");
        }
        assert_eq!(curves.latency(0, 1, S), None);
        assert_eq!(curves.latency(7, 1, S), None);
        curves.note(
            7,
            &Observed {
                failed: true,
                ..Observed::default()
            },
            S,
        );
    }

    #[test]
    fn a_load_that_was_not_met_of_late_is_as_the_nearest_by_the_requests_that_share() {
        let curves = Curves::new(2);
        note(&curves, 5, 70, S);
        // Five of a range that stands for six.
        for (in_flight, expected) in [(0, 10), (1, 20), (4, 70), (12, 130), (100, 970)] {
            assert_eq!(curves.latency(1, in_flight, S), ms(expected), "{in_flight}");
        }
        note(&curves, 0, 30, S);
        assert_eq!(curves.latency(1, 1, S), ms(60), "of two the lower");
        assert_eq!(curves.latency(1, 2, S), ms(40), "the next is the upper");
    }

    #[test]
    fn new_ones_draw_the_average_by_the_time_that_has_passed() {
        let curves = Curves::new(2);
        note(&curves, 0, 160, S);
        note(&curves, 0, 0, S);
        assert_eq!(curves.latency(1, 0, S), ms(150), "a sixteenth");
        note(&curves, 0, 50, 2 * S);
        assert_eq!(curves.latency(1, 0, 2 * S), ms(100), "half after a second");
        assert_eq!(curves.latency(1, 0, 12 * S), ms(100));
        assert_eq!(curves.latency(1, 0, 12 * S + 1_000), None, "forgotten");
        note(&curves, 0, 7, 13 * S);
        assert_eq!(curves.latency(1, 0, 13 * S), ms(7));
        assert_eq!(
            curves.latency(1, 0, 12 * S),
            ms(7),
            "by a clock that is behind"
        );
    }

    #[test]
    fn the_unknown_is_expected_to_be_like_the_others() {
        let curves = Curves::new(9);
        assert_eq!(curves.expected(S), None, "nobody knows anything");
        note(&curves, 0, 10, S);
        note(&curves, 40, 10 + 64, S);
        assert_eq!(curves.expected(S), ms(11), "a sixty-fourth");
        assert_eq!(curves.latency(8, 0, S), None);
        assert_eq!(curves.expected(11 * S), ms(11));
        assert_eq!(curves.expected(11 * S + 1_000), None, "forgotten");
    }

    #[test]
    fn a_failure_is_slow_and_what_tells_no_time_is_nothing() {
        let curves = Curves::new(2);
        curves.note(1, &Observed::default(), S);
        assert_eq!(curves.latency(1, 0, S), None);
        for latency in [None, Some(Duration::from_millis(1))] {
            let observed = Observed {
                failed: true,
                latency,
                ..Observed::default()
            };
            let curves = Curves::new(2);
            curves.note(1, &observed, S);
            assert_eq!(curves.latency(1, 0, S), ms(1_000));
        }
    }
}
