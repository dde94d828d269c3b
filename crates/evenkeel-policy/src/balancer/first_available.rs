//! First available: the first endpoint in the file's order that has room.
//!
//! HAProxy's `first`, for packing: load fills one endpoint up to its limit of requests in flight before the next gets any, so
//! that the last ones are empty and can be switched off. It makes sense only with limits; without them the first endpoint gets
//! everything, and weights but for 0 mean nothing.
//!
//! An endpoint with a part of its share (slow start, on trial) gets that part of what comes to its place in the order, as long as another is
//! left after it.
//!
//! The bound: with limits c(1), c(2), … and N requests in flight, no endpoint after the first k with c(1) + … + c(k) ≥ N
//! has any, but for what workers that pick at once hand out.

use evenkeel_base::Rng;

use super::Wanted;
use crate::Candidate;

/// The balancer `first-available`.
#[derive(Debug)]
pub struct FirstAvailable;

impl FirstAvailable {
    /// See [`Balancer::pick`](super::Balancer::pick).
    #[inline(never)]
    pub fn pick<C: Candidate>(from: &[C], wanted: Wanted<'_>, rng: &mut Rng) -> Option<usize> {
        let mut passed = None;
        for at in 0..from.len() {
            if wanted.draws(from, at, rng) {
                return Some(at);
            }
            if passed.is_none() && wanted.fits(from, at) {
                passed = Some(at);
            }
        }
        passed
    }
}

#[cfg(test)]
mod tests;
