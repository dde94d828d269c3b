//! Access records of exchanges that bytes say everything about: the entry of the fuzz target, which plain tests replay. What must hold
//! of the lines is said there (`tests/records/`). Nothing here is used by a running proxy.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use evenkeel_base::field::Known;
use evenkeel_base::head::{FieldSpan, RequestHead, ResponseHead, Span, Version};
use evenkeel_base::{ClusterId, Fault, GrpcStatus, Method, RouteId};
use evenkeel_config::{Nowhere, check};
use evenkeel_http2::fuzzing::Pair;
use evenkeel_policy::Failure;
use evenkeel_state::{Names, Registry, Resolved, Snapshot};

use crate::access_log::Exchange;
use crate::access_log::format::{self, Entry};
use crate::access_log::line::Line;
use crate::access_log::rules::{ONE, Rules};
use crate::access_log::time::Stamps;
use crate::attempted::{Attempted, Fate};
use crate::kept_headers::KeptHeaders;
use crate::record::Record;

pub use crate::access_log::line::MAX_TEXT;
pub use crate::kept_headers::MAX_HEADER;

/// What is configured of the log, in each of the forms, and the form's name.
const FORMS: [(&str, &str); 5] = [
    (
        "json",
        "format = \"json\"\nrequest_headers = [\"x-a\", \"x-b\"]\nresponse_headers = [\"x-a\", \"x-c\"]",
    ),
    ("text", "format = \"text\""),
    ("common", "format = \"common\""),
    ("combined", "format = \"combined\""),
    (
        "template",
        "format = { template = '{time} \"{request_line}\" {host} {path} {query} {user_agent} {request.x-a} {response.x-c} {tries.endpoint}' }",
    ),
];

/// What else is configured.
const REST: &str = r#"
    [listener.web]
    bind = "127.0.0.1:0"
    [[route]]
    name = "api \"quoted\" \\ ü"
    path = "/api"
    cluster = "app"
    [cluster.app]
    endpoints = ["10.0.0.1:80", { address = "10.0.0.2:80", id = "two" }]
"#;

/// Room for any record.
const ROOM: usize = 128 * 1024;

/// A form, what it is configured by, and the rules of the log that follow.
struct Form {
    name: &'static str,
    snapshot: Snapshot,
    rules: Rules,
}

static ALL: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let form = |(name, log): (&'static str, &str)| {
        let text = format!("version = 1\n[access_log]\n{log}\n{REST}");
        let checked = check(&text, "fuzz.toml", &Nowhere);
        let config = checked.config?;
        let snapshot = Registry::new(1, &[0; 32]).compile(config, &Resolved::new(), 1);
        let rules = Rules::of(&snapshot.config.access_log);
        Some(Form {
            name,
            snapshot,
            rules,
        })
    };
    let all: Vec<Form> = FORMS.into_iter().filter_map(form).collect();
    assert_eq!(all.len(), FORMS.len(), "the configuration is sound");
    all
});

/// What bytes say of an exchange. No codec has touched it, so that it may have what a codec would refuse.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// The method.
    pub method: &'a [u8],
    /// Host and port.
    pub authority: &'a [u8],
    /// The path.
    pub path: &'a [u8],
    /// The query; none when it is empty.
    pub query: &'a [u8],
    /// Bits that choose what happened.
    pub what: [u8; 2],
}

/// What was said, and the fields of the request and of the response: those whose names begin with `<`.
#[must_use]
pub fn read(data: &[u8]) -> Option<(Said<'_>, Vec<Pair<'_>>, Vec<Pair<'_>>)> {
    let [first, second, rest @ ..] = data else {
        return None;
    };
    if rest.len() > ROOM / 8 {
        return None;
    }
    let (pairs, _) = evenkeel_http2::fuzzing::fields(rest);
    let mut pairs = pairs.into_iter();
    let (method, authority) = pairs.next().unwrap_or_default();
    let (path, query) = pairs.next().unwrap_or_default();
    let said = Said {
        method,
        authority,
        path,
        query,
        what: [*first, *second],
    };
    let (mut request, mut response) = (Vec::new(), Vec::new());
    for (name, value) in pairs {
        match name.strip_prefix(b"<") {
            Some(name) => response.push((name, value)),
            None => request.push((name, value)),
        }
    }
    Some((said, request, response))
}

/// The record in every form: the form's name, and the line.
///
/// # Panics
/// When a line says that it fits into less room than it takes, or the other way round: that is what it is for.
#[must_use]
pub fn records(
    said: &Said<'_>,
    request: &[Pair<'_>],
    response: &[Pair<'_>],
) -> Vec<(&'static str, Vec<u8>)> {
    let mut block = Vec::new();
    let head = request_head(said, request, &mut block);
    let mut answer = Vec::new();
    let answer_head = ResponseHead {
        fields: table(response, &mut answer),
        ..ResponseHead::default()
    };
    let lines = ALL.iter().map(|form| {
        let mut record = record(said.what);
        let names: Arc<[String]> = Arc::clone(&form.rules.response);
        if said.what[1] & 0x80 != 0 {
            let kept = KeptHeaders::keep(&names, &answer_head.view(&answer));
            record.response = Some(Box::new(kept));
        }
        let exchange = Exchange {
            names: Names::In(&form.snapshot),
            listener: "web",
            from: (record.client, "203.0.113.9"),
            proof: None,
            request: head.view(&block),
            record: &record,
            took: Duration::ZERO,
            stands_for: if said.what[0] & 1 == 0 { ONE } else { 12_340 },
        };
        let entry = Entry {
            stamps: &Stamps::EPOCH,
            total: Duration::from_micros(12_345),
            exchange: &exchange,
            rules: &form.rules,
        };
        (form.name, line(&entry, said.what[1]))
    });
    lines.collect()
}

/// The line, written with room for it, and once more with less: that must say that it did not fit.
fn line(entry: &Entry<'_>, less: u8) -> Vec<u8> {
    let mut room = vec![0; ROOM];
    let mut line = Line::new(&mut room);
    format::write(entry, &mut line);
    let len = line.len();
    assert!(len.is_some(), "there is room for every record");
    room.truncate(len.unwrap_or_default());
    let mut small = vec![0; room.len().saturating_sub(1 + usize::from(less))];
    let mut line = Line::new(&mut small);
    format::write(entry, &mut line);
    assert_eq!(line.len(), None, "there is no room for it");
    room
}

fn request_head(said: &Said<'_>, fields: &[Pair<'_>], block: &mut Vec<u8>) -> RequestHead {
    let version = match said.what[0] >> 1 & 3 {
        0 => Version::Http10,
        1 => Version::Http2,
        _ => Version::Http11,
    };
    RequestHead {
        method: Method::from_bytes(said.method),
        method_span: span(said.method, block),
        authority: span(said.authority, block),
        path: span(said.path, block),
        query: (!said.query.is_empty()).then(|| span(said.query, block)),
        version,
        nominates: false,
        fields: table(fields, block),
    }
}

fn table(fields: &[Pair<'_>], block: &mut Vec<u8>) -> Vec<FieldSpan> {
    let field = |(name, value): &Pair<'_>| FieldSpan {
        name: span(name, block),
        value: span(value, block),
        known: Known::of(name),
        verbatim: false,
    };
    fields.iter().map(field).collect()
}

fn span(text: &[u8], block: &mut Vec<u8>) -> Span {
    let start = block.len();
    block.extend_from_slice(text);
    Span::new(start, block.len())
}

/// What happened, by bits.
fn record([first, second]: [u8; 2]) -> Record {
    let began = Instant::now();
    let mut record = Record::new(began, [b'0'; 32]);
    let is = |bit: u8| first & 1 << bit != 0;
    record.client = is(3).then(|| [203, 0, 113, 9].into());
    record.status = 200 + u16::from(second);
    record.route = is(4).then(|| RouteId::new(u32::from(second & 1)));
    if is(5) {
        record.endpoint = Some((ClusterId::new(0), usize::from(second & 3)));
        record.attempts = 1;
        record.last.head = Some(began);
    }
    if is(6) {
        for fate in [
            Fate::Failed(Failure::Fault(Fault::EndpointReset)),
            Fate::Failed(Failure::Status(503)),
            Fate::Failed(Failure::Grpc(GrpcStatus::Unavailable)),
            Fate::Cancelled,
        ] {
            record.tried(Attempted {
                endpoint: usize::from(second & 3),
                began,
                queued: Duration::from_micros(second.into()),
                connect: Duration::from_micros(7),
                tls: Duration::ZERO,
                head: None,
                ended: began,
                fate,
            });
        }
        record.grpc = Some(GrpcStatus::DeadlineExceeded);
        record.queued = Duration::from_micros(1_500);
    }
    if is(7) {
        record.fault = Some(Fault::EndpointReset);
        record.detail = Some("header-name-invalid");
        record.first_byte = Some(Duration::MAX);
        record.bytes_out = u64::MAX;
    }
    record
}
