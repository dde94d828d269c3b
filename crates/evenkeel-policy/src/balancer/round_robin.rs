//! Round robin: a rotation through a schedule in which every endpoint stands as often as its weight says.
//!
//! All workers turn one cursor, so the rotation is strict for the whole process: with three equal endpoints, requests 1
//! to 6 reach 1 2 3 1 2 3 whatever the number of workers. An endpoint that cannot be picked loses its turn to the next
//! in the schedule, and the cursor moves past both, so that the neighbor of a dead endpoint does not get its share
//! on top of its own.
//!
//! The first turn is the first endpoint's, or that of [`Tiers::set_out`](crate::Tiers::set_out): a fleet of nodes that begin at
//! the same one goes on in step.

use evenkeel_base::Rng;

use super::Wanted;
use super::schedule::schedule;
use super::weighted::Weighted;
use crate::Candidate;
use crate::sync::{AtomicU64, Ordering, Padded};

/// How many turns are skipped at most, in multiples of the number of endpoints. For equal weights one multiple finds
/// every endpoint there is. Where weights are so uneven that eight do not, the pick is random by weight: a schedule has
/// up to 65,536 turns, and walking them for each request is no way to live through the loss of the heavy endpoints.
const SKIP: usize = 8;

/// The balancer `round-robin`.
#[derive(Debug)]
pub struct RoundRobin {
    schedule: Box<[u32]>,
    /// For the picks that leave the rotation.
    weighted: Weighted,
    /// The next turn. It never wraps: at a billion a second that takes 584 years.
    cursor: Padded<AtomicU64>,
}

impl RoundRobin {
    /// For endpoints with these weights, beginning at turn `cursor`.
    #[must_use]
    pub fn new(weights: &[u16], cursor: u64) -> Self {
        Self {
            schedule: schedule(weights),
            weighted: Weighted::new(weights),
            cursor: Padded(AtomicU64::new(cursor)),
        }
    }

    /// The next turn.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.cursor.0.load(Ordering::Relaxed)
    }

    /// Begins at that turn, unless it has begun.
    pub(super) fn set_out(&self, turn: u64) {
        let order = Ordering::Relaxed;
        let _ = self.cursor.0.compare_exchange(0, turn, order, order);
    }

    /// See [`Balancer::pick`](super::Balancer::pick).
    ///
    /// Relaxed order is enough: the cursor hands out turns and publishes nothing else.
    #[inline]
    pub fn pick<C: Candidate>(
        &self,
        from: &[C],
        wanted: Wanted<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        if self.schedule.is_empty() {
            return None;
        }
        let turn = self.cursor.0.fetch_add(1, Ordering::Relaxed);
        let position = self.at(turn);
        if wanted.draws(from, position, rng) {
            return Some(position);
        }
        self.pick_after(turn, from, wanted, rng)
    }

    /// Takes the next turn after `turn` whose endpoint can be picked, together with those skipped on the way.
    #[cold]
    fn pick_after<C: Candidate>(
        &self,
        turn: u64,
        from: &[C],
        wanted: Wanted<'_>,
        rng: &mut Rng,
    ) -> Option<usize> {
        self.take(turn + 1, from.len(), |at| wanted.draws(from, at, rng))
            .or_else(|| self.weighted.pick(from, wanted, rng))
    }

    /// The endpoint of the next turn that fits, among `count`: a rotation of those that `fits` is true for.
    pub(super) fn rotate(&self, count: usize, fits: impl FnMut(usize) -> bool) -> Option<usize> {
        self.take(self.cursor(), count, fits)
    }

    /// The endpoints by weight.
    pub(super) const fn weighted(&self) -> &Weighted {
        &self.weighted
    }

    /// Takes the first turn from `next` on whose endpoint fits, together with those skipped on the way.
    ///
    /// The turns are looked through first and claimed in one step afterwards. Claiming them one by one would let every
    /// worker write the cursor hundreds of times per request when most endpoints are down. When another worker was faster,
    /// the look begins again where that one ended, so no turn is taken twice, and a failure means that another got on.
    fn take(
        &self,
        mut next: u64,
        count: usize,
        mut fits: impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        let limit = self.schedule.len().min(count.saturating_mul(SKIP)) as u64;
        loop {
            let (taken, position) = (next..next + limit)
                .map(|turn| (turn, self.at(turn)))
                .find(|(_, position)| fits(*position))?;
            let order = Ordering::Relaxed;
            match self
                .cursor
                .0
                .compare_exchange(next, taken + 1, order, order)
            {
                Ok(_) => return Some(position),
                Err(current) => next = current,
            }
        }
    }

    #[inline]
    fn at(&self, turn: u64) -> usize {
        let turn = turn % self.schedule.len() as u64;
        #[expect(clippy::cast_possible_truncation, reason = "less than a length")]
        let turn = turn as usize;
        self.schedule[turn] as usize
    }
}
