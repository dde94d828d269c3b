//! WebSockets: an upgrade of HTTP/1.1, an extended CONNECT of HTTP/2 (RFC 8441), and each to the other.

use evenkeel_testkit::{
    Evenkeel, Exchange, Gate, Length, Origin, Pattern, Reply, eventually, websocket_accept,
};

use super::{Pair, each};

/// Checks that a WebSocket is asked for, and gives one.
fn accept(pair: Pair, exchange: &mut Exchange<'_>) {
    let head = exchange.head();
    assert_eq!(head.all("sec-websocket-version"), ["13"], "{head}");
    if pair.up.h2 {
        assert_eq!(head.start[0], "CONNECT", "{head}");
        assert_eq!(head.all(":protocol"), ["websocket"]);
        assert_eq!(head.all("sec-websocket-key"), [""; 0], "{head}");
        assert!(exchange.switch("Sec-WebSocket-Protocol: chat\r\n"));
    } else {
        assert_eq!(head.start[0], "GET", "{head}");
        assert_eq!(head.all("upgrade"), ["websocket"]);
        assert_eq!(
            head.all("connection").join(", ").to_ascii_lowercase(),
            "upgrade"
        );
        // Where the client speaks HTTP/2, evenkeel made the key, and checks the answer.
        let accept = websocket_accept(&head.one("sec-websocket-key").unwrap());
        assert!(exchange.switch(&format!(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n"
        )));
    }
}

/// Evenkeel before this endpoint. One of HTTP/2 alone has to be named as that: otherwise an upgrade offers what can be upgraded.
fn start(pair: Pair, origin: &Origin) -> Evenkeel {
    let setup = pair.setup([origin]);
    Evenkeel::start(&match pair.up.h2 && pair.up.tls {
        true => setup.cluster("protocol = \"h2\""),
        false => setup,
    })
}

#[test]
fn a_websocket_is_a_tunnel_both_ways() {
    each(|pair| {
        let origin = pair.serve(move |exchange| {
            accept(pair, exchange);
            exchange.data("welcome");
            while let Some(piece) = exchange.piece() {
                exchange.data(piece);
            }
            exchange.end();
        });
        let proxy = start(pair, &origin);
        let mut caller = pair.caller(&proxy);
        let mut call = caller.begin_websocket("/chat?room=1", "Sec-WebSocket-Protocol: chat\r\n");
        let head = call.head();
        if pair.down.h2 {
            assert_eq!(head.status(), 200, "{head}");
            assert_eq!(head.all("sec-websocket-accept"), [""; 0]);
        } else {
            assert_eq!(head.status(), 101, "{head}");
            assert_eq!(head.all("upgrade"), ["websocket"]);
            let accept = head.one("sec-websocket-accept").unwrap();
            assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        }
        assert_eq!(call.exactly(7), b"welcome");
        for size in [1, 5, 70_000] {
            let bytes = Pattern::bytes(size);
            call.data(&bytes);
            assert_eq!(call.exactly(size), bytes);
        }
        call.cancel();
        origin.wait_exchanging(0);
        let record = proxy.record();
        assert_eq!(record["bytes_in"], 70_006, "{record}");
        assert_eq!(record["bytes_out"], 70_013, "{record}");
    });
}

#[test]
fn the_endpoint_s_end_of_a_tunnel_is_the_client_s() {
    each(|pair| {
        let origin = pair.serve(move |exchange| {
            accept(pair, exchange);
            exchange.data("good bye");
            exchange.end();
        });
        let proxy = start(pair, &origin);
        let mut caller = pair.caller(&proxy);
        let mut call = caller.begin_websocket("/chat", "");
        call.head();
        assert_eq!(call.exactly(8), b"good bye");
        assert_eq!(call.piece(), Ok(None));
    });
}

#[test]
fn a_refusal_of_an_endpoint_is_no_tunnel() {
    each(|pair| {
        // Of an extended CONNECT there is no end to wait for.
        let origin = pair.serve(|exchange| {
            exchange.reply(&Reply::new(403, "not here"));
        });
        let proxy = start(pair, &origin);
        let mut caller = pair.caller(&proxy);
        let mut call = caller.begin_websocket("/chat", "");
        if pair.down.h2 {
            call.end();
        }
        call.response().status(403).body("not here");
    });
}

#[test]
fn a_tunnel_keeps_no_configuration_of_before() {
    each(|pair| {
        let origin = pair.serve(move |exchange| {
            accept(pair, exchange);
            while let Some(piece) = exchange.piece() {
                exchange.data(piece);
            }
            exchange.end();
        });
        let gate = Gate::new();
        let slow = Origin::http({
            let gate = gate.clone();
            move |_| {
                gate.wait();
                Reply::ok("at last")
            }
        });
        let named = |route: &str| {
            let setup = pair.setup([&origin]);
            let setup = match pair.up.h2 && pair.up.tls {
                true => setup.cluster("protocol = \"h2\""),
                false => setup,
            };
            setup
                .route(&format!("name = \"{route}\""))
                .add_route("path = \"/slow\"\nname = \"slow\"\ncluster = \"slow\"")
                .sections(&format!(
                    "[cluster.slow]\nendpoints = [\"{}\"]",
                    slow.address()
                ))
        };
        let mut proxy = Evenkeel::start(&named("first"));
        let mut caller = pair.caller(&proxy);
        let mut call = caller.begin_websocket("/chat", "");
        call.head();
        proxy.reload(&named("second").text());
        // What is no tunnel ends as it began, and holds that.
        let mut other = pair.caller(&proxy);
        let mut waiting = other.begin("GET", "/slow", "", Length::None);
        slow.wait_requests(1);
        for route in ["third", "fourth", "fifth"] {
            proxy.reload(&named(route).text());
            call.data(route);
            assert_eq!(call.exactly(route.len()), route.as_bytes());
        }
        wait_held(&proxy, 1);
        gate.open();
        waiting.response().status(200).body("at last");
        wait_held(&proxy, 0);
        call.data("still here");
        assert_eq!(call.exactly(10), b"still here");
        call.cancel();
        origin.wait_exchanging(0);
        let records = proxy.records(2);
        let of_tunnel = records.iter().find(|record| record["route"] == "first");
        let record = of_tunnel.expect("the tunnel's record");
        assert_eq!(record["cluster"], "app", "{record}");
        let endpoint = record["endpoint"].as_str().unwrap_or_default();
        assert!(origin.address().ends_with(endpoint), "{record}");
        assert!(!endpoint.is_empty(), "{record}");
        assert_eq!(record["bytes_in"], 26, "{record}");
        assert_eq!(record["bytes_out"], 26, "{record}");
    });
}

/// Waits until so many configurations of before are kept.
#[track_caller]
fn wait_held(proxy: &Evenkeel, wanted: u32) {
    eventually("so many configurations of before", || {
        let page = proxy.control().get("/metrics").text();
        let line = format!("\nevenkeel_config_held {wanted}\n");
        page.contains(&line).then_some(())
    });
}
