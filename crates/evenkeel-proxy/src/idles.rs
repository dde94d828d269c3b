//! A worker's client connections that wait for another request, by how long they have: the oldest go first when room is needed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::deadline::Bell;

/// A connection that idles for less than this is in use: its client may be about to send, and would find it closed. Half a second
/// longer than a connection keeps what its next request needs, so that all that are older are here.
const IN_USE: Duration = Duration::from_millis(1_500);

/// The idle connections of one worker.
#[derive(Debug, Default)]
pub(crate) struct Idles {
    next: Cell<u64>,
    by_age: RefCell<BTreeMap<(Instant, u64), Bell>>,
}

impl Idles {
    /// Another one, which is idle since then. The bell ends its wait.
    pub(crate) fn enter(&self, bell: Bell, since: Instant) -> Idling<'_> {
        let number = self.next.get();
        self.next.set(number + 1);
        let key = (since, number);
        self.by_age.borrow_mut().insert(key, bell);
        Idling { all: self, key }
    }

    /// Ends the wait of so many that are not in use, the oldest first; how many there were.
    pub(crate) fn close_oldest(&self, count: usize, now: Instant) -> usize {
        let is_old = |since: Instant| now.saturating_duration_since(since) >= IN_USE;
        let mut closed = 0;
        while closed < count {
            let mut by_age = self.by_age.borrow_mut();
            let oldest = by_age.first_entry();
            let Some(oldest) = oldest.filter(|oldest| is_old(oldest.key().0)) else {
                break;
            };
            let bell = oldest.remove();
            drop(by_age);
            bell.ring();
            closed += 1;
        }
        closed
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_age.borrow().len()
    }
}

/// A connection that waits, until this is dropped.
#[derive(Debug)]
pub(crate) struct Idling<'a> {
    all: &'a Idles,
    key: (Instant, u64),
}

impl Drop for Idling<'_> {
    fn drop(&mut self) {
        let bell = self.all.by_age.borrow_mut().remove(&self.key);
        drop(bell);
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::deadline::Deadlines;

    #[test]
    fn the_oldest_that_still_wait_are_called_first() {
        let deadlines = Rc::new(Deadlines::default());
        let idles = Idles::default();
        let slots: Vec<_> = (0..5).map(|_| deadlines.slot()).collect();
        let began = Instant::now();
        let enter = |(n, slot): (u32, &crate::deadline::Deadline)| {
            idles.enter(slot.bell(), began + IN_USE * n)
        };
        // Who began to wait last may be entered first.
        let mut waiting: Vec<_> = (0..5_u32).zip(&slots).rev().map(enter).collect();
        waiting.reverse();
        let fired = || -> Vec<bool> { slots.iter().map(|slot| slot.has_fired()).collect() };
        // The oldest has a request in the meantime.
        waiting.remove(0);
        assert_eq!(idles.len(), 4);
        assert_eq!(idles.close_oldest(2, began + IN_USE), 0, "none is old");
        assert_eq!(idles.close_oldest(2, began + IN_USE * 9), 2);
        assert_eq!(fired(), [false, true, true, false, false]);
        drop(waiting);
        assert_eq!(
            (idles.len(), idles.close_oldest(2, began + IN_USE * 9)),
            (0, 0)
        );
        assert_eq!(fired(), [false, true, true, false, false]);
    }
}
