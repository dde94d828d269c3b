//! Interim responses (1xx) and `Expect: 100-continue`.

use evenkeel_testkit::{Evenkeel, Gate, Origin, Reply, Setup};

const EXPECTING: &str =
    "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";

#[test]
fn an_origin_that_says_continue_gets_the_body() {
    let origin = Origin::script(|conn| {
        let head = conn.head();
        assert_eq!(head.one("expect").as_deref(), Some("100-continue"));
        conn.send("HTTP/1.1 100 Continue\r\n\r\n");
        assert_eq!(conn.exactly(5), b"hello");
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        conn.until_closed();
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send(EXPECTING);
    assert_eq!(client.head().status(), 100);
    client.send("hello");
    client.response("POST").status(200).body("ok");
}

#[test]
fn an_origin_that_stays_silent_gets_the_body_all_the_same() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send(EXPECTING);
    assert_eq!(client.head().status(), 100);
    client.send("hello");
    client.response("POST").status(200).body("hello");
    assert_eq!(origin.request().text(), "hello");
}

#[test]
fn a_client_that_does_not_wait_is_served_too() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send(format!("{EXPECTING}hello"));
        client.response("POST").status(200).body("hello");
    }
    assert_eq!(origin.requests().len(), 2);
}

#[test]
fn a_final_answer_instead_of_continue_arrives_and_the_body_is_not_waited_for() {
    let origin = Origin::script(|conn| {
        conn.head();
        conn.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
        conn.until_closed();
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send(EXPECTING);
    client.response("POST").status(403).body("no");
    // Neither connection can be used again: nobody knows whether the body is coming.
    client.expect_closed();
    origin.wait_open(0);
}

#[test]
fn another_expectation_fails() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    for expect in ["x", "100-continue, y", "x 100-continue"] {
        let fields = format!("Expect: {expect}\r\nContent-Length: 0\r\n");
        proxy
            .client()
            .ask("POST", "/", &fields, "")
            .status(417)
            .fault("expectation-failed");
    }
    assert_eq!(origin.requests(), []);
}

#[test]
fn early_hints_arrive_before_the_response() {
    let seen = Gate::new();
    let origin = Origin::script({
        let seen = seen.clone();
        move |conn| {
            while conn.request().is_some() {
                conn.send("HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n");
                seen.wait();
                conn.send("HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            }
        }
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send_request("GET", "/", "", "");
    let hints = client.head();
    assert_eq!(hints.status(), 103);
    assert_eq!(hints.one("link").as_deref(), Some("</a>; rel=preload"));
    seen.open();
    let response = client.response("GET").status(200).body("ok");
    assert_eq!(response.interim.len(), 1);
    client.get("/").status(200).body("ok");
}

#[test]
fn a_client_of_http_1_0_gets_no_interim_response() {
    let origin = Origin::http(|_| {
        Reply::raw(
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        )
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let response = client.response("GET").status(200).body("ok");
    assert_eq!(response.interim, []);
}

#[test]
fn a_length_in_an_interim_response_means_nothing() {
    let origin = Origin::http(|_| {
        Reply::raw(
            "HTTP/1.1 103 Early Hints\r\nContent-Length: 500\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        )
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    for _ in 0..2 {
        let response = client.get("/").status(200).body("ok");
        assert!(
            response
                .interim
                .iter()
                .all(|head| head.one("content-length").is_none())
        );
    }
}

#[test]
fn endless_interim_responses_are_a_fault() {
    let origin = Origin::script(|conn| {
        conn.head();
        while conn.send("HTTP/1.1 102 Processing\r\n\r\n") {}
    });
    let setup = Setup::to([&origin]).cluster("retry = { attempts = 0 }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    client.send_request("GET", "/", "", "");
    let response = client.response("GET").status(502).fault("too-many-interim");
    assert!(response.interim.len() < 100, "{}", response.interim.len());
    origin.wait_open(0);
}
