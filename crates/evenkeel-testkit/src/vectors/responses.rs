//! S: what an untrusted or broken endpoint sends (RFC 9112 §4, §6.3).

use super::{Answer, AskedFor, ResponseVector, ResponseVerdict};

/// One response per line: what was asked, the id, the rule, the bytes, and what must come of them.
macro_rules! response_table {
    ($($asked:ident $id:literal $rfc:literal $bytes:literal => $verdict:ident($($argument:expr),*);)*) => {
        vec![$(ResponseVector {
            id: $id.to_owned(),
            rfc: concat!("RFC ", $rfc),
            asked: AskedFor::$asked,
            bytes: $bytes.to_vec(),
            verdict: $verdict($($argument),*),
        },)*]
    };
}

/// Every case of the family.
pub(super) fn all() -> Vec<ResponseVector> {
    let mut all = refused();
    all.extend(chunks());
    all.extend(read());
    all.extend(sizes());
    all
}

fn refused() -> Vec<ResponseVector> {
    response_table! {
        Get "S1-length-and-coding" "9112 §6.3" b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" => refuse("length-and-coding");
        Get "S1-two-lengths" "9112 §6.3" b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello" => refuse("length-repeated");
        Get "S1-same-length-twice" "9112 §6.3" b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello" => refuse("length-repeated");
        Get "S1-length-list" "9112 §6.3" b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello" => refuse("length-invalid");
        Get "S1-bad-length" "9110 §8.6" b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello" => refuse("length-invalid");
        Get "S1-empty-length" "9110 §8.6" b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello" => refuse("length-invalid");
        Get "S1-coding-twice" "9112 §6.1" b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" => refuse("coding-repeated");
        Get "S1-gzip-chunked" "9112 §6.1" b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" => refuse("coding-unsupported");
        Get "S1-gzip" "9112 §6.3" b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n" => refuse("coding-invalid");
        Get "S1-coding-in-1.0" "9112 §6.1" b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" => refuse("coding-in-old-version");
        Get "S1-fold" "9112 §5.2" b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 5\r\n\r\nhello" => refuse("line-fold");
        Get "S1-nul" "9110 §5.5" b"HTTP/1.1 200 OK\r\nX: a\0\r\nContent-Length: 5\r\n\r\nhello" => refuse("value-invalid");
        Get "S1-space-before-colon" "9112 §5.1" b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello" => refuse("space-before-colon");
        Get "S1-no-colon" "9112 §5" b"HTTP/1.1 200 OK\r\nContent-Length 5\r\n\r\nhello" => refuse("colon-missing");
        Get "S1-bare-lf" "9112 §2.2" b"HTTP/1.1 200 OK\r\nX: a\nContent-Length: 5\r\n\r\nhello" => refuse("bare-lf");
        Get "S1-lf-only" "9112 §2.2" b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello" => refuse("bare-lf");
        Get "S1-bare-cr" "9112 §2.2" b"HTTP/1.1 200 OK\r\nX: a\rContent-Length: 5\r\n\r\nhello" => refuse("bare-cr");
        Get "S2-split-response" "9112 §11.1" b"HTTP/1.1 200 OK\r\nLocation: /\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n" => refuse("bare-lf");
        Get "S6-four-digits" "9112 §4" b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n" => refuse("status-line-invalid");
        Get "S6-two-digits" "9112 §4" b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n" => refuse("status-line-invalid");
        Get "S6-below-100" "9112 §4" b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n" => refuse("status-line-invalid");
        Get "S6-sign" "9112 §4" b"HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n" => refuse("status-line-invalid");
        Get "S6-no-status" "9112 §4" b"HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n" => refuse("status-line-invalid");
        Get "S6-other-protocol" "9112 §4" b"ICY 200 OK\r\nContent-Length: 0\r\n\r\n" => refuse("status-line-invalid");
        Get "S6-no-protocol" "9112 §4" b"<html>hello</html>" => refuse("status-line-invalid");
        Get "S6-empty-line-first" "9112 §4" b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" => refuse("status-line-invalid");
        Get "S6-two-spaces" "9112 §4" b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n" => refuse("status-line-invalid");
        Get "S6-nul-in-reason" "9112 §4" b"HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n" => refuse("status-line-invalid");
        Get "S6-version-2.0" "9112 §2.3" b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n" => refuse("version-unsupported");
        Get "S6-version-1.10" "9112 §2.3" b"HTTP/1.10 200 OK\r\nContent-Length: 0\r\n\r\n" => refuse("version-invalid");
        Get "S7-unasked-upgrade" "9110 §15.2.2" b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" => refuse("upgrade-unasked");
        Upgrade "S7-upgrade-in-1.0" "9110 §15.2.2" b"HTTP/1.0 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" => refuse("upgrade-unasked");
        Get "S7-interim-with-coding" "9112 §6.1" b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" => refuse("coding-in-interim");
    }
}

fn chunks() -> Vec<ResponseVector> {
    response_table! {
        Get "S1-chunk-lf" "9112 §7.1" b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n" => refuse_body("chunk-line-end");
        Get "S1-chunk-overrun" "9112 §7.1" b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n" => refuse_body("chunk-overrun");
        Get "S1-chunk-size" "9112 §7.1" b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0x5\r\nhello\r\n0\r\n\r\n" => refuse_body("chunk-size-invalid");
        Get "S1-chunk-trailer" "9112 §7.1.2" b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA : b\r\n\r\n" => refuse_body("trailer-invalid");
        Get "S4-short-length" "9112 §8" b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello" => cut();
        Get "S4-no-last-chunk" "9112 §8" b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" => cut();
        Get "S4-short-chunk" "9112 §8" b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello" => cut();
        Get "S4-no-empty-line" "9112 §8" b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n" => cut();
        Get "S5-trailers" "9112 §7.1.2" b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a\r\nhello\r\n0\r\ngrpc-status: 0\r\n\r\n" => answer(200, "hello", true, "");
    }
}

fn read() -> Vec<ResponseVector> {
    response_table! {
        Get "S3-204-with-body" "9112 §6.3" b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello" => answer(204, "", false, "hello");
        Get "S3-204-in-chunks" "9112 §6.3" b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" => answer(204, "", false, "0\r\n\r\n");
        Get "S3-204-and-more" "9112 §6.3" b"HTTP/1.1 204 No Content\r\n\r\nhello" => answer(204, "", true, "hello");
        Get "S3-304-with-length" "9110 §15.4.5" b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n" => answer(304, "", true, "");
        Head "S3-head-with-length" "9110 §9.3.2" b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" => answer(200, "", true, "");
        Head "S3-head-with-body" "9112 §6.3" b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" => answer(200, "", true, "hello");
        Head "S3-head-in-chunks" "9112 §6.3" b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" => answer(200, "", true, "");
        Get "S3-interim-then-final" "9110 §15.2" b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" => answer(200, "hello", true, "");
        Get "S4-second-response" "9112 §9.2" b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil" => answer(200, "hello", true, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
        Get "S5-until-close" "9112 §6.3" b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nhello" => answer(200, "hello", false, "");
        Get "S5-until-close-in-1.0" "9112 §6.3" b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello" => answer(200, "hello", false, "");
        Get "S5-1.0-with-length" "9112 §9.3" b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello" => answer(200, "hello", false, "");
        Get "S5-1.0-kept" "9112 §9.3" b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\nhello" => answer(200, "hello", true, "");
        Get "S5-close" "9112 §9.6" b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello" => answer(200, "hello", false, "");
        Get "S6-no-reason" "9112 §4" b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n" => answer(200, "", true, "");
        Get "S6-no-space-and-reason" "9112 §4" b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n" => answer(200, "", true, "");
        Get "S6-odd-reason" "9112 §4" b"HTTP/1.1 404 \xe9t\xe9\tis over\r\nContent-Length: 0\r\n\r\n" => answer(404, "", true, "");
        Get "S6-unknown-status" "9110 §15" b"HTTP/1.1 799 Odd\r\nContent-Length: 5\r\n\r\nhello" => answer(799, "hello", true, "");
        Upgrade "S7-upgrade-refused" "9110 §7.8" b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" => answer(200, "hello", true, "");
        Get "S7-not-found" "9112 §6.2" b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello" => answer(404, "hello", true, "");
    }
}

/// S7: more than the default limits.
fn sizes() -> Vec<ResponseVector> {
    let vector = |id: &str, why: &'static str, bytes: String| ResponseVector {
        id: id.to_owned(),
        rfc: "RFC 9110 §5.4",
        asked: AskedFor::Get,
        bytes: bytes.into_bytes(),
        verdict: refuse(why),
    };
    let ok = "HTTP/1.1 200 OK\r\n";
    let reason = format!("HTTP/1.1 200 {}\r\n\r\n", "r".repeat(65_536));
    let value = format!("{ok}X: {}\r\n\r\n", "v".repeat(1 << 20));
    let many = format!("{ok}{}\r\n", "a:\r\n".repeat(100_000));
    vec![
        vector("S7-reason-of-64-k", "line-too-long", reason),
        vector("S7-value-of-1-m", "head-too-large", value),
        vector("S7-100000-fields", "too-many-fields", many),
    ]
}

fn refuse(why: &'static str) -> ResponseVerdict {
    ResponseVerdict::Refuse(why)
}

fn refuse_body(why: &'static str) -> ResponseVerdict {
    ResponseVerdict::RefuseBody(why)
}

fn cut() -> ResponseVerdict {
    ResponseVerdict::Cut
}

fn answer(status: u16, body: &'static str, kept: bool, rest: &'static str) -> ResponseVerdict {
    ResponseVerdict::Accept(Answer {
        status,
        body,
        kept,
        rest,
    })
}
