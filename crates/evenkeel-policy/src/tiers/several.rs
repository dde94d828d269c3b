//! Several groups of endpoints, each a range of the cluster's list with a balancer of its own: which one a pick comes from, and
//! where it goes when that one has nobody.

use std::ops::Range;

use evenkeel_base::Rng;
use evenkeel_base::rules::TierRules;

use super::kept::{ALL, Strength, Sum};
use crate::Candidate;
use crate::balancer::{Balancer, Member, Wanted};
use crate::sync::{AtomicU32, Ordering};

/// The groups, two or more.
#[derive(Debug)]
pub(super) struct Several(pub(super) Box<[Group]>);

/// One of them.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) rank: u16,
    /// Where its endpoints stand in the cluster's list.
    pub(super) range: Range<usize>,
    pub(super) balancer: Balancer,
    spill_below_percent: u8,
    /// What this one and those before it keep together, out of [`ALL`]: the picks below that draw none behind it. The last one's
    /// is all, always, so that every draw finds a group, whichever of these numbers it sees before a change and whichever after it.
    pub(super) up_to: AtomicU32,
}

impl Several {
    pub(super) fn new(
        rules: &TierRules,
        members: &[Member<'_>],
        balancer: impl Fn(u16, &[Member<'_>]) -> Balancer,
    ) -> Self {
        let mut start = 0;
        let group = |members: &[Member<'_>]| {
            let range = start..start + members.len();
            start = range.end;
            let rank = members.first().map_or(0, |member| member.rank);
            Group {
                rank,
                range,
                balancer: balancer(rank, members),
                spill_below_percent: rules.spill_below_percent,
                up_to: AtomicU32::new(ALL),
            }
        };
        Self(
            members
                .chunk_by(|a, b| a.rank == b.rank)
                .map(group)
                .collect(),
        )
    }

    /// Apart from the case of one group, so that this one stays short where picks are asked for.
    #[inline(never)]
    pub(super) fn pick<C: Candidate>(
        &self,
        from: &[C],
        wanted: Wanted<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        let drawn = self.draw(rng);
        let picked = self.0.get(drawn)?.pick(from, wanted, rng);
        picked.or_else(|| {
            let others = self.0.iter().enumerate().filter(|(at, _)| *at != drawn);
            others
                .map(|(_, group)| group)
                .find_map(|group| group.pick(from, wanted, rng))
        })
    }

    /// Relaxed order is enough: the numbers are no more than chances, and publish nothing else.
    #[inline]
    fn draw(&self, rng: &mut Rng) -> usize {
        let up_to = |group: &Group| group.up_to.load(Ordering::Relaxed);
        if self.0.first().is_none_or(|first| up_to(first) >= ALL) {
            return 0;
        }
        let drawn = rng.below(ALL);
        let at = self.0.iter().position(|group| drawn < up_to(group));
        at.unwrap_or(0)
    }

    /// Finds out what each keeps.
    pub(super) fn weigh<C: Candidate>(&self, from: &[C]) {
        let bears = |group: &Group| Strength::of(group.part(from)).bears(group.spill_below_percent);
        // Looked at twice, rather than kept in memory of its own: between the two looks an endpoint may have changed, which the
        // next one, in a tenth of a second, puts right.
        let all = self.0.iter().map(|group| u64::from(bears(group))).sum();
        let mut sum = Sum::new(all);
        let last = self.0.len() - 1;
        for (at, group) in self.0.iter().enumerate() {
            let up_to = if at == last {
                ALL
            } else {
                sum.add(bears(group))
            };
            // Written only when it changes, for all workers have it in their caches.
            if group.up_to.load(Ordering::Relaxed) != up_to {
                group.up_to.store(up_to, Ordering::Relaxed);
            }
        }
    }
}

impl Group {
    /// Its endpoints.
    #[inline]
    pub(super) fn part<'f, C>(&self, from: &'f [C]) -> &'f [C] {
        let end = self.range.end.min(from.len());
        from.get(self.range.start..end).unwrap_or_default()
    }

    /// What is wanted of a pick from them.
    #[inline]
    pub(super) const fn wanted<'w>(&self, wanted: Wanted<'w>) -> Wanted<'w> {
        Wanted {
            first: wanted.first + self.range.start,
            ..wanted
        }
    }

    #[inline]
    fn pick<C: Candidate>(&self, from: &[C], wanted: Wanted<'_>, rng: &mut Rng) -> Option<usize> {
        let wanted = self.wanted(wanted);
        let picked = self.balancer.pick(self.part(from), wanted, rng)?;
        Some(self.range.start + picked)
    }
}
