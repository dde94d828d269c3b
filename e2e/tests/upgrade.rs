//! Upgrades: a tunnel begins after the endpoint's matching 101 and never before.

use evenkeel_testkit::frames::code;
use evenkeel_testkit::message::Head;
use evenkeel_testkit::{Client, Conn, Evenkeel, Gate, Length, Origin, Pattern, Reply, Setup};

/// Asks for a WebSocket.
pub(crate) const ASK: &str = "GET /chat HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
/// Gives one.
pub(crate) const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn switched(client: &mut Client) -> Head {
    client.send(ASK);
    let head = client.head();
    assert_eq!(head.status(), 101, "{head}");
    head
}

fn accepts(conn: &mut Conn) {
    let head = conn.head();
    assert_eq!(head.one("upgrade").as_deref(), Some("websocket"));
    assert_eq!(
        head.one("connection")
            .map(|value| value.to_ascii_lowercase())
            .as_deref(),
        Some("upgrade")
    );
    assert_eq!(
        head.one("sec-websocket-key").as_deref(),
        Some("dGhlIHNhbXBsZSBub25jZQ==")
    );
    conn.send(SWITCH);
}

#[test]
fn a_websocket_is_a_tunnel_both_ways() {
    let origin = Origin::script(|conn| {
        accepts(conn);
        conn.send("welcome");
        for size in [1, 5, 70_000] {
            let bytes = conn.exactly(size);
            conn.send(bytes);
        }
        conn.until_closed();
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    let head = switched(&mut client);
    assert_eq!(head.one("upgrade").as_deref(), Some("websocket"));
    assert_eq!(
        head.one("sec-websocket-accept").as_deref(),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert_eq!(client.exactly(7), b"welcome");
    for size in [1, 5, 70_000] {
        let bytes = Pattern::bytes(size);
        client.send(&bytes);
        assert_eq!(client.exactly(size), bytes);
    }
    drop(client);
    origin.wait_open(0);
    let record = proxy.record();
    assert_eq!(record["status"], 101);
    assert_eq!(record["bytes_in"], 70_006);
    assert_eq!(record["bytes_out"], 70_013);
}

#[test]
fn what_comes_right_behind_the_heads_is_part_of_the_tunnel() {
    let origin = Origin::script(|conn| {
        let head = conn.head();
        assert_eq!(head.one("upgrade").as_deref(), Some("websocket"));
        conn.send(format!("{SWITCH}first words"));
        assert_eq!(conn.exactly(5), b"eager");
        conn.send("thanks");
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send(format!("{ASK}eager"));
    assert_eq!(client.head().status(), 101);
    assert_eq!(client.exactly(17), b"first wordsthanks");
    client.expect_closed();
}

#[test]
fn one_direction_of_a_tunnel_may_end_before_the_other() {
    let origin = Origin::script(|conn| {
        accepts(conn);
        let all = conn.until_closed();
        conn.send(format!("{} bytes", all.len()));
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    switched(&mut client);
    client.send("hello");
    client.finish();
    assert_eq!(client.rest(), b"5 bytes");
}

#[test]
fn an_endpoint_that_ends_a_tunnel_ends_it_for_the_client() {
    let origin = Origin::script(accepts);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    switched(&mut client);
    client.expect_closed();
}

#[test]
fn a_refused_upgrade_is_an_ordinary_response() {
    let origin = Origin::http(|request| match request.target() {
        "/chat" => Reply::new(426, "no")
            .header("Upgrade", "foo")
            .header("Connection", "Upgrade"),
        target => Reply::ok(target),
    });
    let proxy = Evenkeel::start(
        &Setup::to([&origin])
            .add_route("path = \"/admin\"\nrespond = { status = 403, body = \"guarded\" }"),
    );
    let mut client = proxy.client();
    // Bytes sent in the hope of a tunnel are requests, and go through the routes like any other.
    client.send(format!(
        "{ASK}GET /admin HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n"
    ));
    client.response("GET").status(426).body("no");
    client.response("GET").status(403).body("guarded");
    client.response("GET").status(200).body("/next");
    let requests = origin.requests();
    let targets: Vec<&str> = requests.iter().map(|request| request.target()).collect();
    assert_eq!(targets, ["/chat", "/next"]);
}

#[test]
fn nothing_passes_before_the_101() {
    let answer = Gate::new();
    let origin = Origin::script({
        let answer = answer.clone();
        move |conn| {
            conn.head();
            answer.wait();
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            conn.until_closed();
        }
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send(format!("{ASK}smuggled bytes\r\n\r\n"));
    origin.wait_connections(1);
    answer.open();
    client.response("GET").status(200).body("ok");
    client.response("GET").status(400);
    client.expect_closed();
    let bytes = origin.bytes().concat();
    assert!(!String::from_utf8_lossy(&bytes).contains("smuggled"));
}

fn assert_mismatch(request: &str, switch: &'static str) {
    let origin = Origin::script(move |conn| {
        conn.head();
        conn.send(switch);
        conn.until_closed();
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]).cluster("retry = { attempts = 0 }"));
    let mut client = proxy.client();
    client.send(request);
    client.response("GET").status(502).fault("upgrade-mismatch");
    origin.wait_open(0);
}

#[test]
fn a_101_that_nobody_asked_for_is_a_502() {
    assert_mismatch("GET / HTTP/1.1\r\nHost: a\r\n\r\n", SWITCH);
}

#[test]
fn a_101_to_another_protocol_is_a_502() {
    assert_mismatch(
        ASK,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    );
    assert_mismatch(ASK, "HTTP/1.1 101 Switching Protocols\r\n\r\n");
}

#[test]
fn h2c_is_never_asked_for() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let fields = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
    proxy.client().get_with("/", fields).status(200);
    let request = origin.request();
    for name in ["upgrade", "http2-settings", "connection"] {
        assert_eq!(request.head.all(name), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn h2c_is_not_asked_for_by_an_extended_connect_either() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    for protocol in ["h2c", "H2c"] {
        let mut client = proxy.h2();
        client.wait_connect_protocol();
        let fields = format!(":protocol: {protocol}\r\n");
        let mut call = client.begin("CONNECT", "/", &fields, Length::Unknown);
        assert_eq!(call.wait_reset(), code::PROTOCOL_ERROR);
    }
    for record in proxy.records(2) {
        assert_eq!(record["detail"], "protocol-invalid", "{record}");
    }
    assert_eq!(origin.requests().len(), 0);
}

#[test]
fn an_upgrade_with_a_body_or_from_http_1_0_is_none() {
    let origin = Origin::http(Reply::echo);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    client
        .ask(
            "GET",
            "/",
            &format!("{upgrade}Content-Length: 5\r\n"),
            "hello",
        )
        .status(200)
        .body("hello");
    client.send(format!("GET / HTTP/1.0\r\n{upgrade}\r\n"));
    client.response("GET").status(200);
    assert!(
        origin
            .requests()
            .iter()
            .all(|request| request.field("upgrade").is_none())
    );
}

#[test]
fn a_silent_tunnel_ends_after_its_own_timeout() {
    let origin = Origin::script(|conn| {
        accepts(conn);
        conn.until_closed();
    });
    let setup = Setup::to([&origin]).cluster("tunnel_timeout = \"200ms\"\nidle_timeout = \"50ms\"");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    switched(&mut client);
    client.expect_closed();
    origin.wait_open(0);
}

#[test]
fn a_big_tunnel_keeps_every_byte_in_order() {
    const SIZE: u64 = 20_000_000;
    let origin = Origin::script(|conn| {
        accepts(conn);
        let mut pattern = Pattern::new();
        while pattern.offset() < SIZE {
            let left = SIZE - pattern.offset();
            if !conn.send(pattern.next(left)) {
                break;
            }
        }
    });
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    switched(&mut client);
    let mut pattern = Pattern::new();
    client.body(evenkeel_testkit::message::Framing::Close, &mut |piece| {
        pattern.check(piece);
    });
    assert_eq!(pattern.offset(), SIZE);
}
