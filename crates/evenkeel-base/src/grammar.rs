//! Small grammars that every protocol's reader and writer must agree about: what a path is, a length, a late field.
//!
//! A message that one codec accepts is written by another. Where both ask here, neither can be made to write what the other
//! would read differently.

use crate::field::{Known, is_tchar, reads_alike};

/// Whether this byte may stand in a query: VCHAR without `#`, which begins a fragment.
#[inline]
#[must_use]
pub const fn is_query_byte(byte: u8) -> bool {
    (byte > 0x20) & (byte < 0x7f) & (byte != b'#')
}

/// Whether this byte may stand in a path: as in a query, without the `?` that ends the path.
#[inline]
#[must_use]
pub const fn is_path_byte(byte: u8) -> bool {
    is_query_byte(byte) & (byte != b'?')
}

/// Where the path of `/path[?query]` ends: at its first `?`, or with the text. `None` when the text does not begin with `/` or
/// has a byte that no target may have (RFC 9112 §3.2.1).
#[must_use]
pub fn path_length(target: &[u8]) -> Option<usize> {
    // Without a way out of the loop the compiler judges many bytes at once.
    let is_target = target
        .iter()
        .fold(true, |is, &byte| is & is_query_byte(byte));
    if target.first() != Some(&b'/') || !is_target {
        return None;
    }
    let question = target.iter().position(|&byte| byte == b'?');
    Some(question.unwrap_or(target.len()))
}

/// A plain decimal number below 2^63, which every language that may stand behind us can hold: no sign, no leading zero.
#[must_use]
pub fn decimal(value: &[u8]) -> Option<u64> {
    let plain = match value {
        [b'0'] => true,
        [b'0', ..] | [] => false,
        digits => digits.len() <= 19 && digits.iter().all(u8::is_ascii_digit),
    };
    if !plain {
        return None;
    }
    // Nineteen digits are below 2^64, so that nothing overflows before the comparison.
    let number = value
        .iter()
        .fold(0_u64, |number, digit| number * 10 + u64::from(digit - b'0'));
    (number <= i64::MAX.unsigned_abs()).then_some(number)
}

/// The members of a comma-separated list without the white space around them; empty ones too.
pub fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

/// Fields that no rule of the pipeline names and that still must not come late.
const NEVER_LATE: [&str; 16] = [
    "authorization",
    "cache-control",
    "content-encoding",
    "content-range",
    "cookie",
    "date",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "location",
    "pragma",
    "range",
    "set-cookie",
    "www-authenticate",
];

/// Whether a field may come after the body: nothing that frames, routes, authenticates or changes how a message is read
/// (RFC 9110 §6.5.1), and no name that is read as one of these where `_` counts as `-`.
#[must_use]
pub fn may_trail(known: Known, name: &[u8]) -> bool {
    let names = |text: &&str| reads_alike(text.as_bytes(), name);
    known == Known::Other
        && Known::underscore_twin(name) == Known::Other
        && !NEVER_LATE.iter().any(names)
}

/// Whether these bytes are a field name where names have no upper case (RFC 9113 §8.2.1).
#[inline]
#[must_use]
pub fn is_lower_token(name: &[u8]) -> bool {
    let is_token = name.iter().fold(true, |is, &b| is & LOWER[usize::from(b)]);
    !name.is_empty() && is_token
}

/// The bytes of tokens without upper case, made when compiling.
static LOWER: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = is_tchar(byte) && !byte.is_ascii_uppercase();
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_begin_with_a_slash_and_end_at_the_question_mark() {
        for (target, length) in [
            ("/", Some(1)),
            ("/a?b?c", Some(2)),
            ("/?", Some(1)),
            ("", None),
            ("a", None),
            ("*", None),
            ("?a", None),
            ("/a b", None),
            ("/a#b", None),
            ("/a?b#c", None),
            ("/a\r", None),
            ("/a?\n", None),
            ("/\0", None),
            ("/\u{e9}", None),
        ] {
            assert_eq!(path_length(target.as_bytes()), length, "{target:?}");
        }
    }

    #[test]
    fn lengths_are_plain_decimal_numbers() {
        assert_eq!(decimal(b"0"), Some(0));
        assert_eq!(
            decimal(b"9223372036854775807"),
            Some(i64::MAX.unsigned_abs())
        );
        for text in [
            "",
            "+5",
            "-5",
            "-0",
            "5 5",
            "0x5",
            "5e0",
            "5.0",
            "5;",
            "1_0",
            "05",
            "00",
            "5,5",
            "5, 5",
            "9223372036854775808",
            "18446744073709551616",
            "99999999999999999999",
            "\u{665}",
        ] {
            assert_eq!(decimal(text.as_bytes()), None, "{text}");
        }
        assert_eq!(decimal(&[b'1'; 1000]), None);
    }

    #[test]
    fn names_without_upper_case_are_tokens_of_other_bytes() {
        assert!(!is_lower_token(b""));
        for byte in 0..=u8::MAX {
            let expected = is_tchar(byte) && !byte.is_ascii_uppercase();
            assert_eq!(is_lower_token(&[b'a', byte]), expected, "{byte}");
        }
    }

    #[test]
    fn what_frames_routes_or_identifies_never_comes_late() {
        let late = |name: &str| may_trail(Known::of(name.as_bytes()), name.as_bytes());
        assert!(late("grpc-status") && late("x-checksum"));
        for name in [
            "content-length",
            "Host",
            "te",
            "Set-Cookie",
            "x-forwarded-for",
            "X_Forwarded_For",
        ] {
            assert!(!late(name), "{name}");
        }
    }
}
