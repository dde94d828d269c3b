//! Whether a configuration on trial makes things worse: what share of the attempts at endpoints ended with a gateway fault
//! before it, and what share since.
//!
//! It measures nothing and rolls nothing back. What it cannot see are mistakes that endpoints have no part in, such as a
//! route that answers by itself where it should forward.

use std::ops::Sub;

/// With fewer faults than this nothing is said: one bad endpoint that is ejected soon brings some as well.
const MIN_FAULTS: u64 = 20;

/// The share of faults must have grown by more than this, so that one of a million that doubles is no reason.
const MIN_GROWTH: f64 = 0.01;

/// And by more than this factor, so that what was bad before may go on being as bad.
const MIN_FACTOR: f64 = 2.0;

/// Attempts that ended, and those of them that ended with a gateway fault, over all clusters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Attempts that ended.
    pub requests: u64,
    /// Those of them that ended with a gateway fault.
    pub faults: u64,
}

impl Tally {
    /// The share of faults, 0 to 1; 0 when nothing ended.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a share of counts beyond 2^53 needs no last digit"
    )]
    pub fn fault_rate(self) -> f64 {
        if self.requests == 0 {
            return 0.0;
        }
        (self.faults as f64 / self.requests as f64).min(1.0)
    }
}

impl Sub for Tally {
    type Output = Self;

    /// What came between `earlier` and this.
    fn sub(self, earlier: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            faults: self.faults.saturating_sub(earlier.faults),
        }
    }
}

/// Whether the fault rate has clearly risen: by more than one percentage point, to more than double, and by at least 20
/// faults.
#[must_use]
pub fn has_risen(before: Tally, since: Tally) -> bool {
    let (was, is) = (before.fault_rate(), since.fault_rate());
    since.faults >= MIN_FAULTS && is - was > MIN_GROWTH && is > was * MIN_FACTOR
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally((requests, faults): (u64, u64)) -> Tally {
        Tally { requests, faults }
    }

    #[test]
    fn a_rise_is_more_than_a_point_more_than_double_and_twenty_faults() {
        for (before, since, expected) in [
            // Nothing was there to compare with.
            ((0, 0), (0, 0), false),
            ((0, 0), (1_000, 0), false),
            ((0, 0), (1_000, 20), true),
            // Too few to say.
            ((1_000, 0), (19, 19), false),
            ((1_000, 0), (20, 20), true),
            // By a point and no more.
            ((10_000, 0), (10_000, 100), false),
            ((10_000, 0), (10_000, 101), true),
            ((10_000, 100), (10_000, 201), true),
            // To double and no more.
            ((10_000, 1_000), (10_000, 2_000), false),
            ((10_000, 1_000), (10_000, 2_001), true),
            // What is bad goes on being bad, or gets better.
            ((100, 60), (100, 100), false),
            ((100, 60), (100, 20), false),
            // Shares count, not numbers: ten times the traffic brings ten times the faults.
            ((1_000, 20), (10_000, 200), false),
            ((1_000, 20), (100, 20), true),
            // More faults than requests can be read while a worker counts.
            ((0, 0), (20, 25), true),
        ] {
            let risen = has_risen(tally(before), tally(since));
            assert_eq!(risen, expected, "{before:?}, then {since:?}");
        }
    }

    #[test]
    fn what_came_between_is_never_less_than_nothing() {
        assert_eq!(tally((9, 3)) - tally((4, 1)), tally((5, 2)));
        assert_eq!(tally((4, 1)) - tally((9, 3)), tally((0, 0)));
        assert!(tally((0, 0)).fault_rate().abs() < f64::EPSILON);
    }
}
