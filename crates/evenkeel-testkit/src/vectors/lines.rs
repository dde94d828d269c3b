//! R: the request line, the target and Host (RFC 9112 §3).

use super::{RequestVector, line, refuse, request_table};

/// Every case of the family.
pub(super) fn all() -> Vec<RequestVector> {
    let mut all = lines();
    all.extend(line_ends());
    all.extend(hosts());
    all.extend(targets());
    all.extend(bytes_in_targets());
    all
}

fn lines() -> Vec<RequestVector> {
    let mut all = request_table! {
        line "R1-delimiters" "9112 §3.1" b"G=\":<>(e),[T];?\" / HTTP/1.1" => refuse(400, "method-invalid");
        line "R1-space" "9112 §3.1" b"GE T / HTTP/1.1" => refuse(400, "request-line-invalid");
        line "R1-nul" "9112 §3.1" b"\0 / HTTP/1.1" => refuse(400, "method-invalid");
        line "R1-high-byte" "9112 §3.1" b"G\xc9T / HTTP/1.1" => refuse(400, "method-invalid");
        line "R1-tls" "9112 §3.1" b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" => refuse(400, "method-invalid");
        line "R1-lower-case" "9110 §9.1" b"get / HTTP/1.1" => plain("get / a");
        line "R1-any-token" "9110 §9.1" b"!#$%&'*+-.^_`|~0Az / HTTP/1.1" => plain("!#$%&'*+-.^_`|~0Az / a");
        line "R2-two-digits" "9112 §2.3" b"GET / HTTP/1.32" => refuse(400, "version-invalid");
        line "R2-leading-zero" "9112 §2.3" b"GET / HTTP/01.1" => refuse(400, "version-invalid");
        line "R2-three-parts" "9112 §2.3" b"GET / HTTP/1.1.1" => refuse(400, "version-invalid");
        line "R2-cr" "9112 §2.2" b"GET / HTTP/\r\r1.1" => refuse(400, "bare-cr");
        line "R2-lower-case" "9112 §2.3" b"GET / http/1.1" => refuse(400, "version-invalid");
        line "R2-huge" "9112 §2.3" b"GET / HTTP/4294967295.255" => refuse(400, "version-invalid");
        line "R2-other-name" "9112 §2.3" b"GET / HTTQ/1.1" => refuse(400, "version-invalid");
        line "R2-no-minor" "9112 §2.3" b"GET / HTTP/1" => refuse(400, "version-invalid");
        line "R2-letter-for-major" "9112 §2.3" b"GET / HTTP/x.1" => refuse(400, "version-invalid");
        line "R2-letter-for-minor" "9112 §2.3" b"GET / HTTP/1.x" => refuse(400, "version-invalid");
        line "R2-tab" "9112 §3" b"GET /\tHTTP/1.1" => refuse(400, "request-line-invalid");
        line "R2-1.2" "9110 §15.6.6" b"GET / HTTP/1.2" => refuse(505, "version-unsupported");
        line "R2-9.9" "9110 §15.6.6" b"GET / HTTP/9.9" => refuse(505, "version-unsupported");
        line "R2-2.0" "9110 §15.6.6" b"GET / HTTP/2.0" => refuse(505, "version-unsupported");
        line "R2-0.9" "9110 §15.6.6" b"GET / HTTP/0.9" => refuse(505, "version-unsupported");
        raw "R2-http2-preface" "9110 §15.6.6" b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" => refuse(505, "version-unsupported");
        raw "R3-no-version" "9112 §3" b"GET /\r\n\r\n" => refuse(400, "request-line-invalid");
        raw "R3-no-version-but-space" "9112 §3" b"GET / \r\n\r\n" => refuse(400, "version-invalid");
        raw "R3-method-only" "9112 §3" b"GET\r\n\r\n" => refuse(400, "request-line-invalid");
        raw "R3-no-target" "9112 §3" b"GET HTTP/1.1\r\nHost: a\r\n\r\n" => refuse(400, "request-line-invalid");
        line "R4-two-spaces" "9112 §3" b"GET  / HTTP/1.1" => refuse(400, "request-line-invalid");
        line "R4-two-spaces-before-version" "9112 §3" b"GET /  HTTP/1.1" => refuse(400, "request-line-invalid");
        line "R4-two-spaces-and-no-target" "9112 §3" b"GET  HTTP/1.1" => refuse(400, "request-line-invalid");
        line "R4-tab" "9112 §3" b"GET\t/ HTTP/1.1" => refuse(400, "method-invalid");
        line "R4-space-at-end" "9112 §3" b"GET / HTTP/1.1 " => refuse(400, "request-line-invalid");
        line "R4-space-at-start" "9112 §3" b" GET / HTTP/1.1" => refuse(400, "method-invalid");
        line "R4-one-empty-line" "9112 §2.2" b"\r\nGET / HTTP/1.1" => plain("GET / a");
        line "R4-two-empty-lines" "9112 §2.2" b"\r\n\r\nGET / HTTP/1.1" => refuse(400, "empty-lines");
        line "R4-empty-line-of-lf" "9112 §2.2" b"\nGET / HTTP/1.1" => refuse(400, "bare-lf");
        line "R4-crlf-then-lf" "9112 §2.2" b"\r\n\nGET / HTTP/1.1" => refuse(400, "empty-lines");
        line "R4-cr-first" "9112 §2.2" b"\rGET / HTTP/1.1" => refuse(400, "bare-cr");
    };
    let many = "\r\n".repeat(10_000);
    all.push(refuse(
        "R4-10000-empty-lines",
        "RFC 9112 §2.2",
        400,
        "empty-lines",
        line(many.as_bytes()),
    ));
    let method = format!("{} / HTTP/1.1", "M".repeat(16_384));
    all.push(refuse(
        "R1-method-of-16-k",
        "RFC 9112 §3",
        414,
        "line-too-long",
        line(method.as_bytes()),
    ));
    let target = format!("GET /{} HTTP/1.1", "a".repeat(65_536));
    all.push(refuse(
        "R1-target-of-64-k",
        "RFC 9112 §3",
        414,
        "line-too-long",
        line(target.as_bytes()),
    ));
    all
}

fn line_ends() -> Vec<RequestVector> {
    request_table! {
        raw "R4-lf-in-line" "9112 §2.2" b"GET /\nHTTP/1.1\r\nHost: a\r\n\r\n" => refuse(400, "bare-lf");
        raw "R5-lf-only" "9112 §2.2" b"GET / HTTP/1.1\nHost: a\n\n" => refuse(400, "bare-lf");
        raw "R5-lf-after-request-line" "9112 §2.2" b"GET / HTTP/1.1\nHost: a\r\n\r\n" => refuse(400, "bare-lf");
        raw "R5-lf-after-field" "9112 §2.2" b"GET / HTTP/1.1\r\nHost: a\n\r\n" => refuse(400, "bare-lf");
        raw "R5-lf-at-end" "9112 §2.2" b"GET / HTTP/1.1\r\nHost: a\r\n\n" => refuse(400, "bare-lf");
        raw "R5-cr-only" "9112 §2.2" b"GET / HTTP/1.1\rHost: a\r\r" => incomplete();
        raw "R5-cr-cr-lf" "9112 §2.2" b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n" => refuse(400, "bare-cr");
        raw "R6-cr-in-value" "9112 §2.2" b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n" => refuse(400, "bare-cr");
        raw "R6-cr-before-name" "9112 §2.2" b"GET / HTTP/1.1\r\nHost: a\r\n\rZGET /evil HTTP/1.1\r\nHost: b\r\n\r\n" => refuse(400, "bare-cr");
        raw "R6-cr-before-crlf" "9112 §2.2" b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\r\n\r\n" => refuse(400, "bare-cr");
        raw "R7-nul-in-host" "9110 §5.5" b"GET / HTTP/1.1\r\nHost: google.com\0.example\r\n\r\n" => refuse(400, "value-invalid");
        line "R7-nul-in-target" "9112 §3.2" b"GET /a\0b HTTP/1.1" => refuse(400, "target-invalid");
        line "R8-fragment" "9112 §3.2" b"GET /admin#x HTTP/1.1" => refuse(400, "fragment-in-target");
        line "R8-fragment-in-query" "9112 §3.2" b"GET /admin?a#x HTTP/1.1" => refuse(400, "fragment-in-target");
        line "R8-only-a-fragment" "9112 §3.2" b"GET # HTTP/1.1" => refuse(400, "fragment-in-target");
    }
}

fn hosts() -> Vec<RequestVector> {
    request_table! {
        raw "R10-none" "9112 §3.2" b"GET / HTTP/1.1\r\n\r\n" => refuse(400, "host-missing");
        raw "R10-none-in-1.0" "9112 §3.2" b"GET / HTTP/1.0\r\n\r\n" => plain("GET / -");
        raw "R10-two" "9112 §3.2" b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" => refuse(400, "host-repeated");
        raw "R10-same-twice" "9112 §3.2" b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhOST: a\r\n\r\n" => refuse(400, "host-repeated");
        raw "R10-two-in-1.0" "9112 §3.2" b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n" => refuse(400, "host-repeated");
        raw "R10-list" "9112 §3.2" b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n" => refuse(400, "host-invalid");
        raw "R10-tight-list" "9112 §3.2" b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n" => refuse(400, "host-invalid");
        raw "R10-user" "9110 §4.2.4" b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n" => refuse(400, "host-invalid");
        raw "R10-port-too-large" "9110 §7.2" b"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n" => refuse(400, "host-invalid");
        raw "R10-port-0" "9110 §7.2" b"GET / HTTP/1.1\r\nHost: a:0\r\n\r\n" => refuse(400, "host-invalid");
        raw "R10-port-empty" "9110 §7.2" b"GET / HTTP/1.1\r\nHost: a:\r\n\r\n" => refuse(400, "host-invalid");
        raw "R10-port-word" "9110 §7.2" b"GET / HTTP/1.1\r\nHost: a:http\r\n\r\n" => refuse(400, "host-invalid");
        raw "R10-path" "9110 §7.2" b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n" => refuse(400, "host-invalid");
        raw "R10-empty" "9110 §4.2.1" b"GET / HTTP/1.1\r\nHost: \r\n\r\n" => refuse(400, "host-invalid");
        raw "R10-empty-with-target" "9112 §3.2" b"GET http://a/ HTTP/1.1\r\nHost: \r\n\r\n" => refuse(400, "host-invalid");
        raw "R10-none-with-target" "9112 §3.2" b"GET http://a/ HTTP/1.1\r\n\r\n" => refuse(400, "host-missing");
        raw "R10-high-byte" "9110 §7.2" b"GET / HTTP/1.1\r\nHost: caf\xc3\xa9\r\n\r\n" => refuse(400, "host-invalid");
        raw "R10-bad-encoding" "9110 §7.2" b"GET / HTTP/1.1\r\nHost: a%zz\r\n\r\n" => refuse(400, "host-invalid");
        raw "R10-half-encoding" "9110 §7.2" b"GET / HTTP/1.1\r\nHost: a%g1\r\n\r\n" => refuse(400, "host-invalid");
        raw "R10-other-half-encoding" "9110 §7.2" b"GET / HTTP/1.1\r\nHost: a%1g\r\n\r\n" => refuse(400, "host-invalid");
        raw "R10-backslash" "9110 §7.2" b"GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n" => refuse(400, "host-invalid");
        raw "R10-open-bracket" "9110 §7.2" b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n" => refuse(400, "host-invalid");
        raw "R10-bare-ipv6" "9110 §7.2" b"GET / HTTP/1.1\r\nHost: ::1\r\n\r\n" => refuse(400, "host-invalid");
        raw "R10-bad-ipv6" "9110 §7.2" b"GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n" => refuse(400, "host-invalid");
        raw "R10-after-bracket" "9110 §7.2" b"GET / HTTP/1.1\r\nHost: [::1].evil\r\n\r\n" => refuse(400, "host-invalid");
        raw "R10-ipv6" "9110 §7.2" b"GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n" => plain("GET / [2001:db8::1]:8080");
        raw "R10-ipv4-and-port" "9110 §7.2" b"GET / HTTP/1.1\r\nHost:127.0.0.1:65535\t\r\n\r\n" => plain("GET / 127.0.0.1:65535");
        raw "R10-underscore" "9110 §7.2" b"GET / HTTP/1.1\r\nHost: my_app.example.\r\n\r\n" => plain("GET / my_app.example.");
    }
}

fn targets() -> Vec<RequestVector> {
    request_table! {
        line "R11-other-authority" "9112 §3.2.2" b"GET http://b/x HTTP/1.1" => refuse(400, "authority-mismatch");
        line "R11-other-port" "9112 §3.2.2" b"GET http://a:81/x HTTP/1.1" => refuse(400, "authority-mismatch");
        line "R11-same-authority" "9112 §3.2.2" b"GET http://a/x?y HTTP/1.1" => plain("GET /x?y a");
        line "R11-same-in-other-words" "9112 §3.2.2" b"GET HTTP://A:80/x HTTP/1.1" => plain("GET /x A:80");
        line "R11-no-path" "9112 §3.2.1" b"GET http://a HTTP/1.1" => plain("GET / a");
        line "R11-no-path-but-query" "9112 §3.2.1" b"GET http://a?b/c HTTP/1.1" => plain("GET /?b/c a");
        raw "R11-1.0-without-host" "9112 §3.2.2" b"GET http://a/x HTTP/1.0\r\n\r\n" => plain("GET /x a");
        line "R12-https" "9110 §7.4" b"GET https://a/ HTTP/1.1" => refuse(400, "scheme-refused");
        line "R12-ftp" "9110 §7.4" b"GET ftp://a/ HTTP/1.1" => refuse(400, "scheme-refused");
        line "R12-user" "9110 §4.2.4" b"GET http://u@a/ HTTP/1.1" => refuse(400, "target-invalid");
        line "R12-no-authority" "9110 §4.2.1" b"GET http:///x HTTP/1.1" => refuse(400, "target-invalid");
        line "R12-one-slash" "9112 §3.2" b"GET http:/a/x HTTP/1.1" => refuse(400, "target-invalid");
        line "R12-backslashes" "9112 §3.2" b"GET http:\\\\a\\x HTTP/1.1" => refuse(400, "target-invalid");
        line "R12-scheme-in-query" "9112 §3.2" b"GET a?http://a/ HTTP/1.1" => refuse(400, "target-invalid");
        // A path of RFC 9112 §3.2.1 may begin with an empty segment; it is never read as an authority.
        line "R12-two-slashes" "9112 §3.2.1" b"GET //a/x HTTP/1.1" => plain("GET //a/x a");
        raw "R13-connect" "9112 §3.2.3" b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n" => decline(405, "CONNECT a:443 a:443", "");
        raw "R13-connect-without-port" "9112 §3.2.3" b"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n" => refuse(400, "target-invalid");
        raw "R13-connect-path" "9112 §3.2.3" b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n" => refuse(400, "target-invalid");
        raw "R13-connect-absolute" "9112 §3.2.3" b"CONNECT http://a:443/ HTTP/1.1\r\nHost: a\r\n\r\n" => refuse(400, "target-invalid");
        raw "R13-connect-other-host" "9112 §3.2.2" b"CONNECT a:443 HTTP/1.1\r\nHost: b:443\r\n\r\n" => refuse(400, "authority-mismatch");
        line "R13-get-authority" "9112 §3.2.3" b"GET a:443 HTTP/1.1" => refuse(400, "target-invalid");
        line "R13-get-asterisk" "9112 §3.2.4" b"GET * HTTP/1.1" => refuse(400, "target-invalid");
        line "R13-options-asterisk" "9112 §3.2.4" b"OPTIONS * HTTP/1.1" => plain("OPTIONS * a");
        line "R13-options-absolute" "9112 §3.2.4" b"OPTIONS http://a HTTP/1.1" => plain("OPTIONS * a");
        line "R13-options-two-asterisks" "9112 §3.2.4" b"OPTIONS ** HTTP/1.1" => refuse(400, "target-invalid");
        line "R13-no-slash" "9112 §3.2" b"GET index.html HTTP/1.1" => refuse(400, "target-invalid");
        line "R13-only-a-query" "9112 §3.2" b"GET ?a HTTP/1.1" => refuse(400, "target-invalid");
        raw "R14-connect-and-more" "9110 §9.3.6" b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n" => decline(405, "CONNECT a:443 a:443", "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
        line "R15-dot-segments" "3986 §3.3" b"GET /a/../b HTTP/1.1" => decline(400, "GET /a/../b a", "");
        line "R15-encoded-dot-segments" "3986 §3.3" b"GET /a/%2e%2E/b HTTP/1.1" => decline(400, "GET /a/%2e%2E/b a", "");
        line "R15-dot-segments-after-parameter" "3986 §3.3" b"GET /a;x/../b HTTP/1.1" => decline(400, "GET /a;x/../b a", "");
        line "R15-dot-segment-with-parameter" "3986 §3.3" b"GET /a/..;x/b HTTP/1.1" => decline(400, "GET /a/..;x/b a", "");
        line "R15-empty-segment" "3986 §3.3" b"GET //b HTTP/1.1" => plain("GET //b a");
        line "R15-encoded-slash" "3986 §3.3" b"GET /a%2fb%2F...%2fc HTTP/1.1" => plain("GET /a%2fb%2F...%2fc a");
        line "R15-dot-segments-behind-encoded-slash" "3986 §3.3" b"GET /a%2fb%2F.. HTTP/1.1" => decline(400, "GET /a%2fb%2F.. a", "");
        line "R15-backslash" "3986 §3.3" b"GET /a\\b HTTP/1.1" => plain("GET /a\\b a");
        line "R16-encoded-crlf" "3986 §2.1" b"GET /%0d%0aX:%20y?%0d%0a HTTP/1.1" => plain("GET /%0d%0aX:%20y?%0d%0a a");
    }
}

/// R9: controls and bytes above 0x7e have no place in a target; the other odd ones pass as they are.
fn bytes_in_targets() -> Vec<RequestVector> {
    let mut all = request_table! {
        line "R9-odd-but-visible" "9112 §3.2" b"GET /\"<>\\^`{|}[]%?\"<>\\^`{|}[]%? HTTP/1.1" => plain("GET /\"<>\\^`{|}[]%?\"<>\\^`{|}[]%? a");
    };
    for byte in (0x01..=0x1f).chain(0x7f..=0xff_u8) {
        let why = match byte {
            b'\n' => "bare-lf",
            b'\r' => "bare-cr",
            b'\t' => "request-line-invalid",
            _ => "target-invalid",
        };
        for (place, before) in [("path", b"GET /a".as_slice()), ("query", b"GET /?a")] {
            let bytes = line(&[before, &[byte], b"b HTTP/1.1"].concat());
            all.push(refuse(
                &format!("R9-byte-{byte:02x}-in-{place}"),
                "RFC 9112 §3.2",
                400,
                why,
                bytes,
            ));
        }
    }
    all
}
