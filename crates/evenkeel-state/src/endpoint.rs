//! What is known about a cluster and an endpoint beyond any one snapshot.
//!
//! Keyed by cluster name and endpoint id, kept over a reload. The block that all workers write to (requests in flight)
//! is padded apart from what each worker counts for itself.

use evenkeel_policy::{Budget, KeepAlive};

use crate::counters::EndpointCounters;
use crate::sync::{AtomicU32, Ordering};

/// The shared state of one endpoint.
#[derive(Debug)]
pub struct EndpointState {
    /// A number that no other endpoint of this process has: the key of its pools.
    pub serial: u32,
    /// What is learnt about how long it keeps idle connections.
    pub keepalive: KeepAlive,
    in_flight: Padded,
    workers: Box<[EndpointCounters]>,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded(AtomicU32);

impl EndpointState {
    /// Fresh state for `workers` workers.
    #[must_use]
    pub fn new(serial: u32, workers: usize) -> Self {
        let workers = (0..workers).map(|_| EndpointCounters::default()).collect();
        Self {
            serial,
            keepalive: KeepAlive::default(),
            in_flight: Padded::default(),
            workers,
        }
    }

    /// Requests in flight, over all workers.
    #[inline]
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.0.load(Ordering::Relaxed)
    }

    /// Counts a request as in flight until the guard is dropped, however its exchange ends.
    #[inline]
    #[must_use]
    pub fn begin(&self) -> InFlight<'_> {
        self.in_flight.0.fetch_add(1, Ordering::Relaxed);
        InFlight(self)
    }

    /// The counters of worker `index`; the first worker's when there is no such worker.
    #[inline]
    #[must_use]
    pub fn counters(&self, index: usize) -> &EndpointCounters {
        &self.workers[if index < self.workers.len() { index } else { 0 }]
    }

    /// The counters of every worker, for summing.
    #[must_use]
    pub fn all_counters(&self) -> &[EndpointCounters] {
        &self.workers
    }
}

/// One request in flight.
#[derive(Debug)]
pub struct InFlight<'a>(&'a EndpointState);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The shared state of one cluster.
#[derive(Debug)]
pub struct ClusterState {
    /// What second attempts may still cost.
    pub budget: Budget,
}
