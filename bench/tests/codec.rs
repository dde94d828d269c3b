//! Properties of the reading of heads and bodies: no bytes make it panic, and where they are cut makes no difference.

#![expect(
    clippy::tests_outside_test_module,
    reason = "this crate is tests alone"
)]

use evenkeel_bench::body::Body;
use evenkeel_bench::head::{self, Framing, Malformed};
use proptest::prelude::*;

/// Bytes that look like HTTP often enough to get anywhere.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"GET / HTTP/1.1\r\n".to_vec()),
        Just(b"HTTP/1.1 200 OK\r\n".to_vec()),
        Just(b"HTTP/1.0 304 X\r\n".to_vec()),
        Just(b"Content-Length: 5\r\n".to_vec()),
        Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
        Just(b"Connection: close, x\r\n".to_vec()),
        Just(b"Keep-Alive: 5\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"5\r\nhello\r\n".to_vec()),
        Just(b"a;x=y\r\n0123456789\r\n".to_vec()),
        Just(b"0\r\n\r\n".to_vec()),
        Just(b"fffffffffffffff\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..6),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// How much of the bytes belongs to the body, how much data is in it, and whether it is done; in pieces of `step`.
fn feed(framing: Framing, bytes: &[u8], step: usize) -> Result<(usize, u64, bool), Malformed> {
    let mut body = Body::new(framing);
    let mut taken = 0;
    for piece in bytes.chunks(step) {
        taken += body.advance(piece)?;
        if body.is_done() {
            break;
        }
    }
    Ok((taken, body.data(), body.is_done()))
}

proptest! {
    #[test]
    fn a_body_is_the_same_wherever_it_is_cut(bytes in pieces(), length in 0..40_u64, step in 1..9_usize) {
        for framing in [Framing::Chunked, Framing::Length(length), Framing::UntilClose, Framing::Empty] {
            prop_assert_eq!(feed(framing, &bytes, step), feed(framing, &bytes, usize::MAX));
        }
    }

    #[test]
    fn a_head_is_the_same_whatever_follows(bytes in pieces(), cut in 0..200_usize) {
        let cut = &bytes[..cut.min(bytes.len())];
        if let Ok(Some(head)) = head::request(cut) {
            prop_assert!(head.len <= cut.len() && head.target.end <= head.len);
            let mut rest = Vec::new();
            head.hops.copy_rest(&cut[..head.len], &mut rest);
            prop_assert!(rest.len() <= head.len);
            prop_assert_eq!(head::request(&bytes), Ok(Some(head)));
        }
        for to_head in [false, true] {
            if let Ok(Some(head)) = head::response(cut, to_head) {
                prop_assert!(head.len <= cut.len());
                prop_assert_eq!(head::response(&bytes, to_head), Ok(Some(head)));
            }
        }
        // What is refused early stays refused.
        if head::request(cut).is_err() {
            prop_assert_eq!(head::request(&bytes), Err(Malformed));
        }
    }
}
