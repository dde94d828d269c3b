//! Whole host names by hash: of thousands, the one that a request asks for costs what reading its name costs.
//!
//! A hash table that strangers fill needs a secret key. This one is filled from the configuration, and a request only asks:
//! the worst it can do is to meet the longest run of occupied slots. That is bounded where the table is built: a name that
//! would stand further than [`FAR`] slots from where it belongs is left to the tree of hosts, which needs no luck. So names
//! that were chosen to collide make nothing slow.

use crate::radix::index;

/// So many slots are looked at for one name, at most.
const FAR: usize = 16;

/// The key of the hash, an odd number without a pattern: the fraction of the golden ratio.
const KEY: u64 = 0x9E37_79B9_7F4A_7C15;

/// A map from host names in any case to values.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// At most half of them are occupied; their number is a power of two, or 0.
    slots: Box<[Slot]>,
    text: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// The upper half of the name's hash, so that other names are hardly ever compared.
    tag: u32,
    /// Where the name stands; an empty one is no name but a free slot.
    start: u32,
    len: u32,
    value: u32,
}

impl Names {
    /// The map of these names, which are in lower case, and those that it has no place for.
    pub(crate) fn build(names: Vec<(Vec<u8>, u32)>) -> (Self, Vec<(Vec<u8>, u32)>) {
        let size = match names.len() {
            0 => 0,
            count => (2 * count).next_power_of_two(),
        };
        let mut map = Self {
            slots: vec![Slot::default(); size].into_boxed_slice(),
            text: Vec::new(),
        };
        let left = names
            .into_iter()
            .filter_map(|(name, value)| (!map.insert(&name, value)).then_some((name, value)))
            .collect();
        (map, left)
    }

    /// Whether it has no name at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The value of a name.
    #[inline]
    pub(crate) fn find(&self, name: &[u8]) -> Option<u32> {
        let last = self.slots.len().checked_sub(1)?;
        let hash = hash(name);
        let tag = tag(hash);
        for far in 0..FAR {
            let slot = &self.slots[place(hash, far) & last];
            if slot.len == 0 {
                return None;
            }
            if slot.tag == tag && same(name, self.name(slot)) {
                return Some(slot.value);
            }
        }
        None
    }

    fn insert(&mut self, name: &[u8], value: u32) -> bool {
        if name.is_empty() {
            return false;
        }
        let (hash, last) = (hash(name), self.slots.len() - 1);
        let free = (0..FAR)
            .map(|far| place(hash, far) & last)
            .find(|&at| self.slots[at].len == 0);
        let Some(at) = free else {
            return false;
        };
        self.slots[at] = Slot {
            tag: tag(hash),
            start: index(self.text.len()),
            len: index(name.len()),
            value,
        };
        self.text.extend_from_slice(name);
        true
    }

    #[inline]
    fn name(&self, slot: &Slot) -> &[u8] {
        let start = slot.start as usize;
        &self.text[start..start + slot.len as usize]
    }
}

/// Whether a name that was asked for is that of a slot, which is in lower case. Nearly everybody writes it so.
#[inline]
fn same(asked: &[u8], name: &[u8]) -> bool {
    asked == name || asked.eq_ignore_ascii_case(name)
}

/// A hash that does not tell upper from lower case. Eight bytes at a time, of which the last eight may overlap.
#[inline]
fn hash(name: &[u8]) -> u64 {
    let mut hash = name.len() as u64 ^ KEY;
    if let Some(last) = name.last_chunk::<8>() {
        let (words, _) = name.as_chunks::<8>();
        for word in words {
            hash = mix(hash, u64::from_le_bytes(*word));
        }
        return mix(hash, u64::from_le_bytes(*last));
    }
    if let (Some(first), Some(last)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return mix(hash, u64::from(first) | u64::from(last) << 32);
    }
    name.iter()
        .fold(hash, |hash, &byte| mix(hash, u64::from(byte)))
}

/// Takes a word in: a product of 128 bits folded in half. Letters differ from their other case in the bit 0x20 alone, so
/// that is set in every byte; what else it makes equal is told apart by comparing.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "both halves of the product are taken"
)]
const fn mix(hash: u64, word: u64) -> u64 {
    let product = (hash ^ (word | 0x2020_2020_2020_2020)) as u128 * KEY as u128;
    (product as u64) ^ (product >> 64) as u64
}

#[inline]
const fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// The slot where a name belongs, and those after it; still to be cut to the size of the table.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the lower half serves on any machine"
)]
const fn place(hash: u64, far: usize) -> usize {
    (hash as usize).wrapping_add(far)
}

/// Names that all belong to one slot of a map of 65 to 128 names.
#[cfg(test)]
pub(crate) fn colliding(count: usize) -> Vec<String> {
    let names = (0..).map(|n: u32| format!("n{n}.example"));
    let alike = names.filter(|name| place(hash(name.as_bytes()), 0) & 255 == 7);
    alike.take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(names: impl IntoIterator<Item = String>) -> (Names, Vec<(Vec<u8>, u32)>) {
        Names::build(names.into_iter().map(String::into_bytes).zip(0..).collect())
    }

    #[test]
    fn names_of_every_length_are_found_in_any_case_and_no_others() {
        let name = |len: usize| -> String { ('a'..='z').cycle().take(len).collect() };
        let (names, left) = build((1..300).map(name));
        assert!(left.is_empty());
        for (len, value) in (1..300).zip(0..) {
            let name = name(len);
            assert_eq!(names.find(name.as_bytes()), Some(value));
            assert_eq!(names.find(name.to_uppercase().as_bytes()), Some(value));
            for at in [0, len / 2, len - 1] {
                let mut other = name.clone().into_bytes();
                // A digit, and what differs from a letter in the bit that the hash does not see.
                for byte in [b'0', other[at] ^ 0x80, 0] {
                    other[at] = byte;
                    assert_eq!(names.find(&other), None);
                }
            }
        }
        assert_eq!(names.find(b""), None);
        assert_eq!(Names::default().find(b"a"), None);
        assert_eq!(build([]).0.find(b"a"), None);
        let (names, left) = build([String::new()]);
        assert_eq!((names.find(b""), left), (None, vec![(Vec::new(), 0)]));
    }

    #[test]
    fn what_the_hash_takes_for_a_letter_is_not_one() {
        let (names, _) = build(["a[b".into(), "x-y".into(), "q@q".into()]);
        for (asked, expected) in [
            ("A[B", Some(0)),
            ("a{b", None),
            ("x\ry", None),
            ("X-Y", Some(1)),
            ("q`q", None),
        ] {
            assert_eq!(names.find(asked.as_bytes()), expected, "{asked:?}");
        }
    }

    #[test]
    fn ten_thousand_names_find_their_places() {
        let name = |n: u32| format!("tenant-{n}.example.com");
        let (names, left) = build((0..10_000).map(name));
        assert!(left.len() < 10, "{} names were left over", left.len());
        let found = (0..10_000).filter(|&n| names.find(name(n).as_bytes()) == Some(n));
        assert_eq!(found.count(), 10_000 - left.len());
        let others = (10_000..20_000).filter(|&n| names.find(name(n).as_bytes()).is_some());
        assert_eq!(others.count(), 0);
    }

    #[test]
    fn names_that_were_chosen_to_collide_are_left_over() {
        let chosen = colliding(100);
        let (names, left) = build(chosen.clone());
        assert_eq!(names.slots.len(), 256);
        assert_eq!(left.len(), 100 - FAR);
        let found = chosen.iter().filter_map(|name| names.find(name.as_bytes()));
        assert_eq!(found.count(), FAR);
        for (name, _) in &left {
            assert_eq!(names.find(name), None);
        }
    }
}
