//! Probes by gRPC's health service: who gets traffic, and what the log says of who does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use evenkeel_testkit::{
    Authority, Evenkeel, Exchange, Folder, Length, Origin, Setup, Speech, TlsOrigin, eventually,
};

const PROBED: &str = "slow_start = \"off\"
probe.grpc = { service = \"shop.Orders\" }
probe.interval = \"100ms\"
probe.timeout = \"5s\"";

const SERVING: usize = 1;
const NOT_SERVING: usize = 2;

/// An origin that says its name, and of its health what it is told to.
struct Probed {
    origin: Origin,
    health: Arc<AtomicUsize>,
}

impl Probed {
    fn new(speech: &Speech, name: &'static str) -> Self {
        let health = Arc::new(AtomicUsize::new(SERVING));
        let told = Arc::clone(&health);
        let origin = speech.serve(move |exchange| {
            exchange.request();
            if exchange.head().start[1] == "/grpc.health.v1.Health/Check" {
                let health = told.load(Ordering::Relaxed);
                check(exchange, health);
            } else {
                let _ = exchange.respond(200, "", Length::Unknown)
                    && exchange.data(name)
                    && exchange.end();
            }
        });
        Self { origin, health }
    }
}

fn check(exchange: &mut Exchange<'_>, health: usize) {
    let health = u8::try_from(health).unwrap();
    // At the end of the test nobody may wait for it any more.
    let _ = exchange.respond(200, "content-type: application/grpc\r\n", Length::Unknown)
        && exchange.data([0, 0, 0, 0, 2, 8, health])
        && exchange.trailers("grpc-status: 0\r\n");
}

/// Who answers.
fn answers(proxy: &Evenkeel) -> Vec<String> {
    let mut client = proxy.client();
    let mut answers: Vec<_> = (0..4).map(|_| client.get("/").status(200).text()).collect();
    answers.sort();
    answers.dedup();
    answers
}

#[test]
fn who_does_not_serve_gets_no_requests_until_it_does() {
    let [a, b] = ["a", "b"].map(|name| Probed::new(&Speech::h2(), name));
    b.health.store(NOT_SERVING, Ordering::Relaxed);
    let proxy = Evenkeel::start(&Setup::to([&a.origin, &b.origin]).cluster(PROBED));
    assert_eq!(answers(&proxy), ["a"]);
    let line = proxy
        .log()
        .wait_for("down", |line| line.contains("endpoint down"));
    assert!(line.contains("NOT_SERVING"), "{line}");
    a.health.store(NOT_SERVING, Ordering::Relaxed);
    b.health.store(SERVING, Ordering::Relaxed);
    eventually("answers of b alone", || {
        (answers(&proxy) == ["b"]).then_some(())
    });
    let probe = a.origin.requests().into_iter().next().unwrap();
    assert_eq!(probe.body, b"\0\0\0\0\x0d\x0a\x0bshop.Orders");
    assert_eq!(probe.field("te").as_deref(), Some("trailers"));
}

#[test]
fn a_probe_goes_through_the_cluster_s_tls() {
    let authority = Authority::new();
    let leaf = authority.certify(&["127.0.0.1"]);
    let speech = Speech::h2().over(&TlsOrigin::with(&leaf));
    let a = Probed::new(&speech, "a");
    let folder = Folder::new();
    let ca = authority.write(&folder, "ca");
    let tls = format!("tls = {{ ca = \"{}\" }}", ca.display());
    let proxy = Evenkeel::start(&Setup::to([&a.origin]).cluster(PROBED).cluster(&tls));
    assert_eq!(answers(&proxy), ["a"]);
    a.health.store(NOT_SERVING, Ordering::Relaxed);
    let line = proxy
        .log()
        .wait_for("down", |line| line.contains("endpoint down"));
    assert!(line.contains("NOT_SERVING"), "{line}");
}

#[test]
fn one_that_speaks_only_http1_is_down_and_the_log_says_why() {
    let origin = Origin::saying("x");
    let proxy = Evenkeel::start(&Setup::to([&origin]).cluster(PROBED));
    let line = proxy
        .log()
        .wait_for("down", |line| line.contains("endpoint down"));
    assert!(
        line.contains("HTTP/2 failed") || line.contains("before the answer of its health service"),
        "{line}"
    );
}
