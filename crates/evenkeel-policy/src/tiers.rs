//! Tiers: groups of endpoints in an order of preference, each with a balancer of its own.
//!
//! An endpoint's rank says which group it is in: those of the own zone come before those of others, and tier 0 before tier 1.
//! A group is a range of the cluster's list. It keeps all requests while enough of its weight admits; below that it keeps its
//! part, and the rest goes to the next (`kept.rs` has the rule). Each pick draws its group by these parts, and goes through the others in
//! their order when that group has nobody for it, because all are full or were tried.
//!
//! What balancers promise of their endpoints they promise here group by group: rotation is strict within each, and a bound on
//! load, which goes by the requests in flight in the whole cluster, is that much looser while several groups are in use.
//!
//! A cluster without zones and tiers has one group, and then this costs one branch.

mod kept;
mod several;

use std::ops::Range;

use evenkeel_base::Rng;
use evenkeel_base::rules::{BalancerRules, TierRules};

use self::kept::ALL;
use self::several::{Group, Several};
use crate::balancer::{Balancer, Member, Needs, Wanted};
use crate::key::identity;
use crate::load::Observed;
use crate::sync::Ordering;
use crate::{Candidate, Tried};

/// The groups of a cluster's endpoints; one value per endpoint set, shared by all workers.
#[derive(Debug)]
pub struct Tiers {
    needs: Needs,
    groups: Groups,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one value per cluster, which never moves; a box would be one more step to the balancer"
)]
enum Groups {
    One { rank: u16, balancer: Balancer },
    Several(Several),
}

/// The rank of an endpoint in that tier: its zone comes first, and then those elsewhere. Where no zone is preferred nobody is
/// elsewhere.
#[must_use]
pub const fn rank(tier: u8, elsewhere: bool) -> u16 {
    tier as u16 * 2 + elsewhere as u16
}

/// A group as people see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tier {
    /// What its endpoints have in common.
    pub rank: u16,
    /// Where they stand in the cluster's list.
    pub endpoints: Range<usize>,
    /// Which part of all requests is meant for it: 0 to 1.
    pub keeps: f64,
    /// Which part of them gets as far as it: those before it keep the others.
    pub reached_by: f64,
}

impl Tier {
    /// The number that the configuration has for it.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.rank / 2
    }

    /// Whether its endpoints are in other zones than the own, which is preferred ([`rank`]).
    #[must_use]
    pub const fn is_elsewhere(&self) -> bool {
        self.rank % 2 == 1
    }

    /// Whether some of what gets as far as it goes on to the next.
    #[must_use]
    pub fn spills(&self) -> bool {
        self.keeps < self.reached_by
    }
}

impl Tiers {
    /// Groups for these endpoints, which are in the order of their ranks. `follows` is what they take the place of: a group goes
    /// on from where the one of its rank stands.
    #[must_use]
    pub fn new(
        rules: &BalancerRules,
        tiers: &TierRules,
        members: &[Member<'_>],
        follows: Option<&Self>,
    ) -> Self {
        let balancer = |rank: u16, members: &[Member<'_>]| {
            Balancer::new(
                rules,
                members,
                follows.and_then(|tiers| tiers.of_rank(rank)),
            )
        };
        let mut groups = members.chunk_by(|a, b| a.rank == b.rank);
        let groups = match (groups.next(), groups.next()) {
            (first, None) => {
                let rank = first.and_then(<[_]>::first).map_or(0, |member| member.rank);
                Groups::One {
                    rank,
                    balancer: balancer(rank, members),
                }
            }
            _ => Groups::Several(Several::new(tiers, members, balancer)),
        };
        let needs = match &groups {
            Groups::One { balancer, .. } => balancer.needs(),
            Groups::Several(several) => several.0.iter().fold(Needs::default(), |needs, group| {
                needs.and(group.balancer.needs())
            }),
        };
        Self { needs, groups }
    }

    /// Lets rotations that have not begun yet begin at a place that is made from the node's name, the same whenever it starts; those
    /// of a node without a name begin at the first endpoint. Nodes that start together would otherwise go through their
    /// endpoints in step: a hundred of them send a hundred requests to one endpoint at once, and then to the next.
    pub fn set_out(&self, node: &str) {
        if node.is_empty() {
            return;
        }
        // The upper half: a cursor never wraps.
        let turn = identity(node, 0) >> 32;
        match &self.groups {
            Groups::One { balancer, .. } => balancer.set_out(turn),
            Groups::Several(several) => {
                let groups = several.0.iter();
                groups.for_each(|group| group.balancer.set_out(turn));
            }
        }
    }

    /// The position in `from` of the endpoint that gets the next attempt of an exchange. `from` has the order and the length of
    /// the members.
    #[inline]
    pub fn pick<C: Candidate>(
        &self,
        from: &[C],
        wanted: Wanted<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        match &self.groups {
            Groups::One { balancer, .. } => balancer.pick(from, wanted, rng),
            Groups::Several(several) => several.pick(from, wanted, rng),
        }
    }

    /// What the balancers have to be told and want to hear.
    #[inline]
    #[must_use]
    pub const fn needs(&self) -> Needs {
        self.needs
    }

    /// Takes note of what an attempt at the endpoint at `at` showed; `now_us` is the clock of [`Wanted::now_us`].
    pub fn observe<C: Candidate>(&self, from: &[C], at: usize, observed: &Observed, now_us: u64) {
        match &self.groups {
            Groups::One { balancer, .. } => balancer.observe(from, at, observed, now_us),
            Groups::Several(several) => {
                if let Some(group) = several.0.iter().find(|group| group.range.contains(&at)) {
                    let at = at - group.range.start;
                    group
                        .balancer
                        .observe(group.part(from), at, observed, now_us);
                }
            }
        }
    }

    /// What time alone changes: who spills over, and what balancers make anew. The control plane calls it ten times a second.
    pub fn tick<C: Candidate>(&self, from: &[C], now_us: u64) {
        match &self.groups {
            Groups::One { balancer, .. } => balancer.tick(from, now_us),
            Groups::Several(several) => {
                several.weigh(from);
                for group in &several.0 {
                    group.balancer.tick(group.part(from), now_us);
                }
            }
        }
    }

    /// Gives `ask` the position of each endpoint that is to be probed for load now: as many in each group as its picks since the
    /// last call have raised, and `least` at any rate. Nothing where balancers do without probes.
    pub fn probes<C: Candidate>(
        &self,
        from: &[C],
        least: u32,
        rng: &mut Rng,
        mut ask: impl FnMut(usize),
    ) {
        let tried = Tried::new();
        let mut probes = |balancer: &Balancer, from: &[C], start: usize| {
            for _ in 0..balancer.probes_due().max(least) {
                if let Some(at) = balancer.probe_target(from, Wanted::new(&tried), rng) {
                    ask(start + at);
                }
            }
        };
        match &self.groups {
            Groups::One { balancer, .. } => probes(balancer, from, 0),
            Groups::Several(several) => {
                for group in &several.0 {
                    probes(&group.balancer, group.part(from), group.range.start);
                }
            }
        }
    }

    /// Finds out who spills over and how much. A part of [`Tiers::tick`], and worth doing by itself before the first pick: until
    /// then the first group keeps everything, whatever has become of it.
    pub fn weigh<C: Candidate>(&self, from: &[C]) {
        if let Groups::Several(several) = &self.groups {
            several.weigh(from);
        }
    }

    /// The groups in their order, when there are several; empty when there is but one, which keeps everything.
    pub fn several(&self) -> impl Iterator<Item = Tier> {
        let groups: &[Group] = match &self.groups {
            Groups::One { .. } => &[],
            Groups::Several(several) => &several.0,
        };
        let part = |of_all: u32| f64::from(of_all) / f64::from(ALL);
        let mut before = 0;
        groups.iter().map(move |group| {
            let up_to = group.up_to.load(Ordering::Relaxed).max(before);
            let tier = Tier {
                rank: group.rank,
                endpoints: group.range.clone(),
                keeps: part(up_to - before),
                reached_by: part(ALL - before),
            };
            before = up_to;
            tier
        })
    }

    fn of_rank(&self, rank: u16) -> Option<&Balancer> {
        match &self.groups {
            Groups::One {
                rank: own,
                balancer,
            } => (*own == rank).then_some(balancer),
            Groups::Several(several) => {
                let group = several.0.iter().find(|group| group.rank == rank)?;
                Some(&group.balancer)
            }
        }
    }
}

#[cfg(test)]
mod tests;
