//! The connections of a worker that carry several exchanges at once: they are called when something has changed that concerns
//! them while they wait for their clients, a drain or a listener that is leaving.
//!
//! Connections that carry one exchange at a time need no call: their next response says that it is the last.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::Waker;

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Roll {
    next: Cell<u64>,
    all: RefCell<BTreeMap<u64, Rc<Call>>>,
}

/// What calls one of them.
#[derive(Debug, Default)]
pub(crate) struct Call(RefCell<Option<Waker>>);

impl Roll {
    /// Another one, until the guard is dropped.
    pub(crate) fn enter(&self, call: &Rc<Call>) -> Listed<'_> {
        let number = self.next.get();
        self.next.set(number + 1);
        self.all.borrow_mut().insert(number, Rc::clone(call));
        Listed { roll: self, number }
    }

    /// Calls all of them: each is to look what has changed.
    pub(crate) fn call(&self) {
        for call in self.all.borrow().values() {
            call.wake();
        }
    }
}

impl Call {
    /// The task to wake from now on.
    pub(crate) fn wake_with(&self, by: &Waker) {
        let mut waker = self.0.borrow_mut();
        if !waker.as_ref().is_some_and(|old| old.will_wake(by)) {
            *waker = Some(by.clone());
        }
    }

    /// Wakes it.
    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.0.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// One that is on the roll.
#[derive(Debug)]
pub(crate) struct Listed<'a> {
    roll: &'a Roll,
    number: u64,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        let call = self.roll.all.borrow_mut().remove(&self.number);
        drop(call);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn those_on_the_roll_are_called_and_no_others() {
        let roll = Roll::default();
        let woken: Vec<Arc<Woken>> = (0..3).map(|_| Arc::default()).collect();
        let calls: Vec<Rc<Call>> = (0..3).map(|_| Rc::default()).collect();
        let mut listed: Vec<Listed<'_>> = calls.iter().map(|call| roll.enter(call)).collect();
        for (call, woken) in calls.iter().zip(&woken) {
            call.wake_with(&Waker::from(Arc::clone(woken)));
        }
        drop(listed.remove(1));
        roll.call();
        let counts: Vec<usize> = woken
            .iter()
            .map(|woken| woken.0.load(Ordering::Relaxed))
            .collect();
        assert_eq!(counts, [1, 0, 1]);
        drop(listed);
        roll.call();
        assert_eq!(woken[0].0.load(Ordering::Relaxed), 1);
    }
}
