//! Where a run of allowed bytes ends: the inner loops of the codec. They judge bytes, never lines.
//!
//! Eight bytes at a time in one `u64` where the set is a range with a few holes, a table where it is not. In every word
//! the lowest marked byte is exact; higher ones may be marked by a borrow, and nobody looks at them.

use evenkeel_base::field::is_tchar;

/// The first byte from `at` on that no token may have, or the end.
#[inline]
pub(crate) fn token_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = bytes.get(at) {
        if !TCHAR[usize::from(byte)] {
            break;
        }
        at += 1;
    }
    at
}

/// The first byte from `at` on that no field value may have (a control byte other than HTAB), or the end.
#[inline]
pub(crate) fn value_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        at = first(
            bytes,
            at,
            |word| below(word, 0x20) | equal(word, 0x7f),
            |b| b < 0x20 || b == 0x7f,
        );
        if bytes.get(at) != Some(&b'\t') {
            return at;
        }
        at += 1;
    }
}

/// The first byte from `at` on that no path may have, or the end: `?` and `#` end it, and only VCHAR stands in it.
#[inline]
pub(crate) fn path_end(bytes: &[u8], at: usize) -> usize {
    let marks = |word| not_visible(word) | equal(word, b'#') | equal(word, b'?');
    first(bytes, at, marks, |b| {
        !b.is_ascii_graphic() || b == b'#' || b == b'?'
    })
}

/// The first byte from `at` on that no query may have, or the end: `#` ends it, and only VCHAR stands in it.
#[inline]
pub(crate) fn query_end(bytes: &[u8], at: usize) -> usize {
    let marks = |word| not_visible(word) | equal(word, b'#');
    first(bytes, at, marks, |b| !b.is_ascii_graphic() || b == b'#')
}

/// A table of the bytes that a token may have.
static TCHAR: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = is_tchar(byte);
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

const HIGH: u64 = 0x8080_8080_8080_8080;

/// The first position from `at` on that `marks` marks in words and `stops` in the bytes of the rest.
#[inline(always)]
fn first(
    bytes: &[u8],
    mut at: usize,
    marks: impl Fn(u64) -> u64,
    stops: impl Fn(u8) -> bool,
) -> usize {
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let found = marks(u64::from_le_bytes(*word)) & HIGH;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if stops(byte) {
            break;
        }
        at += 1;
    }
    at
}

/// Marks the bytes below `bound` (at most 0x80).
#[inline(always)]
const fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(repeat(bound)) & !word
}

/// Marks the bytes that are `byte`.
#[inline(always)]
const fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ repeat(byte), 1)
}

/// Marks the bytes that are not VCHAR.
#[inline(always)]
const fn not_visible(word: u64) -> u64 {
    below(word, 0x21) | equal(word, 0x7f) | word
}

const fn repeat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte value at every position of a run of filler, and followed by every kind of neighbor.
    fn check(end: fn(&[u8], usize) -> usize, allowed: fn(u8) -> bool) {
        for length in 0..20 {
            for position in 0..length {
                for byte in 0..=u8::MAX {
                    for next in [b'a', b' ', b'\t', 0, 0x80, 0x7f, 0x21, 0x22, 0x24] {
                        let mut bytes = vec![b'a'; length];
                        bytes[position] = byte;
                        if let Some(after) = bytes.get_mut(position + 1) {
                            *after = next;
                        }
                        let expected = bytes.iter().position(|&b| !allowed(b)).unwrap_or(length);
                        assert_eq!(end(&bytes, 0), expected, "{bytes:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn ends_are_where_a_plain_loop_finds_them() {
        check(token_end, is_tchar);
        check(value_end, |b| b == b'\t' || (b >= 0x20 && b != 0x7f));
        check(path_end, |b| {
            (0x21..0x7f).contains(&b) && b != b'#' && b != b'?'
        });
        check(query_end, |b| (0x21..0x7f).contains(&b) && b != b'#');
    }

    #[test]
    fn they_start_where_they_are_told_and_stop_at_the_end() {
        assert_eq!(value_end(b"\0\0abc", 2), 5);
        assert_eq!(value_end(b"abc", 3), 3);
        assert_eq!(token_end(b"abc", 9), 9);
    }
}
