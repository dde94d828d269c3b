//! How long to wait before another attempt: chance below a bound that doubles ("full jitter").
//!
//! Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog (2015): of the ways to spread clients that failed
//! together, waiting a random time from nothing up to the bound brings the least work and the soonest end.
//!
//! Whether there is a pause at all is not decided here: an attempt at an endpoint that was not tried yet needs none.

use std::time::Duration;

use evenkeel_base::Rng;
use evenkeel_base::rules::RetryRules;

/// Parts of the bound that chance tells apart.
const STEPS: u32 = 1 << 16;

/// The pause before an attempt that is the exchange's pause number `pauses`, from 0: up to `backoff`, then up to twice that, and
/// so on, never longer than `backoff_max`.
#[must_use]
pub fn pause(rules: &RetryRules, pauses: u32, rng: &mut Rng) -> Duration {
    let factor = 1_u32.checked_shl(pauses).unwrap_or(u32::MAX);
    let bound = rules.backoff.saturating_mul(factor).min(rules.backoff_max);
    bound / STEPS * rng.below(STEPS + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: RetryRules = RetryRules {
        backoff: Duration::from_millis(25),
        backoff_max: Duration::from_millis(250),
        ..RetryRules::DEFAULT
    };

    #[test]
    fn pauses_stay_below_a_bound_that_doubles_up_to_the_most() {
        let mut rng = Rng::new(7);
        for (pauses, millis) in [(0, 25), (1, 50), (2, 100), (3, 200), (4, 250), (40, 250)] {
            let bound = Duration::from_millis(millis);
            let all: Vec<Duration> = (0..1_000)
                .map(|_| pause(&RULES, pauses, &mut rng))
                .collect();
            assert!(all.iter().all(|one| *one <= bound), "{pauses}");
            let mean = all.iter().sum::<Duration>() / 1_000;
            assert!(
                mean > bound * 9 / 20 && mean < bound * 11 / 20,
                "{pauses}: {mean:?}"
            );
        }
    }

    #[test]
    fn equal_seeds_wait_equally_long_and_no_backoff_is_none() {
        let (mut a, mut b) = (Rng::new(1), Rng::new(1));
        assert_eq!(pause(&RULES, 2, &mut a), pause(&RULES, 2, &mut b));
        let none = RetryRules {
            backoff: Duration::ZERO,
            ..RULES
        };
        assert_eq!(pause(&none, 5, &mut a), Duration::ZERO);
    }
}
