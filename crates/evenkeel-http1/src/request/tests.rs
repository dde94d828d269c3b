//! Tests of request heads; the table of refused bytes is `evenkeel_testkit::vectors`.

use evenkeel_base::Method;

use super::*;
use crate::fuzzing;

fn read(bytes: &[u8]) -> Result<(Request, RequestHead), Refusal> {
    let mut head = RequestHead::default();
    let request = RequestParser::default().parse(bytes, &Limits::default(), &mut head)?;
    Ok((request.expect("a whole head"), head))
}

fn get(fields: &str) -> Request {
    read(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes())
        .unwrap()
        .0
}

#[test]
fn a_head_is_its_parts() {
    let bytes = b"\r\nPOST /a/b?c=d?e HTTP/1.1\r\nHost: A.example:81\r\nX-Odd_name:  v \t\r\nContent-Length: 3\r\n\r\nabc";
    let (request, head) = read(bytes).unwrap();
    let view = head.view(bytes);
    assert_eq!(view.method(), Method::Post);
    assert_eq!(view.method_name(), b"POST");
    assert_eq!(view.path(), b"/a/b");
    assert_eq!(view.query(), Some(&b"c=d?e"[..]));
    assert_eq!(view.authority(), b"A.example:81");
    let fields: Vec<_> = view.fields().map(|f| (f.name, f.value)).collect();
    let expected: [(&[u8], &[u8]); 3] = [
        (b"Host", b"A.example:81"),
        (b"X-Odd_name", b"v"),
        (b"Content-Length", b"3"),
    ];
    assert_eq!(fields, expected);
    assert_eq!(request.consumed, bytes.len() - 3);
    assert_eq!(request.body, RequestBody::Known(3));
    assert!(request.persistent && request.had_length);
}

#[test]
fn the_four_forms_of_target() {
    let parts = |line: &str, host: &str| {
        let bytes = format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let (_, head) = read(bytes.as_bytes())?;
        let view = head.view(bytes.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ok::<_, Refusal>((
            text(view.authority()),
            text(view.path()),
            view.query().map(text),
        ))
    };
    let ok = |line, host, authority: &str, path: &str, query: Option<&str>| {
        let expected = (
            authority.to_owned(),
            path.to_owned(),
            query.map(str::to_owned),
        );
        assert_eq!(parts(line, host), Ok(expected), "{line}");
    };
    ok("GET /", "a", "a", "/", None);
    ok("GET //b?", "a", "a", "//b", Some(""));
    ok("GET http://a/x?y", "a", "a", "/x", Some("y"));
    ok("GET HTTP://A:80/x", "a", "A:80", "/x", None);
    ok("GET http://a", "a", "a", "/", None);
    ok("GET http://a?x", "a:80", "a", "/", Some("x"));
    ok("GET http://a?x/y", "a", "a", "/", Some("x/y"));
    ok("OPTIONS *", "a", "a", "*", None);
    ok("OPTIONS http://a", "a", "a", "*", None);
    ok("OPTIONS http://a?x", "a", "a", "/", Some("x"));
    ok("CONNECT a:443", "a", "a:443", "", None);
    ok("CONNECT [::1]:443", "[::1]:443", "[::1]:443", "", None);
    let refused = |line, host, refusal| assert_eq!(parts(line, host), Err(refusal), "{line}");
    refused("GET http://a/x", "b", Refusal::AuthorityMismatch);
    refused("GET http://a:81/x", "a", Refusal::AuthorityMismatch);
    refused("CONNECT a:443", "b", Refusal::AuthorityMismatch);
    refused("CONNECT a:443", "a:80", Refusal::AuthorityMismatch);
    refused("CONNECT a", "a", Refusal::TargetInvalid);
    refused("CONNECT /", "a", Refusal::TargetInvalid);
    refused("GET *", "a", Refusal::TargetInvalid);
    refused("GET a:443", "a", Refusal::TargetInvalid);
    refused("GET a", "a", Refusal::TargetInvalid);
    refused("OPTIONS *?x", "a", Refusal::TargetInvalid);
    refused("GET https://a/", "a", Refusal::SchemeRefused);
    refused("GET ftp://a/", "a", Refusal::SchemeRefused);
    refused("GET http:///x", "a", Refusal::TargetInvalid);
    refused("GET http://u@a/", "a", Refusal::TargetInvalid);
    refused("GET ://a/", "a", Refusal::TargetInvalid);
}

#[test]
fn over_tls_the_scheme_of_an_absolute_target_is_https() {
    let verdict = |secure, line: &str, host: &str| {
        let bytes = format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let mut parser = RequestParser::new(secure);
        let mut head = RequestHead::default();
        let limits = Limits::default();
        // Twice, as requests of one connection: what a parser knows of it stays.
        let first = parser.parse(bytes.as_bytes(), &limits, &mut head);
        assert_eq!(
            parser.parse(bytes.as_bytes(), &limits, &mut head),
            first,
            "{line}"
        );
        first.map(|_| ())
    };
    for (line, host, over_tls, plain) in [
        ("GET /x", "a", Ok(()), Ok(())),
        ("GET https://a/x", "a", Ok(()), Err(Refusal::SchemeRefused)),
        (
            "GET HTTPS://a:443/x",
            "A",
            Ok(()),
            Err(Refusal::SchemeRefused),
        ),
        (
            "GET https://a",
            "a:443",
            Ok(()),
            Err(Refusal::SchemeRefused),
        ),
        (
            "GET https://a:80/x",
            "a",
            Err(Refusal::AuthorityMismatch),
            Err(Refusal::SchemeRefused),
        ),
        ("GET http://a/x", "a", Err(Refusal::SchemeRefused), Ok(())),
        (
            "GET http://a:443/x",
            "a",
            Err(Refusal::SchemeRefused),
            Err(Refusal::AuthorityMismatch),
        ),
    ] {
        assert_eq!(verdict(true, line, host), over_tls, "{line} over TLS");
        assert_eq!(verdict(false, line, host), plain, "{line}");
    }
}

#[test]
fn upgrades_that_pass() {
    let upgrade = |fields: &str| get(fields).upgrade.is_some();
    assert!(upgrade(
        "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    ));
    assert!(upgrade("Upgrade: foo/1, bar\r\nConnection: upgrade\r\n"));
    assert!(upgrade("Connection: upgrade, x-seven\r\nUpgrade: foo\r\n"));
    assert!(!upgrade("Upgrade: websocket\r\n"));
    assert!(!upgrade("Connection: upgrade\r\n"));
    assert!(!upgrade(
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    ));
    assert!(!upgrade(
        "Connection: upgrade\r\nUpgrade: websocket, H2C\r\n"
    ));
    assert!(!upgrade(
        "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: foo\r\n"
    ));
    assert!(!upgrade(
        "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n"
    ));
    assert!(!upgrade(
        "Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n"
    ));
    assert!(!upgrade("Connection: upgrade\r\nUpgrade: \r\n"));
    let old = b"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(read(old).unwrap().0.upgrade, None);
}

#[test]
fn expectations() {
    assert_eq!(get("").expect, Expect::None);
    assert_eq!(get("Expect: 100-Continue\r\n").expect, Expect::Continue);
    assert_eq!(get("Expect: 100-continue, x\r\n").expect, Expect::Unknown);
    assert_eq!(
        get("Expect: 100-continue\r\nExpect: 100-continue\r\n").expect,
        Expect::Unknown
    );
    assert_eq!(get("Expect:\r\n").expect, Expect::Unknown);
    let old = b"POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(read(old).unwrap().0.expect, Expect::None);
}

#[test]
fn te_and_lengths() {
    assert!(get("TE: gzip, Trailers\r\n").te_trailers);
    assert!(get("TE: trailers\r\nTE: gzip\r\n").te_trailers);
    assert!(!get("TE: trailers2\r\n").te_trailers);
    let empty = get("Content-Length: 0\r\n");
    assert_eq!((empty.body, empty.had_length), (RequestBody::Empty, true));
    assert_eq!(
        get("Transfer-Encoding: \tcHuNkeD \r\n").body,
        RequestBody::Chunked
    );
    assert!(!get("Connection: close\r\n").persistent);
}

#[test]
fn without_host_the_authority_is_that_of_the_target() {
    for line in ["CONNECT e:443", "GET http://e:443/x", "GET http://e:443"] {
        let bytes = format!("{line} HTTP/1.0\r\nH0st:443\r\n\r\n");
        let (_, head) = read(bytes.as_bytes()).unwrap();
        assert_eq!(head.view(bytes.as_bytes()).authority(), b"e:443", "{line}");
        fuzzing::request_head(bytes.as_bytes());
    }
}

#[test]
fn http_1_0_needs_no_host_and_ends_unless_it_says_otherwise() {
    let (request, head) = read(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    assert!(!request.persistent && head.authority.is_empty());
    assert!(
        read(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            .unwrap()
            .0
            .persistent
    );
}

#[test]
fn limits_have_their_consequences() {
    let limits = Limits {
        head_bytes: 60,
        fields: 2,
        line_bytes: 20,
    };
    let verdict = |bytes: &[u8]| {
        let mut head = RequestHead::default();
        RequestParser::default().parse(bytes, &limits, &mut head)
    };
    let longest = b"GET /1234567 HTTP/1.1\r\nHost: a\r\n";
    assert_eq!(longest.iter().position(|&b| b == b'\r'), Some(21));
    assert_eq!(verdict(longest), Err(Refusal::LineTooLong));
    assert_eq!(verdict(&longest[..22]), Err(Refusal::LineTooLong));
    assert_eq!(verdict(&longest[..21]), Ok(None));
    assert!(
        verdict(b"GET /123456 HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap()
            .is_some()
    );
    assert_eq!(
        verdict(b"GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\n"),
        Err(Refusal::TooManyFields)
    );
    let full = b"GET / HTTP/1.1\r\nHost: a\r\nX: 12345678901234567890123456789\r\n\r\n";
    assert_eq!(full.len(), 61);
    assert_eq!(verdict(full), Err(Refusal::HeadTooLarge));
    assert_eq!(verdict(&full[..60]), Err(Refusal::HeadTooLarge));
    assert_eq!(verdict(&full[..59]), Ok(None));
    assert!(
        verdict(b"GET / HTTP/1.1\r\nHost: a\r\nX: 1234567890123456789012345678\r\n\r\n")
            .unwrap()
            .is_some()
    );
}

#[test]
fn a_request_line_that_lacks_something_says_so() {
    for (line, refusal) in [
        ("GET /", Refusal::RequestLineInvalid),
        ("GET", Refusal::RequestLineInvalid),
        ("GET  / HTTP/1.1", Refusal::RequestLineInvalid),
        ("GET / HTTP/1.1 ", Refusal::RequestLineInvalid),
        ("GET\t/ HTTP/1.1", Refusal::MethodInvalid),
        ("G=T / HTTP/1.1", Refusal::MethodInvalid),
        ("GET /\t HTTP/1.1", Refusal::RequestLineInvalid),
        ("GET /a#b HTTP/1.1", Refusal::FragmentInTarget),
        ("GET /\u{e9} HTTP/1.1", Refusal::TargetInvalid),
        ("GET /a\0b HTTP/1.1", Refusal::TargetInvalid),
        ("GET / HTTP/2.0", Refusal::VersionUnsupported),
        ("GET / HTTP/1.2", Refusal::VersionUnsupported),
        ("GET / HTTP/1.32", Refusal::VersionInvalid),
        ("GET / http/1.1", Refusal::VersionInvalid),
        ("GET / ", Refusal::VersionInvalid),
    ] {
        let bytes = format!("{line}\r\nHost: a\r\n\r\n");
        assert_eq!(read(bytes.as_bytes()).unwrap_err(), refusal, "{line}");
    }
}
