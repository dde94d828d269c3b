//! Heads: the same verdict for every split, spans that hold what they say, and what is written again reads the same.

use evenkeel_base::field::{is_field_value, is_token};
use evenkeel_base::head::{FieldSpan, RequestHead, ResponseHead, Version, fields};
use evenkeel_base::path::{canonical, has_dot_segments};
use evenkeel_base::{FieldSink, Known, Method};

use super::{STEPS, limits};
use crate::refusal::Refusal;
use crate::request::{Request, RequestBody, RequestParser};
use crate::response::{Asked, Response, ResponseBody, ResponseParser};
use crate::write::HeadWriter;
use evenkeel_base::Authority;
use evenkeel_base::HeadLimits as Limits;

/// Reads `data` as a request.
pub fn request_head(data: &[u8]) {
    for limits in limits() {
        let (whole, head) = read_request(data, &limits, data.len());
        for step in STEPS {
            let (split, other) = read_request(data, &limits, step);
            assert_eq!(whole, split, "in pieces of {step}");
            if let Ok(Some(_)) = whole {
                assert_eq!(head.fields, other.fields);
                assert_eq!((head.path, head.query), (other.path, other.query));
                assert_eq!(head.authority, other.authority);
            }
        }
        if let Ok(Some(request)) = whole {
            check_request(data, &limits, &request, &head);
        }
    }
}

/// Reads `data` as the response to each kind of request.
pub fn response_head(data: &[u8]) {
    let get = Asked::default();
    let asked = [
        get,
        Asked { head: true, ..get },
        Asked {
            connect: true,
            ..get
        },
        Asked {
            upgrade: true,
            ..get
        },
    ];
    for limits in limits() {
        for asked in asked {
            let (whole, head) = read_response(data, &limits, asked, data.len());
            for step in STEPS {
                let (split, other) = read_response(data, &limits, asked, step);
                assert_eq!(whole, split, "in pieces of {step}");
                if let Ok(Some(_)) = whole {
                    assert_eq!(head.fields, other.fields);
                    assert_eq!((head.status, head.reason), (other.status, other.reason));
                }
            }
            if let Ok(Some(response)) = whole {
                check_response(data, &limits, &response, &head, asked);
            }
        }
    }
}

type Verdict<T> = Result<Option<T>, Refusal>;

fn read_request(data: &[u8], limits: &Limits, step: usize) -> (Verdict<Request>, RequestHead) {
    let (mut parser, mut head) = (RequestParser::default(), RequestHead::default());
    let verdict = feed(data, step, |bytes| parser.parse(bytes, limits, &mut head));
    (verdict, head)
}

fn read_response(
    data: &[u8],
    limits: &Limits,
    asked: Asked,
    step: usize,
) -> (Verdict<Response>, ResponseHead) {
    let (mut parser, mut head) = (ResponseParser::default(), ResponseHead::default());
    let verdict = feed(data, step, |bytes| {
        parser.parse(bytes, limits, asked, &mut head)
    });
    (verdict, head)
}

/// Gives `parse` ever more of `data` until it has made up its mind.
fn feed<T>(data: &[u8], step: usize, mut parse: impl FnMut(&[u8]) -> Verdict<T>) -> Verdict<T> {
    let mut end = 0;
    loop {
        let verdict = parse(&data[..end])?;
        if verdict.is_some() || end == data.len() {
            return Ok(verdict);
        }
        end = end.saturating_add(step.max(1)).min(data.len());
    }
}

/// A head of CRLF lines read the slow way: its first line, and its fields.
fn slow_lines(head: &[u8]) -> (&[u8], Vec<Pair<'_>>) {
    let text = head.strip_suffix(b"\r\n\r\n").unwrap_or_default();
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines.push(rest);
    for line in &lines {
        assert!(
            !line.contains(&b'\r') && !line.contains(&b'\n'),
            "no bare line end"
        );
    }
    let first = lines.remove(0);
    let fields = lines.into_iter().map(slow_field).collect();
    (first, fields)
}

/// The name and the value of a field.
type Pair<'a> = (&'a [u8], &'a [u8]);

fn slow_field(line: &[u8]) -> Pair<'_> {
    let colon = line
        .iter()
        .position(|&byte| byte == b':')
        .unwrap_or(line.len());
    let (name, value) = line.split_at(colon);
    (name, trim(value.get(1..).unwrap_or_default()))
}

/// The value without SP and HTAB around it.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn check_fields(table: &[FieldSpan], block: &[u8], slow: &[Pair<'_>], limits: &Limits) {
    assert!(table.len() <= limits.fields);
    assert_eq!(table.len(), slow.len());
    for (field, (name, value)) in fields(table, block).zip(slow) {
        assert_eq!((field.name, field.value), (*name, *value));
        assert!(is_token(name) && is_field_value(value));
        assert_eq!(field.known, Known::of(name));
    }
    let lengths = slow
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"content-length"));
    let codings = slow
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"transfer-encoding"));
    assert!(
        lengths.count() + codings.count() <= 1,
        "framed at most once"
    );
}

fn check_request(data: &[u8], limits: &Limits, request: &Request, head: &RequestHead) {
    assert!(request.consumed <= limits.head_bytes.min(data.len()));
    let block = &data[..request.consumed];
    let text = block.strip_prefix(b"\r\n").unwrap_or(block);
    let (first, slow) = slow_lines(text);
    assert!(first.len() <= limits.line_bytes);
    check_fields(&head.fields, block, &slow, limits);
    let words: Vec<_> = first.split(|&byte| byte == b' ').collect();
    assert_eq!(words.len(), 3);
    let view = head.view(block);
    assert_eq!(view.method_name(), words[0]);
    assert!(is_token(words[0]) && words[1].iter().all(u8::is_ascii_graphic));
    assert_eq!(words[2] == b"HTTP/1.1", head.version == Version::Http11);
    let hosts = slow
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"host"))
        .count();
    assert!(hosts <= 1 && (hosts == 1 || head.version == Version::Http10));
    assert!(view.authority().is_empty() || Authority::parse(view.authority()).is_some());
    let path = view.path();
    match head.method {
        Method::Connect => assert!(path.is_empty() && !view.authority().is_empty()),
        Method::Options if path == b"*" => {}
        _ => assert_eq!(path.first(), Some(&b'/')),
    }
    if words[1].first() == Some(&b'/') {
        let query = view.query().map(|query| [b"?", query].concat());
        assert_eq!([path, &query.unwrap_or_default()].concat(), words[1]);
    }
    assert_eq!(has_dot_segments(&canonical(path)), slow_dots(path));
    assert!(request.upgrade.is_none() || request.body == RequestBody::Empty);
    check_rewritten(block, limits, request, head);
}

/// Segment by segment, decoded, whatever is taken for a slash.
fn slow_dots(path: &[u8]) -> bool {
    let text = String::from_utf8_lossy(path).to_ascii_lowercase();
    let slashed = ["%2f", "%5c", "\\"]
        .iter()
        .fold(text, |text, slash| text.replace(slash, "/"));
    let decoded = slashed.replace("%2e", ".").replace("%3b", ";");
    decoded.split('/').any(|segment| {
        let name = segment.split(';').next().unwrap_or_default();
        name == "." || name == ".."
    })
}

/// What is written from the spans reads the same again.
fn check_rewritten(block: &[u8], limits: &Limits, request: &Request, head: &RequestHead) {
    let view = head.view(block);
    let path = if head.method == Method::Connect {
        view.authority()
    } else {
        view.path()
    };
    let mut out = Vec::new();
    let mut writer = HeadWriter::request(&mut out, view.method_name(), path, view.query());
    for field in view.fields() {
        writer.field(field.name, field.value);
    }
    if view.known(Known::Host).is_none() {
        // HTTP/1.0 may lack it, and what is written is HTTP/1.1: the authority is the target's when it has one.
        let named = Some(view.authority()).filter(|authority| !authority.is_empty());
        writer.field(b"host", named.unwrap_or(b"a"));
    }
    writer.end();
    let limits = Limits {
        head_bytes: usize::MAX,
        fields: limits.fields + 1,
        line_bytes: usize::MAX,
    };
    let (again, other) = read_request(&out, &limits, out.len());
    assert!(
        matches!(again, Ok(Some(_))),
        "what we write is a request: {}",
        out.escape_ascii()
    );
    let Ok(Some(again)) = again else { return };
    let view_again = other.view(&out);
    assert_eq!(again.consumed, out.len());
    assert_eq!(again.body, request.body);
    assert_eq!(view.method_name(), view_again.method_name());
    assert_eq!(
        (view.path(), view.query()),
        (view_again.path(), view_again.query())
    );
    let pairs = fields(&head.fields, block).zip(fields(&other.fields, &out));
    assert!(
        pairs
            .into_iter()
            .all(|(a, b)| (a.name, a.value) == (b.name, b.value))
    );
}

fn check_response(
    data: &[u8],
    limits: &Limits,
    response: &Response,
    head: &ResponseHead,
    asked: Asked,
) {
    assert!(response.consumed <= limits.head_bytes.min(data.len()));
    let block = &data[..response.consumed];
    let (first, slow) = slow_lines(block);
    assert!(first.len() <= limits.line_bytes);
    check_fields(&head.fields, block, &slow, limits);
    let view = head.view(block);
    assert!(first.starts_with(b"HTTP/1."));
    assert_eq!(&first[9..12], head.status.to_string().as_bytes());
    assert_eq!(first.get(13..).unwrap_or_default(), view.reason());
    let bodiless = asked.head || matches!(head.status, 100..200 | 204 | 304);
    match response.body {
        ResponseBody::Tunnel => assert!(!response.persistent),
        ResponseBody::UntilClose => assert!(!response.persistent && !bodiless),
        ResponseBody::Known(_) | ResponseBody::Chunked => assert!(!bodiless),
        ResponseBody::Empty => {}
    }
    let mut out = Vec::new();
    let mut writer = HeadWriter::response(&mut out, head.status, view.reason());
    for field in view.fields() {
        writer.field(field.name, field.value);
    }
    writer.end();
    let limits = Limits {
        head_bytes: usize::MAX,
        line_bytes: usize::MAX,
        ..*limits
    };
    let (again, other) = read_response(&out, &limits, asked, out.len());
    assert!(
        matches!(again, Ok(Some(_))),
        "what we write is a response: {}",
        out.escape_ascii()
    );
    let Ok(Some(again)) = again else { return };
    assert_eq!((again.consumed, again.body), (out.len(), response.body));
    assert_eq!(
        (view.status(), view.reason()),
        (other.status, other.view(&out).reason())
    );
    assert_eq!(head.fields.len(), other.fields.len());
}
