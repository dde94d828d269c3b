//! Lists of fields that are nearly right: whatever of them passes, is the same message in HTTP/1.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::select;
use proptest::{prop_oneof, proptest};

use crate::again;

type Owned = (Vec<u8>, Vec<u8>);

/// Values that somebody has smuggled with, and some that pass.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let known = select(vec![
        "",
        "a",
        "a.example",
        "a.example:80",
        "A.EXAMPLE",
        "/",
        "/a?b",
        "/a?b?c",
        "//",
        "*",
        "GET",
        "POST",
        "CONNECT",
        "OPTIONS",
        "http",
        "https",
        "5",
        "0",
        "05",
        "5, 5",
        "trailers",
        "chunked",
        "close",
        "websocket",
        "h2c",
        "100-continue",
        "200",
        "101",
        "103",
        "304",
        " a",
        "a ",
        "a\tb",
        "a\r\nb: c",
        "a\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n",
        "a\nb",
        "\0",
        "caf\u{e9}",
        "/ HTTP/1.1\r\nHost: b\r\n\r\n",
        "u@a",
        "a,b",
        "[::1]:8080",
    ]);
    prop_oneof![
        8 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..12),
    ]
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let known = select(vec![
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "te",
        "upgrade",
        "cookie",
        "cookie",
        "cookie",
        "expect",
        "x-a",
        "x_a",
        "content_length",
        "trailer",
        "keep-alive",
        "X-Upper",
        "",
        ":x",
        ":path",
        ":status",
        "x:",
        "x y",
        "x\r\ny",
        "http2-settings",
    ]);
    prop_oneof![
        8 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..6),
    ]
}

/// Pseudo-fields that are mostly good.
fn pseudo() -> impl Strategy<Value = Vec<Owned>> {
    let pair = |name: &'static str, good: &'static str| {
        let name = name.as_bytes().to_vec();
        let good = good.as_bytes().to_vec();
        prop_oneof![
            6 => Just(vec![(name.clone(), good)]),
            1 => Just(vec![]),
            3 => value().prop_map(move |value| vec![(name.clone(), value)]),
        ]
    };
    (
        pair(":method", "POST"),
        pair(":scheme", "http"),
        pair(":authority", "a.example"),
        pair(":path", "/a?b"),
        prop_oneof![6 => Just(vec![]), 1 => pair(":protocol", "websocket")],
    )
        .prop_map(|(a, b, c, d, e)| [a, b, c, d, e].concat())
}

fn borrowed(pairs: &[Owned]) -> Vec<(&[u8], &[u8])> {
    pairs
        .iter()
        .map(|(n, v)| (n.as_slice(), v.as_slice()))
        .collect()
}

proptest! {
    #[test]
    fn a_request_that_passes_is_one_request_in_http1(
        pseudo in pseudo(),
        fields in vec((name(), value()), 0..6),
        ends in any::<bool>(),
    ) {
        let pairs = [pseudo, fields].concat();
        let _ = again::request(&borrowed(&pairs), ends);
    }

    #[test]
    fn a_response_that_passes_is_one_response_in_http1(
        status in select(vec!["200", "103", "204", "304", "101", "999", "99", "2"]),
        fields in vec((name(), value()), 0..6),
        ends in any::<bool>(),
    ) {
        let mut pairs = vec![(b":status".to_vec(), status.as_bytes().to_vec())];
        pairs.extend(fields);
        let _ = again::response(&borrowed(&pairs), ends);
    }

    #[test]
    fn trailers_that_pass_are_trailers_in_http1(fields in vec((name(), value()), 0..6)) {
        let _ = again::trailers(&borrowed(&fields));
    }
}

#[test]
fn what_is_good_passes() {
    let pairs: Vec<Owned> = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "a.example"),
        (":path", "/a?b"),
        ("host", "a.example:443"),
        ("cookie", "a=1"),
        ("x_a", "1"),
        ("cookie", "b=2"),
        ("te", "trailers"),
        ("content-length", "5"),
        ("expect", "100-continue"),
    ]
    .map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec()))
    .to_vec();
    assert_eq!(again::request(&borrowed(&pairs), false), Ok(()));
    let response = [
        (&b":status"[..], &b"200"[..]),
        (b"content-length", b"5"),
        (b"set-cookie", b"a"),
    ];
    assert_eq!(again::response(&response, false), Ok(()));
    assert_eq!(again::trailers(&[(b"grpc-status", b"0")]), Ok(()));
}
