//! Tests of response heads; the table of refused bytes is `evenkeel_testkit::vectors`.

use super::*;

const GET: Asked = Asked {
    head: false,
    connect: false,
    upgrade: false,
};
const HEAD: Asked = Asked { head: true, ..GET };
const CONNECT: Asked = Asked {
    connect: true,
    ..GET
};
const UPGRADE: Asked = Asked {
    upgrade: true,
    ..GET
};

fn read(asked: Asked, bytes: &str) -> Result<(Response, ResponseHead), Refusal> {
    let mut head = ResponseHead::default();
    let response =
        ResponseParser::default().parse(bytes.as_bytes(), &Limits::default(), asked, &mut head)?;
    Ok((response.expect("a whole head"), head))
}

fn body(asked: Asked, bytes: &str) -> Result<(ResponseBody, bool), Refusal> {
    read(asked, bytes).map(|(response, _)| (response.body, response.persistent))
}

#[test]
fn a_head_is_its_parts() {
    let bytes =
        "HTTP/1.1 200 Fine, \u{e9}\tthanks\r\nServer: x\r\nKeep-Alive: max=5, Timeout=17\r\n\r\n";
    let (response, head) = read(GET, bytes).unwrap();
    let view = head.view(bytes.as_bytes());
    assert_eq!(
        (view.status(), view.reason()),
        (200, "Fine, \u{e9}\tthanks".as_bytes())
    );
    assert_eq!(view.fields().count(), 2);
    assert_eq!(response.keep_alive_timeout, Some(17));
    assert_eq!(response.consumed, bytes.len());
}

#[test]
fn framing_follows_the_list_of_rfc_9112_6_3() {
    use ResponseBody::{Chunked, Empty, Known, Tunnel, UntilClose};
    const LENGTH: &str = "Content-Length: 5";
    const CODING: &str = "Transfer-Encoding: chunked";
    for (start, field, expected, persistent) in [
        ("1.1 200 OK", LENGTH, Known(5), true),
        ("1.1 200 OK", "Content-Length: 0", Empty, true),
        ("1.1 200 OK", CODING, Chunked, true),
        ("1.1 200 OK", "A: b", UntilClose, false),
        ("1.1 200", LENGTH, Known(5), true),
        ("1.1 200 ", LENGTH, Known(5), true),
        ("1.0 200 OK", LENGTH, Known(5), false),
        ("1.1 204 None", "A: b", Empty, true),
        ("1.1 204 None", "Content-Length: 0", Empty, true),
        ("1.1 204 None", LENGTH, Empty, false),
        ("1.1 204 None", CODING, Empty, false),
        ("1.1 304 Same", LENGTH, Empty, true),
        ("1.1 100 On", "A: b", Empty, true),
        ("1.1 103 Hints", LENGTH, Empty, true),
        ("1.1 999 Odd", LENGTH, Known(5), true),
    ] {
        let bytes = format!("HTTP/{start}\r\n{field}\r\n\r\n");
        assert_eq!(body(GET, &bytes), Ok((expected, persistent)), "{bytes}");
        let closing = bytes.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        assert_eq!(body(GET, &closing), Ok((expected, false)), "{closing}");
    }
    let kept = "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(body(GET, kept), Ok((Known(5), true)));
    for asked in [HEAD, CONNECT, UPGRADE] {
        let answer = |start: &str| body(asked, &format!("HTTP/1.1 {start}\r\n{LENGTH}\r\n\r\n"));
        let plain = if asked == HEAD { Empty } else { Known(5) };
        let opened = if asked == CONNECT {
            (Tunnel, false)
        } else {
            (plain, true)
        };
        assert_eq!(answer("200 OK"), Ok(opened), "{asked:?}");
        assert_eq!(answer("403 No"), Ok((plain, true)), "{asked:?}");
    }
    assert_eq!(
        body(UPGRADE, "HTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\n"),
        Ok((Tunnel, false))
    );
    assert_eq!(body(HEAD, "HTTP/1.1 200 OK\r\n\r\n"), Ok((Empty, true)));
}

#[test]
fn what_is_refused_of_an_endpoint() {
    const CODING: &str = "Transfer-Encoding: chunked";
    for (start, fields, refusal) in [
        ("1.1 101 Go", "Upgrade: x", Refusal::UpgradeUnasked),
        ("1.1 100 On", CODING, Refusal::CodingInInterim),
        ("1.0 200 OK", CODING, Refusal::CodingInOldVersion),
        (
            "1.1 200 OK",
            "Transfer-Encoding: gzip, chunked",
            Refusal::CodingUnsupported,
        ),
        (
            "1.1 304 OK",
            "Content-Length: 5\r\nContent-Length: 5",
            Refusal::LengthRepeated,
        ),
        ("1.1 2000 OK", "A: b", Refusal::StatusLineInvalid),
        ("1.1 20 OK", "A: b", Refusal::StatusLineInvalid),
        ("1.1 099 OK", "A: b", Refusal::StatusLineInvalid),
        ("1.1 200\tOK", "A: b", Refusal::StatusLineInvalid),
        ("1.1 200 O\0K", "A: b", Refusal::StatusLineInvalid),
        ("1.1  200 OK", "A: b", Refusal::StatusLineInvalid),
        ("1.1 200 O\rK", "A: b", Refusal::BareCr),
        ("1.1 200 OK\n", "A: b", Refusal::BareLf),
        ("2.0 200 OK", "A: b", Refusal::VersionUnsupported),
        ("1.10 200 OK", "A: b", Refusal::VersionInvalid),
        ("1.1 200 OK", "A: b\r\n c", Refusal::LineFold),
    ] {
        let bytes = format!("HTTP/{start}\r\n{fields}\r\n\r\n");
        assert_eq!(body(GET, &bytes), Err(refusal), "{bytes}");
    }
    for (first, second) in [("Content-Length: 5", CODING), (CODING, "Content-Length: 5")] {
        let bytes = format!("HTTP/1.1 200 OK\r\n{first}\r\n{second}\r\n\r\n");
        assert_eq!(body(GET, &bytes), Err(Refusal::LengthAndCoding));
    }
    let old = "HTTP/1.0 101 Go\r\nUpgrade: x\r\n\r\n";
    assert_eq!(body(UPGRADE, old), Err(Refusal::UpgradeUnasked));
    for start in ["ICY 200 OK\r\n", "\r\nHTTP/1.1 200 OK\r\n", "\n", "<html>"] {
        assert_eq!(body(GET, start), Err(Refusal::StatusLineInvalid), "{start}");
    }
}

#[test]
fn announcements_of_keep_alive() {
    let timeout = |value: &str| {
        let bytes = format!("HTTP/1.1 200 OK\r\nKeep-Alive: {value}\r\nContent-Length: 0\r\n\r\n");
        read(GET, &bytes).unwrap().0.keep_alive_timeout
    };
    assert_eq!(timeout("timeout=5"), Some(5));
    assert_eq!(timeout("TIMEOUT=0, max=1"), Some(0));
    for value in [
        "",
        "timeout",
        "timeout=",
        "timeout=-1",
        "timeout=+1",
        "timeout=5s",
        "timeout=99999999999",
        "é=5",
    ] {
        assert_eq!(timeout(value), None, "{value}");
    }
}

#[test]
fn limits_have_their_consequences() {
    let limits = Limits {
        head_bytes: 60,
        fields: 1,
        line_bytes: 20,
    };
    let verdict = |bytes: &[u8]| {
        let mut head = ResponseHead::default();
        ResponseParser::default().parse(bytes, &limits, GET, &mut head)
    };
    assert_eq!(
        verdict(b"HTTP/1.1 200 12345678\r\n"),
        Err(Refusal::LineTooLong)
    );
    assert_eq!(verdict(b"HTTP/1.1 200 1234567\r\n"), Ok(None));
    assert_eq!(
        verdict(b"HTTP/1.1 200 OK\r\nA:\r\nB:\r\n"),
        Err(Refusal::TooManyFields)
    );
    let long = [b"HTTP/1.1 200 OK\r\nA: ".as_slice(), &[b'x'; 40]].concat();
    assert_eq!(verdict(&long), Err(Refusal::HeadTooLarge));
    assert_eq!(verdict(&long[..59]), Ok(None));
}
