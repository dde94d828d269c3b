//! How the end of a body is found, on each side, and what is said of it on the other.

use std::fmt::Write;

use evenkeel_testkit::message::{Framing, values};
use evenkeel_testkit::{Client, Evenkeel, Gate, Origin, Reply, Setup};

#[test]
fn a_chunked_request_arrives_chunked_without_extensions() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nTrAnSFer-EnCODinG: cHuNkeD\r\n\r\n\
         5;ext=value;a=\"q\\\"s\"\r\nhello\r\n00006\r\n world\r\n0\r\n\r\n",
    );
    client.response("POST").status(200).body("hello world");
    let request = origin.request();
    assert_eq!(request.text(), "hello world");
    assert_eq!(
        request.field("transfer-encoding").as_deref(),
        Some("chunked")
    );
    assert_eq!(request.field("content-length"), None);
    assert!(!String::from_utf8_lossy(&origin.bytes()[0]).contains("ext"));
}

#[test]
fn trailers_of_a_request_are_dropped() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    for field in [
        "X-Sum: 1",
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Host: b",
        "Authorization: me",
    ] {
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n{field}\r\n\r\n"));
        client.response("POST").status(200).body("a");
    }
    for request in origin.requests() {
        assert_eq!(request.trailers, []);
        assert_eq!(request.field("host").as_deref(), Some("a"));
        assert_eq!(request.field("x-sum"), None);
        assert_eq!(request.field("authorization"), None);
    }
}

#[test]
fn trailers_of_a_request_pass_where_the_route_allows_them() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]).route("request_trailers = true"));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\n\r\n");
    client.response("POST").status(200).body("a");
    assert_eq!(values(&origin.request().trailers, "x-sum"), ["1", "2"]);
}

#[test]
fn trailers_of_a_response_are_kept_and_stay_trailers() {
    let origin = Origin::http(|_| {
        Reply::raw(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3;a=b\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n",
        )
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    for _ in 0..2 {
        let response = client
            .get_with("/", "TE: trailers\r\nConnection: TE\r\n")
            .status(200)
            .without("x-sum")
            .body("abc");
        assert_eq!(response.framing, Framing::Chunked);
        assert_eq!(values(&response.trailers, "x-sum"), ["6"]);
    }
}

#[test]
fn a_known_length_stays_known() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let response = proxy
        .client()
        .post("/", "hello")
        .status(200)
        .header("content-length", "5")
        .body("hello");
    assert_eq!(response.framing, Framing::Length(5));
    assert_eq!(
        origin.request().field("content-length").as_deref(),
        Some("5")
    );
}

#[test]
fn a_head_request_keeps_the_length_and_has_no_body() {
    let origin = Origin::http(|_| Reply::ok("hello"));
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client
        .ask("HEAD", "/", "", "")
        .status(200)
        .header("content-length", "5");
    client.get("/").status(200).body("hello");
}

#[test]
fn a_chunked_answer_to_head_has_no_body_either() {
    let origin = Origin::http(|request| {
        let body = if request.method() == "HEAD" {
            ""
        } else {
            "2\r\nok\r\n0\r\n\r\n"
        };
        Reply::raw(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
        ))
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.ask("HEAD", "/", "", "").status(200);
    client.get("/").status(200).body("ok");
}

#[test]
fn no_content_and_not_modified_have_no_body() {
    let origin = Origin::http(|request| match request.target() {
        "/204" => Reply::new(204, ""),
        "/304" => {
            Reply::raw("HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: \"x\"\r\n\r\n")
        }
        _ => Reply::ok("after"),
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client
        .get("/204")
        .status(204)
        .without("content-length")
        .without("transfer-encoding");
    client
        .get("/304")
        .status(304)
        .header("etag", "\"x\"")
        .header("content-length", "99");
    client.get("/").status(200).body("after");
}

#[test]
fn bytes_after_a_204_reach_nobody_and_end_the_connection() {
    let origin = Origin::http(|request| match request.target() {
        "/204" => Reply::raw("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"),
        _ => Reply::ok("own"),
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("workers = 1"));
    let mut client = proxy.client();
    client.get("/204").status(204).without("content-length");
    client.get("/").status(200).body("own");
    assert_eq!(origin.connections(), 2);
}

#[test]
fn a_body_until_close_comes_chunked() {
    let origin =
        Origin::http(|_| Reply::raw("HTTP/1.1 200 OK\r\nX: y\r\n\r\nuntil the end").then_close());
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    for _ in 0..2 {
        let response = client
            .get("/")
            .status(200)
            .header("x", "y")
            .body("until the end");
        assert_eq!(response.framing, Framing::Chunked);
    }
    assert_eq!(origin.connections(), 2);
}

#[test]
fn a_body_from_http_1_0_comes_whole() {
    let origin = Origin::http(|_| Reply::raw("HTTP/1.0 200 OK\r\n\r\nold").then_close());
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let response = proxy.client().get("/").status(200).body("old");
    assert_eq!(response.head.start[0], "HTTP/1.1");
}

#[test]
fn a_client_of_http_1_0_gets_no_chunks() {
    let origin = Origin::http(|request| match request.target() {
        "/chunked" => Reply::raw(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
        ),
        _ => Reply::raw("HTTP/1.1 200 OK\r\n\r\nabc").then_close(),
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    for target in ["/chunked", "/close"] {
        for fields in ["", "Connection: keep-alive\r\n"] {
            let mut client = proxy.client();
            client.send(format!("GET {target} HTTP/1.0\r\n{fields}\r\n"));
            let response = client
                .response("GET")
                .status(200)
                .body("abc")
                .without("transfer-encoding");
            assert_eq!(response.framing, Framing::Close);
            assert_ne!(response.field("connection").as_deref(), Some("keep-alive"));
        }
    }
}

#[test]
fn a_client_of_http_1_0_is_kept_when_it_asks() {
    let origin = Origin::saying("abc");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    client.response("GET").status(200).body("abc");
    client.expect_closed();
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
        let response = client.response("GET").status(200).body("abc");
        let connection = response.field("connection").unwrap_or_default();
        assert_eq!(connection.to_ascii_lowercase(), "keep-alive");
    }
    assert!(
        origin
            .requests()
            .iter()
            .all(|request| request.head.start[2] == "HTTP/1.1")
    );
}

#[test]
fn the_response_may_begin_before_the_request_ends() {
    let (head_sent, body_sent) = (Gate::new(), Gate::new());
    let origin = Origin::script({
        let (head_sent, body_sent) = (head_sent.clone(), body_sent.clone());
        move |conn| {
            let head = conn.head();
            assert_eq!(conn.exactly(5), b"hello");
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nearly");
            head_sent.open();
            assert_eq!(conn.exactly(5), b"world");
            conn.send("later");
            assert_eq!(head.one("content-length").as_deref(), Some("10"));
            body_sent.wait();
        }
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    head_sent.wait();
    assert_eq!(client.head().status(), 200);
    assert_eq!(client.exactly(5), b"early");
    client.send("world");
    assert_eq!(client.exactly(5), b"later");
    body_sent.open();
}

#[test]
fn a_response_that_ends_before_the_request_is_whole_and_ends_the_connection() {
    for close in [true, false] {
        let origin = Origin::script(move |conn| {
            conn.head();
            conn.send("HTTP/1.1 413 Too Much\r\nContent-Length: 4\r\n\r\nstop");
            if !close {
                conn.until_closed();
            }
        });
        let proxy = Evenkeel::start(&Setup::to([&origin]));
        let mut client = proxy.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegun");
        client.response("POST").status(413).body("stop");
        // A client that goes on sending must still have been able to read that.
        client.try_send("x".repeat(10_000));
        client.expect_closed();
        origin.wait_open(0);
    }
}

#[test]
fn a_short_body_never_completes_at_the_origin() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let mut client = proxy.client();
        client.send(request);
        origin.wait_connections(1);
        client.finish();
        drop(client.rest());
        origin.wait_open(0);
    }
    assert_eq!(origin.requests(), []);
    proxy.client().get("/").status(200);
}

#[test]
fn many_tiny_chunks_pass_both_ways() {
    const CHUNKS: usize = 20_000;
    let origin = Origin::http(|request| {
        let mut reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
        for byte in &request.body {
            write!(reply, "1\r\n{}\r\n", char::from(*byte)).unwrap();
        }
        reply.push_str("0\r\n\r\n");
        Reply::raw(reply)
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let body: String = (0..CHUNKS)
        .map(|i| char::from(b'a' + u8::try_from(i % 26).unwrap()))
        .collect();
    let mut request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    for byte in body.chars() {
        write!(request, "1\r\n{byte}\r\n").unwrap();
    }
    request.push_str("0\r\n\r\n");
    let mut client = proxy.client();
    client.send(request);
    client.response("POST").status(200).body(&body);
    let received = origin.bytes()[0].len();
    assert!(
        received < 3 * CHUNKS,
        "tiny chunks are joined, not passed on one by one: {received} bytes"
    );
}

#[test]
fn a_chunked_body_that_comes_byte_by_byte_is_whole() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]).route("request_trailers = true"));
    let mut client: Client = proxy.client();
    for _ in 0..2 {
        client.send_bytewise(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n",
        );
        client.response("POST").status(200).body("hello!");
    }
    assert!(
        origin
            .requests()
            .iter()
            .all(|request| values(&request.trailers, "x") == ["y"])
    );
}

#[test]
fn trailers_of_grpc_always_pass() {
    let origin = Origin::http(|_| {
        Reply::raw(
            "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nGrpc-Status: 0\r\n\r\n",
        )
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send(
        "POST /s/m HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nTE: trailers\r\nConnection: TE\r\n\
         Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n",
    );
    let response = client.response("POST").status(200);
    assert_eq!(values(&response.trailers, "grpc-status"), ["0"]);
    assert_eq!(values(&origin.request().trailers, "x-sum"), ["1"]);
}

#[test]
fn a_reply_in_the_place_of_a_response_ends_with_a_clean_close() {
    let origin = Origin::script(|conn| {
        conn.head();
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    for version in ["1.0", "1.1"] {
        let mut client = proxy.client();
        client.send(format!(
            "GET / HTTP/{version}\r\nHost: a\r\nConnection: close\r\n\r\n"
        ));
        let reply = client.rest();
        let reply = String::from_utf8_lossy(&reply);
        assert!(reply.starts_with("HTTP/1.1 502"), "{version}: {reply}");
    }
}
