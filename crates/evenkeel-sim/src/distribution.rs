//! How long a request keeps a core busy: the distributions that a scenario can name.

use evenkeel_base::Rng;

use crate::chance::{exp, exponential, ln, normal, pow, unit};

/// A distribution of positive times, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// Always the same.
    Constant {
        /// That.
        mean: f64,
    },
    /// Exponential.
    Exponential {
        /// Its mean.
        mean: f64,
    },
    /// Lognormal: a long tail, as most services have.
    Lognormal {
        /// Its mean.
        mean: f64,
        /// Its standard deviation.
        deviation: f64,
    },
    /// Normal, drawn again while it is not positive. That of the Prequal paper (§5) has a deviation equal to its mean.
    Normal {
        /// The mean before what is not positive was cut away.
        mean: f64,
        /// The standard deviation before.
        deviation: f64,
    },
    /// Two kinds of requests, each constant.
    Bimodal {
        /// The time of most.
        short: f64,
        /// The time of the others.
        long: f64,
        /// How many are long, 0 to 1.
        part: f64,
    },
    /// Pareto between two bounds: most are short, and the few that are long make up much of the work.
    Pareto {
        /// The shortest.
        least: f64,
        /// The longest.
        most: f64,
        /// How fast the tail falls: the lower, the heavier.
        shape: f64,
    },
}

/// A normal number is drawn so often until one is positive; with a mean of 0 or more each is with a chance of a half.
const DRAWS: usize = 64;

impl Distribution {
    /// One time.
    pub fn draw(&self, rng: &mut Rng) -> f64 {
        match *self {
            Self::Constant { mean } => mean,
            Self::Exponential { mean } => mean * exponential(rng),
            Self::Lognormal { mean, deviation } => {
                let (location, scale) = lognormal(mean, deviation);
                exp(location + scale * normal(rng))
            }
            Self::Normal { mean, deviation } => (0..DRAWS)
                .map(|_| mean + deviation * normal(rng))
                .find(|time| *time > 0.0)
                .unwrap_or(mean),
            Self::Bimodal { short, long, part } => {
                if unit(rng) <= part {
                    long
                } else {
                    short
                }
            }
            Self::Pareto { least, most, shape } => {
                // The inverse of the distribution function.
                let cut = pow(least / most, shape);
                least / pow(1.0 - unit(rng) * (1.0 - cut), 1.0 / shape)
            }
        }
    }

    /// The mean of what is drawn: what capacity is computed by.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match *self {
            Self::Constant { mean } | Self::Exponential { mean } | Self::Lognormal { mean, .. } => {
                mean
            }
            Self::Normal { mean, deviation } => cut_mean(mean, deviation),
            Self::Bimodal { short, long, part } => short + (long - short) * part,
            Self::Pareto { least, most, shape } => {
                let cut = pow(least / most, shape);
                if (shape - 1.0).abs() < 1e-9 {
                    return least * ln(most / least) / (1.0 - cut);
                }
                let bracket = 1.0 - pow(least / most, shape - 1.0);
                shape * least / (shape - 1.0) * bracket / (1.0 - cut)
            }
        }
    }
}

/// Location and scale of the logarithm.
fn lognormal(mean: f64, deviation: f64) -> (f64, f64) {
    let part = deviation / mean;
    let square = ln(1.0 + part * part);
    (ln(mean) - square / 2.0, square.sqrt())
}

/// The mean of a normal distribution without what is not positive, by the midpoint rule over ten deviations.
fn cut_mean(mean: f64, deviation: f64) -> f64 {
    const STEPS: u32 = 20_000;
    let high = mean + 10.0 * deviation;
    let low = (mean - 10.0 * deviation).max(0.0);
    let (mut sum, mut weights) = (0.0, 0.0);
    for step in 0..STEPS {
        let x = low + (high - low) * (f64::from(step) + 0.5) / f64::from(STEPS);
        let z = (x - mean) / deviation;
        let weight = exp(-z * z / 2.0);
        sum += x * weight;
        weights += weight;
    }
    sum / weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_has_the_mean_that_is_said() {
        for one in [
            Distribution::Constant { mean: 0.01 },
            Distribution::Exponential { mean: 0.01 },
            Distribution::Lognormal {
                mean: 0.02,
                deviation: 0.03,
            },
            Distribution::Normal {
                mean: 0.08,
                deviation: 0.08,
            },
            Distribution::Bimodal {
                short: 0.001,
                long: 0.1,
                part: 0.05,
            },
            Distribution::Pareto {
                least: 0.001,
                most: 1.0,
                shape: 1.2,
            },
            Distribution::Pareto {
                least: 0.001,
                most: 0.1,
                shape: 1.0,
            },
        ] {
            let mut rng = Rng::new(5);
            let draws: Vec<f64> = (0..400_000).map(|_| one.draw(&mut rng)).collect();
            assert!(draws.iter().all(|x| *x > 0.0 && x.is_finite()), "{one:?}");
            let mean = draws.iter().sum::<f64>() / 400_000.0;
            assert!(
                (mean / one.mean() - 1.0).abs() < 0.03,
                "{one:?}: {mean} {}",
                one.mean()
            );
        }
    }
}
