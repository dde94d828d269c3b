//! How much of a cluster's traffic each of its tiers keeps: numbers alone, without endpoints or chance.
//!
//! A tier bears all requests while at least `spill_below_percent` of its weight admits: so much room it is taken to have. Below
//! that it bears what admits, as a part of that percentage. The first keeps what it bears, the next what it bears of the rest,
//! and so on; when all together bear less than everything, they share it in proportion to what they bear. That is how Envoy's
//! priority levels share traffic, whose overprovisioning factor of 1.4 is a percentage of 71
//! (Envoy documentation, "Priority levels").
//!
//! What admits of an endpoint is its weight times its share, and not all of its weight as soon as it takes anything: a tier
//! that comes back from the dead comes back on trial and in slow start, and would have all traffic thrown at it at once.
//! An endpoint that an operator took out has no weight; the tier is so much smaller, and no less well.

use crate::{Candidate, Standing};

/// All requests.
pub(super) const ALL: u32 = 1 << 16;

/// How much of a tier admits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Strength {
    /// In thousandths of a weight, as what admits of it.
    weight: u64,
    admitting: u64,
}

impl Strength {
    /// That of these endpoints.
    pub(super) fn of<C: Candidate>(endpoints: &[C]) -> Self {
        let mut strength = Self::default();
        for endpoint in endpoints {
            let weight = u64::from(endpoint.weight());
            let share = endpoint.share().min(Standing::FULL);
            strength.weight += weight * u64::from(Standing::FULL);
            strength.admitting += weight * u64::from(share);
        }
        strength
    }

    /// Which part of all requests it bears, out of [`ALL`]. As long as anything admits it is not nothing.
    pub(super) fn bears(self, spill_below_percent: u8) -> u32 {
        let enough = u128::from(self.weight) * u128::from(spill_below_percent.clamp(1, 100));
        let part = (u128::from(self.admitting) * 100 * u128::from(ALL)).checked_div(enough);
        let part = u32::try_from(part.unwrap_or(0)).unwrap_or(ALL).min(ALL);
        part.max(u32::from(self.admitting > 0))
    }
}

/// What tiers keep together, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    /// What all of them bear together.
    all: u64,
    borne: u64,
}

impl Sum {
    /// Nothing kept yet, of tiers that bear `all` together.
    pub(super) const fn new(all: u64) -> Self {
        Self { all, borne: 0 }
    }

    /// What is kept together with the next one, which bears so much. When nobody bears anything the first keeps everything:
    /// somebody has to, and it is the one that is wanted most.
    pub(super) fn add(&mut self, bears: u32) -> u32 {
        self.borne += u64::from(bears);
        let kept = match self.all {
            0 => u64::from(ALL),
            all if all >= u64::from(ALL) => self.borne,
            all => self.borne * u64::from(ALL) / all,
        };
        u32::try_from(kept).unwrap_or(ALL).min(ALL)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn bears(admitting: u64, weight: u64, spill_below_percent: u8) -> u32 {
        Strength { weight, admitting }.bears(spill_below_percent)
    }

    /// What each keeps, in percent of all.
    fn kept(bears: &[u32]) -> Vec<f64> {
        let mut sum = Sum::new(bears.iter().map(|&one| u64::from(one)).sum());
        let mut before = 0;
        let mut next = |&bears: &u32| {
            let up_to = sum.add(bears);
            let kept = up_to - std::mem::replace(&mut before, up_to);
            (f64::from(kept) * 1_000.0 / f64::from(ALL)).round() / 10.0
        };
        bears.iter().map(&mut next).collect()
    }

    /// What each keeps when so many percent of its weight admit.
    #[track_caller]
    fn check(admitting_percent: &[u64], spill_below_percent: u8, expected: &[f64]) {
        let each = admitting_percent
            .iter()
            .map(|&admitting| bears(admitting, 100, spill_below_percent));
        assert_eq!(kept(&each.collect::<Vec<_>>()), expected);
    }

    #[test]
    fn the_first_keeps_everything_while_enough_of_it_admits() {
        check(&[100, 100], 70, &[100.0, 0.0]);
        check(&[70, 100], 70, &[100.0, 0.0]);
        check(&[99, 100], 100, &[99.0, 1.0]);
        check(&[1, 100], 1, &[100.0, 0.0]);
    }

    #[test]
    fn below_that_the_rest_goes_to_the_next() {
        check(&[35, 100], 70, &[50.0, 50.0]);
        check(&[7, 100], 70, &[10.0, 90.0]);
        check(&[0, 100], 70, &[0.0, 100.0]);
        check(&[35, 14, 100], 70, &[50.0, 20.0, 30.0]);
        check(&[35, 70, 100], 70, &[50.0, 50.0, 0.0]);
        check(&[0, 0, 100], 70, &[0.0, 0.0, 100.0]);
    }

    #[test]
    fn what_nobody_bears_is_shared_in_proportion() {
        check(&[14, 7], 70, &[66.7, 33.3]);
        check(&[0, 7], 70, &[0.0, 100.0]);
        check(&[7, 0, 21], 70, &[25.0, 0.0, 75.0]);
        check(&[0, 0], 70, &[100.0, 0.0]);
    }

    #[test]
    fn odd_numbers_do_no_harm() {
        assert_eq!(bears(0, 0, 70), 0, "all taken out by the operator");
        assert_eq!(bears(1, u64::MAX, 100), 1);
        assert_eq!(bears(u64::MAX, u64::MAX, 0), ALL);
        assert_eq!(bears(1, 1, u8::MAX), ALL);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// All that is kept is everything, none keeps more than it bears while all together bear enough, and a tier of which more
        /// admits keeps no less.
        #[test]
        fn everything_is_kept_and_more_by_whoever_bears_more(
            each in prop::collection::vec(0..=100_u64, 1..6),
            which in 0..6_usize,
            more in 0..=100_u64,
            spill_below in 1..=100_u8,
        ) {
            let bears = |each: &[u64]| -> Vec<u32> {
                each.iter().map(|&admitting| bears(admitting, 100, spill_below)).collect()
            };
            let total: u64 = bears(&each).iter().map(|&one| u64::from(one)).sum();
            let mut sum = Sum::new(total);
            let mut before = 0;
            for one in bears(&each) {
                let up_to = sum.add(one);
                prop_assert!(up_to >= before);
                prop_assert!(total < u64::from(ALL) || up_to - before <= one);
                before = up_to;
            }
            prop_assert_eq!(before, ALL);
            let which = which % each.len();
            let mut better = each.clone();
            better[which] = better[which].max(more);
            // Rounded to a tenth of a percent, which two roundings may differ by.
            prop_assert!(kept(&bears(&better))[which] >= kept(&bears(&each))[which] - 0.11);
        }
    }
}
