//! HTTP/2 to endpoints: few connections that carry many requests, what an endpoint may refuse and how a connection ends, and
//! what must not pass. What every pair of protocols has in common stands in `pairs`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use evenkeel_testkit::evenkeel::Signal;
use evenkeel_testkit::frames::{self, Frame, code};
use evenkeel_testkit::h2::Settings;
use evenkeel_testkit::message::Framing;
use evenkeel_testkit::patience::PATIENCE;
use evenkeel_testkit::{
    Conn, Evenkeel, Exchange, Gate, Length, Origin, Reply, Request, Setup, Speech,
};

/// REFUSED_STREAM (RFC 9113 §7).
const REFUSED: u32 = 7;
/// INTERNAL_ERROR.
const INTERNAL: u32 = 2;

/// What a client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The types of frames (RFC 9113 §6).
mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const PING: u8 = 6;
    pub(super) const GOAWAY: u8 = 7;
    pub(super) const CONTINUATION: u8 = 9;
}

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// One worker, so that connections can be counted.
fn setup<'a>(origins: impl IntoIterator<Item = &'a Origin>) -> Setup {
    Setup::to(origins).top("workers = 1")
}

/// An origin whose answers wait for a gate, with these settings.
fn gated(settings: &Settings) -> (Gate, Origin) {
    let gate = Gate::new();
    let origin = Speech::h2_with(settings).http({
        let gate = gate.clone();
        move |_| {
            gate.wait();
            Reply::ok("finished")
        }
    });
    (gate, origin)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A field as HPACK spells one that it does not keep (RFC 7541 §6.2.2).
fn field(name: &str, value: &[u8]) -> Vec<u8> {
    let length = |length: usize| u8::try_from(length).ok().filter(|n| *n < 127).unwrap();
    let mut bytes = vec![0, length(name.len())];
    bytes.extend(name.bytes());
    bytes.push(length(value.len()));
    bytes.extend(value);
    bytes
}

/// `:status: 200` (RFC 7541, Appendix A).
const OK: u8 = 0x88;

/// The other end of evenkeel's connection, frame by frame.
struct Raw<'a>(&'a mut Conn);

impl<'a> Raw<'a> {
    /// Takes the preface and says these settings, as pairs of an identifier and a value.
    fn new(conn: &'a mut Conn, settings: &[(u16, u32)]) -> Self {
        assert_eq!(conn.exactly(PREFACE.len()), PREFACE);
        let mut payload = Vec::new();
        for (id, value) in settings {
            payload.extend(id.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        conn.send(frame(kind::SETTINGS, 0, 0, &payload));
        Self(conn)
    }

    /// The next frame: kind, flags, stream, payload.
    fn next(&mut self) -> (u8, u8, u32, Vec<u8>) {
        let head = self.0.exactly(9);
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let payload = if length > 0 {
            self.0.exactly(length as usize)
        } else {
            Vec::new()
        };
        (head[3], head[4], stream, payload)
    }

    /// The next one of that kind, which is no acknowledgment.
    fn wait(&mut self, wanted: u8) -> (u32, Vec<u8>) {
        loop {
            let (kind, flags, stream, payload) = self.next();
            if kind == kind::SETTINGS && flags & ACK == 0 {
                self.0.send(frame(kind::SETTINGS, ACK, 0, &[]));
            }
            if kind == wanted {
                return (stream, payload);
            }
        }
    }

    /// The stream of the next request.
    fn request(&mut self) -> u32 {
        self.wait(kind::HEADERS).0
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.0.send(frame(kind, flags, stream, payload));
    }

    fn respond(&mut self, stream: u32, fields: &[u8], body: &[u8]) {
        let head = [&[OK], fields].concat();
        self.send(kind::HEADERS, END_HEADERS, stream, &head);
        self.send(kind::DATA, END_STREAM, stream, body);
    }

    fn goaway(&mut self, last: u32) {
        let payload = [last.to_be_bytes(), [0; 4]].concat();
        self.send(kind::GOAWAY, 0, 0, &payload);
    }
}

/// An origin of frames behind `h2c://`.
fn raw(script: impl Fn(&mut Conn) + Send + Sync + 'static) -> (Origin, Setup) {
    let origin = Origin::script(script);
    let address = format!("h2c://{}", origin.address());
    let setup = Setup::to_addresses([address]).top("workers = 1");
    (origin, setup)
}

#[test]
fn requests_at_once_share_one_connection_from_the_first_on() {
    let (gate, origin) = gated(&Settings::new());
    let proxy = Evenkeel::start(&setup([&origin]));
    let mut clients: Vec<_> = (0..40).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send_request("GET", "/", "", "");
    }
    origin.wait_exchanges(40);
    gate.open();
    for client in &mut clients {
        client.response("GET").status(200).body("finished");
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn an_endpoint_gets_no_more_at_once_than_it_allows() {
    let (gate, origin) = gated(&Settings::new().max_streams(1));
    let setup =
        setup([&origin]).cluster("http2 = { max_connections = 2 }\nlimits.queue.timeout = \"60s\"");
    let proxy = Evenkeel::start(&setup);
    let mut clients: Vec<_> = (0..6).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send_request("POST", "/", "Content-Length: 2\r\n", "hi");
    }
    origin.wait_exchanges(2);
    gate.open();
    for client in &mut clients {
        client.response("POST").status(200).body("finished");
    }
    assert_eq!((origin.connections(), origin.exchanges()), (2, 6));
}

#[test]
fn who_waits_for_a_stream_waits_as_in_the_queue() {
    for (queue, fault) in [
        ("timeout = \"100ms\"", "queue-timeout"),
        ("size = 0", "queue-full"),
    ] {
        let (gate, origin) = gated(&Settings::new().max_streams(1));
        let lines = format!("http2 = {{ max_connections = 1 }}\nlimits.queue = {{ {queue} }}");
        let proxy = Evenkeel::start(&setup([&origin]).cluster(&lines));
        let (mut first, mut second) = (proxy.client(), proxy.client());
        first.send_request("GET", "/", "", "");
        origin.wait_exchanges(1);
        second.get("/").status(503).fault(fault);
        gate.open();
        first.response("GET").status(200).body("finished");
    }
}

#[test]
fn an_endpoint_with_a_stream_left_is_asked_before_one_is_waited_for() {
    let (gate, full) = gated(&Settings::new().max_streams(1));
    let other = Speech::h2().saying("other");
    let setup = setup([&full, &other]).cluster("http2 = { max_connections = 1 }");
    let proxy = Evenkeel::start(&setup);
    // By turns: one of the two is at the first, and stays there.
    let ask = |_| {
        let mut client = proxy.client();
        client.send_request("GET", "/", "", "");
        client
    };
    let two: Vec<_> = (0..2).map(ask).collect();
    full.wait_exchanges(1);
    let mut client = proxy.client();
    for _ in 0..6 {
        client.get("/").status(200).body("other");
    }
    gate.open();
    drop(two);
}

#[test]
fn what_an_endpoint_refuses_is_sent_elsewhere_whatever_the_method() {
    let refusing = Speech::h2().serve(|exchange: &mut Exchange<'_>| exchange.reset(REFUSED));
    let good = Speech::h2().http(Reply::echo);
    let proxy = Evenkeel::start(&setup([&refusing, &good]).cluster("outlier = \"off\""));
    let mut client = proxy.client();
    for body in ["", "hello you", &"y".repeat(30_000)] {
        for _ in 0..2 {
            client.post("/", body).status(200).body(body);
        }
    }
    assert!(refusing.exchanges() >= 3, "{}", refusing.exchanges());
    assert_eq!(
        refusing.connections(),
        1,
        "a stream is refused, not the connection"
    );
}

#[test]
fn a_post_that_an_endpoint_may_have_seen_is_not_sent_again() {
    let failing = Speech::h2().serve(|exchange: &mut Exchange<'_>| {
        exchange.request();
        exchange.reset(INTERNAL);
    });
    let good = Speech::h2().saying("good");
    let proxy = Evenkeel::start(&setup([&failing, &good]).cluster("outlier = \"off\""));
    let mut client = proxy.client();
    let mut answers: Vec<u16> = Vec::new();
    for _ in 0..4 {
        answers.push(client.post("/", "x").head.status());
    }
    answers.sort_unstable();
    assert_eq!(answers, [200, 200, 502, 502]);
    for _ in 0..4 {
        client.get("/").status(200).body("good");
    }
}

#[test]
fn an_endpoint_that_resets_every_stream_is_ejected() {
    let failing = Speech::h2().serve(|exchange: &mut Exchange<'_>| exchange.reset(INTERNAL));
    let good = Speech::h2().saying("good");
    let proxy = Evenkeel::start(&setup([&failing, &good]));
    let mut client = proxy.client();
    for _ in 0..20 {
        client.get("/").status(200).body("good");
    }
    proxy
        .log()
        .wait_for("the ejection", |line| line.contains("ejected"));
}

#[test]
fn a_stream_that_runs_outlives_goaway_and_new_requests_go_by_another_connection() {
    let gate = Gate::new();
    let origin = Speech::h2().serve({
        let gate = gate.clone();
        move |exchange: &mut Exchange<'_>| {
            if exchange.connection() == 0 {
                exchange.retire();
                exchange.respond(200, "", Length::Unknown);
                exchange.data("he");
                gate.wait();
                exchange.data("llo");
                exchange.end();
            } else {
                exchange.reply(&Reply::ok("second"));
            }
        }
    });
    let proxy = Evenkeel::start(&setup([&origin]));
    let mut first = proxy.client();
    first.send_request("GET", "/", "", "");
    first.head();
    let mut second = proxy.client();
    second.post("/", "x").status(200).body("second");
    gate.open();
    let mut body = Vec::new();
    first.body(Framing::Chunked, &mut |piece| body.extend_from_slice(piece));
    assert_eq!(body, b"hello");
    assert_eq!(origin.connections(), 2);
}

#[test]
fn a_post_behind_the_last_stream_of_goaway_is_sent_again_by_another_connection() {
    let (origin, setup) = raw(|conn| {
        let first = conn.number() == 0;
        let mut raw = Raw::new(conn, &[]);
        let stream = raw.request();
        if first {
            // Nothing was looked at; the connection stays for a while.
            raw.goaway(0);
            raw.0.until_closed();
        } else {
            raw.wait(kind::DATA);
            raw.respond(stream, &[], b"second");
            raw.0.until_closed();
        }
    });
    let proxy = Evenkeel::start(&setup);
    proxy.client().post("/", "x").status(200).body("second");
    assert_eq!(origin.connections(), 2);
}

/// As with a limit of requests or of age for connections: GOAWAY, and what was begun is answered.
#[test]
fn who_waits_for_a_stream_keeps_waiting_while_an_endpoint_rotates_its_connections() {
    let (origin, setup) = raw(|conn| {
        let mut raw = Raw::new(conn, &[(3, 1)]);
        let first = raw.request();
        raw.goaway(first);
        raw.respond(first, &[], b"done");
        raw.0.until_closed();
    });
    let proxy = Evenkeel::start(&setup.cluster("http2 = { max_connections = 2 }"));
    let mut clients: Vec<_> = (0..60).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send_request("POST", "/", "", "");
    }
    for client in &mut clients {
        client.response("POST").status(200).body("done");
    }
    assert!(origin.connections() >= 60);
}

#[test]
fn the_limit_of_streams_may_change_while_a_connection_lasts() {
    let gate = Gate::new();
    let (origin, setup) = raw({
        let gate = gate.clone();
        move |conn| {
            // MAX_CONCURRENT_STREAMS: one, and then two.
            let mut raw = Raw::new(conn, &[(3, 1)]);
            let first = raw.request();
            gate.wait();
            raw.send(kind::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 2]);
            let second = raw.request();
            raw.respond(second, &[], b"ok");
            raw.respond(first, &[], b"ok");
            raw.0.until_closed();
        }
    });
    let proxy = Evenkeel::start(
        &setup.cluster("http2 = { max_connections = 1 }\nlimits.queue.timeout = \"60s\""),
    );
    let (mut first, mut second) = (proxy.client(), proxy.client());
    first.send_request("GET", "/", "", "");
    second.send_request("GET", "/", "", "");
    gate.open();
    first.response("GET").status(200).body("ok");
    second.response("GET").status(200).body("ok");
    assert_eq!(origin.connections(), 1);
}

#[test]
fn an_endpoint_that_dies_fails_what_runs_and_is_connected_to_anew() {
    let died = Arc::new(AtomicUsize::new(0));
    let origin = Speech::h2().serve({
        let died = Arc::clone(&died);
        move |exchange: &mut Exchange<'_>| {
            let request = exchange.request();
            if died.fetch_add(1, Ordering::Relaxed) == 0 {
                return exchange.hang_up();
            }
            if let Some(request) = request {
                exchange.reply(&Reply::echo(&request));
            }
        }
    });
    let proxy = Evenkeel::start(&setup([&origin]));
    let mut client = proxy.client();
    client.post("/", "x").status(502);
    client.post("/", "again").status(200).body("again");
    died.store(0, Ordering::Relaxed);
    client.get("/").status(200);
    assert_eq!(origin.connections(), 3);
}

#[test]
fn an_endpoint_that_says_nothing_any_more_is_given_up() {
    let (origin, setup) = raw(|conn| {
        let mut raw = Raw::new(conn, &[]);
        raw.request();
        // The PING comes, and no answer to it.
        raw.wait(kind::PING);
        raw.0.until_closed();
    });
    let proxy = Evenkeel::start(&setup.cluster(
        "http2 = { ping_interval = \"1s\", ping_timeout = \"1s\" }\nretry = { attempts = 0 }",
    ));
    proxy.client().get("/").status(504).fault("connection-dead");
    assert_eq!(origin.connections(), 1);
}

#[test]
fn an_idle_connection_is_closed_in_good_order() {
    let (origin, setup) = raw(|conn| {
        let mut raw = Raw::new(conn, &[]);
        let stream = raw.request();
        raw.respond(stream, &[], b"ok");
        raw.wait(kind::GOAWAY);
        raw.0.until_closed();
    });
    let proxy = Evenkeel::start(&setup.cluster("keepalive_timeout = \"1s\""));
    proxy.client().get("/").status(200).body("ok");
    origin.wait_open(0);
}

#[test]
fn the_connections_of_an_endpoint_that_was_taken_out_are_closed() {
    let (gone, stays) = (Speech::h2().saying("gone"), Speech::h2().saying("stays"));
    let mut proxy = Evenkeel::start(&setup([&gone, &stays]));
    let mut client = proxy.client();
    for _ in 0..2 {
        client.get("/").status(200);
    }
    assert_eq!((gone.connections(), stays.connections()), (1, 1));
    proxy.reload(&setup([&stays]).text());
    gone.wait_open(0);
    client.get("/").status(200).body("stays");
    assert_eq!(stays.connections(), 1);
}

#[test]
fn a_drain_ends_connections_in_good_order() {
    let (origin, setup) = raw(|conn| {
        let mut raw = Raw::new(conn, &[]);
        let stream = raw.request();
        raw.respond(stream, &[], b"ok");
        raw.wait(kind::GOAWAY);
        raw.0.until_closed();
    });
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    client.get("/").status(200).body("ok");
    proxy.signal(Signal::Terminate);
    origin.wait_open(0);
    drop(client);
    assert_eq!(proxy.wait(), 0);
}

#[test]
fn what_does_not_speak_http2_is_found_before_a_request_is_sent() {
    let (origin, setup) = raw(|conn| {
        conn.exactly(PREFACE.len());
        conn.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        let rest = conn.until_closed();
        assert!(!rest.windows(2).any(|two| two == b"/x"), "{rest:?}");
    });
    let proxy = Evenkeel::start(&setup.cluster("retry = { attempts = 0 }"));
    let mut client = proxy.client();
    client
        .post("/x", "x")
        .status(502)
        .fault("response-malformed");
    assert!(origin.connections() > 0);
}

#[test]
fn what_could_split_a_response_does_not_pass() {
    let bad: &[&[u8]] = &[
        &field("x-a", b"b\r\nset-cookie: c=d"),
        &field("x-a", b"b\nc"),
        &field("x-a", b"b\rc"),
        &field("x-a", b"b\0c"),
        &field("x-a\r\nb", b"c"),
        &field("x-a:b", b"c"),
        &field("X-A", b"c"),
        &field("", b"c"),
        &field("connection", b"close"),
        &field("transfer-encoding", b"chunked"),
        &field("content-length", b"1"),
        &field("content-length", b"+2"),
        &[field("content-length", b"2"), field("content-length", b"3")].concat(),
        &field(":status", b"201"),
    ];
    let turn = Arc::new(AtomicUsize::new(0));
    let (_origin, setup) = raw({
        let turn = Arc::clone(&turn);
        let bad: Vec<Vec<u8>> = bad.iter().map(|one| one.to_vec()).collect();
        move |conn| {
            let mut raw = Raw::new(conn, &[]);
            loop {
                let (stream, _) = raw.wait(kind::HEADERS);
                let fields = &bad[turn.load(Ordering::Relaxed)];
                raw.respond(stream, fields, b"ok");
            }
        }
    });
    let cluster = "retry = { attempts = 0 }\noutlier = \"off\"";
    let proxy = Evenkeel::start(&setup.cluster(cluster));
    for (at, fields) in bad.iter().enumerate() {
        turn.store(at, Ordering::Relaxed);
        let mut client = proxy.client();
        client.send_request("GET", "/", "", "");
        // A body that is too long or too short is found behind the head.
        match client.try_response("GET") {
            Ok(response) => assert_eq!(response.head.status(), 502, "{}", fields.escape_ascii()),
            Err(cut) => assert!(fields.starts_with(b"\0\x0econtent-length"), "{cut:?}"),
        }
    }
}

#[test]
fn a_target_that_http2_does_not_carry_is_refused_and_not_changed() {
    let origin = Speech::h2().http(|request: &Request| Reply::ok(&request.head.start[1]));
    let proxy = Evenkeel::start(&setup([&origin]));
    let mut client = proxy.client();
    for target in ["/a{b}|c", "/%3C%0d", "/a\"b?d=[e]", "/a//b;c=d", "/?"] {
        client.get(target).status(200).body(target);
    }
    for target in ["/a<b>", "/a?b=\"c\""] {
        client
            .get(target)
            .status(400)
            .fault("request-target-refused");
    }
    client.ask("OPTIONS", "*", "", "").status(200).body("*");
}

#[test]
fn a_websocket_needs_an_endpoint_that_takes_it() {
    let origin = Speech::h2().saying("no");
    let proxy = Evenkeel::start(&setup([&origin]));
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut client = proxy.client();
    client
        .get_with("/", upgrade)
        .status(502)
        .fault("upgrade-unsupported");
    let other = "Connection: Upgrade\r\nUpgrade: other\r\n";
    client
        .get_with("/", other)
        .status(502)
        .fault("upgrade-unsupported");
    client.get("/").status(200).body("no");
}

#[test]
fn a_request_that_its_client_gives_up_is_reset_and_nothing_else() {
    let (gate, origin) = gated(&Settings::new());
    let proxy = Evenkeel::start(&setup([&origin]));
    let mut stays = proxy.client();
    stays.send_request("GET", "/", "", "");
    let mut leaves = proxy.client();
    leaves.send_request("GET", "/", "", "");
    origin.wait_exchanges(2);
    drop(leaves);
    let _ = proxy.record();
    gate.open();
    stays.response("GET").status(200).body("finished");
    stays.get("/").status(200).body("finished");
    assert_eq!(origin.connections(), 1);
}

#[test]
fn an_upload_that_its_client_gives_up_is_reset_though_nobody_takes_it() {
    let (asked, reset) = (mpsc::channel(), mpsc::channel());
    let (tell_asked, tell_reset) = (Mutex::new(asked.0), Mutex::new(reset.0));
    let (_origin, setup) = raw(move |conn| {
        // Not a byte of a body may come.
        let mut raw = Raw::new(conn, &[(4, 0)]);
        for answers in [false, true] {
            let stream = raw.request();
            if answers {
                raw.send(kind::HEADERS, END_HEADERS, stream, &[OK]);
            }
            tell_asked.lock().unwrap().send(()).unwrap();
            let (ended, code) = raw.wait(kind::RST_STREAM);
            assert_eq!((ended, code), (stream, vec![0, 0, 0, 8]));
            tell_reset.lock().unwrap().send(()).unwrap();
        }
    });
    let proxy = Evenkeel::start(&setup);
    let mut client = frames::Raw::greeted(proxy.address());
    for stream in [1, 3] {
        let data = Frame::data(stream, 0, [b'x'; 16_384]).bytes();
        client.send([frames::post(stream, "/"), data.repeat(3)].concat());
        asked.1.recv_timeout(PATIENCE).unwrap();
        if stream == 3 {
            client.wait_for("a head", |frame| {
                (frame.stream == 3 && frame.kind == frames::kind::HEADERS).then_some(())
            });
        }
        client.send(Frame::reset(stream, code::CANCEL));
        reset
            .1
            .recv_timeout(PATIENCE)
            .expect("the endpoint learns of it");
    }
    for record in proxy.records(2) {
        assert_eq!(record["fault"], "client-gone", "{record}");
    }
}

#[test]
fn clients_that_read_nothing_do_not_stop_others_on_the_same_connection() {
    let origin = Speech::h2().serve(|exchange: &mut Exchange<'_>| {
        if exchange.head().start[1] == "/quick" {
            exchange.reply(&Reply::ok("quick"));
            return;
        }
        exchange.respond(200, "", Length::Unknown);
        while exchange.data([b'x'; 16_384]) {}
    });
    let proxy = Evenkeel::start(&setup([&origin]));
    let mut slow: Vec<_> = (0..20)
        .map(|_| proxy.client().small_receive_buffer())
        .collect();
    for client in &mut slow {
        client.send_request("GET", "/slow", "", "");
    }
    origin.wait_exchanges(20);
    let mut quick = proxy.client();
    for _ in 0..50 {
        quick.get("/quick").status(200).body("quick");
    }
    assert_eq!(origin.connections(), 1);
}

/// Events of thirty bytes, a frame each as some servers of gRPC write them, fill the windows of eight streams that nobody reads.
#[test]
fn readers_that_pause_cost_nobody_else_the_connection() {
    let (origin, setup) = raw(|conn| {
        let mut raw = Raw::new(conn, &[]);
        let quick = raw.request();
        let streams: Vec<u32> = (0..8).map(|_| raw.request()).collect();
        for stream in streams {
            raw.send(kind::HEADERS, END_HEADERS, stream, &[OK]);
            let event = frame(kind::DATA, 0, stream, &[b'e'; 30]);
            raw.0.send(event.repeat(65_535 / 30));
            // All of it was read when this is answered.
            raw.send(kind::PING, 0, 0, &[0; 8]);
            raw.wait(kind::PING);
        }
        raw.respond(quick, &[], b"");
        raw.0.until_closed();
    });
    let proxy = Evenkeel::start(&setup);
    let mut client = frames::Raw::connect(proxy.address());
    // A window of nothing.
    client.greet(&[(4, 0)]);
    for n in 0..9 {
        client.send(frames::get(2 * n + 1, "/"));
    }
    let mut heads = 0;
    client.wait_for("the answer of one", |frame| {
        assert!(frame.kind != frames::kind::RST_STREAM, "{heads}");
        heads += u32::from(frame.kind == frames::kind::HEADERS);
        (heads == 9).then_some(())
    });
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_head_that_is_too_large_costs_its_stream_alone() {
    let (origin, setup) = raw(|conn| {
        let mut raw = Raw::new(conn, &[]);
        let (large, small) = (raw.request(), raw.request());
        let mut block = vec![OK];
        for _ in 0..1_200 {
            block.extend(field("x", &[b'y'; 100]));
        }
        let mut pieces = block.chunks(16_384).peekable();
        let mut kind = kind::HEADERS;
        while let Some(piece) = pieces.next() {
            let ends = if pieces.peek().is_none() {
                END_HEADERS
            } else {
                0
            };
            raw.send(kind, ends, large, piece);
            kind = kind::CONTINUATION;
        }
        raw.wait(kind::RST_STREAM);
        raw.respond(small, &[], b"small");
        raw.0.until_closed();
    });
    let proxy = Evenkeel::start(&setup.cluster("retry = { attempts = 0 }"));
    let mut client = proxy.h2();
    let mut calls = [(); 2].map(|()| client.begin("GET", "/", "", Length::None));
    calls[0]
        .response()
        .status(502)
        .fault("response-head-too-large");
    calls[1].response().status(200).body("small");
    assert_eq!(origin.connections(), 1);
}

#[test]
fn an_endpoint_that_floods_hears_why_and_the_operator_who() {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let (origin, setup) = raw(move |conn| {
        let answers = conn.number() % 2 == 0;
        let mut raw = Raw::new(conn, &[]);
        let stream = raw.request();
        if answers {
            raw.send(kind::HEADERS, END_HEADERS, stream, &[OK]);
        }
        raw.0.send(frame(kind::PING, 0, 0, &[0; 8]).repeat(101));
        let (_, said) = raw.wait(kind::GOAWAY);
        tell.lock().unwrap().send(said).unwrap();
        raw.0.until_closed();
    });
    let proxy = Evenkeel::start(&setup.cluster("retry = { attempts = 0 }"));
    // Six in a row, and the endpoint is not ejected.
    for _ in 0..6 {
        let mut client = proxy.client();
        client.send_request("GET", "/", "", "");
        let said = told.recv_timeout(PATIENCE).unwrap();
        assert_eq!(said, b"\0\0\0\0\0\0\0\x0bping-flood");
        // Cut, when its head had left.
        if let Ok(response) = client.try_response("GET") {
            response.status(502).fault("endpoint-flood");
        }
    }
    for record in proxy.records(6) {
        assert_eq!(record["fault"], "endpoint-flood", "{record}");
    }
    let who = format!(
        "cluster=\"app\" endpoint=\"{}\" abuse=\"ping-flood\"",
        origin.address()
    );
    proxy.log().wait_for(&who, |line| line.contains(&who));
    let page = proxy.control().get("/metrics").status(200).text();
    let counted = "evenkeel_http2_abuses_total{abuse=\"ping-flood\"} 6";
    assert!(page.lines().any(|line| line == counted), "{page}");
}

#[test]
fn many_clients_get_their_own_answers() {
    let origin = Speech::h2().http(Reply::echo);
    let proxy = Evenkeel::start(&setup([&origin]));
    thread::scope(|scope| {
        for number in 0..16 {
            let proxy = &proxy;
            scope.spawn(move || {
                let mut client = proxy.client();
                for turn in 0..40 {
                    let body = format!("{number}-{turn}").repeat(1 + turn * 20);
                    client.post("/", &body).status(200).body(&body);
                }
            });
        }
    });
    assert_eq!(origin.connections(), 1);
}
