//! Coarse deadlines: one slot per connection, checked by a sweep, instead of a timer per wait.
//!
//! Setting a deadline is one store. A tokio timer around every wait costs about 650 instructions, and a request has half
//! a dozen waits. The price is precision: a deadline fires up to [`MAX_SLEEP`] late. Work that needs exact instants
//! (hedging) takes a real timer.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time;

/// The sweep runs at least this often while any slot exists, so a deadline fires at most this late.
const MAX_SLEEP: Duration = Duration::from_millis(50);
/// And at most this often.
const MIN_SLEEP: Duration = Duration::from_millis(5);

/// The deadlines of one worker.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    slots: RefCell<Vec<Rc<Slot>>>,
    first: Notify,
    stopped: Cell<bool>,
}

#[derive(Debug, Default)]
struct Slot {
    at: Cell<Option<Instant>>,
    fired: Cell<bool>,
    position: Cell<usize>,
    waker: RefCell<Option<Waker>>,
}

impl Deadlines {
    /// A slot for one connection, without a deadline yet.
    pub(crate) fn slot(self: &Rc<Self>) -> Deadline {
        let slot = Rc::new(Slot::default());
        let mut slots = self.slots.borrow_mut();
        slot.position.set(slots.len());
        slots.push(Rc::clone(&slot));
        if slots.len() == 1 {
            self.first.notify_one();
        }
        Deadline {
            slot,
            owner: Rc::clone(self),
        }
    }

    /// Fires what is due, for ever; sleeps without a timer while there is no slot.
    pub(crate) async fn sweep(self: Rc<Self>) {
        loop {
            if self.slots.borrow().is_empty() {
                self.first.notified().await;
                continue;
            }
            let now = Instant::now();
            let next = self
                .fire(now)
                .map_or(MAX_SLEEP, |at| at.saturating_duration_since(now));
            time::sleep(next.clamp(MIN_SLEEP, MAX_SLEEP)).await;
        }
    }

    /// Nothing is waited for any more: every deadline fires now, and those that are set from now on at once.
    pub(crate) fn stop(&self) {
        self.stopped.set(true);
        for slot in self.slots.borrow().iter() {
            if let Some(waker) = slot.waker.borrow_mut().take() {
                waker.wake();
            }
        }
    }

    /// Whether [`Self::stop`] was called.
    pub(crate) const fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    /// Wakes the owner of every slot that is due, and says when the next one will be.
    fn fire(&self, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for slot in self.slots.borrow().iter() {
            let Some(at) = slot.at.get() else { continue };
            if at <= now {
                slot.at.set(None);
                slot.fired.set(true);
                // Waking only schedules the task, so nothing borrows the slots again before this ends.
                if let Some(waker) = slot.waker.borrow_mut().take() {
                    waker.wake();
                }
            } else if next.is_none_or(|next| at < next) {
                next = Some(at);
            }
        }
        next
    }
}

/// One connection's deadline.
#[derive(Debug)]
pub(crate) struct Deadline {
    slot: Rc<Slot>,
    owner: Rc<Deadlines>,
}

impl Deadline {
    /// From now on the deadline is `at`, whatever it was, and has not fired.
    #[inline]
    pub(crate) fn set(&self, at: Option<Instant>) {
        self.slot.at.set(at);
        self.slot.fired.set(false);
    }

    /// Takes steps until one has a result. A step that has to wait says (as its error) until when at the latest; the next
    /// one finds out by [`Self::has_fired`] whether that was reached.
    pub(crate) async fn drive<T>(
        &self,
        mut step: impl FnMut(&mut Context<'_>) -> Result<T, Option<Instant>>,
    ) -> T {
        poll_fn(|cx| match step(cx) {
            Ok(result) => Poll::Ready(result),
            Err(next) => {
                self.set(next);
                if self.poll_expired(cx).is_ready() {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
        })
        .await
    }

    /// Whether the deadline has fired since it was set.
    #[inline]
    pub(crate) fn has_fired(&self) -> bool {
        self.slot.fired.get() || self.owner.is_stopped()
    }

    /// Ready when the deadline has fired; else the task is woken when it does.
    #[inline]
    pub(crate) fn poll_expired(&self, cx: &Context<'_>) -> Poll<()> {
        if self.has_fired() {
            return Poll::Ready(());
        }
        let mut waker = self.slot.waker.borrow_mut();
        match &*waker {
            Some(old) if old.will_wake(cx.waker()) => {}
            _ => *waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let mut slots = self.owner.slots.borrow_mut();
        let position = self.slot.position.get();
        slots.swap_remove(position);
        if let Some(moved) = slots.get(position) {
            moved.position.set(position);
        }
    }
}

#[cfg(test)]
mod tests;
