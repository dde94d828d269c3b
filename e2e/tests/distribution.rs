//! How many of a few thousand requests each endpoint gets: every balancer keeps its stated bound, for the whole process, whatever the
//! number of workers.
//!
//! Endpoints have the weights 1, 2 and 3, so their parts are a sixth, a third and a half.

use std::thread;
use std::time::Duration;

use evenkeel_testkit::{Evenkeel, Gate, Origin, Reply, Setup, eventually};

const WORKERS: [usize; 3] = [1, 2, 4];
const WEIGHTS: [usize; 3] = [1, 2, 3];

/// A proxy before these origins, weighted, with this line for its balancer.
fn proxy(origins: &[Origin; 3], workers: usize, line: &str) -> Evenkeel {
    let endpoints = origins.iter().zip(WEIGHTS).map(|(origin, weight)| {
        let address = origin.address();
        // Ids are what is hashed: with the same ones, tables are the same in every run.
        format!("{{ address = {address:?}, id = \"e{weight}\", weight = {weight} }}")
    });
    let endpoints: Vec<String> = endpoints.collect();
    let setup = Setup::to_addresses(Vec::<String>::new())
        .top(&format!("workers = {workers}"))
        .cluster(&format!("endpoints = [{}]\n{line}", endpoints.join(", ")));
    Evenkeel::start(&setup)
}

/// So many clients, each with a connection of its own, ask so often at once, each time with another key.
fn ask(proxy: &Evenkeel, clients: usize, times: usize) {
    thread::scope(|scope| {
        for number in 0..clients {
            let mut client = proxy.client();
            scope.spawn(move || {
                for time in 0..times {
                    let key = format!("X-Key: {number}-{time}\r\n");
                    client.get_with("/", &key).status(200);
                }
            });
        }
    });
}

/// How many requests each origin had.
fn counts(origins: &[Origin; 3]) -> [usize; 3] {
    origins.each_ref().map(|origin| origin.requests().len())
}

/// What each endpoint got of 2,400 requests over 8 connections at once, with each number of workers.
fn of_2_400(line: &str, check: impl Fn([usize; 3], &str)) {
    for workers in WORKERS {
        let origins = WEIGHTS.map(|weight| Origin::saying(&weight.to_string()));
        let proxy = proxy(&origins, workers, line);
        ask(&proxy, 8, 300);
        let counts = counts(&origins);
        check(counts, &format!("{line}, {workers} workers: {counts:?}"));
    }
}

/// Each part is its weight's, but for six deviations of chance (once in 500 million) and `uneven` of it.
fn by_weight(uneven: f64) -> impl Fn([usize; 3], &str) {
    move |counts, found| {
        for (count, weight) in counts.into_iter().zip(WEIGHTS) {
            let part = weight as f64 / 6.0;
            let (mean, deviation) = (2_400.0 * part, (2_400.0 * part * (1.0 - part)).sqrt());
            let off = (count as f64 - mean).abs();
            assert!(off <= 6.0 * deviation + uneven * mean, "{found}");
        }
    }
}

#[test]
fn round_robin_gives_everybody_exactly_its_weight_however_many_ask_at_once() {
    of_2_400("balancer = \"round-robin\"", |counts, found| {
        assert_eq!(counts, [400, 800, 1_200], "{found}");
    });
}

#[test]
fn chance_gives_everybody_its_weight_in_the_mean() {
    of_2_400("balancer = \"random\"", by_weight(0.0));
}

#[test]
fn what_endpoints_do_not_report_changes_no_weight() {
    of_2_400("balancer = \"reported-load\"", by_weight(0.0));
}

#[test]
fn keys_are_spread_by_weight() {
    // Maglev's parts are within 1 %, those of rendezvous within what its logarithm is off, a ring's within 3 times 8 %.
    for (kind, uneven) in [("maglev", 0.01), ("rendezvous", 0.01), ("ring-hash", 0.24)] {
        let line = format!("balancer = {{ kind = \"{kind}\", key = \"header:x-key\" }}");
        of_2_400(&line, by_weight(uneven));
    }
}

/// What each endpoint got of 1,200 requests, of which 24 are in flight at all times and each takes its endpoint 10 ms.
fn under_load(line: &str, check: impl Fn([usize; 3], &str)) {
    for workers in WORKERS {
        let origins = WEIGHTS.map(|_| {
            Origin::http(|_| {
                thread::park_timeout(Duration::from_millis(10));
                Reply::ok("done")
            })
        });
        let proxy = proxy(&origins, workers, line);
        ask(&proxy, 24, 50);
        let counts = counts(&origins);
        check(counts, &format!("{line}, {workers} workers: {counts:?}"));
    }
}

/// Parts are those of the weights, but for so much of each.
fn within(uneven: f64) -> impl Fn([usize; 3], &str) {
    move |counts, found| {
        for (count, weight) in counts.into_iter().zip(WEIGHTS) {
            let mean = 200.0 * weight as f64;
            assert!((count as f64 - mean).abs() <= uneven * mean, "{found}");
        }
    }
}

// least-time and prequal state no parts: they go by latency, and where endpoints are equally fast, by what little they differ.

#[test]
fn the_least_of_all_is_even_by_weight_when_all_are_busy() {
    // Requests in flight per weight differ by one at most: by a quarter of what the lightest has. Mostly it is 1 %.
    within_under_load(
        "balancer = { kind = \"least-request\", choices = \"all\" }",
        0.25,
    );
    within_under_load("balancer = \"least-connections\"", 0.25);
}

#[test]
fn the_less_of_two_is_even_by_weight_when_all_are_busy() {
    // Of two random ones: the least of all is not always among them.
    within_under_load("balancer = \"least-request\"", 0.3);
    // Where it goes by latency, so does a machine that holds up one endpoint longer than another: all are used.
    under_load("balancer = \"peak-ewma\"", within(0.8));
}

fn within_under_load(line: &str, uneven: f64) {
    under_load(line, within(uneven));
}

#[test]
fn the_first_endpoint_is_filled_before_the_next_gets_anything() {
    for workers in WORKERS {
        let gate = Gate::new();
        let origins = WEIGHTS.map(|_| {
            let gate = gate.clone();
            Origin::http(move |_| {
                gate.wait();
                Reply::ok("done")
            })
        });
        let line = "balancer = \"first-available\"\nlimits.endpoint_requests = 4";
        let proxy = proxy(&origins, workers, line);
        let mut clients: Vec<_> = (0..10).map(|_| proxy.client()).collect();
        for client in &mut clients {
            client.send_request("GET", "/", "", "");
        }
        eventually("ten requests at the endpoints", || {
            let in_flight = origins.each_ref().map(Origin::connections);
            (in_flight.iter().sum::<usize>() == 10).then_some(in_flight)
        });
        assert_eq!(origins.each_ref().map(Origin::connections), [4, 4, 2]);
        gate.open();
        for client in &mut clients {
            client.response("GET").status(200);
        }
    }
}
