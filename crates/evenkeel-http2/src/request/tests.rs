//! Requests that pass and requests that are refused.

use evenkeel_base::head::fields;

use super::*;

type Pair<'a> = (&'a str, &'a str);

const GET: [Pair<'_>; 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "a.example"),
    (":path", "/p?q"),
];

fn read(pairs: &[Pair<'_>], ends: bool) -> Result<(Request, RequestHead, Vec<u8>), Refusal> {
    read_with(pairs, ends, &Limits::default())
}

fn read_with(
    pairs: &[Pair<'_>],
    ends: bool,
    limits: &Limits,
) -> Result<(Request, RequestHead, Vec<u8>), Refusal> {
    let (mut block, mut head) = (b"old".to_vec(), RequestHead::default());
    let fields = pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()));
    let request = request(fields, ends, limits, &mut block, &mut head)?;
    Ok((request, head, block))
}

fn with<'a>(more: &[Pair<'a>]) -> Vec<Pair<'a>> {
    [&GET, more].concat()
}

/// A GET with these instead of its pseudo-fields of that name; an empty name leaves it out.
fn changed<'a>(name: &str, by: Option<&'a str>) -> Vec<Pair<'a>> {
    GET.iter()
        .filter_map(|&(n, v)| {
            if n == name {
                by.map(|by| (n, by))
            } else {
                Some((n, v))
            }
        })
        .collect()
}

#[test]
fn a_request_is_its_target_and_its_fields() {
    let (request, head, block) =
        read(&with(&[("x-a", "1"), ("content-length", "5")]), false).unwrap();
    let view = head.view(&block);
    assert_eq!(view.method(), Method::Get);
    assert_eq!(view.method_name(), b"GET");
    assert_eq!(view.authority(), b"a.example");
    assert_eq!(view.path(), b"/p");
    assert_eq!(view.query(), Some(&b"q"[..]));
    assert_eq!(view.version(), Version::Http2);
    assert_eq!(request.length, Some(5));
    assert_eq!(request.expect, Expect::None);
    assert!(!request.https && !request.te_trailers && request.upgrade.is_none());
    let (lines, rest) = view.run().split_lines();
    assert_eq!(lines, b"x-a: 1\r\ncontent-length: 5\r\n");
    assert!(rest.is_empty());
}

#[test]
fn what_the_pseudo_fields_may_be() {
    for (name, value, verdict) in [
        (":method", Some("get"), Ok(())),
        (":method", Some("M-SEARCH"), Ok(())),
        (":method", None, Err(Refusal::PseudoMissing)),
        (":method", Some(""), Err(Refusal::MethodInvalid)),
        (":method", Some("GET "), Err(Refusal::MethodInvalid)),
        (
            ":method",
            Some("GET / HTTP/1.1\r\nX: y"),
            Err(Refusal::MethodInvalid),
        ),
        (":scheme", Some("https"), Ok(())),
        (":scheme", None, Err(Refusal::PseudoMissing)),
        (":scheme", Some("ftp"), Err(Refusal::SchemeRefused)),
        (":scheme", Some("HTTP"), Err(Refusal::SchemeRefused)),
        (":scheme", Some("http://x/"), Err(Refusal::SchemeRefused)),
        (":authority", Some("a:8080"), Ok(())),
        (":authority", Some("[::1]:80"), Ok(())),
        (":authority", None, Err(Refusal::HostMissing)),
        (":authority", Some(""), Err(Refusal::HostInvalid)),
        (":authority", Some("u@a"), Err(Refusal::HostInvalid)),
        (":authority", Some("a\r\nx: y"), Err(Refusal::HostInvalid)),
        (":authority", Some("a/b"), Err(Refusal::HostInvalid)),
        (":authority", Some("a, b"), Err(Refusal::HostInvalid)),
        (":path", Some("/"), Ok(())),
        (":path", Some("/?"), Ok(())),
        (":path", Some("//a/../b;c"), Ok(())),
        (":path", None, Err(Refusal::PseudoMissing)),
        (":path", Some(""), Err(Refusal::TargetInvalid)),
        (":path", Some("*"), Err(Refusal::TargetInvalid)),
        (":path", Some("p"), Err(Refusal::TargetInvalid)),
        (":path", Some("/a#b"), Err(Refusal::TargetInvalid)),
        (":path", Some("/a b"), Err(Refusal::TargetInvalid)),
        (
            ":path",
            Some("/ HTTP/1.1\r\nX: y"),
            Err(Refusal::TargetInvalid),
        ),
        (":path", Some("/caf\u{e9}"), Err(Refusal::TargetInvalid)),
        (":path", Some("http://a/"), Err(Refusal::TargetInvalid)),
    ] {
        let read = read(&changed(name, value), true).map(drop);
        assert_eq!(read, verdict, "{name} {value:?}");
    }
}

#[test]
fn pseudo_fields_come_first_once_and_are_known() {
    for (pairs, refusal) in [
        (with(&[(":path", "/")]), Refusal::PseudoRepeated),
        (with(&[("x", "y"), (":path", "/")]), Refusal::PseudoLate),
        (with(&[(":status", "200")]), Refusal::PseudoUnknown),
        (with(&[(":x", "y")]), Refusal::PseudoUnknown),
        (with(&[(":", "y")]), Refusal::PseudoUnknown),
        (
            with(&[(":protocol", "websocket")]),
            Refusal::PseudoMisplaced,
        ),
        (vec![], Refusal::PseudoMissing),
    ] {
        assert_eq!(read(&pairs, true).unwrap_err(), refusal, "{pairs:?}");
    }
}

#[test]
fn fields_that_are_refused() {
    for (name, value, refusal) in [
        ("", "x", Refusal::NameEmpty),
        ("X-Upper", "x", Refusal::NameInvalid),
        ("a b", "x", Refusal::NameInvalid),
        ("a:", "x", Refusal::NameInvalid),
        ("transfer-encoding: chunked\r\nx", "x", Refusal::NameInvalid),
        ("caf\u{e9}", "x", Refusal::NameInvalid),
        ("x", "a\r\nb: c", Refusal::ValueInvalid),
        ("x", "a\nb", Refusal::ValueInvalid),
        ("x", "a\rb", Refusal::ValueInvalid),
        ("x", "a\0b", Refusal::ValueInvalid),
        ("x", "\u{7f}", Refusal::ValueInvalid),
        ("x", " a", Refusal::ValueInvalid),
        ("x", "a\t", Refusal::ValueInvalid),
        ("connection", "close", Refusal::ConnectionField),
        ("keep-alive", "1", Refusal::ConnectionField),
        ("proxy-connection", "close", Refusal::ConnectionField),
        ("transfer-encoding", "chunked", Refusal::ConnectionField),
        ("upgrade", "h2c", Refusal::ConnectionField),
        ("te", "gzip", Refusal::TeInvalid),
        ("te", "trailers, gzip", Refusal::TeInvalid),
        ("host", "b.example", Refusal::AuthorityMismatch),
        ("host", "a.example:81", Refusal::AuthorityMismatch),
        ("host", "", Refusal::HostInvalid),
        ("content-length", "-1", Refusal::LengthInvalid),
        ("content-length", "5, 5", Refusal::LengthInvalid),
        ("content-length", "", Refusal::LengthInvalid),
        ("content-length", "1", Refusal::LengthMismatch),
    ] {
        let read = read(&with(&[(name, value)]), true).map(drop);
        assert_eq!(read, Err(refusal), "{name:?}: {value:?}");
    }
    for (pairs, refusal) in [
        (
            [("content-length", "5"), ("content-length", "5")],
            Refusal::LengthRepeated,
        ),
        (
            [("host", "a.example"), ("host", "a.example")],
            Refusal::HostRepeated,
        ),
    ] {
        assert_eq!(read(&with(&pairs), false).map(drop), Err(refusal));
    }
}

#[test]
fn a_host_field_stands_for_the_authority_or_agrees_with_it() {
    let mut pairs = changed(":authority", None);
    pairs.push(("host", "b.example:8080"));
    let (_, head, block) = read(&pairs, true).unwrap();
    assert_eq!(head.view(&block).authority(), b"b.example:8080");
    for (scheme, host, agrees) in [
        ("http", "A.example", true),
        ("http", "a.example:80", true),
        ("http", "a.example:443", false),
        ("https", "a.example:443", true),
        ("https", "a.example:80", false),
    ] {
        let mut pairs = changed(":scheme", Some(scheme));
        pairs.push(("host", host));
        assert_eq!(read(&pairs, true).is_ok(), agrees, "{scheme} {host}");
    }
}

#[test]
fn options_may_ask_of_the_whole() {
    let mut pairs = changed(":path", Some("*"));
    pairs[0].1 = "OPTIONS";
    let (_, head, block) = read(&pairs, true).unwrap();
    assert_eq!(head.view(&block).path(), b"*");
}

#[test]
fn connect_has_an_authority_with_a_port_and_nothing_else() {
    let connect = [(":method", "CONNECT"), (":authority", "a:443")];
    let (_, head, block) = read(&connect, false).unwrap();
    let view = head.view(&block);
    assert_eq!(view.method(), Method::Connect);
    assert_eq!((view.authority(), view.path()), (&b"a:443"[..], &b""[..]));
    let and = |more| [&connect[..], &[more]].concat();
    for (pairs, refusal) in [
        (and((":path", "/")), Refusal::PseudoMisplaced),
        (and((":scheme", "http")), Refusal::PseudoMisplaced),
        (
            vec![(":method", "CONNECT"), (":authority", "a")],
            Refusal::HostInvalid,
        ),
        (
            vec![(":method", "CONNECT"), ("host", "a:443")],
            Refusal::PseudoMissing,
        ),
        (and(("host", "a:444")), Refusal::AuthorityMismatch),
    ] {
        assert_eq!(read(&pairs, false).unwrap_err(), refusal, "{pairs:?}");
    }
    read(&and(("host", "a")), false).unwrap();
}

#[test]
fn an_extended_connect_is_a_get_that_upgrades() {
    let mut pairs = changed(":method", Some("CONNECT"));
    pairs.push((":protocol", "websocket"));
    let (request, head, block) = read(&pairs, false).unwrap();
    let view = head.view(&block);
    assert_eq!(
        (view.method(), view.method_name()),
        (Method::Get, &b"GET"[..])
    );
    assert_eq!(view.path(), b"/p");
    let upgrade = request.upgrade.map(|span| view.span(span));
    assert_eq!(upgrade, Some(&b"websocket"[..]));
    let mut broken = pairs.clone();
    broken.push(("content-length", "5"));
    assert_eq!(
        read(&broken, false).map(drop),
        Err(Refusal::ProtocolInvalid)
    );
    pairs[4].1 = "web socket";
    assert_eq!(read(&pairs, false).map(drop), Err(Refusal::ProtocolInvalid));
}

#[test]
fn an_extended_connect_cannot_ask_for_h2c() {
    for protocol in ["h2c", "H2C"] {
        let mut pairs = changed(":method", Some("CONNECT"));
        pairs.push((":protocol", protocol));
        assert_eq!(read(&pairs, false).map(drop), Err(Refusal::ProtocolInvalid));
    }
}

#[test]
fn what_a_request_expects() {
    for (values, expect) in [
        (&["100-Continue"][..], Expect::Continue),
        (&["100-continue", "100-continue"], Expect::Unknown),
        (&["fun"], Expect::Unknown),
    ] {
        let pairs: Vec<_> = values.iter().map(|value| ("expect", *value)).collect();
        assert_eq!(read(&with(&pairs), true).unwrap().0.expect, expect);
    }
    assert!(
        read(&with(&[("te", "trailers")]), true)
            .unwrap()
            .0
            .te_trailers
    );
}

#[test]
fn crumbs_are_one_cookie() {
    for (pairs, expected) in [
        (
            &[
                ("cookie", "a=1"),
                ("cookie", "b=2"),
                ("cookie", "c=3"),
                ("x", "y"),
            ][..],
            &[("cookie", "a=1; b=2; c=3"), ("x", "y")][..],
        ),
        (
            &[
                ("w", "1"),
                ("cookie", "a=1"),
                ("x", "y"),
                ("cookie", "b=2"),
                ("z", ""),
                ("cookie", "c"),
            ],
            &[("w", "1"), ("x", "y"), ("z", ""), ("cookie", "a=1; b=2; c")],
        ),
        (
            &[
                ("cookie", ""),
                ("cookie", "a"),
                ("cookie", ""),
                ("cookie", "b"),
            ],
            &[("cookie", "a; b")],
        ),
        (
            &[("cookie", ""), ("x", "y"), ("cookie", "b")],
            &[("x", "y"), ("cookie", "b")],
        ),
        (&[("cookie", "a"), ("cookie", "")], &[("cookie", "a")]),
    ] {
        let (_, head, block) = read(&with(pairs), true).unwrap();
        let view = head.view(&block);
        let read: Vec<_> = fields(&head.fields, &block)
            .map(|field| {
                (
                    field.name.escape_ascii().to_string(),
                    field.value.escape_ascii().to_string(),
                )
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        assert_eq!(read, expected);
        // What is copied as lines says the same.
        let (mut lines, mut run) = (Vec::new(), view.run());
        while !run.is_empty() {
            let (whole, rest) = run.split_lines();
            lines.extend_from_slice(whole);
            run = rest;
            if let Some(odd) = run.fields().next() {
                lines.extend_from_slice(&[odd.name, b": ", odd.value, b"\r\n"].concat());
                run = run.part(1, run.len());
            }
        }
        let same: String = expected
            .iter()
            .map(|(n, v)| format!("{n}: {v}\r\n"))
            .collect();
        assert_eq!(String::from_utf8_lossy(&lines), same);
    }
}

#[test]
fn limits_hold_after_joining() {
    let limits = Limits {
        head_bytes: 100,
        fields: 2,
        line_bytes: 20,
    };
    let verdict = |more: &[Pair<'_>]| read_with(&with(more), true, &limits).map(drop);
    assert_eq!(verdict(&[("a", "1"), ("b", "2")]), Ok(()));
    assert_eq!(
        verdict(&[("a", "1"), ("b", "2"), ("c", "3")]),
        Err(Refusal::TooManyFields)
    );
    assert_eq!(verdict(&[("cookie", "a"); 20]), Ok(()));
    assert_eq!(verdict(&[("cookie", "a"); 40]), Err(Refusal::HeadTooLarge));
    let crumbs = [&[("cookie", "a"), ("x", "")][..], &[("cookie", "a"); 40]].concat();
    assert_eq!(verdict(&crumbs), Err(Refusal::HeadTooLarge));
    let long = "x".repeat(100);
    assert_eq!(verdict(&[("a", &long)]), Err(Refusal::HeadTooLarge));
    let line = |path| read_with(&changed(":path", Some(path)), true, &limits).map(drop);
    assert_eq!(line("/123456"), Ok(()), "GET /123456 HTTP/1.1 has 20 bytes");
    assert_eq!(line("/1234567"), Err(Refusal::LineTooLong));
}
