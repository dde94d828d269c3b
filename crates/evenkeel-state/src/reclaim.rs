//! Letters between workers about idle connections: "close one to this endpoint, I need its place". What a worker does with
//! a letter is the data plane's.
//!
//! An idle connection belongs to a worker and counts against the limits of its endpoint. A worker that finds the endpoint
//! at its limit and has no idle connection itself cannot see who has one, so its letter goes around: to the next worker,
//! which closes one and is done, or passes the letter on, until it would come back to the sender. When the connection is
//! closed, [`OpenConnection`](crate::OpenConnection) calls the next one in the waiting room. A letter that nobody could help
//! is dropped: then all connections are busy, and one of them will be given back.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::sync::{Mutex, MutexGuard};

/// The most letters that lie with one worker. A further one is not sent: its sender waits for a place like everybody else.
pub const MOST_LETTERS: usize = 256;

/// The letters of a process.
#[derive(Debug)]
pub struct Reclaim {
    boxes: Box<[Mutex<Letters>]>,
}

/// What lies with one worker.
#[derive(Debug, Default)]
struct Letters {
    unread: VecDeque<Letter>,
    reader: Option<Waker>,
}

/// One idle connection is to be closed.
#[derive(Clone, Debug)]
pub struct Letter {
    /// To one of the endpoints with these serial numbers: all those of a cluster when the cluster is at its limit.
    pub serials: Arc<[u32]>,
    /// How many more workers it may go to.
    left: usize,
}

impl Reclaim {
    /// Empty boxes for so many workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let boxes = (0..workers).map(|_| Mutex::new(Letters::default()));
        Self {
            boxes: boxes.collect(),
        }
    }

    /// Asks the other workers to close an idle connection to one of these endpoints. Tells whether the letter was sent: not
    /// when there is no other worker, or when the next one has too many.
    pub fn ask(&self, worker: usize, serials: Arc<[u32]>) -> bool {
        let left = self.boxes.len().saturating_sub(1);
        self.send(worker, Letter { serials, left })
    }

    /// A worker that has no such connection passes the letter on; false when everybody has seen it, or the next worker has
    /// too many.
    pub fn pass_on(&self, worker: usize, letter: Letter) -> bool {
        self.send(worker, letter)
    }

    /// The next letter to this worker. A worker has one reader, who is woken when there is one.
    pub fn poll(&self, worker: usize, cx: &Context<'_>) -> Poll<Letter> {
        let Some(of) = self.boxes.get(worker) else {
            return Poll::Pending;
        };
        let mut letters = lock(of);
        if let Some(letter) = letters.unread.pop_front() {
            return Poll::Ready(letter);
        }
        match &mut letters.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            reader => *reader = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Puts a letter into the box of the worker after this one.
    fn send(&self, worker: usize, letter: Letter) -> bool {
        let Some(left) = letter.left.checked_sub(1) else {
            return false;
        };
        let next = (worker + 1) % self.boxes.len();
        let mut letters = lock(&self.boxes[next]);
        if letters.unread.len() >= MOST_LETTERS {
            return false;
        }
        letters.unread.push_back(Letter { left, ..letter });
        let reader = letters.reader.take();
        drop(letters);
        if let Some(reader) = reader {
            reader.wake();
        }
        true
    }
}

fn lock(letters: &Mutex<Letters>) -> MutexGuard<'_, Letters> {
    letters.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn read(reclaim: &Reclaim, worker: usize) -> Option<Letter> {
        match reclaim.poll(worker, &Context::from_waker(Waker::noop())) {
            Poll::Ready(letter) => Some(letter),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_letter_goes_around_once() {
        let reclaim = Reclaim::new(3);
        assert!(reclaim.ask(1, Arc::new([7, 8])));
        assert!(read(&reclaim, 0).is_none() && read(&reclaim, 1).is_none());
        let letter = read(&reclaim, 2).unwrap();
        assert_eq!(*letter.serials, [7, 8]);
        assert!(reclaim.pass_on(2, letter));
        let letter = read(&reclaim, 0).unwrap();
        assert!(!reclaim.pass_on(0, letter), "it would be back");
        assert!((0..3).all(|worker| read(&reclaim, worker).is_none()));
    }

    #[test]
    fn a_worker_alone_asks_nobody() {
        for workers in [0, 1] {
            let reclaim = Reclaim::new(workers);
            assert!(!reclaim.ask(0, Arc::new([7])));
            assert!(read(&reclaim, 0).is_none());
        }
    }

    #[test]
    fn the_reader_is_woken_and_a_full_box_takes_no_more() {
        let reclaim = Reclaim::new(2);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        assert!(reclaim.poll(1, &Context::from_waker(&waker)).is_pending());
        let sent = (0..2 * MOST_LETTERS).filter(|_| reclaim.ask(0, Arc::new([7])));
        assert_eq!(sent.count(), MOST_LETTERS);
        assert_eq!(woken.0.load(Ordering::SeqCst), 1, "one is enough");
        let read = std::iter::from_fn(|| read(&reclaim, 1)).count();
        assert_eq!(read, MOST_LETTERS);
    }
}
