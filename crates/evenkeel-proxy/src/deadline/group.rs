//! A group of places for deadlines, side by side so that a sweep reads few cache lines. It knows no clock and no task.

use std::cell::{Cell, RefCell};
use std::task::Waker;
use std::time::Instant;

/// How many places a group has: a bit each in [`Group::free`].
pub(super) const PLACES: usize = 64;

/// Places for as many connections.
#[derive(Debug)]
pub(super) struct Group {
    /// The earliest deadline when the group was last looked through.
    earliest: Cell<Option<Instant>>,
    /// A deadline was set since then.
    touched: Cell<bool>,
    stopped: Cell<bool>,
    /// The places that nobody has, by bit.
    free: Cell<u64>,
    at: [Cell<Option<Instant>>; PLACES],
    fired: [Cell<bool>; PLACES],
    wakers: RefCell<[Option<Waker>; PLACES]>,
}

impl Group {
    /// A group whose places are all free.
    pub(super) const fn new(stopped: bool) -> Self {
        Self {
            earliest: Cell::new(None),
            touched: Cell::new(false),
            stopped: Cell::new(stopped),
            free: Cell::new(u64::MAX),
            at: [const { Cell::new(None) }; PLACES],
            fired: [const { Cell::new(false) }; PLACES],
            wakers: RefCell::new([const { None }; PLACES]),
        }
    }

    /// Takes a free place, if there is one.
    pub(super) fn take(&self) -> Option<u8> {
        let free = self.free.get();
        let place = u8::try_from(free.trailing_zeros()).ok()?;
        // The lowest bit that is set is cleared; none set, none cleared.
        self.free.set(free & free.wrapping_sub(1));
        (free != 0).then_some(place)
    }

    /// Frees a place. It has neither deadline nor waker after that.
    pub(super) fn give_back(&self, place: u8) {
        self.set(place, None);
        drop(self.take_waker(index(place)));
        self.free.set(self.free.get() | 1 << index(place));
    }

    /// Whether all places are free.
    pub(super) const fn is_empty(&self) -> bool {
        self.free.get() == u64::MAX
    }

    /// How many places are taken.
    #[cfg(test)]
    pub(super) const fn taken(&self) -> usize {
        self.free.get().count_zeros() as usize
    }

    #[inline]
    pub(super) fn set(&self, place: u8, at: Option<Instant>) {
        self.at[index(place)].set(at);
        self.fired[index(place)].set(false);
        self.touched.set(true);
    }

    #[inline]
    pub(super) const fn has_fired(&self, place: u8) -> bool {
        self.fired[index(place)].get() || self.stopped.get()
    }

    /// The task to wake when the deadline of that place fires.
    #[inline]
    pub(super) fn wake_with(&self, place: u8, by: &Waker) {
        let old = {
            let waker = &mut self.wakers.borrow_mut()[index(place)];
            match waker {
                Some(old) if old.will_wake(by) => return,
                _ => waker.replace(by.clone()),
            }
        };
        drop(old);
    }

    /// The deadline of that place fires now.
    pub(super) fn fire_place(&self, place: u8) {
        let place = index(place);
        self.at[place].set(None);
        self.fired[place].set(true);
        if let Some(waker) = self.take_waker(place) {
            waker.wake();
        }
    }

    /// From now on everything has fired.
    pub(super) fn stop(&self) {
        self.stopped.set(true);
        for place in 0..PLACES {
            if let Some(waker) = self.take_waker(place) {
                waker.wake();
            }
        }
    }

    /// The waker of a place. It is woken or dropped when the group is not borrowed any more: with it a task may go, and
    /// with the task its place.
    fn take_waker(&self, place: usize) -> Option<Waker> {
        self.wakers.borrow_mut()[place].take()
    }

    /// Fires what is due at `now` and says when the next deadline of the group will be.
    #[inline]
    pub(super) fn fire(&self, now: Instant) -> Option<Instant> {
        if self.touched.get() || self.earliest.get().is_some_and(|at| at <= now) {
            self.touched.set(false);
            self.earliest.set(self.look(now));
        }
        self.earliest.get()
    }

    fn look(&self, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for (place, slot) in self.at.iter().enumerate() {
            let Some(at) = slot.get() else { continue };
            if at > now {
                next = Some(next.map_or(at, |next| next.min(at)));
                continue;
            }
            slot.set(None);
            self.fired[place].set(true);
            if let Some(waker) = self.take_waker(place) {
                waker.wake();
            }
        }
        next
    }
}

/// A place as an index that needs no check.
#[inline]
const fn index(place: u8) -> usize {
    place as usize % PLACES
}
