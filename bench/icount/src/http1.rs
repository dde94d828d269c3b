//! Measures of the codec: heads read and written, and a chunked body read.

use std::hint::black_box;

use evenkeel_base::FieldSink;
use evenkeel_base::head::{RequestHead, ResponseHead};
use evenkeel_http1::{
    Asked, ChunkReader, ChunkState, HeadWriter, Limits, RequestParser, ResponseParser,
};

use crate::{Measure, Work};

/// What a load generator sends: the Host and nothing else.
const PLAIN: &str = include_str!("../plain.txt");

/// What a browser sends: 20 fields, 1.5 KB, a third of it cookies.
const BROWSER: &str = include_str!("../browser.txt");

/// What an ordinary origin answers.
const RESPONSE: &str = "HTTP/1.1 200 OK\n\
    Server: origin\n\
    Date: Sun, 22 Nov 2026 12:00:00 GMT\n\
    Content-Type: application/octet-stream\n\
    Content-Length: 128\n\
    Last-Modified: Sun, 22 Nov 2026 11:00:00 GMT\n\
    ETag: \"65a1b2c3-80\"\n\
    Accept-Ranges: bytes\n\n";

/// The payload of the chunked body, in so many chunks.
const PAYLOAD: usize = 1024;
const CHUNKS: usize = 4;

pub(crate) fn measures() -> Vec<Measure> {
    vec![
        Measure::new("parse-plain", "request head of 1 field", || parse(PLAIN)),
        Measure::new("parse-browser", "request head of 20 fields, 1.5 KB", || {
            parse(BROWSER)
        }),
        Measure::new(
            "parse-response",
            "response head of 7 fields",
            parse_response,
        ),
        Measure::new("read-chunked", "body of 1 KB in 4 chunks", read_chunked),
        Measure::new("write-plain", "request head of 1 field", || write(PLAIN)),
        Measure::new("write-browser", "request head of 20 fields, 1.5 KB", || {
            write(BROWSER)
        }),
    ]
}

/// The text as it goes over the wire; the files have the line ends of the repository.
fn wire(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

fn parse(text: &'static str) -> Work {
    let bytes = wire(text);
    let (mut head, limits) = (RequestHead::default(), Limits::default());
    Box::new(move || {
        let request = RequestParser::default().parse(black_box(&bytes), &limits, &mut head);
        assert!(
            matches!(black_box(request), Ok(Some(_))),
            "a head is refused"
        );
        head.fields.len()
    })
}

fn parse_response() -> Work {
    let bytes = wire(RESPONSE);
    let (mut head, limits) = (ResponseHead::default(), Limits::default());
    Box::new(move || {
        let mut parser = ResponseParser::default();
        let response = parser.parse(black_box(&bytes), &limits, Asked::default(), &mut head);
        assert!(
            matches!(black_box(response), Ok(Some(_))),
            "a head is refused"
        );
        head.fields.len()
    })
}

fn read_chunked() -> Work {
    let mut body = Vec::new();
    for _ in 0..CHUNKS {
        body.extend_from_slice(format!("{:x}\r\n", PAYLOAD / CHUNKS).as_bytes());
        body.resize(body.len() + PAYLOAD / CHUNKS, b'x');
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    let (mut block, limits) = (body.clone(), Limits::default());
    Box::new(move || {
        // Reading moves the payload together, so the block is written anew each time; 1 KB is 40 instructions.
        block.copy_from_slice(&body);
        let read = ChunkReader::new().read(black_box(&mut block), &limits);
        let done = read
            .ok()
            .filter(|read| matches!(read.state, ChunkState::Done { .. }));
        let payload = done.map_or(0, |read| read.payload.len());
        assert_eq!(black_box(payload), PAYLOAD, "the body is not read");
        payload
    })
}

fn write(text: &'static str) -> Work {
    let bytes = wire(text);
    let (mut head, limits) = (RequestHead::default(), Limits::default());
    let request = RequestParser::default().parse(&bytes, &limits, &mut head);
    assert!(matches!(request, Ok(Some(_))), "a head is refused");
    let mut out = Vec::with_capacity(2 * bytes.len());
    Box::new(move || {
        out.clear();
        let view = black_box(&head).view(&bytes);
        let mut writer =
            HeadWriter::request(&mut out, view.method_name(), view.path(), view.query());
        for field in view.fields() {
            writer.field(field.name, field.value);
        }
        writer.end();
        black_box(&out).len()
    })
}
