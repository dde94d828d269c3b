//! The waiting queue of a cluster: bounded, by priority, and honest about who will not be served in time.
//!
//! High goes before normal before low, and who came first goes first within. Nobody waits longer than the rules allow, nor
//! past its own deadline: such a request is dropped and never served, since nobody would be there for the response. A
//! queue that has stood for too long is thinned out from the front (`codel.rs`), for each priority by itself: were it one
//! measure for all, a trickle of high ones that never wait would hide that everybody else does.
//!
//! A full queue turns newcomers away, unless one that is overdue or less important can go in their place: the youngest of
//! the lowest priority, who has waited for the least.
//!
//! ```text
//! push ─▶ [high][normal][low] ─ pop ─▶ Served(item, place) ─▶ settle(place): gone
//!            │         ▲             │                    └─▶ again(place, item): to the front, where it was
//!            │         └─────────────│────────────────────────┘
//!            └ remove, expire        └▶ Dropped(item, why), one a call
//! ```
//!
//! Who is served keeps its place until it is settled, so that the queue stays within its size whatever becomes of it. A
//! call handles one item and costs the logarithm of how many wait; a caller that wants all of the dropped calls again, and
//! can let go of its lock in between.

mod codel;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use evenkeel_base::rules::{Priority, QueueRules};

use self::codel::Codel;

/// Items that wait.
#[derive(Debug)]
pub struct Queue<T> {
    rules: QueueRules,
    /// By [`Priority`], the lowest first.
    lanes: [Lane<T>; Priority::ALL.len()],
    /// When items are overdue, the earliest first.
    ends: BTreeSet<(Instant, Id)>,
    /// Items served and not settled.
    held: usize,
    next: u64,
}

/// The items of one priority.
#[derive(Debug)]
struct Lane<T> {
    waiting: BTreeMap<u64, Waiting<T>>,
    codel: Codel,
}

#[derive(Debug)]
struct Waiting<T> {
    item: T,
    since: Instant,
    end: Option<End>,
}

/// When an item is overdue, and by which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    at: Instant,
    why: Why,
}

/// Names an item that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    priority: Priority,
    number: u64,
}

/// Why an item is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There was no place for it, or a more important one has taken it.
    Full,
    /// It waited for as long as the rules let anyone.
    TimedOut,
    /// Its own deadline has passed.
    Late,
    /// The queue has stood for too long.
    Standing,
}

/// What became of a newcomer.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Pushed<T> {
    /// It waits.
    Waits(Id),
    /// It waits, in the place of another.
    Instead(Id, T, Why),
    /// It does not.
    Refused(T, Why),
}

/// What came out.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Popped<T> {
    /// Its turn has come.
    Served(T, Place),
    /// It is not served; ask again for the next.
    Dropped(T, Why),
    /// Nobody waits.
    Empty,
}

/// The place in the queue of an item that was served, to be given back by [`Queue::settle`] or [`Queue::again`].
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Place {
    id: Id,
    since: Instant,
    end: Option<End>,
}

impl<T> Queue<T> {
    /// An empty queue.
    #[must_use]
    pub fn new(rules: QueueRules) -> Self {
        let lane = |_| Lane {
            waiting: BTreeMap::new(),
            codel: Codel::default(),
        };
        Self {
            rules,
            lanes: Priority::ALL.map(lane),
            ends: BTreeSet::new(),
            held: 0,
            next: 0,
        }
    }

    /// Other rules from now on. Who waits keeps the time it was promised, and while there are more than the new size, a
    /// newcomer is let in only in the place of another.
    pub const fn set_rules(&mut self, rules: QueueRules) {
        self.rules = rules;
    }

    /// How many have a place: those that wait, and those that were served and are not settled.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting() + self.held
    }

    /// Whether nobody has a place.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many wait to be served.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.waiting.len()).sum()
    }

    /// Lets an item wait, at most until `deadline`.
    pub fn push(
        &mut self,
        item: T,
        priority: Priority,
        deadline: Option<Instant>,
        now: Instant,
    ) -> Pushed<T> {
        let end = self.end(deadline, now);
        if let Some(End { why, .. }) = end.filter(|end| end.at <= now) {
            return Pushed::Refused(item, why);
        }
        let mut gone = None;
        if self.len() >= self.rules.size as usize {
            gone = self.expire(now).or_else(|| self.displace(priority));
            if gone.is_none() {
                return Pushed::Refused(item, Why::Full);
            }
        }
        let id = Id {
            priority,
            number: self.next,
        };
        self.next += 1;
        self.insert(
            id,
            Waiting {
                item,
                since: now,
                end,
            },
        );
        match gone {
            Some((item, why)) => Pushed::Instead(id, item, why),
            None => Pushed::Waits(id),
        }
    }

    /// The next item for a place that is free, or one that is dropped.
    pub fn pop(&mut self, now: Instant) -> Popped<T> {
        self.pop_if(now, |rules, lane, waited| {
            let is_last = lane.waiting.is_empty();
            !lane.codel.drops(rules, waited, is_last, now)
        })
    }

    /// The next item, to look whether there is a place. It says nothing about how the queue moves, and nobody is dropped
    /// for that: an endpoint that pauses would cost the whole queue.
    pub fn pop_to_look(&mut self, now: Instant) -> Popped<T> {
        self.pop_if(now, |_, _, _| true)
    }

    fn pop_if(
        &mut self,
        now: Instant,
        serves: impl FnOnce(&QueueRules, &mut Lane<T>, Duration) -> bool,
    ) -> Popped<T> {
        let highest = Priority::ALL.into_iter().rev().find_map(|priority| {
            let number = *self.lanes[priority as usize].waiting.keys().next()?;
            Some(Id { priority, number })
        });
        let Some((id, Waiting { item, since, end })) =
            highest.and_then(|id| Some((id, self.take(id)?)))
        else {
            return Popped::Empty;
        };
        if let Some(End { why, .. }) = end.filter(|end| end.at <= now) {
            return Popped::Dropped(item, why);
        }
        let waited = now.saturating_duration_since(since);
        let lane = &mut self.lanes[id.priority as usize];
        if !serves(&self.rules, lane, waited) {
            return Popped::Dropped(item, Why::Standing);
        }
        self.held += 1;
        Popped::Served(item, Place { id, since, end })
    }

    /// An item that was served needs its place no longer.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a place is given back once, and this is where it ends"
    )]
    pub fn settle(&mut self, place: Place) {
        debug_assert!(place.id.number < self.next, "it was given by this queue");
        self.held = self.held.saturating_sub(1);
    }

    /// An item that was served could not make use of it, and waits on where it was: in front of all that came later.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a place is given back once, and this is where it ends"
    )]
    pub fn again(&mut self, place: Place, item: T) -> Id {
        let Place { id, since, end } = place;
        self.held = self.held.saturating_sub(1);
        self.insert(id, Waiting { item, since, end });
        id
    }

    /// Takes an item out that does not want to wait any longer; none when it does not wait.
    pub fn remove(&mut self, id: Id) -> Option<T> {
        self.take(id).map(|waiting| waiting.item)
    }

    /// Takes out an item that is overdue; ask again for the next.
    pub fn expire(&mut self, now: Instant) -> Option<(T, Why)> {
        let (at, id) = *self.ends.first()?;
        if at > now {
            return None;
        }
        let Waiting { item, end, .. } = self.take(id)?;
        Some((item, end.map_or(Why::TimedOut, |end| end.why)))
    }

    /// When the next item will be overdue.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.ends.first().map(|(at, _)| *at)
    }

    /// When this one will be; none when it does not wait, or may wait for ever.
    #[must_use]
    pub fn ends_at(&self, id: Id) -> Option<Instant> {
        let lane = &self.lanes[id.priority as usize];
        let waiting = lane.waiting.get(&id.number)?;
        waiting.end.map(|end| end.at)
    }

    /// When an item that comes now is overdue: at its own deadline or when the longest wait is over, whichever is first.
    fn end(&self, deadline: Option<Instant>, now: Instant) -> Option<End> {
        let own = deadline.map(|at| End { at, why: Why::Late });
        let limit = now.checked_add(self.rules.timeout).map(|at| End {
            at,
            why: Why::TimedOut,
        });
        match (own, limit) {
            (Some(own), Some(limit)) if limit.at < own.at => Some(limit),
            (Some(own), _) => Some(own),
            (None, limit) => limit,
        }
    }

    /// Takes out the youngest of the lowest priority, when that is lower than the newcomer's.
    fn displace(&mut self, newcomer: Priority) -> Option<(T, Why)> {
        let mut lower = Priority::ALL.into_iter().take_while(|p| *p < newcomer);
        let id = lower.find_map(|priority| {
            let youngest = self.lane(priority).waiting.keys().next_back();
            youngest.map(|&number| Id { priority, number })
        })?;
        self.take(id).map(|waiting| (waiting.item, Why::Full))
    }

    fn insert(&mut self, id: Id, waiting: Waiting<T>) {
        if let Some(End { at, .. }) = waiting.end {
            self.ends.insert((at, id));
        }
        let lane = self.lane(id.priority);
        if lane.waiting.is_empty() {
            lane.codel.restart();
        }
        lane.waiting.insert(id.number, waiting);
    }

    fn take(&mut self, id: Id) -> Option<Waiting<T>> {
        let waiting = self.lane(id.priority).waiting.remove(&id.number)?;
        if let Some(End { at, .. }) = waiting.end {
            self.ends.remove(&(at, id));
        }
        Some(waiting)
    }

    const fn lane(&mut self, priority: Priority) -> &mut Lane<T> {
        &mut self.lanes[priority as usize]
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
