//! What is known about a cluster and an endpoint beyond any one snapshot.
//!
//! Keyed by cluster name, endpoint id and address, kept over a reload. The block that all workers write to (requests in
//! flight) is padded apart from what each worker counts for itself.

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

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};

    use super::*;

    #[test]
    fn requests_count_as_in_flight_until_they_end_however_they_end() {
        let endpoint = EndpointState::new(1, 1);
        let one = endpoint.begin();
        let two = endpoint.begin();
        assert_eq!(endpoint.in_flight(), 2);
        drop(one);
        assert_eq!(endpoint.in_flight(), 1);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _three = endpoint.begin();
            assert_eq!(endpoint.in_flight(), 2);
            panic_any("an exchange");
        }));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"an exchange"));
        assert_eq!(endpoint.in_flight(), 1);
        drop(two);
        assert_eq!(endpoint.in_flight(), 0);
    }

    #[test]
    fn every_worker_has_counters_of_its_own() {
        let endpoint = EndpointState::new(1, 3);
        for worker in [0, 2, 2, 7] {
            endpoint.counters(worker).attempts.add(1);
        }
        let attempts = |counters: &EndpointCounters| counters.attempts.read();
        let all: Vec<u64> = endpoint.all_counters().iter().map(attempts).collect();
        assert_eq!(all, [2, 0, 2], "worker 7 is none of these");
    }

    #[test]
    fn no_two_writers_share_a_cache_line() {
        assert!(align_of::<EndpointState>() >= 128);
        assert_eq!(size_of::<EndpointCounters>() % 128, 0);
        assert_eq!(size_of::<Padded>(), 128);
    }
}
