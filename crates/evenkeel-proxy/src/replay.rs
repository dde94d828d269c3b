//! The body of a request as far as it was taken from the client, kept so that another attempt can send it again.
//!
//! What was kept is served first, what the client still has to send follows. A body that is longer than may be kept is let
//! go, and then there is no other attempt. Bodies that pass unread through a pipe are not kept.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

use evenkeel_base::Fault;
use evenkeel_base::head::Field;
use evenkeel_net::Pipe;

use crate::body::{Fill, Source};

/// So many bytes the exchanges of a worker keep at most, all together; who finds no room is not tried again once sent.
const MOST_OF_A_WORKER: usize = 16 * 1024 * 1024;

/// How many bytes the exchanges of a worker keep.
pub(crate) type Kept = Rc<Cell<usize>>;

/// A body being kept.
#[derive(Debug)]
pub(crate) struct Replay {
    bytes: Vec<u8>,
    /// How many of them this attempt has had.
    at: usize,
    /// No more than so many.
    most: usize,
    /// Everything that was taken from the client is here.
    whole: bool,
    of_worker: Kept,
}

impl Replay {
    /// Keeps at most `most` bytes.
    pub(crate) fn new(most: usize, of_worker: &Kept) -> Self {
        Self {
            bytes: Vec::new(),
            at: 0,
            most,
            whole: true,
            of_worker: Rc::clone(of_worker),
        }
    }

    /// Begins again with the first byte; false when that is gone.
    pub(crate) const fn rewind(&mut self) -> bool {
        self.at = 0;
        self.whole
    }

    /// Whether it could begin again.
    pub(crate) const fn is_whole(&self) -> bool {
        self.whole
    }

    /// There will be no other attempt: nothing more is kept. Whether nothing is left to serve, either.
    pub(crate) fn settle(&mut self) -> bool {
        self.whole = false;
        let over = self.left().is_empty();
        if over {
            self.let_go();
        }
        over
    }

    /// The body as this attempt reads it.
    pub(crate) const fn over<'a, S: Source>(&'a mut self, live: &'a mut S) -> Replayed<'a, S> {
        Replayed { kept: self, live }
    }

    fn left(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Keeps bytes that are about to be taken from the client.
    fn keep(&mut self, bytes: &[u8]) {
        if !self.whole {
            return;
        }
        let held = self.of_worker.get() + bytes.len();
        if self.bytes.len() + bytes.len() > self.most || held > MOST_OF_A_WORKER {
            self.whole = false;
            return self.let_go();
        }
        self.of_worker.set(held);
        self.bytes.extend_from_slice(bytes);
        self.at = self.bytes.len();
    }

    fn let_go(&mut self) {
        let held = self.of_worker.get();
        self.of_worker.set(held.saturating_sub(self.bytes.len()));
        self.bytes = Vec::new();
        self.at = 0;
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// What was kept, and behind it what the client sends.
pub(crate) struct Replayed<'a, S> {
    kept: &'a mut Replay,
    live: &'a mut S,
}

impl<S: Source> Source for Replayed<'_, S> {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        if self.kept.left().is_empty() {
            self.live.poll_fill(cx)
        } else {
            Poll::Ready(Ok(Fill::Data))
        }
    }

    fn data(&self) -> &[u8] {
        match self.kept.left() {
            [] => self.live.data(),
            left => left,
        }
    }

    fn is_last(&self) -> bool {
        self.kept.left().is_empty() && self.live.is_last()
    }

    fn consume(&mut self, n: usize) {
        if !self.kept.left().is_empty() {
            self.kept.at += n;
            if !self.kept.whole {
                self.kept.settle();
            }
            return;
        }
        self.kept
            .keep(self.live.data().get(..n).unwrap_or_default());
        self.live.consume(n);
    }

    fn poll_pipe(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Fault>> {
        // What passes unread cannot be kept.
        if self.kept.whole || !self.kept.left().is_empty() {
            return Poll::Ready(Ok(false));
        }
        self.live.poll_pipe(cx)
    }

    fn piped(&mut self) -> Option<&mut Pipe> {
        self.live.piped()
    }

    fn consume_piped(&mut self, n: usize) {
        self.live.consume_piped(n);
    }

    fn trailers(&self, each: &mut dyn FnMut(Field<'_>)) {
        self.live.trailers(each);
    }
}

#[cfg(test)]
mod tests;
