//! HTTP/2 from clients: how a connection of it lives and ends, and what only it has. What both protocols can do, for all pairs of
//! them, stands in the suite of pairs; frames that no honest client sends, with the floods.

use std::process::Command;

use evenkeel_testkit::evenkeel::Signal;
use evenkeel_testkit::{Evenkeel, Gate, Length, Origin, Reply, Setup};

/// RFC 9113 §7.
const NO_ERROR: u32 = 0;
/// See [`NO_ERROR`].
const PROTOCOL_ERROR: u32 = 1;

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

#[test]
fn curl_speaks_it_with_prior_knowledge() {
    let origin = Origin::http(|request| Reply::ok(&request.body));
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let url = format!("http://{}/x?y=1", proxy.address());
    let body = "a body of its own";
    let ended = Command::new("curl")
        .args(["-sS", "--max-time", "10", "--http2-prior-knowledge"])
        .args(["-w", " HTTP/%{http_version} %{http_code}", "-d", body, &url])
        .output();
    let Ok(ended) = ended else {
        return;
    };
    let said = String::from_utf8_lossy(&ended.stderr);
    if said.contains("does not support") || said.contains("doesn't support") {
        return;
    }
    let text = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(text, format!("{body} HTTP/2 200"), "{said}");
    let record = proxy.record();
    assert_eq!(record["version"], "2");
    assert_eq!(record["target"], "/x?y=1");
    let request = origin.request();
    assert_eq!(request.field("content-length").as_deref(), Some("17"));
}

#[test]
fn streams_run_side_by_side_and_one_that_waits_holds_up_no_other() {
    let gate = Gate::new();
    let origin = Origin::http({
        let gate = gate.clone();
        move |request| {
            if request.target() == "/slow" {
                gate.wait();
            }
            Reply::ok(request.target())
        }
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.h2();
    let mut slow = client.start("GET", "/slow", "", "");
    for n in 0..20 {
        let target = format!("/{n}");
        client.get(&target).status(200).body(&target);
    }
    gate.open();
    slow.response().status(200).body("/slow");
}

#[test]
fn a_drain_lets_what_runs_end_and_says_goodbye() {
    let (gate, origin) = gated();
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.h2();
    let mut call = client.start("GET", "/", "", "");
    origin.wait_requests(1);
    proxy.signal(Signal::Terminate);
    assert_eq!(client.wait_goaway(), NO_ERROR);
    gate.open();
    call.response().status(200).body("finished");
    assert_eq!(proxy.wait(), 0);
}

#[test]
fn a_connection_that_waits_for_too_long_is_told_to_go() {
    let origin = Origin::saying("ok");
    let setup = Setup::to([&origin]).listener("keepalive_timeout = \"100ms\"");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.h2();
    client.get("/").status(200).body("ok");
    assert_eq!(client.wait_goaway(), NO_ERROR);
    client.wait_closed();
}

#[test]
fn a_connection_that_asks_nothing_is_closed_in_time() {
    let origin = Origin::saying("ok");
    let setup = Setup::to([&origin]).listener("request_header_timeout = \"100ms\"");
    let proxy = Evenkeel::start(&setup);
    for said in ["PRI * HTTP/2.0\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut client = proxy.client();
        client.send(said);
        client.rest();
    }
    proxy.h2().wait_goaway();
}

#[test]
fn an_endpoint_never_takes_a_body_of_the_wrong_length_for_whole() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.h2();
    // What is too long is refused without its end, which might find the stream reset.
    for (body, ends) in [("four", true), ("more than five", false)] {
        let mut call = client.begin("POST", "/", "content-length: 5\r\n", Length::Unknown);
        call.data(body);
        if ends {
            call.end();
        }
        assert_eq!(call.wait_reset(), PROTOCOL_ERROR, "{body}");
    }
    assert!(origin.requests().is_empty());
    client.get("/").status(200);
}

/// What a WebSocket is asked for with.
const WEBSOCKET: &str = ":protocol: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[test]
fn a_websocket_reaches_an_endpoint_of_http_1() {
    let origin = Origin::script(|conn| {
        let head = conn.head();
        assert_eq!(head.start[0], "GET");
        assert_eq!(head.one("upgrade").as_deref(), Some("websocket"));
        conn.send(crate::upgrade::SWITCH);
        let bytes = conn.exactly(4);
        conn.send(bytes);
        conn.until_closed();
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.h2();
    client.wait_connect_protocol();
    let mut call = client.begin("CONNECT", "/chat", WEBSOCKET, Length::Unknown);
    let head = call.head();
    assert_eq!(head.status(), 200, "{head}");
    assert!(head.one("sec-websocket-accept").is_none() && head.one("upgrade").is_none());
    call.data("ping");
    assert_eq!(call.piece().unwrap().as_deref(), Some(&b"ping"[..]));
    call.end();
    assert_eq!(call.piece().unwrap(), None);
    assert_eq!(proxy.record()["status"], 101);
}

#[test]
fn a_websocket_whose_client_is_gone_is_over_though_it_had_ended_its_half() {
    let hold = Gate::new();
    let origin = Origin::script({
        let hold = hold.clone();
        move |conn| {
            conn.head();
            conn.send(crate::upgrade::SWITCH);
            conn.until_closed();
            // Its own half goes on.
            hold.wait();
        }
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    for resets in [true, false] {
        let mut client = proxy.h2();
        client.wait_connect_protocol();
        let mut call = client.begin("CONNECT", "/chat", WEBSOCKET, Length::Unknown);
        assert_eq!(call.head().status(), 200);
        call.end();
        client.ping();
        if resets {
            call.cancel();
        } else {
            drop(client);
        }
    }
    for record in proxy.records(2) {
        assert_eq!(record["fault"], "client-gone", "{record}");
    }
    hold.open();
}

#[test]
fn a_websocket_that_nobody_gives_is_none() {
    let switch_wrongly = crate::upgrade::SWITCH.replace("s3pP", "wron");
    for answer in [
        switch_wrongly.as_str(),
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ] {
        let origin = Origin::script({
            let answer = answer.to_owned();
            move |conn| {
                conn.head();
                conn.send(&answer);
                conn.until_closed();
            }
        });
        let proxy = Evenkeel::start(&Setup::to([&origin]));
        let mut client = proxy.h2();
        client.wait_connect_protocol();
        let mut call = client.begin("CONNECT", "/chat", WEBSOCKET, Length::Unknown);
        call.response().status(502).fault("upgrade-mismatch");
    }
}
