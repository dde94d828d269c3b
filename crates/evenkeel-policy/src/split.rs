//! A split: clusters that share the requests of a route by weight, such as a new version that gets 5 of 100.
//!
//! It picks from clusters as a balancer picks from endpoints, and by the same algorithms:
//!
//! - By turns, each request goes by itself, in the [rotation](crate::balancer::RoundRobin) whose promise is exact: in a round
//!   every cluster has as many requests as its weight says, and after any number of them it is less than one from its share.
//! - By key, whoever has the same key stays with one cluster, on every node: the key is scored with the clusters' names, by
//!   rendezvous. When the weight of one of them changes, the keys that move are as many as the difference of its shares, and
//!   each of them moves from it or to it. Requests without a key go by turns.
//!
//! A cluster that takes nobody gives its part to the others, in proportion. By key only its own keys move, and they come back.
//! When none takes anybody, requests go where they would if all did: what is said to a client then is that cluster's business.

use evenkeel_base::Rng;
use evenkeel_base::rules::{BalancerRules, HashRules, HashTable};

use crate::balancer::{Balancer, Member, RoundRobin, Wanted};
use crate::{Candidate, Tried};

/// Shares requests out to clusters; one value per route, shared by all workers.
///
/// The clusters it picks from are [`Candidate`]s: the weight is the cluster's part, 0 to 1,000, and the share is 0 when it takes
/// nobody.
#[derive(Debug)]
pub struct Split {
    turns: RoundRobin,
    keyed: Option<Box<Balancer>>,
}

impl Split {
    /// For clusters with these names and weights. `by_key`: clients are told apart. `follows` is what it takes the place of: the
    /// rotation goes on from where that one stands.
    #[must_use]
    pub fn new(clusters: &[(&str, u16)], by_key: bool, follows: Option<&Self>) -> Self {
        let weights: Vec<u16> = clusters.iter().map(|(_, weight)| *weight).collect();
        let cursor = follows.map_or(0, |before| before.turns.cursor());
        Self {
            turns: RoundRobin::new(&weights, cursor),
            keyed: by_key.then(|| Box::new(keyed(clusters))),
        }
    }

    /// The position of the cluster that a request with this key goes to; none when no cluster has a weight.
    #[inline]
    pub fn pick<C: Candidate>(&self, from: &[C], key: Option<u64>, rng: &mut Rng) -> Option<usize> {
        let tried = Tried::new();
        let wanted = |regardless| Wanted {
            key,
            regardless,
            ..Wanted::new(&tried)
        };
        // Looked at before: a pick that comes to nothing would turn the rotation.
        let is_open = from
            .iter()
            .any(|side| side.weight() > 0 && side.share() > 0);
        let picked = self.pick_from(from, wanted(!is_open), rng);
        // The last one that was open may have closed meanwhile.
        picked.or_else(|| self.pick_from(from, wanted(true), rng))
    }

    #[inline]
    fn pick_from<C: Candidate>(
        &self,
        from: &[C],
        wanted: Wanted<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        match &self.keyed {
            Some(keyed) if wanted.key.is_some() => keyed.pick(from, wanted, rng),
            _ => self.turns.pick(from, wanted, rng),
        }
    }
}

/// By rendezvous. What is scored is not the name alone: the endpoints of a cluster are scored with the same keys, and one that
/// is called like its cluster would have the keys that the cluster has, and no others.
fn keyed(clusters: &[(&str, u16)]) -> Balancer {
    let ids: Vec<String> = clusters
        .iter()
        .map(|(name, _)| format!("cluster {name}"))
        .collect();
    let members: Vec<Member<'_>> = ids
        .iter()
        .zip(clusters)
        .map(|(id, (_, weight))| Member {
            id,
            weight: *weight,
            rank: 0,
        })
        .collect();
    let rules = BalancerRules::Hash(HashRules {
        key: Vec::new(),
        ..HashRules::of(HashTable::Rendezvous)
    });
    Balancer::new(&rules, &members, None)
}

#[cfg(test)]
mod tests;
