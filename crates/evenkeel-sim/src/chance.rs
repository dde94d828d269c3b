//! Random numbers with a distribution, from the generator that the policies use.
//!
//! The same seed has to give the same bytes of output on every machine, and the logarithm of one C library differs from that of another
//! in the last bit. So logarithm and exponential are computed here, with nothing but the operations that IEEE 754 defines
//! to the bit (addition, multiplication, division, square root).

use evenkeel_base::Rng;

/// A number above 0 and at most 1.
pub fn unit(rng: &mut Rng) -> f64 {
    ((rng.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

/// A number from `low` to `high`, each as likely as the next.
pub fn uniform(rng: &mut Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * unit(rng)
}

/// Exponential with mean 1: the pause between events that know nothing of each other.
pub fn exponential(rng: &mut Rng) -> f64 {
    -ln(unit(rng))
}

/// Normal with mean 0 and deviation 1, by the polar method (Marsaglia and Bray, 1964).
pub fn normal(rng: &mut Rng) -> f64 {
    // Four of five points lie in the circle: 64 misses in a row have a chance of 10^-45.
    for _ in 0..64 {
        let x = 2.0 * unit(rng) - 1.0;
        let y = 2.0 * unit(rng) - 1.0;
        let square = x * x + y * y;
        if square > 0.0 && square < 1.0 {
            return x * (-2.0 * ln(square) / square).sqrt();
        }
    }
    0.0
}

/// A seed that depends on all three: what happens to one request in one attempt is drawn from a generator of its own, so
/// that every balancer that is compared gets the same work.
#[must_use]
pub const fn seed(run: u64, what: u64, which: u64) -> u64 {
    let mut rng = Rng::new(run ^ what.wrapping_mul(0xD6E8_FEB8_6659_FD93));
    let first = rng.next_u64();
    let mut rng = Rng::new(first ^ which);
    rng.next_u64()
}

/// The natural logarithm of a positive normal number, within 2 units of the last place.
#[must_use]
pub fn ln(x: f64) -> f64 {
    // x = m · 2^e with m around 1, and ln m = 2 artanh((m - 1) / (m + 1)), a series that converges by 1/34 a term.
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as f64 - 1023.0;
    let mut m = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if m > std::f64::consts::SQRT_2 {
        m /= 2.0;
        exponent += 1.0;
    }
    let s = (m - 1.0) / (m + 1.0);
    let square = s * s;
    let mut sum = 0.0;
    for odd in [21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        sum = (sum + 1.0 / odd) * square;
    }
    exponent * std::f64::consts::LN_2 + 2.0 * s * (1.0 + sum)
}

/// e to the power of `x`, for what is no larger than 700 either way; beyond, what that gives.
#[must_use]
pub fn exp(x: f64) -> f64 {
    let x = x.clamp(-700.0, 700.0);
    let halves = (x / std::f64::consts::LN_2).round();
    let rest = x - halves * std::f64::consts::LN_2;
    let mut sum = 1.0;
    for n in (1..=18).rev() {
        sum = 1.0 + sum * rest / f64::from(n);
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 12 and 2,034"
    )]
    let scale = (halves + 1023.0) as u64;
    sum * f64::from_bits(scale << 52)
}

/// `x` to the power of `y`, for a positive `x`.
#[must_use]
pub fn pow(x: f64, y: f64) -> f64 {
    exp(y * ln(x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithm_and_exponential_are_those_of_the_library_within_rounding() {
        let mut rng = Rng::new(1);
        for _ in 0..20_000 {
            let x = uniform(&mut rng, -30.0, 30.0);
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-14, "{x}");
            let y = x.exp();
            assert!(
                (ln(y) - y.ln()).abs() <= 1e-14 * y.ln().abs().max(0.1),
                "{y}"
            );
        }
        assert_eq!((ln(1.0), exp(0.0)), (0.0, 1.0));
        assert!((pow(2.0, 10.0) - 1024.0).abs() < 1e-9);
    }

    #[test]
    fn moments_are_those_of_the_distribution() {
        let mut rng = Rng::new(3);
        let mut moments = |draw: fn(&mut Rng) -> f64| {
            let all: Vec<f64> = (0..200_000).map(|_| draw(&mut rng)).collect();
            let mean = all.iter().sum::<f64>() / 200_000.0;
            let square = all.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
            (mean, square / 200_000.0)
        };
        for (name, (mean, variance), (want_mean, want_variance)) in [
            ("unit", moments(unit), (0.5, 1.0 / 12.0)),
            ("exponential", moments(exponential), (1.0, 1.0)),
            ("normal", moments(normal), (0.0, 1.0)),
        ] {
            assert!((mean - want_mean).abs() < 0.01, "{name}: {mean}");
            assert!(
                (variance - want_variance).abs() < 0.02,
                "{name}: {variance}"
            );
        }
    }

    #[test]
    fn seeds_differ_by_each_of_their_parts() {
        let all = [seed(1, 1, 1), seed(2, 1, 1), seed(1, 2, 1), seed(1, 1, 2)];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(one));
        }
    }
}
