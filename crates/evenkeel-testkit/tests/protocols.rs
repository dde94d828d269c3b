//! The language of end-to-end tests for TLS and HTTP/2, tested against itself: a client that talks to an origin directly.

#![expect(
    clippy::tests_outside_test_module,
    reason = "all of this is test code, also what is outside of a module"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use evenkeel_testkit::h2::{Client as H2, Settings};
use evenkeel_testkit::message::values;
use evenkeel_testkit::{
    Authority, Broken, Caller, Client, Exchange, Gate, Length, Origin, Pattern, Reply, Speech,
    TlsClient, TlsOrigin,
};

/// An authority, what an origin offers and what a client wants.
fn terms() -> (Authority, TlsOrigin, TlsClient) {
    let authority = Authority::new();
    let leaf = authority.certify(&["a.example", "127.0.0.1"]);
    let client = TlsClient::trusting(&authority);
    (authority, TlsOrigin::with(&leaf), client)
}

/// Runs a case with an origin of this script for each of the four ways to speak.
fn each(
    script: impl Fn(&mut Exchange<'_>) + Clone + Send + Sync + 'static,
    case: impl Fn(&Origin, Caller),
) {
    let (_, offered, wanted) = terms();
    let (h1, h2) = (Speech::h1(), Speech::h2());
    for (speech, tls) in [
        (h1.clone(), None),
        (h1.over(&offered), Some(&wanted)),
        (h2.clone(), None),
        (h2.over(&offered), Some(&wanted)),
    ] {
        let origin = speech.serve(script.clone());
        let address = origin.socket_address();
        let is_h2 = format!("{speech:?}").contains("h2: Some");
        let caller = if is_h2 {
            Caller::h2(address, tls)
        } else {
            Caller::h1(address, tls)
        };
        case(&origin, caller);
    }
}

#[test]
fn every_speech_carries_bodies_both_ways() {
    let echo = |exchange: &mut Exchange<'_>| {
        let request = exchange.request().unwrap();
        exchange.reply(&Reply::echo(&request).header("X-Target", request.target()));
    };
    each(echo, |origin, mut caller| {
        caller.get("/a?b").status(200).header("x-target", "/a?b");
        caller.post("/", "hello").status(200).body("hello");
        caller.ask("HEAD", "/", "", "").status(200).body("");
        let big = String::from_utf8(vec![b'x'; 1 << 20]).unwrap();
        caller.post("/", &big).status(200).body(&big);
        let mut call = caller.begin("PUT", "/", "", Length::Unknown);
        call.data("one").data("").data("two").end();
        call.response().status(200).body("onetwo");
        let requests = origin.wait_requests(5);
        assert_eq!(requests[1].method(), "POST");
        assert_eq!(requests[1].field("content-length").as_deref(), Some("5"));
        assert_eq!(requests[4].host().as_deref(), Some("a.example"));
        assert_eq!(
            requests[0].tls.is_some(),
            origin.address().starts_with("https")
        );
        assert_eq!((origin.connections(), origin.exchanges()), (1, 5));
    });
}

#[test]
fn every_speech_has_interim_heads_and_trailers_both_ways() {
    let script = |exchange: &mut Exchange<'_>| {
        exchange.interim(103, "Link: </a>\r\n");
        assert!(exchange.body(&mut |_| {}));
        assert_eq!(values(exchange.request_trailers(), "x-t"), ["1"]);
        exchange.respond(200, "", Length::Unknown);
        exchange.data("body");
        exchange.trailers("X-U: 2\r\n");
    };
    each(script, |_, mut caller| {
        for _ in 0..2 {
            let mut call = caller.begin("POST", "/", "te: trailers\r\n", Length::Unknown);
            assert_eq!(call.interim().all("link"), ["</a>"]);
            call.data("x").trailers("X-T: 1\r\n");
            call.response().status(200).body("body").trailer("x-u", "2");
        }
    });
}

#[test]
fn every_speech_tells_a_cut_response_from_a_whole_one() {
    for length in [Length::Known(100), Length::Unknown] {
        let script = move |exchange: &mut Exchange<'_>| {
            exchange.request();
            exchange.respond(200, "", length);
            exchange.data("half");
            exchange.cut();
        };
        each(script, |_, mut caller| {
            let mut call = caller.begin("GET", "/", "", Length::None);
            let cut = call.cut_response();
            assert_eq!(cut.head.unwrap().status(), 200);
        });
    }
}

#[test]
fn every_speech_notices_a_caller_that_gives_up() {
    let script = |exchange: &mut Exchange<'_>| {
        exchange.request();
        let code = exchange.wait_gone();
        assert!(code.is_none_or(|code| code == 8), "{code:?}");
    };
    each(script, |origin, mut caller| {
        let call = caller.begin("GET", "/", "", Length::None);
        origin.wait_requests(1);
        call.cancel();
        origin.wait_exchanging(0);
    });
}

#[test]
fn a_cut_request_is_no_request() {
    let script = |exchange: &mut Exchange<'_>| assert!(exchange.request().is_none());
    each(script, |origin, mut caller| {
        let mut call = caller.begin("POST", "/", "", Length::Known(10));
        call.data("half");
        origin.wait_exchanges(1);
        call.cancel();
        origin.wait_cut(1);
        assert_eq!(origin.requests(), []);
    });
}

#[test]
fn a_script_of_a_stream_that_fails_fails_its_test() {
    let origin = Speech::h2().serve(|_| panic!("the script is not content"));
    let mut client = H2::connect(origin.socket_address());
    let mut call = client.start("GET", "/", "", "");
    assert!(matches!(
        call.try_response().unwrap_err().why,
        Broken::StreamReset(_)
    ));
    origin.wait_exchanging(0);
    let failed = catch_unwind(AssertUnwindSafe(|| drop(origin))).unwrap_err();
    let text = failed.downcast_ref::<String>().unwrap();
    assert!(text.contains("the script is not content"), "{text}");
}

#[test]
fn streams_go_side_by_side_and_are_counted() {
    let answer = Gate::new();
    let origin = Speech::h2().serve({
        let answer = answer.clone();
        move |exchange| {
            exchange.request();
            answer.wait();
            exchange.reply(&Reply::ok("late"));
        }
    });
    let mut client = H2::connect(origin.socket_address());
    for _ in 0..10 {
        client.send_request("GET", "/", "", "");
    }
    origin.wait_exchanges(10);
    answer.open();
    for _ in 0..10 {
        client.response("GET").status(200).body("late");
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_stream_whose_reader_waits_stands_still() {
    let sent = std::sync::Arc::new(AtomicUsize::new(0));
    let origin = Speech::h2().serve({
        let sent = std::sync::Arc::clone(&sent);
        move |exchange| {
            exchange.respond(200, "", Length::Unknown);
            let mut pattern = Pattern::new();
            while pattern.offset() < 200_000 && exchange.data(pattern.next(10_000)) {
                sent.fetch_add(10_000, Ordering::Relaxed);
            }
            exchange.end();
        }
    });
    let mut client = H2::connect(origin.socket_address());
    let mut call = client.start("GET", "/", "", "");
    call.head();
    client.ping();
    // The window of a stream is 65,535 bytes, and a piece that begins within it may wait for its end.
    assert!(sent.load(Ordering::Relaxed) <= 60_000);
    let mut pattern = Pattern::new();
    call.body(&mut |piece| pattern.check(piece)).unwrap();
    assert_eq!(pattern.offset(), 200_000);
}

#[test]
fn an_origin_that_retires_says_goaway_and_one_that_hangs_up_does_not() {
    let origin = Speech::h2().serve(|exchange| {
        let request = exchange.request().unwrap();
        match request.target() {
            "/retire" => exchange.retire(),
            "/abort" => return exchange.goaway(11),
            "/refuse" => return exchange.reset(7),
            "/hang-up" => {
                exchange.hang_up();
                exchange.wait_gone();
                return;
            }
            _ => {}
        }
        exchange.reply(&Reply::ok("fine"));
    });
    let address = origin.socket_address();
    let mut client = H2::connect(address);
    let mut call = client.start("GET", "/refuse", "", "");
    assert_eq!(call.try_response().unwrap_err().why, Broken::StreamReset(7));
    client.get("/retire").status(200).body("fine");
    assert_eq!(client.wait_goaway(), 0);
    assert_eq!(client.wait_closed(), None);
    let mut client = H2::connect(address);
    let mut call = client.start("GET", "/abort", "", "");
    // GOAWAY names it as one that was begun: it ends with the connection.
    assert_eq!(call.try_response().unwrap_err().why, Broken::Closed);
    assert_eq!(client.wait_closed(), Some(Broken::GoneAway(11)));
    let mut client = H2::connect(address);
    let mut call = client.start("GET", "/hang-up", "", "");
    assert_eq!(call.try_response().unwrap_err().why, Broken::Closed);
}

#[test]
fn settings_are_announced_and_kept() {
    let settings = Settings::new().max_streams(2).connect_protocol();
    let origin = Speech::h2_with(&settings).serve(|exchange| {
        assert_eq!(exchange.head().all(":protocol"), ["websocket"]);
        exchange.switch("");
        while let Some(piece) = exchange.piece() {
            exchange.data(piece);
        }
        exchange.end();
    });
    let mut caller = Caller::h2(origin.socket_address(), None);
    let mut call = caller.begin_websocket("/chat", "");
    assert_eq!(call.head().status(), 200);
    call.data("over the tunnel");
    assert_eq!(call.exactly(15), b"over the tunnel");
    call.end();
    assert_eq!(call.piece(), Ok(None));
    assert!(matches!(&caller, Caller::H2(client) if client.max_streams() == 2));
}

#[test]
fn a_tunnel_of_http_1_1_is_one_too() {
    let origin = Speech::h1().serve(|exchange| {
        assert_eq!(exchange.head().all("upgrade"), ["websocket"]);
        exchange.switch("Connection: upgrade\r\nUpgrade: websocket\r\n");
        while let Some(piece) = exchange.piece() {
            exchange.data(piece);
        }
    });
    let mut caller = Caller::h1(origin.socket_address(), None);
    let mut call = caller.begin_websocket("/chat", "");
    assert_eq!(call.head().status(), 101);
    call.data("over the tunnel");
    assert_eq!(call.exactly(15), b"over the tunnel");
}

#[test]
fn what_was_agreed_on_is_known_on_both_sides() {
    let (_, offered, wanted) = terms();
    let origin = Speech::h1().over(&offered).saying("ok");
    let address = origin.socket_address();
    for (wanted, version) in [
        (wanted.clone().only_1_2(), "1.2"),
        (wanted.clone().only_1_3(), "1.3"),
    ] {
        for resumed in [false, true] {
            let mut client = Client::tls(address, &wanted);
            client.get("/").status(200).body("ok");
            let agreed = client.handshake();
            assert_eq!((agreed.version, agreed.resumed), (version, resumed));
            assert_eq!(agreed.alpn.as_deref(), Some("http/1.1"));
        }
        let other = wanted.forgetful();
        assert!(!Client::tls(address, &other).handshake().resumed);
    }
    let seen = origin.requests().pop().unwrap().tls.unwrap();
    assert_eq!((seen.version, seen.resumed), ("1.3", true));
    assert_eq!(seen.sni.as_deref(), Some("a.example"));
    assert_eq!(seen.certificate, None);
    let address_only = wanted.name("127.0.0.1");
    assert!(!Client::tls(address, &address_only).handshake().resumed);
}

#[test]
fn a_certificate_that_is_not_good_is_refused() {
    let authority = Authority::new();
    let wanted = TlsClient::trusting(&authority);
    for (leaf, why) in [
        (authority.order(&["a.example"]).expired().issue(), "expired"),
        (
            authority.order(&["a.example"]).days(2, 9).issue(),
            "not valid yet",
        ),
        (authority.certify(&["b.example"]), "not valid for name"),
        (Authority::new().certify(&["a.example"]), "UnknownIssuer"),
    ] {
        let origin = Speech::h1().over(&TlsOrigin::with(&leaf)).saying("ok");
        let broken = Client::try_tls(origin.socket_address(), &wanted).unwrap_err();
        assert!(matches!(broken, Broken::Tls(_)), "{broken}");
        assert!(broken.to_string().contains(why), "{broken}");
        origin.wait_open(0);
        assert_eq!(origin.failed_handshakes().len(), 1, "{why}");
    }
    let rsa = authority.order(&["a.example"]).rsa().issue();
    let origin = Speech::h2().over(&TlsOrigin::with(&rsa)).saying("ok");
    let mut client = H2::tls(origin.socket_address(), &wanted);
    client.get("/").status(200);
    let agreed = client.handshake().unwrap();
    assert_eq!(agreed.certificate.as_deref(), Some(rsa.der()));
    assert_eq!(agreed.alpn.as_deref(), Some("h2"));
}

#[test]
fn a_client_shows_its_certificate_when_it_is_asked() {
    let authority = Authority::new();
    let offered = TlsOrigin::with(&authority.certify(&["a.example"])).clients_of(&authority);
    let origin = Speech::h1().over(&offered).saying("ok");
    let wanted = TlsClient::trusting(&authority);
    let mut nobody = Client::tls(origin.socket_address(), &wanted);
    nobody.try_send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let why = nobody.try_response("GET").unwrap_err().why;
    assert!(matches!(why, Broken::Tls(_) | Broken::Reset), "{why}");
    let leaf = authority.certify(&["somebody"]);
    Client::tls(origin.socket_address(), &wanted.identity(&leaf))
        .get("/")
        .status(200);
    let seen = origin.request().tls.unwrap().certificate;
    assert_eq!(seen.as_deref(), Some(leaf.der()));
}

#[test]
fn an_end_without_a_goodbye_is_a_cut() {
    let (_, offered, wanted) = terms();
    for goodbye in [true, false] {
        let origin = Speech::h1().over(&offered).script(move |conn| {
            conn.request();
            conn.send("HTTP/1.1 200 OK\r\n\r\nuntil the end");
            if !goodbye {
                conn.no_goodbye();
            }
        });
        let mut client = Client::tls(origin.socket_address(), &wanted);
        client.send_request("GET", "/", "", "");
        if goodbye {
            client.response("GET").body("until the end");
        } else {
            assert_eq!(client.cut_response("GET").why, Broken::Closed);
        }
    }
}
