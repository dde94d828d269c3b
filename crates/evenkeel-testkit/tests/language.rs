//! The language of end-to-end tests, tested against itself: a client that talks to an origin directly.
//!
//! What the expectations of the language must notice is shown to be noticed.

#![expect(
    clippy::tests_outside_test_module,
    clippy::unwrap_used,
    reason = "all of this is test code, also what is outside of a module or of a #[test]"
)]

use std::net::{TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use evenkeel_testkit::faults::{BlackHole, DeadAddress};
use evenkeel_testkit::message::Framing;
use evenkeel_testkit::origin::answering;
use evenkeel_testkit::{Broken, Client, Folder, Gate, Origin, Reply};

fn connect(origin: &Origin) -> Client {
    Client::connect(origin.address().parse().unwrap())
}

/// What this panics with.
fn complaint<T>(run: impl FnOnce() -> T) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(run)) else {
        return String::new();
    };
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()))
        .unwrap_or_default()
}

#[test]
fn requests_are_recorded_as_they_came() {
    let origin = Origin::http(Reply::echo);
    let mut client = connect(&origin);
    client.post("/a?b", "one").status(200).body("one");
    client
        .send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\nX: y\r\n\r\n");
    client.response("POST").status(200).body("two").without("x");
    let requests = origin.wait_requests(2);
    assert_eq!(
        (requests[0].method(), requests[0].target()),
        ("POST", "/a?b")
    );
    assert_eq!(requests[1].trailers.len(), 1);
    assert_eq!((origin.connections(), origin.cut_requests()), (1, 0));
    assert!(origin.bytes()[0].starts_with(b"POST /a?b HTTP/1.1\r\n"));
}

#[test]
fn expectations_that_are_not_met_are_noticed() {
    let origin = Origin::http(|_| Reply::ok("body").header("X", "1").header("X", "2"));
    let mut client = connect(&origin);
    assert_eq!(complaint(|| client.get("/").status(200).body("body")), "");
    assert!(complaint(|| client.get("/").status(404)).contains("HTTP/1.1 200"));
    assert!(complaint(|| client.get("/").body("other")).contains("\"other\""));
    assert!(complaint(|| client.get("/").header("x", "1")).contains("[\"1\", \"2\"]"));
    assert!(complaint(|| client.get("/").without("x")).contains('x'));
    assert!(complaint(|| client.get("/").field("x")).contains("more than one"));
    assert!(complaint(|| client.get("/").fault("no-route")).contains("no-route"));
}

#[test]
fn cut_and_whole_responses_are_told_apart() {
    for (bytes, why) in [
        ("", Broken::Closed),
        ("HTTP/1.1 200 OK\r\nX", Broken::Closed),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
            Broken::Closed,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            Broken::Closed,
        ),
    ] {
        let origin = Origin::script(move |conn| {
            conn.request();
            conn.send(bytes);
        });
        let mut client = connect(&origin);
        client.send_request("GET", "/", "", "");
        assert_eq!(
            client.try_response("GET").unwrap_err().why,
            why,
            "{bytes:?}"
        );
    }
    let origin = Origin::http(|_| Reply::raw("HTTP/1.1 200 OK\r\n\r\nabc").then_close());
    let response = connect(&origin).get("/").status(200).body("abc");
    assert_eq!(response.framing, Framing::Close);
}

#[test]
fn a_reset_is_told_from_a_close() {
    let reset = Origin::script(|conn| {
        conn.request();
        conn.reset();
    });
    let mut client = connect(&reset);
    client.send_request("GET", "/", "", "");
    assert_eq!(client.try_response("GET").unwrap_err().why, Broken::Reset);
}

#[test]
fn a_script_that_fails_fails_its_test() {
    let origin = Origin::script(|conn| {
        conn.request();
        panic!("the script is not content");
    });
    let mut client = connect(&origin);
    client.send_request("GET", "/", "", "");
    client.expect_closed();
    origin.wait_open(0);
    assert!(complaint(|| drop(origin)).contains("the script is not content"));
}

#[test]
fn what_is_no_strict_http_fails_the_test_of_its_origin() {
    let origin = Origin::http(Reply::echo);
    let mut client = connect(&origin);
    client.send("GET / HTTP/1.1\r\nHost: a\nX: bare\r\n\r\n");
    client.expect_closed();
    origin.wait_open(0);
    assert!(complaint(|| drop(origin)).contains("no strict HTTP/1.1"));
}

#[test]
fn a_connection_without_a_word_is_not_counted() {
    let origin = Origin::saying("ok");
    drop(connect(&origin));
    connect(&origin).get("/").status(200);
    assert_eq!(origin.connections(), 1);
    let accepted = Gate::new();
    let eager = Origin::on_accept({
        let accepted = accepted.clone();
        move |_| accepted.open()
    });
    let client = connect(&eager);
    accepted.wait();
    drop(client);
}

#[test]
fn cut_requests_are_counted() {
    let origin = Origin::http(Reply::echo);
    let mut client = connect(&origin);
    client.send("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc");
    drop(client);
    origin.wait_cut(1);
    assert_eq!(origin.requests(), []);
}

#[test]
fn an_origin_may_die_and_live_again_at_its_address() {
    let origin = Origin::saying("first");
    let address = origin.address();
    let mut client = connect(&origin);
    client.get("/").body("first");
    let dead = origin.stop();
    client.expect_closed();
    TcpStream::connect(dead.socket_address()).unwrap_err();
    let origin = Origin::revive(dead, answering(|_| Reply::ok("second")));
    assert_eq!(origin.address(), address);
    connect(&origin).get("/").body("second");
}

#[test]
fn dead_addresses_refuse_and_nobody_else_gets_them() {
    let dead: Vec<DeadAddress> = (0..50).map(|_| DeadAddress::new()).collect();
    let others: Vec<TcpListener> = (0..50)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    for dead in &dead {
        TcpStream::connect(dead.socket_address()).unwrap_err();
        let taken = |other: &TcpListener| other.local_addr().unwrap() == dead.socket_address();
        assert!(!others.iter().any(taken));
    }
}

#[test]
fn a_black_hole_neither_accepts_nor_refuses() {
    let hole = BlackHole::new();
    let address = hole.address().parse().unwrap();
    let error = TcpStream::connect_timeout(&address, Duration::from_millis(50)).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
}

#[test]
fn a_unix_socket_is_an_origin_too() {
    let folder = Folder::new();
    let path = folder.join("o.sock");
    let origin = Origin::unix(&path, answering(Reply::echo));
    Client::unix(&path)
        .post("/", "over a file")
        .status(200)
        .body("over a file");
    assert_eq!(origin.address(), format!("unix:{}", path.display()));
    drop(origin);
    assert!(!path.exists());
}

#[test]
fn bytes_may_come_one_by_one() {
    let origin = Origin::script(|conn| {
        while conn.request().is_some() {
            conn.send_bytewise(
                "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            );
        }
    });
    let mut client = connect(&origin);
    client.send_bytewise("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let response = client.response("GET").status(200).body("ok");
    assert_eq!(response.interim.len(), 1);
}

#[test]
fn a_folder_is_gone_afterwards() {
    let folder = Folder::new();
    let file = folder.write("file", "content");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "content");
    drop(folder);
    assert!(!file.exists());
}
