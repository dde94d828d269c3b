//! A message that came in by HTTP/1 or HTTP/2, written on by the header rules and read again: it has to be one message, framed as it
//! was, and of its sender's fields it has those that nothing speaks against, in their order.
//!
//! The fuzz target of forwarding uses this file too. An input is two bytes that choose the rules, and a head: of HTTP/1 as it is, of
//! HTTP/2 as `evenkeel_http2::fuzzing::fields` takes it.

use std::net::IpAddr;

use evenkeel_base::edits::Edits;
use evenkeel_base::head::{Field, ResponseHead};
use evenkeel_base::matching::PathPattern;
use evenkeel_base::path::{canonical, has_dot_segments};
use evenkeel_base::{
    FieldSink, Known, Method, Network, RequestHead, RequestView, ResponseView, Run,
};
use evenkeel_config::model::{ClientHeaders, PathRewrite, Redirect};
use evenkeel_http1::{
    Asked, Expect, HeadWriter, RequestBody, RequestParser, ResponseBody, ResponseParser,
};
use evenkeel_http2::Limits;
use evenkeel_state::decide::client::Client;
use evenkeel_state::decide::fields::{RequestRules, Trace, dropped};
use evenkeel_state::decide::{fields, target};

/// What stands behind the head on its connection.
const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: next\r\n\r\n";

/// Room for whatever is let through, and for what is written beside.
const WIDE: Limits = Limits {
    head_bytes: 65_535,
    fields: 300,
    line_bytes: 65_535,
};

/// A name and a value.
type Pair = (Vec<u8>, Vec<u8>);

/// The rules that an input chooses.
struct Chosen(u8, u8);

impl Chosen {
    const fn is(&self, bit: u8) -> bool {
        self.0 & 1 << bit != 0
    }

    /// Whether the head is a response.
    const fn response(&self) -> bool {
        self.is(0)
    }

    /// Whether it came by HTTP/2.
    const fn http2(&self) -> bool {
        self.is(1)
    }

    /// Who is at the other end: a stranger, a trusted proxy, or a process on this machine.
    fn from(&self) -> Option<IpAddr> {
        match self.1 & 3 {
            0 | 1 => Some(IpAddr::from([203, 0, 113, 9])),
            2 => Some(IpAddr::from([10, 0, 0, 1])),
            _ => None,
        }
    }

    fn edits(&self) -> Edits {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        match self.1 >> 2 & 3 {
            0 | 1 => Edits::default(),
            2 => Edits {
                set: vec![pair("X-A", "set"), pair("x-forwarded-for", "edited")],
                add: vec![pair("X-B", "added"), pair("Cookie", "c=1")],
                remove: vec!["x-c".to_owned(), "set-cookie".to_owned()],
            },
            _ => Edits {
                set: vec![pair("X-Request-Id", "edited")],
                add: Vec::new(),
                remove: vec!["X-Forwarded-Proto".to_owned(), "te".to_owned()],
            },
        }
    }

    fn rewrite(&self, path: &[u8]) -> PathRewrite {
        let (prefix, with) = match self.1 >> 4 & 3 {
            0 => return PathRewrite::Keep,
            1 => ("/a", ""),
            2 => ("/a/b", "/c"),
            _ => ("", "/root"),
        };
        if !PathPattern::Prefix(prefix.to_owned()).matches(path) {
            return PathRewrite::Keep;
        }
        PathRewrite::ReplacePrefix {
            matched: prefix.len(),
            with: with.to_owned(),
        }
    }

    fn asked(&self) -> Asked {
        let get = Asked::default();
        match self.1 >> 4 & 3 {
            0 => get,
            1 => Asked { head: true, ..get },
            2 => Asked {
                upgrade: true,
                ..get
            },
            // Over HTTP/2 a tunnel is none of HTTP/1's.
            _ => Asked {
                connect: !self.http2(),
                ..get
            },
        }
    }
}

/// The entry of the fuzz target.
pub(crate) fn all(data: &[u8]) {
    let [first, second, head @ ..] = data else {
        return;
    };
    let chosen = Chosen(*first, *second);
    if head.len() > usize::from(u16::MAX) {
        return;
    }
    match (chosen.response(), chosen.http2()) {
        (false, false) => request(head, &chosen),
        (false, true) => request2(head, &chosen),
        (true, false) => response(head, &chosen),
        (true, true) => response2(head, &chosen),
    }
}

/// A request of HTTP/1.
fn request(bytes: &[u8], chosen: &Chosen) {
    let mut head = RequestHead::default();
    let parsed = RequestParser::default().parse(bytes, &Limits::default(), &mut head);
    let Ok(Some(request)) = parsed else {
        return;
    };
    let view = head.view(bytes);
    let upgrade = request.upgrade.map(|span| span.of(bytes));
    forward(&view, (request.body, request.had_length), upgrade, chosen);
}

/// A request of HTTP/2.
fn request2(bytes: &[u8], chosen: &Chosen) {
    let (pairs, ends) = evenkeel_http2::fuzzing::fields(bytes);
    let (mut block, mut head) = (Vec::new(), RequestHead::default());
    let limits = Limits::default();
    let Ok(request) = evenkeel_http2::request(pairs, ends, &limits, &mut block, &mut head) else {
        return;
    };
    let body = match request.length {
        Some(0) => RequestBody::Empty,
        Some(length) => RequestBody::Known(length),
        None if ends => RequestBody::Empty,
        None => RequestBody::Chunked,
    };
    let had_length = request.length.is_some();
    forward(&head.view(&block), (body, had_length), None, chosen);
}

/// Writes a request on, as HTTP/1 to an endpoint, and reads it again.
fn forward(
    view: &RequestView<'_>,
    (body, had_length): (RequestBody, bool),
    upgrade: Option<&[u8]>,
    chosen: &Chosen,
) {
    check_redirects(view);
    if view.method() == Method::Connect {
        return;
    }
    let trusted = [Network::parse("10.0.0.0/8").expect("a network")];
    let from = chosen.from();
    let client = Client::find(from, &trusted, view);
    assert_eq!(client, slow_client(from, view));
    let from_text = from.map_or_else(String::new, |ip| ip.to_string());
    let edits = chosen.edits();
    let told = told();
    let trace = Trace {
        parent: *b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        is_kept: chosen.is(7),
    };
    let host = match view.authority() {
        b"" => b"endpoint.example:80",
        authority => authority,
    };
    let proven: Vec<String> = told.names().map(str::to_owned).collect();
    let proven = if chosen.is(5) { &*proven } else { &[] };
    let rules = RequestRules {
        client,
        from,
        from_text: &from_text,
        host,
        request_id: b"made",
        expect: chosen.is(2),
        trailers: chosen.is(3),
        grpc_timeout: None,
        trace: chosen.is(4).then_some(&trace),
        edits: &edits,
        proof: None,
        told: chosen.is(5).then_some(&told),
        proven,
    };
    check_told(view, &rules);
    let rewrite = chosen.rewrite(view.path());
    let mut buffer = Vec::new();
    let path = target::rewrite(view.path(), &rewrite, &mut buffer);
    check_path(view.path(), path);

    let out = written(view, &rules, path, (body, had_length), upgrade);
    let mut again = RequestHead::default();
    let read = RequestParser::default()
        .parse(&[&out, NEXT].concat(), &WIDE, &mut again)
        .unwrap_or_else(|refusal| panic!("{refusal}: {}", out.escape_ascii()))
        .expect("the head is whole");
    let text = out.escape_ascii();
    assert_eq!(read.consumed, out.len(), "one message and no more: {text}");
    assert_eq!(
        (read.body, read.had_length),
        (
            body,
            had_length || !matches!(body, RequestBody::Empty | RequestBody::Chunked)
        ),
        "{text}"
    );
    assert!(read.persistent && !read.te_trailers, "{text}");
    let passed = again.view(&out);
    assert_eq!(read.upgrade.map(|span| span.of(&out)), upgrade, "{text}");
    assert!(read.expect == Expect::None || rules.expect, "{text}");
    assert_eq!(passed.method_name(), view.method_name());
    assert_eq!(
        (passed.path(), passed.query()),
        (path, view.query()),
        "{text}"
    );
    assert_eq!(passed.authority(), host, "{text}");
    check_request_fields(&passed, &rules, upgrade.is_some());
}

/// The request as the pipeline writes it to an endpoint.
fn written(
    view: &RequestView<'_>,
    rules: &RequestRules<'_>,
    path: &[u8],
    (body, had_length): (RequestBody, bool),
    upgrade: Option<&[u8]>,
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = HeadWriter::request(&mut out, view.method_name(), path, view.query());
    fields::request(view, rules, &mut writer);
    if let Some(protocol) = upgrade {
        writer.field(b"Connection", b"upgrade");
        writer.field(b"Upgrade", protocol);
    }
    match body {
        RequestBody::Empty if had_length => writer.content_length(0),
        RequestBody::Empty => {}
        RequestBody::Known(length) => writer.content_length(length),
        RequestBody::Chunked => writer.chunked(),
    }
    writer.end();
    out
}

/// What is said of each field is what is done: those that pass are those of which nothing is said.
fn check_told(view: &RequestView<'_>, rules: &RequestRules<'_>) {
    let mut passed = Passed::default();
    fields::request(view, rules, &mut passed);
    let told = view.fields().enumerate();
    let told = told.filter(|(place, _)| dropped(view, rules, *place).is_none());
    let told: Vec<Pair> = told.map(|(_, field)| owned(&field)).collect();
    assert_eq!(passed.0, told);
}

/// What an endpoint may take for the framing, the hop's fields or a proxy's word.
fn check_request_fields(passed: &RequestView<'_>, rules: &RequestRules<'_>, upgrade: bool) {
    let stranger = !rules.client.behind_proxy;
    let mut hops = 0;
    for field in passed.fields() {
        let dashed: Vec<u8> = field
            .name
            .iter()
            .map(|byte| if *byte == b'_' { b'-' } else { *byte })
            .collect();
        let known = Known::of(&dashed);
        let underscored = dashed != field.name;
        match known {
            Known::Connection | Known::Upgrade => assert!(upgrade && !underscored),
            Known::TransferEncoding | Known::ContentLength | Known::Host | Known::XRequestId => {
                assert!(!underscored, "{field:?}");
            }
            known if known.is_hop_by_hop() => panic!("{field:?}"),
            Known::XEvenkeelExplain => assert!(underscored, "{field:?}"),
            Known::XForwardedFor => {
                hops += 1;
                assert!(!underscored);
                let text = rules.from_text.as_bytes();
                assert!(
                    field.value == b"edited" || field.value.ends_with(text),
                    "{field:?}"
                );
                assert!(!stranger || field.value == b"edited" || field.value == text);
            }
            Known::XForwardedProto if stranger => assert_eq!(field.value, b"http"),
            Known::XForwardedHost if stranger => assert_eq!(field.value, passed.authority()),
            known => assert!(!stranger || !known.is_forwarding(), "{field:?}"),
        }
        if rules.told.is_some() {
            let name = dashed.to_ascii_lowercase();
            assert!(name != b"x-subject" && name != b"x-print", "{field:?}");
        }
    }
    assert!(hops <= 1, "one list of hops");
}

/// Dots that were not there do not come in, and nothing that reads as a host.
fn check_path(before: &[u8], after: &[u8]) {
    if before == b"*" {
        return assert_eq!(after, b"*");
    }
    assert_eq!(after.first(), Some(&b'/'), "{}", after.escape_ascii());
    assert!(!has_dots(after) || has_dots(before));
    assert!(!after.starts_with(b"//") || before.starts_with(b"//"));
}

/// By what fields an endpoint is told of the client's certificate.
fn told() -> ClientHeaders {
    ClientHeaders {
        subject: Some("X-Subject".to_owned()),
        san: None,
        fingerprint: Some("X_Print".to_owned()),
    }
}

/// Whether the path climbs, whatever it is written with.
fn has_dots(path: &[u8]) -> bool {
    has_dot_segments(&canonical(path))
}

/// Where clients are sent is an address, and never another host's by what stands in the path.
fn check_redirects(view: &RequestView<'_>) {
    let keep = Redirect {
        status: 308,
        scheme: None,
        host: None,
        path: None,
    };
    if let Some(location) = target::location(&keep, view) {
        let mut begins = location.bytes();
        assert_eq!(begins.next(), Some(b'/'), "{location}");
        assert!(!matches!(begins.next(), Some(b'/' | b'\\')), "{location}");
    }
    let elsewhere = Redirect {
        scheme: Some("https".to_owned()),
        host: Some("other.example".to_owned()),
        ..keep
    };
    if let Some(location) = target::location(&elsewhere, view) {
        let rest = location
            .strip_prefix("https://other.example")
            .expect("the host");
        assert!(rest.is_empty() || rest.starts_with('/'), "{location}");
    }
    if let Some(location) = target::https(view, 8443) {
        let (authority, _) = location["https://".len()..]
            .split_once('/')
            .expect("a path");
        let host = authority.strip_suffix(":8443").expect("the port");
        let asked = std::str::from_utf8(view.authority()).expect("text");
        assert!(asked.starts_with(host) && !host.contains('@'), "{location}");
    }
}

/// The client as a person would find it: from the last hop backwards, as long as those who say so are trusted.
fn slow_client(from: Option<IpAddr>, view: &RequestView<'_>) -> Client {
    let is_trusted =
        |ip: IpAddr| matches!(ip.to_canonical(), IpAddr::V4(ip) if ip.octets()[0] == 10);
    let Some(from) = from.filter(|ip| is_trusted(*ip)) else {
        return Client {
            ip: from,
            behind_proxy: false,
        };
    };
    let lists = view
        .fields()
        .filter(|field| field.name.eq_ignore_ascii_case(b"x-forwarded-for"));
    let lists: Vec<&[u8]> = lists.map(|field| field.value).collect();
    let joined = lists.join(&b","[..]);
    let mut hops: Vec<&[u8]> = joined.split(|byte| *byte == b',').collect();
    let mut ip = from;
    while is_trusted(ip) {
        let said = hops.pop().and_then(|hop| std::str::from_utf8(hop).ok());
        let Some(said) = said.and_then(slow_hop) else {
            break;
        };
        ip = said;
    }
    Client {
        ip: Some(ip),
        behind_proxy: true,
    }
}

/// An address, one in brackets whatever follows, or one of IPv4 with a colon behind it.
fn slow_hop(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim_matches([' ', '\t']);
    let inside = match hop.strip_prefix('[') {
        Some(rest) if rest.contains(']') => rest.split(']').next().unwrap_or_default(),
        _ => hop,
    };
    let whole = inside.parse::<IpAddr>();
    let before = inside
        .split(':')
        .next()
        .unwrap_or_default()
        .parse::<IpAddr>();
    whole.or(before).ok().map(|ip| ip.to_canonical())
}

/// A response of HTTP/1.
fn response(bytes: &[u8], chosen: &Chosen) {
    let (asked, mut head) = (chosen.asked(), ResponseHead::default());
    let parsed = ResponseParser::default().parse(bytes, &Limits::default(), asked, &mut head);
    let Ok(Some(response)) = parsed else {
        return;
    };
    pass_on(&head.view(bytes), response.body, chosen);
}

/// A response of HTTP/2.
fn response2(bytes: &[u8], chosen: &Chosen) {
    let (pairs, ends) = evenkeel_http2::fuzzing::fields(bytes);
    let (mut block, mut head) = (Vec::new(), ResponseHead::default());
    let how = (ends, chosen.asked().head);
    let limits = Limits::default();
    let Ok(read) = evenkeel_http2::response(pairs, how, &limits, &mut block, &mut head) else {
        return;
    };
    let body = match (head.status, read.length) {
        (..200 | 204 | 304, _) => ResponseBody::Empty,
        _ if how.1 => ResponseBody::Empty,
        (_, Some(0)) => ResponseBody::Empty,
        (_, Some(length)) => ResponseBody::Known(length),
        (_, None) if ends => ResponseBody::Empty,
        (_, None) => ResponseBody::Chunked,
    };
    pass_on(&head.view(&block), body, chosen);
}

/// Writes a response on, as HTTP/1 to a client, and reads it again.
fn pass_on(view: &ResponseView<'_>, body: ResponseBody, chosen: &Chosen) {
    if body == ResponseBody::Tunnel {
        return;
    }
    let status = view.status();
    let edits = chosen.edits();
    let has_length = view.known(Known::ContentLength).is_some();
    let bodiless = chosen.asked().head || matches!(status, ..200 | 204 | 304);
    let unknown = matches!(body, ResponseBody::Chunked | ResponseBody::UntilClose);
    let told = !unknown && status >= 200 && status != 204;
    let cookie = chosen.is(6).then_some("sticky=abc; Path=/");

    let mut out = Vec::new();
    let mut writer = HeadWriter::response(&mut out, status, view.reason());
    fields::response(view, told, &edits, cookie, &mut writer);
    if unknown {
        writer.chunked();
    } else if !bodiless && !has_length {
        writer.content_length(0);
    }
    writer.end();

    let mut again = ResponseHead::default();
    let asked = chosen.asked();
    let read = ResponseParser::default()
        .parse(&[&out, NEXT].concat(), &WIDE, asked, &mut again)
        .unwrap_or_else(|refusal| panic!("{refusal}: {}", out.escape_ascii()))
        .expect("the head is whole");
    let text = out.escape_ascii();
    assert_eq!(read.consumed, out.len(), "one message and no more: {text}");
    let same = again.view(&out);
    assert_eq!((same.status(), same.reason()), (status, view.reason()));
    let framed = if unknown { ResponseBody::Chunked } else { body };
    assert_eq!(read.body, framed, "{text}");
    assert!(read.persistent, "{text}");

    let nominated = nominated(view);
    let passes = |field: &Field<'_>| match field.known {
        Known::ContentLength => told,
        Known::Upgrade => status == 426,
        known if known.is_hop_by_hop() || known == Known::XEvenkeelExplain => false,
        _ => !nominated
            .iter()
            .any(|name| name.eq_ignore_ascii_case(field.name)),
    };
    let mut expected: Vec<Pair> = view
        .fields()
        .filter(passes)
        .filter(|field| !edits.names(field.name))
        .map(|field| owned(&field))
        .collect();
    if let Some(cookie) = cookie.filter(|_| !edits.names(b"set-cookie")) {
        expected.push((b"Set-Cookie".to_vec(), cookie.as_bytes().to_vec()));
    }
    expected.extend(
        edits
            .set
            .iter()
            .chain(&edits.add)
            .map(|(name, value)| (name.clone().into_bytes(), value.clone().into_bytes())),
    );
    let ours = |field: &Field<'_>| match field.known {
        Known::Connection | Known::TransferEncoding => true,
        Known::ContentLength => !has_length,
        _ => false,
    };
    let passed: Vec<Pair> = same
        .fields()
        .filter(|field| !ours(field))
        .map(|field| owned(&field))
        .collect();
    assert_eq!(passed, expected, "{text}");
}

/// The options of `Connection`, the usual ones apart.
fn nominated(view: &ResponseView<'_>) -> Vec<Vec<u8>> {
    let lists = view
        .fields()
        .filter(|field| field.name.eq_ignore_ascii_case(b"connection"));
    let lists: Vec<&[u8]> = lists.map(|field| field.value).collect();
    let options = lists.join(&b","[..]);
    let options = options
        .split(|byte| *byte == b',')
        .map(|one| one.trim_ascii().to_ascii_lowercase());
    options
        .filter(|one| !matches!(one.as_slice(), b"" | b"close" | b"keep-alive" | b"upgrade"))
        .collect()
}

fn owned(field: &Field<'_>) -> Pair {
    (field.name.to_vec(), field.value.to_vec())
}

/// The sender's own fields that pass.
#[derive(Default)]
struct Passed(Vec<Pair>);

impl FieldSink for Passed {
    fn field(&mut self, _: &[u8], _: &[u8]) {}

    fn run(&mut self, run: Run<'_>) {
        self.0.extend(run.fields().map(|field| owned(&field)));
    }
}
