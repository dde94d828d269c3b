//! Connections that serve more than one exchange, and those that must not.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use evenkeel_testkit::origin::answering;
use evenkeel_testkit::{Evenkeel, Origin, Reply, Setup, eventually};

#[test]
fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::http(|request| Reply::ok(request.target()));
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    for number in [2, 10, 1000] {
        let mut requests = String::new();
        for i in 0..number {
            write!(requests, "GET /{i} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        }
        let mut client = proxy.client();
        client.send(requests);
        for i in 0..number {
            client.response("GET").status(200).body(format!("/{i}"));
        }
    }
}

#[test]
fn pipelined_bodies_stay_with_their_requests() {
    let origin =
        Origin::http(|request| Reply::ok(format!("{} {}", request.target(), request.text())));
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send(
        "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\noneGET /2 HTTP/1.1\r\nHost: a\r\n\r\n\
         POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nthree\r\n0\r\n\r\n\
         HEAD /4 HTTP/1.1\r\nHost: a\r\n\r\nGET /5 HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    client.response("POST").body("/1 one");
    client.response("GET").body("/2 ");
    client.response("POST").body("/3 three");
    client.response("HEAD").status(200);
    client.response("GET").body("/5 ");
}

#[test]
fn a_malformed_request_after_good_ones_is_refused_after_their_answers() {
    let origin = Origin::http(|request| Reply::ok(request.target()));
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send(
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n\
         GET /3 HTTP/1.1\r\nHost : a\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    client.response("GET").body("/1");
    client.response("GET").body("/2");
    client
        .response("GET")
        .status(400)
        .header("connection", "close")
        .fault("request-malformed");
    client.expect_closed();
    assert_eq!(origin.requests().len(), 2);
}

#[test]
fn connection_close_is_heeded_and_said() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    for option in ["close", "Close", "foo, close", "close, TE"] {
        let mut client = proxy.client();
        client
            .get_with("/", &format!("Connection: {option}\r\n"))
            .status(200)
            .header("connection", "close")
            .body("ok");
        client.expect_closed();
    }
    // It was the client's connection that was to be closed, not the origin's.
    assert!(
        origin
            .requests()
            .iter()
            .all(|request| request.field("connection").is_none())
    );
}

#[test]
fn connections_to_an_endpoint_are_used_again_by_other_clients() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("workers = 1"));
    for _ in 0..5 {
        proxy.client().get("/").status(200).body("ok");
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_connection_that_the_origin_wants_closed_is_not_used_again() {
    let origin = Origin::http(|request| match request.target() {
        "/close" => Reply::ok("ok").header("Connection", "close"),
        _ => Reply::raw("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("workers = 1"));
    let mut client = proxy.client();
    for target in ["/close", "/1.0", "/close", "/1.0"] {
        client
            .get(target)
            .status(200)
            .without("connection")
            .body("ok");
    }
    assert_eq!(origin.connections(), 4);
    origin.wait_open(0);
}

#[test]
fn an_http_1_0_origin_that_keeps_its_connection_is_taken_at_its_word() {
    let origin = Origin::http(|_| {
        Reply::raw("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("workers = 1"));
    let mut client = proxy.client();
    client.get("/").status(200).body("ok");
    client.get("/").status(200).body("ok");
    assert_eq!(origin.connections(), 1);
}

#[test]
fn an_idle_connection_that_the_origin_has_closed_is_not_used() {
    let origin = Origin::http(|_| Reply::ok("ok").then_close());
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("workers = 1"));
    let mut client = proxy.client();
    for i in 1..=5 {
        client.post("/", "once").status(200).body("ok");
        origin.wait_open(0);
        assert_eq!(origin.connections(), i);
    }
    assert_eq!(origin.requests().len(), 5);
}

/// Answers the first request of each connection and closes it when the second has come.
fn closing_under_the_second() -> Origin {
    Origin::script(|conn| {
        if let Some(request) = conn.request() {
            conn.reply(&request, &Reply::ok("ok"));
            conn.request();
        }
    })
}

#[test]
fn a_get_that_meets_the_close_of_a_used_connection_is_replayed() {
    let origin = closing_under_the_second();
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("workers = 1"));
    let mut client = proxy.client();
    for _ in 0..5 {
        client.get("/").status(200).body("ok");
    }
    assert_eq!(
        origin.requests().len(),
        9,
        "each but the first was sent twice"
    );
}

#[test]
fn a_post_is_never_sent_twice() {
    let origin = closing_under_the_second();
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("workers = 1"));
    let mut client = proxy.client();
    for i in 0..6 {
        let response = client.post(&format!("/{i}"), "once");
        assert!([200, 502].contains(&response.head.status()), "{response}");
    }
    let requests = origin.requests();
    let mut targets: Vec<&str> = requests.iter().map(|request| request.target()).collect();
    targets.dedup();
    assert_eq!(targets.len(), requests.len(), "{targets:?}");
}

#[test]
fn a_second_response_is_never_given_to_anybody() {
    let number = AtomicUsize::new(0);
    let origin = Origin::http(move |request| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let target = request.target();
        Reply::raw(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison{number}",
            target.len()
        ))
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("workers = 1"));
    let mut client = proxy.client();
    for i in 0..10 {
        let target = format!("/{i}");
        client.get(&target).status(200).body(&target);
    }
    assert_eq!(origin.connections(), 10);
}

#[test]
fn bytes_on_an_idle_connection_throw_it_away() {
    let poisoned = Arc::new(AtomicUsize::new(0));
    let origin = Origin::script({
        let poisoned = Arc::clone(&poisoned);
        move |conn| {
            if let Some(request) = conn.request() {
                conn.reply(&request, &Reply::ok("ok"));
                conn.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
                poisoned.fetch_add(1, Ordering::Release);
                conn.until_closed();
            }
        }
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("workers = 1"));
    for i in 1..=20 {
        proxy.client().get("/").status(200).body("ok");
        // What comes under the next request cannot be told from its response; what came before it can.
        eventually("the poison", || {
            (poisoned.load(Ordering::Acquire) == i).then_some(())
        });
    }
    assert_eq!(origin.connections(), 20);
}

#[test]
fn an_endpoint_that_was_restarted_costs_nobody_anything() {
    let origin = Origin::saying("before");
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("workers = 1"));
    let mut clients: Vec<_> = (0..8).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send_request("GET", "/", "", "");
    }
    for client in &mut clients {
        client.response("GET").body("before");
    }
    let origin = Origin::revive(origin.stop(), answering(|_| Reply::ok("after")));
    for client in &mut clients {
        client.get("/").status(200).body("after");
        client.post("/", "x").status(200).body("after");
    }
    assert_eq!(origin.requests().len(), 16);
}

#[test]
fn an_idle_client_is_sent_away_after_the_keepalive_timeout() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]).listener("keepalive_timeout = \"100ms\""));
    let mut client = proxy.client();
    client.get("/").status(200);
    client.expect_closed();
}

#[test]
fn a_leading_empty_line_is_skipped_once() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.response("GET").status(200);
    client.response("GET").status(200);
    client.send("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.response("GET").status(400);
    client.expect_closed();
}

#[test]
fn an_idle_connection_is_closed_before_the_endpoint_would_do_it() {
    let announcing = Origin::http(|_| Reply::ok("ok").header("Keep-Alive", "timeout=2"));
    let proxy = Evenkeel::start(&Setup::to([&announcing]).top("workers = 1"));
    proxy.client().get("/").status(200);
    // The default would keep it for 55 s, which is longer than a test waits.
    announcing.wait_open(0);
}

#[test]
fn an_idle_connection_is_kept_no_longer_than_configured() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]).cluster("keepalive_timeout = \"100ms\""));
    proxy.client().get("/").status(200);
    origin.wait_open(0);
}

#[test]
fn no_more_idle_connections_are_kept_than_configured() {
    let origin = Origin::saying("ok");
    let setup = Setup::to([&origin])
        .top("workers = 1")
        .cluster("max_idle_connections = 0");
    let proxy = Evenkeel::start(&setup);
    for i in 1..=3 {
        proxy.client().get("/").status(200);
        origin.wait_open(0);
        assert_eq!(origin.connections(), i);
    }
}
