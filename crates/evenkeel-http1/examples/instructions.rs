//! Reads or writes one head many times, to be counted by callgrind.
//!
//! `instructions READER HEAD TIMES`, where READER is `ours`, `httparse`, `strict` (httparse and what it
//! takes at least to make our spans of it), `write` or `none`, and HEAD is `wrk`, `curl`,
//! `browser`, `gateway` or `response`. The count of `none` is the loop's own. It is not a benchmark of time.

#![expect(clippy::print_stdout, reason = "a program for the command line")]

use std::hint::black_box;
use std::mem::MaybeUninit;

use evenkeel_base::Authority;
use evenkeel_base::head::{FieldSpan, RequestHead, ResponseHead, Span};
use evenkeel_base::{FieldSink, Known};
use evenkeel_http1::{Asked, HeadWriter, Limits, RequestParser, ResponseParser};

const WRK: &str = "GET /api/items?page=2 HTTP/1.1\r\nHost: 127.0.0.1:5000\r\n\r\n";

const CURL: &str = "GET /index.html HTTP/1.1\r\nHost: localhost:5000\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n";

/// What a program behind a gateway gets: ten fields.
const GATEWAY: &str = "POST /v1/orders/4711/items?dry-run=false HTTP/1.1\r\n\
    Host: orders.internal.example:8080\r\n\
    User-Agent: okhttp/4.12.0\r\n\
    Accept: application/json\r\n\
    Accept-Encoding: gzip\r\n\
    Content-Type: application/json; charset=utf-8\r\n\
    Content-Length: 312\r\n\
    Authorization: Bearer c2FtcGxlLXRva2VuLWZvci1tZWFzdXJlbWVudHM\r\n\
    X-Request-Id: 5f0c9b7e-3a52-4d2f-9a51-0d6d0f5d1b6e\r\n\
    X-Forwarded-For: 203.0.113.7\r\n\
    Connection: keep-alive\r\n\r\n";

/// What a browser sends: twenty fields, 1.5 KB, most of it one cookie and one referrer.
fn browser() -> String {
    let cookie = "theme=dark; consent=all; ab=variant-b; sid=".to_owned() + &"k9Zx".repeat(90);
    format!(
        "GET /catalog/shoes/running?color=blue&size=43&sort=price HTTP/1.1\r\n\
         Host: shop.example.com\r\n\
         Connection: keep-alive\r\n\
         Cache-Control: max-age=0\r\n\
         sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"\r\n\
         sec-ch-ua-mobile: ?0\r\n\
         sec-ch-ua-platform: \"Linux\"\r\n\
         DNT: 1\r\n\
         Upgrade-Insecure-Requests: 1\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
         Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n\
         Sec-Fetch-Site: same-origin\r\n\
         Sec-Fetch-Mode: navigate\r\n\
         Sec-Fetch-User: ?1\r\n\
         Sec-Fetch-Dest: document\r\n\
         Referer: https://shop.example.com/catalog/shoes?color=blue&size=43&brand=any&page=3&view=grid\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\n\
         Accept-Language: en-US,en;q=0.9,de;q=0.8\r\n\
         Cookie: {cookie}\r\n\
         If-None-Match: W/\"5d8c72a5edda8d6a-3f2\"\r\n\
         Priority: u=0, i\r\n\r\n"
    )
}

const RESPONSE: &str = "HTTP/1.1 200 OK\r\n\
    Server: nginx/1.22.1\r\n\
    Date: Sun, 22 Nov 2026 12:00:00 GMT\r\n\
    Content-Type: application/octet-stream\r\n\
    Content-Length: 128\r\n\
    Last-Modified: Sun, 22 Nov 2026 11:00:00 GMT\r\n\
    Connection: keep-alive\r\n\
    ETag: \"65a1b2c3-80\"\r\n\
    Accept-Ranges: bytes\r\n\r\n";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [reader, head, times] = arguments.as_slice() else {
        println!(
            "instructions ours|httparse|strict|write|none wrk|curl|gateway|browser|response TIMES"
        );
        return;
    };
    let text = match head.as_str() {
        "wrk" => WRK.to_owned(),
        "curl" => CURL.to_owned(),
        "gateway" => GATEWAY.to_owned(),
        "response" => RESPONSE.to_owned(),
        _ => browser(),
    };
    let (bytes, times) = (text.as_bytes(), times.parse().unwrap_or(1));
    let is_response = head == "response";
    let fields: usize = match (reader.as_str(), is_response) {
        ("ours", false) => ours(bytes, times),
        ("ours", true) => ours_response(bytes, times),
        ("httparse", false) => httparse(bytes, times),
        ("strict", false) => strict(bytes, times),
        ("httparse", true) => httparse_response(bytes, times),
        ("write", false) => write(bytes, times),
        _ => (0..times).map(|_| black_box(bytes).len() & 1).sum(),
    };
    println!("{fields}");
}

fn ours(bytes: &[u8], times: usize) -> usize {
    let (mut head, limits) = (RequestHead::default(), Limits::default());
    let mut fields = 0;
    for _ in 0..times {
        let request = RequestParser::default().parse(black_box(bytes), &limits, &mut head);
        assert!(matches!(black_box(request), Ok(Some(_))));
        fields += head.fields.len();
    }
    fields
}

fn ours_response(bytes: &[u8], times: usize) -> usize {
    let (mut head, limits) = (ResponseHead::default(), Limits::default());
    let mut fields = 0;
    for _ in 0..times {
        let mut parser = ResponseParser::default();
        let response = parser.parse(black_box(bytes), &limits, Asked::default(), &mut head);
        assert!(matches!(black_box(response), Ok(Some(_))));
        fields += head.fields.len();
    }
    fields
}

fn httparse(bytes: &[u8], times: usize) -> usize {
    let mut fields = 0;
    for _ in 0..times {
        let mut table = [const { MaybeUninit::uninit() }; 100];
        let mut request = httparse::Request::new(&mut []);
        assert!(matches!(
            request.parse_with_uninit_headers(black_box(bytes), &mut table),
            Ok(httparse::Status::Complete(_))
        ));
        fields += black_box(&request).headers.len();
    }
    fields
}

/// httparse, then spans, known names, the Host field, and a look for line ends that are a bare LF, which it lets pass.
fn strict(bytes: &[u8], times: usize) -> usize {
    let mut count = 0;
    let mut fields: Vec<FieldSpan> = Vec::new();
    for _ in 0..times {
        let block = black_box(bytes);
        let mut table = [const { MaybeUninit::uninit() }; 100];
        let mut request = httparse::Request::new(&mut []);
        let read = request.parse_with_uninit_headers(block, &mut table);
        assert!(matches!(read, Ok(httparse::Status::Complete(_))));
        let span = |part: &[u8]| {
            let start = part.as_ptr().addr() - block.as_ptr().addr();
            Span::new(start, start + part.len())
        };
        fields.clear();
        for header in request.headers.iter() {
            let (name, value) = (header.name.as_bytes(), header.value);
            let known = Known::of(name);
            let field = FieldSpan {
                name: span(name),
                value: span(value),
                known,
                verbatim: true,
            };
            assert!(
                block
                    .get(usize::from(field.value.end)..)
                    .is_some_and(|end| end.starts_with(b"\r\n"))
            );
            if known == Known::Host {
                assert!(Authority::parse(value).is_some());
            }
            fields.push(field);
        }
        let line = request
            .method
            .map(|text| span(text.as_bytes()))
            .zip(request.path.map(|text| span(text.as_bytes())));
        count += black_box(&fields).len() + usize::from(black_box(line).is_none());
    }
    count
}

fn httparse_response(bytes: &[u8], times: usize) -> usize {
    let mut fields = 0;
    for _ in 0..times {
        let mut table = [const { MaybeUninit::uninit() }; 100];
        let mut response = httparse::Response::new(&mut []);
        assert!(matches!(
            httparse::ParserConfig::default().parse_response_with_uninit_headers(
                &mut response,
                black_box(bytes),
                &mut table
            ),
            Ok(httparse::Status::Complete(_))
        ));
        fields += black_box(&response).headers.len();
    }
    fields
}

fn write(bytes: &[u8], times: usize) -> usize {
    let (mut head, limits) = (RequestHead::default(), Limits::default());
    let request = RequestParser::default().parse(bytes, &limits, &mut head);
    assert!(matches!(request, Ok(Some(_))));
    let mut out = Vec::with_capacity(4096);
    for _ in 0..times {
        out.clear();
        let view = black_box(&head).view(bytes);
        let mut writer =
            HeadWriter::request(&mut out, view.method_name(), view.path(), view.query());
        for field in view.fields() {
            writer.field(field.name, field.value);
        }
        writer.end();
    }
    out.len()
}
