//! Windows, acknowledgements and pieces: what evenkeel has to do by itself, on the client's side.

use evenkeel_testkit::frames::flag::{ACK, END_STREAM};
use evenkeel_testkit::frames::{Frame, Outcome, PREFACE, Raw, block, get, kind, post};
use evenkeel_testkit::{Evenkeel, Origin, Reply, Setup};

/// The bytes of DATA that come for this stream until a PING is answered that is sent now.
fn data_until_pong(raw: &mut Raw, stream: u32) -> usize {
    raw.send(Frame::ping(*b"how much"));
    let mut bytes = 0;
    raw.wait_for("the answer to a PING", |frame| {
        if frame.kind == kind::DATA && frame.stream == stream {
            bytes += frame.payload.len();
        }
        (frame.kind == kind::PING && frame.payload == b"how much").then_some(bytes)
    })
}

/// The bytes of DATA that come for this stream until it ends.
fn data_until_end(raw: &mut Raw, stream: u32) -> usize {
    let mut bytes = 0;
    raw.wait_for("the end of the stream", |frame| {
        if frame.kind == kind::DATA && frame.stream == stream {
            bytes += frame.payload.len();
        }
        (frame.stream == stream && frame.has(END_STREAM)).then_some(bytes)
    })
}

#[test]
fn section_6_9_no_more_is_sent_than_the_window_of_the_stream() {
    let origin = Origin::saying("0123456789");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut raw = Raw::connect(proxy.address());
    raw.greet(&[(4, 3)]);
    raw.send(get(1, "/"));
    let first = raw.wait_for("DATA", |frame| {
        (frame.kind == kind::DATA).then(|| frame.payload.clone())
    });
    assert_eq!(first, b"012");
    assert_eq!(data_until_pong(&mut raw, 1), 0, "the window is used up");
    raw.send(Frame::window(1, 4));
    let next = raw.wait_for("DATA", |frame| {
        (frame.kind == kind::DATA).then(|| frame.payload.clone())
    });
    assert_eq!(next, b"3456");
    // Section 6.9.2: a setting changes the windows of streams that are there.
    raw.send(Frame::settings(&[(4, 100)]));
    assert_eq!(data_until_end(&mut raw, 1), 3);
}

#[test]
fn section_6_9_2_a_window_may_be_below_zero() {
    let origin = Origin::saying("0123456789");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut raw = Raw::connect(proxy.address());
    raw.greet(&[(4, 5)]);
    raw.send(get(1, "/"));
    raw.wait_for("DATA", |frame| (frame.kind == kind::DATA).then_some(()));
    // 5 are used of 5: with 2 the window is -3.
    raw.send(Frame::settings(&[(4, 2)]));
    raw.send(Frame::window(1, 3));
    assert_eq!(data_until_pong(&mut raw, 1), 0);
    raw.send(Frame::window(1, 5));
    assert_eq!(data_until_end(&mut raw, 1), 5);
}

#[test]
fn section_6_9_no_more_is_sent_than_the_window_of_the_connection() {
    let body = "x".repeat(100_000);
    let origin = Origin::saying(&body);
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut raw = Raw::connect(proxy.address());
    raw.greet(&[(4, 1_000_000)]);
    raw.send(get(1, "/"));
    let mut bytes = 0;
    raw.wait_for("as much as the window", |frame| {
        if frame.kind == kind::DATA {
            assert!(frame.payload.len() <= 16_384, "section 4.2");
            bytes += frame.payload.len();
        }
        (bytes == 65_535).then_some(())
    });
    assert_eq!(data_until_pong(&mut raw, 1), 0);
    raw.send(Frame::window(0, 100_000));
    assert_eq!(data_until_end(&mut raw, 1), 100_000 - 65_535);
}

#[test]
fn section_6_9_what_was_taken_is_given_back_to_the_window() {
    let origin = Origin::http(|request| Reply::ok(request.body.len().to_string()));
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut raw = Raw::greeted(proxy.address());
    raw.send(post(1, "/"));
    let (mut stream, mut connection) = (65_535_usize, 65_535_usize);
    let mut left = 400_000;
    while left > 0 {
        let piece = left.min(stream).min(connection).min(16_384);
        if piece == 0 {
            let (id, more) = raw.wait_for("room", |frame| {
                (frame.kind == kind::WINDOW_UPDATE).then(|| (frame.stream, frame.number(0)))
            });
            let window = if id == 0 {
                &mut connection
            } else {
                &mut stream
            };
            *window += usize::try_from(more).unwrap();
            continue;
        }
        left -= piece;
        stream -= piece;
        connection -= piece;
        let flags = if left == 0 { END_STREAM } else { 0 };
        raw.send(Frame::data(1, flags, vec![b'x'; piece]));
    }
    assert_eq!(raw.outcome(1, true), Outcome::Answer(200));
    assert_eq!(origin.request().body.len(), 400_000);
}

#[test]
fn section_6_7_a_ping_is_answered_with_what_was_in_it() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut raw = Raw::greeted(proxy.address());
    for payload in [*b"12345678", [0; 8], [0xff; 8]] {
        raw.send(Frame::ping(payload));
        let answer = raw.wait_for("PING", |frame| {
            (frame.kind == kind::PING).then(|| frame.clone())
        });
        assert_eq!((answer.flags, answer.stream), (ACK, 0));
        assert_eq!(answer.payload, payload);
    }
}

#[test]
fn section_6_5_3_settings_are_acknowledged_one_by_one() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut raw = Raw::greeted(proxy.address());
    for _ in 0..3 {
        raw.send(Frame::settings(&[(4, 65_535)]));
    }
    for _ in 0..3 {
        raw.wait_for("an acknowledgement", |frame| {
            (frame.kind == kind::SETTINGS && frame.has(ACK)).then_some(())
        });
    }
}

#[test]
fn section_3_4_a_preface_may_come_byte_by_byte_with_all_that_follows() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut raw = Raw::connect(proxy.address());
    let bytes = [PREFACE, &Frame::settings(&[]).bytes(), &get(1, "/")].concat();
    for byte in bytes {
        raw.send([byte]);
    }
    assert_eq!(raw.outcome(1, true), Outcome::Answer(200));
}

#[test]
fn section_3_4_what_is_no_preface_ends_the_connection() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    for bytes in [
        &b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX",
        b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n",
    ] {
        let mut client = proxy.client();
        client.send(bytes);
        client.try_send(Frame::settings(&[]).bytes());
        let answer = client.rest();
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 ") || answer.starts_with(b"\0\0"),
            "{:?}",
            answer.escape_ascii().to_string()
        );
    }
    assert!(origin.requests().is_empty());
}

#[test]
fn section_8_1_streams_of_one_connection_are_answered_as_they_come() {
    let origin = Origin::http(|request| Reply::ok(request.target()));
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut raw = Raw::greeted(proxy.address());
    let ids = (0..50_u32).map(|n| 2 * n + 1);
    let asked: Vec<u8> = ids
        .clone()
        .flat_map(|id| get(id, &format!("/{id}")))
        .collect();
    raw.send(asked);
    let mut bodies = vec![Vec::new(); 100];
    let mut open = ids.count();
    raw.wait_for("fifty responses", |frame| {
        let place = usize::try_from(frame.stream).unwrap();
        match frame.kind {
            kind::HEADERS => assert_eq!(block::status(&frame.payload), Some(200)),
            kind::DATA => bodies[place].extend_from_slice(&frame.payload),
            _ => return None,
        }
        open -= usize::from(frame.has(END_STREAM));
        (open == 0).then_some(())
    });
    for (id, body) in bodies
        .iter()
        .enumerate()
        .filter(|(_, body)| !body.is_empty())
    {
        assert_eq!(body, format!("/{id}").as_bytes());
    }
}
