//! When the next request is to be sent: as soon as a connection is free, at a fixed rate, or once on each.
//!
//! It decides and does not act; what it needs to know of the time it is told.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Who asks when.
#[derive(Debug)]
pub(super) enum Pace {
    Closed(Closed),
    Open(Open),
    Idle { fresh: bool },
}

/// A free connection asks at once, as long as there is something to ask.
#[derive(Debug)]
pub(super) struct Closed {
    batch: u64,
    left: u64,
    /// Whether the end is a number of requests, all of which count.
    is_counted: bool,
}

impl Closed {
    pub(super) fn new(batch: u32, requests: Option<u64>) -> Self {
        Self {
            batch: batch.into(),
            left: requests.unwrap_or(u64::MAX),
            is_counted: requests.is_some(),
        }
    }

    /// How many requests to send at once, now.
    pub(super) fn take(&mut self) -> u64 {
        let count = self.batch.min(self.left);
        if self.is_counted {
            self.left -= count;
        }
        count
    }

    /// Takes requests back that were not sent after all.
    pub(super) fn give_back(&mut self, count: u64) {
        if self.is_counted {
            self.left += count;
        }
    }

    /// Whether every request was taken.
    pub(super) const fn is_exhausted(&self) -> bool {
        self.left == 0
    }
}

/// Requests at instants that are known beforehand; one that finds no free connection waits, and its wait counts.
#[derive(Debug)]
pub(super) struct Open {
    rate: u32,
    start: Option<Instant>,
    next: u64,
    total: u64,
    /// Connections without a request, the longest free first.
    free: VecDeque<u64>,
}

impl Open {
    /// So many requests per second, for so long.
    pub(super) fn new(rate: u32, span: Duration) -> Self {
        let total = span.as_nanos() * u128::from(rate) / 1_000_000_000;
        Self {
            rate,
            start: None,
            next: 0,
            total: u64::try_from(total).unwrap_or(u64::MAX),
            free: VecDeque::new(),
        }
    }

    /// Sets the instant of the first request.
    pub(super) const fn start(&mut self, now: Instant) {
        self.start = Some(now);
    }

    /// When the next request is to be sent; none before the start and after the last.
    pub(super) fn next(&self) -> Option<Instant> {
        let start = self.start.filter(|_| self.next < self.total)?;
        let ns = u128::from(self.next) * 1_000_000_000 / u128::from(self.rate);
        Some(start + Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX)))
    }

    /// Takes the next request, with its intended instant, when it is due.
    pub(super) fn take(&mut self, now: Instant) -> Option<Instant> {
        let intended = self.next().filter(|intended| *intended <= now)?;
        self.next += 1;
        Some(intended)
    }

    /// Remembers a connection that has nothing to do.
    pub(super) fn rest(&mut self, token: u64) {
        self.free.push_back(token);
    }

    /// Takes a connection for the next request when that is due. The token may be of a connection that is gone.
    pub(super) fn wake(&mut self, now: Instant) -> Option<u64> {
        self.next().filter(|intended| *intended <= now)?;
        self.free.pop_front()
    }

    /// Until when nothing has to be done; none when there is nothing to do, or nobody to do it.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.next().filter(|_| !self.free.is_empty())
    }

    /// How many requests have not been sent.
    pub(super) const fn unsent(&self) -> u64 {
        self.total - self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_run_takes_so_many_and_no_more() {
        let mut closed = Closed::new(100, Some(250));
        assert_eq!(
            [closed.take(), closed.take(), closed.take(), closed.take()],
            [100, 100, 50, 0]
        );
        assert!(closed.is_exhausted());
        closed.give_back(7);
        assert_eq!((closed.take(), closed.take()), (7, 0));
        let mut endless = Closed::new(3, None);
        assert_eq!((endless.take(), endless.is_exhausted()), (3, false));
    }

    #[test]
    fn intended_instants_do_not_drift() {
        let start = Instant::now();
        let mut open = Open::new(3000, Duration::from_secs(2));
        assert_eq!(open.take(start), None);
        open.start(start);
        let end = start + Duration::from_secs(5);
        let mut intended = Vec::new();
        while let Some(instant) = open.take(end) {
            intended.push(instant - start);
        }
        assert_eq!(intended.len(), 6000);
        assert_eq!(intended[3000], Duration::from_secs(1));
        assert_eq!(intended[1], Duration::from_nanos(333_333));
        assert_eq!((open.unsent(), open.next()), (0, None));
    }

    #[test]
    fn a_late_request_keeps_its_instant() {
        let start = Instant::now();
        let mut open = Open::new(1000, Duration::from_secs(1));
        open.start(start);
        assert_eq!(open.next_wake(), None);
        open.rest(7);
        assert_eq!(open.next_wake(), Some(start));
        let late = start + Duration::from_millis(5);
        assert_eq!((open.wake(late), open.wake(late)), (Some(7), None));
        let taken: Vec<_> = std::iter::from_fn(|| open.take(late)).collect();
        assert_eq!(taken.len(), 6);
        assert_eq!(taken[2], start + Duration::from_millis(2));
        assert_eq!(open.wake(late), None);
    }
}
