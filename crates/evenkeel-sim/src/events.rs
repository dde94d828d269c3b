//! What happens next: a heap of events by time, and by the order in which they were added where times are equal.
//!
//! Nothing is ever taken out of the middle. An event that no longer holds is recognized when it comes up: a completion by
//! the moment that its machine expects it at, timeouts by standing in a list of their own ([`crate::lapse`]) that has one
//! event for all.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::time::Nanos;

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A request of this group of clients comes into being.
    Arrival(u32),
    /// A client of a closed loop asks again.
    Thought(u32),
    /// An attempt reaches its endpoint.
    Reached(u32),
    /// The request that is the nearest to its end in this endpoint has ended, unless other things came between.
    Completed(u32),
    /// What became of an attempt reaches its node.
    Returned(u32),
    /// A request may try again after its pause.
    Rested(u32),
    /// It may be time for a second attempt beside the first.
    Hedged(u32),
    /// The oldest attempt may have taken too long.
    AttemptLapse,
    /// The oldest request of a group of clients may have waited too long.
    RequestLapse(u32),
    /// Someone in a node's queue may have waited too long.
    QueueLapse(u32),
    /// A node's clock.
    Tick(u32),
    /// A node looks after those that are ejected.
    Knock(u32),
    /// A node probes an endpoint, or connects to one that is down.
    Probe(u32),
    /// A probe has waited for its answer for as long as it may.
    Silence(u32),
    /// A node looks which endpoints are to be asked for their load.
    LoadLook(u32),
    /// A question for its load reaches an endpoint.
    LoadAsked(u32),
    /// What an endpoint says of its load reaches a node.
    LoadTold(u32),
    /// An endpoint changes by its script.
    Script(u32),
    /// What others take of an endpoint's machine changes.
    Antagonist(u32),
    /// A sample of the series is taken.
    Sample,
    /// The warm-up is over.
    Mark,
    /// Clients ask no more.
    Quiet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    at: Nanos,
    order: u64,
    event: Event,
}

impl Ord for Entry {
    /// The earliest is the greatest: the heap gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The events to come.
#[derive(Debug, Default)]
pub(crate) struct Events {
    heap: BinaryHeap<Entry>,
    order: u64,
    now: Nanos,
}

impl Events {
    /// The moment of the event that was given last.
    pub(crate) const fn now(&self) -> Nanos {
        self.now
    }

    /// Adds an event; one that lies in the past happens now.
    pub(crate) fn add(&mut self, at: Nanos, event: Event) {
        let at = at.max(self.now);
        self.heap.push(Entry {
            at,
            order: self.order,
            event,
        });
        self.order += 1;
    }

    /// Adds an event after that time.
    pub(crate) fn after(&mut self, pause: Nanos, event: Event) {
        self.add(self.now.saturating_add(pause), event);
    }

    /// The next event; the clock moves to it.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let Entry { at, event, .. } = self.heap.pop()?;
        self.now = at;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_time_and_then_as_they_were_added() {
        let mut events = Events::default();
        for (at, which) in [(5, 0), (3, 1), (5, 2), (3, 3), (0, 4)] {
            events.add(at, Event::Arrival(which));
        }
        let order: Vec<Event> = std::iter::from_fn(|| events.next()).collect();
        assert_eq!(order, [4, 1, 3, 0, 2].map(Event::Arrival));
        assert_eq!(events.now(), 5);
        events.add(1, Event::Sample);
        assert_eq!((events.next(), events.now()), (Some(Event::Sample), 5));
    }
}
