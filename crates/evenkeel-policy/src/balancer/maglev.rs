//! Maglev's table: endpoints take turns, each takes the next free entry in an order of its own, and a key looks up one entry.
//!
//! Source: Eisenbud and others, "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section 3.4. As there,
//! an endpoint's order of entries is a permutation from an offset and a skip, two hashes of its id. The paper says of
//! weights that endpoints with more of it have more turns, but not which: here turns are those of the weighted rotation
//! ([`schedule`](super::schedule)) over the endpoints in the order of their ids, which for equal weights is the paper's.
//!
//! **How even.** Every turn takes one entry, so with M entries an endpoint of weight w among W has fewer than M·w/W + 1 of them
//! and more than M·w/W − 1; where weights must be rounded (their sum, without the divisor they share, is above 32,768),
//! that many plus or minus 4. With at least 100 entries per endpoint, equal endpoints have parts within 1 % of each other.
//!
//! **What moves.** The keys of the endpoint that joins or leaves, and at most 1 % of all keys beside, for the turns of the
//! others shift (measured: 0.3 % of 10 endpoints, 0.8 % of 655). An endpoint that is down moves none but its own: the table
//! stays. But when the number of endpoints passes the next size of the table (655, 1,311, 2,621, …), it is filled anew, and
//! nearly all keys move.

use evenkeel_base::Rng;

use super::Member;
use super::schedule::schedule_within;
use crate::key::identity;

/// Entries that each endpoint should have at least: the paper's number, for parts that differ by 1 %.
const ENTRIES: usize = 100;

/// Sizes of the table: primes, so that every skip gives a permutation. The first is the paper's, the last takes 4 MiB; with
/// more than 10,485 endpoints each has fewer than a hundred entries, and parts differ by more.
const SIZES: [usize; 5] = [65_537, 131_101, 262_147, 524_309, 1_048_583];

/// The longest round of turns: half of the smallest table, so that every endpoint has a turn before the table is full.
const MAX_TURNS: u64 = 32_768;

/// Hashes of the same id for offset and skip must not know of each other: digits of π.
const SKIP_SALT: u64 = 0x243F_6A88_85A3_08D3;

/// Endpoints in a table.
#[derive(Debug)]
pub(super) struct Maglev {
    /// Whose each entry is: a position in the list of endpoints. Empty when no endpoint has weight.
    entries: Box<[u32]>,
}

/// The order in which an endpoint wants the entries.
#[derive(Clone, Copy, Debug)]
struct Permutation {
    next: usize,
    skip: usize,
}

impl Maglev {
    /// The table of these endpoints; those without weight are not in it.
    pub(super) fn new(members: &[Member<'_>]) -> Self {
        let by_id = Member::by_id(members);
        let of = |&position: &u32| &members[position as usize];
        let weights: Vec<u16> = by_id.iter().map(|position| of(position).weight).collect();
        let size = size_for(weights.iter().filter(|&&weight| weight > 0).count());
        let orders = by_id
            .iter()
            .map(|position| Permutation::new(of(position).id, size))
            .collect();
        let turns = schedule_within(MAX_TURNS, &weights);
        let mut entries = fill(size, orders, &turns);
        for entry in &mut entries {
            *entry = by_id[*entry as usize];
        }
        Self { entries }
    }

    /// The endpoint of the entry of `key`.
    #[inline]
    pub(super) fn first(&self, key: u64) -> Option<usize> {
        let owner = self.entries.get(place(key, self.entries.len()));
        owner.map(|&owner| owner as usize)
    }

    /// The endpoints in the order in which `key` meets them: first the one of its entry, then those of entries by chance that
    /// follows from the key. Without end, unless there is none; the same one may come again.
    pub(super) fn order(&self, key: u64) -> impl Iterator<Item = usize> {
        let mut derived = Rng::new(key);
        let keys = std::iter::once(key).chain(std::iter::repeat_with(move || derived.next_u64()));
        keys.map_while(|key| self.first(key))
    }
}

impl Permutation {
    fn new(id: &str, size: usize) -> Self {
        Self {
            next: place(identity(id, 0), size),
            skip: place(identity(id, SKIP_SALT), size - 1) + 1,
        }
    }
}

/// Below `size`, evenly. The paper takes the remainder of a division; the upper half of a product is as even and takes a
/// tenth of the time.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "less than a length")]
const fn place(hash: u64, size: usize) -> usize {
    ((hash as u128 * size as u128) >> 64) as usize
}

/// The smallest size with enough entries for so many endpoints.
fn size_for(endpoints: usize) -> usize {
    let enough = |size: &usize| *size >= endpoints.saturating_mul(ENTRIES);
    let largest = SIZES[SIZES.len() - 1];
    SIZES.into_iter().find(enough).unwrap_or(largest)
}

/// Fills a table: whose turn it is takes the first entry that it wants and that is free.
fn fill(size: usize, mut orders: Vec<Permutation>, turns: &[u32]) -> Box<[u32]> {
    const FREE: u32 = u32::MAX;
    if turns.is_empty() {
        return Box::default();
    }
    let mut entries = vec![FREE; size];
    for &turn in turns.iter().cycle().take(size) {
        let order = &mut orders[turn as usize];
        loop {
            let wants = order.next;
            order.next += order.skip;
            if order.next >= size {
                order.next -= size;
            }
            if entries[wants] == FREE {
                entries[wants] = turn;
                break;
            }
        }
    }
    entries.into_boxed_slice()
}

#[cfg(test)]
mod tests;
