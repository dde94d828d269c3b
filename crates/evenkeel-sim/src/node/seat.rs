//! Where an attempt goes, and whether it may: `exchange/seat.rs` of the data plane, decision for decision, without
//! connections and without workers that race for the same place.

use evenkeel_policy::{Candidate, Needs, Tried, Wanted};

use crate::node::Node;
use crate::rule::Truth;
use crate::time::micros;

/// What there is for the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The endpoint at that position.
    Seat(usize),
    /// Endpoints that were tried already, and no other.
    Again,
    /// Endpoints at their limit, or others that wait for them already.
    Full,
    /// Nothing.
    Nobody,
}

/// What a request brings with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) tried: Tried,
    /// Whether it may be sent twice.
    pub(crate) repeatable: bool,
    pub(crate) key: Option<u64>,
}

impl Node {
    /// Finds the seat of the next attempt: never at an endpoint that was tried while another is left.
    pub(crate) fn choose(&mut self, asked: &Asked, truth: &mut Truth<'_>) -> Choice {
        if !self.may_pass() {
            return Choice::Full;
        }
        self.choose_among(asked, truth)
    }

    /// The same for who has waited.
    pub(crate) fn choose_among(&mut self, asked: &Asked, truth: &mut Truth<'_>) -> Choice {
        if !self.has_room() {
            return Choice::Full;
        }
        match self.pick(asked, truth) {
            Some(at) => Choice::Seat(at),
            None => self.none_picked(&asked.tried),
        }
    }

    /// Whether it looks as if there were a seat beside an attempt that is under way.
    pub(crate) fn may_be_beside(&self, tried: &Tried) -> bool {
        let mut list = self.list.iter().enumerate();
        self.may_pass()
            && self.has_room()
            && list.any(|(at, one)| {
                !tried.contains(at) && one.weight > 0 && one.share() > 0 && one.has_room()
            })
    }

    /// Whether an endpoint is left that was not tried and may well take a request.
    pub(crate) fn is_another_left(&self, tried: &Tried) -> bool {
        let mut list = self.list.iter().enumerate();
        list.any(|(at, one)| !tried.contains(at) && one.weight > 0 && one.share() > 0)
    }

    /// Whether a newcomer may look for a place: nobody waits whom it would overtake.
    fn may_pass(&self) -> bool {
        !self.is_limited || self.queue.is_empty()
    }

    fn has_room(&self) -> bool {
        !self.is_limited || self.taken < self.limit
    }

    /// Picks a random number of times, for nothing: a balancer that rotates then stands anywhere. Those that are told things
    /// begin knowing nothing instead.
    pub(crate) fn turn(&mut self, truth: &mut Truth<'_>) {
        if self.needs != Needs::default() {
            return;
        }
        let tried = Tried::new();
        let most = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        for _ in 0..self.rng.below(most) {
            let wanted = Wanted {
                regardless: true,
                ..Wanted::new(&tried)
            };
            let _ = self.picker.pick(&self.list, wanted, truth, &mut self.rng);
        }
    }

    fn pick(&mut self, asked: &Asked, truth: &mut Truth<'_>) -> Option<usize> {
        let wanted = Wanted {
            regardless: self.panicking,
            key: asked.key,
            now_us: micros(truth.now),
            in_flight: self.taken,
            ..Wanted::new(&asked.tried)
        };
        let picked = self.picker.pick(&self.list, wanted, truth, &mut self.rng);
        match picked {
            Some(at) if asked.repeatable || self.list[at].standing.is_admitting() => Some(at),
            // Not with a request that cannot be sent again is an endpoint tried out while there is another.
            Some(on_trial) => {
                let mut others = asked.tried;
                others.insert(on_trial);
                let wanted = Wanted {
                    tried: &others,
                    ..wanted
                };
                let other = self.picker.pick(&self.list, wanted, truth, &mut self.rng);
                other.or(Some(on_trial))
            }
            None if self.is_crowded(&asked.tried) => None,
            // None that admits is left: one that does not may be well by now, and is better than one that has just failed.
            None => {
                let wanted = Wanted {
                    regardless: true,
                    ..wanted
                };
                self.picker.pick(&self.list, wanted, truth, &mut self.rng)
            }
        }
    }

    /// Whether an endpoint that admits was not tried because it is at its limit: it is waited for.
    fn is_crowded(&self, tried: &Tried) -> bool {
        let mut list = self.list.iter().enumerate();
        list.any(|(at, one)| {
            !tried.contains(at) && one.weight > 0 && one.share() > 0 && !one.has_room()
        })
    }

    /// Why there is no seat.
    fn none_picked(&self, tried: &Tried) -> Choice {
        let mut list = self.list.iter().enumerate();
        let is_left = list.any(|(at, one)| one.weight > 0 && !tried.contains(at));
        if self.is_limited && is_left {
            Choice::Full
        } else if tried.is_empty() {
            Choice::Nobody
        } else {
            Choice::Again
        }
    }
}
