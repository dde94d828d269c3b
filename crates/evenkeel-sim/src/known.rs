//! An endpoint as one node knows it: what a balancer sees of it.

use std::cell::Cell;

use evenkeel_policy::slow_start::Entry;
use evenkeel_policy::{Candidate, Health, Load, Outlier, Standing};

/// An endpoint as one node knows it.
#[derive(Debug)]
pub struct Known {
    /// Which endpoint of the world.
    pub(crate) endpoint: u32,
    pub(crate) weight: u16,
    pub(crate) in_flight: Cell<u32>,
    pub(crate) limit: Cell<u32>,
    pub(crate) standing: Standing,
    pub(crate) outlier: Outlier,
    pub(crate) load: Load,
}

/// A hundred nodes that know a thousand endpoints each are 100,000 of these.
const _: () = assert!(size_of::<Known>() <= 160);

impl Known {
    /// That endpoint with that weight, of which nothing is known yet.
    pub(crate) fn new((endpoint, weight): (u32, u16), limit: u32, health: Health) -> Self {
        Self {
            endpoint,
            weight,
            in_flight: Cell::new(0),
            limit: Cell::new(limit),
            standing: Standing::new(health, Entry::Full),
            outlier: Outlier::new(),
            load: Load::new(),
        }
    }
}

impl Candidate for Known {
    #[inline]
    fn weight(&self) -> u16 {
        self.weight
    }

    #[inline]
    fn in_flight(&self) -> u32 {
        self.in_flight.get()
    }

    #[inline]
    fn share(&self) -> u16 {
        self.standing.share()
    }

    #[inline]
    fn has_room(&self) -> bool {
        self.in_flight.get() < self.limit.get()
    }

    #[inline]
    fn load(&self) -> Option<&Load> {
        Some(&self.load)
    }
}
