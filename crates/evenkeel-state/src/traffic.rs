//! What is counted of exchanges by the listener they came in at and the route they took, and where the time went by cluster.
//!
//! Endpoints have [counters](crate::counters::EndpointCounters) of their own: those count attempts, these count what clients
//! saw. A block is made when the first exchange needs it, so that a hundred thousand routes of which few are asked cost little.
//! Names come from the configuration alone: nothing a client sends becomes a place of its own here.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use evenkeel_base::Fault;
use evenkeel_config::model::Route;

use crate::counters::{Counter, FaultCounters};
use crate::histogram::{Counts, Histogram, Sample};

/// Blocks of counters of one kind, one for each worker, made when that worker first needs it.
#[derive(Debug)]
pub struct PerWorker<T>(Box<[OnceLock<Box<T>>]>);

impl<T: Default> PerWorker<T> {
    /// Room for the blocks of `workers` workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| OnceLock::new()).collect())
    }

    /// The block of a worker; none when there is no such worker. Only that worker may count in it.
    #[inline]
    #[must_use]
    pub fn of(&self, worker: usize) -> Option<&T> {
        self.0
            .get(worker)
            .map(|block| &**block.get_or_init(Box::default))
    }

    /// The blocks that were made.
    pub fn made(&self) -> impl Iterator<Item = &T> {
        self.0
            .iter()
            .filter_map(OnceLock::get)
            .map(|block| &**block)
    }
}

/// What one worker counted of the exchanges of a listener or a route.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct TrafficCounters {
    /// What clients were answered, by the first digit of the status; who left before there was an answer counts as 4xx (499).
    pub responses: [Counter; 5],
    /// Why exchanges failed.
    pub faults: FaultCounters,
    /// Payload bytes from clients.
    pub bytes_in: Counter,
    /// Payload bytes to clients.
    pub bytes_out: Counter,
    /// How long exchanges took, from the request's first byte to the end.
    pub total: Histogram,
}

impl TrafficCounters {
    /// Counts an exchange that ended.
    #[inline]
    pub fn exchange(&self, ended: &Ended) {
        let class = usize::from(ended.status / 100).clamp(1, 5) - 1;
        self.responses[class].add(1);
        self.bytes_in.add(ended.bytes_in);
        self.bytes_out.add(ended.bytes_out);
        self.total.record_sample(ended.total);
        if let Some(fault) = ended.fault {
            self.faults.add(fault);
        }
    }
}

/// What is counted of an exchange.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// What the client was answered, or would have been.
    pub status: u16,
    /// Why it failed.
    pub fault: Option<Fault>,
    /// Payload bytes from the client.
    pub bytes_in: u64,
    /// Payload bytes to the client.
    pub bytes_out: u64,
    /// How long it waited for a place at an endpoint; zero: it did not.
    pub queue: Duration,
    /// How long its last attempt took to connect; zero: it took a connection that was there.
    pub connect: Duration,
    /// To the response's head; none: there was none.
    pub first_byte: Option<Sample>,
    /// To the end.
    pub total: Sample,
}

/// Where the time of a cluster's exchanges went, as one worker saw it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct PhaseTimes {
    /// Waiting for a place, for those that waited.
    pub queue: Histogram,
    /// Connecting, for those that had to.
    pub connect: Histogram,
    /// From the request's first byte to the response's head.
    pub first_byte: Histogram,
    /// From the request's first byte to the end.
    pub total: Histogram,
}

impl PhaseTimes {
    /// Counts an exchange that ended.
    #[inline]
    pub fn exchange(&self, ended: &Ended) {
        for (histogram, time) in [(&self.queue, ended.queue), (&self.connect, ended.connect)] {
            if !time.is_zero() {
                histogram.record(time);
            }
        }
        if let Some(time) = ended.first_byte {
            self.first_byte.record_sample(time);
        }
        self.total.record_sample(ended.total);
    }
}

/// What is counted of exchanges of one listener or route, over all workers.
pub type Traffic = PerWorker<TrafficCounters>;

impl Traffic {
    /// The sum over the workers.
    #[must_use]
    pub fn sum(&self) -> TrafficSum {
        let mut sum = TrafficSum::default();
        for counters in self.made() {
            for (to, from) in sum.responses.iter_mut().zip(&counters.responses) {
                *to += from.read();
            }
            for (fault, to) in Fault::ALL.iter().zip(&mut sum.faults) {
                *to += counters.faults.times(*fault);
            }
            sum.bytes_in += counters.bytes_in.read();
            sum.bytes_out += counters.bytes_out.read();
            counters.total.add_to(&mut sum.total);
        }
        sum
    }
}

/// What all workers counted of one listener or route.
#[derive(Clone, Debug)]
pub struct TrafficSum {
    /// As [`TrafficCounters::responses`].
    pub responses: [u64; 5],
    /// By fault, in the order of [`Fault::ALL`].
    pub faults: [u64; Fault::ALL.len()],
    /// As [`TrafficCounters::bytes_in`].
    pub bytes_in: u64,
    /// As [`TrafficCounters::bytes_out`].
    pub bytes_out: u64,
    /// As [`TrafficCounters::total`].
    pub total: Counts,
}

impl Default for TrafficSum {
    fn default() -> Self {
        Self {
            responses: [0; 5],
            faults: [0; Fault::ALL.len()],
            bytes_in: 0,
            bytes_out: 0,
            total: Counts::default(),
        }
    }
}

impl TrafficSum {
    /// How many exchanges there were.
    #[must_use]
    pub fn exchanges(&self) -> u64 {
        self.responses.iter().sum()
    }
}

/// What is counted by route, over reloads: by name, and routes of one name count as one.
#[derive(Debug, Default)]
pub(crate) struct RouteTraffic {
    by_name: HashMap<String, Arc<Traffic>>,
}

impl RouteTraffic {
    /// The counters of these routes, in their order: those that are known, and new ones. What belongs to none is forgotten.
    pub(crate) fn compile(&mut self, routes: &[Route], workers: usize) -> Arc<[Arc<Traffic>]> {
        let mut known = std::mem::take(&mut self.by_name);
        let counters = routes.iter().map(|route| {
            if let Some(traffic) = self.by_name.get(&route.name) {
                return Arc::clone(traffic);
            }
            let traffic = known
                .remove(&route.name)
                .unwrap_or_else(|| Arc::new(Traffic::new(workers)));
            self.by_name
                .insert(route.name.clone(), Arc::clone(&traffic));
            traffic
        });
        counters.collect()
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_base::RouteId;
    use evenkeel_config::{Nowhere, check};

    use super::*;
    use crate::compile::{Registry, Resolved};
    use crate::snapshot::Snapshot;

    const MILLI: Duration = Duration::from_millis(1);

    fn ended(status: u16, fault: Option<Fault>) -> Ended {
        Ended {
            status,
            fault,
            bytes_in: 1,
            bytes_out: 10,
            queue: Duration::ZERO,
            connect: MILLI,
            first_byte: Some(Sample::of(MILLI)),
            total: Sample::of(MILLI * 2),
        }
    }

    #[test]
    fn exchanges_are_counted_by_status_and_fault_and_summed_over_workers() {
        let traffic = Traffic::new(3);
        assert!(traffic.of(3).is_none(), "there is no such worker");
        for (worker, status, fault) in [
            (0, 200, None),
            (1, 204, None),
            (1, 502, Some(Fault::ConnectRefused)),
            (0, 499, Some(Fault::ClientGone)),
            (0, 0, Some(Fault::ClientGone)),
        ] {
            let counters = traffic.of(worker).unwrap();
            counters.exchange(&ended(status, fault));
        }
        assert_eq!(traffic.made().count(), 2, "the third has seen nothing");
        let sum = traffic.sum();
        assert_eq!(sum.responses, [1, 2, 0, 1, 1]);
        assert_eq!(sum.faults[Fault::ClientGone as usize], 2);
        assert_eq!(sum.faults[Fault::ConnectRefused as usize], 1);
        assert_eq!((sum.exchanges(), sum.bytes_in, sum.bytes_out), (5, 5, 50));
        assert_eq!((sum.total.count(), sum.total.sum()), (5, MILLI * 10));
    }

    #[test]
    fn what_did_not_happen_has_no_time() {
        let times = PhaseTimes::default();
        times.exchange(&ended(200, None));
        times.exchange(&Ended {
            queue: MILLI,
            connect: Duration::ZERO,
            first_byte: None,
            ..ended(503, None)
        });
        let count = |histogram: &Histogram| {
            let mut counts = Counts::default();
            histogram.add_to(&mut counts);
            counts.count()
        };
        let all = [
            &times.queue,
            &times.connect,
            &times.first_byte,
            &times.total,
        ];
        assert_eq!(all.map(count), [1, 1, 1, 2]);
    }

    #[test]
    fn a_route_keeps_its_counts_over_a_reload_by_its_name() {
        let mut registry = Registry::new(1, &[0; 32]);
        let mut compile = |names: &[&str]| -> Snapshot {
            let mut text = "version = 1\n[listener.a]\nbind = \"127.0.0.1:0\"\n".to_owned();
            for (i, name) in names.iter().enumerate() {
                text.push_str(&format!(
                    "[[route]]\nname = \"{name}\"\npath = \"/{i}\"\nrespond.body = \"\"\n"
                ));
            }
            let config = check(&text, "test", &Nowhere).config.unwrap();
            registry.compile(config, &Resolved::new(), 1)
        };
        let count = |snapshot: &Snapshot, route: u32| {
            let traffic = snapshot.route_traffic(RouteId::new(route)).unwrap();
            let before = traffic.sum().exchanges();
            traffic.of(0).unwrap().exchange(&ended(200, None));
            before
        };
        let first = compile(&["a", "b"]);
        assert_eq!((count(&first, 0), count(&first, 1)), (0, 0));
        let second = compile(&["b", "c", "a"]);
        assert_eq!([0, 1, 2].map(|route| count(&second, route)), [1, 0, 1]);
        drop((first, second));
        compile(&["c"]);
        let again = compile(&["a", "c"]);
        assert_eq!(
            [0, 1].map(|route| count(&again, route)),
            [0, 1],
            "forgotten"
        );
    }
}
