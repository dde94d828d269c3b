//! The body of a request as far as it was taken from the client, kept so that it can be sent again: by another attempt, or to a
//! mirror.
//!
//! What was kept is served first, what the client still has to send follows. Two may want it, and there is one copy for both:
//! each has a length beyond which it wants it no more, and when nobody does, it is let go. Bodies that pass unread through a
//! pipe are not kept.

use std::cell::Cell;
use std::task::{Context, Poll};

use evenkeel_base::Fault;
use evenkeel_base::head::Field;
use evenkeel_net::Pipe;

use crate::body::{Fill, Source};
use crate::kept::{Charge, Kept};

/// So many bytes the exchanges of a worker keep at most for other attempts, all together; who finds no room is not tried again
/// once sent.
pub(crate) const MOST_OF_A_WORKER: usize = 16 * 1024 * 1024;

/// A body being kept.
#[derive(Debug)]
pub(crate) struct Replay {
    bytes: Vec<u8>,
    /// How many of them this attempt has had.
    at: usize,
    /// Another attempt wants everything that was taken from the client, and it is here.
    again: Option<Wish>,
    /// A mirror does.
    copy: Option<Wish>,
    /// It did, and there was no room.
    crowded: bool,
    /// The bytes as they are counted.
    charge: Option<Charge>,
    /// Trailers followed it and passed.
    trailed: Cell<bool>,
}

/// What somebody wants of a body.
#[derive(Debug)]
pub(crate) struct Wish {
    /// Nothing of one that is longer.
    pub(crate) most: usize,
    /// Where it is counted.
    pub(crate) kept: Kept,
}

impl Replay {
    /// Keeps a body for another attempt and for a mirror, as far as they want it.
    pub(crate) const fn new(again: Option<Wish>, copy: Option<Wish>) -> Self {
        Self {
            bytes: Vec::new(),
            at: 0,
            again,
            copy,
            crowded: false,
            charge: None,
            trailed: Cell::new(false),
        }
    }

    /// Begins again with the first byte; false when that is gone. While a request is untouched, nothing of its body was taken.
    pub(crate) const fn rewind(&mut self, untouched: bool) -> bool {
        self.at = 0;
        self.is_whole(untouched)
    }

    /// Whether it could begin again.
    pub(crate) const fn is_whole(&self, untouched: bool) -> bool {
        self.again.is_some() || untouched
    }

    /// There will be no other attempt: nothing more is kept for one. Whether nothing is left to serve and no mirror asks for it.
    pub(crate) fn settle(&mut self) -> bool {
        self.again = None;
        let over = !self.pay(self.bytes.len()) && self.left().is_empty();
        if over {
            self.let_go();
        }
        over && !self.crowded
    }

    /// The body for a mirror, once all of it was taken from the client.
    pub(crate) fn into_copy(mut self) -> Result<Held, NoCopy> {
        self.again = None;
        if self.trailed.get() {
            return Err(NoCopy::Unwanted);
        }
        match self.pay(self.bytes.len()).then(|| self.charge.take()) {
            Some(Some(charge)) => Ok(Held {
                bytes: self.bytes,
                _charge: charge,
            }),
            _ if self.crowded => Err(NoCopy::NoRoom),
            _ => Err(NoCopy::Unwanted),
        }
    }

    /// The body as this attempt reads it.
    pub(crate) const fn over<'a, S: Source>(&'a mut self, live: &'a mut S) -> Replayed<'a, S> {
        Replayed { kept: self, live }
    }

    fn left(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    const fn is_wanted(&self) -> bool {
        self.again.is_some() || self.copy.is_some()
    }

    /// Keeps bytes that are about to be taken from the client.
    fn keep(&mut self, bytes: &[u8]) {
        if !self.is_wanted() {
            return;
        }
        let length = self.bytes.len() + bytes.len();
        if self.pay(length) {
            self.bytes.extend_from_slice(bytes);
            self.at = length;
        } else {
            self.let_go();
        }
    }

    /// Counts so many bytes with who wants them, another attempt first; whoever has no room for them wants them no more. False
    /// when nobody is left.
    fn pay(&mut self, length: usize) -> bool {
        let fits = |wish: &Wish| wish.most >= length;
        self.again = self.again.take().filter(fits);
        self.copy = self.copy.take().filter(fits);
        while let Some(wish) = self.again.as_ref().or(self.copy.as_ref()) {
            match &mut self.charge {
                Some(charge) if charge.is_of(&wish.kept) => {
                    if charge.grow_to(length) {
                        return true;
                    }
                }
                charge => {
                    if let Some(new) = wish.kept.charge(length) {
                        *charge = Some(new);
                        return true;
                    }
                }
            }
            if self.again.take().is_none() {
                self.copy = None;
                self.crowded = true;
            }
        }
        false
    }

    fn let_go(&mut self) {
        self.charge = None;
        self.bytes = Vec::new();
        self.at = 0;
    }
}

/// Why there is no copy of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoCopy {
    /// It is longer than a mirror wants, or has trailers.
    Unwanted,
    /// Too much is kept for mirrors already.
    NoRoom,
}

/// A whole body, counted for as long as it is held.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) bytes: Vec<u8>,
    _charge: Charge,
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
            if self.kept.again.is_none() {
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
        if self.kept.is_wanted() || !self.kept.left().is_empty() {
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

    fn hold_less(&mut self, stopped: bool) {
        self.live.hold_less(stopped);
    }

    fn gather(&mut self, cx: &mut Context<'_>) {
        self.live.gather(cx);
    }

    fn trailers(&self, each: &mut dyn FnMut(Field<'_>)) {
        self.live.trailers(&mut |field| {
            self.kept.trailed.set(true);
            each(field);
        });
    }
}

#[cfg(test)]
mod tests;
