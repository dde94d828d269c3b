//! Which endpoint gets an attempt: the client's own, or the balancer's pick, and what is done when that brings nothing.
//!
//! Whether there is a place and a connection for it is the data plane's to find out.

use evenkeel_base::Rng;
use evenkeel_policy::{Candidate, Member, Standing, Tiers, Tried, Wanted};

use crate::snapshot::{ClusterSnapshot, EndpointSet};

/// What the balancer is told, as far as it has to be.
#[inline]
pub fn wanted<'t>(
    cluster: &ClusterSnapshot,
    tiers: &Tiers,
    key: Option<u64>,
    tried: &'t Tried,
    now_us: impl FnOnce() -> u64,
) -> Wanted<'t> {
    let needs = tiers.needs();
    let mut wanted = Wanted {
        regardless: cluster.state.is_panicking(),
        key,
        ..Wanted::new(tried)
    };
    if needs.clock {
        wanted.now_us = now_us();
    }
    if needs.in_flight {
        wanted.in_flight = cluster.state.limits.requests();
    }
    wanted
}

/// The endpoint that the client has a claim to, as long as it will do. `repeatable`: as for [`pick`].
#[inline]
pub fn own(
    set: &EndpointSet,
    preferred: Option<usize>,
    wanted: Wanted<'_>,
    repeatable: bool,
    rng: &mut Rng,
) -> Option<usize> {
    let own = preferred.filter(|own| wanted.keeps(&set.list, *own))?;
    let standing = &set.list[own].state.standing;
    let takes =
        wanted.regardless || standing.is_admitting() || is_tried_out(set, own, repeatable, rng);
    takes.then_some(own)
}

/// Whether an endpoint on trial is tried out with a request of a client of its own: it begins with a few of them, and not with one
/// that cannot be sent again. The others go elsewhere, and come back when the trial is over: they keep their claim meanwhile.
#[cold]
fn is_tried_out(set: &EndpointSet, own: usize, repeatable: bool, rng: &mut Rng) -> bool {
    let share = u32::from(set.list[own].share());
    repeatable && rng.below(u32::from(Standing::FULL)) < share
}

/// The balancer's pick among all. `repeatable`: an endpoint may see the request though another one has.
#[inline]
pub fn pick(
    cluster: &ClusterSnapshot,
    tiers: &Tiers,
    wanted: Wanted<'_>,
    repeatable: bool,
    rng: &mut Rng,
) -> Option<usize> {
    let list = &cluster.endpoints.list;
    let picked = tiers.pick(list, wanted, rng);
    match picked {
        Some(index) if repeatable || list[index].state.standing.is_admitting() => Some(index),
        _ => pick_otherwise(cluster, tiers, wanted, picked, rng),
    }
}

/// Picks when the first pick brought nothing, or an endpoint on trial for a request that cannot be sent again.
#[cold]
fn pick_otherwise(
    cluster: &ClusterSnapshot,
    tiers: &Tiers,
    wanted: Wanted<'_>,
    picked: Option<usize>,
    rng: &mut Rng,
) -> Option<usize> {
    let list = &cluster.endpoints.list;
    let mut others = *wanted.tried;
    match picked {
        // None that admits is left: one that does not may be well by now, and is better than one that has just failed.
        None if is_crowded(cluster, wanted.tried) => None,
        None => {
            let wanted = Wanted {
                regardless: true,
                ..wanted
            };
            tiers.pick(list, wanted, rng)
        }
        // Not with a request that cannot be sent again is an endpoint tried out while there is another.
        Some(on_trial) => {
            others.insert(on_trial);
            let wanted = Wanted {
                tried: &others,
                ..wanted
            };
            tiers.pick(list, wanted, rng).or(Some(on_trial))
        }
    }
}

/// Whether an endpoint that admits was not tried because it is at its limit: it is waited for.
#[cold]
fn is_crowded(cluster: &ClusterSnapshot, tried: &Tried) -> bool {
    let list = &cluster.endpoints.list;
    list.iter().enumerate().any(|(index, one)| {
        !tried.contains(index) && one.weight() > 0 && one.share() > 0 && !one.has_room()
    })
}

/// Why none was picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nowhere {
    /// Those that are left are at their limit: one of them is waited for.
    Full,
    /// Those that there are were tried already.
    Again,
    /// There is none.
    Nobody,
}

/// Why none was picked. An endpoint that was not tried and has a weight was not taken because it is at its limit, whatever it has
/// by now.
#[cold]
#[must_use]
pub fn none_picked(cluster: &ClusterSnapshot, tried: &Tried) -> Nowhere {
    let list = &cluster.endpoints.list;
    let mut left = (0..)
        .zip(list)
        .filter(|(at, one)| one.weight() > 0 && !tried.contains(*at));
    if cluster.state.limits.is_on() && left.next().is_some() {
        Nowhere::Full
    } else if tried.is_empty() {
        Nowhere::Nobody
    } else {
        Nowhere::Again
    }
}

/// A copy of who picks, to rehearse with: it goes on from where the one of the data plane stands, and turns nothing there. What that
/// one has heard of endpoints beside what they themselves keep, as Prequal does, the copy has not.
#[must_use]
pub fn rehearsal(cluster: &ClusterSnapshot, now_us: u64) -> Tiers {
    let list = &cluster.endpoints.list;
    let members: Vec<Member<'_>> = list
        .iter()
        .map(|one| Member {
            id: &one.id,
            weight: one.weight,
            rank: one.rank,
        })
        .collect();
    let config = &cluster.config;
    let live = &cluster.endpoints.tiers;
    let copy = Tiers::new(&config.balancer, &config.tiers, &members, Some(live));
    copy.weigh(list);
    copy.tick(list, now_us);
    copy
}
