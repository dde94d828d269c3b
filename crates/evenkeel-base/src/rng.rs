//! A small seedable generator for balancing and request ids: chance is an argument, so the same seed gives the same run.
//!
//! SplitMix64 (Steele, Lea and Flood, 2014). Not for secrets: nothing here protects anything.

/// A 64-bit SplitMix generator; one per worker, seeded once from the operating system.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The generator that starts at `seed`; equal seeds give equal sequences.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    #[inline]
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound` (0 when `bound` is 0), by Lemire's multiplication; its bias is below 2^-32 for 32 bits.
    #[inline]
    pub const fn below(&mut self, bound: u32) -> u32 {
        (((self.next_u64() >> 32) * bound as u64) >> 32) as u32
    }

    /// The same for a bound of 64 bits; its bias is below `bound` / 2^64.
    #[inline]
    pub const fn below_long(&mut self, bound: u64) -> u64 {
        ((self.next_u64() as u128 * bound as u128) >> 64) as u64
    }

    /// Two numbers below two bounds, from the two halves of one step: a step costs twenty instructions.
    #[inline]
    pub const fn below_both(&mut self, first: u32, second: u32) -> (u32, u32) {
        let bits = self.next_u64();
        let first = ((bits >> 32) * first as u64) >> 32;
        let second = ((bits & 0xffff_ffff) * second as u64) >> 32;
        (first as u32, second as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_sequences_within_bounds() {
        let (mut a, mut b) = (Rng::new(7), Rng::new(7));
        let mut seen = [0_u32; 5];
        for _ in 0..5000 {
            let n = a.below(5);
            assert_eq!(n, b.below(5));
            seen[n as usize] += 1;
        }
        assert!(seen.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
    }

    #[test]
    fn long_numbers_stay_below_their_bound() {
        let mut rng = Rng::new(7);
        let bound = 5 << 60_u32;
        let mut seen = [0_u32; 5];
        for _ in 0..5000 {
            seen[(rng.below_long(bound) >> 60) as usize] += 1;
            assert_eq!(rng.below_long(1), 0);
            assert_eq!(rng.below_long(0), 0);
        }
        assert!(seen.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
    }

    #[test]
    fn two_numbers_of_one_step_do_not_know_of_each_other() {
        let mut rng = Rng::new(7);
        let mut seen = [[0_u32; 3]; 4];
        for _ in 0..12_000 {
            let (first, second) = rng.below_both(4, 3);
            seen[first as usize][second as usize] += 1;
        }
        let all = seen.as_flattened();
        assert!(all.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
        assert_eq!(rng.below_both(0, 0), (0, 0));
        assert_eq!(rng.below_both(1, 1), (0, 0));
    }
}
