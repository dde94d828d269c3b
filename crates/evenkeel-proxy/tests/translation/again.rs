//! A head that passed the translation, written as HTTP/1 and read again: it has to be the same message, and one.
//!
//! The fuzz target of the translation uses this file too.

use evenkeel_base::head::{ResponseHead, fields};
use evenkeel_base::{FieldName, FieldSink, Known, Method, RequestHead, RequestView};
use evenkeel_http1::{Asked, HeadWriter, RequestBody, RequestParser, ResponseParser};
use evenkeel_http2::fuzzing::Pair;
use evenkeel_http2::{Limits, Refusal};

/// What stands behind the head on its connection.
const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: next\r\n\r\n";

/// Room for whatever the translation lets through, and the lines that HTTP/1 has beside.
const WIDE: Limits = Limits {
    head_bytes: 65_535,
    fields: 200,
    line_bytes: 65_535,
};

/// As a request with and without small limits.
pub(crate) fn request(pairs: &[Pair<'_>], ends: bool) -> Result<(), Refusal> {
    let small = Limits {
        head_bytes: 64,
        fields: 3,
        line_bytes: 32,
    };
    let with_small = request_within(pairs, ends, &small);
    let verdict = request_within(pairs, ends, &Limits::default());
    assert!(
        verdict.is_ok() || with_small.is_err(),
        "a limit never helps"
    );
    verdict
}

fn request_within(pairs: &[Pair<'_>], ends: bool, limits: &Limits) -> Result<(), Refusal> {
    let (mut block, mut head) = (Vec::new(), RequestHead::default());
    let read = evenkeel_http2::request(pairs.iter().copied(), ends, limits, &mut block, &mut head)?;
    assert!(block.len() <= limits.head_bytes && head.fields.len() <= limits.fields);
    let view = head.view(&block);
    assert_eq!(flat(&view), joined(pairs), "no field is lost or made");

    let out = write(&view);
    let mut parser = RequestParser::default();
    let mut again = RequestHead::default();
    let parsed = parser
        .parse(&[&out, NEXT].concat(), &WIDE, &mut again)
        .unwrap_or_else(|refusal| panic!("{refusal}: {}", out.escape_ascii()))
        .expect("the head is whole");
    assert_eq!(parsed.consumed, out.len(), "one message and no more");
    let same = again.view(&out);
    assert_eq!(same.method_name(), view.method_name());
    assert_eq!(same.path(), view.path());
    assert_eq!(same.query(), view.query());
    assert_eq!(same.authority(), view.authority());
    let without_host = |view: &RequestView<'_>| -> Vec<(Vec<u8>, Vec<u8>)> {
        let fields = view.fields().filter(|field| field.known != Known::Host);
        fields
            .map(|f| (f.name.to_vec(), f.value.to_vec()))
            .collect()
    };
    assert_eq!(without_host(&same), without_host(&view));
    let body = match read.length {
        None | Some(0) => RequestBody::Empty,
        Some(length) => RequestBody::Known(length),
    };
    assert_eq!((parsed.body, parsed.persistent), (body, true));
    assert_eq!(parsed.upgrade, None, "no field can ask for one");
    assert!(!same.nominates());
    Ok(())
}

/// Writes a head as the pipeline does: Host from the authority, other fields as runs.
fn write(view: &RequestView<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let path = match view.method() {
        Method::Connect => view.authority(),
        _ => view.path(),
    };
    let mut writer = HeadWriter::request(&mut out, view.method_name(), path, view.query());
    writer.set(FieldName::HOST, view.authority());
    let all = view.run();
    let mut since = 0;
    for (place, field) in view.fields().enumerate() {
        if field.known == Known::Host {
            writer.run(all.part(since, place));
            since = place + 1;
        }
    }
    writer.run(all.part(since, all.len()));
    writer.end();
    out
}

/// The fields in an order that does not depend on where a cookie stands.
fn flat(view: &RequestView<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all: Vec<_> = view
        .fields()
        .map(|f| (f.name.to_vec(), f.value.to_vec()))
        .collect();
    all.sort_by_key(|(name, _)| name == b"cookie");
    all
}

/// The same of the input, with its crumbs joined the slow way.
fn joined(pairs: &[Pair<'_>]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    let mut crumbs: Option<Vec<&[u8]>> = None;
    for (name, value) in pairs {
        match *name {
            [b':', ..] => {}
            b"cookie" => crumbs.get_or_insert_default().push(value),
            name => all.push((name.to_vec(), value.to_vec())),
        }
    }
    if let Some(mut crumbs) = crumbs {
        crumbs.retain(|crumb| !crumb.is_empty());
        all.push((b"cookie".to_vec(), crumbs.join(&b"; "[..])));
    }
    all
}

/// As a response.
pub(crate) fn response(pairs: &[Pair<'_>], ends: bool) -> Result<(), Refusal> {
    let limits = Limits::default();
    let (mut block, mut head) = (Vec::new(), ResponseHead::default());
    let how = (ends, false);
    let read =
        evenkeel_http2::response(pairs.iter().copied(), how, &limits, &mut block, &mut head)?;
    let view = head.view(&block);
    let mut out = Vec::new();
    let mut writer = HeadWriter::response(&mut out, view.status(), view.reason());
    writer.run(view.run());
    writer.end();
    let (mut parser, mut again) = (ResponseParser::default(), ResponseHead::default());
    let parsed = parser
        .parse(&[&out, NEXT].concat(), &WIDE, Asked::default(), &mut again)
        .unwrap_or_else(|refusal| panic!("{refusal}: {}", out.escape_ascii()))
        .expect("the head is whole");
    assert_eq!(parsed.consumed, out.len(), "one message and no more");
    let same = again.view(&out);
    assert_eq!(same.status(), view.status());
    assert!(same.fields().eq(view.fields()), "the same fields");
    assert_eq!(read.interim, same.status() < 200);
    Ok(())
}

/// As a trailer section.
pub(crate) fn trailers(pairs: &[Pair<'_>]) -> Result<(), Refusal> {
    let (mut block, mut table) = (Vec::new(), Vec::new());
    let limits = Limits::default();
    evenkeel_http2::trailers(pairs.iter().copied(), &limits, &mut block, &mut table)?;
    let written: Vec<u8> = fields(&table, &block)
        .flat_map(|f| [f.name, b": ", f.value, b"\r\n"].concat())
        .collect();
    let mut again = Vec::new();
    evenkeel_http1::parse_trailers(&written, 0..written.len(), &WIDE, &mut again)
        .unwrap_or_else(|refusal| panic!("{refusal}: {}", written.escape_ascii()));
    assert!(fields(&again, &written).eq(fields(&table, &block)));
    Ok(())
}

/// As all of them: the entry of the fuzz target.
pub(crate) fn all(data: &[u8]) {
    let (pairs, ends) = evenkeel_http2::fuzzing::fields(data);
    let _ = request(&pairs, ends);
    let _ = response(&pairs, ends);
    let _ = trailers(&pairs);
}
