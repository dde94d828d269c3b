//! What a worker knows of its mirrors: how many are under way, and what they keep.
//!
//! What a mirror is and does stands in `exchange/mirror.rs`.

use std::cell::Cell;
use std::rc::Rc;

use crate::kept::Kept;

/// So many mirrored requests of a worker are under way at most. A cluster that never answers holds all of them until they time out,
/// and what comes meanwhile is dropped: with the default timeouts 4 a second go on, and memory and descriptors stay bounded.
pub(crate) const MOST_AT_ONCE: usize = 128;
/// So many bytes of heads and bodies a worker keeps for mirrors at most, beside those that it keeps for other attempts: two bodies of the
/// largest `max_body`, or 128 of 256 KiB.
pub(crate) const MOST_BYTES: usize = 32 * 1024 * 1024;

/// The mirrors of one worker.
#[derive(Debug)]
pub(crate) struct Mirrors {
    /// What they keep of their requests.
    pub(crate) kept: Kept,
    under_way: Cell<usize>,
}

impl Mirrors {
    /// Whether another one may begin.
    pub(crate) const fn has_room(&self) -> bool {
        self.under_way.get() < MOST_AT_ONCE
    }

    /// How many are under way.
    #[cfg(test)]
    pub(crate) const fn under_way(&self) -> usize {
        self.under_way.get()
    }

    /// A place for a mirrored request; none when all are taken.
    pub(crate) fn begin(self: &Rc<Self>) -> Option<UnderWay> {
        self.has_room().then(|| {
            self.under_way.set(self.under_way.get() + 1);
            UnderWay(Rc::clone(self))
        })
    }
}

impl Default for Mirrors {
    fn default() -> Self {
        Self {
            kept: Kept::new(MOST_BYTES),
            under_way: Cell::new(0),
        }
    }
}

/// A mirrored request under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(Rc<Mirrors>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_request_is_over() {
        let mirrors = Rc::new(Mirrors::default());
        let mut places: Vec<UnderWay> = (0..MOST_AT_ONCE).filter_map(|_| mirrors.begin()).collect();
        assert_eq!(places.len(), MOST_AT_ONCE);
        assert!(!mirrors.has_room() && mirrors.begin().is_none());
        places.pop();
        assert!(mirrors.has_room() && mirrors.begin().is_some());
    }
}
