//! Timeouts of one length: a list in the order of their beginnings is one in the order of their ends.
//!
//! Nearly all end long before they lapse. Those at the front that have ended go with the next that comes, so the list is about as long
//! as the oldest that lives is old, and all of them together have one event in the heap.

use std::collections::VecDeque;

use crate::time::{NEVER, Nanos};

/// What lapses after a time that is the same for all.
#[derive(Debug)]
pub(crate) struct Lapse {
    after: Nanos,
    list: VecDeque<(Nanos, Ticket)>,
    /// Whether an event is on its way.
    armed: bool,
}

/// What is timed: its place in a slab, and a number that no other one in that place has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) at: u32,
    pub(crate) serial: u64,
}

impl Lapse {
    /// Timeouts of that length.
    pub(crate) const fn new(after: Nanos) -> Self {
        Self {
            after,
            list: VecDeque::new(),
            armed: false,
        }
    }

    /// Something begins. Gives when to look, when nobody looks yet.
    pub(crate) fn begin(
        &mut self,
        ticket: Ticket,
        now: Nanos,
        lives: impl Fn(Ticket) -> bool,
    ) -> Option<Nanos> {
        let end = now.saturating_add(self.after);
        if end == NEVER {
            return None;
        }
        while self.list.front().is_some_and(|(_, one)| !lives(*one)) {
            self.list.pop_front();
        }
        self.list.push_back((end, ticket));
        if self.armed {
            return None;
        }
        self.armed = true;
        self.list.front().map(|(end, _)| *end)
    }

    /// One that has lapsed; none when there is no other.
    pub(crate) fn lapsed(&mut self, now: Nanos, lives: impl Fn(Ticket) -> bool) -> Option<Ticket> {
        while let Some(&(end, ticket)) = self.list.front() {
            let is_alive = lives(ticket);
            if is_alive && end > now {
                return None;
            }
            self.list.pop_front();
            if is_alive {
                return Some(ticket);
            }
        }
        None
    }

    /// When to look again; to be asked once [`Lapse::lapsed`] gives none.
    pub(crate) fn next(&mut self) -> Option<Nanos> {
        let next = self.list.front().map(|(end, _)| *end);
        self.armed = next.is_some();
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lives_lapses_and_one_event_is_enough() {
        let mut lapse = Lapse::new(10);
        let ticket = |serial| Ticket { at: 0, serial };
        let all = |_| true;
        assert_eq!(lapse.begin(ticket(1), 0, all), Some(10));
        assert_eq!(lapse.begin(ticket(2), 3, all), None);
        assert_eq!(lapse.begin(ticket(3), 5, all), None);
        assert_eq!(lapse.lapsed(10, all), Some(ticket(1)));
        assert_eq!((lapse.lapsed(10, all), lapse.next()), (None, Some(13)));
        let third = |one| one == ticket(3);
        assert_eq!((lapse.lapsed(13, third), lapse.next()), (None, Some(15)));
        let none = |_| false;
        assert_eq!((lapse.lapsed(15, none), lapse.next()), (None, None));
        assert_eq!(lapse.begin(ticket(4), 20, all), Some(30));
        assert_eq!(Lapse::new(NEVER).begin(ticket(5), 1, all), None);
    }
}
