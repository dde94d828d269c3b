//! The limits of a cluster, for the whole process: requests in flight, connections, and who waits when there are too many.
//!
//! What may be taken is decided by a compare-and-swap against the limit: of workers that see the last place at once, one
//! gets it. Who gets none waits in the [`WaitingRoom`]. While limits are off, all of this costs a request one load.
//!
//! An attempt, with limits:
//!
//! ```text
//! may_pass ── yes ─▶ pick an endpoint with room ─▶ begin ─▶ a connection ─▶ Ticket::served, if it has one; go
//!    │ no                       │ none                │ Full        │ Full: Permit::unused, Reclaim::ask
//!    └──────────▶ enter ◀───────┴─────────────────────┴─────────────┘ (who has a ticket already: Ticket::again)
//!                   └─▶ Ticket::poll_ready ─▶ Ok: from the pick on again; a Fault: the reply
//! ```
//!
//! Dropping a [`Permit`] or an [`OpenConnection`] gives the place back and calls the next one in. What was taken and not
//! used goes back by [`Permit::unused`], which calls nobody: the place was not there for long enough to be missed, and a
//! waiter that could not use it would call itself in again and again.

mod connection;
mod kept;
mod waiting;

pub use self::connection::OpenConnection;
pub use self::kept::KeptPermit;
pub use self::waiting::{Newcomer, Ticket, WaitingRoom};

use evenkeel_base::rules::LimitRules;

use crate::endpoint::{EndpointState, InFlight};
use crate::sync::{AtomicBool, AtomicU32, Ordering};

/// The limits of one cluster. They are kept over a reload and follow its rules.
#[derive(Debug)]
pub struct ClusterLimits {
    on: AtomicBool,
    /// Whether requests in flight are counted for the cluster as a whole: it has a limit for them, or its balancer asks.
    counts: AtomicBool,
    asked: AtomicBool,
    requests: Gauge,
    connections: Gauge,
    /// The most open connections to one endpoint.
    endpoint_connections: AtomicU32,
    /// Where requests wait that find no place.
    pub room: WaitingRoom,
}

/// What was at its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The endpoint; another one may have room.
    Endpoint,
    /// The cluster as a whole.
    Cluster,
}

/// Places, and how many of them are taken.
#[derive(Debug)]
#[repr(align(128))]
struct Gauge {
    taken: AtomicU32,
    most: AtomicU32,
}

impl ClusterLimits {
    /// Nothing taken yet.
    #[must_use]
    pub fn new(rules: &LimitRules) -> Self {
        Self {
            on: AtomicBool::new(!rules.is_off()),
            counts: AtomicBool::new(rules.requests != u32::MAX),
            asked: AtomicBool::new(false),
            requests: Gauge::new(rules.requests),
            connections: Gauge::new(rules.connections),
            endpoint_connections: AtomicU32::new(rules.endpoint_connections),
            room: WaitingRoom::new(rules.queue),
        }
    }

    /// Other rules from now on. What is above a lower limit runs on; requests that began while there was no limit for the
    /// cluster are not counted by one that is new.
    pub fn configure(&self, rules: &LimitRules) {
        self.requests.most.store(rules.requests, Ordering::Relaxed);
        self.connections
            .most
            .store(rules.connections, Ordering::Relaxed);
        self.endpoint_connections
            .store(rules.endpoint_connections, Ordering::Relaxed);
        self.on.store(!rules.is_off(), Ordering::Relaxed);
        self.count();
        self.room.configure(rules.queue);
    }

    /// From now on requests in flight are counted whether there is a limit for them or not, because the balancer asks how many
    /// there are; or only for the limit. Requests that began uncounted are not counted afterwards.
    pub fn ask_for_requests(&self, asked: bool) {
        self.asked.store(asked, Ordering::Relaxed);
        self.count();
    }

    fn count(&self) {
        let counts = self.asked.load(Ordering::Relaxed) || self.requests.has_limit();
        self.counts.store(counts, Ordering::Relaxed);
    }

    /// Whether there is any limit.
    #[inline]
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Whether a newcomer may look for a place: nobody waits whom it would overtake.
    #[inline]
    #[must_use]
    pub fn may_pass(&self) -> bool {
        !self.is_on() || self.room.is_empty()
    }

    /// Whether the cluster as a whole has room for one more request, as far as a look can tell.
    #[inline]
    #[must_use]
    pub fn has_room(&self) -> bool {
        !self.is_on()
            || self.requests.taken.load(Ordering::Relaxed)
                < self.requests.most.load(Ordering::Relaxed)
    }

    /// Takes a place for a request to that endpoint.
    ///
    /// # Errors
    /// What has none.
    #[inline]
    pub fn begin<'a>(&'a self, endpoint: &'a EndpointState) -> Result<Permit<'a>, Full> {
        let is_counted = self.counts.load(Ordering::Relaxed);
        if is_counted && !self.requests.take() {
            return Err(Full::Cluster);
        }
        let Some(in_flight) = endpoint.try_begin() else {
            if is_counted {
                self.requests.give_back();
            }
            return Err(Full::Endpoint);
        };
        Ok(Permit {
            limits: self,
            endpoint,
            in_flight: Some(in_flight),
            is_counted,
        })
    }

    /// Requests in flight to the cluster, as far as they are counted: while it has a limit for them, or its balancer asks.
    #[inline]
    #[must_use]
    pub fn requests(&self) -> u32 {
        self.requests.taken.load(Ordering::Relaxed)
    }

    /// Open connections to the cluster, idle ones included.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.connections.taken.load(Ordering::Relaxed)
    }
}

/// The places of one request in flight, its endpoint's and its cluster's.
#[derive(Debug)]
pub struct Permit<'a> {
    limits: &'a ClusterLimits,
    endpoint: &'a EndpointState,
    /// None when it was given back.
    in_flight: Option<InFlight<'a>>,
    /// Whether it is counted by the cluster: not when it began while nobody asked.
    is_counted: bool,
}

impl Permit<'_> {
    /// It could not be used: gives the places back and calls nobody.
    pub fn unused(mut self) {
        self.give_back();
    }

    /// Tells whether there was something to give back.
    fn give_back(&mut self) -> bool {
        let Some(in_flight) = self.in_flight.take() else {
            return false;
        };
        drop(in_flight);
        if self.is_counted {
            self.limits.requests.give_back();
        }
        true
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.give_back() || !self.limits.is_on() {
            return;
        }
        // An endpoint whose limit has fallen has no place to give for it.
        if (self.is_counted && self.limits.requests.has_limit()) || self.endpoint.has_room() {
            self.limits.room.released();
        }
    }
}

impl Gauge {
    fn new(most: u32) -> Self {
        Self {
            taken: AtomicU32::new(0),
            most: AtomicU32::new(most),
        }
    }

    fn has_limit(&self) -> bool {
        self.most.load(Ordering::Relaxed) != u32::MAX
    }

    /// Takes a place if there is one.
    fn take(&self) -> bool {
        let most = self.most.load(Ordering::Relaxed);
        if most == u32::MAX {
            self.taken.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        let mut seen = self.taken.load(Ordering::Relaxed);
        while seen < most {
            let order = Ordering::Relaxed;
            match self
                .taken
                .compare_exchange_weak(seen, seen + 1, order, order)
            {
                Ok(_) => return true,
                Err(current) => seen = current,
            }
        }
        false
    }

    fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
