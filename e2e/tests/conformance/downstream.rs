//! What a client may not do, must be able to do, and what becomes of it.

use evenkeel_testkit::frames::block::{integer, literal, literals, request, request_with};
use evenkeel_testkit::frames::code::{
    COMPRESSION_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR, REFUSED_STREAM,
    STREAM_CLOSED,
};
use evenkeel_testkit::frames::flag::{ACK, END_HEADERS, END_STREAM, PADDED, PRIORITY};
use evenkeel_testkit::frames::{Frame, Outcome, Raw, get, kind, post};
use evenkeel_testkit::{Evenkeel, Origin, Reply, Setup};

use super::{Expected, report};

/// A row: what is sent on a connection that has been greeted, and what becomes of stream 1 or the connection.
struct Case {
    name: &'static str,
    sent: Vec<u8>,
    expected: Expected<Outcome>,
}

fn case(name: &'static str, sent: &[Vec<u8>], expected: Expected<Outcome>) -> Case {
    Case {
        name,
        sent: sent.concat(),
        expected,
    }
}

macro_rules! cases {
    ($($name:literal: [$($sent:expr),*] => $expected:expr;)*) => {
        vec![$(case($name, &[$($sent),*], $expected)),*]
    };
}

/// The connection ends with this code. RFC 9113 section 5.4.1 asks for a GOAWAY first, but lets it fail.
fn connection(code: u32) -> Expected<Outcome> {
    Expected::one_of([Outcome::Connection(code)])
}

/// The stream is reset with this code, or the whole connection ends with it, which section 5.4.2 allows.
fn stream(code: u32) -> Expected<Outcome> {
    Expected::one_of([Outcome::Stream(code), Outcome::Connection(code)])
}

/// Section 8.1.1: a malformed request is a stream error, and may be answered before.
fn malformed() -> Expected<Outcome> {
    Expected::one_of([Outcome::Stream(PROTOCOL_ERROR), Outcome::Answer(400)])
}

/// The same for what the codec cannot even hold.
fn unspeakable() -> Expected<Outcome> {
    malformed().known(
        Outcome::Connection(PROTOCOL_ERROR),
        "the codec has no type for such a name or value, and ends the connection",
    )
}

/// A frame on a stream that its client has ended or reset.
fn too_late() -> Expected<Outcome> {
    stream(STREAM_CLOSED).known(Outcome::Connection(PROTOCOL_ERROR), ONE_CODE)
}

fn answered() -> Expected<Outcome> {
    Expected::one_of([Outcome::Answer(200)])
}

fn ignored() -> Expected<Outcome> {
    Expected::one_of([Outcome::Goes])
}

/// What the crate says of frames that cannot be read: their length, their padding, their header block.
const ONE_CODE: &str = "the codec says PROTOCOL_ERROR for whatever it cannot read";

fn wrong_size() -> Expected<Outcome> {
    connection(FRAME_SIZE_ERROR).known(Outcome::Connection(PROTOCOL_ERROR), ONE_CODE)
}

fn uncompressible() -> Expected<Outcome> {
    connection(COMPRESSION_ERROR).known(Outcome::Connection(PROTOCOL_ERROR), ONE_CODE)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    Frame::new(kind, flags, stream, payload).bytes()
}

fn headers(block: Vec<u8>) -> Vec<u8> {
    Frame::headers(1, END_STREAM, block).bytes()
}

/// Section 4 and 5: frames and streams.
fn frames_and_streams() -> Vec<Case> {
    let block = request("GET", "/");
    cases! {
        "4.1 a frame of unknown type is ignored": [frame(0x77, 0xff, 0, b"x"), get(1, "/")] => answered();
        "4.1 an unknown flag is ignored": [frame(kind::HEADERS, END_HEADERS | END_STREAM | 0xc2, 1, &block)] => answered();
        "4.1 the reserved bit is ignored": [frame(kind::HEADERS, END_HEADERS | END_STREAM, 0x8000_0001, &block)] => answered();
        "4.2 DATA of more than the largest frame": [post(1, "/"), frame(kind::DATA, 0, 1, &[0; 16_385])] => Expected::one_of([Outcome::Stream(FRAME_SIZE_ERROR), Outcome::Connection(FRAME_SIZE_ERROR)]);
        "4.2 HEADERS of more than the largest frame": [frame(kind::HEADERS, END_HEADERS, 1, &[0; 16_385])] => connection(FRAME_SIZE_ERROR);
        "4.3 a header block that ends within a field": [headers(block[..block.len() - 3].to_vec())] => uncompressible();
        "5.1 DATA on an idle stream": [frame(kind::DATA, END_STREAM, 1, b"x")] => connection(PROTOCOL_ERROR);
        "5.1 RST_STREAM on an idle stream": [Frame::reset(1, 8).bytes()] => connection(PROTOCOL_ERROR);
        "5.1 WINDOW_UPDATE on an idle stream": [Frame::window(1, 1).bytes()] => connection(PROTOCOL_ERROR);
        "5.1 CONTINUATION on an idle stream": [frame(kind::CONTINUATION, END_HEADERS, 1, &block)] => connection(PROTOCOL_ERROR);
        "5.1 PRIORITY on an idle stream is ignored": [frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 0, 5])] => ignored();
        "5.1 DATA on a stream that its client has ended": [get(1, "/held"), frame(kind::DATA, END_STREAM, 1, b"x")] => too_late();
        "5.1 HEADERS on a stream that its client has ended": [get(1, "/held"), get(1, "/held")] => too_late();
        "5.1 CONTINUATION on a stream that its client has ended": [get(1, "/held"), frame(kind::CONTINUATION, END_HEADERS, 1, &block)] => connection(PROTOCOL_ERROR);
        "5.1 DATA on a stream that its client has reset": [post(1, "/held"), Frame::reset(1, 8).bytes(), frame(kind::DATA, 0, 1, b"x")] => stream(STREAM_CLOSED);
        "5.1 HEADERS on a stream that its client has reset": [post(1, "/held"), Frame::reset(1, 8).bytes(), get(1, "/held")] => too_late();
        "5.1 WINDOW_UPDATE on a stream that its client has reset": [post(1, "/held"), Frame::reset(1, 8).bytes(), Frame::window(1, 1).bytes()] => ignored();
        "5.1 RST_STREAM twice": [post(1, "/held"), Frame::reset(1, 8).bytes(), Frame::reset(1, 8).bytes()] => ignored();
        "5.1.1 an even stream from a client": [get(2, "/")] => connection(PROTOCOL_ERROR);
        "5.1.1 a stream below one that was opened": [get(5, "/"), get(3, "/")] => connection(PROTOCOL_ERROR);
        "5.5 an unknown frame within a header block": [frame(kind::HEADERS, END_STREAM, 1, &block), frame(0x77, 0, 1, b"x"), frame(kind::CONTINUATION, END_HEADERS, 1, b"")] => connection(PROTOCOL_ERROR);
    }
}

/// Section 6.1 to 6.4, and 6.10: what belongs to streams.
fn frames_of_streams() -> Vec<Case> {
    let block = request("GET", "/");
    let (begin, rest) = block.split_at(10);
    let begun = frame(kind::HEADERS, END_STREAM, 1, begin);
    let end = |stream, flags, rest: &[u8]| Frame::continuation(stream, flags, rest).bytes();
    cases! {
        "6.1 DATA on stream 0": [frame(kind::DATA, 0, 0, b"x")] => connection(PROTOCOL_ERROR);
        "6.1 DATA with padding": [post(1, "/"), frame(kind::DATA, PADDED | END_STREAM, 1, b"\x02abc\0\0")] => answered();
        "6.1 DATA with more padding than payload": [post(1, "/"), frame(kind::DATA, PADDED, 1, b"\x05abcd")] => connection(PROTOCOL_ERROR);
        "6.2 HEADERS on stream 0": [frame(kind::HEADERS, END_HEADERS, 0, &block)] => connection(PROTOCOL_ERROR);
        "6.2 HEADERS with padding and priority": [frame(kind::HEADERS, END_HEADERS | END_STREAM | PADDED | PRIORITY, 1, &[&[1, 0, 0, 0, 0, 9], &block[..], &[0]].concat())] => answered();
        "6.2 HEADERS with more padding than payload": [frame(kind::HEADERS, END_HEADERS | END_STREAM | PADDED, 1, &[&[200], &block[..]].concat())] => connection(PROTOCOL_ERROR);
        "6.2 another frame within a header block": [begun.clone(), frame(kind::PRIORITY, 0, 1, &[0; 5])] => connection(PROTOCOL_ERROR);
        "6.3 PRIORITY on stream 0": [frame(kind::PRIORITY, 0, 0, &[0, 0, 0, 1, 1])] => connection(PROTOCOL_ERROR);
        "6.3 PRIORITY of another length": [post(1, "/held"), frame(kind::PRIORITY, 0, 1, &[0; 4])] => stream(FRAME_SIZE_ERROR).known(Outcome::Connection(PROTOCOL_ERROR), ONE_CODE);
        "6.4 RST_STREAM on stream 0": [Frame::reset(0, 8).bytes()] => connection(PROTOCOL_ERROR);
        "6.4 RST_STREAM of another length": [post(1, "/held"), frame(kind::RST_STREAM, 0, 1, &[0; 3])] => wrong_size();
        "6.10 a header block in pieces": [begun.clone(), end(1, 0, &rest[..5]), end(1, 0, b""), end(1, END_HEADERS, &rest[5..])] => answered();
        "6.10 CONTINUATION of another stream": [begun.clone(), end(3, END_HEADERS, rest)] => connection(PROTOCOL_ERROR);
        "6.10 CONTINUATION on stream 0": [begun, end(0, END_HEADERS, rest)] => connection(PROTOCOL_ERROR);
        "6.10 CONTINUATION after the end of a block": [frame(kind::HEADERS, END_HEADERS, 1, &block), end(1, END_HEADERS, rest)] => connection(PROTOCOL_ERROR);
        "7 RST_STREAM with an unknown code": [post(1, "/held"), Frame::reset(1, 0xdead).bytes()] => ignored();
        "6.6 PUSH_PROMISE from a client": [post(1, "/held"), frame(kind::PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2], &block[..]].concat())] => connection(PROTOCOL_ERROR);
    }
}

/// Section 6.5 to 6.9: what belongs to the connection.
fn frames_of_connections() -> Vec<Case> {
    let settings = |values: &[(u16, u32)]| Frame::settings(values).bytes();
    let most = 0x7fff_ffff;
    cases! {
        "6.5 an acknowledgement with a payload": [frame(kind::SETTINGS, ACK, 0, &[0; 6])] => wrong_size();
        "6.5 SETTINGS on a stream": [frame(kind::SETTINGS, 0, 1, &[])] => connection(PROTOCOL_ERROR);
        "6.5 SETTINGS of a length that is none": [frame(kind::SETTINGS, 0, 0, &[0; 5])] => wrong_size();
        "6.5.2 ENABLE_PUSH of 2": [settings(&[(2, 2)])] => connection(PROTOCOL_ERROR);
        "6.5.2 INITIAL_WINDOW_SIZE above the largest": [settings(&[(4, most + 1)])] => connection(FLOW_CONTROL_ERROR).known(Outcome::Connection(PROTOCOL_ERROR), ONE_CODE);
        "6.5.2 MAX_FRAME_SIZE below the smallest": [settings(&[(5, 16_383)])] => connection(PROTOCOL_ERROR);
        "6.5.2 MAX_FRAME_SIZE above the largest": [settings(&[(5, 1 << 24)])] => connection(PROTOCOL_ERROR);
        "6.5.2 an unknown setting is ignored": [settings(&[(0x7777, 1)]), get(1, "/")] => answered();
        "6.5.3 the last of several values counts": [settings(&[(4, 0), (4, 65_535)]), get(1, "/")] => answered();
        "6.7 PING on a stream": [frame(kind::PING, 0, 1, &[0; 8])] => connection(PROTOCOL_ERROR);
        "6.7 PING of another length": [frame(kind::PING, 0, 0, &[0; 6])] => wrong_size();
        "6.7 an answer to a PING that nobody sent": [frame(kind::PING, ACK, 0, b"unasked!")] => ignored();
        "6.8 GOAWAY on a stream": [frame(kind::GOAWAY, 0, 1, &[0; 8])] => connection(PROTOCOL_ERROR);
        "6.8 GOAWAY leaves what was asked": [get(1, "/"), Frame::goaway(0, 0).bytes()] => answered();
        "6.9 WINDOW_UPDATE of 0 for the connection": [Frame::window(0, 0).bytes()] => connection(PROTOCOL_ERROR);
        "6.9 WINDOW_UPDATE of 0 for a stream": [post(1, "/held"), Frame::window(1, 0).bytes()] => stream(PROTOCOL_ERROR);
        "6.9 WINDOW_UPDATE of another length": [frame(kind::WINDOW_UPDATE, 0, 0, &[0; 3])] => wrong_size();
        "6.9.1 a window of a connection above the largest": [Frame::window(0, most).bytes()] => connection(FLOW_CONTROL_ERROR);
        "6.9.1 a window of a stream above the largest": [post(1, "/held"), Frame::window(1, most).bytes()] => stream(FLOW_CONTROL_ERROR);
        "6.9.2 SETTINGS that raise a window above the largest": [post(1, "/held"), Frame::window(1, most - 65_535).bytes(), settings(&[(4, 65_536)])] => connection(FLOW_CONTROL_ERROR);
        "6.9.1 more DATA than the window of the stream": [post(1, "/held"), frame(kind::DATA, 0, 1, &[0; 16_384]).repeat(5)] => stream(FLOW_CONTROL_ERROR);
    }
}

/// Section 8: requests.
fn requests() -> Vec<Case> {
    let with = |fields: &[(&str, &str)]| headers(request_with("GET", "/", fields));
    let pseudo = |fields: &[(&str, &str)]| headers(literals(fields));
    let method = (":method", "GET");
    let scheme = (":scheme", "http");
    let authority = (":authority", "a.example");
    let path = (":path", "/");
    let instead = |name: &str, value| {
        let all = [method, scheme, authority, path];
        let all = all.map(|(n, v)| if n == name { (n, value) } else { (n, v) });
        pseudo(&all)
    };
    cases! {
        "8.3.1 a request": [pseudo(&[method, scheme, authority, path])] => answered();
        "8.3.1 Host instead of an authority": [pseudo(&[method, scheme, path, ("host", "a.example")])] => answered();
        "8.3.1 neither": [pseudo(&[method, scheme, path])] => malformed();
        "8.3.1 no method": [pseudo(&[scheme, authority, path])] => malformed();
        "8.3.1 no scheme": [pseudo(&[method, authority, path])] => malformed();
        "8.3.1 no path": [pseudo(&[method, scheme, authority])] => malformed();
        "8.3.1 an empty path": [instead(":path", "")] => malformed();
        "8.3.1 a path without a slash": [instead(":path", "x")] => malformed();
        "8.3.1 a path that is a line": [instead(":path", "/ HTTP/1.1\r\nx: y")] => malformed();
        "8.3.1 a path with a space": [instead(":path", "/a b")] => malformed();
        "8.3.1 a path with a fragment": [instead(":path", "/#x")] => malformed().known(Outcome::Answer(200), "the codec drops it unseen, and it goes nowhere");
        "8.3.1 a method that is a line": [instead(":method", "GET / HTTP/1.1\r\nx: y\r\n\r\n")] => unspeakable();
        "8.3.1 a scheme that is more": [instead(":scheme", "http://x/")] => malformed();
        "8.3.1 an authority with a user": [instead(":authority", "u@a.example")] => malformed();
        "8.3.1 an authority that is a line": [instead(":authority", "a\r\nx: y")] => malformed();
        "8.3.1 Host and another authority": [with(&[("host", "b.example")])] => malformed();
        "8.3 a pseudo-field twice": [pseudo(&[method, method, scheme, authority, path])] => malformed();
        "8.3 a pseudo-field behind a field": [pseudo(&[method, scheme, authority, ("x", "y"), path])] => malformed();
        "8.3 an unknown pseudo-field": [pseudo(&[method, scheme, authority, path, (":x", "y")])] => unspeakable();
        "8.3 the pseudo-field of responses": [pseudo(&[method, scheme, authority, path, (":status", "200")])] => malformed();
        "8.2.1 a name in upper case": [with(&[("X-Upper", "y")])] => unspeakable();
        "8.2.1 an empty name": [with(&[("", "y")])] => unspeakable();
        "8.2.1 a name with a colon": [with(&[("a:b", "y")])] => unspeakable();
        "8.2.1 a name that is a line": [with(&[("transfer-encoding: chunked\r\nx", "y")])] => unspeakable();
        "8.2.1 a value with CR LF": [with(&[("x", "y\r\nz: 1")])] => unspeakable();
        "8.2.1 a value with LF": [with(&[("x", "y\nz")])] => unspeakable();
        "8.2.1 a value with NUL": [with(&[("x", "y\0z")])] => unspeakable();
        "8.2.1 a value that begins with a space": [with(&[("x", " y")])] => malformed();
        "8.2.1 a value that ends with a tab": [with(&[("x", "y\t")])] => malformed();
        "8.2.2 connection": [with(&[("connection", "close")])] => malformed();
        "8.2.2 keep-alive": [with(&[("keep-alive", "1")])] => malformed();
        "8.2.2 proxy-connection": [with(&[("proxy-connection", "close")])] => malformed();
        "8.2.2 transfer-encoding": [with(&[("transfer-encoding", "chunked")])] => malformed();
        "8.2.2 upgrade": [with(&[("upgrade", "h2c")])] => malformed();
        "8.2.2 te that is not trailers": [with(&[("te", "gzip")])] => malformed();
        "8.2.2 te that is": [with(&[("te", "trailers")])] => answered();
        "8.5 CONNECT with a path": [pseudo(&[(":method", "CONNECT"), authority, path])] => malformed();
        "8.5 CONNECT with a scheme": [pseudo(&[(":method", "CONNECT"), authority, scheme])] => malformed();
        "8441 4 a protocol without CONNECT": [with(&[(":protocol", "websocket")])] => malformed();
    }
}

/// Section 8.1: bodies and trailers.
fn bodies() -> Vec<Case> {
    let announced = |length: &str, flags| {
        Frame::headers(
            1,
            flags,
            request_with("POST", "/", &[("content-length", length)]),
        )
        .bytes()
    };
    let data = |flags, data: &[u8]| frame(kind::DATA, flags, 1, data);
    let trailers =
        |flags, fields: &[(&str, &str)]| Frame::headers(1, flags, literals(fields)).bytes();
    cases! {
        "8.1 a body and trailers": [post(1, "/"), data(0, b"abc"), trailers(END_STREAM, &[("x", "y")])] => answered();
        "8.1 trailers that do not end the stream": [post(1, "/"), data(0, b"abc"), trailers(0, &[("x", "y")])] => malformed();
        "8.1 trailers with a pseudo-field": [post(1, "/"), data(0, b"abc"), trailers(END_STREAM, &[(":path", "/")])] => malformed().known(Outcome::Answer(200), "the codec drops it unseen, and it goes nowhere");
        "8.1.1 a body that is shorter than announced": [announced("5", 0), data(END_STREAM, b"abc")] => malformed();
        "8.1.1 a body that is longer than announced": [announced("2", 0), data(END_STREAM, b"abc")] => malformed();
        "8.1.1 a body where none was announced": [announced("0", 0), data(END_STREAM, b"GET /x HTTP/1.1\r\n\r\n")] => malformed();
        "8.1.1 no body where one was announced": [announced("5", END_STREAM)] => malformed();
        "8.1.1 a length that is none": [announced("five", 0), data(END_STREAM, b"abcde")] => malformed();
        "8.1.1 a length with a sign": [announced("+3", 0), data(END_STREAM, b"abc")] => malformed();
        "8.1.1 two lengths": [Frame::headers(1, 0, request_with("POST", "/", &[("content-length", "3"), ("content-length", "3")])).bytes(), data(END_STREAM, b"abc")] => malformed();
        "8.1.1 a length that holds": [announced("3", 0), data(END_STREAM, b"abc")] => answered();
    }
}

/// RFC 7541.
fn compression() -> Vec<Case> {
    let with = |more: &[u8]| headers([&request("GET", "/"), more].concat());
    let named = |value: &[u8]| [&[0, 1, b'x'], value].concat();
    let mut too_large = Vec::new();
    integer(&mut too_large, 0x20, 5, 4_097);
    let mut remembered = request("GET", "/");
    remembered.extend_from_slice(&[0x40, 1, b'x', 1, b'y', 0xbe]);
    let mut sized = vec![0x20, 0x3f, 0xe1, 0x1f];
    sized.extend_from_slice(&request("GET", "/"));
    let mut late = request("GET", "/");
    literal(&mut late, b"x", b"y");
    late.push(0x20);
    cases! {
        "7541 6.1 an index of 0": [with(&[0x80])] => uncompressible();
        "7541 2.3.3 an index beyond the tables": [with(&[0xff, 0x80, 0x01])] => uncompressible();
        "7541 2.3.3 a field that the table remembers": [headers(remembered)] => answered();
        "7541 5.1 an integer that is too large": [with(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])] => uncompressible();
        "7541 5.2 a string beyond the block": [with(&named(&[5, b'y']))] => uncompressible();
        "7541 5.2 padding of eight bits": [with(&named(&[0x82, 0x1f, 0xff]))] => uncompressible();
        "7541 5.2 padding that is not of ones": [with(&named(&[0x81, 0x18]))] => uncompressible();
        "7541 5.2 the end of a string within it": [with(&named(&[0x84, 0xff, 0xff, 0xff, 0xff]))] => uncompressible();
        "7541 4.2 two changes of the table's size": [headers(sized)] => answered();
        "7541 4.2 a change behind a field": [headers(late)] => uncompressible();
        "7541 6.3 a table larger than allowed": [headers([too_large, request("GET", "/")].concat())] => uncompressible();
    }
}

/// Answers, except what asks for `/held`.
fn origin() -> Origin {
    Origin::script(|conn| {
        while let Some(request) = conn.request() {
            if request.target() == "/held" {
                conn.until_closed();
                return;
            }
            conn.reply(&request, &Reply::ok("hello"));
        }
    })
}

#[track_caller]
fn play(cases: Vec<Case>) {
    let origin = origin();
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut wrong = Vec::new();
    for case in cases {
        let before = origin.requests().len();
        let mut raw = Raw::greeted(proxy.address());
        raw.try_send(case.sent);
        let patient = !case.expected.allowed.contains(&Outcome::Goes);
        let seen = raw.outcome(1, patient);
        wrong.extend(case.expected.judge(case.name, &seen));
        if let Outcome::Connection(_) = seen {
            let end = raw.end();
            if end.goaway.is_some() {
                wrong.push(format!("{}: two GOAWAY frames", case.name));
            }
        }
        let whole = origin.requests().len() - before;
        if matches!(seen, Outcome::Stream(PROTOCOL_ERROR)) && whole > 0 {
            wrong.push(format!("{}: it reached the endpoint", case.name));
        }
    }
    report(&wrong);
}

#[test]
fn frames_and_streams_are_held_to_their_rules() {
    play(frames_and_streams());
}

#[test]
fn frames_of_streams_are_held_to_their_rules() {
    play(frames_of_streams());
}

#[test]
fn frames_of_connections_are_held_to_their_rules() {
    play(frames_of_connections());
}

#[test]
fn requests_are_held_to_their_rules() {
    play(requests());
}

#[test]
fn bodies_and_trailers_are_held_to_their_rules() {
    play(bodies());
}

#[test]
fn header_compression_is_held_to_its_rules() {
    play(compression());
}

#[test]
fn streams_beyond_the_promised_number_are_refused() {
    let origin = origin();
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut raw = Raw::greeted(proxy.address());
    let promised = 100;
    let ids = (0..promised).map(|n| 2 * n + 1);
    raw.send(ids.flat_map(|id| post(id, "/held")).collect::<Vec<_>>());
    let over = 2 * promised + 1;
    raw.send(post(over, "/held"));
    assert_eq!(
        raw.outcome(over, true),
        Outcome::Stream(REFUSED_STREAM),
        "RFC 9113 5.1.2"
    );
    raw.send(Frame::reset(1, 8));
    // The place is free again when the exchange behind it has ended, which the client cannot see: it may be refused once more.
    let mut next = over;
    loop {
        next += 2;
        raw.send(get(next, "/"));
        match raw.outcome(next, true) {
            Outcome::Stream(REFUSED_STREAM) if next < over + 100 => {}
            outcome => break assert_eq!(outcome, Outcome::Answer(200)),
        }
    }
}
