//! Properties over generated messages: any split reads the same, what is written parses back, near misses never pass
//! where a slow reading says no.

use evenkeel_base::FieldSink;
use evenkeel_base::head::{RequestHead, fields};
use evenkeel_http1::{
    CHUNK_END, ChunkReader, ChunkState, HeadWriter, LAST_CHUNK, Limits, RequestBody, RequestParser,
    TrailerWriter, chunk_head, fuzzing, parse_trailers,
};
use proptest::prelude::*;

/// A token.
fn token() -> impl Strategy<Value = String> {
    "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}"
}

/// A value as it may stand on the wire, without white space around it.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let inner = prop_oneof![0x21..=0x7e_u8, 0x80..=0xff_u8, Just(b' '), Just(b'\t')];
    proptest::collection::vec(inner, 0..40).prop_map(|bytes| bytes.trim_ascii().to_vec())
}

/// A field that has no meaning of its own.
fn field() -> impl Strategy<Value = (String, Vec<u8>)> {
    (token().prop_map(|name| format!("x-{name}")), value())
}

/// A line that frames, in a good or an odd form.
fn framing() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        (0..20_u32).prop_map(|length| format!("Content-Length: {length}\r\n")),
        Just("Transfer-Encoding: chunked\r\n".to_owned()),
        Just("transfer-encoding:CHUNKED\r\nConnection: close\r\n".to_owned()),
        Just("Content-Length: 3\r\nContent-Length: 3\r\n".to_owned()),
        Just("Transfer-Encoding: gzip, chunked\r\n".to_owned()),
        "Content-Length: [0-9+, x]{1,3}\r\n",
    ]
}

/// A request head that is right or nearly so.
pub(crate) fn near_request() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just("GET / HTTP/1.1".to_owned()),
        Just("OPTIONS * HTTP/1.1".to_owned()),
        Just("CONNECT a:443 HTTP/1.1".to_owned()),
        "(GET|POST|M-SEARCH) (/|/a/b|http://a(:80)?)[a-z/.%?#]{0,8} HTTP/1\\.[0-2]",
        "[A-Z ]{1,4} [ -~]{1,10} HTTP/[0-2]\\.[0-2]",
    ];
    let host = prop_oneof![
        8 => Just("Host: a\r\n".to_owned()),
        1 => Just("Host: a:443\r\n".to_owned()),
        1 => Just(String::new()),
        1 => "Host: [a-c:@/,]{0,4}\r\n",
    ];
    let lines = proptest::collection::vec(field(), 0..4);
    let flip = proptest::option::weighted(0.4, (any::<prop::sample::Index>(), any::<u8>()));
    (line, host, framing(), lines, flip).prop_map(|(line, host, framing, lines, flip)| {
        let mut bytes = format!("{line}\r\n{host}{framing}").into_bytes();
        for (name, value) in lines {
            bytes.extend_from_slice(&[name.as_bytes(), b":", &value, b"\r\n"].concat());
        }
        bytes.extend_from_slice(b"\r\nrest");
        if let Some((index, byte)) = flip {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

/// A response with a body that is right or nearly so.
pub(crate) fn near_response() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        8 => "HTTP/1\\.[01] (200|204|304|404|799) OK",
        1 => "HTTP/1\\.1 10[0-3] Interim",
        1 => "HTTP/[0-2]\\.[0-2] [0-9]{2,4}( [ -~]{0,9})?",
    ];
    let body = prop_oneof![
        Just("hello"),
        Just("5\r\nhello\r\n0\r\n\r\n"),
        Just("5\r\nhello\r\n3;a=b\r\n...\r\n0\r\nA: b\r\n\r\n"),
        Just("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"),
    ];
    let lines = proptest::collection::vec(field(), 0..4);
    let flip = proptest::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
    (line, framing(), lines, body, flip).prop_map(|(line, framing, lines, body, flip)| {
        let mut bytes = format!("{line}\r\n{framing}").into_bytes();
        for (name, value) in lines {
            bytes.extend_from_slice(&[name.as_bytes(), b": ", &value, b" \r\n"].concat());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body.as_bytes());
        if let Some((index, byte)) = flip {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

/// A chunked body that is right or nearly so.
pub(crate) fn near_chunks() -> impl Strategy<Value = Vec<u8>> {
    let chunk = (
        0..20_usize,
        0..3_usize,
        "(;[a-z]{1,3}(=([a-z]|\"[ -~]{0,4}\"))?){0,2}",
        "(\r\n){0,9}",
    );
    let chunks = proptest::collection::vec(chunk, 0..6);
    let tail = prop_oneof![
        4 => Just("0\r\n\r\n"),
        1 => Just("0\r\nA: b\r\nc:\r\n\r\nrest"),
        1 => Just("0;x\r\n\r\n\r\n"),
        1 => Just("0\r\n"),
        1 => Just("00\r\nA : b\r\n\r\n"),
    ];
    let flip = proptest::option::weighted(0.4, (any::<prop::sample::Index>(), any::<u8>()));
    (chunks, tail, flip).prop_map(|(chunks, tail, flip)| {
        let mut bytes = Vec::new();
        for (length, zeros, extension, filler) in chunks {
            let zeros = "0".repeat(zeros);
            let data = filler
                .bytes()
                .chain(std::iter::repeat(b'x'))
                .take(length.max(1));
            let data: Vec<u8> = data.collect();
            bytes.extend_from_slice(format!("{zeros}{:X}{extension}\r\n", data.len()).as_bytes());
            bytes.extend_from_slice(&[&data, b"\r\n".as_slice()].concat());
        }
        bytes.extend_from_slice(tail.as_bytes());
        if let Some((index, byte)) = flip {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn near_requests_hold_every_invariant(bytes in near_request()) {
        fuzzing::request_head(&bytes);
    }

    #[test]
    fn near_responses_hold_every_invariant(bytes in near_response()) {
        fuzzing::response_head(&bytes);
    }

    #[test]
    fn near_chunks_read_as_a_slow_reader_does(bytes in near_chunks()) {
        fuzzing::chunked(&bytes);
    }

    #[test]
    fn near_trailers_read_alike_in_place_and_alone(
        lines in proptest::collection::vec(("[A-Za-z -]{0,8}", "(:|: | :)", value()), 0..5),
    ) {
        let bytes: Vec<u8> = lines
            .iter()
            .flat_map(|(name, colon, value)| [name.as_bytes(), colon.as_bytes(), value, b"\r\n"].concat())
            .collect();
        fuzzing::trailers(&bytes);
    }

}

proptest! {
    #[test]
    fn a_written_head_is_read_as_it_was_meant(
        method in token().prop_filter("has a target of its own", |method| method != "CONNECT"),
        path in "/[!-\"$->@-~]{0,30}",
        query in proptest::option::of("[!-\"$-~]{0,20}"),
        lines in proptest::collection::vec(field(), 0..90),
        length in proptest::option::of(any::<u32>()),
    ) {
        let mut out = Vec::new();
        let mut writer = HeadWriter::request(&mut out, method.as_bytes(), path.as_bytes(), query.as_deref().map(str::as_bytes));
        writer.field(b"host", b"a");
        for (name, value) in &lines {
            writer.field(name.as_bytes(), value);
        }
        match length {
            Some(length) => writer.content_length(u64::from(length)),
            None => writer.chunked(),
        }
        writer.end();
        let mut head = RequestHead::default();
        let request = RequestParser::default().parse(&out, &Limits::default(), &mut head);
        let request = request.unwrap().unwrap();
        let body = match length {
            None => RequestBody::Chunked,
            Some(0) => RequestBody::Empty,
            Some(length) => RequestBody::Known(u64::from(length)),
        };
        prop_assert_eq!(request.body, body);
        prop_assert_eq!(request.consumed, out.len());
        let view = head.view(&out);
        prop_assert_eq!(view.method_name(), method.as_bytes());
        prop_assert_eq!(view.path(), path.as_bytes());
        prop_assert_eq!(view.query(), query.as_deref().map(str::as_bytes));
        let read: Vec<_> = view.fields().map(|f| (f.name.to_vec(), f.value.to_vec())).collect();
        prop_assert_eq!(&read[0], &(b"host".to_vec(), b"a".to_vec()));
        for (read, (name, value)) in read[1..].iter().zip(&lines) {
            prop_assert_eq!(&read.0, name.as_bytes());
            prop_assert_eq!(&read.1, value);
        }
    }

    #[test]
    fn a_written_body_is_read_as_it_was_meant(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 0..12),
        lines in proptest::collection::vec(field(), 0..4),
        step in 1..400_usize,
    ) {
        let mut out = Vec::new();
        for piece in &pieces {
            out.extend_from_slice(chunk_head(piece.len()).as_slice());
            out.extend_from_slice(piece);
            out.extend_from_slice(CHUNK_END);
        }
        if lines.is_empty() {
            out.extend_from_slice(LAST_CHUNK);
        } else {
            let mut trailers = TrailerWriter::new(&mut out);
            for (name, value) in &lines {
                trailers.field(name.as_bytes(), value);
            }
            trailers.end();
        }
        let (mut reader, limits) = (ChunkReader::new(), Limits::default());
        let (mut unread, mut payload, mut done) = (Vec::new(), Vec::new(), false);
        for piece in out.chunks(step) {
            prop_assert!(!done);
            unread.extend_from_slice(piece);
            let chunked = reader.read(&mut unread, &limits).unwrap();
            payload.extend_from_slice(&unread[chunked.payload]);
            if let ChunkState::Done { trailers } = chunked.state {
                let mut table = Vec::new();
                parse_trailers(&unread, trailers, &limits, &mut table).unwrap();
                let read: Vec<_> = fields(&table, &unread).map(|f| (f.name.to_vec(), f.value.to_vec())).collect();
                let meant: Vec<_> = lines.iter().map(|(name, value)| (name.clone().into_bytes(), value.clone())).collect();
                prop_assert_eq!(read, meant);
                prop_assert_eq!(chunked.consumed, unread.len());
                done = true;
            }
            unread.drain(..chunked.consumed);
        }
        prop_assert!(done);
        prop_assert_eq!(payload, pieces.concat());
    }
}
