//! What is shared of an endpoint, and how it ends.

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
}
