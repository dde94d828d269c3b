//! Endpoints that are probed: who gets traffic, from when on, and what the log says of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evenkeel_testkit::origin::answering;
use evenkeel_testkit::{Evenkeel, Origin, Reply, Request, Setup, eventually};

/// Probes of `/healthz` in short intervals; who is well again gets its full share at once.
const PROBED: &str = "slow_start = \"off\"
probe.http.path = \"/healthz\"
probe.interval = \"100ms\"
probe.timeout = \"5s\"";

/// An origin that says its name, and answers probes by how it is.
struct Probed {
    origin: Origin,
    well: Arc<AtomicBool>,
}

impl Probed {
    fn new(name: &'static str, well: bool) -> Self {
        let well = Arc::new(AtomicBool::new(well));
        let origin = Origin::http({
            let well = Arc::clone(&well);
            move |request| match request.target() {
                "/healthz" if well.load(Ordering::Relaxed) => Reply::ok("well"),
                "/healthz" => Reply::new(500, "sick"),
                _ => Reply::ok(name),
            }
        });
        Self { origin, well }
    }

    fn set(&self, well: bool) {
        self.well.store(well, Ordering::Relaxed);
    }

    fn probes(&self) -> usize {
        let requests = self.origin.requests();
        requests.iter().filter(|request| is_probe(request)).count()
    }
}

fn is_probe(request: &Request) -> bool {
    request.target() == "/healthz"
}

fn setup<'a>(probed: impl IntoIterator<Item = &'a Probed>) -> Setup {
    Setup::to(probed.into_iter().map(|one| &one.origin)).cluster(PROBED)
}

/// Who answers so many requests.
fn answers(proxy: &Evenkeel, number: usize) -> Vec<String> {
    let mut client = proxy.client();
    (0..number)
        .map(|_| client.get("/").status(200).text())
        .collect()
}

fn wait_answered_by(proxy: &Evenkeel, names: &[&str]) {
    eventually(&format!("answers of {names:?} and of nobody else"), || {
        let answers = answers(proxy, 4);
        let all = names.iter().all(|name| answers.iter().any(|a| a == name));
        let only = answers.iter().all(|answer| names.contains(&&**answer));
        (all && only).then_some(())
    });
}

#[test]
fn the_first_probe_decides_at_start() {
    let (a, b) = (Probed::new("a", false), Probed::new("b", true));
    let proxy = Evenkeel::start(&setup([&a, &b]));
    assert_eq!(answers(&proxy, 10), ["b"; 10]);
    assert_eq!(
        a.origin.requests().iter().filter(|r| !is_probe(r)).count(),
        0
    );
    let line = proxy
        .log()
        .wait_for("down", |line| line.contains("endpoint down"));
    assert!(line.contains("status 500, expected 200-399"), "{line}");
    assert!(
        line.contains(&a.origin.address()) && line.contains("cluster=\"app\""),
        "{line}"
    );
}

#[test]
fn a_probe_says_who_asks_and_leaves_no_access_record() {
    let a = Probed::new("a", true);
    let proxy = Evenkeel::start(&setup([&a]));
    let probe = a.origin.wait_requests(1).remove(0);
    assert_eq!(probe.field("user-agent").as_deref(), Some("evenkeel-probe"));
    assert_eq!(probe.field("host"), Some(a.origin.address()));
    assert_eq!(probe.field("connection").as_deref(), Some("close"));
    assert!(proxy.log().records().is_empty());
}

#[test]
fn one_that_falls_ill_gets_no_traffic_until_it_has_risen() {
    let (a, b) = (Probed::new("a", true), Probed::new("b", true));
    let proxy = Evenkeel::start(&setup([&a, &b]));
    wait_answered_by(&proxy, &["a", "b"]);
    a.set(false);
    let line = proxy
        .log()
        .wait_for("down", |line| line.contains("endpoint down"));
    assert!(
        line.contains("from=\"up\"") && line.contains("results=3"),
        "{line}"
    );
    assert_eq!(answers(&proxy, 10), ["b"; 10]);
    let before = a.probes();
    a.set(true);
    let line = proxy
        .log()
        .wait_for("up", |line| line.contains("endpoint up: status 200"));
    assert!(line.contains("from=\"down\""), "{line}");
    assert!(a.probes() >= before + 2, "it takes two good results");
    wait_answered_by(&proxy, &["a", "b"]);
}

#[test]
fn one_that_was_gone_is_found_when_it_is_back_however_rarely_it_is_probed() {
    let a = Origin::saying("a");
    let b = Origin::saying("b");
    let setup = Setup::to([&a, &b]).cluster(
        "slow_start = \"off\"\nprobe.http = {}\nprobe.interval = \"100ms\"\nprobe.down_interval = \"1h\"\nprobe.rise = 1",
    );
    let proxy = Evenkeel::start(&setup);
    wait_answered_by(&proxy, &["a", "b"]);
    let dead = a.stop();
    let down = |line: &str| line.contains("endpoint down: connection refused");
    proxy.log().wait_for("down", down);
    assert_eq!(answers(&proxy, 10), ["b"; 10]);
    // Long enough down that a connect has failed: without one, that it accepts would be no news.
    let answer = answering(|_: &Request| Reply::ok("a"));
    let _a = Origin::revive(dead, answer);
    wait_answered_by(&proxy, &["a", "b"]);
}

#[test]
fn the_start_waits_for_the_first_results_but_not_longer_than_a_probe_may_take() {
    let silent = Origin::script(|conn| drop(conn.until_closed()));
    let b = Origin::saying("b");
    let setup = Setup::to([&silent, &b])
        .cluster("probe.http = {}\nprobe.timeout = \"1s\"\nprobe.interval = \"1h\"");
    let proxy = Evenkeel::start(&setup);
    assert_eq!(answers(&proxy, 10), ["b"; 10]);
    let lines = proxy.log().lines();
    let down = |line: &String| line.contains("endpoint down: no response within 1s");
    let (down, ready) = (
        lines.iter().position(down),
        lines.iter().position(|line| line == "ready"),
    );
    assert!(down.is_some() && down < ready, "{lines:?}");
}

#[test]
fn a_tcp_probe_connects_says_and_hears() {
    let redis = |answer: &'static str| {
        Origin::script(move |conn| {
            if conn.exactly(4) == b"PING" {
                conn.send(answer);
            } else {
                conn.send("HTTP/1.1 200 Fine\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        })
    };
    let (well, loading) = (redis("+PONG\r\n"), redis("-LOADING\r\n"));
    let setup = Setup::to([&loading, &well])
        .cluster("probe.tcp = { send = \"PING\\r\\n\", expect = \"+PONG\" }");
    let proxy = Evenkeel::start(&setup);
    let reason = "endpoint down: the first 10 bytes do not contain \\\"+PONG\\\"";
    let line = proxy
        .log()
        .wait_for("down", |line| line.contains("endpoint down"));
    let plain = reason.replace('\\', "");
    assert!(line.contains(reason) || line.contains(&plain), "{line}");
    assert!(line.contains(&loading.address()), "{line}");
}

#[test]
fn drain_takes_nothing_new_and_is_probed_maint_is_not_even_probed() {
    let [a, b, c] = ["a", "b", "c"].map(|name| Probed::new(name, true));
    let addresses = [&a, &b, &c].map(|one| one.origin.address());
    let endpoints = format!(
        "endpoints = [\"{}\", {{ address = \"{}\", admin = \"drain\" }}, {{ address = \"{}\", admin = \"maint\" }}]",
        addresses[0], addresses[1], addresses[2]
    );
    let setup = Setup::to_addresses([""; 0])
        .cluster(&endpoints)
        .cluster(PROBED);
    let proxy = Evenkeel::start(&setup);
    assert_eq!(answers(&proxy, 10), ["a"; 10]);
    b.origin.wait_requests(3);
    assert_eq!(b.probes(), b.origin.requests().len());
    assert_eq!(c.origin.requests(), []);
}

#[test]
fn when_all_are_down_all_are_used_and_the_log_says_so() {
    let (a, b) = (Probed::new("a", false), Probed::new("b", false));
    let proxy = Evenkeel::start(&setup([&a, &b]));
    let mut answered = answers(&proxy, 10);
    answered.sort_unstable();
    assert_eq!(answered, [["a"; 5], ["b"; 5]].concat());
    let line = proxy
        .log()
        .wait_for("panic", |line| line.contains("panic: "));
    assert!(line.contains("admitting=0 endpoints=2"), "{line}");
    b.set(true);
    let line = proxy
        .log()
        .wait_for("its end", |line| line.contains("panic over: "));
    assert!(line.contains("admitting=1 endpoints=2"), "{line}");
    wait_answered_by(&proxy, &["b"]);
    let panics = |line: &&String| line.contains("panic");
    let lines = proxy.log().lines();
    assert_eq!(lines.iter().filter(panics).count(), 2, "{lines:?}");
}
