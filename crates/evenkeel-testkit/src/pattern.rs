//! A body of any length that can be made and checked without holding it.
//!
//! The byte at an offset depends on the offset alone, and the period is prime, so a body that lost, doubled or swapped
//! any piece of it differs from the original. Checking compares slices, which is fast enough for gigabytes.

/// The length of the block that is repeated: prime, so that it lines up with no buffer.
const PERIOD: usize = 65_521;

/// Makes and checks the bytes of a body from its first byte on.
#[derive(Debug)]
pub struct Pattern {
    /// Two periods, so that a period from any phase is one slice.
    block: Vec<u8>,
    offset: u64,
}

impl Pattern {
    /// At the first byte.
    #[must_use]
    pub fn new() -> Self {
        let mut state = 0x9e37_79b9_u32;
        let mut block: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .take(PERIOD)
        .collect();
        block.extend_from_within(..);
        Self { block, offset: 0 }
    }

    /// How many bytes were made or checked so far.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next bytes: at most `most` of them, and at least one unless that is 0.
    pub fn next(&mut self, most: u64) -> &[u8] {
        let phase = self.phase();
        let length = usize::try_from(most).map_or(PERIOD, |most| most.min(PERIOD));
        self.offset += length as u64;
        &self.block[phase..phase + length]
    }

    /// Checks that these are the next bytes.
    ///
    /// # Panics
    /// When they are not.
    #[track_caller]
    pub fn check(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let length = bytes.len().min(PERIOD);
            let phase = self.phase();
            let (piece, rest) = bytes.split_at(length);
            assert!(
                piece == &self.block[phase..phase + length],
                "the body differs after byte {}",
                self.offset
            );
            self.offset += length as u64;
            bytes = rest;
        }
    }

    /// The first `length` bytes of every pattern.
    #[must_use]
    pub fn bytes(length: usize) -> Vec<u8> {
        let mut pattern = Self::new();
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            bytes.extend_from_slice(pattern.next((length - bytes.len()) as u64));
        }
        bytes
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a remainder is below the period, which fits"
    )]
    fn phase(&self) -> usize {
        (self.offset % PERIOD as u64) as usize
    }
}

impl Default for Pattern {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_in_any_pieces_checks_in_others() {
        let bytes = Pattern::bytes(200_000);
        for size in [1, 7, PERIOD - 1, PERIOD, PERIOD + 1, 199_999] {
            let mut pattern = Pattern::new();
            bytes.chunks(size).for_each(|piece| pattern.check(piece));
            assert_eq!(pattern.offset(), 200_000);
        }
    }

    #[test]
    #[should_panic(expected = "the body differs after byte 3")]
    fn a_lost_byte_shows() {
        let mut bytes = Pattern::bytes(100);
        bytes.remove(5);
        let mut pattern = Pattern::new();
        bytes.chunks(3).for_each(|piece| pattern.check(piece));
    }
}
