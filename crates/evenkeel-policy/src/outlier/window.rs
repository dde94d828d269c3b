//! The last seconds of an endpoint's traffic: how many requests, how many gateway faults, and the median of their latency.
//!
//! The control plane reads an endpoint's counters once a second and hands in what they say; the window turns what only
//! grows into what happened lately. It keeps a slot for every second, or for a 60th of the window when that is longer, so
//! its memory is bounded whatever the operator sets. The median of several slots is the one of their medians, each
//! counted as often as it had requests: a few bytes instead of a histogram for every second, and as good for telling an
//! endpoint that is several times slower.

use std::collections::VecDeque;
use std::time::Duration;

/// The most slots of a window.
const MAX_SLOTS: u64 = 60;

/// What an endpoint's counters say at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Requests that ended, since the endpoint is known.
    pub requests: u64,
    /// Those of them that ended with a gateway fault.
    pub faults: u64,
    /// The median latency of those since the last reading, in microseconds; 0 when it is not known.
    pub median_us: u32,
}

/// What happened within a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Requests that ended.
    pub requests: u64,
    /// Those of them that ended with a gateway fault.
    pub faults: u64,
    /// Their median latency in microseconds; 0 when it is not known.
    pub median_us: u32,
}

/// One endpoint's window. It belongs to the control plane.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// The reading that the next one is compared with.
    last: Option<Reading>,
    /// The newest last. Slots without requests are left out.
    slots: VecDeque<Slot>,
    /// Seconds that a slot stands for.
    width: u64,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Which of all slots since the process began.
    number: u64,
    seen: Seen,
}

impl Window {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the reading of this second, and gives what the last `length` saw. The first reading is only compared with.
    pub fn read(&mut self, length: Duration, reading: Reading, second: u64) -> Seen {
        let width = length.as_secs().div_ceil(MAX_SLOTS).max(1);
        if width != self.width {
            self.slots.clear();
            self.width = width;
        }
        let number = second / width;
        let oldest = (number + 1).saturating_sub(length.as_secs().div_ceil(width).max(1));
        while self.slots.front().is_some_and(|slot| slot.number < oldest) {
            self.slots.pop_front();
        }
        if let Some(last) = self.last.replace(reading) {
            self.add(number, since(last, reading));
        }
        self.sum()
    }

    /// Forgets what was seen, and compares the next reading with none: what an endpoint did before it was ejected is not
    /// held against it again.
    pub fn clear(&mut self) {
        self.last = None;
        self.slots.clear();
    }

    fn add(&mut self, number: u64, more: Seen) {
        if more.requests == 0 {
            return;
        }
        match self.slots.back_mut() {
            // A clock that went back adds to the newest slot.
            Some(slot) if slot.number >= number => slot.seen = joined(slot.seen, more),
            _ => self.slots.push_back(Slot { number, seen: more }),
        }
    }

    fn sum(&self) -> Seen {
        let seen = || self.slots.iter().map(|slot| slot.seen);
        Seen {
            requests: seen().map(|seen| seen.requests).sum(),
            faults: seen().map(|seen| seen.faults).sum(),
            median_us: median(seen()),
        }
    }
}

/// What happened between two readings; nothing when the counters went back.
const fn since(last: Reading, now: Reading) -> Seen {
    Seen {
        requests: now.requests.saturating_sub(last.requests),
        faults: now.faults.saturating_sub(last.faults),
        median_us: now.median_us,
    }
}

/// Two readings of one slot: their medians' mean by requests, for a slot has room for one.
fn joined(one: Seen, other: Seen) -> Seen {
    let weight = |seen: Seen| {
        u128::from(if seen.median_us == 0 {
            0
        } else {
            seen.requests
        })
    };
    let weights = weight(one) + weight(other);
    let sum = weight(one) * u128::from(one.median_us) + weight(other) * u128::from(other.median_us);
    Seen {
        requests: one.requests + other.requests,
        faults: one.faults + other.faults,
        median_us: u32::try_from(sum.checked_div(weights).unwrap_or(0)).unwrap_or(u32::MAX),
    }
}

/// The median of the medians that are known, each counted as often as it had requests.
fn median(seen: impl Iterator<Item = Seen>) -> u32 {
    let mut known: Vec<(u32, u64)> = seen
        .filter(|seen| seen.median_us > 0)
        .map(|seen| (seen.median_us, seen.requests))
        .collect();
    known.sort_unstable();
    let half = known
        .iter()
        .map(|(_, requests)| requests)
        .sum::<u64>()
        .div_ceil(2);
    let mut below = 0;
    known
        .iter()
        .find(|(_, requests)| {
            below += requests;
            below >= half
        })
        .map_or(0, |(median, _)| *median)
}

#[cfg(test)]
mod tests;
