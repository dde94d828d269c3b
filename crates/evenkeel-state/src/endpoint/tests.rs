//! What is shared of an endpoint, and how it ends.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};

use evenkeel_policy::outlier::Cause;

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
}

#[test]
fn of_a_limit_of_requests_in_flight_no_place_is_given_twice() {
    let endpoint = EndpointState::new(1, 1);
    assert_eq!(endpoint.limit(), u32::MAX);
    let free = endpoint.try_begin().unwrap();
    endpoint.set_limit(2);
    assert!(endpoint.has_room());
    let one = endpoint.try_begin().unwrap();
    assert!(!endpoint.has_room());
    assert!(endpoint.try_begin().is_none());
    let beyond = endpoint.begin();
    assert_eq!(endpoint.in_flight(), 3, "who must begin begins");
    drop((free, one));
    assert!(endpoint.has_room());
    endpoint.set_limit(0);
    assert!(!endpoint.has_room() && endpoint.try_begin().is_none());
    drop(beyond);
    assert!(endpoint.try_begin().is_none());
}

#[test]
fn connections_are_counted_up_to_their_limit() {
    let endpoint = EndpointState::new(1, 1);
    assert!(endpoint.try_connect(2) && endpoint.try_connect(2));
    assert!(!endpoint.try_connect(2));
    assert!(endpoint.try_connect(u32::MAX));
    endpoint.disconnected();
    endpoint.disconnected();
    assert_eq!(endpoint.connections(), 1);
    assert!(!endpoint.try_connect(0));
}

#[test]
fn probes_begin_with_what_is_known() {
    for (health, joins, expected) in [
        (Health::Waiting, None, Start::Process),
        (Health::Waiting, Some(Entry::Full), Start::Added),
        (Health::Unprobed, Some(Entry::Slow), Start::Process),
        (Health::Up, None, Start::Up),
        (Health::Down, Some(Entry::Slow), Start::Down),
    ] {
        let endpoint = EndpointState::of(1, 1, health, joins);
        assert_eq!(endpoint.probe_start(), expected);
    }
}

#[test]
fn the_clock_moves_ramp_and_trial() {
    let endpoint = EndpointState::of(1, 1, Health::Unprobed, Some(Entry::Slow));
    let (rules, window) = (OutlierRules::DEFAULT, Duration::from_secs(10));
    let tick = |now| {
        (
            endpoint.tick(&rules, window, now),
            endpoint.standing.share(),
        )
    };
    assert_eq!(tick(100), (None, 100));
    assert_eq!(tick(5_100), (None, 550));
    let (standing, outlier) = (&endpoint.standing, &endpoint.outlier);
    assert!(
        outlier
            .eject(standing, &rules, Cause::Status, 6_000)
            .is_some()
    );
    assert_eq!(tick(15_999), (None, 0));
    assert_eq!(tick(16_000), (Some(Event::Trial { by: None }), 50));
    let readmitted = Event::Readmitted { successes: 0 };
    assert_eq!(tick(26_000), (Some(readmitted), 100));
    assert_eq!(tick(36_000), (None, 1_000));
}

#[test]
fn a_reading_is_the_sum_over_the_workers() {
    let endpoint = EndpointState::new(1, 2);
    for worker in [0, 1, 1] {
        endpoint.counters(worker).response(200);
    }
    endpoint.counters(1).gateway_fault(Cause::Timeout);
    let expected = Reading {
        requests: 4,
        faults: 1,
        median_us: 7,
    };
    assert_eq!(endpoint.reading(7), expected);
    endpoint
        .counters(0)
        .latency()
        .record(Duration::from_millis(3));
    endpoint
        .counters(1)
        .latency()
        .record(Duration::from_millis(5));
    assert_eq!(endpoint.latencies().sum(), Duration::from_millis(8));
}

#[test]
fn what_a_pick_reads_lies_in_one_cache_line() {
    let endpoint = EndpointState::new(1, 1);
    let begin = std::ptr::from_ref(&endpoint).addr();
    let standing = std::ptr::from_ref(&endpoint.standing).addr();
    assert!(standing + size_of::<Standing>() - begin <= 64);
}
