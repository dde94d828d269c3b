//! Places given and waited for, on trunks whose other end is the codec's own server: who gets one, who does not, and what becomes
//! of those that wait. What requests see of it stands in the end-to-end tests.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use evenkeel_base::rules::{LimitRules, MultiplexRules};
use evenkeel_base::{Fault, Side};
use evenkeel_state::limits::ClusterLimits;
use evenkeel_state::{Dial, EndpointState};
use h2::server::{self, Connection};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::spawn_local;

use super::*;
use crate::block::Blocks;
use crate::h1::Incoming;
use crate::rig;

const PLAIN: u32 = Dial::PLAIN.serial;

/// One endpoint's shelf.
struct Bench {
    trunks: Trunks,
    shelf: Rc<Shelf>,
    endpoint: Arc<EndpointState>,
    limits: Arc<ClusterLimits>,
    rules: MultiplexRules,
}

impl Bench {
    fn new(max_connections: u32) -> Self {
        let trunks = Trunks::default();
        Self {
            shelf: trunks.shelf(1, PLAIN),
            trunks,
            endpoint: Arc::new(EndpointState::new(1, 1)),
            limits: Arc::new(ClusterLimits::new(&LimitRules::DEFAULT)),
            rules: MultiplexRules {
                max_connections,
                ..MultiplexRules::DEFAULT
            },
        }
    }

    /// A trunk on which the endpoint allows so many streams, and its other end.
    async fn trunk(&self, streams: u32) -> (Rc<Trunk>, Driver, Connection<UnixStream, Bytes>) {
        let (near, far) = rig::pair();
        let open = self.limits.connect(&self.endpoint).unwrap();
        let rules = (self.rules, Duration::from_mins(1));
        let blocks = Rc::new(Blocks::default());
        let begun = Trunk::begin(near, open, &self.endpoint, rules, &blocks).await;
        let (trunk, mut driver) = begun.unwrap();
        let mut far_side = server::Builder::new();
        far_side.max_concurrent_streams(streams);
        let (ready, far) = tokio::join!(
            poll_fn(|cx| driver.poll_ready(cx)),
            far_side.handshake::<_, Bytes>(far)
        );
        assert_eq!(ready, Ok(()));
        (trunk, driver, far.unwrap())
    }

    fn take(&self) -> Option<Place> {
        self.shelf.take(Instant::now()).map(|(place, _)| place)
    }
}

fn run(test: impl Future<Output = ()>) {
    let mut builder = Builder::new_current_thread();
    let local = builder.enable_all().build_local(LocalOptions::default());
    local.unwrap().block_on(test);
}

fn outcome(waiter: &Waiter) -> Option<Outcome> {
    ended(waiter).map(|ended| ended.outcome)
}

fn ended(waiter: &Waiter) -> Option<Ended> {
    match waiter.poll(&Context::from_waker(Waker::noop())) {
        Poll::Ready(ended) => Some(ended),
        Poll::Pending => None,
    }
}

/// Which of those that wait are asked to have a connection made, as far as they have not seen to it.
fn asked(waiters: &[Waiter]) -> Vec<usize> {
    let all = waiters.iter().enumerate();
    all.filter(|(_, one)| one.is_asked())
        .map(|(n, _)| n)
        .collect()
}

#[test]
fn there_are_as_many_places_as_the_endpoint_and_we_allow() {
    run(async {
        for (theirs, most) in [(1, 1), (3, 3), (1_000, 100)] {
            let bench = Bench::new(1);
            let connecting = bench.shelf.connect(bench.rules);
            let (trunk, _driver, _far) = bench.trunk(theirs).await;
            connecting.brought(&trunk);
            let places: Vec<_> = std::iter::from_fn(|| bench.take()).collect();
            assert_eq!(places.len(), most);
        }
    });
}

#[test]
fn places_go_to_those_that_wait_in_their_order() {
    run(async {
        let bench = Bench::new(1);
        let connecting = bench.shelf.connect(bench.rules);
        let waiters: Vec<_> = (0..3).map(|_| bench.shelf.wait()).collect();
        let (trunk, _driver, _far) = bench.trunk(1).await;
        connecting.brought(&trunk);
        let Some(Outcome::Place(first)) = outcome(&waiters[0]) else {
            panic!("the first one has the place");
        };
        assert!(bench.take().is_none() && outcome(&waiters[1]).is_none());
        drop(first);
        // The second one leaves without having taken what is there for it.
        let mut waiters = waiters.into_iter().skip(1);
        drop(waiters.next());
        let last = waiters.next().unwrap();
        assert!(matches!(outcome(&last), Some(Outcome::Place(_))));
        assert!(bench.take().is_some(), "nobody has it");
    });
}

#[test]
fn one_connect_is_enough_until_more_wait_than_it_will_serve() {
    run(async {
        let mut bench = Bench::new(2);
        bench.rules.max_concurrent_streams = 3;
        assert!(bench.shelf.wants_connection(&bench.rules));
        let first = bench.shelf.connect(bench.rules);
        let mut waiters = Vec::new();
        for _ in 0..3 {
            assert!(!bench.shelf.wants_connection(&bench.rules));
            waiters.push(bench.shelf.wait());
        }
        assert!(bench.shelf.wants_connection(&bench.rules));
        let second = bench.shelf.connect(bench.rules);
        waiters.extend((0..4).map(|_| bench.shelf.wait()));
        assert!(
            !bench.shelf.wants_connection(&bench.rules),
            "two, and no more"
        );
        first.failed(Fault::ConnectRefused);
        assert!(
            waiters.iter().all(|one| outcome(one).is_none()),
            "there is hope"
        );
        second.failed(Fault::ConnectTimeout);
        for waiter in &waiters {
            let outcome = outcome(waiter);
            assert!(matches!(
                outcome,
                Some(Outcome::Failed(Fault::ConnectTimeout))
            ));
        }
    });
}

#[test]
fn when_the_endpoint_allows_fewer_than_was_hoped_for_as_many_connect_as_it_takes() {
    run(async {
        let bench = Bench::new(3);
        let connecting = bench.shelf.connect(bench.rules);
        let waiters: Vec<_> = (0..6).map(|_| bench.shelf.wait()).collect();
        let (trunk, _driver, _far) = bench.trunk(2).await;
        connecting.brought(&trunk);
        assert_eq!(asked(&waiters), [2, 3], "two for each, and three in all");
        assert!(
            !bench.shelf.wants_connection(&bench.rules),
            "they see to it"
        );
        for place in &waiters[..2] {
            assert!(matches!(outcome(place), Some(Outcome::Place(_))));
        }
    });
}

#[test]
fn a_connection_of_http_1_is_for_one() {
    run(async {
        let bench = Bench::new(1);
        let connecting = bench.shelf.connect(bench.rules);
        let waiters = [bench.shelf.wait(), bench.shelf.wait()];
        let (near, _far) = rig::pair();
        connecting.brought_h1(rig::channel(near, Side::Upstream, Incoming::Head));
        assert!(matches!(outcome(&waiters[0]), Some(Outcome::Own(_))));
        assert!(matches!(outcome(&waiters[1]), Some(Outcome::Again)));
        assert!(bench.shelf.speaks_h1());
    });
}

#[test]
fn a_handshake_is_told_to_those_that_its_connect_serves_and_to_nobody_else() {
    run(async {
        let bench = Bench::new(2);
        let (first, second) = (
            bench.shelf.connect(bench.rules),
            bench.shelf.connect(bench.rules),
        );
        let shook = Instant::now();
        first.shaking().set(Some(shook));
        let waiters: Vec<_> = (0..3).map(|_| bench.shelf.wait()).collect();
        assert_eq!(waiters[0].shaking(), Some(shook), "the second one is not");
        let (trunk, _driver, _far) = bench.trunk(1).await;
        first.brought(&trunk);
        let served = ended(&waiters[0]).unwrap();
        assert_eq!(served.shaking, Some(shook));
        // A stream that became free while the second is in its handshake.
        second.shaking().set(Some(shook + Duration::from_millis(1)));
        drop(served);
        let freed = ended(&waiters[1]).unwrap();
        assert!(matches!(freed.outcome, Outcome::Place(_)));
        assert_eq!(freed.shaking, None);
        let (near, _far) = rig::pair();
        second.brought_h1(rig::channel(near, Side::Upstream, Incoming::Head));
        let own = ended(&waiters[2]).unwrap();
        assert_eq!(own.shaking, Some(shook + Duration::from_millis(1)));
    });
}

#[test]
fn a_connect_that_ends_without_a_word_is_a_mistake_of_ours() {
    let bench = Bench::new(1);
    let connecting = bench.shelf.connect(bench.rules);
    let waiter = bench.shelf.wait();
    drop(connecting);
    let outcome = outcome(&waiter);
    assert!(matches!(outcome, Some(Outcome::Failed(Fault::Internal))));
}

#[test]
fn what_is_idle_goes_and_what_runs_stays() {
    run(async {
        let bench = Bench::new(2);
        let (trunk, driver, mut far) = bench.trunk(1).await;
        bench.shelf.add(&trunk, &bench.rules);
        let driven = spawn_local(driver.run());
        let served = spawn_local(async move { while far.accept().await.is_some() {} });
        let place = bench.take().unwrap();
        let late = Instant::now() + Duration::from_mins(10);
        bench.trunks.sweep(late);
        assert_eq!((bench.trunks.idle(), bench.trunks.trim(1)), (0, 0));
        assert!(!bench.trunks.is_empty(), "a request runs");
        drop(place);
        assert_eq!(bench.trunks.idle(), 1);
        bench.trunks.sweep(Instant::now());
        assert_eq!(bench.trunks.idle(), 1, "it may wait for a minute");
        bench.trunks.sweep(late);
        assert!(bench.take().is_none());
        driven.await.unwrap();
        served.await.unwrap();
        assert!(bench.trunks.is_empty());
        assert_eq!(bench.endpoint.connections(), 0, "its place is given back");
    });
}

#[test]
fn an_endpoint_that_is_dialed_otherwise_gets_no_request_over_what_was_there() {
    run(async {
        let bench = Bench::new(2);
        let (trunk, _driver, _far) = bench.trunk(9).await;
        bench.shelf.add(&trunk, &bench.rules);
        let _runs = bench.take().unwrap();
        let other = bench.trunks.shelf(1, PLAIN + 7);
        assert!(other.take(Instant::now()).is_none());
        assert!(bench.take().is_none(), "what runs may end, and no more");
    });
}

#[test]
fn goaway_leaves_those_that_wait_in_their_places_and_has_the_first_connect() {
    run(async {
        let bench = Bench::new(1);
        let (trunk, driver, mut far) = bench.trunk(2).await;
        bench.shelf.add(&trunk, &bench.rules);
        spawn_local(driver.run());
        let _places = [bench.take(), bench.take()];
        let mut waiters: Vec<_> = (0..20).map(|_| bench.shelf.wait()).collect();
        far.graceful_shutdown();
        spawn_local(async move { while far.accept().await.is_some() {} });
        poll_fn(|cx| match waiters[0].poll(cx) {
            Poll::Pending if waiters[0].is_asked() => Poll::Ready(()),
            pending => pending.map(|_| panic!("it keeps its place")),
        })
        .await;
        assert_eq!(asked(&waiters), [0], "as many as there may be, and no more");
        // It leaves without having done it.
        drop(waiters.remove(0));
        assert_eq!(asked(&waiters), [0]);
        let (shelf, rules) = waiters[0].take_asked().unwrap();
        let connecting = shelf.connect(rules);
        assert!(asked(&waiters).is_empty());
        let (trunk, _driver, _far) = bench.trunk(2).await;
        connecting.brought(&trunk);
        // What becomes of a place that is given back here is not at stake.
        let served = [outcome(&waiters[0]), outcome(&waiters[1])];
        let has_place = |one: &Option<Outcome>| matches!(one, Some(Outcome::Place(_)));
        assert!(served.iter().all(has_place));
        assert!(waiters[2..].iter().all(|one| outcome(one).is_none()));
    });
}
