//! Connections to endpoints that carry many requests at once, of one worker: who gets a place on one, and who waits for one.
//!
//! ```text
//!                 a place is free                 ┌─ HTTP/2 ──▶ a trunk: places for those that wait, first come first served
//!  request ──▶ shelf ──▶ go                       │
//!                │ none: wait ──▶ connect, once ──┼─ HTTP/1.1 ▶ a connection for the first one; the others look anew
//!                │                for them all    │
//!                └─ a place is given back ◀── end └─ a fault ─▶ theirs
//! ```
//! A shelf is what there is of one endpoint. It has few trunks: the first one with room takes the next request, so that those
//! that are not needed grow idle and go. Nothing is read or written here; a trunk has a task of its own ([`trunk`]).

mod pulse;
mod shelf;
mod trunk;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

pub(crate) use shelf::{Connecting, Ended, Outcome, Shelf, Waiter};
pub(crate) use trunk::{Driver, Farewell, Place, Trunk, Unsent};

use tokio::time;

use crate::pool::SerialHashing;

/// How often it is looked whether all are closed, at the end of a worker.
const LOOK: Duration = Duration::from_millis(2);

/// The trunks of one worker, by endpoint.
#[derive(Debug, Default)]
pub(crate) struct Trunks {
    shelves: RefCell<HashMap<u32, Rc<Shelf>, SerialHashing>>,
    draining: Cell<bool>,
}

impl Trunks {
    /// The shelf of an endpoint that is dialed so. What was made by another dial takes no new requests.
    pub(crate) fn shelf(&self, serial: u32, dial: u32) -> Rc<Shelf> {
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves.entry(serial).or_insert_with(|| Shelf::new(dial));
        if shelf.dial() != dial {
            // Its trunks hold it for as long as something runs on them.
            let old = std::mem::replace(shelf, Shelf::new(dial));
            old.retire();
        }
        Rc::clone(shelf)
    }

    /// How many trunks are idle.
    pub(crate) fn idle(&self) -> usize {
        let shelves = self.shelves.borrow();
        shelves.values().map(|shelf| shelf.idle()).sum()
    }

    /// Closes an idle trunk to one of these endpoints; false when there is none.
    pub(crate) fn close_one(&self, serials: &[u32]) -> bool {
        serials.iter().any(|serial| {
            let shelf = self.shelves.borrow().get(serial).cloned();
            shelf.is_some_and(|shelf| shelf.close_idle())
        })
    }

    /// Closes so many idle trunks; how many there were.
    pub(crate) fn trim(&self, most: usize) -> usize {
        let shelves = self.all();
        let mut closed = 0;
        for shelf in shelves {
            while closed < most && shelf.close_idle() {
                closed += 1;
            }
        }
        closed
    }

    /// No trunk takes new requests: each is closed when its last one has ended. Those that are made from now on go at the next
    /// sweep after theirs.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
        for shelf in self.all() {
            shelf.retire();
        }
    }

    /// The endpoints are others by now: the trunks of those that have left take no new requests.
    pub(crate) fn keep_only(&self, is_there: impl Fn(u32) -> bool) {
        let gone: Vec<Rc<Shelf>> = {
            let mut shelves = self.shelves.borrow_mut();
            shelves
                .extract_if(|serial, _| !is_there(*serial))
                .map(|(_, shelf)| shelf)
                .collect()
        };
        // What runs on them holds them.
        for shelf in gone {
            shelf.retire();
        }
    }

    /// Once a second: lets go of what has been idle for too long, and asks those that say nothing whether they are alive.
    pub(crate) fn sweep(&self, now: Instant) {
        for shelf in self.all() {
            shelf.sweep(now, self.draining.get());
        }
        self.shelves
            .borrow_mut()
            .retain(|_, shelf| !shelf.is_spent());
    }

    /// Ends when every trunk is closed.
    pub(crate) async fn closed(&self) {
        while !self.is_empty() {
            time::sleep(LOOK).await;
        }
    }

    /// Whether every trunk is closed.
    pub(crate) fn is_empty(&self) -> bool {
        self.shelves.borrow().values().all(|shelf| shelf.is_empty())
    }

    fn all(&self) -> Vec<Rc<Shelf>> {
        self.shelves.borrow().values().cloned().collect()
    }
}

#[cfg(test)]
mod tests;
