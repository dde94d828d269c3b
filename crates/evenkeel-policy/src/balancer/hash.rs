//! Consistent hashing: a key of the request decides, and the same key gets the same endpoint on every node.
//!
//! What the three tables share stands here once. A key has an order of endpoints that is its own: first those that its
//! [table](Table) names, then all, by [their scores](Scores) with it. It goes to the first in that order that can be
//! picked. The order follows from ids and weights alone, neither from positions nor from standing, and that is why an endpoint that
//! goes down passes its own keys on, moves no other, and gets exactly its keys back.
//!
//! - **Shares.** One number by chance, 0 to 999, is drawn for a pick that meets an endpoint with a part of its share; endpoints whose share is
//!   not above it are passed over. So a cold endpoint gets that part of its keys and none that others pass on, and where
//!   all are cold the keys stay where they are: in the end the one with the highest share is taken.
//! - **Bound.** One that has [its part of the load](Bound) is passed over as well.
//! - **No key.** A random endpoint by weight.
//!
//! A pick looks at no more than [`WALK`] endpoints by its table. Only when none of them can be picked does it look at all.

use evenkeel_base::Rng;
use evenkeel_base::rules::{HashRules, HashTable};

use super::bound::{Bound, Limit};
use super::maglev::Maglev;
use super::rendezvous::{Score, Scores};
use super::ring::Ring;
use super::weighted::Weighted;
use super::{Member, Wanted};
use crate::{Candidate, Standing};

/// How many endpoints of the table are looked at. With nine of ten down, one pick in 850 goes on to look at all.
const WALK: usize = 64;

/// And at most so many for each endpoint there is: a small cluster is looked at as a whole sooner.
const WALK_EACH: usize = 8;

/// The balancers `ring-hash`, `maglev` and `rendezvous`.
#[derive(Debug)]
pub struct Hash {
    table: Table,
    scores: Scores,
    weighted: Weighted,
    bound: Option<Bound>,
    walk: usize,
}

/// What names the first endpoints of a key's order.
#[derive(Debug)]
enum Table {
    Ring(Ring),
    Maglev(Maglev),
    /// None: the scores do.
    Rendezvous,
}

/// How good an endpoint is: below its part of the load before any other, then by share, but for one that is above the
/// number by chance, which counts as whole.
type Rank = (bool, u16);

/// What an endpoint must have for one pick.
#[derive(Clone, Copy, Debug)]
struct Gate<'a> {
    wanted: Wanted<'a>,
    limit: Option<Limit>,
    /// Only shares above it count as whole; drawn when the first part of a share is met.
    chance: Option<u16>,
}

impl Hash {
    /// For these endpoints.
    #[must_use]
    pub fn new(rules: &HashRules, members: &[Member<'_>]) -> Self {
        let weights: Vec<u16> = members.iter().map(|member| member.weight).collect();
        Self {
            table: match rules.table {
                HashTable::Ring => Table::Ring(Ring::new(members)),
                HashTable::Maglev => Table::Maglev(Maglev::new(members)),
                HashTable::Rendezvous => Table::Rendezvous,
            },
            scores: Scores::new(members),
            weighted: Weighted::new(&weights),
            bound: Bound::new(rules.bound_percent, &weights),
            walk: WALK.min(members.len().saturating_mul(WALK_EACH)),
        }
    }

    /// Whether it bounds load, and so has to be told the load.
    #[inline]
    #[must_use]
    pub const fn is_bounded(&self) -> bool {
        self.bound.is_some()
    }

    /// See [`Balancer::tick`](super::Balancer::tick).
    pub fn tick<C: Candidate>(&self, from: &[C]) {
        if let Some(bound) = &self.bound {
            bound.tick(from);
        }
    }

    /// See [`Balancer::pick`](super::Balancer::pick).
    #[inline(never)]
    pub fn pick<C: Candidate>(
        &self,
        from: &[C],
        wanted: Wanted<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        let first = match wanted.key {
            Some(key) => self.first(key)?,
            None => self.weighted.pick(from, wanted, rng)?,
        };
        // Almost always it ends here. Drawn by weight, it may have a part of its share, for that was drawn as well.
        let is_whole = |c: &C| wanted.key.is_none() || wanted.share(c) >= Standing::FULL;
        let limit = || self.bound.as_ref().map(|bound| bound.limit(wanted));
        if wanted.fits(from, first)
            && is_whole(&from[first])
            && limit().is_none_or(|limit| limit.admits_one_more(&from[first], wanted))
        {
            return Some(first);
        }
        self.pick_after(first, from, wanted, rng)
    }

    /// The first endpoint in a key's order.
    #[inline]
    fn first(&self, key: u64) -> Option<usize> {
        match &self.table {
            Table::Ring(ring) => ring.first(key),
            Table::Maglev(maglev) => maglev.first(key),
            Table::Rendezvous => self.scores.first(key),
        }
    }

    /// Goes on from the first; without a key, by one of chance.
    #[inline(never)]
    fn pick_after<C: Candidate>(
        &self,
        first: usize,
        from: &[C],
        wanted: Wanted<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        let key = wanted.key.unwrap_or_else(|| rng.next_u64());
        let mut gate = Gate {
            wanted,
            limit: self.bound.as_ref().map(|bound| bound.limit(wanted)),
            chance: None,
        };
        let opens = |at| gate.rank(from, at, rng) == Some((true, Standing::FULL));
        self.first_where(key, first, opens)
            .or_else(|| self.look(key, first, gate, from, rng))
    }

    /// The first for which something holds, of those that the table names.
    fn first_where(
        &self,
        key: u64,
        first: usize,
        mut holds: impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        match &self.table {
            Table::Ring(ring) => ring.order(key).take(self.walk).find(|&at| holds(at)),
            Table::Maglev(maglev) => maglev.order(key).take(self.walk).find(|&at| holds(at)),
            Table::Rendezvous => Some(first).filter(|&at| holds(at)),
        }
    }

    /// The best of all, and of those that are as good the first in the key's order: those that the table names, then by score.
    fn look<C: Candidate>(
        &self,
        key: u64,
        first: usize,
        mut gate: Gate<'_>,
        from: &[C],
        rng: &mut Rng,
    ) -> Option<usize> {
        if let Some(bound) = &self.bound {
            gate.limit = Some(bound.limit_now(from, gate.wanted));
        }
        let mut best: Option<(usize, Rank)> = None;
        self.first_where(key, first, |at| {
            if let Some(rank) = gate.rank(from, at, rng)
                && best.is_none_or(|(_, highest)| rank > highest)
            {
                best = Some((at, rank));
            }
            false
        });
        let mut score: Option<Score> = None;
        for (at, other) in self.scores.with(key).enumerate() {
            let Some(rank) = gate.rank(from, at, rng) else {
                continue;
            };
            let better = best.is_none_or(|(_, highest)| {
                let comes_first = score.is_some_and(|score| other.beats(score));
                rank > highest || (rank == highest && comes_first)
            });
            if better {
                best = Some((at, rank));
                score = Some(other);
            }
        }
        best.map(|(at, _)| at)
    }
}

impl Gate<'_> {
    /// None when it cannot be picked.
    fn rank<C: Candidate>(&mut self, from: &[C], at: usize, rng: &mut Rng) -> Option<Rank> {
        let fits = self.wanted.fits(from, at);
        fits.then(|| (self.is_below_limit(&from[at]), self.part(&from[at], rng)))
    }

    /// Its share, but whole when it is above the number by chance.
    fn part<C: Candidate>(&mut self, candidate: &C, rng: &mut Rng) -> u16 {
        let share = self.wanted.share(candidate);
        if share >= Standing::FULL || share > self.chance(rng) {
            Standing::FULL
        } else {
            share
        }
    }

    fn chance(&mut self, rng: &mut Rng) -> u16 {
        *self.chance.get_or_insert_with(|| {
            let chance = rng.below(u32::from(Standing::FULL));
            u16::try_from(chance).unwrap_or(0)
        })
    }

    fn is_below_limit<C: Candidate>(&self, candidate: &C) -> bool {
        self.limit
            .is_none_or(|limit| limit.admits_one_more(candidate, self.wanted))
    }
}

#[cfg(test)]
mod tests;
