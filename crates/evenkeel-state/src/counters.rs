//! Counters with one writer each: a worker adds with a plain load and store, readers sum over the workers.
//!
//! Blocks are padded to 128 bytes (two cache lines, because Intel's prefetcher takes pairs), so no two workers ever
//! write to the same line.

use std::sync::OnceLock;

use evenkeel_base::{Fault, GrpcStatus};
use evenkeel_http2::Abuse;
use evenkeel_policy::outlier::Cause;

use crate::histogram::{Counts, Histogram};
use crate::sync::{AtomicU64, Ordering};

/// A number that only one thread changes.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the owning worker may call this: two writers would lose counts (not more than that).
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_add(n),
            Ordering::Relaxed,
        );
    }

    /// Takes `n` away, for gauges.
    #[inline]
    pub fn sub(&self, n: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_sub(n),
            Ordering::Relaxed,
        );
    }

    /// The number now.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where in the table of faults the responses that broke off are counted.
const CUT: usize = Fault::ALL.len() + Cause::ALL.len();

/// What one worker counted about one endpoint.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct EndpointCounters {
    /// Attempts sent to it.
    pub attempts: Counter,
    /// Responses by the first digit of their status, 1xx first.
    pub responses: [Counter; 5],
    /// New connections made to it.
    pub connects: Counter,
    /// Attempts that took an idle connection instead.
    pub reuses: Counter,
    /// Bytes of bodies sent to it.
    pub bytes_sent: Counter,
    /// Bytes of bodies received from it.
    pub bytes_received: Counter,
    /// By fault, behind these by the cause that a gateway fault counts as, and last the responses that broke off.
    bad: Table<{ CUT + 1 }>,
    /// Calls of gRPC by the status they ended with.
    grpc: Table<{ GrpcStatus::ALL.len() }>,
    latency: OnceLock<Histogram>,
}

impl EndpointCounters {
    /// Counts a fault; the table is made when the first one happens.
    pub fn fault(&self, fault: Fault) {
        self.bad.add(fault as usize);
    }

    /// How often that fault happened.
    #[must_use]
    pub fn faults(&self, fault: Fault) -> u64 {
        self.bad.times(fault as usize)
    }

    /// Counts an attempt that ended with a gateway fault, the faults that are the endpoint's own and its 502, 503 and 504
    /// among them; beside [`EndpointCounters::fault`] and [`EndpointCounters::response`], which count what it was.
    pub fn gateway_fault(&self, cause: Cause) {
        self.bad.add(Fault::ALL.len() + cause as usize);
    }

    /// Attempts that ended with a gateway fault.
    #[must_use]
    pub fn gateway_faults(&self) -> u64 {
        Cause::ALL.iter().map(|cause| self.gateway(*cause)).sum()
    }

    /// Counts how a call of gRPC ended; beside [`EndpointCounters::response`]. The table is made when the first one does.
    pub fn call(&self, status: GrpcStatus) {
        self.grpc.add(status as usize);
    }

    /// Calls that ended with that status.
    #[must_use]
    pub fn calls(&self, status: GrpcStatus) -> u64 {
        self.grpc.times(status as usize)
    }

    /// Counts a response that broke off: its gateway fault is no further attempt.
    pub fn cut(&self) {
        self.bad.add(CUT);
    }

    /// Attempts that ended: with a response, or with a gateway fault in its place.
    #[must_use]
    pub fn ended(&self) -> u64 {
        // The first digit 1 is an interim response, or 101.
        let responses: u64 = self.responses[1..].iter().map(Counter::read).sum();
        responses + self.lost()
    }

    /// Attempts that ended with a gateway fault in the place of a response.
    #[must_use]
    pub fn lost(&self) -> u64 {
        // A bad status is a response already, and so is one that broke off.
        let faults = Cause::ALL
            .iter()
            .filter(|cause| !matches!(cause, Cause::Status | Cause::GrpcStatus));
        let faults: u64 = faults.map(|cause| self.gateway(*cause)).sum();
        // The worker may be counting in this moment.
        faults.saturating_sub(self.bad.times(CUT))
    }

    fn gateway(&self, cause: Cause) -> u64 {
        self.bad.times(Fault::ALL.len() + cause as usize)
    }

    /// The time from sending the request to the response's head; made when the first one is recorded.
    #[inline]
    pub fn latency(&self) -> &Histogram {
        self.latency.get_or_init(Histogram::default)
    }

    /// Adds the latencies recorded so far to `total`; a histogram that nobody has needed yet is not made for it.
    pub fn add_latencies_to(&self, total: &mut Counts) {
        if let Some(histogram) = self.latency.get() {
            histogram.add_to(total);
        }
    }

    /// Counts a response.
    #[inline]
    pub fn response(&self, status: u16) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.responses[class].add(1);
    }
}

/// Counters that are made when the first of them is needed: most places never see a fault.
#[derive(Debug, Default)]
struct Table<const N: usize>(OnceLock<Box<[Counter; N]>>);

impl<const N: usize> Table<N> {
    fn add(&self, at: usize) {
        let table = self
            .0
            .get_or_init(|| Box::new(std::array::from_fn(|_| Counter::default())));
        if let Some(counter) = table.get(at) {
            counter.add(1);
        }
    }

    fn times(&self, at: usize) -> u64 {
        let table = self.0.get();
        table
            .and_then(|table| table.get(at))
            .map_or(0, Counter::read)
    }
}

/// How often each fault happened, as one worker counted it.
#[derive(Debug, Default)]
pub struct FaultCounters(Table<{ Fault::ALL.len() }>);

impl FaultCounters {
    /// Counts one.
    pub fn add(&self, fault: Fault) {
        self.0.add(fault as usize);
    }

    /// How often it happened.
    #[must_use]
    pub fn times(&self, fault: Fault) -> u64 {
        self.0.times(fault as usize)
    }
}

/// What one worker counted about itself.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WorkerCounters {
    /// Client connections accepted.
    pub accepted: Counter,
    /// Client connections turned away because their client had too many.
    pub turned_away: Counter,
    /// Client connections turned away because evenkeel had as many as it may, or was short of something.
    pub shed: Counter,
    /// Requests refused because evenkeel was short of something and their priority too low.
    pub overloaded: Counter,
    /// Idle client connections closed to make room.
    pub idle_closed: Counter,
    /// Idle upstream connections closed to make room.
    pub idle_trimmed: Counter,
    /// Client connections open now.
    pub connections: Counter,
    /// Handshakes of clients that went well, with TLS.
    pub handshakes: Counter,
    /// Those among them that went on from an earlier connection.
    pub resumed: Counter,
    /// Handshakes of clients that failed: no agreement, not believed, not TLS, too slow.
    pub handshakes_failed: Counter,
    /// Exchanges begun.
    pub exchanges: Counter,
    /// Idle upstream connections kept now.
    pub idle_upstream: Counter,
    /// Tasks that panicked, each costing one connection.
    pub panics: Counter,
    /// Requests that were sent to a route's mirror as well.
    pub mirrored: Counter,
    /// Requests that were to be, and were dropped: too many or too much under way already, or the mirror's cluster had no place for
    /// them at once.
    pub mirrors_dropped: Counter,
    /// Connections of HTTP/2 that were ended, by what their clients did on them.
    pub abuses: [Counter; Abuse::COUNT],
    /// Access records lost because the log's disk or pipe was too slow or full.
    pub log_dropped: Counter,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_counter_goes_up_and_a_gauge_down_again() {
        let counter = Counter::default();
        counter.add(3);
        counter.sub(1);
        counter.add(0);
        assert_eq!(counter.read(), 2);
        counter.add(u64::MAX);
        assert_eq!(counter.read(), 1, "it wraps, and panics in no build");
    }

    #[test]
    fn responses_are_counted_by_their_first_digit() {
        let counters = EndpointCounters::default();
        for status in [100, 103, 200, 299, 302, 404, 499, 500, 599, 600, 999, 0] {
            counters.response(status);
        }
        let classes: Vec<u64> = counters.responses.iter().map(Counter::read).collect();
        assert_eq!(classes, [3, 2, 1, 2, 4]);
    }

    #[test]
    fn every_fault_is_counted_by_itself() {
        let counters = EndpointCounters::default();
        assert_eq!(counters.faults(Fault::ConnectRefused), 0);
        for (fault, n) in Fault::ALL.iter().zip(1..) {
            (0..n).for_each(|_| counters.fault(*fault));
        }
        for (fault, n) in Fault::ALL.iter().zip(1..) {
            assert_eq!(counters.faults(*fault), n, "{fault}");
        }
    }

    #[test]
    fn gateway_faults_are_counted_beside_what_they_were() {
        let counters = EndpointCounters::default();
        for status in [101, 200, 404, 503, 504] {
            counters.response(status);
        }
        counters.gateway_fault(Cause::Status);
        counters.gateway_fault(Cause::Status);
        counters.fault(Fault::ConnectRefused);
        counters.gateway_fault(Cause::Connect);
        counters.fault(Fault::EndpointClosed);
        assert_eq!((counters.gateway_faults(), counters.ended()), (3, 5));
        assert_eq!(counters.faults(Fault::ConnectRefused), 1);
    }

    #[test]
    fn calls_are_counted_by_status_and_one_that_was_unavailable_is_one_attempt() {
        let counters = EndpointCounters::default();
        assert_eq!(counters.calls(GrpcStatus::Ok), 0);
        for (status, n) in GrpcStatus::ALL.into_iter().zip(1..) {
            (0..n).for_each(|_| counters.call(status));
        }
        for (status, n) in GrpcStatus::ALL.into_iter().zip(1..) {
            assert_eq!(counters.calls(status), n, "{status}");
        }
        counters.response(200);
        counters.gateway_fault(Cause::GrpcStatus);
        assert_eq!((counters.gateway_faults(), counters.ended()), (1, 1));
    }

    #[test]
    fn a_response_that_breaks_off_is_one_attempt() {
        let counters = EndpointCounters::default();
        for _ in 0..3 {
            counters.response(200);
            counters.gateway_fault(Cause::Reset);
            counters.cut();
        }
        assert_eq!((counters.gateway_faults(), counters.ended()), (3, 3));
    }

    #[test]
    fn latency_is_kept_from_the_first_record_on() {
        let counters = EndpointCounters::default();
        let mut counts = Counts::default();
        counters.add_latencies_to(&mut counts);
        assert!(counters.latency.get().is_none(), "reading makes none");
        counters.latency().record(Duration::from_millis(1));
        counters.latency().record(Duration::from_millis(2));
        counters.add_latencies_to(&mut counts);
        assert_eq!(
            (counts.count(), counts.sum()),
            (2, Duration::from_millis(3))
        );
    }
}
