//! Attempts: what is tried again, how often, where, how soon, and what of the request is sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use evenkeel_testkit::{Client, Conn, Evenkeel, Gate, Origin, Reply, Request, Setup, eventually};

/// An origin that takes whole requests and closes without a word.
fn silent() -> Origin {
    Origin::script(|conn| drop(conn.request()))
}

/// An origin that takes requests and says nothing for as long as it is asked.
fn frozen() -> Origin {
    Origin::script(|conn: &mut Conn| {
        conn.request();
        conn.until_closed();
    })
}

fn echoing() -> Origin {
    Origin::http(Reply::echo)
}

/// An origin whose first answers have this status, and then it echoes.
fn at_first(status: u16, times: usize, fields: &'static [(&str, &str)]) -> Origin {
    let seen = Arc::new(AtomicUsize::new(0));
    Origin::http(move |request: &Request| {
        if seen.fetch_add(1, Ordering::Relaxed) >= times {
            return Reply::echo(request);
        }
        fields
            .iter()
            .fold(Reply::new(status, "not now"), |reply, (name, value)| {
                reply.header(name, value)
            })
    })
}

#[test]
fn the_body_of_a_put_is_sent_again() {
    let (bad, good) = (silent(), echoing());
    let proxy = Evenkeel::start(&Setup::to([&bad, &good]));
    let mut client = proxy.client();
    for body in ["x", "hello you", &"y".repeat(60_000)] {
        let length = format!("Content-Length: {}\r\n", body.len());
        for _ in 0..2 {
            client.ask("PUT", "/", &length, body).status(200).body(body);
        }
        let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        let fields = "Transfer-Encoding: chunked\r\n";
        for _ in 0..2 {
            client
                .ask("PUT", "/", fields, &chunked)
                .status(200)
                .body(body);
        }
    }
    assert!(!bad.requests().is_empty(), "some had to be sent again");
}

#[test]
fn a_body_longer_than_is_kept_is_sent_once() {
    let bad = silent();
    let proxy = Evenkeel::start(&Setup::to([&bad]).route("retry = { replay_buffer = \"1KiB\" }"));
    let mut client = proxy.client();
    let body = "y".repeat(2_000);
    client
        .ask("PUT", "/", "Content-Length: 2000\r\n", &body)
        .status(502)
        .fault("endpoint-closed");
    let chunked = format!("7d0\r\n{body}\r\n0\r\n\r\n");
    client
        .ask("PUT", "/", "Transfer-Encoding: chunked\r\n", &chunked)
        .status(502);
    let attempts: Vec<_> = proxy
        .records(2)
        .iter()
        .map(|r| r["attempts"].clone())
        .collect();
    assert_eq!(attempts, [1, 1]);
}

#[test]
fn an_upload_goes_on_at_another_endpoint_where_it_broke_off() {
    let bad = Origin::script(|conn: &mut Conn| {
        conn.head();
        conn.exactly(5);
        conn.reset();
    });
    let good = echoing();
    let proxy = Evenkeel::start(&Setup::to([&bad, &good]));
    let mut client = proxy.client();
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    bad.wait_connections(1);
    bad.wait_open(0);
    good.wait_connections(1);
    client.send(" you!");
    client.response("PUT").status(200).body("hello you!");
}

#[test]
fn a_post_is_tried_again_where_the_route_allows_it() {
    let (bad, good) = (silent(), echoing());
    let proxy =
        Evenkeel::start(&Setup::to([&bad, &good]).route("retry = { non_idempotent = true }"));
    let mut client = proxy.client();
    for _ in 0..4 {
        client.post("/", "hello").status(200).body("hello");
    }
    assert!(!bad.requests().is_empty());
}

#[test]
fn a_status_is_tried_again_where_the_route_names_it() {
    let (bad, good) = (
        Origin::http(|_| Reply::new(503, "busy")),
        Origin::saying("ok"),
    );
    let setup = Setup::to([&bad, &good]).cluster("outlier = \"off\"");
    let proxy = Evenkeel::start(&setup.clone().route("retry = { statuses = [503] }"));
    let mut client = proxy.client();
    for _ in 0..6 {
        client.get("/").status(200).body("ok");
        let seen = client.post("/", "x").head.status();
        assert!([200, 503].contains(&seen), "a POST is sent once: {seen}");
    }
    let tried: Vec<_> = proxy
        .records(12)
        .iter()
        .filter_map(|r| r["tried"].get(0).cloned())
        .collect();
    assert!(tried.iter().all(|one| one["why"] == "503"), "{tried:?}");
    assert!(!tried.is_empty());
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    let seen: Vec<u16> = (0..4).map(|_| client.get("/").head.status()).collect();
    assert!(seen.contains(&503), "not by default: {seen:?}");
}

#[test]
fn when_attempts_are_used_up_the_endpoint_s_own_answer_is_passed_on() {
    let bad = Origin::http(|_| Reply::new(503, "busy").header("X-From", "endpoint"));
    let setup =
        Setup::to([&bad]).route("retry = { statuses = [503], attempts = 1, backoff = \"1ms\" }");
    let proxy = Evenkeel::start(&setup);
    proxy
        .client()
        .get("/")
        .status(503)
        .header("x-from", "endpoint")
        .without("proxy-status")
        .body("busy");
    assert_eq!(bad.requests().len(), 2);
    assert_eq!(proxy.record()["attempts"], 2);
}

#[test]
fn an_endpoint_is_left_alone_for_as_long_as_it_asks() {
    let origin = at_first(503, 1, &[("Retry-After", "1")]);
    let setup = Setup::to([&origin]).route("retry = { statuses = [503] }");
    let proxy = Evenkeel::start(&setup);
    let began = Instant::now();
    proxy.client().get("/").status(200);
    assert!(
        began.elapsed() >= Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(origin.requests().len(), 2);
}

#[test]
fn an_endpoint_that_asks_for_too_long_has_the_last_word() {
    let origin = at_first(503, 1, &[("Retry-After", "30")]);
    let setup = Setup::to([&origin]).route("retry = { statuses = [503] }");
    let proxy = Evenkeel::start(&setup);
    proxy
        .client()
        .get("/")
        .status(503)
        .header("retry-after", "30");
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn an_attempt_that_takes_too_long_is_left_for_another_endpoint() {
    let (slow, good) = (frozen(), Origin::saying("ok"));
    let setup = Setup::to([&slow, &good]).route("retry = { attempt_timeout = \"700ms\" }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    for _ in 0..3 {
        client.get("/").status(200).body("ok");
    }
    let records = proxy.records(3);
    let tried = |one: &serde_json::Value| one["tried"][0]["why"] == "attempt-timeout";
    assert!(records.iter().any(tried), "{records:?}");
    assert!(!slow.requests().is_empty());
}

#[test]
fn when_every_attempt_takes_too_long_it_is_a_504() {
    let slow = frozen();
    let setup = Setup::to([&slow]).route("retry = { attempt_timeout = \"50ms\", attempts = 1 }");
    let proxy = Evenkeel::start(&setup);
    proxy.client().get("/").status(504).fault("attempt-timeout");
    assert_eq!(slow.wait_requests(2).len(), 2);
}

#[test]
fn kinds_of_fault_that_the_route_does_not_name_are_not_tried_again() {
    let bad = silent();
    let setup = Setup::to([&bad]).route("retry = { on = [\"connect\", \"timeout\"] }");
    let proxy = Evenkeel::start(&setup);
    proxy.client().get("/").status(502).fault("endpoint-closed");
    assert_eq!(bad.requests().len(), 1);
}

#[test]
fn garbage_from_one_endpoint_is_asked_of_another() {
    let bad = Origin::script(|conn: &mut Conn| {
        conn.request();
        conn.send("SSH-2.0-OpenSSH_9.2\r\n\r\n");
        conn.until_closed();
    });
    let good = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&bad, &good]));
    let mut client = proxy.client();
    for _ in 0..4 {
        client.get("/").status(200).body("ok");
    }
    assert!(!bad.requests().is_empty());
}

#[test]
fn a_client_s_deadline_covers_all_attempts() {
    let slow = frozen();
    let setup = Setup::to([&slow])
        .route("deadline_header = \"X-Request-Timeout\"\nretry = { attempt_timeout = \"300ms\", attempts = 10 }");
    let proxy = Evenkeel::start(&setup);
    // Eleven attempts would each take too long; what ends this is the deadline.
    proxy
        .client()
        .get_with("/", "X-Request-Timeout: 1s\r\n")
        .status(504)
        .fault("total-timeout");
    assert!(slow.wait_requests(2).len() < 6);
}

#[test]
fn a_client_can_only_shorten_the_route_s_deadline() {
    let slow = frozen();
    let setup = Setup::to([&slow])
        .route("deadline_header = \"X-Request-Timeout\"\ntotal_timeout = \"100ms\"");
    let proxy = Evenkeel::start(&setup);
    proxy
        .client()
        .get_with("/", "X-Request-Timeout: 1h\r\n")
        .status(504)
        .fault("total-timeout");
}

#[test]
fn a_retry_goes_to_another_endpoint_without_a_pause() {
    let (bad, good) = (silent(), Origin::saying("ok"));
    let setup = Setup::to([&bad, &good])
        .route("retry = { backoff = \"1m\", backoff_max = \"1m\" }")
        .cluster("outlier = \"off\"");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    for _ in 0..10 {
        client.get("/").status(200).body("ok");
    }
    assert!(!bad.requests().is_empty());
}

#[test]
fn when_only_ejected_endpoints_are_left_a_retry_goes_there() {
    // Ejections last, and nobody looks whether they are right: `back` is tried because `bad` is the only other one.
    let lives = Arc::new(AtomicUsize::new(0));
    let back = Origin::http({
        let lives = Arc::clone(&lives);
        move |_| match lives.fetch_add(1, Ordering::Relaxed) {
            0..5 => Reply::new(503, "not yet"),
            _ => Reply::ok("back"),
        }
    });
    let switched = Arc::new(AtomicUsize::new(0));
    let bad = Origin::script({
        let switched = Arc::clone(&switched);
        move |conn: &mut Conn| {
            while let Some(request) = conn.request() {
                if switched.load(Ordering::Relaxed) > 0 {
                    return;
                }
                conn.reply(&request, &Reply::ok("bad"));
            }
        }
    });
    let setup = Setup::to([&back, &bad]).cluster("outlier = { base_ejection = \"1m\" }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    proxy_ejects(&mut client, &proxy);
    switched.store(1, Ordering::Relaxed);
    client.get("/").status(200).body("back");
}

/// Asks until an endpoint was ejected.
fn proxy_ejects(client: &mut Client, proxy: &Evenkeel) {
    eventually("an ejection", || {
        client.get("/");
        proxy.log().stderr().contains("ejected").then_some(())
    });
}

/// One endpoint answers when the gate opens, the other at once.
fn one_of_two_slow(gate: &Gate) -> (Origin, Origin) {
    let slow = Origin::script({
        let gate = gate.clone();
        move |conn: &mut Conn| {
            while let Some(request) = conn.request() {
                if request.target() == "/slow" {
                    gate.wait();
                }
                conn.reply(&request, &Reply::ok("one"));
            }
        }
    });
    (slow, Origin::saying("two"))
}

#[test]
fn a_hedge_answers_while_the_first_attempt_is_still_waited_for() {
    let gate = Gate::new();
    let (slow, fast) = one_of_two_slow(&gate);
    let setup = Setup::to([&slow, &fast])
        .route("retry = { hedge = { percentile = 90, min_delay = \"20ms\" } }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    // What is usual has to be learnt first: from the requests of some seconds.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        client.get("/").status(200);
    }
    // The rotation takes one of two to the slow endpoint first.
    client.get("/slow").status(200).body("two");
    client.get("/slow").status(200).body("two");
    slow.wait_requests(1);
    gate.open();
    let hedged = |one: &serde_json::Value| one["tried"][0]["why"] == "cancelled";
    eventually("the record of a hedged request", || {
        proxy.log().records().iter().any(hedged).then_some(())
    });
}
