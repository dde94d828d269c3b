//! Where a run of allowed bytes ends: the inner loops of the codec. They judge bytes, never lines.
//!
//! Sixteen bytes are judged at once, as a vector whose comparisons give a bit per byte. Where less than sixteen are left, the
//! last sixteen there are get judged, so that only what is shorter than that altogether is read byte by byte.

use evenkeel_base::field::is_tchar;
use evenkeel_base::grammar::{is_path_byte, is_query_byte};
use wide::u8x16;

/// The first byte from `at` on that no token may have, or the end.
#[inline]
pub(crate) fn token_end(bytes: &[u8], at: usize) -> usize {
    set_end(bytes, at, &TCHAR, |block| {
        is_alphanumeric(block) | block.simd_eq(u8x16::splat(b'-'))
    })
}

/// The first byte from `at` on that no field value may have (a control byte other than HTAB), or the end.
#[inline]
pub(crate) fn value_end(bytes: &[u8], at: usize) -> usize {
    end(bytes, at, is_value_byte, |block| {
        is_control(block) & !block.simd_eq(u8x16::splat(b'\t'))
    })
}

/// The first byte from `at` on that no path may have, or the end: `?` and `#` end it, and only VCHAR stands in it.
#[inline]
pub(crate) fn path_end(bytes: &[u8], at: usize) -> usize {
    end(bytes, at, is_path_byte, |block| {
        is_no_query(block) | block.simd_eq(u8x16::splat(b'?'))
    })
}

/// The first byte from `at` on that no query may have, or the end: `#` ends it, and only VCHAR stands in it.
#[inline]
pub(crate) fn query_end(bytes: &[u8], at: usize) -> usize {
    end(bytes, at, is_query_byte, is_no_query)
}

/// Whether `text` surely has no control byte; a HTAB is one here. Text of 4 bytes and more is read as words or blocks
/// of which the last two overlap, so that none is read byte by byte.
#[inline]
pub(crate) fn is_plain(text: &[u8]) -> bool {
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return is_plain_block(first) & is_plain_block(last) && is_plain_inside(text);
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let [first, last] = [first, last].map(|word| u64::from_le_bytes(*word));
        return is_plain_word(first) & is_plain_word(last);
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let [first, last] = [first, last].map(|half| u64::from(u32::from_le_bytes(*half)));
        return is_plain_word(first | last << 32);
    }
    text.iter().all(|byte| !byte.is_ascii_control())
}

/// The blocks after the first one; the last one is known.
#[inline]
fn is_plain_inside(text: &[u8]) -> bool {
    let (blocks, _) = text.as_chunks::<16>();
    blocks.iter().skip(1).all(is_plain_block)
}

#[inline(always)]
fn is_plain_block(block: &[u8; 16]) -> bool {
    is_control(u8x16::new(*block)).to_bitmask() == 0
}

/// Eight bytes at once: subtracting 0x20 borrows from the high bit of a byte below it, and so does subtracting 1 of one
/// that was 0x7f. A borrow may mark the byte above too, but only when one is marked rightly.
#[inline(always)]
const fn is_plain_word(word: u64) -> bool {
    let delete = word ^ 0x7f7f_7f7f_7f7f_7f7f;
    let below_space = word.wrapping_sub(0x2020_2020_2020_2020) & !word;
    let is_delete = delete.wrapping_sub(0x0101_0101_0101_0101) & !delete;
    (below_space | is_delete) & 0x8080_8080_8080_8080 == 0
}

/// The first byte that is not in `set`, of which `usual` finds most; the others are looked up.
#[inline(always)]
fn set_end(bytes: &[u8], at: usize, set: &Set, usual: impl Fn(u8x16) -> u8x16) -> usize {
    let at = end(
        bytes,
        at,
        |byte| set[usize::from(byte)],
        |block| !usual(block),
    );
    match bytes.get(at) {
        Some(&found) if set[usize::from(found)] => table_end(bytes, at + 1, set),
        _ => at,
    }
}

/// The first byte that is not in `set`. Eight bytes are looked up without asking for the end.
#[inline]
fn table_end(bytes: &[u8], mut at: usize, set: &Set) -> usize {
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        for (offset, &byte) in eight.iter().enumerate() {
            if !set[usize::from(byte)] {
                return at + offset;
            }
        }
        at += 8;
    }
    plain_end(bytes, at, |byte| set[usize::from(byte)])
}

/// The first byte of which `holds` does not hold, or that `stops` marks: for the same bytes, or for a few more.
#[inline(always)]
fn end(
    bytes: &[u8],
    mut at: usize,
    holds: impl Fn(u8) -> bool,
    stops: impl Fn(u8x16) -> u8x16,
) -> usize {
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<16>()) {
        let marked = stops(u8x16::new(*block)).to_bitmask();
        if marked != 0 {
            return at + marked.trailing_zeros() as usize;
        }
        at += 16;
    }
    match bytes.last_chunk::<16>() {
        Some(last) if at < bytes.len() => {
            let read = at + 16 - bytes.len();
            let marked = stops(u8x16::new(*last)).to_bitmask() >> read;
            if marked == 0 {
                bytes.len()
            } else {
                at + marked.trailing_zeros() as usize
            }
        }
        _ => plain_end(bytes, at, holds),
    }
}

/// The control bytes, HTAB among them.
#[inline(always)]
fn is_control(block: u8x16) -> u8x16 {
    block.simd_le(u8x16::splat(0x1f)) | block.simd_eq(u8x16::splat(0x7f))
}

/// What stands in no query: all but VCHAR, and `#`.
#[inline(always)]
fn is_no_query(block: u8x16) -> u8x16 {
    block.simd_le(u8x16::splat(0x20))
        | block.simd_ge(u8x16::splat(0x7f))
        | block.simd_eq(u8x16::splat(b'#'))
}

/// Letters and digits.
#[inline(always)]
fn is_alphanumeric(block: u8x16) -> u8x16 {
    let letters = (block | u8x16::splat(0x20)) - u8x16::splat(b'a');
    let digits = block - u8x16::splat(b'0');
    letters.simd_le(u8x16::splat(25)) | digits.simd_le(u8x16::splat(9))
}

/// The same, byte by byte.
#[inline(always)]
fn plain_end(bytes: &[u8], mut at: usize, holds: impl Fn(u8) -> bool) -> usize {
    while let Some(&byte) = bytes.get(at) {
        if !holds(byte) {
            break;
        }
        at += 1;
    }
    at
}

const fn is_value_byte(byte: u8) -> bool {
    (byte == b'\t') | ((byte >= 0x20) & (byte != 0x7f))
}

/// The bytes that a run may have.
type Set = [bool; 256];

/// The set of the bytes of which `$holds`, made when compiling.
macro_rules! set {
    ($holds:expr) => {{
        let mut table = [false; 256];
        let mut byte = 0_u8;
        loop {
            table[byte as usize] = $holds(byte);
            if byte == u8::MAX {
                break table;
            }
            byte += 1;
        }
    }};
}

static TCHAR: Set = set!(is_tchar);

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte value at every position of a run of filler.
    fn check(end: fn(&[u8], usize) -> usize, allowed: fn(u8) -> bool) {
        for length in (0..35).chain([47, 48, 49]) {
            for position in 0..length {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'a'; length];
                    bytes[position] = byte;
                    let expected = bytes.iter().position(|&b| !allowed(b)).unwrap_or(length);
                    assert_eq!(end(&bytes, 0), expected, "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn ends_are_where_a_plain_loop_finds_them() {
        check(token_end, is_tchar);
        check(value_end, is_value_byte);
        check(path_end, is_path_byte);
        check(query_end, is_query_byte);
    }

    #[test]
    fn plain_text_has_no_control_byte_anywhere() {
        for length in 0..70 {
            let mut text = vec![b'a'; length];
            assert!(is_plain(&text));
            for position in 0..length {
                for byte in 0..=u8::MAX {
                    text[position] = byte;
                    assert_eq!(is_plain(&text), !byte.is_ascii_control(), "{text:?}");
                }
                text[position] = 0xff;
            }
        }
    }

    #[test]
    fn a_run_goes_on_over_what_is_rare() {
        for length in 0..64 {
            let tabs = [vec![b'\t'; length], b"\r".to_vec()].concat();
            assert_eq!(value_end(&tabs, 0), length);
            let questions = [vec![b'?'; length], b" ".to_vec()].concat();
            assert_eq!(query_end(&questions, 0), length);
            let underscores = [vec![b'_'; length], b":".to_vec()].concat();
            assert_eq!(token_end(&underscores, 0), length);
        }
    }

    #[test]
    fn they_start_where_they_are_told_and_stop_at_the_end() {
        assert_eq!(value_end(b"\0\0abc", 2), 5);
        assert_eq!(value_end(b"abc", 3), 3);
        assert_eq!(token_end(b"abc", 9), 9);
    }
}
