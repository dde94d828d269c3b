//! Bodies as they arrive: whole, cut at every place, byte by byte, and taken in bites. The outcome is always the same.

use std::future::poll_fn;
use std::task::Poll;

use evenkeel_base::{Fault, Side};
use tokio::io::AsyncWriteExt;

use super::{Incoming, MAX_TRAILERS};
use crate::body::{Fill, Source};
use crate::h1::Channel;
use crate::rig;

/// What a reader got of a body.
#[derive(Debug, Default, PartialEq, Eq)]
struct Got {
    body: Vec<u8>,
    trailers: String,
    fault: Option<Fault>,
    /// Bytes behind the body that have been received.
    rest: usize,
}

impl Got {
    /// Takes what is there; whether the body is over, well or not.
    fn take(&mut self, channel: &mut Channel, filled: Result<Fill, Fault>, bite: usize) -> bool {
        match filled {
            Ok(Fill::Data) => {
                let (data, last) = (channel.data(), channel.is_last());
                assert!(!data.is_empty(), "data means that there is some");
                let n = data.len().min(bite);
                let whole = n == data.len();
                self.body.extend_from_slice(&data[..n]);
                channel.consume(n);
                if last && whole {
                    assert!(
                        channel.is_settled(),
                        "the last of the data ends the message"
                    );
                }
                false
            }
            Ok(Fill::End) => {
                assert!(channel.is_settled(), "an ended body is a message boundary");
                assert!(channel.data().is_empty());
                channel.trailers(&mut |field| {
                    let text = |bytes| str::from_utf8(bytes).unwrap();
                    self.trailers
                        .push_str(&format!("{}={};", text(field.name), text(field.value)));
                });
                self.rest = channel.block.unread().len();
                true
            }
            Err(fault) => {
                assert!(!channel.is_settled(), "a broken body is no boundary");
                self.fault = Some(fault);
                true
            }
        }
    }
}

/// Reads a body that arrives in these pieces, each only when the one before was used, then the end of the stream.
fn read(incoming: Incoming, pieces: &[&[u8]], bite: usize) -> Got {
    rig::run(async {
        let (near, mut far) = rig::pair();
        let mut channel = rig::channel(near, Side::Upstream, incoming);
        let mut got = Got::default();
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            far.write_all(piece).await.unwrap();
            poll_fn(|cx| channel.stream.poll_read_ready(cx))
                .await
                .unwrap();
            while let Poll::Ready(filled) = rig::once(|cx| channel.poll_fill(cx)).await {
                if got.take(&mut channel, filled, bite) {
                    return got;
                }
            }
            assert_eq!(channel.data(), b"", "what is pending has no data");
        }
        drop(far);
        loop {
            let filled = poll_fn(|cx| channel.poll_fill(cx)).await;
            if got.take(&mut channel, filled, bite) {
                return got;
            }
        }
    })
}

/// Reads it in every way and says what every way gave.
#[track_caller]
fn arrives(incoming: fn() -> Incoming, bytes: &[u8]) -> Got {
    let whole = read(incoming(), &[bytes], usize::MAX);
    let mut ways: Vec<Vec<&[u8]>> = (1..bytes.len())
        .map(|at| vec![&bytes[..at], &bytes[at..]])
        .collect();
    ways.push(bytes.chunks(1).collect());
    for way in ways {
        for bite in [usize::MAX, 1, 3] {
            let got = read(incoming(), &way, bite);
            assert_eq!(got.fault, whole.fault, "in pieces {way:?}, bites of {bite}");
            if got.fault.is_none() {
                // How much was received beyond the body is up to the pieces.
                let rest = whole.rest;
                assert_eq!(
                    Got { rest, ..got },
                    whole,
                    "in pieces {way:?}, bites of {bite}"
                );
            }
        }
    }
    whole
}

fn known() -> Incoming {
    Incoming::Known { left: 5 }
}

const fn raw() -> Incoming {
    Incoming::Raw
}

#[track_caller]
fn gives(got: &Got, body: &str, trailers: &str, rest: usize) {
    let expected = Got {
        body: body.into(),
        trailers: trailers.to_owned(),
        fault: None,
        rest,
    };
    assert_eq!(*got, expected);
}

#[test]
fn a_known_length_is_exact() {
    gives(&arrives(known, b"hello"), "hello", "", 0);
    gives(&arrives(known, b"helloHTTP/1.1"), "hello", "", 8);
    gives(&read(Incoming::Known { left: 0 }, &[b"x"], 1), "", "", 0);
}

#[test]
fn chunks_are_taken_off() {
    gives(&arrives(|| Incoming::Chunked, b"0\r\n\r\n"), "", "", 0);
    gives(
        &arrives(|| Incoming::Chunked, b"5\r\nhello\r\n0\r\n\r\n"),
        "hello",
        "",
        0,
    );
    gives(
        &arrives(
            || Incoming::Chunked,
            b"2;a=b\r\nhe\r\n003\r\nllo\r\n0\r\n\r\nHTTP",
        ),
        "hello",
        "",
        4,
    );
}

#[test]
fn trailers_come_after_the_end_wherever_the_pieces_are_cut() {
    gives(
        &arrives(
            || Incoming::Chunked,
            b"3\r\nabc\r\n0\r\nX-A: 1\r\nx-b: 2\r\nX-A: 3\r\n\r\n",
        ),
        "abc",
        "X-A=1;x-b=2;X-A=3;",
        0,
    );
    gives(
        &arrives(|| Incoming::Chunked, b"0\r\nX-A: 1\r\n\r\nHTTP"),
        "",
        "X-A=1;",
        4,
    );
}

#[test]
fn what_has_no_length_goes_on_until_the_stream_ends() {
    gives(&arrives(raw, b"5\r\nhello"), "5\r\nhello", "", 0);
    gives(&read(raw(), &[], 1), "", "", 0);
}

#[test]
fn a_body_that_stops_early_is_cut_at_every_place() {
    let chunked = b"3\r\nabc\r\n2\r\nde\r\n0\r\nX: 1\r\n\r\n";
    for at in 0..chunked.len() {
        let got = read(Incoming::Chunked, &[&chunked[..at]], usize::MAX);
        assert_eq!(got.fault, Some(Fault::ResponseCut), "{at} bytes");
        assert!(b"abcde".starts_with(&got.body), "{at} bytes");
    }
    for at in 0..5 {
        let got = read(known(), &[&b"hello"[..at]], usize::MAX);
        assert_eq!(
            (got.fault, got.body.len()),
            (Some(Fault::ResponseCut), at),
            "{at} bytes"
        );
    }
}

#[test]
fn broken_chunks_are_refused() {
    for bytes in [
        &b"5\r\nhelloX"[..],
        b"5\nhello\r\n0\r\n\r\n",
        b"x\r\n",
        b"-1\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"3\r\nabc\r\n0\r\nX : 1\r\n\r\n",
        b"3\r\nabc\r\n0\r\n X: 1\r\n\r\n",
        b"3\r\nabc\r\n0\r\nX: 1\n\r\n",
        b"11111111111111111\r\n",
    ] {
        let got = arrives(|| Incoming::Chunked, bytes);
        assert_eq!(got.fault, Some(Fault::ResponseBodyMalformed), "{bytes:?}");
    }
}

#[test]
fn the_other_side_fails_by_its_own_names() {
    rig::run(async {
        for (bytes, fault) in [
            (&b"5\r\nhel"[..], Fault::ClientGone),
            (b"5\r\nhelloX", Fault::RequestBodyMalformed),
        ] {
            let (near, mut far) = rig::pair();
            far.write_all(bytes).await.unwrap();
            drop(far);
            let mut channel = rig::channel(near, Side::Downstream, Incoming::Chunked);
            let mut got = Got::default();
            loop {
                let filled = poll_fn(|cx| channel.poll_fill(cx)).await;
                if got.take(&mut channel, filled, usize::MAX) {
                    break;
                }
            }
            assert_eq!(got.fault, Some(fault));
        }
    });
}

#[test]
fn trailers_are_bounded_at_once_and_bit_by_bit() {
    let trailers = |bytes: usize| {
        let line = "X: 0123456789012345678901234567\r\n";
        format!("1\r\na\r\n0\r\n{}\r\n", line.repeat(bytes / line.len()))
    };
    let fits = trailers(MAX_TRAILERS / 2);
    let got = read(Incoming::Chunked, &[fits.as_bytes()], usize::MAX);
    assert_eq!(
        (got.fault, got.trailers.matches("X=").count()),
        (None, 2048 / 33)
    );
    let long = trailers(MAX_TRAILERS * 2);
    for pieces in [
        vec![long.as_bytes()],
        long.as_bytes().chunks(100).collect::<Vec<_>>(),
    ] {
        let got = read(Incoming::Chunked, &pieces, usize::MAX);
        assert_eq!(got.fault, Some(Fault::ResponseHeadTooLarge));
    }
}

#[test]
fn trailers_are_found_far_behind_where_spans_reach() {
    let payload = "x".repeat(120_000);
    let bytes = format!("{:x}\r\n{payload}\r\n0\r\nX: 1\r\n\r\n", payload.len());
    // The first of it fills a block, and the rest is read into a large one in one go.
    let got = read(Incoming::Chunked, &[bytes.as_bytes()], usize::MAX);
    assert_eq!((got.fault, got.trailers.as_str()), (None, "X=1;"));
    assert!(got.body == payload.as_bytes());
}

#[test]
fn bodies_larger_than_the_block_stream_through_it() {
    let body: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let mut bytes = Vec::new();
    for chunk in body.chunks(30_000) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\nX: 1\r\n\r\n");
    for size in [1_000, 16_384, 20_001] {
        let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
        let got = read(Incoming::Chunked, &pieces, 4_096);
        assert!(
            got.body == body && got.trailers == "X=1;" && got.fault.is_none(),
            "pieces of {size}"
        );
    }
}
