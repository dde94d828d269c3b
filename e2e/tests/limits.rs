//! Limits on what a client may send in a head, and on how many connections it may have, each with its consequence.

use std::fmt::Write;

use evenkeel_testkit::{Client, Evenkeel, Origin, Reply, Setup, eventually};

/// The status of this request, after which the connection is closed, or 200 and it is not.
#[track_caller]
fn expect(proxy: &Evenkeel, request: &str, status: u16) {
    let mut client = proxy.client();
    client.send(request);
    let response = client.response("GET").status(status);
    match status {
        200 => drop(client.get("/").status(200)),
        414 => drop(
            response
                .header("connection", "close")
                .fault("request-line-too-long"),
        ),
        _ => drop(
            response
                .header("connection", "close")
                .fault("request-head-too-large"),
        ),
    }
    if status != 200 {
        client.expect_closed();
    }
}

fn with_line(length: usize) -> String {
    let path = "p".repeat(length - "GET / HTTP/1.1".len());
    format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn with_fields(number: usize) -> String {
    let mut head = "GET / HTTP/1.1\r\nHost: a\r\n".to_owned();
    for i in 1..number {
        write!(head, "X{i}:\r\n").unwrap();
    }
    head + "\r\n"
}

fn with_head(length: usize) -> String {
    let around = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
    format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(length - around)
    )
}

#[test]
fn the_defaults_hold_to_the_byte() {
    let origin = Origin::http(|_| Reply::ok("ok"));
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    expect(&proxy, &with_line(8192), 200);
    expect(&proxy, &with_line(8193), 414);
    expect(&proxy, &with_fields(100), 200);
    expect(&proxy, &with_fields(101), 431);
    expect(&proxy, &with_head(32 << 10), 200);
    expect(&proxy, &with_head((32 << 10) + 1), 431);
    expect(&proxy, &with_line(65_536), 414);
    expect(&proxy, &with_fields(100_000), 431);
    expect(&proxy, &with_head(1 << 20), 431);
}

#[test]
fn a_listener_may_have_limits_of_its_own() {
    let origin = Origin::http(|_| Reply::ok("ok"));
    let setup = Setup::to([&origin])
        .listener("max_head = \"1KiB\"\nmax_fields = 5\nmax_request_line = \"100B\"");
    let proxy = Evenkeel::start(&setup);
    expect(&proxy, &with_line(100), 200);
    expect(&proxy, &with_line(101), 414);
    expect(&proxy, &with_fields(5), 200);
    expect(&proxy, &with_fields(6), 431);
    expect(&proxy, &with_head(1024), 200);
    expect(&proxy, &with_head(1025), 431);
}

#[test]
fn heads_without_an_end_hold_no_memory() {
    let origin = Origin::http(|_| Reply::ok("ok"));
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let send = |most: usize| {
        for endless in [
            "GET /",
            "GET / HTTP/1.1\r\nHost: a\r\nX: ",
            "GET / HTTP/1.1\r\nHost: a\r\nX",
        ] {
            let mut client = proxy.client();
            client.send(endless);
            let mut sent = 0;
            while sent < most && client.try_send([b'x'; 65_536]) {
                sent += 65_536;
            }
            assert!(sent < 20_000_000, "evenkeel took {sent} bytes of a head");
        }
    };
    // Once before it counts: the pages of the code that refuses are memory as well.
    send(65_536);
    proxy.client().get("/").status(200);
    let before = proxy.peak_memory();
    send(20_000_000);
    let grown = proxy.peak_memory().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes more");
}

#[test]
fn trailers_have_the_limits_of_a_head() {
    let origin = Origin::http(|_| Reply::ok("ok"));
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n";
    for trailers in [
        "X:\r\n".repeat(10_000),
        format!("X: {}\r\n", "x".repeat(1 << 20)),
    ] {
        let mut client = proxy.client();
        client.try_send(format!("{chunked}{trailers}\r\n"));
        let status = client.response("POST").head.status();
        assert!([400, 431].contains(&status), "{status}");
        client.expect_closed();
    }
    assert_eq!(origin.requests(), []);
}

/// Whether this connection is one that is served.
fn is_served(client: &mut Client) -> bool {
    client.try_send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client
        .try_response("GET")
        .is_ok_and(|response| response.head.status() == 200)
}

#[test]
fn a_client_has_no_more_connections_than_the_listener_says() {
    for workers in [1, 4] {
        let origin = Origin::saying("ok");
        let setup = Setup::to([&origin])
            .top(&format!("workers = {workers}"))
            .listener("max_connections_per_client = 3");
        let proxy = Evenkeel::start(&setup);
        let mut clients: Vec<Client> = (0..3).map(|_| proxy.client()).collect();
        for client in &mut clients {
            client.get("/").status(200);
        }
        for _ in 0..3 {
            let mut one_more = proxy.client();
            one_more
                .response("GET")
                .status(429)
                .fault("too-many-connections")
                .header("connection", "close")
                .header("retry-after", "1");
            one_more.expect_closed();
        }
        drop(clients.pop());
        eventually("the place of the one that left", || {
            is_served(&mut proxy.client()).then_some(())
        });
        for client in &mut clients {
            client.get("/").status(200);
        }
    }
}
