//! An endpoint as a snapshot lists it, and what is known about it beyond any one snapshot.
//!
//! The state is keyed by cluster name, endpoint id and address, kept over a reload. What all workers write and every pick
//! reads comes first and lies together, so that a pick touches one cache line of a candidate; what each worker counts for
//! itself is apart.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_base::Target;
use evenkeel_base::rules::{AdminState, EndpointLimit, OutlierRules};
use evenkeel_policy::health::Start;
use evenkeel_policy::outlier::{Event, Reading};
use evenkeel_policy::slow_start::Entry;
use evenkeel_policy::{Candidate, Health, KeepAlive, Load, Outlier, Standing};

use crate::counters::EndpointCounters;
use crate::dial::Dial;
use crate::histogram::Counts;
use crate::overlay::Ordered;
use crate::probe_log::ProbeLog;
use crate::sync::{AtomicU32, Ordering};

/// One resolved endpoint.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its stable identity in its cluster: the configured id, with the address behind it when a name has several.
    pub id: Arc<str>,
    /// What the operator wrote, for `Host` and for people.
    pub authority: Arc<str>,
    /// Where to connect.
    pub target: Target,
    /// How.
    pub dial: Dial,
    /// Its part of the cluster's traffic; 0 as well when the operator ordered that it takes no new requests.
    pub weight: u16,
    /// The same as the configuration has it.
    pub configured_weight: u16,
    /// What the operator ordered.
    pub admin: AdminState,
    /// The same as the configuration has it.
    pub configured_admin: AdminState,
    /// What was ordered at run time, over the configuration.
    pub ordered: Ordered,
    /// Whether an operator added it at run time: the configuration has none like it.
    pub is_added: bool,
    /// Its tier and its zone in one number: those of a lower one come first ([`rank`](evenkeel_policy::tiers::rank)).
    pub rank: u16,
    /// What outlives generations.
    pub state: Arc<EndpointState>,
}

impl Candidate for Endpoint {
    #[inline]
    fn weight(&self) -> u16 {
        self.weight
    }

    #[inline]
    fn in_flight(&self) -> u32 {
        self.state.in_flight()
    }

    #[inline]
    fn share(&self) -> u16 {
        self.state.standing.share()
    }

    #[inline]
    fn has_room(&self) -> bool {
        self.state.has_room()
    }

    #[inline]
    fn load(&self) -> Option<&Load> {
        Some(&self.state.load)
    }
}

/// The shared state of one endpoint.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct EndpointState {
    in_flight: AtomicU32,
    /// The most requests in flight; [`u32::MAX`] when there is no limit.
    limit: AtomicU32,
    connections: AtomicU32,
    /// A number that no other endpoint of this process has: the key of its pools.
    pub serial: u32,
    /// Where it stands: what balancers read.
    pub standing: Standing,
    /// What is measured of it and what it reports, for balancers that compare it.
    pub load: Load,
    /// What traffic showed of it.
    pub outlier: Outlier,
    /// What is learnt about how long it keeps idle connections.
    pub keepalive: KeepAlive,
    workers: Box<[EndpointCounters]>,
    /// Whether it joined a cluster that was there already: it then waits for its first good probe.
    pub added_later: bool,
    /// The last results of its probes, for people.
    pub probes: ProbeLog,
}

impl EndpointState {
    /// Fresh state for `workers` workers, of an endpoint that was there when its cluster began.
    #[must_use]
    pub fn new(serial: u32, workers: usize) -> Self {
        Self::of(serial, workers, Health::Unprobed, None)
    }

    /// Fresh state for `workers` workers; `joins` says how an endpoint that joins a running cluster comes in.
    pub(crate) fn of(serial: u32, workers: usize, health: Health, joins: Option<Entry>) -> Self {
        let workers = (0..workers).map(|_| EndpointCounters::default()).collect();
        Self {
            in_flight: AtomicU32::new(0),
            limit: AtomicU32::new(u32::MAX),
            connections: AtomicU32::new(0),
            serial,
            standing: Standing::new(health, joins.unwrap_or(Entry::Full)),
            load: Load::new(),
            outlier: Outlier::new(),
            keepalive: KeepAlive::default(),
            workers,
            added_later: joins.is_some(),
            probes: ProbeLog::default(),
        }
    }

    /// Requests in flight, over all workers.
    #[inline]
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The most requests it may have in flight; [`u32::MAX`] when there is no limit.
    #[inline]
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Sets the most requests it may have in flight. Those beyond a lower limit run on.
    pub fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Brings its limit in line with a configuration that may have changed. One that adapts goes on from where it is.
    pub(crate) fn follow_limit(&self, rules: &EndpointLimit) {
        self.set_limit(match (*rules, self.limit()) {
            (EndpointLimit::Off, _) => u32::MAX,
            (EndpointLimit::Fixed(limit), _) => limit,
            (EndpointLimit::Adaptive(rules), u32::MAX) => rules.initial,
            (EndpointLimit::Adaptive(rules), limit) => {
                limit.clamp(rules.min, rules.max.max(rules.min))
            }
        });
    }

    /// Whether it is below its limit of requests in flight.
    #[inline]
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.in_flight() < self.limit()
    }

    /// Counts a request as in flight until the guard is dropped, however its exchange ends. It asks for no limit.
    #[inline]
    #[must_use]
    pub fn begin(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self)
    }

    /// What counts one that goes on without its guard ([`InFlight::keep`]).
    pub(crate) const fn kept(&self) -> InFlight<'_> {
        InFlight(self)
    }

    /// [`Self::begin`] if there is room: of workers that see the last place at once, one gets it.
    #[inline]
    #[must_use]
    pub fn try_begin(&self) -> Option<InFlight<'_>> {
        let limit = self.limit();
        if limit == u32::MAX {
            return Some(self.begin());
        }
        let mut seen = self.in_flight();
        while seen < limit {
            let order = Ordering::Relaxed;
            match self
                .in_flight
                .compare_exchange_weak(seen, seen + 1, order, order)
            {
                Ok(_) => return Some(InFlight(self)),
                Err(current) => seen = current,
            }
        }
        None
    }

    /// Connections open to it, over all workers, idle ones included.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Counts a connection as open, if there are fewer than `limit`; [`EndpointState::disconnected`] is then due for it.
    #[must_use]
    pub fn try_connect(&self, limit: u32) -> bool {
        let mut seen = self.connections();
        while seen < limit {
            let order = Ordering::Relaxed;
            match self
                .connections
                .compare_exchange_weak(seen, seen + 1, order, order)
            {
                Ok(_) => return true,
                Err(current) => seen = current,
            }
        }
        false
    }

    /// A connection that was counted is closed.
    pub fn disconnected(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// What the clock changes: ramps climb, ejections and trials end. The control plane calls it ten times a second.
    pub fn tick(&self, rules: &OutlierRules, slow_start: Duration, now_ms: u64) -> Option<Event> {
        self.standing.climb(slow_start, now_ms);
        self.outlier.tick(&self.standing, rules, slow_start, now_ms)
    }

    /// What its probes begin with.
    #[must_use]
    pub fn probe_start(&self) -> Start {
        match self.standing.health() {
            Health::Waiting if self.added_later => Start::Added,
            Health::Unprobed | Health::Waiting => Start::Process,
            Health::Up => Start::Up,
            Health::Down => Start::Down,
        }
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

    /// Its latencies so far, over all workers.
    #[must_use]
    pub fn latencies(&self) -> Counts {
        let mut counts = Counts::default();
        for counters in &self.workers {
            counters.add_latencies_to(&mut counts);
        }
        counts
    }

    /// What its counters say, for its [`Window`](evenkeel_policy::outlier::Window); the median is the caller's to find.
    #[must_use]
    pub fn reading(&self, median_us: u32) -> Reading {
        let sum = |of: fn(&EndpointCounters) -> u64| self.workers.iter().map(of).sum();
        Reading {
            requests: sum(EndpointCounters::ended),
            faults: sum(EndpointCounters::gateway_faults),
            median_us,
        }
    }
}

/// One request in flight.
#[derive(Debug)]
pub struct InFlight<'a>(&'a EndpointState);

impl InFlight<'_> {
    /// It counts on without this, until what [`EndpointState::kept`] gives is dropped.
    pub(crate) fn keep(self) {
        let _ = ManuallyDrop::new(self);
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
