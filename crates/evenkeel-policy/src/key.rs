//! The key of a request: 64 bits of what it is told apart by, the same in every process, on every node, after every restart.
//!
//! Hash balancers, splits by key and clients that keep their endpoint all go by it. The function is XXH64 (Collet, the
//! specification `xxhash_spec.md`), not seeded by the process: nodes that share nothing must agree. So a client that may
//! choose its key may choose its endpoint too; what it can do with that is a matter of bounded load, not of the hash.
//!
//! What the parts are (an address, a field, a cookie) is not known here: whoever reads the request feeds their bytes.

use evenkeel_base::Rng;
use twox_hash::XxHash64;

/// Sets a missing part apart from an empty one: the fractional bits of the square root of 2.
const MISSING: u64 = 0x6A09_E667_F3BC_C908;

/// Makes a key of parts.
///
/// A key of one part is the XXH64 of its bytes with seed 0. Each part after that is hashed with the hash so far as the
/// seed, and its length goes into XXH64, so that "ab" and "c" do not meet "a" and "bc".
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyHasher {
    hash: u64,
    present: bool,
}

impl KeyHasher {
    /// No part yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            hash: 0,
            present: false,
        }
    }

    /// The next part, in the order of the configuration; none when the request does not have it.
    #[inline]
    pub fn part(&mut self, bytes: Option<&[u8]>) {
        self.present |= bytes.is_some();
        self.hash = match bytes {
            Some(bytes) => XxHash64::oneshot(self.hash, bytes),
            None => XxHash64::oneshot(self.hash ^ MISSING, &[]),
        };
    }

    /// The key; none when all parts were missing, for then there is nothing to tell the request apart by.
    #[inline]
    #[must_use]
    pub const fn finish(&self) -> Option<u64> {
        if self.present { Some(self.hash) } else { None }
    }
}

/// The hash of an identity, of an endpoint or a node: the key of that one part, if `salt` is 0.
pub(crate) fn identity(id: &str, salt: u64) -> u64 {
    XxHash64::oneshot(salt, id.as_bytes())
}

/// What two hashes are to each other: 64 bits that tell nothing of either alone (the first step of SplitMix64 from
/// their difference).
#[inline]
pub(crate) const fn pair(one: u64, other: u64) -> u64 {
    Rng::new(one ^ other).next_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(parts: &[Option<&str>]) -> Option<u64> {
        let mut key = KeyHasher::new();
        parts
            .iter()
            .for_each(|part| key.part(part.map(str::as_bytes)));
        key.finish()
    }

    #[test]
    fn one_part_is_its_xxh64() {
        // What `xxhsum -H64` of the public implementation prints.
        for (part, expected) in [
            ("", 0xEF46_DB37_51D8_E999),
            ("a", 0xD24E_C4F1_A98C_6E5B),
            ("abc", 0x44BC_2CF5_AD77_0999),
            (
                "Nobody inspects the spammish repetition",
                0xFBCE_A83C_8A37_8BF1,
            ),
        ] {
            assert_eq!(key(&[Some(part)]), Some(expected), "{part}");
        }
    }

    #[test]
    fn a_request_without_any_part_has_no_key() {
        for (parts, has) in [
            (&[][..], false),
            (&[None], false),
            (&[None, None, None], false),
            (&[None, Some("x")], true),
            (&[Some(""), None], true),
        ] {
            assert_eq!(key(parts).is_some(), has, "{parts:?}");
        }
    }

    #[test]
    fn where_one_part_ends_and_which_is_missing_counts() {
        let all = [
            key(&[Some("abc")]),
            key(&[Some("ab"), Some("c")]),
            key(&[Some("a"), Some("bc")]),
            key(&[Some("bc"), Some("a")]),
            key(&[Some("abc"), Some("")]),
            key(&[Some("abc"), None]),
            key(&[None, Some("abc")]),
            key(&[Some(""), Some("abc")]),
            key(&[None, None, Some("abc")]),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(one), "{at}: {all:x?}");
        }
        assert_eq!(key(&[Some("ab"), None]), key(&[Some("ab"), None]));
    }
}
