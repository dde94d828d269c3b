//! A worker's client connections that wait for another request, in the order in which they began to: the oldest go first when room
//! is needed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::deadline::Bell;

/// The idle connections of one worker.
#[derive(Debug, Default)]
pub(crate) struct Idles {
    next: Cell<u64>,
    by_age: RefCell<BTreeMap<u64, Bell>>,
}

impl Idles {
    /// Another one, the newest. The bell ends its wait.
    pub(crate) fn enter(&self, bell: Bell) -> Idling<'_> {
        let number = self.next.get();
        self.next.set(number + 1);
        self.by_age.borrow_mut().insert(number, bell);
        Idling { all: self, number }
    }

    /// Ends the wait of so many, the oldest first; how many there were.
    pub(crate) fn close_oldest(&self, count: usize) -> usize {
        let mut closed = 0;
        while closed < count {
            let Some((_, bell)) = self.by_age.borrow_mut().pop_first() else {
                break;
            };
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
    number: u64,
}

impl Drop for Idling<'_> {
    fn drop(&mut self) {
        let bell = self.all.by_age.borrow_mut().remove(&self.number);
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
        let mut waiting: Vec<_> = slots.iter().map(|slot| idles.enter(slot.bell())).collect();
        let fired = || -> Vec<bool> { slots.iter().map(|slot| slot.has_fired()).collect() };
        // The oldest has a request in the meantime.
        waiting.remove(0);
        assert_eq!(idles.len(), 4);
        assert_eq!(idles.close_oldest(2), 2);
        assert_eq!(fired(), [false, true, true, false, false]);
        drop(waiting);
        assert_eq!((idles.len(), idles.close_oldest(2)), (0, 0));
        assert_eq!(fired(), [false, true, true, false, false]);
    }
}
