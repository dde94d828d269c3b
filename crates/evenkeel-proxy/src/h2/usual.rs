//! Fields of responses as the codec wants them. Most say what others have said before: who serves, of what kind the content is, which
//! second it is. Each costs a check of every byte and memory of its own, twice where the name is none of the codec's; one that was
//! there before is found here by comparing it.
//!
//! A field has one place, by its length and its last bytes. It is kept when it comes twice in a row there, so that what is said only
//! once, a cookie or a tag, costs a look and takes nobody's place.

use std::cell::RefCell;

use evenkeel_base::Known;
use http::header::{self, HeaderName, HeaderValue};

/// How many fields are kept: an application has a dozen or two.
const PLACES: usize = 64;

/// Longer ones are not kept, so that all together take 32 KB at most.
const LONGEST: usize = 128;

/// The fields that a worker's responses have had of late.
#[derive(Debug)]
pub(crate) struct Usual(RefCell<[Place; PLACES]>);

#[derive(Debug, Default)]
struct Place {
    /// By what was looked in vain the last time.
    missed: u64,
    kept: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    /// The name as it was spelt, and the value behind it.
    text: Box<[u8]>,
    name_length: usize,
    name: HeaderName,
    value: HeaderValue,
}

impl Usual {
    /// The field for the codec; none where the codec takes no such thing.
    pub(crate) fn field(
        &self,
        name: &[u8],
        value: &[u8],
        known: Known,
    ) -> Option<(HeaderName, HeaderValue)> {
        if name.len() + value.len() > LONGEST {
            return make(name, value, known);
        }
        let by = by(name, value);
        let mut places = self.0.borrow_mut();
        let place = &mut places[index(by)];
        if let Some(kept) = &place.kept
            && kept.is(name, value)
        {
            return Some((kept.name.clone(), kept.value.clone()));
        }
        let made = make(name, value, known)?;
        if place.missed == by {
            let (own_name, own_value) = made.clone();
            place.kept = Some(Kept {
                text: [name, value].concat().into(),
                name_length: name.len(),
                name: own_name,
                value: own_value,
            });
        }
        place.missed = by;
        Some(made)
    }
}

impl Kept {
    #[inline]
    fn is(&self, name: &[u8], value: &[u8]) -> bool {
        let (own_name, own_value) = self.text.split_at(self.name_length);
        own_value == value && own_name == name
    }
}

impl Default for Usual {
    fn default() -> Self {
        Self(RefCell::new(std::array::from_fn(|_| Place::default())))
    }
}

/// Both were validated by whoever read or compiled them, and by the codec's types once more.
fn make(name: &[u8], value: &[u8], known: Known) -> Option<(HeaderName, HeaderValue)> {
    let name = match known {
        // Of those that most responses have, the codec need not find out which they are.
        Known::ContentLength => header::CONTENT_LENGTH,
        Known::ContentType => header::CONTENT_TYPE,
        _ => HeaderName::from_bytes(name).ok()?,
    };
    Some((name, HeaderValue::from_bytes(value).ok()?))
}

/// What tells fields apart, nearly: how both end, and how long they are. Never 0.
#[inline]
fn by(name: &[u8], value: &[u8]) -> u64 {
    let lengths = (name.len() << 8 | value.len()) as u64;
    let ends = end(name).rotate_left(29) ^ end(value);
    (ends ^ lengths).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
}

/// The last eight bytes, or what there is.
#[inline]
fn end(text: &[u8]) -> u64 {
    match text.last_chunk() {
        Some(last) => u64::from_le_bytes(*last),
        None => text.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)),
    }
}

/// The place, by upper bits, which depend on all others.
#[inline]
const fn index(by: u64) -> usize {
    (by >> 48) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The field as the codec has it.
    fn told(usual: &Usual, name: &str, value: &str) -> Option<(String, Vec<u8>)> {
        let known = Known::of(name.as_bytes());
        let field = usual.field(name.as_bytes(), value.as_bytes(), known)?;
        Some((field.0.as_str().to_owned(), field.1.as_bytes().to_vec()))
    }

    fn kept(usual: &Usual) -> usize {
        let places = usual.0.borrow();
        places.iter().filter(|place| place.kept.is_some()).count()
    }

    #[test]
    fn a_field_is_the_same_whether_it_was_there_before_or_not() {
        let usual = Usual::default();
        let long = "v".repeat(LONGEST);
        let values = [
            "",
            "a",
            "bench-origin",
            "Sun, 22 Nov 2026 12:00:00 GMT",
            &long,
        ];
        let names = [
            "a",
            "Date",
            "date",
            "Server",
            "X-Note",
            "Content-Length",
            "Content-Type",
        ];
        for _ in 0..3 {
            for name in names {
                for value in values {
                    let expected = (name.to_ascii_lowercase(), value.as_bytes().to_vec());
                    assert_eq!(told(&usual, name, value), Some(expected));
                }
            }
            for (name, value) in [("a b", "c"), ("", "c"), ("a", "b\r\nc"), ("a", "\0")] {
                assert_eq!(told(&usual, name, value), None, "{name:?} {value:?}");
            }
        }
    }

    #[test]
    fn what_comes_again_is_kept_and_what_comes_once_is_not() {
        let usual = Usual::default();
        for n in 0..1_000 {
            told(&usual, "Etag", &format!("\"{n}\""));
        }
        assert_eq!(kept(&usual), 0);
        for _ in 0..2 {
            told(&usual, "Server", "nginx");
        }
        assert_eq!(kept(&usual), 1);
        for n in 0..1_000 {
            told(&usual, "Set-Cookie", &format!("session={n}"));
        }
        assert_eq!(kept(&usual), 1, "and stays");
        for _ in 0..2 {
            told(&usual, "X-Long", &"v".repeat(LONGEST));
        }
        assert_eq!(kept(&usual), 1, "what is long is made anew");
    }

    #[test]
    fn those_of_one_place_drive_each_other_out() {
        let usual = Usual::default();
        // The same length, and the same end.
        let (one, other) = ("1 of the same end", "2 of the same end");
        for value in [one, one, other, other, one, one] {
            assert_eq!(told(&usual, "x", value).unwrap().1, value.as_bytes());
            assert!(kept(&usual) <= 1);
        }
    }
}
