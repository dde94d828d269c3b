//! Several turns as one figure: the median, and how far they lie apart. Ratios are taken round by round.

use super::measure::{Measure, Turn};

/// The median of some values, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) greatest: f64,
}

impl Spread {
    /// Of these; `None` when there are none.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, greatest) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Some(Self {
            median,
            least,
            greatest,
        })
    }
}

/// The values of all turns; `None` when one of them has none.
pub(super) fn values(measure: Measure, turns: &[Turn]) -> Option<Vec<f64>> {
    turns.iter().map(|turn| measure.of(turn)).collect()
}

/// The ratios of two series, round by round.
pub(super) fn ratio(own: &[f64], other: &[f64]) -> Option<Spread> {
    let pairs = own.iter().zip(other);
    let ratios: Vec<f64> = pairs.map(|(own, other)| own / other).collect();
    Spread::of(&ratios).filter(|spread| spread.least.is_finite() && spread.greatest.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_ends_are_found() {
        let spread = |median, least, greatest| {
            Some(Spread {
                median,
                least,
                greatest,
            })
        };
        for (values, expected) in [
            (&[][..], None),
            (&[3.0], spread(3.0, 3.0, 3.0)),
            (&[3.0, 1.0], spread(2.0, 1.0, 3.0)),
            (&[3.0, 1.0, 2.0], spread(2.0, 1.0, 3.0)),
        ] {
            assert_eq!(Spread::of(values), expected);
        }
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // The second round hit both alike: the ratio knows nothing of it.
        let spread = ratio(&[10.0, 30.0, 12.0], &[20.0, 60.0, 20.0]).unwrap();
        assert_eq!(
            (spread.median, spread.least, spread.greatest),
            (0.5, 0.5, 0.6)
        );
        assert_eq!(ratio(&[1.0], &[0.0]), None);
    }
}
