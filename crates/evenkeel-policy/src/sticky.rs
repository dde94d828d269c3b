//! Sticky by cookie: tokens that name an endpoint to us, and to nobody else.
//!
//! A token is a keyed hash (HMAC-SHA-256: RFC 2104, FIPS 180-4) of the cluster's name and the endpoint's id, cut to 128 bits
//! and written in base64url without padding (RFC 4648 §5). Nothing is stored: whoever has the key and the configuration gets
//! the same tokens, so a restart and other nodes know them. Nothing of the endpoint can be read from it, and nobody without a
//! key can make the token of an endpoint that was not given to them. All of it is done when a set of endpoints is made; a
//! request costs a search among the tokens, without cryptography and without allocation.
//!
//! Tokens are no secrets from the clients that have them: who asks often enough without a cookie is given every one. So the
//! search may take its time for as many bytes as are equal, and a token that is stolen gives nothing but an endpoint.
//!
//! One cookie can hold [several](tokens) tokens, the newest first: clusters that share its name then leave each other's alone.
//! The cookie around them, its name and its attributes, is not made here.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

pub use evenkeel_base::rules::MOST_TOKENS;

/// Bytes of a token as text: 22 digits of 6 bits hold 128.
pub const TOKEN_LENGTH: usize = 22;

/// What stands between the tokens of several clusters: a byte that tokens do not have and cookies may (RFC 6265 §4.1.1).
const SEPARATOR: u8 = b'.';

/// What a token hashes first: other uses of the same key give other hashes.
const PURPOSE: &[u8] = b"evenkeel sticky endpoint 1";

/// The digits of base64url.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A token as text.
pub type Token = [u8; TOKEN_LENGTH];

/// What the value of a cookie may hold as tokens, the newest first.
#[inline]
pub fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == SEPARATOR).take(MOST_TOKENS)
}

/// Puts `older` tokens behind a new one, as far as there is room for them. All are in base64url.
#[must_use]
pub fn join(newest: &str, older: &[&str]) -> String {
    let kept = &older[..older.len().min(MOST_TOKENS - 1)];
    let mut value = String::with_capacity((kept.len() + 1) * (TOKEN_LENGTH + 1));
    value.push_str(newest);
    for token in kept {
        value.push(char::from(SEPARATOR));
        value.push_str(token);
    }
    value
}

/// The tokens of a cluster's endpoints.
#[derive(Debug)]
pub struct Tokens {
    /// Those that clients are given, by the position of the endpoint.
    given: Box<[Token]>,
    /// Those that are known, of all keys, in order, with the position of the endpoint.
    known: Box<[(Token, u32)]>,
}

impl Tokens {
    /// The tokens of these endpoints, in their order. The first key seals what clients are given; what the others sealed is known
    /// as well, so that keys can be replaced one after the other. Without a key there are none.
    #[must_use]
    pub fn new(keys: &[&[u8]], cluster: &str, ids: &[&str]) -> Self {
        let seal_all = |key: &&[u8]| -> Box<[Token]> {
            let seal = Seal::new(key, cluster);
            ids.iter().map(|id| seal.token(id)).collect()
        };
        let by_key: Vec<Box<[Token]>> = keys.iter().map(seal_all).collect();
        let known: Vec<(Token, u32)> = by_key
            .iter()
            .flat_map(|tokens| tokens.iter().copied().zip(0..))
            .collect();
        Self {
            given: by_key.into_iter().next().unwrap_or_default(),
            known: in_order(known),
        }
    }

    /// The same, and knowing the tokens of other ids that endpoints had, with their positions. Nobody is given these.
    #[must_use]
    pub fn knowing(self, keys: &[&[u8]], cluster: &str, ids: &[(String, u32)]) -> Self {
        if ids.is_empty() {
            return self;
        }
        let mut known = self.known.into_vec();
        for key in keys {
            let seal = Seal::new(key, cluster);
            known.extend(ids.iter().map(|(id, at)| (seal.token(id), *at)));
        }
        Self {
            known: in_order(known),
            ..self
        }
    }

    /// The position of the endpoint that this token names; none when it is no token of this cluster, or of an endpoint that is
    /// not there any more.
    #[inline]
    #[must_use]
    pub fn position(&self, value: &[u8]) -> Option<usize> {
        let token: &Token = value.try_into().ok()?;
        let at = self.known.binary_search_by_key(&token, |(known, _)| known);
        at.ok().map(|at| self.known[at].1 as usize)
    }

    /// The tokens that clients are given, in the order of the endpoints.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        let text = |token| std::str::from_utf8(token).unwrap_or_default();
        self.given.iter().map(move |token| text(token))
    }
}

/// The tokens in an order in which they are found, each once.
fn in_order(mut known: Vec<(Token, u32)>) -> Box<[(Token, u32)]> {
    known.sort_unstable();
    known.dedup_by_key(|(token, _)| *token);
    known.into_boxed_slice()
}

/// A key made ready for the endpoints of one cluster.
struct Seal(Hmac<Sha256>);

impl Seal {
    fn new(key: &[u8], cluster: &str) -> Self {
        let mut mac = keyed(key);
        mac.update(PURPOSE);
        // With its length before it: cluster "ab", endpoint "c" must not be cluster "a", endpoint "bc".
        mac.update(&(cluster.len() as u64).to_be_bytes());
        mac.update(cluster.as_bytes());
        Self(mac)
    }

    fn token(&self, id: &str) -> Token {
        let hash = self.0.clone().chain_update(id).finalize().into_bytes();
        let half = hash.iter().take(16);
        digits(half.fold(0, |bits, byte| bits << 8 | u128::from(*byte)))
    }
}

/// HMAC with a key of any length: one that is longer than a block is hashed, a shorter one filled up (RFC 2104 §2).
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    if let Some(start) = block.get_mut(..key.len()) {
        start.copy_from_slice(key);
    } else {
        block[..32].copy_from_slice(&Sha256::digest(key));
    }
    Hmac::new(&block.into())
}

/// Base64url of 16 bytes: the last digit holds two bits, above four that are zero.
fn digits(bits: u128) -> Token {
    std::array::from_fn(|at| {
        let digit = match 122_usize.checked_sub(6 * at) {
            Some(shift) => bits >> shift & 63,
            None => bits << 4 & 63,
        };
        DIGITS[digit as usize]
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    /// The tokens of endpoints `a`, `b` and `c` of cluster `app`.
    fn app(keys: &[&str]) -> Tokens {
        of(keys, "app", &["a", "b", "c"])
    }

    fn of(keys: &[&str], cluster: &str, ids: &[&str]) -> Tokens {
        let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
        Tokens::new(&keys, cluster, ids)
    }

    /// Where `other` finds the tokens that `tokens` gives.
    fn found(tokens: &Tokens, other: &Tokens) -> Vec<Option<usize>> {
        let found = |token: &str| other.position(token.as_bytes());
        tokens.all().map(found).collect()
    }

    const ALL: [Option<usize>; 3] = [Some(0), Some(1), Some(2)];
    const NONE: [Option<usize>; 3] = [None; 3];

    #[test]
    fn whoever_has_the_key_gets_the_same_tokens() {
        assert_eq!(found(&app(&["k"]), &app(&["k"])), ALL);
        assert_eq!(found(&app(&["k"]), &app(&["l"])), NONE);
    }

    #[test]
    fn the_first_key_seals_and_all_are_known() {
        let (old, both, new) = (app(&["k"]), app(&["l", "k"]), app(&["l"]));
        assert_eq!(found(&old, &both), ALL);
        assert_eq!(found(&both, &new), ALL);
        assert_eq!(found(&both, &old), NONE);
    }

    #[test]
    fn a_token_is_of_one_cluster_and_follows_its_endpoint() {
        let before = app(&["k"]);
        assert_eq!(found(&before, &of(&["k"], "app2", &["a", "b", "c"])), NONE);
        let others = of(&["k"], "app", &["x", "c", "y", "a"]);
        assert_eq!(found(&before, &others), [Some(3), None, Some(1)]);
        let moved = (of(&["k"], "ap", &["pa"]), of(&["k"], "app", &["a"]));
        assert_eq!(
            found(&moved.0, &moved.1),
            [None],
            "where a name ends counts"
        );
    }

    #[test]
    fn without_a_key_there_are_no_tokens() {
        let none = app(&[]);
        assert_eq!((none.all().count(), none.position(b"")), (0, None));
        assert_eq!(app(&["k"]).position(&[b'A'; TOKEN_LENGTH]), None);
    }

    #[test]
    fn a_cookie_holds_the_newest_tokens() {
        let split = |value: &str| -> Vec<String> {
            let text = |token: &[u8]| String::from_utf8_lossy(token).into_owned();
            tokens(value.as_bytes()).map(text).collect()
        };
        assert_eq!(join("a", &[]), "a");
        assert_eq!(join("a", &["b", "c"]), "a.b.c");
        assert_eq!(split("a.b.c"), ["a", "b", "c"]);
        assert_eq!(split(""), [""]);
        let many = join("new", &["old"; 20]);
        assert_eq!(split(&many).len(), MOST_TOKENS);
        assert_eq!(split(&format!("{many}.more")).len(), MOST_TOKENS);
    }

    #[test]
    fn keys_of_every_length_will_do() {
        let keys = [
            "",
            "k",
            &"k".repeat(64),
            &"k".repeat(65),
            &"k".repeat(9_000),
        ];
        for one in keys {
            for other in keys {
                let expected = if one == other { ALL } else { NONE };
                assert_eq!(found(&app(&[one]), &app(&[other])), expected);
            }
        }
    }

    /// Made with Python's `hmac` and `base64`. A version that changes them loses every client its endpoint.
    #[test]
    fn tokens_stay_what_they_are() {
        let short = of(&["secret"], "app", &["10.0.0.1:8080"]);
        assert_eq!(short.all().next(), Some("FIK0puconnAJH51sDPYZ0g"));
        let long = of(&[&"x".repeat(100)], "", &["ü"]);
        assert_eq!(long.all().next(), Some("KPxBXE_jIT-Czgm-L0hWhA"));
    }

    #[test]
    fn base64url_is_that_of_the_rfc() {
        let text = |bits: u128| String::from_utf8(digits(bits).to_vec()).unwrap();
        assert_eq!(text(0), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(text(u128::MAX), "_____________________w");
        assert_eq!(text(1), "AAAAAAAAAAAAAAAAAAAAAQ");
        let foobar = u128::from_be_bytes(*b"foobarfoobarfoob");
        assert_eq!(text(foobar), "Zm9vYmFyZm9vYmFyZm9vYg");
        let digits = u128::from_be_bytes([
            0xfb, 0xff, 0xbf, 0xef, 0xfb, 0xff, 0xbf, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ]);
        assert_eq!(text(digits), "-_-_7_v_vwAAAAAAAAAAAA");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        /// Nothing but a token is one, and every endpoint has its own.
        #[test]
        fn what_is_no_token_names_nobody(
            value in prop::collection::vec(any::<u8>(), 0..40),
            at in 0..40_usize,
            flip in 1..=255_u8,
            count in 1..40_usize,
        ) {
            let ids: Vec<String> = (0..count).map(|n| n.to_string()).collect();
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let tokens = Tokens::new(&[b"k", b"l"], "app", &ids);
            prop_assert_eq!(tokens.position(&value), None);
            for (position, given) in tokens.given.iter().enumerate() {
                prop_assert_eq!(tokens.position(given), Some(position));
                let mut forged = *given;
                forged[at % TOKEN_LENGTH] ^= flip;
                prop_assert_eq!(tokens.position(&forged), None);
                prop_assert!(given.iter().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b)));
            }
        }
    }
}
