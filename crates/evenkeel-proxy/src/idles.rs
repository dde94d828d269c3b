//! A worker's client connections that wait for another request, by how long they have: the oldest go first when room is needed, and
//! those go whose clients have to prove something else by now.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use evenkeel_tls::ServerTls;

use crate::deadline::Bell;

/// A connection that idles for less than this is in use: its client may be about to send, and would find it closed. Half a second
/// longer than a connection keeps what its next request needs, so that all that are older are here.
const IN_USE: Duration = Duration::from_millis(1_500);

/// The idle connections of one worker.
#[derive(Debug, Default)]
pub(crate) struct Idles {
    next: Cell<u64>,
    by_age: RefCell<BTreeMap<(Instant, u64), Waiting>>,
}

/// One of them.
#[derive(Debug)]
struct Waiting {
    bell: Bell,
    /// Boxed, for most have none.
    checked: Option<Box<Checked>>,
}

/// What a client's certificate was checked by.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The listener.
    pub(crate) serial: u32,
    /// The listener's TLS when the connection began.
    pub(crate) tls: ServerTls,
}

impl Idles {
    /// Another one, which is idle since then. The bell ends its wait.
    pub(crate) fn enter(&self, bell: Bell, since: Instant, checked: Option<Checked>) -> Idling<'_> {
        let number = self.next.get();
        self.next.set(number + 1);
        let key = (since, number);
        let checked = checked.map(Box::new);
        let waiting = Waiting { bell, checked };
        self.by_age.borrow_mut().insert(key, waiting);
        Idling { all: self, key }
    }

    /// Ends the wait of so many that are not in use, the oldest first; how many there were.
    pub(crate) fn close_oldest(&self, count: usize, now: Instant) -> usize {
        let mut closed = 0;
        while closed < count {
            let mut by_age = self.by_age.borrow_mut();
            let oldest = by_age.first_entry();
            let Some(oldest) = oldest.filter(|oldest| is_old(oldest.key().0, now)) else {
                break;
            };
            let oldest = oldest.remove();
            drop(by_age);
            oldest.bell.ring();
            closed += 1;
        }
        closed
    }

    /// Ends the wait of those that are not in use and were checked otherwise than by now.
    pub(crate) fn close_outdated(&self, now: Instant, is_outdated: impl Fn(&Checked) -> bool) {
        let mut by_age = self.by_age.borrow_mut();
        let outdated = by_age.extract_if(.., |(since, _), waiting| {
            is_old(*since, now) && waiting.checked.as_deref().is_some_and(&is_outdated)
        });
        let outdated: Vec<Waiting> = outdated.map(|(_, waiting)| waiting).collect();
        drop(by_age);
        for waiting in outdated {
            waiting.bell.ring();
        }
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
        let waiting = self.all.by_age.borrow_mut().remove(&self.key);
        drop(waiting);
    }
}

fn is_old(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) >= IN_USE
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
            idles.enter(slot.bell(), began + IN_USE * n, None)
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
