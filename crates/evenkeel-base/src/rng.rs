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
}
