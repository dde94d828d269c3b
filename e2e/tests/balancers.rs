//! Balancers that go by more than turns and requests in flight: by what a request is told apart by, and by what was measured of
//! endpoints or reported by them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use evenkeel_testkit::{Client, Evenkeel, Gate, Origin, Reply, Setup, eventually};

use crate::places::Busy;

/// How many keys are tried.
const KEYS: usize = 24;

fn named() -> [Origin; 5] {
    ["1", "2", "3", "4", "5"].map(Origin::saying)
}

/// The endpoints of these origins, with ids: these are what is hashed, for the ports are others in every run.
fn with_ids<'a>(origins: impl IntoIterator<Item = &'a Origin>) -> String {
    let endpoint = |(origin, number): (&Origin, u32)| {
        format!("{{ address = {:?}, id = \"e{number}\" }}", origin.address())
    };
    let endpoints: Vec<String> = origins.into_iter().zip(1..).map(endpoint).collect();
    format!("endpoints = [{}]", endpoints.join(", "))
}

/// A cluster of these origins that hashes by this.
fn hashing<'a>(
    origins: impl IntoIterator<Item = &'a Origin>,
    workers: usize,
    balancer: &str,
) -> Evenkeel {
    let endpoints = with_ids(origins);
    let setup = Setup::to_addresses(Vec::<String>::new())
        .top(&format!("workers = {workers}"))
        .cluster(&format!("{endpoints}\nbalancer = {{ {balancer} }}"));
    Evenkeel::start(&setup)
}

/// Who answers the request below `path` that has key number `key` in that place, over a connection of its own.
fn ask(proxy: &Evenkeel, path: &str, place: &str, key: usize) -> String {
    let (target, fields) = match place {
        "client" => ("/".into(), format!("X-Forwarded-For: 10.1.2.{key}\r\n")),
        "header:x-user" => ("/".into(), format!("X-User: u{key}\r\n")),
        "cookie:user" => ("/".into(), format!("Cookie: a=b; user=u{key}\r\n")),
        "query:user" => (format!("/?x=1&user=u{key}"), String::new()),
        _ => (format!("/u/{key}"), String::new()),
    };
    let mut client = proxy.client();
    let response = client.get_with(&format!("{path}{target}"), &fields);
    response.status(200).text()
}

/// The endpoint of every key.
fn map(proxy: &Evenkeel, path: &str, place: &str) -> Vec<String> {
    (0..KEYS).map(|key| ask(proxy, path, place, key)).collect()
}

/// Balancers, and the places of their keys.
const HASHES: [(&str, &str); 7] = [
    ("maglev", "client"),
    ("maglev", "header:x-user"),
    ("maglev", "cookie:user"),
    ("maglev", "query:user"),
    ("maglev", "path"),
    ("ring-hash", "header:x-user"),
    ("rendezvous", "header:x-user"),
];

#[test]
fn a_key_has_one_endpoint_whatever_the_worker_the_process_and_the_number_of_workers() {
    let mut maps: Vec<BTreeMap<usize, Vec<String>>> = Vec::new();
    for workers in [1, 2, 4] {
        let origins = named();
        // Behind a proxy that is believed who its clients are.
        let mut setup = Setup::to(&origins)
            .top(&format!("workers = {workers}"))
            .listener("trusted_proxies = [\"127.0.0.1\"]");
        for (at, (kind, key)) in HASHES.into_iter().enumerate() {
            let endpoints = with_ids(&origins);
            setup = setup
                .add_route(&format!("path = \"/{at}\"\ncluster = \"hash{at}\""))
                .sections(&format!(
                    "[cluster.hash{at}]\n{endpoints}\nbalancer = {{ kind = \"{kind}\", key = \"{key}\" }}\n"
                ));
        }
        let proxy = Evenkeel::start(&setup);
        for _ in 0..2 {
            let map = |at: usize| map(&proxy, &format!("/{at}"), HASHES[at].1);
            maps.push((0..HASHES.len()).map(|at| (at, map(at))).collect());
        }
    }
    assert!(maps.iter().all(|map| *map == maps[0]), "{maps:?}");
    for (at, map) in &maps[0] {
        let used: BTreeSet<&String> = map.iter().collect();
        assert!(used.len() >= 3, "{:?}: {map:?}", HASHES[*at]);
    }
}

#[test]
fn a_key_of_several_parts_is_told_apart_by_each_of_them() {
    let origins = named();
    let proxy = hashing(
        &origins,
        1,
        "kind = \"maglev\", key = [\"header:x-user\", \"path\"]",
    );
    let mut client = proxy.client();
    let mut ask = |user: usize, path: usize| {
        let fields = format!("X-User: {user}\r\n");
        client.get_with(&format!("/{path}"), &fields).text()
    };
    let by_path: Vec<String> = (0..KEYS).map(|path| ask(1, path)).collect();
    let by_user: Vec<String> = (0..KEYS).map(|user| ask(user, 1)).collect();
    let is_several = |all: &[String]| all.iter().any(|one| *one != all[0]);
    assert!(is_several(&by_path) && is_several(&by_user));
    let again: Vec<String> = (0..KEYS).map(|path| ask(1, path)).collect();
    assert_eq!(by_path, again);
}

#[test]
fn requests_without_a_key_go_anywhere() {
    let origins = named();
    let proxy = hashing(&origins, 1, "kind = \"maglev\", key = \"cookie:user\"");
    let mut client = proxy.client();
    let all: Vec<String> = (0..100).map(|_| client.get("/").text()).collect();
    assert!(all.iter().any(|one| *one != all[0]), "{all:?}");
}

#[test]
fn the_keys_of_a_dead_endpoint_go_elsewhere_and_all_others_stay() {
    for kind in ["maglev", "ring-hash", "rendezvous"] {
        let mut origins: Vec<Origin> = named().into();
        let place = "header:x-user";
        let balancer = format!("kind = \"{kind}\", key = \"{place}\"");
        let proxy = hashing(&origins, 1, &balancer);
        let before = map(&proxy, "", place);
        let gone = before[0].clone();
        let dead = origins.remove(gone.parse::<usize>().unwrap() - 1).stop();
        // Whether it is ejected by then or another attempt is made.
        let after = map(&proxy, "", place);
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(*before != gone, before == after, "{kind}");
        }
        drop(dead);
    }
}

#[test]
fn a_hot_key_fills_no_endpoint_beyond_its_bound() {
    for workers in [1, 4] {
        let gate = Gate::new();
        let busy: Vec<Busy> = (0..4).map(|_| Busy::new(&gate)).collect();
        let origins = busy.iter().map(|one| &one.origin);
        let balancer = "kind = \"maglev\", key = \"path\", bound = 1.25";
        let proxy = hashing(origins, workers, balancer);
        let seen = || busy.iter().map(|one| one.origin.requests().len());
        let mut clients = Vec::new();
        for number in 1..=20 {
            let mut client = proxy.client();
            client.send_request("GET", "/hot", "", "");
            clients.push(client);
            eventually("the request at an endpoint", || {
                (seen().sum::<usize>() == number).then_some(())
            });
            let most = (number * 5).div_ceil(16);
            let all: Vec<usize> = seen().collect();
            assert!(all.iter().all(|one| *one <= most), "{all:?} of {number}");
        }
        gate.open();
        for client in &mut clients {
            client.response("GET").status(200);
        }
        // When nothing is in flight any more, which the clients know a moment earlier, the key has the endpoint that is its own.
        let mut client = clients.remove(0);
        eventually("the key at its own endpoint", || {
            let before: Vec<usize> = seen().collect();
            for _ in 0..10 {
                client.get("/hot").status(200);
            }
            let moved = seen().zip(before).filter(|(now, before)| now != before);
            (moved.count() == 1).then_some(())
        });
    }
}

/// How many of so many requests, one after the other, each origin has.
fn counts(client: &mut Client, number: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..number {
        *counts.entry(client.get("/").text()).or_default() += 1;
    }
    counts
}

#[test]
fn balancers_that_measure_latency_prefer_the_fast_endpoint() {
    for kind in ["peak-ewma", "least-time", "prequal"] {
        let fast = Origin::saying("fast");
        let slow = Origin::http(|_| {
            // Longer than a busy machine makes the fast one look.
            thread::park_timeout(Duration::from_millis(300));
            Reply::ok("slow")
        });
        let setup = Setup::to([&slow, &fast]).cluster(&format!("balancer = \"{kind}\""));
        let proxy = Evenkeel::start(&setup);
        let counts = counts(&mut proxy.client(), 60);
        assert!(counts["fast"] >= 48, "{kind}: {counts:?}");
    }
}

#[test]
fn an_endpoint_that_fails_fast_does_not_look_fast() {
    let kinds = ["peak-ewma", "least-time", "prequal"];
    for (kind, status) in kinds.iter().flat_map(|kind| [(kind, 503), (kind, 500)]) {
        let failing = Origin::http(move |_| Reply::new(status, "failing"));
        let good = Origin::http(|_| {
            thread::park_timeout(Duration::from_millis(3));
            Reply::ok("good")
        });
        let setup = Setup::to([&failing, &good])
            .cluster(&format!("balancer = \"{kind}\"\noutlier = \"off\""));
        let proxy = Evenkeel::start(&setup);
        let counts = counts(&mut proxy.client(), 100);
        assert!(counts["good"] >= 80, "{kind}, {status}: {counts:?}");
    }
}

#[test]
fn endpoints_that_cannot_be_connected_to_do_not_look_fast() {
    let dead = Origin::saying("dead");
    let good = Origin::http(|_| {
        thread::park_timeout(Duration::from_millis(3));
        Reply::ok("good")
    });
    let setup = Setup::to([&dead, &good]).cluster("balancer = \"least-time\"\noutlier = \"off\"");
    let proxy = Evenkeel::start(&setup);
    let dead = dead.stop();
    let mut client = proxy.client();
    assert_eq!(counts(&mut client, 50)["good"], 50);
    let attempts = proxy.records(50);
    let attempts = attempts.iter().filter(|record| record["attempts"] != 1);
    let tried_dead = attempts.count();
    assert!(tried_dead <= 10, "{tried_dead} of 50 began at the dead one");
    drop(dead);
}

#[test]
fn weights_follow_what_endpoints_report() {
    let reporting = |name: &'static str, used: &'static str| {
        Origin::http(move |_| {
            let report = format!("TEXT application_utilization={used}, rps_fractional=100");
            Reply::ok(name).header("endpoint-load-metrics", &report)
        })
    };
    let (light, heavy) = (reporting("light", "0.1"), reporting("heavy", "0.9"));
    let setup = Setup::to([&light, &heavy])
        .cluster("balancer = { kind = \"reported-load\", interval = \"100ms\" }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    // 9 to 1 from then on; by equal weights 80 of 100 come in one of a thousand million runs.
    eventually("weights by the reports", || {
        (counts(&mut client, 100)["light"] >= 80).then_some(())
    });
}

#[test]
fn hedging_does_not_hide_an_endpoint_that_has_become_slow() {
    let (is_slow, gate) = (Arc::new(AtomicBool::new(false)), Gate::new());
    // It is the quicker one, until it is not.
    let slow = Origin::http({
        let (is_slow, gate) = (Arc::clone(&is_slow), gate.clone());
        move |_| {
            if is_slow.load(Ordering::Relaxed) {
                gate.wait();
            }
            Reply::ok("slow")
        }
    });
    let steady = Origin::http(|_| {
        thread::park_timeout(Duration::from_millis(3));
        Reply::ok("steady")
    });
    let setup = Setup::to([&slow, &steady])
        .cluster("balancer = { kind = \"peak-ewma\", decay = \"500ms\" }")
        .route("retry = { hedge = { percentile = 90, min_delay = \"200ms\" } }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    // What is usual has to be learnt first: from the requests of some seconds.
    let (began, mut asked) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(3) {
        asked += counts(&mut client, 10).values().sum::<usize>();
    }
    is_slow.store(true, Ordering::Relaxed);
    // Counted in the text: reading thousands of records for each request would take longer than the slow one is waited for.
    let hedged = || {
        proxy
            .log()
            .stdout()
            .matches("\"why\":\"cancelled\"")
            .count()
    };
    eventually("a hedged request", || {
        client.get("/").status(200).body("steady");
        asked += 1;
        (hedged() > 0).then_some(())
    });
    let before = hedged();
    // Nobody has waited for the slow one to its end, and still it is known to have become slow.
    assert_eq!(counts(&mut client, 60)["steady"], 60);
    gate.open();
    let _ = proxy.records(asked + 60);
    let more = hedged() - before;
    assert!(more <= 15, "{more} of 60");
}
