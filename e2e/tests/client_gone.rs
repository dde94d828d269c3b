//! When the client has gone, nobody works for it any more.

use evenkeel_testkit::{Evenkeel, Gate, Origin, Pattern, Reply, Setup};

/// Takes a request and waits for the end of the connection.
fn waiting() -> Origin {
    Origin::script(|conn| {
        conn.request();
        conn.until_closed();
    })
}

#[test]
fn a_client_that_closes_while_it_waits_cancels_the_exchange() {
    let origin = waiting();
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send_request("GET", "/", "", "");
    origin.wait_requests(1);
    drop(client);
    origin.wait_open(0);
    let record = proxy.record();
    assert_eq!(record["status"], 499);
    assert_eq!(record["fault"], "client-gone");
    assert_eq!(record["attempts"], 1, "it is not tried again for nobody");
}

#[test]
fn a_client_that_resets_while_it_waits_cancels_the_exchange() {
    let origin = waiting();
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send_request("POST", "/", "Content-Length: 1\r\n", "x");
    origin.wait_requests(1);
    client.reset();
    origin.wait_open(0);
    assert_eq!(proxy.record()["fault"], "client-gone");
}

#[test]
fn a_client_that_closes_its_sending_side_is_gone_unless_configured_otherwise() {
    for half_close in [false, true] {
        let answer = Gate::new();
        let origin = Origin::http({
            let answer = answer.clone();
            move |_| {
                answer.wait();
                Reply::ok("late")
            }
        });
        let proxy =
            Evenkeel::start(&Setup::to([&origin]).listener(&format!("half_close = {half_close}")));
        let mut client = proxy.client();
        client.send_request("GET", "/", "", "");
        origin.wait_requests(1);
        client.finish();
        if half_close {
            answer.open();
            client.response("GET").status(200).body("late");
            client.expect_closed();
        } else {
            client.expect_closed();
            answer.open();
            assert_eq!(proxy.record()["fault"], "client-gone");
        }
    }
}

#[test]
fn a_client_that_leaves_a_download_stops_it() {
    let origin = Origin::script(|conn| {
        conn.request();
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        let mut pattern = Pattern::new();
        while conn.send(pattern.next(65_000)) {}
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send_request("GET", "/", "", "");
    client.head();
    drop(client.exactly(100_000));
    drop(client);
    origin.wait_open(0);
    let record = proxy.record();
    assert_eq!(
        (&record["status"], &record["fault"]),
        (&200.into(), &"client-gone".into())
    );
}

#[test]
fn a_client_that_leaves_an_upload_leaves_no_whole_request() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    for (framing, body) in [
        ("Content-Length: 100000", "x".repeat(50_000)),
        (
            "Transfer-Encoding: chunked",
            format!("c350\r\n{}\r\n", "x".repeat(50_000)),
        ),
    ] {
        let seen = origin.connections();
        let mut client = proxy.client();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{body}"
        ));
        origin.wait_connections(seen + 1);
        drop(client);
        origin.wait_cut(seen + 1);
        origin.wait_open(0);
    }
    assert_eq!(origin.requests(), []);
    let records = proxy.records(2);
    assert!(
        records
            .iter()
            .all(|record| record["fault"] == "client-gone"),
        "{records:?}"
    );
}

#[test]
fn a_client_that_leaves_within_a_head_leaves_nothing() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHos");
    drop(client);
    proxy.client().reset();
    drop(proxy.client());
    proxy.client().get("/").status(200);
    assert_eq!(origin.requests().len(), 1);
}
