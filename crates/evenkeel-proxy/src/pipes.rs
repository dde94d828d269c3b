//! Pipes of one worker, for bodies that pass from stream to stream without being read.
//!
//! A pipe is lent while there are bytes in it and comes back when there are none, so that what slow readers hold up is
//! counted. Not a buffer that a body depends on: when there is no pipe, it is copied.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use evenkeel_net::Pipe;

/// Pipes that a worker lends at most: 64 of 256 KiB let readers that have stopped hold 16 MiB of the system's memory. What
/// comes beyond them is copied.
const MAX_LENT: usize = 64;
/// Empty pipes that a worker keeps: each is two descriptors. Those that nobody needed from one sweep to the next are closed.
const MAX_FREE: usize = 16;

/// The pipes of one worker.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    free: RefCell<Vec<Pipe>>,
    /// The fewest that were free since the last sweep.
    idle: Cell<usize>,
    lent: Cell<usize>,
    refused: Cell<bool>,
}

impl Pipes {
    /// An empty pipe, when there is one to be had.
    pub(crate) fn take(self: &Rc<Self>) -> Option<Lent> {
        if self.refused.get() || self.lent.get() >= MAX_LENT {
            return None;
        }
        let free = self.free.borrow_mut().pop();
        self.idle.set(self.idle.get().min(self.free.borrow().len()));
        let pipe = free.or_else(|| Pipe::new().ok())?;
        self.lent.set(self.lent.get() + 1);
        let loan = Loan(Rc::clone(self));
        Some(Lent { pipe, loan })
    }

    /// The system does not let bytes pass this way (an old kernel, a sandbox): nobody needs to try again.
    pub(crate) fn refuse(&self) {
        self.refused.set(true);
    }

    /// Closes the pipes that nobody needed since the last time.
    pub(crate) fn sweep(&self) {
        let mut free = self.free.borrow_mut();
        let busy = free.len().saturating_sub(self.idle.get());
        free.truncate(busy);
        self.idle.set(busy);
    }

    /// How many are lent, and how many are kept.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.lent.get(), self.free.borrow().len())
    }
}

/// A pipe of a worker's. Dropped, it is closed with what is in it.
#[derive(Debug)]
pub(crate) struct Lent {
    pub(crate) pipe: Pipe,
    loan: Loan,
}

impl Lent {
    /// Gives it back, when it is empty.
    pub(crate) fn give_back(self) {
        let mut free = self.loan.0.free.borrow_mut();
        if self.pipe.held() == 0 && free.len() < MAX_FREE {
            free.push(self.pipe);
        }
    }
}

/// That a pipe is lent.
#[derive(Debug)]
struct Loan(Rc<Pipes>);

impl Drop for Loan {
    fn drop(&mut self) {
        self.0.lent.set(self.0.lent.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lent_is_counted_and_bounded() {
        let pipes = Rc::new(Pipes::default());
        let mut lent: Vec<Lent> = (0..MAX_LENT).map(|_| pipes.take().unwrap()).collect();
        assert!(pipes.take().is_none());
        drop(lent.pop());
        lent.push(pipes.take().unwrap());
        assert!(pipes.take().is_none());
        lent.drain(..).for_each(Lent::give_back);
        assert_eq!(pipes.counts(), (0, MAX_FREE));
        let again = pipes.take().unwrap();
        assert_eq!(pipes.counts(), (1, MAX_FREE - 1));
        again.give_back();
        assert_eq!(pipes.counts(), (0, MAX_FREE));
    }

    #[test]
    fn pipes_that_nobody_needs_are_closed() {
        let pipes = Rc::new(Pipes::default());
        let three: Vec<Lent> = (0..3).filter_map(|_| pipes.take()).collect();
        three.into_iter().for_each(Lent::give_back);
        pipes.sweep();
        assert_eq!(pipes.counts(), (0, 3), "they were needed a moment ago");
        pipes.take().unwrap().give_back();
        pipes.sweep();
        assert_eq!(pipes.counts(), (0, 1), "one at a time was enough");
        pipes.sweep();
        assert_eq!(pipes.counts(), (0, 0));
    }

    #[test]
    fn a_system_that_refuses_is_not_asked_again() {
        let pipes = Rc::new(Pipes::default());
        pipes.take().unwrap().give_back();
        pipes.refuse();
        assert!(pipes.take().is_none());
    }
}
