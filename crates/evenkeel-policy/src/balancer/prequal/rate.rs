//! Parts of a whole that are due from turn to turn, exactly: 0.3 per request is 3 in each ten requests, whatever the seed.

/// The bits behind the point.
const POINT: u32 = 20;

/// How much is due at each turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate(u64);

impl Rate {
    /// So much, between 0 and `most`; what is no number is none.
    pub(super) fn new(each: f32, most: u8) -> Self {
        let each = f64::from(each).clamp(0.0, f64::from(most));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped; NaN is 0"
        )]
        Self((each * f64::from(1_u32 << POINT)).round() as u64)
    }

    /// The bits, to be kept in an atomic.
    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    /// All that was due before that turn, the first being 0.
    #[inline]
    pub(super) fn before(self, turn: u64) -> u64 {
        u64::try_from((u128::from(turn) * u128::from(self.0)) >> POINT).unwrap_or(u64::MAX)
    }

    /// What is due at that turn.
    #[inline]
    pub(super) fn due(self, turn: u64) -> u64 {
        self.before(turn.saturating_add(1)) - self.before(turn)
    }
}

/// What is due of a rate that changes: what a sum that began at `before` passes when `bits` are added.
#[inline]
pub(super) const fn passed(before: u64, bits: u64) -> u64 {
    (before.wrapping_add(bits) >> POINT).wrapping_sub(before >> POINT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_exact_over_time() {
        for (each, turns, expected) in [
            (3.0, 10, 30),
            (0.5, 10, 5),
            (0.25, 4_000_000, 1_000_000),
            (1.5, 7, 10),
            (0.0, 100, 0),
            (-1.0, 100, 0),
            (f32::NAN, 100, 0),
            (f32::INFINITY, 10, 160),
            (200.0, 10, 160),
        ] {
            let rate = Rate::new(each, 16);
            let due: u64 = (0..turns).map(|turn| rate.due(turn)).sum();
            assert_eq!(due, expected, "{each} per turn in {turns}");
            assert_eq!(rate.before(turns), expected);
        }
    }

    #[test]
    fn they_are_even_as_well() {
        let rate = Rate::new(0.375, 16);
        let due: Vec<u64> = (0..8).map(|turn| rate.due(turn)).collect();
        assert_eq!(due, [0, 0, 1, 0, 0, 1, 0, 1]);
        assert_eq!(rate.due(u64::MAX), 0);
    }

    #[test]
    fn a_sum_passes_what_is_due() {
        let bits = Rate::new(1.25, 16).bits();
        let mut sum = 0_u64;
        let due: Vec<u64> = (0..8)
            .map(|_| {
                let due = passed(sum, bits);
                sum += bits;
                due
            })
            .collect();
        assert_eq!(due, [1, 1, 1, 2, 1, 1, 1, 2]);
    }
}
