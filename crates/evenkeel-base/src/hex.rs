//! Numbers as hexadecimal digits, without the formatting machinery of the standard library.

/// A number of 32 bits as hexadecimal digits, all eight at once: every half byte is moved to a byte of its own, and where it is above
/// nine, the digit is a letter.
#[must_use]
pub const fn hex(bits: u64) -> [u8; 8] {
    let halves = (bits | bits << 16) & 0x0000_ffff_0000_ffff;
    let bytes = (halves | halves << 8) & 0x00ff_00ff_00ff_00ff;
    let nibbles = (bytes | bytes << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    let letters = ((nibbles + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    (nibbles + 0x3030_3030_3030_3030 + letters * 39).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn eight_digits_at_once_are_those_of_each() {
        for bits in [0, 1, 0x0123_4567, 0x89ab_cdef, 0xdead_beef, 0xffff_ffff] {
            assert_eq!(hex(bits), *format!("{bits:08x}").as_bytes());
        }
    }
}
