//! Least connections: of all endpoints the one with the fewest requests and tunnels for its weight.
//!
//! The classic of HAProxy (`leastconn`) and nginx (`least_conn`), for what lasts long: tunnels, database connections, streams, where each
//! one counts and a random choice would leave the load uneven for hours. Endpoints that have equally few get the next
//! in rotation by weight, so an idle cluster rotates, and the first endpoint of the list is not the busiest.
//!
//! The bound: when the last of endpoint j's n(j) requests came and it was not idle, no endpoint would have been less
//! loaded with it, so n(j)/w(j) ≤ (n(i)+1)/w(i) for every other i. In a row of picks without an end this is D'Hondt's division of
//! seats, which gives each endpoint at least the whole part of its share, less one. W workers that pick at once may exceed it by
//! W − 1.
//!
//! A pick looks at all endpoints twice, so it costs in proportion to their number. With many nodes or many short requests
//! `least-request` is better: it costs the same for any number, and nodes that see the same counters do not run together.
//!
//! Who takes part, and slow start: `scan.rs`.

use evenkeel_base::Rng;

use super::Wanted;
use super::round_robin::RoundRobin;
use super::scan::Scan;
use crate::Candidate;

/// The balancer `least-connections`.
#[derive(Debug)]
pub struct LeastConnections(RoundRobin);

impl LeastConnections {
    /// For endpoints with these weights, whose rotation begins at turn `cursor`.
    #[must_use]
    pub fn new(weights: &[u16], cursor: u64) -> Self {
        Self(RoundRobin::new(weights, cursor))
    }

    /// The next turn of the rotation.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.0.cursor()
    }

    /// Begins its rotation at that turn, unless it has begun.
    pub(super) fn set_out(&self, turn: u64) {
        self.0.set_out(turn);
    }

    /// See [`Balancer::pick`](super::Balancer::pick).
    #[inline(never)]
    pub fn pick<C: Candidate>(
        &self,
        from: &[C],
        wanted: Wanted<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        let scan = Scan::new(self.0.weighted(), from, wanted, rng)?;
        let least = scan.least(|_| 1.0);
        let rotate = |ties: &dyn Fn(usize) -> bool| self.0.rotate(from.len(), ties);
        Some(scan.next_of(least, |_| 1.0, rotate, rng))
    }
}

#[cfg(test)]
mod tests;
