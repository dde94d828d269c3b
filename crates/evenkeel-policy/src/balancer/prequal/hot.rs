//! From how many requests in flight on an endpoint is hot: a quantile of what was read of late, from all endpoints and by all
//! workers.
//!
//! The paper keeps "an estimate of the distribution" and leaves open how. Here it is the last 64 readings, looked through at
//! every 16th: exactly the quantile of those 64 then, one load for a pick, and some 60 instructions for a reading in the mean. A
//! sketch that never forgets would call an endpoint hot by the load of an hour ago.

use crate::sync::{AtomicU32, AtomicU64, Ordering, Padded};

/// So many readings are remembered.
const WINDOW: usize = 64;

/// After so many the quantile is taken anew; while fewer have come at all, after each.
const STEP: u64 = 16;

/// No load that was read is so high: the place of a reading that has not come.
const NOTHING: u32 = u32::MAX;

/// The running estimate.
#[derive(Debug)]
pub(super) struct Hot {
    ring: Padded<[AtomicU32; WINDOW]>,
    noted: Padded<AtomicU64>,
    limit: AtomicU32,
    /// In thousandths.
    quantile: u16,
}

impl Hot {
    pub(super) fn new(quantile: u16) -> Self {
        Self {
            ring: Padded(std::array::from_fn(|_| AtomicU32::new(NOTHING))),
            noted: Padded(AtomicU64::new(0)),
            limit: AtomicU32::new(NOTHING),
            quantile,
        }
    }

    /// A load above this is hot; none is before anything was read.
    #[inline]
    pub(super) fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    /// How many loads were taken into the estimate so far.
    pub(super) fn noted(&self) -> u64 {
        self.noted.0.load(Ordering::Relaxed)
    }

    /// Takes loads into the estimate that were read together.
    ///
    /// A worker that takes the quantile while another has its place but has not filled it sees the reading that was there
    /// before: one of 64, and the next quantile has it.
    pub(super) fn note(&self, loads: &[u32]) {
        let before = self
            .noted
            .0
            .fetch_add(loads.len() as u64, Ordering::Relaxed);
        for (place, &load) in (before..).zip(loads) {
            #[expect(clippy::cast_possible_truncation, reason = "below the window")]
            let place = (place % WINDOW as u64) as usize;
            self.ring.0[place].store(load.min(NOTHING - 1), Ordering::Relaxed);
        }
        let after = before + loads.len() as u64;
        if after < STEP || before / STEP != after / STEP {
            self.estimate();
        }
    }

    fn estimate(&self) {
        let mut loads = [0; WINDOW];
        let mut count = 0;
        for cell in &self.ring.0 {
            let load = cell.load(Ordering::Relaxed);
            if load != NOTHING {
                loads[count] = load;
                count += 1;
            }
        }
        if let Some(limit) = quantile(&mut loads[..count], self.quantile) {
            self.limit.store(limit, Ordering::Relaxed);
        }
    }
}

/// The smallest of `loads` that at least so many thousandths of them do not exceed; their order is lost.
fn quantile(loads: &mut [u32], thousandths: u16) -> Option<u32> {
    let rank = (loads.len() * usize::from(thousandths)).div_ceil(1_000);
    let last = loads.len().checked_sub(1)?;
    let (_, value, _) = loads.select_nth_unstable(rank.saturating_sub(1).min(last));
    Some(*value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop, prop_assert_eq, proptest};

    use super::*;

    /// The quantile of the last 64, by sorting all that ever came.
    fn oracle(all: &[u32], thousandths: u16) -> Option<u32> {
        let mut last = all[all.len().saturating_sub(WINDOW)..].to_vec();
        last.sort_unstable();
        let below = |value: u32| last.iter().filter(|&&load| load <= value).count();
        let enough = |value: &&u32| below(**value) * 1_000 >= last.len() * usize::from(thousandths);
        last.iter().find(enough).copied()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_limit_is_the_quantile_of_the_last_readings(
            all in prop::collection::vec(0..50_u32, 1..400),
            thousandths in 0..=1_000_u16,
        ) {
            let hot = Hot::new(thousandths);
            for (count, load) in (1..).zip(&all) {
                hot.note(&[*load]);
                let looked = if count < 16 { count } else { count / 16 * 16 };
                prop_assert_eq!(Some(hot.limit()), oracle(&all[..looked], thousandths));
            }
        }

        #[test]
        fn readings_that_come_together_count_as_those_that_come_alone(
            all in prop::collection::vec(prop::collection::vec(0..50_u32, 0..9), 1..60),
        ) {
            let (together, alone) = (Hot::new(840), Hot::new(840));
            let mut count = 0;
            for loads in &all {
                together.note(loads);
                loads.iter().for_each(|&load| alone.note(&[load]));
                count += loads.len();
                if count % 16 == 0 || count < 16 {
                    prop_assert_eq!(together.limit(), alone.limit());
                }
            }
        }
    }

    #[test]
    fn nothing_is_hot_before_anything_was_read() {
        let hot = Hot::new(840);
        assert_eq!(hot.limit(), u32::MAX);
        hot.note(&[]);
        assert_eq!(hot.limit(), u32::MAX);
    }

    #[test]
    fn loads_of_long_ago_are_forgotten() {
        let hot = Hot::new(840);
        (0..1_000).for_each(|_| hot.note(&[900]));
        (0..64).for_each(|_| hot.note(&[2]));
        assert_eq!(hot.limit(), 2);
    }
}
