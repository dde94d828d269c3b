//! Idle connections to endpoints, of one worker.
//!
//! Last in, first out: the connection used last is the least likely to be closed by the endpoint, and the others age
//! until they are let go. Before one is taken it is looked at: one that has ended or has something to say is thrown away.
//!
//! Now and then all are looked at, a few endpoints a turn: with thousands of them, a look at all in one go would hold up
//! every exchange of the worker for a millisecond.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::time::{Duration, Instant};

use evenkeel_policy::KeepAlive;
use evenkeel_state::EndpointState;

use crate::h1::Boundary;

/// The idle connections of one worker, by endpoint.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    shelves: RefCell<Shelves>,
}

/// A shelf of connections for each endpoint that had some of late.
#[derive(Debug, Default)]
struct Shelves {
    by_serial: HashMap<u32, VecDeque<Idle>, SerialHashing>,
    /// Every shelf once, in the order in which the sweep comes to them.
    round: VecDeque<u32>,
    /// How many connections there are on all shelves.
    count: usize,
}

#[derive(Debug)]
struct Idle {
    connection: Boundary,
    since: Instant,
    keep: Duration,
}

/// What an endpoint sends after a response that has no body by rule arrives right behind it: after this long, what has
/// not arrived will not.
const DOUBT: Duration = Duration::from_millis(10);

impl Idle {
    /// Whether it is settled that nothing unasked follows its last response, but for what the system can tell.
    fn has_rested(&self, now: Instant) -> bool {
        !self.connection.is_doubtful() || now.saturating_duration_since(self.since) >= DOUBT
    }
}

/// Which idle connection will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Any that looks alive: the request can be sent again when it is not.
    Any,
    /// One used a moment ago and found alive by asking the system, for a request that must not be sent twice.
    JustUsed,
}

impl Pool {
    /// An idle connection to the endpoint that was made by that dial, when there is one that will do, and how long it was idle.
    pub(crate) fn take(
        &self,
        endpoint: &EndpointState,
        dial: u32,
        want: Want,
        now: Instant,
    ) -> Option<(Boundary, Duration)> {
        let mut shelves = self.shelves.borrow_mut();
        let Shelves {
            by_serial, count, ..
        } = &mut *shelves;
        let connections = by_serial.get_mut(&endpoint.serial)?;
        while let Some(place) = newest(connections, now) {
            let age = now.saturating_duration_since(connections[place].since);
            if want == Want::JustUsed && age > KeepAlive::JUST_USED {
                return None;
            }
            let mut last = if place + 1 == connections.len() {
                connections.pop_back()?
            } else {
                connections.remove(place)?
            };
            *count -= 1;
            // What was made before the cluster trusted somebody else, or spoke something else, is closed.
            if age >= last.keep || last.connection.dial() != dial {
                continue;
            }
            let ask_system = want == Want::JustUsed || last.connection.is_doubtful();
            if last.connection.stream().is_quiet(ask_system) {
                return Some((last.connection, age));
            }
            endpoint.keepalive.closed_after(age);
        }
        None
    }

    /// Keeps a connection for at most `keep`; with `max` kept already the one that has been idle for longest is closed.
    pub(crate) fn put(
        &self,
        endpoint: &EndpointState,
        connection: Boundary,
        keep: Duration,
        max: usize,
        now: Instant,
    ) {
        let mut shelves = self.shelves.borrow_mut();
        let Shelves {
            by_serial,
            round,
            count,
        } = &mut *shelves;
        let connections = by_serial.entry(endpoint.serial).or_insert_with(|| {
            round.push_back(endpoint.serial);
            VecDeque::new()
        });
        // Were the newest turned away, a shelf full of connections too old for a request that must not be sent twice would
        // leave each of those to connect anew.
        while connections.len() >= max {
            if connections.pop_front().is_none() {
                return;
            }
            *count -= 1;
        }
        *count += 1;
        connections.push_back(Idle {
            connection,
            since: now,
            keep,
        });
    }

    /// Lets go of the endpoint's idle connections, after one of them turned out dead: its siblings likely are as well.
    pub(crate) fn forget(&self, endpoint: &EndpointState) {
        let mut shelves = self.shelves.borrow_mut();
        if let Some(connections) = shelves.by_serial.get_mut(&endpoint.serial) {
            // The shelf stays, for it has its place in the round.
            let gone = std::mem::take(connections);
            shelves.count -= gone.len();
        }
    }

    /// Closes the connection to one of these endpoints that has been idle for longest on its shelf; false when there is none.
    /// Its place within the limits goes to whoever waits for one.
    pub(crate) fn close_one(&self, serials: &[u32]) -> bool {
        let mut shelves = self.shelves.borrow_mut();
        let shelves = &mut *shelves;
        let oldest = serials
            .iter()
            .find_map(|serial| shelves.by_serial.get_mut(serial)?.pop_front());
        shelves.count -= usize::from(oldest.is_some());
        oldest.is_some()
    }

    /// Closes so many connections, the oldest of each shelf in turn; how many there were.
    pub(crate) fn trim(&self, most: usize) -> usize {
        let mut borrowed = self.shelves.borrow_mut();
        let Shelves {
            by_serial,
            round,
            count,
        } = &mut *borrowed;
        let wanted = most.min(*count);
        let mut closed = 0;
        while closed < wanted {
            let Some(serial) = round.pop_front() else {
                break;
            };
            round.push_back(serial);
            let shelf = by_serial.get_mut(&serial);
            closed += usize::from(shelf.and_then(VecDeque::pop_front).is_some());
        }
        *count -= closed;
        closed
    }

    /// Lets go of everything, for a drain.
    pub(crate) fn clear(&self) {
        *self.shelves.borrow_mut() = Shelves::default();
    }

    /// How many connections are kept.
    pub(crate) fn len(&self) -> usize {
        self.shelves.borrow().count
    }

    /// How many endpoints have a shelf.
    pub(crate) fn shelves(&self) -> usize {
        self.shelves.borrow().round.len()
    }

    /// Lets go of what is too old or was closed by the endpoint, on the next so many shelves. A shelf that is empty goes.
    pub(crate) fn sweep(&self, now: Instant, shelves: usize) {
        let mut borrowed = self.shelves.borrow_mut();
        let Shelves {
            by_serial,
            round,
            count,
        } = &mut *borrowed;
        for _ in 0..shelves.min(round.len()) {
            let Some(serial) = round.pop_front() else {
                return;
            };
            let Some(connections) = by_serial.get_mut(&serial) else {
                continue;
            };
            let before = connections.len();
            connections.retain_mut(|one| {
                now.saturating_duration_since(one.since) < one.keep
                    && one.connection.stream().is_quiet(false)
            });
            *count -= before - connections.len();
            if connections.is_empty() {
                by_serial.remove(&serial);
            } else {
                round.push_back(serial);
            }
        }
    }
}

/// Where the newest connection stands that has rested; nearly always it is the last.
#[inline]
fn newest(connections: &VecDeque<Idle>, now: Instant) -> Option<usize> {
    if connections.back()?.has_rested(now) {
        return Some(connections.len() - 1);
    }
    connections.iter().rposition(|one| one.has_rested(now))
}

/// For maps by serial number.
pub(crate) type SerialHashing = BuildHasherDefault<SerialHasher>;

/// Serial numbers are ours and small: they need spreading, not protection from an attacker.
#[derive(Debug, Default)]
pub(crate) struct SerialHasher(u64);

impl Hasher for SerialHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, n: u32) {
        self.0 = (self.0 ^ u64::from(n))
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(29);
    }
}

#[cfg(test)]
mod tests;
