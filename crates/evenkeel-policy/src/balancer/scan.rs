//! A look at all endpoints for those with the least cost, and who takes part in it.
//!
//! The cost of an endpoint is latency × (in flight + 1) / weight: what a request would wait for there. Balancers that measure
//! no latency compare with the same for all.
//!
//! **Idle endpoints** are compared by latency alone. Their weight says how much they bear, not how fast they are; if it
//! counted, the heavier of two idle endpoints would always win, and a client that waits for each response would never see
//! the lighter one. As long as one that is not idle costs less than each of them, it goes first all the same.
//!
//! **Slow start.** An endpoint with a part of its share is less loaded than all others, so it would win every look and be flooded
//! by a whole cluster's traffic. Therefore one endpoint is drawn first, by weight and share, and only those take part whose share
//! is at least as large as that one's. So an endpoint with a part of its share takes part no more often than it, or one with even
//! less, is drawn:
//! that is the most it gets. Where all have the same share, all take part.

use evenkeel_base::Rng;

use super::Wanted;
use super::weighted::{Weighted, look};
use crate::{Candidate, Standing};

/// One look at all endpoints.
#[derive(Debug)]
pub(super) struct Scan<'a, C> {
    from: &'a [C],
    wanted: Wanted<'a>,
    /// The endpoint that was drawn by weight and share.
    drawn: usize,
    /// The share that takes part.
    bar: u16,
}

/// The least cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Least {
    /// One that has it.
    at: usize,
    /// Whether no other has.
    alone: bool,
    /// Cost, or latency when it is idle.
    cost: f64,
    idle: bool,
}

impl<'a, C: Candidate> Scan<'a, C> {
    /// Draws who takes part; none when no endpoint can be picked.
    pub(super) fn new(
        weighted: &Weighted,
        from: &'a [C],
        wanted: Wanted<'a>,
        rng: &mut Rng,
    ) -> Option<Self> {
        let drawn = weighted.pick(from, wanted, rng)?;
        Some(Self {
            from,
            wanted,
            drawn,
            bar: wanted.share(&from[drawn]),
        })
    }

    /// The least cost. `latency` is in any unit.
    pub(super) fn least(&self, latency: impl Fn(&C) -> f64) -> Least {
        let least = self.lowest(|c| cost(c, &latency));
        if self.from[least.at].in_flight() > 0 {
            return least;
        }
        let idle_latency = |c: &C| {
            if c.in_flight() == 0 {
                latency(c)
            } else {
                f64::INFINITY
            }
        };
        Least {
            idle: true,
            ..self.lowest(idle_latency)
        }
    }

    /// Whether the endpoint takes part and costs no more. Others pick meanwhile, so it may be true for none.
    pub(super) fn ties(&self, at: usize, least: Least, latency: impl Fn(&C) -> f64) -> bool {
        self.takes_part(at) && {
            let candidate = &self.from[at];
            if least.idle {
                candidate.in_flight() == 0 && latency(candidate) <= least.cost
            } else {
                cost(candidate, latency) <= least.cost
            }
        }
    }

    /// One of those with the least cost: the drawn one if it is among them, so that those with a part of their share get it, else a
    /// random one by weight.
    pub(super) fn one_of(&self, least: Least, latency: impl Fn(&C) -> f64, rng: &mut Rng) -> usize {
        if least.alone {
            return least.at;
        }
        if self.ties(self.drawn, least, &latency) {
            return self.drawn;
        }
        let weight = |at: usize, candidate: &C| {
            if self.ties(at, least, &latency) {
                u64::from(candidate.weight())
            } else {
                0
            }
        };
        look(self.from, weight, rng).unwrap_or(least.at)
    }

    /// The same, but in rotation where all of them have their full share.
    pub(super) fn next_of(
        &self,
        least: Least,
        latency: impl Fn(&C) -> f64,
        rotate: impl FnOnce(&dyn Fn(usize) -> bool) -> Option<usize>,
        rng: &mut Rng,
    ) -> usize {
        if !least.alone
            && self.bar == Standing::FULL
            && let Some(at) = rotate(&|at| self.ties(at, least, &latency))
        {
            return at;
        }
        self.one_of(least, latency, rng)
    }

    /// The shortest latency of those that take part, of those that have one.
    pub(super) fn shortest(&self, latency: impl Fn(&C) -> Option<f64>) -> f64 {
        let known = |at| self.takes_part(at).then(|| latency(&self.from[at]))?;
        (0..self.from.len())
            .filter_map(known)
            .fold(f64::INFINITY, f64::min)
    }

    #[inline]
    fn takes_part(&self, at: usize) -> bool {
        self.wanted.fits(self.from, at) && self.wanted.share(&self.from[at]) >= self.bar
    }

    fn lowest(&self, key: impl Fn(&C) -> f64) -> Least {
        let mut least = Least {
            at: self.drawn,
            alone: true,
            cost: key(&self.from[self.drawn]),
            idle: false,
        };
        for (at, candidate) in self.from.iter().enumerate() {
            if at == self.drawn || !self.takes_part(at) {
                continue;
            }
            let cost = key(candidate);
            if cost < least.cost {
                (least.at, least.alone, least.cost) = (at, true, cost);
            } else if cost <= least.cost {
                least.alone = false;
            }
        }
        least
    }
}

/// Equal costs are equal numbers: a quotient of whole numbers is rounded the same wherever it comes from.
#[inline]
fn cost<C: Candidate>(candidate: &C, latency: impl Fn(&C) -> f64) -> f64 {
    let load = f64::from(candidate.in_flight()) + 1.0;
    latency(candidate) * (load / f64::from(candidate.weight()))
}
