//! F: how the end of a body is found, or cannot be (RFC 9112 §6).

use super::{Message, RequestVector, accept, fields, refuse, request_table};

/// Every case of the family.
pub(super) fn all() -> Vec<RequestVector> {
    let mut all = coding();
    all.extend(length());
    all.extend(bodies());
    all.extend(odd_bytes());
    all
}

fn coding() -> Vec<RequestVector> {
    request_table! {
        raw "F1-length-then-coding" "9112 §6.1" b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG" => refuse(400, "length-and-coding");
        raw "F2-coding-then-length" "9112 §6.1" b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nGPOST / HTTP/1.1\r\n\r\n0\r\n\r\n" => refuse(400, "length-and-coding");
        fields "F1-length-0-and-coding" "9112 §6.1" b"Content-Length: 0\r\nTransfer-Encoding: chunked" => refuse(400, "length-and-coding");
        fields "F3-coding-twice" "9112 §6.1" b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked" => refuse(400, "coding-repeated");
        fields "F3-coding-then-identity" "9112 §6.1" b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity" => refuse(400, "coding-repeated");
        fields "F3-identity-then-coding" "9112 §6.1" b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked" => refuse(400, "coding-invalid");
        fields "F4-chunked-twice" "9112 §6.1" b"Transfer-Encoding: chunked, chunked" => refuse(400, "coding-invalid");
        fields "F4-chunked-identity" "9112 §6.1" b"Transfer-Encoding: chunked, identity" => refuse(400, "coding-invalid");
        fields "F4-identity-chunked-identity" "9112 §6.1" b"Transfer-Encoding: identity, chunked, identity" => refuse(400, "coding-invalid");
        fields "F4-identity-chunked" "9112 §6.1" b"Transfer-Encoding: identity, chunked" => refuse(400, "coding-invalid");
        fields "F4-gzip-chunked" "9112 §6.1" b"Transfer-Encoding: gzip, chunked" => refuse(501, "coding-unsupported");
        fields "F4-unknown-chunked" "9112 §6.1" b"Transfer-Encoding: foo,chunked" => refuse(501, "coding-unsupported");
        fields "F5-chunked-gzip" "9112 §6.3" b"Transfer-Encoding: chunked, gzip" => refuse(400, "coding-invalid");
        fields "F5-gzip" "9112 §6.3" b"Transfer-Encoding: gzip" => refuse(400, "coding-invalid");
        fields "F5-identity" "9112 §6.3" b"Transfer-Encoding: identity" => refuse(400, "coding-invalid");
        fields "F6-xchunked" "9112 §7" b"Transfer-Encoding: xchunked" => refuse(400, "coding-invalid");
        fields "F6-chunk" "9112 §7" b"Transfer-Encoding: chunk" => refuse(400, "coding-invalid");
        fields "F6-quoted" "9112 §7" b"Transfer-Encoding: \"chunked\"" => refuse(400, "coding-invalid");
        fields "F6-single-quoted" "9112 §7" b"Transfer-Encoding: 'chunked'" => refuse(400, "coding-invalid");
        fields "F6-parameter" "9112 §7" b"Transfer-Encoding: chunked;a=b" => refuse(400, "coding-invalid");
        fields "F6-cow" "9112 §7" b"Transfer-Encoding: cow" => refuse(400, "coding-invalid");
        fields "F6-encoded-word" "9112 §7" b"Transfer-Encoding: =?UTF-8?B?Y2h1bmtlZA==?=" => refuse(400, "coding-invalid");
        fields "F7-empty" "9112 §6.1" b"Transfer-Encoding: " => refuse(400, "coding-invalid");
        fields "F7-empty-with-length" "9112 §6.1" b"Transfer-Encoding: \r\nContent-Length: 5" => refuse(400, "coding-invalid");
        fields "F7-comma-before" "9112 §6.1" b"Transfer-Encoding: ,chunked" => refuse(400, "coding-invalid");
        fields "F7-comma-after" "9112 §6.1" b"Transfer-Encoding: chunked,\r\nContent-Length: 5" => refuse(400, "coding-invalid");
        fields "F8-inner-space" "9112 §7" b"Transfer-Encoding: chunk ed" => refuse(400, "coding-invalid");
        raw "F8-white-space-around" "9112 §5" b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \t chunked \t\r\n\r\n2\r\nab\r\n0\r\n\r\n" => chunked("POST / a", "ab", "");
        fields "F9-space-before-colon" "9112 §5.1" b"Transfer-Encoding : chunked" => refuse(400, "space-before-colon");
        fields "F9-tab-before-colon" "9112 §5.1" b"Transfer-Encoding\t: chunked" => refuse(400, "space-before-colon");
        fields "F9-space-in-name" "9110 §5.1" b"Transfer Encoding: chunked" => refuse(400, "name-invalid");
        fields "F9-cr-in-name" "9112 §2.2" b"Transfer\r-Encoding: chunked" => refuse(400, "bare-cr");
        fields "F9-high-byte-in-name" "9110 §5.1" b"Transf\x82r-Encoding: chunked" => refuse(400, "name-invalid");
        fields "F9-control-before-name" "9110 §5.1" b"\x01Transfer-Encoding: chunked" => refuse(400, "name-invalid");
        fields "F9-name-over-two-lines" "9112 §5" b"Transfer-\r\nEncoding: chunked" => refuse(400, "colon-missing");
        fields "F9-folded-value" "9112 §5.2" b"Transfer-Encoding:\r\n chunked" => refuse(400, "coding-invalid");
        fields "F9-lf-then-coding" "9112 §2.2" b"Foo: bar\nTransfer-Encoding: chunked" => refuse(400, "bare-lf");
        raw "F10-underscore-coding" "9110 §5.1" b"POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello" => known("POST / a", "hello", "");
        raw "F10-underscore-length" "9110 §5.1" b"POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 99\r\nContent-Length: 5\r\n\r\nhello" => known("POST / a", "hello", "");
        raw "F11-any-case" "9110 §5.1" b"POST / HTTP/1.1\r\nHost: a\r\nTrAnSFer-EnCODinG: cHuNkeD\r\n\r\n2\r\nab\r\n0\r\n\r\n" => chunked("POST / a", "ab", "");
        raw "F12-coding-in-1.0" "9112 §6.1" b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" => refuse(400, "coding-in-old-version");
        raw "F12-coding-and-length-in-1.0" "9112 §6.1" b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello" => refuse(400, "coding-in-old-version");
    }
}

fn length() -> Vec<RequestVector> {
    request_table! {
        fields "F13-two-that-differ" "9112 §6.3" b"Content-Length: 5\r\nContent-Length: 6" => refuse(400, "length-repeated");
        fields "F13-list-that-differs" "9112 §6.3" b"Content-Length: 5, 6" => refuse(400, "length-invalid");
        fields "F14-same-twice" "9112 §6.3" b"Content-Length: 5\r\nContent-Length: 5" => refuse(400, "length-repeated");
        fields "F14-same-list" "9112 §6.3" b"Content-Length: 5, 5" => refuse(400, "length-invalid");
        fields "F14-same-list-tight" "9112 §6.3" b"Content-Length: 5,5" => refuse(400, "length-invalid");
        fields "F14-other-case" "9112 §6.3" b"Content-Length: 5\r\ncontent-length: 5" => refuse(400, "length-repeated");
        fields "F15-plus" "9110 §8.6" b"Content-Length: +5" => refuse(400, "length-invalid");
        fields "F15-minus" "9110 §8.6" b"Content-Length: -5" => refuse(400, "length-invalid");
        fields "F15-minus-zero" "9110 §8.6" b"Content-Length: -0" => refuse(400, "length-invalid");
        fields "F15-inner-space" "9110 §8.6" b"Content-Length: 5 5" => refuse(400, "length-invalid");
        fields "F15-hexadecimal" "9110 §8.6" b"Content-Length: 0x5" => refuse(400, "length-invalid");
        fields "F15-exponent" "9110 §8.6" b"Content-Length: 5e0" => refuse(400, "length-invalid");
        fields "F15-decimal-point" "9110 §8.6" b"Content-Length: 5.0" => refuse(400, "length-invalid");
        fields "F15-semicolon" "9110 §8.6" b"Content-Length: 5;" => refuse(400, "length-invalid");
        fields "F15-underscore" "9110 §8.6" b"Content-Length: 1_0" => refuse(400, "length-invalid");
        fields "F15-leading-zero" "9110 §8.6" b"Content-Length: 05" => refuse(400, "length-invalid");
        fields "F15-many-leading-zeros" "9110 §8.6" b"Content-Length: 00000000000000000000005" => refuse(400, "length-invalid");
        fields "F15-other-digits" "9110 §8.6" b"Content-Length: \xd9\xa5" => refuse(400, "length-invalid");
        fields "F15-quoted" "9110 §8.6" b"Content-Length: \"5\"" => refuse(400, "length-invalid");
        fields "F15-vertical-tab" "9110 §5.5" b"Content-Length: \x0b5" => refuse(400, "value-invalid");
        raw "F15-white-space-around" "9110 §5.5" b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \t5 \t\r\n\r\nhello" => known("POST / a", "hello", "");
        fields "F16-empty" "9110 §8.6" b"Content-Length: " => refuse(400, "length-invalid");
        fields "F16-nothing" "9110 §8.6" b"Content-Length:" => refuse(400, "length-invalid");
        fields "F16-empty-then-43" "9110 §8.6" b"Content-Length: \r\nContent-Length: 43" => refuse(400, "length-invalid");
        fields "F16-43-then-empty" "9110 §8.6" b"Content-Length: 43\r\nContent-Length: " => refuse(400, "length-repeated");
        fields "F17-2-to-the-64" "9110 §8.6" b"Content-Length: 18446744073709551616" => refuse(400, "length-invalid");
        fields "F17-2-to-the-64-and-5" "9110 §8.6" b"Content-Length: 18446744073709551621" => refuse(400, "length-invalid");
        fields "F17-2-to-the-63" "9110 §8.6" b"Content-Length: 9223372036854775808" => refuse(400, "length-invalid");
        fields "F17-2-to-the-32-and-5-in-hex" "9110 §8.6" b"Content-Length: 100000005h" => refuse(400, "length-invalid");
        fields "F18-space-before-colon" "9112 §5.1" b"Content-Length : 5" => refuse(400, "space-before-colon");
        fields "F18-next-line-after-name" "9110 §5.1" b"Content-Length\x85: 10" => refuse(400, "name-invalid");
        fields "F18-no-colon" "9112 §5" b"Content-Length 10" => refuse(400, "colon-missing");
        raw "F18-tab-before-first-field" "9112 §2.2" b"GET / HTTP/1.1\r\n\tContent-Length: 1\r\nHost: a\r\n\r\nG" => refuse(400, "line-fold");
        fields "F18-fold-into-length" "9112 §5.2" b"Content-Length: 1\r\n 0" => refuse(400, "line-fold");
        fields "F19-empty-name" "9110 §5.1" b": x" => refuse(400, "name-empty");
        raw "F19-empty-name-and-value" "9110 §5.1" b"GET / HTTP/1.1\r\nHost: a\r\n:\r\nI: am chopped off\r\n\r\n" => refuse(400, "name-empty");
    }
}

fn bodies() -> Vec<RequestVector> {
    request_table! {
        raw "F20-get-with-body" "9110 §9.3.1" b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 28\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n" => known("GET / a", "GET /x HTTP/1.1\r\nHost: a\r\n\r\n", "");
        raw "F20-head-with-body" "9110 §9.3.2" b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" => known("HEAD / a", "hello", "");
        raw "F20-delete-with-body" "9110 §9.3.5" b"DELETE /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" => known("DELETE /x a", "hello", "");
        raw "F20-options-in-chunks" "9110 §9.3.7" b"OPTIONS / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" => chunked("OPTIONS / a", "hello", "");
        raw "F21-post-without-length" "9110 §8.6" b"POST / HTTP/1.1\r\nHost: a\r\n\r\n" => plain("POST / a");
        raw "F21-post-with-length-0" "9110 §8.6" b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" => plain("POST / a");
        raw "F22-1.0-post-until-close" "9112 §6.3" b"POST / HTTP/1.0\r\n\r\nhello" => known("POST / -", "", "hello");
        raw "F23-short-body" "9112 §8" b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello" => incomplete();
        raw "F23-short-chunk" "9112 §8" b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello" => incomplete();
        raw "F23-largest-length" "9112 §8" b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\nhello" => incomplete();
        raw "F24-connection-names-length" "9110 §7.6.1" b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: content-length\r\n\r\nhello" => known("POST / a", "hello", "");
        raw "F24-connection-names-coding" "9110 §7.6.1" b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: transfer-encoding\r\n\r\n5\r\nhello\r\n0\r\n\r\n" => chunked("POST / a", "hello", "");
    }
}

/// F8 and F17 again, with bytes that some readers take for white space, and a length of a thousand digits.
fn odd_bytes() -> Vec<RequestVector> {
    let mut all = Vec::new();
    for byte in [0x00_u8, 0x0b, 0x0c, 0x7f, 0x85, 0xa0, 0xad, 0xff] {
        let control = byte < 0x20 || byte == 0x7f;
        let why = if control {
            "value-invalid"
        } else {
            "coding-invalid"
        };
        let before = [b"Transfer-Encoding: ".as_slice(), &[byte], b"chunked"].concat();
        let after = [b"Transfer-Encoding: chunked".as_slice(), &[byte]].concat();
        for (side, lines) in [("before", before), ("after", after)] {
            let id = format!("F8-byte-{byte:02x}-{side}");
            all.push(refuse(&id, "RFC 9110 §5.5", 400, why, fields(&lines)));
        }
        let why = if control {
            "value-invalid"
        } else {
            "length-invalid"
        };
        let lines = [b"Content-Length: 5".as_slice(), &[byte]].concat();
        let id = format!("F15-byte-{byte:02x}-after");
        all.push(refuse(&id, "RFC 9110 §8.6", 400, why, fields(&lines)));
    }
    let digits = [b"Content-Length: ".as_slice(), &[b'9'; 1000]].concat();
    all.push(refuse(
        "F17-thousand-digits",
        "RFC 9110 §8.6",
        400,
        "length-invalid",
        fields(&digits),
    ));
    let body = vec![b'x'; 100_000];
    let head = b"POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";
    let message = Message {
        method: "POST",
        target: "/big",
        host: "a",
        body: body.clone(),
        ..Message::default()
    };
    all.push(accept(
        "F20-large-body",
        "RFC 9112 §6.2",
        [head.as_slice(), &body].concat(),
        message,
    ));
    all
}
