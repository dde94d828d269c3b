//! The world of a run: endpoints, nodes, clients and the events between them. One thread, one seed, no clock.
//!
//! ```text
//! Arrival ─▶ course: choose ─▶ Reached ─▶ endpoint: work ─▶ Completed ─▶ Returned ─▶ course: judge ─▶ end, or choose again
//!                 │                                                          ▲
//!                 ├─▶ queue, pause (Rested), hedge (Hedged)                  └── AttemptLapse, RequestLapse end it sooner
//! Tick, Knock, Probe: the control plane of each node (planes.rs)      Script, Antagonist: what happens to endpoints
//! ```

mod course;
mod load;
mod planes;

use std::time::{Duration, Instant};

use evenkeel_base::{Fault, Rng};
use evenkeel_policy::{Allowance, Report, Tried, queue};

use crate::arrivals::Arrivals;
use crate::chance::{seed, uniform};
use crate::endpoint::{Endpoint, Met};
use crate::events::{Event, Events};
use crate::lapse::Lapse;
use crate::layout;
use crate::node::Node;
use crate::node::clock::{KNOCK, TICK};
use crate::record::{Outcome, Record};
use crate::rule::{Contender, Truth};
use crate::scenario::{Asks, Network, Scenario};
use crate::slab::Slab;
use crate::time::{NEVER, Nanos, SECOND, from_duration, from_seconds};

/// No attempt, or nobody who waits for one.
const NONE: u32 = u32::MAX;

/// What is still under way so long after the last request ends as if evenkeel stopped.
const LONGEST_END: Nanos = 600 * SECOND;

/// No more requests are under way at once, about 1.5 GB: what comes beyond fails at once, as for clients that find no port.
const MOST_UNDER_WAY: usize = 4_000_000;

/// An endpoint that answers 503 at once takes so long for it.
const REFUSAL: Nanos = SECOND / 1_000;

/// From one report of progress to the next, in events.
const REPORT_EVERY: u64 = 1 << 16;

/// How a run is to be played.
#[derive(Clone, Copy, Debug)]
pub struct Play {
    /// Where chance begins.
    pub seed: u64,
    /// Clients stop after so many requests, or go on until then; none: the scenario's duration counts.
    pub requests: Option<u64>,
    /// What the policies count time from. Nothing depends on which moment it is.
    pub origin: Instant,
}

/// Plays a scenario with a balancer. `progress` is told now and then which part of the requests has begun.
pub fn play(
    scenario: &Scenario,
    contender: &Contender,
    play: Play,
    progress: &mut dyn FnMut(f64),
) -> Outcome {
    let mut world = World::new(scenario, contender, play);
    world.begin();
    let expected = match play.requests {
        Some(requests) => requests as f64,
        None => scenario.expected_requests().max(1.0),
    };
    while let Some(event) = world.events.next() {
        world.happen(event);
        world.happened += 1;
        if world.happened.is_multiple_of(REPORT_EVERY) {
            progress((world.begun as f64 / expected).min(1.0));
        }
        if world.is_over() {
            break;
        }
    }
    world.end();
    progress(1.0);
    world.record.finish(&contender.name, world.happened)
}

/// A request on its way.
#[derive(Debug)]
pub(crate) struct Exchange {
    serial: u64,
    began: Nanos,
    /// When its client is gone.
    ends_at: Nanos,
    clients: u32,
    node: u32,
    key: Option<u64>,
    idempotent: bool,
    tried: Tried,
    /// What counts as tried while it looks for a place after a pause, or in the queue.
    aside: Tried,
    left: Allowance,
    pauses: u32,
    /// Until when the endpoints tried so far are left alone; 0: nothing was tried.
    rests_until: Nanos,
    attempts: u32,
    hedges: u32,
    /// Its attempts under way.
    lanes: [u32; 2],
    /// When it may be hedged.
    hedge_at: Nanos,
    queued: Option<queue::Id>,
}

/// An attempt on its way.
#[derive(Debug)]
struct Attempt {
    serial: u64,
    /// The number of its exchange among all of the run: what its work is drawn by.
    request: u64,
    /// [`NONE`] when nobody waits for it any more.
    exchange: u32,
    node: u32,
    /// Its position in the node's list.
    at: u32,
    endpoint: u32,
    /// Which of its exchange's attempts it is.
    number: u32,
    began: Nanos,
    reached: Nanos,
    /// How many others were there when it did.
    met: usize,
    /// Requests in flight there, as its node counted when it began.
    in_flight: u32,
    result: Done,
    report: Report,
}

/// Where an attempt is, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Travels,
    Works,
    Answered,
    Status(u16),
    Fault(Fault),
}

/// A group of clients.
#[derive(Debug)]
struct Asking {
    arrivals: Arrivals,
    lapse: Lapse,
}

#[derive(Debug)]
pub(crate) struct World<'a> {
    scenario: &'a Scenario,
    play: Play,
    events: Events,
    endpoints: Vec<Endpoint>,
    nodes: Vec<Node>,
    clients: Vec<Asking>,
    exchanges: Slab<Exchange>,
    attempts: Slab<Attempt>,
    questions: Slab<load::Question>,
    attempt_lapse: Lapse,
    record: Record,
    /// The network's chance.
    rng: Rng,
    serial: u64,
    happened: u64,
    /// Requests so far.
    begun: u64,
    /// How many groups of clients may still ask.
    askers: usize,
    /// When clients ask for the last time.
    last: Nanos,
    /// Whether they have.
    is_quiet: bool,
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, contender: &Contender, play: Play) -> Self {
        let endpoints: Vec<Endpoint> = layout::endpoints(scenario, play.seed);
        let ids = layout::ids(scenario);
        let nodes = (0..scenario.nodes)
            .map(|number| {
                let listed = layout::listed(scenario, &ids, number);
                let rng = Rng::new(seed(play.seed, 2, number.into()));
                Node::new(&listed, &contender.picks, &scenario.cluster, rng)
            })
            .collect();
        let capacity = scenario.capacity();
        let clients = (0..).zip(&scenario.clients).map(|(at, clients)| Asking {
            arrivals: Arrivals::new(clients, capacity, Rng::new(seed(play.seed, 3, at))),
            lapse: Lapse::new(from_duration(clients.timeout)),
        });
        let cluster = &scenario.cluster;
        let attempt = cluster
            .timeouts
            .response_header
            .min(cluster.retry.attempt_timeout);
        Self {
            scenario,
            play,
            events: Events::default(),
            endpoints,
            nodes,
            clients: clients.collect(),
            exchanges: Slab::new(),
            attempts: Slab::new(),
            questions: Slab::new(),
            attempt_lapse: Lapse::new(from_duration(attempt)),
            record: Record::new(ids, scenario.warm_up, scenario.duration),
            rng: Rng::new(seed(play.seed, 4, 0)),
            serial: 0,
            happened: 0,
            begun: 0,
            askers: scenario.clients.len(),
            last: match play.requests {
                Some(_) => NEVER,
                None => from_duration(scenario.duration),
            },
            is_quiet: false,
        }
    }

    /// The first events of everything.
    fn begin(&mut self) {
        self.turn_rotations();
        for number in 0..count(self.nodes.len()) {
            // Nodes did not start together.
            let tick = self.rng.below_long(TICK);
            let knock = self.rng.below_long(KNOCK);
            self.events.add(tick, Event::Tick(number));
            self.events.add(knock, Event::Knock(number));
            self.begin_probes(number);
            self.begin_asking(number);
        }
        for number in 0..count(self.endpoints.len()) {
            let endpoint = &mut self.endpoints[number as usize];
            let (_, disturbed) = endpoint.disturb(0);
            if let Some(at) = disturbed {
                self.events.add(at, Event::Antagonist(number));
            }
            if let Some(at) = self.endpoints[number as usize].next_change() {
                self.events.add(at, Event::Script(number));
            }
        }
        for number in 0..count(self.clients.len()) {
            match &self.scenario.clients[number as usize].asks {
                Asks::Open { .. } => self.expect_arrival(number),
                asks @ Asks::Closed { clients, .. } => {
                    for _ in 0..*clients {
                        let thinks = self.clients[number as usize].arrivals.thinks(asks);
                        self.events.add(thinks, Event::Thought(number));
                    }
                }
            }
        }
        self.events.add(self.record.interval, Event::Sample);
        if self.scenario.warm_up > Duration::ZERO {
            self.events
                .add(from_duration(self.scenario.warm_up), Event::Mark);
        }
        if self.last < NEVER {
            self.events.add(self.last, Event::Quiet);
        }
    }

    /// Nodes that have run for a while stand anywhere in their rotations. Were all to begin at the same endpoint, they would
    /// go from one to the next together.
    fn turn_rotations(&mut self) {
        let mut truth = Self::truth(&mut self.endpoints, 0);
        for node in &mut self.nodes {
            node.picker.tick(&node.list, &mut truth);
            node.turn(&mut truth);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrival(clients) => {
                self.expect_arrival(clients);
                self.arrive(clients);
            }
            Event::Thought(clients) => self.arrive(clients),
            Event::Reached(attempt) => self.reached(attempt),
            Event::Completed(endpoint) => self.completed(endpoint),
            Event::Returned(attempt) => self.returned(attempt),
            Event::Rested(exchange) => self.rested(exchange),
            Event::Hedged(exchange) => self.hedged(exchange),
            Event::AttemptLapse => self.attempts_lapse(),
            Event::RequestLapse(clients) => self.requests_lapse(clients),
            Event::QueueLapse(node) => self.queue_lapses(node),
            Event::Tick(node) => self.tick(node),
            Event::Knock(node) => self.knock(node),
            Event::Probe(which) => self.probe(which),
            Event::Silence(which) => self.probed(which, false),
            Event::LoadLook(node) => self.look_for_load(node),
            Event::LoadAsked(question) => self.asked_for_load(question),
            Event::LoadTold(question) => self.told_of_load(question),
            Event::Script(endpoint) => self.change(endpoint),
            Event::Antagonist(endpoint) => self.disturb(endpoint),
            Event::Sample => self.sample(),
            Event::Mark => self.mark(false),
            Event::Quiet => self.quiet(),
        }
    }

    /// Whether nothing is left to happen.
    fn is_over(&self) -> bool {
        let waits = self.last.saturating_add(LONGEST_END);
        self.is_quiet && (self.exchanges.len() == 0 || self.events.now() >= waits)
    }

    fn expect_arrival(&mut self, clients: u32) {
        if let Some(at) = self.clients[clients as usize].arrivals.next() {
            self.events.add(at, Event::Arrival(clients));
            return;
        }
        self.askers = self.askers.saturating_sub(1);
        // Nobody would ever make up the number of requests that is waited for.
        if self.askers == 0 && self.last == NEVER {
            self.quiet();
        }
    }

    /// A client asks, unless time is up.
    fn arrive(&mut self, clients: u32) {
        if self.is_quiet {
            return;
        }
        self.begun += 1;
        self.begin_exchange(clients);
        if self.play.requests.is_some_and(|most| self.begun >= most) {
            self.quiet();
        }
    }

    /// Clients have asked for the last time.
    fn quiet(&mut self) {
        if !self.is_quiet {
            self.is_quiet = true;
            self.last = self.events.now();
            self.mark(true);
        }
    }

    /// Counts what is still under way as failed, and the last part of the series.
    fn end(&mut self) {
        self.quiet();
        for exchange in self.exchanges.all() {
            self.finish(exchange, crate::record::End::Fault(Fault::Shutdown));
        }
        let (used, in_flight) = self.measure();
        self.record.sample(used, in_flight, self.events.now());
    }

    fn mark(&mut self, is_over: bool) {
        let (used, _) = self.measure();
        self.record.mark(&used, self.events.now(), is_over);
    }

    fn sample(&mut self) {
        let (used, in_flight) = self.measure();
        self.record.sample(used, in_flight, self.events.now());
        self.events.after(self.record.interval, Event::Sample);
    }

    fn measure(&mut self) -> (Vec<f64>, Vec<u32>) {
        let now = self.events.now();
        let all = self.endpoints.iter_mut();
        all.map(|one| (one.used(now), count(one.machine.jobs())))
            .unzip()
    }

    /// How long a message is under way.
    fn travels(&mut self) -> Nanos {
        let Network { delay, jitter } = self.scenario.network;
        let delay = from_duration(delay);
        if jitter == Duration::ZERO {
            return delay;
        }
        delay + from_seconds(uniform(&mut self.rng, 0.0, jitter.as_secs_f64()))
    }

    fn truth<'e>(endpoints: &'e mut [Endpoint], now: Nanos) -> Truth<'e> {
        Truth { endpoints, now }
    }

    /// The moment as the policies that take one want it.
    fn instant(&self) -> Instant {
        self.play.origin + Duration::from_nanos(self.events.now())
    }

    /// An attempt reaches its endpoint.
    fn reached(&mut self, id: u32) {
        let now = self.events.now();
        let Some(attempt) = self.attempts.get_mut(id) else {
            return;
        };
        let endpoint = &mut self.endpoints[attempt.endpoint as usize];
        let group = &self.scenario.endpoints[endpoint.group];
        if attempt.exchange == NONE && group.cancels {
            self.attempts.remove(id);
            return;
        }
        attempt.reached = now;
        let mut rng = Rng::new(seed(
            self.play.seed ^ 5,
            attempt.request,
            attempt.number.into(),
        ));
        let work = group.service.draw(&mut rng);
        let number = attempt.endpoint;
        match endpoint.meet(work, &mut rng, now) {
            Met::Works(work) => {
                attempt.result = Done::Works;
                attempt.met = endpoint.machine.jobs();
                if let Some(at) = endpoint.machine.add(id, work, now) {
                    self.events.add(at, Event::Completed(number));
                }
            }
            Met::Refused => self.answer(id, Done::Fault(Fault::ConnectRefused), 0),
            Met::Unwilling => {
                endpoint.failed();
                self.answer(id, Done::Status(503), REFUSAL);
            }
        }
    }

    /// What became of an attempt is on its way back.
    fn answer(&mut self, id: u32, result: Done, after: Nanos) {
        let travels = self.travels();
        let Some(attempt) = self.attempts.get_mut(id) else {
            return;
        };
        if attempt.exchange == NONE {
            self.attempts.remove(id);
            return;
        }
        attempt.result = result;
        if self.nodes[attempt.node as usize].needs.reports {
            let endpoint = &mut self.endpoints[attempt.endpoint as usize];
            attempt.report = endpoint.report(self.events.now());
        }
        self.events.after(after + travels, Event::Returned(id));
    }

    /// An endpoint may have completed something.
    fn completed(&mut self, number: u32) {
        let now = self.events.now();
        if !self.endpoints[number as usize].machine.expects(now) {
            return;
        }
        while let Some(job) = self.endpoints[number as usize].machine.complete(now) {
            let attempt = self.attempts.get(job);
            let (met, took) = attempt.map_or((0, 0), |one| (one.met, now - one.reached));
            self.endpoints[number as usize].served(met, took);
            self.answer(job, Done::Answered, 0);
        }
        let next = self.endpoints[number as usize].machine.next(now);
        if let Some(at) = next {
            self.events.add(at, Event::Completed(number));
        }
    }

    /// Something happens to an endpoint.
    fn change(&mut self, number: u32) {
        let now = self.events.now();
        let endpoint = &mut self.endpoints[number as usize];
        let (looks, lost) = endpoint.change(now);
        let next = endpoint.next_change();
        if let Some(at) = looks {
            self.events.add(at, Event::Completed(number));
        }
        if let Some(at) = next {
            self.events.add(at, Event::Script(number));
        }
        for job in lost {
            self.answer(job, Done::Fault(Fault::EndpointReset), 0);
        }
    }

    fn disturb(&mut self, number: u32) {
        let now = self.events.now();
        let (looks, again) = self.endpoints[number as usize].disturb(now);
        if let Some(at) = looks {
            self.events.add(at, Event::Completed(number));
        }
        if let Some(at) = again {
            self.events.add(at, Event::Antagonist(number));
        }
    }
}

/// A number of things as a number that names one.
fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
