//! The order of turns of a weighted rotation: every endpoint as often as its weight says, and evenly spread.
//!
//! The promise, for endpoint i of weight w(i) among weights that add up to W: after any number N of turns from the start
//! it has had more than N·w(i)/W − 1 and fewer than N·w(i)/W + 1 of them; in any N turns in a row, the difference is
//! below 2.
//!
//! Why it holds: the j-th turn of i (from 0) must lie in the window from ⌊j·W/w⌋ to ⌈(j+1)·W/w⌉ − 1, which says the same.
//! Baruah, Cohen, Plaxton and Varvel ("Proportionate Progress", Algorithmica 15, 1996) show that such an order exists
//! for every set of weights, and taking of the open windows the one that closes first finds an order whenever there is
//! one, since all turns are equally long and windows begin and end on whole turns. The well-known smooth rotation that adds
//! each weight to a running credit and takes the largest is not used: the share by which an endpoint may be late there
//! grows with the number of endpoints, and making a schedule takes a pass over all of them for each turn.
//!
//! Equal weights give 0 1 2 …, for windows that close together are taken in the order of the endpoints.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The longest schedule, as long as there are not more endpoints than a sixteenth of it: 256 KiB. Sixty-five endpoints of
/// the greatest weight fit exactly.
const MAX_TURNS: u64 = 65_536;

/// The shortest share of the schedule that rounding may rely on: so many turns per endpoint.
const TURNS_PER_ENDPOINT: u64 = 16;

/// The turns of one round: positions of endpoints. Weights are reduced by their greatest common divisor, and if the
/// round is too long still, by [`rounded`].
pub(super) fn schedule(weights: &[u16]) -> Box<[u32]> {
    schedule_within(MAX_TURNS, weights)
}

/// The same with another longest round.
pub(super) fn schedule_within(longest: u64, weights: &[u16]) -> Box<[u32]> {
    let weights = rounded(longest, &reduced(weights));
    let total: u64 = weights.iter().map(|(_, weight)| weight).sum();
    let windows = |rank: usize, turn: u64| {
        let weight = weights[rank].1;
        (turn * total / weight, ((turn + 1) * total).div_ceil(weight))
    };
    // (opens, rank, turn) of windows that are not open yet, and (closes, rank, turn) of those that are.
    let mut closed: BinaryHeap<_> = (0..weights.len())
        .map(|rank| Reverse((0, rank, 0)))
        .collect();
    let mut open = BinaryHeap::with_capacity(weights.len());
    let mut turns = Vec::with_capacity(usize::try_from(total).unwrap_or(0));
    for now in 0..total {
        while let Some(&Reverse((opens, rank, turn))) = closed.peek()
            && opens <= now
        {
            closed.pop();
            open.push(Reverse((windows(rank, turn).1, rank, turn)));
        }
        let Some(Reverse((closes, rank, turn))) = open.pop() else {
            continue;
        };
        debug_assert!(now < closes, "every turn lies in its window");
        turns.push(weights[rank].0);
        if turn + 1 < weights[rank].1 {
            closed.push(Reverse((windows(rank, turn + 1).0, rank, turn + 1)));
        }
    }
    turns.into_boxed_slice()
}

/// Positions and weights of the endpoints that have a weight, without the divisor all have in common.
fn reduced(weights: &[u16]) -> Vec<(u32, u64)> {
    let weighted = || (0_u32..).zip(weights).filter(|(_, weight)| **weight > 0);
    let divisor = weighted().fold(0, |divisor, (_, &weight)| gcd(divisor, u64::from(weight)));
    weighted()
        .map(|(position, &weight)| (position, u64::from(weight) / divisor))
        .collect()
}

/// Weights whose sum is about the longest schedule, when the sum is above it; each at least 1, so that no endpoint
/// starves. An endpoint's number of turns differs from its exact part of `longest` by at most 1, and by at most a half
/// when it should have one or more.
fn rounded(longest: u64, weights: &[(u32, u64)]) -> Vec<(u32, u64)> {
    let total: u64 = weights.iter().map(|(_, weight)| weight).sum();
    let longest = longest.max(weights.len() as u64 * TURNS_PER_ENDPOINT);
    let round = |weight: u64| (weight * longest + total / 2) / total;
    weights
        .iter()
        .map(|&(position, weight)| {
            let weight = if total > longest {
                round(weight).max(1)
            } else {
                weight
            };
            (position, weight)
        })
        .collect()
}

const fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests;
