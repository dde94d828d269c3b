//! Who gets the next request.

use std::collections::BTreeMap;

use evenkeel_testkit::{Evenkeel, Gate, Origin, Reply, Setup};

fn named() -> [Origin; 3] {
    ["1", "2", "3"].map(Origin::saying)
}

#[test]
fn round_robin_is_strict_whatever_the_number_of_workers() {
    for workers in [1, 2, 4] {
        let origins = named();
        let proxy = Evenkeel::start(&Setup::to(&origins).top(&format!("workers = {workers}")));
        let order: String = (0..12)
            .map(|_| proxy.client().get("/").status(200).text())
            .collect();
        assert_eq!(order, "123123123123", "with {workers} workers");
    }
}

#[test]
fn weights_are_shares_and_spread_smoothly() {
    let origins = named();
    let [a, b, c] = origins.each_ref().map(Origin::address);
    let endpoints = format!(
        "endpoints = [{{ address = {a:?}, weight = 3 }}, {b:?}, {{ address = {c:?}, weight = 2 }}]"
    );
    let setup = Setup::to_addresses(Vec::<String>::new()).cluster(&endpoints);
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    let order: String = (0..12)
        .map(|_| client.get("/").status(200).text())
        .collect();
    for round in [&order[..6], &order[6..]] {
        let count = |name| round.matches(name).count();
        assert_eq!((count("1"), count("2"), count("3")), (3, 1, 2), "{order}");
        assert!(!round.contains("111"), "{order}");
    }
}

#[test]
fn least_request_avoids_the_endpoint_that_is_busy() {
    let gate = Gate::new();
    let busy = Origin::http({
        let gate = gate.clone();
        move |_| {
            gate.wait();
            Reply::ok("busy")
        }
    });
    let free = Origin::saying("free");
    let setup = Setup::to([&busy, &free]).cluster("balancer = \"least-request\"");
    let proxy = Evenkeel::start(&setup);
    // Until the busy one has one: from then on the other has less to do, always.
    let mut waiting = Vec::new();
    while busy.connections() == 0 {
        let mut client = proxy.client();
        client.send_request("GET", "/", "", "");
        waiting.push(client);
        evenkeel_testkit::eventually("the request at an endpoint", || {
            (busy.connections() + free.requests().len() >= waiting.len()).then_some(())
        });
    }
    // On one connection, where an exchange is counted out before the next one begins.
    let mut client = proxy.client();
    for _ in 0..20 {
        client.get("/").status(200).body("free");
    }
    gate.open();
    for mut client in waiting {
        client.response("GET").status(200);
    }
}

#[test]
fn random_uses_every_endpoint() {
    let origins = named();
    let proxy = Evenkeel::start(&Setup::to(&origins).cluster("balancer = \"random\""));
    let mut client = proxy.client();
    let mut counts = BTreeMap::new();
    for _ in 0..300 {
        *counts
            .entry(client.get("/").status(200).text())
            .or_insert(0) += 1;
    }
    // With a third each, fewer than 40 of 300 happens once in 10^13 runs.
    assert!(
        counts.len() == 3 && counts.values().all(|&count| count >= 40),
        "{counts:?}"
    );
}
