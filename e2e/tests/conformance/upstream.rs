//! What an endpoint may not do, must be able to do, and what becomes of it: for the connection, and for whoever asked.

use std::sync::{Arc, Mutex};

use evenkeel_testkit::frames::block::literals;
use evenkeel_testkit::frames::code::{
    CANCEL, COMPRESSION_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, NO_ERROR, PROTOCOL_ERROR,
    STREAM_CLOSED,
};
use evenkeel_testkit::frames::flag::{END_HEADERS, END_STREAM, PADDED};
use evenkeel_testkit::frames::{Frame, Outcome, Raw, kind};
use evenkeel_testkit::{Evenkeel, Origin, Setup, eventually};

use super::{Expected, report};

/// What the client gets: a whole response of this status, one that is visibly cut, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Got {
    Whole(u16),
    Cut,
    Nothing,
}

/// A row: what an endpoint sends when it has read a request on stream 1, what becomes of that stream or its connection, and what the
/// client gets.
struct Case {
    name: &'static str,
    sent: Vec<u8>,
    expected: Expected<Outcome>,
    got: &'static [Got],
}

fn case(
    name: &'static str,
    sent: &[Vec<u8>],
    expected: Expected<Outcome>,
    got: &'static [Got],
) -> Case {
    Case {
        name,
        sent: sent.concat(),
        expected,
        got,
    }
}

macro_rules! cases {
    ($($name:literal: [$($sent:expr),*] => $expected:expr, $got:expr;)*) => {
        vec![$(case($name, &[$($sent),*], $expected, $got)),*]
    };
}

fn connection(code: u32) -> Expected<Outcome> {
    Expected::one_of([Outcome::Connection(code)])
}

fn stream(code: u32) -> Expected<Outcome> {
    Expected::one_of([Outcome::Stream(code), Outcome::Connection(code)])
}

fn goes_on() -> Expected<Outcome> {
    Expected::one_of([Outcome::Goes])
}

/// See the other table.
const ONE_CODE: &str = "the codec says PROTOCOL_ERROR for whatever it cannot read";

fn unreadable(code: u32) -> Expected<Outcome> {
    connection(code).known(Outcome::Connection(PROTOCOL_ERROR), ONE_CODE)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    Frame::new(kind, flags, stream, payload).bytes()
}

fn head(flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    Frame::headers(1, flags, literals(fields)).bytes()
}

fn data(flags: u8, data: &[u8]) -> Vec<u8> {
    Frame::data(1, flags, data).bytes()
}

const OK: (&str, &str) = (":status", "200");
/// What the client may get: a whole response, a reply that says what was wrong, and, where the response may have begun already, that or a
/// cut.
const FINE: &[Got] = &[Got::Whole(200)];
const BAD: &[Got] = &[Got::Whole(502)];
const CUT: &[Got] = &[Got::Cut, Got::Whole(502)];
const LET_GO: &str = "whoever has ended its request has nothing left to reset the stream by, and letting go of it says CANCEL";
const UNSEEN: &str = "the codec drops it unseen, and it goes nowhere";

fn frames_and_streams() -> Vec<Case> {
    let begin = |fields: &[(&str, &str)]| frame(kind::HEADERS, END_STREAM, 1, &literals(fields));
    let whole = || [head(0, &[OK]), data(END_STREAM, b"hello")].concat();
    cases! {
        "8.1 a response": [whole()] => goes_on(), FINE;
        "4.1 a frame of unknown type is ignored": [frame(0x77, 0xff, 1, b"x"), whole()] => goes_on(), FINE;
        "4.2 DATA of more than the largest frame": [head(0, &[OK]), data(0, &[0; 16_385])] => stream(FRAME_SIZE_ERROR), CUT;
        "4.3 a header block that cannot be decoded": [frame(kind::HEADERS, END_HEADERS, 1, &[0x80])] => unreadable(COMPRESSION_ERROR), BAD;
        "5.1 HEADERS on an idle stream": [Frame::headers(99, 0, literals(&[OK])).bytes()] => connection(PROTOCOL_ERROR), BAD;
        "5.1.1 HEADERS on a stream that endpoints would open": [Frame::headers(2, 0, literals(&[OK])).bytes()] => connection(PROTOCOL_ERROR), BAD;
        "5.1 DATA on an idle stream": [Frame::data(99, 0, b"x").bytes()] => connection(PROTOCOL_ERROR), BAD;
        "5.1 DATA after the end of the stream": [whole(), data(0, b"more")] => stream(STREAM_CLOSED), FINE;
        "6.1 DATA on stream 0": [frame(kind::DATA, 0, 0, b"x")] => connection(PROTOCOL_ERROR), BAD;
        "6.1 DATA with padding": [head(0, &[OK]), frame(kind::DATA, PADDED | END_STREAM, 1, b"\x02hello\0\0")] => goes_on(), FINE;
        "6.1 DATA with more padding than payload": [head(0, &[OK]), frame(kind::DATA, PADDED, 1, b"\x09hello")] => connection(PROTOCOL_ERROR), CUT;
        "6.2 another frame within a header block": [begin(&[OK]), Frame::ping([0; 8]).bytes()] => connection(PROTOCOL_ERROR), BAD;
        "6.4 RST_STREAM on stream 0": [Frame::reset(0, 8).bytes()] => connection(PROTOCOL_ERROR), BAD;
        "6.5 SETTINGS of a length that is none": [frame(kind::SETTINGS, 0, 0, &[0; 5])] => unreadable(FRAME_SIZE_ERROR), BAD;
        "6.5.2 ENABLE_PUSH of 1 from an endpoint": [Frame::settings(&[(2, 1)]).bytes(), whole()] => connection(PROTOCOL_ERROR).known(Outcome::Goes, "the codec does not look, and refuses what would be pushed"), FINE;
        "6.5.2 MAX_FRAME_SIZE below the smallest": [Frame::settings(&[(5, 100)]).bytes()] => connection(PROTOCOL_ERROR), BAD;
        "6.6 PUSH_PROMISE although it is disabled": [frame(kind::PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2], &literals(&[(":method", "GET"), (":scheme", "http"), (":authority", "a.example"), (":path", "/")])[..]].concat())] => connection(PROTOCOL_ERROR), BAD;
        "6.9 WINDOW_UPDATE of 0 for the connection": [Frame::window(0, 0).bytes()] => connection(PROTOCOL_ERROR), BAD;
        "6.9.1 a window of the connection above the largest": [Frame::window(0, 0x7fff_ffff).bytes()] => connection(FLOW_CONTROL_ERROR), BAD;
        "6.10 CONTINUATION without a header block": [Frame::continuation(1, END_HEADERS, b"").bytes()] => connection(PROTOCOL_ERROR), BAD;
        "6.10 a header block in pieces": [frame(kind::HEADERS, 0, 1, &literals(&[OK])), Frame::continuation(1, 0, literals(&[("x", "y")])).bytes(), Frame::continuation(1, END_HEADERS, b"").bytes(), data(END_STREAM, b"hello")] => goes_on(), FINE;
    }
}

fn responses() -> Vec<Case> {
    let malformed = || stream(PROTOCOL_ERROR);
    // Where both sides have ended the stream there is nothing left to reset.
    let over = || {
        Expected::one_of([
            Outcome::Goes,
            Outcome::Stream(PROTOCOL_ERROR),
            Outcome::Connection(PROTOCOL_ERROR),
        ])
    };
    cases! {
        "8.1 an interim response before": [head(0, &[(":status", "103")]), head(END_STREAM, &[OK])] => goes_on(), FINE;
        "8.1 an interim response that ends the stream": [head(END_STREAM, &[(":status", "103")])] => over(), BAD;
        "8.1 DATA before the response": [data(0, b"x")] => malformed(), BAD;
        "8.1 trailers": [head(0, &[OK]), data(0, b"hello"), head(END_STREAM, &[("x", "y")])] => goes_on(), FINE;
        "8.1 trailers that do not end the stream": [head(0, &[OK]), data(0, b"hello"), head(0, &[("x", "y")])] => malformed(), CUT;
        "8.1 trailers with a pseudo-field": [head(0, &[OK]), data(0, b"hello"), head(END_STREAM, &[OK])] => malformed().known(Outcome::Goes, UNSEEN), FINE;
        "8.6 a 101": [head(0, &[(":status", "101")])] => malformed().known(Outcome::Stream(CANCEL), LET_GO), BAD;
        "8.3.2 no status": [head(0, &[("x", "y")])] => malformed(), BAD;
        "8.3.2 two": [head(0, &[OK, OK])] => malformed(), BAD;
        "8.3.2 a status that is none": [head(0, &[(":status", "2x0")])] => malformed(), BAD;
        "8.3 a pseudo-field of requests": [head(END_STREAM, &[OK, (":path", "/")])] => malformed().known(Outcome::Goes, UNSEEN), FINE;
        "8.3 a status behind a field": [head(0, &[("x", "y"), OK])] => malformed(), BAD;
        "8.2.1 a name in upper case": [head(0, &[OK, ("X-Upper", "y")])] => malformed(), BAD;
        "8.2.1 a value with CR LF": [head(0, &[OK, ("x", "y\r\nz: 1")])] => malformed(), BAD;
        "8.2.1 a value with NUL": [head(0, &[OK, ("x", "y\0")])] => malformed(), BAD;
        "8.2.1 a value that begins with a space": [head(0, &[OK, ("x", " y")])] => malformed().known(Outcome::Stream(CANCEL), LET_GO), BAD;
        "8.2.2 connection": [head(0, &[OK, ("connection", "close")])] => malformed(), BAD;
        "8.2.2 transfer-encoding": [head(0, &[OK, ("transfer-encoding", "chunked")])] => malformed(), BAD;
        "8.1.1 a body that is shorter than announced": [head(0, &[OK, ("content-length", "9")]), data(END_STREAM, b"hello")] => over(), CUT;
        "8.1.1 a body that is longer than announced": [head(0, &[OK, ("content-length", "2")]), data(END_STREAM, b"hello")] => over(), CUT;
        "8.1.1 no body where one was announced": [head(END_STREAM, &[OK, ("content-length", "5")])] => over(), BAD;
        "8.1.1 two lengths": [head(0, &[OK, ("content-length", "5"), ("content-length", "5")]), data(END_STREAM, b"hello")] => over(), BAD;
        "8.1 a reset without an error after the response": [head(0, &[OK]), data(END_STREAM, b"hello"), Frame::reset(1, NO_ERROR).bytes()] => goes_on(), FINE;
        "8.1 a reset within the response": [head(0, &[OK]), data(0, b"hello"), Frame::reset(1, 2).bytes()] => goes_on(), CUT;
    }
}

/// An endpoint that sends these bytes to the first stream, then waits for what becomes of it.
fn endpoint(sent: Vec<u8>, patient: bool) -> (Origin, Arc<Mutex<Option<Outcome>>>) {
    let seen = Arc::new(Mutex::new(None));
    let told = Arc::clone(&seen);
    let origin = Origin::script(move |conn| {
        let mut raw = Raw::of_origin(conn, &[]);
        let asked = |frame: &Frame| (frame.kind == kind::HEADERS).then_some(());
        raw.wait_for("a request", asked);
        raw.try_send(sent.clone());
        let outcome = raw.outcome(1, patient);
        told.lock().unwrap().replace(outcome);
        // Until it is ended, by whomever.
        while raw.try_frame().is_ok() {}
    });
    (origin, seen)
}

impl Case {
    /// Whether it may be that nothing becomes of it.
    fn may_go_on(&self) -> bool {
        let known = self.expected.known.iter().map(|(known, _)| known);
        let mut all = known.chain(&self.expected.allowed);
        all.any(|outcome| *outcome == Outcome::Goes)
    }
}

#[track_caller]
fn play(cases: &[Case]) {
    let endpoints: Vec<_> = cases
        .iter()
        .map(|case| endpoint(case.sent.clone(), !case.may_go_on()))
        .collect();
    let address = |place: usize| format!("h2c://{}", endpoints[place].0.socket_address());
    let mut setup = Setup::to_addresses([address(0)]);
    for place in 0..cases.len() {
        setup = setup
            .add_route(&format!(
                "path = \"/{place}\"\ncluster = \"case-{place}\"\nretry = {{ attempts = 1 }}"
            ))
            .sections(&format!(
                "[cluster.case-{place}]\nendpoints = [\"{}\"]",
                address(place)
            ));
    }
    let proxy = Evenkeel::start(&setup);
    let mut wrong = Vec::new();
    for (place, (case, (_, seen))) in cases.iter().zip(&endpoints).enumerate() {
        let mut client = proxy.client();
        client.send_request("POST", &format!("/{place}"), "Content-Length: 3\r\n", "abc");
        let got = match client.try_response("POST") {
            Ok(response) => Got::Whole(response.head.status()),
            Err(cut) if cut.head.is_some() => Got::Cut,
            Err(_) => Got::Nothing,
        };
        if !case.got.contains(&got) {
            wrong.push(format!(
                "{}: the client got {got:?}, not {:?}",
                case.name, case.got
            ));
        }
        let seen = eventually(case.name, || *seen.lock().unwrap());
        wrong.extend(case.expected.judge(case.name, &seen));
    }
    report(&wrong);
}

#[test]
fn frames_and_streams_of_endpoints_are_held_to_their_rules() {
    play(&frames_and_streams());
}

#[test]
fn responses_are_held_to_their_rules() {
    play(&responses());
}
