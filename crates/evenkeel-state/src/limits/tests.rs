//! Who gets a place, who waits, who is told: one step at a time, and with threads that want more than there is.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use evenkeel_base::Fault;
use evenkeel_base::rules::{AdaptiveRules, LimitRules, Priority, QueueRules};
use evenkeel_config::{Nowhere, check};

use super::{ClusterLimits, Full, Newcomer, Permit, Ticket};
use crate::compile::{Registry, Resolved};
use crate::endpoint::EndpointState;
use crate::snapshot::Snapshot;

/// How often a task was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A ticket with its task.
struct Task<'a> {
    ticket: Ticket<'a>,
    woken: Arc<Woken>,
}

impl Task<'_> {
    fn poll(&mut self) -> Poll<Result<(), Fault>> {
        let waker = Waker::from(Arc::clone(&self.woken));
        self.ticket.poll_ready(&Context::from_waker(&waker))
    }

    fn is_called(&mut self) -> bool {
        self.poll() == Poll::Ready(Ok(()))
    }

    fn fault(&mut self) -> Option<Fault> {
        match self.poll() {
            Poll::Ready(result) => result.err(),
            Poll::Pending => None,
        }
    }

    fn woken(&self) -> usize {
        self.woken.0.load(SeqCst)
    }
}

/// A cluster that takes so many requests, and has a queue of that size.
fn limits(requests: u32, size: u32) -> ClusterLimits {
    let queue = QueueRules {
        size,
        ..QueueRules::DEFAULT
    };
    ClusterLimits::new(&LimitRules {
        requests,
        queue,
        ..LimitRules::DEFAULT
    })
}

fn newcomer(priority: Priority) -> Newcomer {
    Newcomer {
        priority,
        deadline: None,
        has_looked: false,
    }
}

fn enter(limits: &ClusterLimits, who: Newcomer, now: Instant) -> Result<Task<'_>, Fault> {
    limits.room.enter(who, now).map(|ticket| Task {
        ticket,
        woken: Arc::default(),
    })
}

/// Enters and, when it is called to look, finds nothing.
fn wait(limits: &ClusterLimits) -> Task<'_> {
    let now = Instant::now();
    let mut task = enter(limits, newcomer(Priority::Normal), now).unwrap();
    if task.is_called() {
        task.ticket.again(false, now);
    }
    assert!(task.poll().is_pending());
    task
}

#[test]
fn places_are_counted_and_given_back() {
    let (limits, endpoint) = (limits(3, 10), EndpointState::new(1, 1));
    endpoint.set_limit(2);
    let one = limits.begin(&endpoint).unwrap();
    let _two = limits.begin(&endpoint).unwrap();
    assert_eq!(limits.begin(&endpoint).unwrap_err(), Full::Endpoint);
    assert_eq!((limits.requests(), endpoint.in_flight()), (2, 2));
    let other = EndpointState::new(2, 1);
    let _three = limits.begin(&other).unwrap();
    assert_eq!(limits.begin(&other).unwrap_err(), Full::Cluster);
    drop(one);
    assert_eq!((limits.requests(), endpoint.in_flight()), (2, 1));
    limits.begin(&other).unwrap().unused();
    assert_eq!((limits.requests(), other.in_flight()), (2, 1));
}

#[test]
fn without_limits_nobody_is_counted_or_waits() {
    let (limits, endpoint) = (
        ClusterLimits::new(&LimitRules::DEFAULT),
        EndpointState::new(1, 1),
    );
    assert!(!limits.is_on() && limits.may_pass());
    let begun = limits.begin(&endpoint).unwrap();
    assert_eq!((limits.requests(), endpoint.in_flight()), (0, 1));
    // A limit that comes later does not give back what it has not counted.
    limits.configure(&LimitRules {
        requests: 1,
        ..LimitRules::DEFAULT
    });
    let counted = limits.begin(&endpoint).unwrap();
    drop(begun);
    assert_eq!((limits.requests(), endpoint.in_flight()), (1, 1));
    limits.configure(&LimitRules::DEFAULT);
    drop(counted);
    assert_eq!((limits.requests(), endpoint.in_flight()), (0, 0));
}

#[test]
fn requests_are_counted_without_a_limit_when_somebody_asks() {
    let (limits, endpoint) = (
        ClusterLimits::new(&LimitRules::DEFAULT),
        EndpointState::new(1, 1),
    );
    let before = limits.begin(&endpoint).unwrap();
    limits.ask_for_requests(true);
    assert!(!limits.is_on() && limits.may_pass() && limits.has_room());
    let counted = limits.begin(&endpoint).unwrap();
    assert_eq!(limits.requests(), 1);
    drop(before);
    assert_eq!(limits.requests(), 1, "nobody had asked when it began");
    // One number for the limit and for who asks.
    limits.configure(&LimitRules {
        requests: 2,
        ..LimitRules::DEFAULT
    });
    let _second = limits.begin(&endpoint).unwrap();
    assert_eq!(limits.begin(&endpoint).unwrap_err(), Full::Cluster);
    limits.configure(&LimitRules::DEFAULT);
    limits.ask_for_requests(false);
    let _uncounted = limits.begin(&endpoint).unwrap();
    assert_eq!(limits.requests(), 2);
    drop(counted);
    assert_eq!(limits.requests(), 1);
}

#[test]
fn who_enters_an_empty_queue_looks_again_at_once() {
    let limits = limits(1, 10);
    let now = Instant::now();
    let mut one = enter(&limits, newcomer(Priority::Normal), now).unwrap();
    assert!(one.is_called() && one.is_called(), "until it is answered");
    assert!(!limits.may_pass());
    one.ticket.again(false, now);
    assert!(one.poll().is_pending());
    assert_eq!(one.woken(), 0);
    limits.room.released();
    assert_eq!(one.woken(), 1);
    assert!(one.is_called());
    one.ticket.served();
    assert!(limits.may_pass());
}

#[test]
fn every_place_calls_one_and_in_order() {
    let limits = limits(1, 10);
    let mut tasks = [wait(&limits), wait(&limits), wait(&limits)];
    let called = |tasks: &mut [Task<'_>; 3]| tasks.each_mut().map(Task::is_called);
    limits.room.released();
    assert_eq!(called(&mut tasks), [true, false, false]);
    limits.room.released();
    assert_eq!(called(&mut tasks), [true, true, false]);
    assert_eq!(limits.room.len(), 3, "nobody has answered");
    // The first finds nothing, and is the first again.
    tasks[0].ticket.again(false, Instant::now());
    assert_eq!(called(&mut tasks), [false, true, false]);
    limits.room.released();
    assert_eq!(called(&mut tasks), [true, true, false]);
    let [one, two, three] = tasks;
    one.ticket.served();
    drop(three);
    two.ticket.served();
    assert!(limits.may_pass());
}

#[test]
fn a_call_that_is_not_answered_goes_on() {
    let limits = limits(1, 10);
    let (one, mut two, mut three) = (wait(&limits), wait(&limits), wait(&limits));
    limits.room.released();
    drop(one);
    assert!(two.is_called() && two.woken() == 1);
    // Unpolled, and so with nobody to wake.
    drop(two);
    assert!(three.is_called());
    drop(three);
    assert!(limits.may_pass());
    limits.room.released();
}

#[test]
fn a_place_that_comes_while_everybody_is_called_is_kept() {
    let limits = limits(1, 10);
    let now = Instant::now();
    let mut one = enter(&limits, newcomer(Priority::Normal), now).unwrap();
    // It looks, and a moment later there is a place.
    limits.room.released();
    one.ticket.again(false, now);
    assert!(one.is_called(), "it may have looked too early");
    one.ticket.again(false, now);
    assert!(one.poll().is_pending(), "but once for each place");
    limits.room.released();
    limits.room.released();
    let mut two = enter(&limits, newcomer(Priority::Normal), now).unwrap();
    assert!(two.is_called() && one.is_called(), "or it calls who comes");
    drop((one, two));
    let mut three = wait(&limits);
    assert!(
        three.poll().is_pending(),
        "what nobody needed is not kept for ever"
    );
}

#[test]
fn a_look_that_was_of_use_goes_on() {
    let limits = limits(1, 10);
    let now = Instant::now();
    let mut one = enter(&limits, newcomer(Priority::Normal), now).unwrap();
    let mut two = enter(&limits, newcomer(Priority::Normal), now).unwrap();
    let mut three = enter(&limits, newcomer(Priority::Normal), now).unwrap();
    assert!(one.is_called() && two.poll().is_pending() && three.poll().is_pending());
    one.ticket.served();
    assert!(two.is_called() && three.poll().is_pending());
    two.ticket.again(false, now);
    assert!(three.poll().is_pending(), "there is no second place");
    limits.room.stir(now);
    assert!(two.is_called(), "until somebody stirs");
    limits.room.stir(now);
    assert!(three.poll().is_pending(), "one looks, that is enough");
}

#[test]
fn a_place_that_is_no_use_to_the_first_is_shown_to_the_next_and_no_further() {
    let limits = limits(1, 10);
    let now = Instant::now();
    let (mut one, mut two, mut three) = (wait(&limits), wait(&limits), wait(&limits));
    limits.room.released();
    one.ticket.again(true, now);
    assert!(one.poll().is_pending() && two.is_called());
    two.ticket.again(true, now);
    assert!(one.poll().is_pending() && two.poll().is_pending() && three.poll().is_pending());
    limits.room.released();
    assert!(one.is_called(), "they have their places as before");
}

#[test]
fn a_newcomer_that_has_looked_lets_the_first_look_again() {
    let limits = limits(1, 10);
    let (mut one, now) = (wait(&limits), Instant::now());
    let mut two = wait(&limits);
    assert!(one.poll().is_pending() && two.poll().is_pending());
    let has_looked = Newcomer {
        has_looked: true,
        ..newcomer(Priority::Normal)
    };
    let mut three = enter(&limits, has_looked, now).unwrap();
    assert!(one.is_called() && two.poll().is_pending() && three.poll().is_pending());
}

#[test]
fn those_that_wait_in_vain_are_told_why() {
    let limits = limits(1, 2);
    let now = Instant::now();
    let later = |millis: u64| now + Duration::from_millis(millis);
    let by = |priority, millis| Newcomer {
        deadline: Some(later(millis)),
        ..newcomer(priority)
    };
    let mut low = enter(&limits, by(Priority::Low, 500), now).unwrap();
    low.ticket.again(false, now);
    let mut normal = enter(&limits, by(Priority::Normal, 5_000), now).unwrap();
    normal.ticket.again(false, now);
    assert!(low.poll().is_pending() && normal.poll().is_pending());
    let (a, b) = (low.ticket.ends_at(), normal.ticket.ends_at());
    assert_eq!((a, b), (Some(later(500)), Some(later(1_000))));

    let full = enter(&limits, newcomer(Priority::Low), now);
    assert_eq!(full.err(), Some(Fault::QueueFull));
    let late = enter(&limits, by(Priority::High, 0), now);
    assert_eq!(late.err(), Some(Fault::TotalTimeout));
    let mut high = enter(&limits, by(Priority::High, 700), now).unwrap();
    high.ticket.again(false, now);
    assert_eq!((low.fault(), low.woken()), (Some(Fault::QueueFull), 1));

    limits.room.expire(later(699));
    assert!(high.poll().is_pending());
    limits.room.expire(later(700));
    assert_eq!(high.fault(), Some(Fault::TotalTimeout));
    limits.room.stir(later(1_000));
    assert_eq!(normal.fault(), Some(Fault::QueueTimeout));
    assert!(limits.may_pass());
    low.ticket.again(false, now);
    assert_eq!(low.fault(), Some(Fault::QueueFull), "once and for all");
}

#[test]
fn many_that_are_dropped_at_once_are_all_told() {
    let limits = limits(1, 1_000);
    let mut tasks: Vec<Task<'_>> = (0..100).map(|_| wait(&limits)).collect();
    limits.room.expire(Instant::now() + Duration::from_secs(2));
    for task in &mut tasks {
        assert_eq!((task.fault(), task.woken()), (Some(Fault::QueueTimeout), 1));
    }
    drop(tasks);

    // A queue that stood for long is cut back by the one place that becomes free, down to one that is served.
    let start = Instant::now();
    let mut tasks: Vec<Task<'_>> = (0..100).map(|_| wait(&limits)).collect();
    let stood = |millis| start + Duration::from_millis(millis);
    limits.room.call_next(stood(100));
    assert!(tasks[0].is_called());
    tasks[0].ticket.again(false, stood(100));
    limits.room.call_next(stood(400));
    let dropped = tasks
        .iter_mut()
        .filter_map(Task::fault)
        .filter(|f| *f == Fault::QueueDropped);
    assert_eq!(dropped.count(), 99);
    assert!(tasks[99].is_called(), "the last one is always served");
}

#[test]
fn a_permit_that_ends_calls_and_one_that_was_not_used_does_not() {
    let (limits, endpoint) = (limits(2, 10), EndpointState::new(1, 1));
    let (one, two) = (
        limits.begin(&endpoint).unwrap(),
        limits.begin(&endpoint).unwrap(),
    );
    let mut task = wait(&limits);
    one.unused();
    assert!(task.poll().is_pending());
    drop(two);
    assert!(task.is_called());
    assert_eq!((limits.requests(), endpoint.in_flight()), (0, 0));
}

#[test]
fn a_permit_that_is_kept_counts_once_and_calls_at_its_end() {
    let (limits, endpoint) = (Arc::new(limits(1, 10)), Arc::new(EndpointState::new(1, 1)));
    let mut permit = limits.begin(&endpoint).unwrap();
    let kept = permit.keep(&limits, &endpoint).unwrap();
    assert!(permit.keep(&limits, &endpoint).is_none(), "it has nothing");
    drop(permit);
    assert_eq!((limits.requests(), endpoint.in_flight()), (1, 1));
    let mut waiting = wait(&limits);
    assert_eq!(waiting.woken(), 0);
    drop(kept);
    assert_eq!((limits.requests(), endpoint.in_flight()), (0, 0));
    assert!(waiting.is_called());
}

#[test]
fn a_place_at_an_endpoint_whose_limit_fell_is_none() {
    let rules = LimitRules {
        connections: 100,
        ..LimitRules::DEFAULT
    };
    let (limits, endpoint) = (ClusterLimits::new(&rules), EndpointState::new(1, 1));
    let one = limits.begin(&endpoint).unwrap();
    let two = limits.begin(&endpoint).unwrap();
    endpoint.set_limit(1);
    let mut task = wait(&limits);
    drop(one);
    assert!(task.poll().is_pending());
    drop(two);
    assert!(task.is_called());
}

#[test]
fn connections_are_counted_until_they_are_closed() {
    let rules = LimitRules {
        connections: 3,
        endpoint_connections: 2,
        ..LimitRules::DEFAULT
    };
    let limits = Arc::new(ClusterLimits::new(&rules));
    let [one, two] = [1, 2].map(|serial| Arc::new(EndpointState::new(serial, 1)));
    let a = limits.connect(&one).unwrap();
    let b = limits.connect(&one).unwrap();
    assert_eq!(limits.connect(&one).unwrap_err(), Full::Endpoint);
    let c = limits.connect(&two).unwrap();
    assert_eq!(limits.connect(&two).unwrap_err(), Full::Cluster);
    assert_eq!((one.connections(), limits.connections()), (2, 3));
    let mut task = wait(&limits);
    drop(a);
    assert!(task.is_called());
    drop((b, c));
    assert_eq!((one.connections(), limits.connections()), (0, 0));
    // They are counted without a limit too, so that one that comes later knows them.
    limits.configure(&LimitRules::DEFAULT);
    let many: Vec<_> = (0..9).map(|_| limits.connect(&one).unwrap()).collect();
    limits.configure(&rules);
    assert_eq!(limits.connect(&two).unwrap_err(), Full::Cluster);
    drop(many);
    let _again = limits.connect(&two).unwrap();
}

#[test]
fn limits_follow_the_configuration_and_what_was_taken_stays_taken() {
    let mut registry = Registry::new(1, &[0; 32]);
    let mut compile = |knobs: &str| {
        let text = format!(
            "version = 1\n[listener.a]\nbind = \"127.0.0.1:0\"\n[[route]]\ncluster = \"a\"\n\
             [cluster.a]\nendpoints = [\"10.0.0.1:1\"]\n{knobs}\n"
        );
        let checked = check(&text, "test", &Nowhere);
        let config = checked
            .config
            .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
        registry.compile(config, &Resolved::new(), 1)
    };
    let limit = |snapshot: &Snapshot| snapshot.clusters()[0].endpoints.list[0].state.limit();
    let first = compile("limits = { requests = 2, endpoint_requests = 9 }");
    let cluster = &first.clusters()[0];
    let endpoint = &cluster.endpoints.list[0].state;
    let _permit = cluster.state.limits.begin(endpoint).unwrap();
    assert_eq!(limit(&first), 9);
    let second = compile("limits = { requests = 1 }");
    let again = &second.clusters()[0];
    assert!(Arc::ptr_eq(&again.state, &cluster.state));
    assert_eq!(limit(&second), u32::MAX);
    assert_eq!(
        again.state.limits.begin(endpoint).unwrap_err(),
        Full::Cluster
    );
    let third = compile("limits = { endpoint_requests = \"adaptive\" }");
    assert_eq!(limit(&third), AdaptiveRules::DEFAULT.initial);
    endpoint.set_limit(77);
    assert_eq!(
        limit(&compile("limits = { endpoint_requests = \"adaptive\" }")),
        77
    );
    assert!(!compile("").clusters()[0].state.limits.is_on());
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A request as the data plane makes it, with a thread for its task. Nobody stirs: a lost call would last.
fn request<'a>(
    limits: &'a ClusterLimits,
    endpoints: &'a [EndpointState],
    begin: usize,
) -> Result<Permit<'a>, Fault> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let look = || {
        let mut order = endpoints.iter().cycle().skip(begin).take(endpoints.len());
        order.find_map(|endpoint| limits.begin(endpoint).ok())
    };
    let has_looked = limits.may_pass();
    if has_looked && let Some(permit) = look() {
        return Ok(permit);
    }
    let who = Newcomer {
        priority: Priority::ALL[begin % 3],
        deadline: None,
        has_looked,
    };
    let mut ticket = limits.room.enter(who, Instant::now())?;
    loop {
        match ticket.poll_ready(&Context::from_waker(&waker)) {
            Poll::Pending => {
                thread::park_timeout(Duration::from_secs(20));
                let patience = ticket.ends_at().is_some_and(|at| Instant::now() < at);
                assert!(patience, "nobody calls: {limits:?}");
            }
            Poll::Ready(Ok(())) => {
                if let Some(permit) = look() {
                    ticket.served();
                    return Ok(permit);
                }
                ticket.again(begin.is_multiple_of(2), Instant::now());
            }
            Poll::Ready(Err(fault)) => return Err(fault),
        }
    }
}

#[test]
fn threads_that_want_more_than_there_is_all_get_their_turn() {
    let rules = LimitRules {
        requests: 4,
        queue: QueueRules {
            timeout: Duration::from_secs(20),
            target: Duration::from_secs(20),
            ..QueueRules::DEFAULT
        },
        ..LimitRules::DEFAULT
    };
    let limits = ClusterLimits::new(&rules);
    let endpoints = [
        EndpointState::new(1, 1),
        EndpointState::new(2, 1),
        EndpointState::new(3, 1),
    ];
    endpoints.iter().for_each(|endpoint| endpoint.set_limit(2));
    let most = Mutex::new(0);
    thread::scope(|scope| {
        for worker in 0..12 {
            let (limits, endpoints, most) = (&limits, &endpoints, &most);
            scope.spawn(move || {
                for round in 0..300 {
                    let permit = request(limits, endpoints, worker + round).unwrap();
                    let mut most = most.lock().unwrap();
                    *most = limits.requests().max(*most);
                    drop(most);
                    if round % 3 == 0 {
                        thread::yield_now();
                    }
                    drop(permit);
                }
            });
        }
    });
    assert!(most.into_inner().unwrap() <= 4);
    assert!(limits.may_pass() && limits.requests() == 0);
    assert!(endpoints.iter().all(|endpoint| endpoint.in_flight() == 0));
}
