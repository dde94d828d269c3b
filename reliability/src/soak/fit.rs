//! Whether a number grows: a straight line through its samples, and how far they lie from it.

/// A straight line through points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// The line's height in the middle.
    pub mean: f64,
    /// How much it rises from the first point to the last.
    pub rise: f64,
    /// The standard error of that.
    pub error: f64,
}

impl Fit {
    /// The line with the least squares; none through fewer than three points, or through points that are above each other.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "some hundred samples")]
    pub fn through(points: &[(f64, f64)]) -> Option<Self> {
        let number = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / number;
        let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
        let xx: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        if points.len() < 3 || xx <= 0.0 {
            return None;
        }
        let xy = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y));
        let slope = xy.sum::<f64>() / xx;
        let away = points
            .iter()
            .map(|(x, y)| (y - mean_y - slope * (x - mean_x)).powi(2));
        let variance = away.sum::<f64>() / (number - 2.0);
        let first = points.iter().map(|point| point.0).fold(f64::MAX, f64::min);
        let last = points.iter().map(|point| point.0).fold(f64::MIN, f64::max);
        Some(Self {
            mean: mean_y,
            rise: slope * (last - first),
            error: (variance / xx).sqrt() * (last - first),
        })
    }

    /// Whether nothing grows: the rise is less than three times its error, or less than so much.
    #[must_use]
    pub fn is_flat(&self, nothing: f64) -> bool {
        self.rise <= nothing || self.rise <= 3.0 * self.error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(of: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (0..60).map(|x| (f64::from(x), of(f64::from(x)))).collect()
    }

    #[test]
    fn what_grows_is_not_flat_and_what_wavers_is() {
        let wave = |x: f64| 100.0 + 5.0 * (x * 1.7).sin();
        let flat = Fit::through(&points(wave)).unwrap();
        assert!(
            flat.is_flat(0.0) && (flat.mean - 100.0).abs() < 1.0,
            "{flat:?}"
        );
        let leak = Fit::through(&points(|x| wave(x) + x / 4.0)).unwrap();
        assert!(!leak.is_flat(2.0) && leak.is_flat(20.0), "{leak:?}");
        assert!((leak.rise - 59.0 / 4.0).abs() < 3.0, "{leak:?}");
    }

    #[test]
    fn there_is_no_line_through_too_little() {
        assert_eq!(Fit::through(&[]), None);
        assert_eq!(Fit::through(&[(1.0, 1.0), (2.0, 2.0)]), None);
        assert_eq!(Fit::through(&[(1.0, 1.0); 5]), None);
    }
}
