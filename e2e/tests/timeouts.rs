//! Everything that may be waited for has an end, with a name.

use std::time::{Duration, Instant};

use evenkeel_testkit::message::Framing;
use evenkeel_testkit::{Evenkeel, Gate, Origin, Reply, Setup, eventually};

#[test]
fn a_head_that_does_not_end_is_a_408() {
    let origin = Origin::saying("ok");
    let proxy =
        Evenkeel::start(&Setup::to([&origin]).listener("request_header_timeout = \"800ms\""));
    let mut client = proxy.client();
    client.get("/").status(200);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
    client
        .response("GET")
        .status(408)
        .header("connection", "close")
        .fault("request-header-timeout");
    client.expect_closed();
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn what_follows_a_408_is_no_request() {
    let origin = Origin::saying("ok");
    let proxy =
        Evenkeel::start(&Setup::to([&origin]).listener("request_header_timeout = \"500ms\""));
    let mut client = proxy.client();
    client.send("GET /1 HTTP/1.1\r\n");
    client.response("GET").status(408);
    client.try_send("Host: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    client.expect_closed();
    assert_eq!(origin.requests(), []);
}

#[test]
fn a_head_that_drips_is_a_408_all_the_same() {
    let origin = Origin::saying("ok");
    let proxy =
        Evenkeel::start(&Setup::to([&origin]).listener("request_header_timeout = \"200ms\""));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nX: ");
    // A byte with every look, some milliseconds apart: each would start an idle timeout anew.
    eventually("the end of a connection that drips", || {
        (!client.try_send("x")).then_some(())
    });
    assert_eq!(origin.requests(), []);
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let origin = Origin::saying("ok");
    let proxy =
        Evenkeel::start(&Setup::to([&origin]).listener("request_header_timeout = \"100ms\""));
    let answer = proxy.client().rest();
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 408 "),
        "{answer:?}"
    );
}

#[test]
fn a_body_that_pauses_too_long_is_a_408() {
    let origin = Origin::http(Reply::echo);
    let proxy =
        Evenkeel::start(&Setup::to([&origin]).listener("request_body_idle_timeout = \"200ms\""));
    for framing in [
        "Content-Length: 10\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let mut client = proxy.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}"));
        client
            .response("POST")
            .status(408)
            .header("connection", "close")
            .fault("request-body-timeout");
        client.expect_closed();
    }
    origin.wait_open(0);
    assert_eq!(origin.requests(), []);
}

#[test]
fn an_endpoint_that_does_not_answer_is_a_504() {
    let origin = Origin::script(|conn| {
        conn.request();
        conn.until_closed();
    });
    let setup = Setup::to([&origin])
        .cluster("response_header_timeout = \"100ms\"\nretry = { attempts = 0 }");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    client.get("/").status(504).fault("response-header-timeout");
    origin.wait_open(0);
    client
        .post("/", "x")
        .status(504)
        .fault("response-header-timeout");
    origin.wait_connections(2);
}

#[test]
fn a_get_that_is_not_answered_is_tried_elsewhere_and_a_post_is_not() {
    let silent = Origin::script(|conn| {
        conn.request();
        conn.until_closed();
    });
    let good = Origin::saying("ok");
    let setup = Setup::to([&silent, &good]).cluster("response_header_timeout = \"1s\"");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    client.get("/").status(200).body("ok");
    assert_eq!(proxy.record()["attempts"], 2);
    let answers =
        [client.post("/", "1"), client.post("/", "2")].map(|response| response.head.status());
    assert!(answers.contains(&504), "{answers:?}");
    let posts = |origin: &Origin| {
        origin
            .requests()
            .iter()
            .filter(|request| request.method() == "POST")
            .count()
    };
    eventually("both at their endpoints", || {
        (posts(&silent) + posts(&good) >= 2).then_some(())
    });
    assert_eq!(posts(&silent) + posts(&good), 2, "neither is sent twice");
}

#[test]
fn a_response_head_that_drips_is_a_504_all_the_same() {
    let origin = Origin::script(|conn| {
        conn.request();
        conn.send("HTTP/1.1 200 OK\r\nX: ");
        eventually("the end of a connection that drips", || {
            (!conn.send("x")).then_some(())
        });
    });
    let setup = Setup::to([&origin])
        .cluster("response_header_timeout = \"200ms\"\nretry = { attempts = 0 }");
    let proxy = Evenkeel::start(&setup);
    proxy
        .client()
        .get("/")
        .status(504)
        .fault("response-header-timeout");
    origin.wait_open(0);
}

#[test]
fn the_response_timeout_counts_from_the_end_of_the_request() {
    let origin = Origin::http(Reply::echo);
    let setup = Setup::to([&origin]).cluster("response_header_timeout = \"800ms\"");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    // Some milliseconds for each byte, until it took longer than the timeout in all.
    let (began, mut sent) = (Instant::now(), 0);
    eventually("a slow body", || {
        client.send("1\r\nx\r\n");
        sent += 1;
        (began.elapsed() > Duration::from_millis(1_200)).then_some(())
    });
    client.send("0\r\n\r\n");
    client.response("POST").status(200).body("x".repeat(sent));
}

#[test]
fn the_total_timeout_covers_all_attempts() {
    let origin = Origin::script(|conn| {
        conn.request();
        conn.until_closed();
    });
    let setup = Setup::to([&origin])
        .route("total_timeout = \"250ms\"")
        .cluster("response_header_timeout = \"100ms\"\nretry = { attempts = 10 }");
    let proxy = Evenkeel::start(&setup);
    proxy.client().get("/").status(504).fault("total-timeout");
    assert!(origin.connections() < 6, "{}", origin.connections());
    origin.wait_open(0);
}

#[test]
fn what_a_client_takes_to_send_its_head_is_not_the_exchanges_time() {
    let passes = |time| {
        let began = Instant::now();
        eventually("a while", || (began.elapsed() > time).then_some(()));
    };
    let origin = Origin::script(move |conn| {
        conn.request();
        // Long enough for a deadline that is over already to be seen.
        passes(Duration::from_millis(300));
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]).route("total_timeout = \"2s\""));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a.exa");
    passes(Duration::from_millis(2_100));
    client.send("mple\r\n\r\n");
    client.response("GET").status(200);
}

#[test]
fn the_total_timeout_cuts_a_body_that_takes_too_long() {
    let origin = Origin::script(|conn| {
        conn.request();
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        eventually("the end of a slow body", || (!conn.send("x")).then_some(()));
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]).route("total_timeout = \"200ms\""));
    let mut client = proxy.client();
    client.send_request("GET", "/", "", "");
    client.cut_response("GET");
    assert_eq!(proxy.record()["fault"], "total-timeout");
}

#[test]
fn a_response_that_stalls_is_cut_after_the_idle_timeout() {
    let origin = Origin::script(|conn| {
        conn.request();
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npart");
        conn.until_closed();
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]).cluster("idle_timeout = \"200ms\""));
    let mut client = proxy.client();
    client.send_request("GET", "/", "", "");
    let cut = client.cut_response("GET");
    assert_eq!(cut.body, b"part");
    assert_eq!(proxy.record()["fault"], "idle-timeout");
    origin.wait_open(0);
}

#[test]
fn a_client_that_takes_nothing_is_cut_after_the_write_timeout() {
    let origin = Origin::script(|conn| {
        conn.request();
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        while conn.send([b'x'; 65_536]) {}
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]).listener("write_timeout = \"200ms\""));
    let mut client = proxy.client().small_receive_buffer();
    client.send_request("GET", "/", "", "");
    let head = client.head();
    origin.wait_open(0);
    assert_eq!(proxy.record()["fault"], "client-stalled");
    assert_eq!(
        head.response_framing("GET"),
        Ok(Framing::Length(1_000_000_000))
    );
}

#[test]
fn an_endpoint_that_takes_nothing_is_given_up() {
    let done = Gate::new();
    let origin = Origin::script({
        let done = done.clone();
        move |conn| {
            conn.small_receive_buffer();
            conn.head();
            done.wait();
        }
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]).listener("write_timeout = \"300ms\""));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    while client.try_send([b'x'; 65_536]) {}
    let record = proxy.record();
    assert_eq!(
        (&record["status"], &record["fault"]),
        (&504.into(), &"endpoint-stalled".into())
    );
    done.open();
}
