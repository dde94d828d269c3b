//! SIGTERM and SIGINT: no new work, the old is finished.

use std::net::TcpStream;

use evenkeel_testkit::evenkeel::Signal;
use evenkeel_testkit::{Evenkeel, Gate, Origin, Reply, Setup, eventually};

/// An origin whose answers wait for a gate.
fn gated() -> (Gate, Origin) {
    let gate = Gate::new();
    let origin = Origin::http({
        let gate = gate.clone();
        move |_| {
            gate.wait();
            Reply::ok("finished")
        }
    });
    (gate, origin)
}

fn wait_draining(proxy: &Evenkeel) {
    proxy
        .log()
        .wait_for("draining", |line| line.contains("draining"));
}

#[test]
fn what_is_in_flight_is_finished_and_its_connection_closed() {
    for signal in [Signal::Terminate, Signal::Interrupt] {
        let (gate, origin) = gated();
        let proxy = Evenkeel::start(&Setup::to([&origin]));
        let mut client = proxy.client();
        client.send_request("GET", "/", "", "");
        origin.wait_requests(1);
        proxy.signal(signal);
        wait_draining(&proxy);
        let address = proxy.address();
        eventually("connections to be refused", || {
            TcpStream::connect(address).is_err().then_some(())
        });
        gate.open();
        client
            .response("GET")
            .status(200)
            .header("connection", "close")
            .body("finished");
        client.expect_closed();
        assert_eq!(proxy.wait(), 0);
    }
}

#[test]
fn a_kept_connection_gets_its_next_answer_and_is_closed() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut clients = [proxy.client(), proxy.client()];
    for client in &mut clients {
        client.get("/").status(200).without("connection");
    }
    let address = proxy.address();
    proxy.signal(Signal::Terminate);
    eventually("connections to be refused", || {
        TcpStream::connect(address).is_err().then_some(())
    });
    for client in &mut clients {
        client
            .get("/")
            .status(200)
            .header("connection", "close")
            .body("ok");
        client.expect_closed();
    }
    assert_eq!(proxy.wait(), 0);
}

#[test]
fn pipelined_requests_behind_a_close_are_not_answered() {
    let (gate, origin) = gated();
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    origin.wait_requests(1);
    proxy.signal(Signal::Terminate);
    wait_draining(&proxy);
    let address = proxy.address();
    eventually("connections to be refused", || {
        TcpStream::connect(address).is_err().then_some(())
    });
    gate.open();
    client
        .response("GET")
        .status(200)
        .header("connection", "close");
    client.expect_closed();
    assert_eq!(origin.requests().len(), 1);
    assert_eq!(proxy.wait(), 0);
}

#[test]
fn connections_are_accepted_for_the_delay() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("shutdown_delay = \"2s\""));
    proxy.signal(Signal::Terminate);
    wait_draining(&proxy);
    proxy.client().get("/").status(200).body("ok");
    let address = proxy.address();
    eventually("connections to be refused", || {
        TcpStream::connect(address).is_err().then_some(())
    });
    assert_eq!(proxy.wait(), 0);
}

#[test]
fn a_second_signal_stops_at_once() {
    let (gate, origin) = gated();
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("shutdown_timeout = \"1h\""));
    let mut client = proxy.client();
    client.send_request("GET", "/", "", "");
    origin.wait_requests(1);
    proxy.signal(Signal::Terminate);
    wait_draining(&proxy);
    proxy.signal(Signal::Terminate);
    assert_eq!(proxy.wait(), 0);
    client.response("GET").status(503).fault("shutdown");
    gate.open();
}

#[test]
fn a_second_signal_ends_the_delay_too() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("shutdown_delay = \"1h\""));
    proxy.signal(Signal::Interrupt);
    wait_draining(&proxy);
    proxy.signal(Signal::Interrupt);
    assert_eq!(proxy.wait(), 0);
}

#[test]
fn what_does_not_finish_in_time_is_cut() {
    let (gate, origin) = gated();
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("shutdown_timeout = \"200ms\""));
    let mut client = proxy.client();
    client.send_request("GET", "/", "", "");
    origin.wait_requests(1);
    proxy.signal(Signal::Terminate);
    assert_eq!(proxy.wait(), 0);
    match client.try_response("GET") {
        Ok(response) => drop(response.status(503).fault("shutdown")),
        Err(cut) => assert_eq!(cut.head, None),
    }
    gate.open();
}

#[test]
fn an_idle_evenkeel_ends_at_once() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("shutdown_timeout = \"1h\""));
    proxy.client().get("/").status(200);
    proxy.signal(Signal::Terminate);
    assert_eq!(proxy.wait(), 0);
}

#[test]
fn a_tunnel_may_last_until_the_time_is_over() {
    let origin = Origin::script(|conn| {
        conn.head();
        conn.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n",
        );
        let byte = conn.exactly(1);
        conn.send(byte);
        conn.until_closed();
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]).top("shutdown_timeout = \"2s\""));
    let mut client = proxy.client();
    client.send_request("GET", "/", "Connection: Upgrade\r\nUpgrade: foo\r\n", "");
    assert_eq!(client.head().status(), 101);
    proxy.signal(Signal::Terminate);
    wait_draining(&proxy);
    client.send("a");
    assert_eq!(client.exactly(1), b"a");
    assert_eq!(proxy.wait(), 0);
    client.expect_closed();
}
