//! How many connections each client has open, for the whole process. Who a client is, `ClientKey` says; what happens to one
//! too many, the data plane.
//!
//! Asked once for each connection that is accepted, and only where a listener sets a limit: a hash map behind a lock, in
//! sixteen parts so that workers seldom meet. It knows the clients that have a connection and no others, so the number of
//! connections bounds it; what an onslaught has made it grow by is given back when that is over.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError};

use evenkeel_policy::ClientKey;

use crate::sync::{Mutex, MutexGuard};

/// Parts of the map, a power of two.
const PARTS: usize = 16;

/// A part that has room for so many times what it holds gives half of it back.
const LOOSE: usize = 4;

/// A part this small is left alone.
const SMALL: usize = 64;

/// The open connections of a listener, by client.
#[derive(Debug)]
pub struct ClientConnections {
    seed: RandomState,
    parts: [Mutex<Part>; PARTS],
}

type Part = HashMap<ClientKey, u32>;

/// One connection; it counts until this is dropped.
#[derive(Debug)]
pub struct ClientConnection {
    of: Arc<ClientConnections>,
    key: ClientKey,
}

impl ClientConnections {
    /// Nobody has any.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            seed: RandomState::new(),
            parts: std::array::from_fn(|_| Mutex::new(Part::new())),
        })
    }

    /// Counts a connection of that client, unless it has `most` already.
    #[must_use]
    pub fn open(self: &Arc<Self>, key: ClientKey, most: u32) -> Option<ClientConnection> {
        let mut part = self.part(&key);
        let open = part.get(&key).copied().unwrap_or_default();
        if open >= most {
            return None;
        }
        part.insert(key, open + 1);
        drop(part);
        let of = Arc::clone(self);
        Some(ClientConnection { of, key })
    }

    /// How many connections a client has open.
    #[must_use]
    pub fn of(&self, key: &ClientKey) -> u32 {
        self.part(key).get(key).copied().unwrap_or_default()
    }

    /// How many clients have any.
    #[must_use]
    pub fn clients(&self) -> usize {
        let part = |part: &Mutex<Part>| lock(part).len();
        self.parts.iter().map(part).sum()
    }

    fn part(&self, key: &ClientKey) -> MutexGuard<'_, Part> {
        let hash = self.seed.hash_one(key);
        let at = usize::try_from(hash % PARTS as u64).unwrap_or_default();
        lock(&self.parts[at])
    }
}

impl Drop for ClientConnection {
    fn drop(&mut self) {
        let mut part = self.of.part(&self.key);
        match part.get_mut(&self.key) {
            Some(open) if *open > 1 => *open -= 1,
            _ => {
                part.remove(&self.key);
            }
        }
        let len = part.len();
        if part.capacity() > SMALL && part.capacity() / LOOSE > len {
            part.shrink_to(len * 2);
        }
    }
}

fn lock(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn client(number: u32) -> ClientKey {
        IpAddr::V4(Ipv4Addr::from_bits(number)).into()
    }

    #[test]
    fn a_client_has_so_many_and_another_as_many() {
        let all = ClientConnections::new();
        let one = all.open(client(1), 2).unwrap();
        let two = all.open(client(1), 2).unwrap();
        assert!(all.open(client(1), 2).is_none());
        let other = all.open(client(2), 2).unwrap();
        assert_eq!(
            (all.of(&client(1)), all.of(&client(2)), all.clients()),
            (2, 1, 2)
        );
        drop(one);
        let again = all.open(client(1), 2).unwrap();
        assert!(
            all.open(client(1), 1).is_none(),
            "a lower limit closes nothing"
        );
        drop((two, again));
        assert_eq!((all.of(&client(1)), all.clients()), (0, 1));
        drop(other);
        assert!(all.open(client(3), 0).is_none());
        assert_eq!(all.clients(), 0);
    }

    #[test]
    fn what_an_onslaught_took_is_given_back() {
        let all = ClientConnections::new();
        let open: Vec<_> = (0..100_000)
            .map(|n| all.open(client(n), 1).unwrap())
            .collect();
        assert_eq!(all.clients(), 100_000);
        drop(open);
        let capacity: usize = all.parts.iter().map(|part| lock(part).capacity()).sum();
        assert!(capacity <= PARTS * SMALL * 2, "{capacity}");
    }

    #[test]
    fn threads_that_open_and_close_leave_nothing() {
        let all = ClientConnections::new();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let all = &all;
                scope.spawn(move || {
                    for n in 0..2_000 {
                        let key = client((n + thread) % 3);
                        let open = all.open(key, 3);
                        assert!(all.of(&key) <= 3);
                        drop(open);
                    }
                });
            }
        });
        assert_eq!(all.clients(), 0);
    }
}
