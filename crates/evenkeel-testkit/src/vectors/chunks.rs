//! C: chunked coding (RFC 9112 §7.1).

use super::{Message, RequestVector, RequestVerdict, accept, chunks, request_table};

/// Every case of the family.
pub(super) fn all() -> Vec<RequestVector> {
    let mut all = terminators();
    all.extend(sizes_and_extensions());
    all.extend(trailers());
    all.extend(floods());
    all
}

/// Line ends that one reader skips and another does not: the four "funky chunk" families and their simple forms.
fn terminators() -> Vec<RequestVector> {
    let mut all = request_table! {
        chunks "C1-lf-in-extension" "9112 §7.1.1" b"2;\nXX\r\n10\r\n1f\r\nAAAABBBBCCCC\r\n0\r\n\r\nDDDDEEEEFFFF\r\n0\r\n\r\n" => refuse_body(400, "chunk-line-end");
        chunks "C1-cr-in-extension" "9112 §7.1.1" b"2;\rXX\r\n10\r\n1f\r\nAAAABBBBCCCC\r\n0\r\n\r\nDDDDEEEEFFFF\r\n0\r\n\r\n" => refuse_body(400, "chunk-extension-invalid");
        chunks "C1-cr-x-in-extension" "9112 §7.1.1" b"2;a\rXXX\r\n10\r\n1f\r\nAAAABBBBCCCC\r\n0\r\n\r\nDDDDEEEEFFFF\r\n0\r\n\r\n" => refuse_body(400, "chunk-line-end");
        chunks "C1-cr-cr-in-extension" "9112 §7.1.1" b"2;a\r\rXX\r\n10\r\n1f\r\nAAAABBBBCCCC\r\n0\r\n\r\nDDDDEEEEFFFF\r\n0\r\n\r\n" => refuse_body(400, "chunk-line-end");
        chunks "C1-lf-in-quotes" "9112 §7.1.1" b"2;a=\"\nXX\"\r\nab\r\n0\r\n\r\n" => refuse_body(400, "chunk-line-end");
        chunks "C1-lf-after-name" "9112 §7.1.1" b"2;a\nXX\r\nab\r\n0\r\n\r\n" => refuse_body(400, "chunk-line-end");
        chunks "C2-lf-in-extension" "9112 §7.1.1" b"2;\nXX\r\n22\r\nc\r\nAAAABBBBCCCC\r\n0\r\n\r\nDDDDEEEEFFFF\r\n0\r\n\r\n" => refuse_body(400, "chunk-line-end");
        chunks "C5-bare-lf" "9112 §7.1" b"5\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-line-end");
        chunks "C5-bare-cr" "9112 §7.1" b"5\rhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-line-end");
        chunks "C5-lf-after-data" "9112 §7.1" b"5\r\nhello\n0\r\n\r\n" => refuse_body(400, "chunk-overrun");
        chunks "C5-cr-after-data" "9112 §7.1" b"5\r\nhello\r0\r\n\r\n" => refuse_body(400, "chunk-overrun");
        chunks "C5-nothing-after-data" "9112 §7.1" b"5\r\nhello0\r\n\r\n" => refuse_body(400, "chunk-overrun");
        chunks "C5-lf-after-last-size" "9112 §7.1" b"0\n\r\n" => refuse_body(400, "chunk-line-end");
        chunks "C5-lf-at-end" "9112 §7.1" b"0\r\n\n" => refuse_body(400, "trailer-invalid");
        chunks "C5-cr-at-end" "9112 §7.1" b"0\r\n\r\r\n" => refuse_body(400, "trailer-invalid");
    };
    for (name, terminator) in [
        ("lf", "\n"),
        ("cr", "\r"),
        ("nothing", ""),
        ("xx", "XX"),
        ("cr-x", "\rX"),
        ("cr-cr", "\r\r"),
    ] {
        let spill =
            format!("5\r\nAAAAA{terminator}c\r\n17\r\nAAAABBBB\r\n0\r\n\r\nCCCCDDDD\r\n0\r\n\r\n");
        all.push(refused(format!("C3-{name}"), "chunk-overrun", &spill));
        let term =
            format!("5\r\nAAAAA{terminator}1a\r\n8\r\nAAAABBBB\r\n0\r\n\r\nCCCCDDDD\r\n0\r\n\r\n");
        all.push(refused(format!("C4-{name}"), "chunk-overrun", &term));
    }
    all
}

fn sizes_and_extensions() -> Vec<RequestVector> {
    request_table! {
        chunks "C6-0x" "9112 §7.1" b"0x5\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-size-invalid");
        chunks "C6-plus" "9112 §7.1" b"+5\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-size-invalid");
        chunks "C6-minus" "9112 §7.1" b"-5\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-size-invalid");
        chunks "C6-minus-0x0" "9112 §7.1" b"-0x0\r\n\r\n" => refuse_body(400, "chunk-size-invalid");
        chunks "C6-underscore" "9112 §7.1" b"5_0\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-size-invalid");
        chunks "C6-space-before" "9112 §7.1" b" 5\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-size-invalid");
        chunks "C6-space-after" "9112 §7.1" b"5 \r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-extension-invalid");
        chunks "C6-tab-after" "9112 §7.1" b"5\t\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-extension-invalid");
        chunks "C6-two-sizes" "9112 §7.1" b"5 5\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-extension-invalid");
        chunks "C6-vertical-tab" "9112 §7.1" b"\x0b5\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-size-invalid");
        chunks "C6-not-hexadecimal" "9112 §7.1" b"5g\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-size-invalid");
        chunks "C6-empty-line" "9112 §7.1" b"\r\n5\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-size-invalid");
        chunks "C6-letter" "9112 §7.1" b"Z\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-size-invalid");
        chunks "C6-nul" "9112 §7.1" b"5\0\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-size-invalid");
        chunks "C6-extension-without-size" "9112 §7.1" b";a=b\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-size-invalid");
        chunks "C7-17-digits" "9112 §7.1" b"10000000000000005\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-size-too-large");
        chunks "C7-minus-one" "9112 §7.1" b"FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-size-too-large");
        chunks "C7-2-to-the-63" "9112 §7.1" b"8000000000000000\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-size-too-large");
        chunks "C7-largest" "9112 §7.1" b"7fffffffffffffff\r\nhello\r\n0\r\n\r\n" => incomplete();
        chunks "C7-16-digits" "9112 §7.1" b"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n" => chunked("POST / a", "hello", "");
        chunks "C7-any-case" "9112 §7.1" b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n" => chunked("POST / a", "01234567890123456789", "");
        chunks "C8-extension" "9112 §7.1.1" b"5;ext=value\r\nhello\r\n0\r\n\r\n" => chunked("POST / a", "hello", "");
        chunks "C8-quoted" "9112 §7.1.1" b"5;a=\"q\\\"s\"\r\nhello\r\n0\r\n\r\n" => chunked("POST / a", "hello", "");
        chunks "C8-bad-white-space" "9112 §7.1.1" b"5 ; a = \"\t;\" ;b\r\nhello\r\n0;last\r\n\r\n" => chunked("POST / a", "hello", "");
        chunks "C9-no-name" "9112 §7.1.1" b"5;\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-extension-invalid");
        chunks "C9-no-value" "9112 §7.1.1" b"5;a=\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-extension-invalid");
        chunks "C9-bad-name" "9112 §7.1.1" b"5;bad[=x\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-extension-invalid");
        chunks "C9-bad-value" "9112 §7.1.1" b"5;a=[\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-extension-invalid");
        chunks "C9-nul" "9112 §7.1.1" b"5;\0ext\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-extension-invalid");
        chunks "C9-nul-in-quotes" "9112 §7.1.1" b"5;a=\"\0\"\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-extension-invalid");
        chunks "C9-unterminated" "9112 §7.1.1" b"5;a=\"unterminated\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-extension-invalid");
        chunks "C9-after-quotes" "9112 §7.1.1" b"5;a=\"b\"c\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-extension-invalid");
        chunks "C9-two-semicolons" "9112 §7.1.1" b"5;;a\r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-extension-invalid");
        chunks "C9-space-at-end" "9112 §7.1.1" b"5;a \r\nhello\r\n0\r\n\r\n" => refuse_body(400, "chunk-extension-invalid");
    }
}

fn trailers() -> Vec<RequestVector> {
    request_table! {
        chunks "C12-request-line-as-trailer" "9112 §7.1.2" b"0\r\nX:POST /admin HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nadmin" => chunked("POST / a", "", "admin");
        chunks "C12-request-line-after-last" "9112 §7.1.2" b"0\r\nPOST /admin HTTP/1.1\r\nHost: a\r\n\r\n" => refuse_body(400, "trailer-invalid");
        chunks "C13-no-last-chunk" "9112 §7.1" b"1\r\nZ\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n" => refuse_body(400, "chunk-size-invalid");
        chunks "C13-no-last-chunk-but-a-request" "9112 §7.1" b"1\r\nZ\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n" => refuse_body(400, "chunk-size-invalid");
        chunks "C13-ends-after-chunk" "9112 §7.1" b"1\r\nZ\r\n" => incomplete();
        chunks "C13-ends-in-last-chunk" "9112 §7.1" b"1\r\nZ\r\n0\r\n" => incomplete();
        chunks "C13-ends-in-trailers" "9112 §7.1" b"1\r\nZ\r\n0\r\nA: b\r\n" => incomplete();
        chunks "C14-length" "9110 §6.5.1" b"2\r\nab\r\n0\r\nContent-Length: 5\r\n\r\n" => chunked("POST / a", "ab", "");
        chunks "C14-coding" "9110 §6.5.1" b"2\r\nab\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n" => chunked("POST / a", "ab", "");
        chunks "C14-host" "9110 §6.5.1" b"2\r\nab\r\n0\r\nHost: evil\r\n\r\n" => chunked("POST / a", "ab", "");
        chunks "C14-authorization" "9110 §6.5.1" b"2\r\nab\r\n0\r\nAuthorization: Basic eDp5\r\n\r\n" => chunked("POST / a", "ab", "");
        chunks "C14-forwarded-for" "9110 §6.5.1" b"2\r\nab\r\n0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n" => chunked("POST / a", "ab", "");
        chunks "C14-pseudo-field" "9110 §5.1" b"2\r\nab\r\n0\r\n:path: /\r\n\r\n" => refuse_body(400, "trailer-invalid");
        chunks "C16-bare-lf" "9112 §2.2" b"0\r\nA: b\n\r\n" => refuse_body(400, "trailer-invalid");
        chunks "C16-bare-cr" "9112 §2.2" b"0\r\nA: b\rC: d\r\n\r\n" => refuse_body(400, "trailer-invalid");
        chunks "C16-fold" "9112 §5.2" b"0\r\nA: b\r\n c\r\n\r\n" => refuse_body(400, "trailer-invalid");
        chunks "C16-space-before-colon" "9112 §5.1" b"0\r\nA : b\r\n\r\n" => refuse_body(400, "trailer-invalid");
        chunks "C16-nul" "9110 §5.5" b"0\r\nA: \0\r\n\r\n" => refuse_body(400, "trailer-invalid");
        chunks "C16-no-colon" "9112 §5" b"0\r\nA\r\n\r\n" => refuse_body(400, "trailer-invalid");
        chunks "C17-nul-behind" "9112 §2.2" b"0\r\n\r\n\0" => chunked("POST / a", "", "\0");
        chunks "C17-request-behind" "9112 §9.3.2" b"2\r\nab\r\n0\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n" => chunked("POST / a", "ab", "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    }
}

/// C7, C10, C11, C15: much of something.
fn floods() -> Vec<RequestVector> {
    let extension = |length: usize, times: usize| {
        format!("1;{}\r\nA\r\n", "a".repeat(length)).repeat(times) + "0\r\n\r\n"
    };
    let zeros = format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(4096));
    let lines = |count: usize| format!("0\r\n{}\r\n", "a: b\r\n".repeat(count));
    let tiny = format!("{}0\r\n\r\n", "1\r\nA\r\n".repeat(20_000));
    let message = Message {
        method: "POST",
        target: "/",
        host: "a",
        chunked: true,
        body: vec![b'A'; 20_000],
        ..Message::default()
    };
    let mut all = vec![
        refused("C7-4096-zeros".to_owned(), "chunk-size-too-large", &zeros),
        refused(
            "C10-extension-of-64-k".to_owned(),
            "chunk-extension-too-long",
            &extension(65_536, 1),
        ),
        refused(
            "C10-extensions-of-4-k".to_owned(),
            "chunk-extension-too-long",
            &extension(4_000, 30),
        ),
        accept(
            "C11-tiny-chunks",
            "RFC 9112 §7.1",
            chunks(tiny.as_bytes()),
            message,
        ),
    ];
    for (id, body) in [
        ("C15-10000-trailers", lines(10_000)),
        (
            "C15-trailer-of-1-m",
            format!("0\r\na: {}\r\n\r\n", "b".repeat(1 << 20)),
        ),
    ] {
        let mut vector = refused(id.to_owned(), "trailers-too-large", &body);
        vector.verdict = RequestVerdict::RefuseBody(431, "trailers-too-large");
        all.push(vector);
    }
    all
}

fn refused(id: String, why: &'static str, body: &str) -> RequestVector {
    RequestVector {
        id,
        rfc: "RFC 9112 §7.1",
        bytes: chunks(body.as_bytes()),
        verdict: RequestVerdict::RefuseBody(400, why),
    }
}
