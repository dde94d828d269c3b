//! Endpoints that are dead, close, reset, or talk nonsense.

use evenkeel_testkit::Broken;
use evenkeel_testkit::faults::{BlackHole, DeadAddress};
use evenkeel_testkit::{Conn, Evenkeel, Gate, Origin, Reply, Setup};

const NO_RETRY: &str = "retry = { attempts = 0 }";

#[test]
fn while_one_endpoint_lives_nobody_notices_the_dead_ones() {
    let origin = Origin::saying("alive");
    let dead = [DeadAddress::new(), DeadAddress::new()];
    let proxy = Evenkeel::start(&Setup::to_addresses([
        dead[0].address(),
        origin.address(),
        dead[1].address(),
    ]));
    let mut client = proxy.client();
    for _ in 0..6 {
        client.get("/").status(200).body("alive");
        client.post("/", "x").status(200).body("alive");
    }
    assert_eq!(origin.requests().len(), 12);
    let attempts: Vec<_> = proxy
        .records(12)
        .iter()
        .map(|record| record["attempts"].as_u64())
        .collect();
    assert!(attempts.contains(&Some(3)), "{attempts:?}");
}

#[test]
fn when_all_are_dead_the_reply_says_so() {
    let dead = [DeadAddress::new(), DeadAddress::new()];
    let proxy = Evenkeel::start(&Setup::to_addresses(dead.iter().map(DeadAddress::address)));
    let mut client = proxy.client();
    let response = client.get("/").status(502).fault("connect-refused");
    let proxy_status = response.field("proxy-status").unwrap();
    assert!(
        proxy_status.contains("error=connection_refused"),
        "{proxy_status}"
    );
    // It is an answer like any other: the connection goes on.
    client.get("/").status(502);
    assert_eq!(proxy.records(2)[0]["fault"], "connect-refused");
}

#[test]
fn proxy_status_can_be_switched_off() {
    let dead = DeadAddress::new();
    let proxy =
        Evenkeel::start(&Setup::to_addresses([dead.address()]).listener("proxy_status = false"));
    proxy.client().get("/").status(502).without("proxy-status");
    assert_eq!(proxy.record()["fault"], "connect-refused");
}

#[test]
fn an_endpoint_that_does_not_accept_is_left_for_another() {
    let (hole, origin) = (BlackHole::new(), Origin::saying("ok"));
    let setup = Setup::to_addresses([hole.address(), origin.address()])
        .cluster("connect_timeout = \"100ms\"");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    for _ in 0..4 {
        client.get("/").status(200).body("ok");
        client.post("/", "x").status(200).body("ok");
    }
}

#[test]
fn a_connect_timeout_is_a_504() {
    let hole = BlackHole::new();
    let setup = Setup::to_addresses([hole.address()]).cluster("connect_timeout = \"100ms\"");
    let proxy = Evenkeel::start(&setup);
    proxy.client().get("/").status(504).fault("connect-timeout");
}

#[test]
fn an_endpoint_that_closes_unasked_is_tried_again_for_a_get_only() {
    let origin = Origin::script(|conn| drop(conn.request()));
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.post("/", "x").status(502).fault("endpoint-closed");
    assert_eq!(origin.requests().len(), 1, "a POST is sent once");
    client.get("/").status(502).fault("endpoint-closed");
    assert_eq!(origin.requests().len(), 4, "a GET is sent 3 times");
    let records = proxy.records(2);
    assert_eq!(records[0]["attempts"], 1);
    assert_eq!(records[1]["attempts"], 3);
}

#[test]
fn what_one_endpoint_fails_at_another_may_do() {
    let bad = Origin::script(|conn| drop(conn.request()));
    let good = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&bad, &good]));
    let mut client = proxy.client();
    for _ in 0..4 {
        client.get("/").status(200).body("ok");
    }
    let records = proxy.records(4);
    assert!(
        records
            .iter()
            .all(|record| record["attempts"].as_u64() <= Some(2)),
        "{records:?}"
    );
    assert!(
        bad.requests().len() <= 4,
        "it is never tried twice while another is left"
    );
}

#[test]
fn a_reset_before_the_response_is_a_502() {
    let origin = Origin::script(|conn| {
        conn.request();
        conn.reset();
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]).cluster(NO_RETRY));
    let response = proxy.client().get("/").status(502);
    let proxy_status = response.field("proxy-status").unwrap();
    assert!(proxy_status.contains("endpoint-reset"), "{proxy_status}");
}

#[test]
fn a_half_response_head_is_a_502() {
    let origin = Origin::script(|conn| {
        conn.request();
        conn.send("HTTP/1.1 200 OK\r\nContent-Le");
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]).cluster(NO_RETRY));
    proxy.client().get("/").status(502);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn garbage_is_a_502_and_its_connection_is_thrown_away() {
    let origin = Origin::script(|conn| {
        conn.request();
        conn.send("SSH-2.0-OpenSSH_9.2\r\n\r\n");
        conn.until_closed();
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]).cluster(NO_RETRY));
    let mut client = proxy.client();
    client.get("/").status(502).fault("response-malformed");
    origin.wait_open(0);
    client.get("/").status(502).fault("response-malformed");
    assert_eq!(origin.connections(), 2);
}

#[test]
fn a_huge_response_head_is_a_502() {
    let origin = Origin::script(|conn| {
        conn.request();
        conn.send("HTTP/1.1 200 OK\r\n");
        while conn.send(format!("X: {}\r\n", "x".repeat(1000))) {}
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]).cluster(NO_RETRY));
    proxy
        .client()
        .get("/")
        .status(502)
        .fault("response-head-too-large");
    origin.wait_open(0);
}

/// A client must see that a response is cut: never a body that looks complete, nor a clean end of a close-delimited one.
fn assert_cut(response: &'static str, fault: &str, end: fn(&mut Conn)) {
    let gate = Gate::new();
    let origin = Origin::script({
        let gate = gate.clone();
        move |conn| {
            conn.request();
            conn.send(response);
            gate.wait();
            end(conn);
        }
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send_request("GET", "/", "", "");
    assert_eq!(client.head().status(), 200);
    gate.open();
    let mut body = Vec::new();
    let end = loop {
        match client.try_exactly(1) {
            Ok(byte) => body.extend(byte),
            Err(end) => break end,
        }
    };
    assert_ne!(end, Broken::Silent);
    let body = String::from_utf8_lossy(&body);
    assert!(
        !body.ends_with("0\r\n\r\n"),
        "{response:?} became whole: {body:?}"
    );
    assert!(body.contains("part"), "what came is passed on: {body:?}");
    let record = proxy.record();
    assert_eq!(record["status"], 200);
    assert_eq!(record["fault"], fault, "{record}");
}

#[test]
fn a_body_with_a_length_that_is_cut_shows_as_cut() {
    assert_cut(
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart",
        "response-cut",
        |_| {},
    );
}

#[test]
fn a_body_with_a_length_that_is_reset_shows_as_cut() {
    assert_cut(
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart",
        "response-cut",
        Conn::reset,
    );
}

#[test]
fn a_chunked_body_that_is_cut_shows_as_cut() {
    assert_cut(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
        "response-cut",
        |_| {},
    );
}

#[test]
fn a_chunked_body_that_is_cut_in_its_trailers_shows_as_cut() {
    assert_cut(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n0\r\nX: y\r\n",
        "response-cut",
        |_| {},
    );
}

#[test]
fn a_body_until_close_that_is_reset_shows_as_cut() {
    assert_cut("HTTP/1.1 200 OK\r\n\r\npart", "response-cut", Conn::reset);
}

#[test]
fn a_chunk_that_is_malformed_shows_as_cut() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart";
    assert_cut(head, "response-body-malformed", |conn| {
        conn.send("XX\r\n0\r\n\r\n");
        conn.until_closed();
    });
}

#[test]
fn a_body_that_is_malformed_from_the_start_is_a_502() {
    let origin = Origin::script(|conn| {
        conn.request();
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npartXX\r\n0\r\n\r\n");
        conn.until_closed();
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]).cluster(NO_RETRY));
    proxy
        .client()
        .get("/")
        .status(502)
        .fault("response-body-malformed");
    origin.wait_open(0);
}

#[test]
fn a_cut_response_to_an_http_1_0_client_is_no_clean_end() {
    let origin = Origin::script(|conn| {
        conn.request();
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n");
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    // Without a length only a reset tells that this was not all.
    let cut = client.cut_response("GET");
    assert_eq!(cut.why, Broken::Reset);
}

#[test]
fn the_retry_budget_bounds_the_attempts_of_all_requests() {
    let origin = Origin::script(|conn| drop(conn.request()));
    let setup = Setup::to([&origin])
        .cluster("retry = { attempts = 2, budget_ratio = 0.0, budget_burst = 3 }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    for _ in 0..5 {
        let response = client.get("/");
        assert!([502, 503].contains(&response.head.status()), "{response}");
    }
    assert_eq!(origin.requests().len(), 5 + 3);
}

#[test]
fn a_retry_budget_that_is_new_holds_with_the_reload() {
    let origin = Origin::script(|conn| drop(conn.request()));
    let setup = |budget: &str| {
        let retry = format!("retry = {{ attempts = 2, {budget} }}");
        Setup::to([&origin])
            .cluster(&retry)
            .cluster("outlier = \"off\"")
    };
    let mut proxy = Evenkeel::start(&setup("budget_ratio = 0.0, budget_burst = 0"));
    proxy.client().get("/");
    assert_eq!(
        origin.requests().len(),
        1,
        "nothing pays for a second attempt"
    );
    proxy.reload(&setup("budget_ratio = 0.0, budget_burst = 2").text());
    for _ in 0..3 {
        proxy.client().get("/");
    }
    assert_eq!(origin.requests().len(), 1 + 3 + 2);
}

#[test]
fn an_endpoint_of_weight_0_gets_nothing() {
    let (origin, drained) = (Origin::saying("ok"), Origin::saying("never"));
    let endpoints = format!(
        "endpoints = [{:?}, {{ address = {:?}, weight = 0 }}]",
        origin.address(),
        drained.address()
    );
    let setup = Setup::to_addresses(Vec::<String>::new()).cluster(&endpoints);
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    for _ in 0..10 {
        client.get("/").status(200).body("ok");
    }
    assert_eq!(drained.requests(), []);
}

#[test]
fn a_body_that_was_sent_already_is_not_sent_to_another_endpoint() {
    let bad = Origin::script(|conn| {
        let head = conn.head();
        conn.body(&head, &mut |_| {});
    });
    let good = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&bad, &good]));
    let mut client = proxy.client();
    for i in 0..4 {
        let response = client.post("/", "once");
        match response.head.status() {
            200 => assert_eq!(response.text(), "once"),
            502 => assert_eq!(i % 2, 0, "round robin begins with the bad one: {response}"),
            _ => panic!("{response}"),
        }
    }
    assert_eq!(good.requests().len(), 2);
    assert_eq!(bad.connections(), 2);
}
