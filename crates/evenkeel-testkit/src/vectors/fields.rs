//! H and U: field lines, limits of the head, upgrades and expectations (RFC 9112 §5, RFC 9110 §7.8, §10.1.1).

use super::{Message, RequestVector, accept, fields, refuse, request_table};

/// Every case of the families.
pub(super) fn all() -> Vec<RequestVector> {
    let mut all = shapes();
    all.extend(bytes());
    all.extend(sizes());
    all.extend(hop_by_hop());
    all
}

fn shapes() -> Vec<RequestVector> {
    request_table! {
        fields "H1-space-before-colon" "9112 §5.1" b"X-A : b" => refuse(400, "space-before-colon");
        fields "H1-tabs-before-colon" "9112 §5.1" b"X-A\t \t: b" => refuse(400, "space-before-colon");
        fields "H2-fold" "9112 §5.2" b"X: a\r\n b" => refuse(400, "line-fold");
        fields "H2-fold-with-tab" "9112 §5.2" b"X: a\r\n\tb" => refuse(400, "line-fold");
        fields "H2-fold-of-white-space" "9112 §5.2" b"X: a\r\n \r\nY: b" => refuse(400, "line-fold");
        raw "H2-folded-host" "9112 §5.2" b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n" => refuse(400, "line-fold");
        raw "H2-fold-first" "9112 §2.2" b"GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n" => refuse(400, "line-fold");
        fields "H3-no-colon" "9112 §5" b"NoColonHere" => refuse(400, "colon-missing");
        fields "H3-only-spaces-inside" "9112 §5" b"No colon here" => refuse(400, "colon-missing");
        fields "H3-request-line" "9110 §5.1" b"GET http://b/ HTTP/1.1" => refuse(400, "name-invalid");
        raw "H5-values" "9110 §5.5" b"GET / HTTP/1.1\r\nHost: a\r\nEmpty:\r\nTabbed: a\tb\r\nHigh: \x80\xff\r\nColons: a:b: c\r\nQuoted: \"a, b\"\r\n\r\n" => plain("GET / a");
        raw "H5-repeated-fields" "9110 §5.3" b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nx: 2\r\nX: 1\r\n\r\n" => plain("GET / a");
        raw "H6-incomplete" "9112 §2.2" b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n" => incomplete();
    }
}

/// H4 and H5: every byte that no name, and every byte that no value may have.
fn bytes() -> Vec<RequestVector> {
    let mut all = Vec::new();
    let delimiters = b"\"(),/;<=>?@[\\]{}";
    for byte in (0..=b' ')
        .chain(0x7f..=0xff)
        .chain(delimiters.iter().copied())
    {
        let (at_start, inside) = match byte {
            b'\r' => ("bare-cr", "bare-cr"),
            b'\n' => ("bare-lf", "bare-lf"),
            b'\t' | b' ' => ("line-fold", "name-invalid"),
            _ => ("name-invalid", "name-invalid"),
        };
        for (place, why, before) in [
            ("start", at_start, b"".as_slice()),
            ("inside", inside, b"X"),
        ] {
            let bytes = fields(&[before, &[byte], b"Y: z"].concat());
            all.push(refuse(
                &format!("H4-byte-{byte:02x}-{place}"),
                "RFC 9110 §5.1",
                400,
                why,
                bytes,
            ));
        }
    }
    for byte in (0..=0x1f).filter(|byte| *byte != b'\t').chain([0x7f_u8]) {
        let why = match byte {
            b'\r' => "bare-cr",
            b'\n' => "bare-lf",
            _ => "value-invalid",
        };
        for (place, before, after) in [("start", "", "b"), ("inside", "a", "b"), ("end", "a", "")] {
            let lines = [b"X: ", before.as_bytes(), &[byte], after.as_bytes()].concat();
            let id = format!("H5-byte-{byte:02x}-{place}");
            all.push(refuse(&id, "RFC 9110 §5.5", 400, why, fields(&lines)));
        }
    }
    all
}

/// H6 and H7: more than the default limits.
fn sizes() -> Vec<RequestVector> {
    let value = |length: usize| fields(format!("X: {}", "v".repeat(length)).as_bytes());
    let name = |length: usize| fields(format!("{}: v", "n".repeat(length)).as_bytes());
    let many = |count: usize| {
        let lines = "a:\r\n".repeat(count);
        format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n").into_bytes()
    };
    let named = |count: usize| {
        let names = "x,".repeat(count);
        format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {names}\r\n\r\n").into_bytes()
    };
    let get = Message {
        method: "GET",
        target: "/",
        host: "a",
        ..Message::default()
    };
    let rfc = "RFC 9110 §5.4";
    vec![
        accept("H8-connection-names-32", rfc, named(32), get.clone()),
        refuse(
            "H8-connection-names-33",
            rfc,
            431,
            "too-many-options",
            named(33),
        ),
        refuse(
            "H6-value-of-64-k",
            rfc,
            431,
            "head-too-large",
            value(65_536),
        ),
        refuse(
            "H6-value-of-1-m",
            rfc,
            431,
            "head-too-large",
            value(1 << 20),
        ),
        refuse("H6-name-of-64-k", rfc, 431, "head-too-large", name(65_536)),
        accept("H7-100-fields", rfc, many(99), get),
        refuse("H7-101-fields", rfc, 431, "too-many-fields", many(100)),
        refuse(
            "H7-100000-fields",
            rfc,
            431,
            "too-many-fields",
            many(99_999),
        ),
    ]
}

fn hop_by_hop() -> Vec<RequestVector> {
    request_table! {
        raw "H8-connection-names-fields" "9110 §7.6.1" b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nCookie: c\r\nConnection: X-Forwarded-For, X-Real-IP, Authorization, Host, Content-Length, Cookie\r\n\r\nhello" => known("POST / a", "hello", "");
        raw "H8-connection-is-odd" "9110 §7.6.1" b"GET / HTTP/1.1\r\nHost: a\r\nConnection: ,,\"close\",\xff\r\n\r\n" => plain("GET / a");
        raw "H9-hop-by-hop" "9110 §7.6.1" b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nProxy-Connection: close\r\nTE: gzip\r\nProxy-Authorization: x\r\n\r\n" => plain("GET / a");
        raw "H11-trace" "9110 §9.3.8" b"TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n" => decline(405, "TRACE / a", "");
        raw "U1-bytes-behind-upgrade" "9110 §7.8" b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n" => known("GET / a", "", "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n");
        raw "U2-upgrade-with-body" "9110 §7.8" b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello" => known("GET / a", "hello", "");
        raw "U3-h2c" "9113 §3.1" b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n" => plain("GET / a");
        raw "U4-unknown-expectation" "9110 §10.1.1" b"GET / HTTP/1.1\r\nHost: a\r\nExpect: x 100-continue\r\n\r\n" => decline(417, "GET / a", "");
        raw "U4-expectation-list" "9110 §10.1.1" b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, y\r\n\r\n" => decline(417, "GET / a", "");
        raw "U4-expectation-in-1.0" "9110 §10.1.1" b"POST / HTTP/1.0\r\nHost: a\r\nExpect: y\r\nContent-Length: 5\r\n\r\nhello" => known("POST / a", "hello", "");
    }
}
