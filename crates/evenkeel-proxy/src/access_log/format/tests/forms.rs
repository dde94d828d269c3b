//! Common, combined, templates and header fields.

use std::collections::HashMap;

use evenkeel_base::ResponseHead;
use evenkeel_config::model::{LogField, Stands};
use evenkeel_http1::{Asked, Limits, ResponseParser};

use super::*;
use crate::kept_headers::KeptHeaders;

const PLAIN: &[u8] = b"GET /a?b=c HTTP/1.1\r\nHost: a\r\nReferer: http://x/\"y\\z\r\nUser-Agent: curl/8 \xc3\xbc\tx\r\n\r\n";

/// An exchange that went well.
fn good() -> Record {
    let mut record = Record::new(Instant::now(), [b'0'; 32]);
    record.client = Some("203.0.113.9".parse().unwrap());
    record.status = 200;
    record.bytes_out = 2_326;
    record.route = Some(RouteId::new(0));
    record.endpoint = Some((ClusterId::new(0), 1));
    record.attempts = 1;
    record.last.began = record.began;
    record.last.head = Some(record.began + Duration::from_millis(7));
    record.last.status = 200;
    record.first_byte = Some(Duration::from_millis(7));
    record.ended = record.began + Duration::from_millis(8);
    record
}

fn template(template: &str, bytes: &[u8], record: &Record) -> String {
    let log = format!("format = {{ template = '{template}' }}");
    let line = write(&log, bytes, &rig::parse(bytes).unwrap_or_default(), record);
    line.strip_suffix('\n').unwrap().to_owned()
}

#[test]
fn both_forms_of_clf_are_what_apache_writes() {
    let head = rig::parse(PLAIN).unwrap();
    let mut record = good();
    let short = "203.0.113.9 - - [22/Nov/2026:18:20:17 +0000] \"GET /a?b=c HTTP/1.1\" 200 2326";
    assert_eq!(
        write("format = \"common\"", PLAIN, &head, &record),
        format!("{short}\n")
    );
    assert_eq!(
        write("format = \"combined\"", PLAIN, &head, &record),
        format!("{short} \"http://x/\\\"y\\\\z\" \"curl/8 \\xc3\\xbc\\tx\"\n")
    );
    record.bytes_out = 0;
    record.client = None;
    record.status = 304;
    let bare = b"HEAD / HTTP/1.0\r\n\r\n";
    assert_eq!(
        write(
            "format = \"combined\"",
            bare,
            &rig::parse(bare).unwrap(),
            &record
        ),
        "unix: - - [22/Nov/2026:18:20:17 +0000] \"HEAD / HTTP/1.0\" 304 - \"-\" \"-\"\n"
    );
    record.status = 400;
    assert_eq!(
        write("format = \"common\"", b"", &RequestHead::default(), &record),
        "unix: - - [22/Nov/2026:18:20:17 +0000] \"-\" 400 -\n",
        "what could not be read"
    );
}

#[test]
fn templates_have_one_value_for_each_attempt() {
    let text = "{client} {method} {path} {query} {status} {tries.endpoint} {tries.began_ms} {tries.why} {tries.status} {tries.first_byte_ms} {tried}";
    assert_eq!(
        template(text, REQUEST, &full()),
        "192.0.2.1 POST /api/x q=1 502 10.0.0.1:80,two,10.0.0.1:80,two 0.000,10.000,20.000,30.000 \
         endpoint-reset,503,cancelled,connect-refused -,503,-,- -,-,-,- 10.0.0.1:80/endpoint-reset,two/503,10.0.0.1:80/cancelled"
    );
    assert_eq!(
        template(text, PLAIN, &good()),
        "203.0.113.9 GET /a b=c 200 two 0.000 - 200 7.000 -"
    );
    assert_eq!(
        template(text, b"", &bare()),
        "unix - / - 404 - - - - - -",
        "columns stay columns"
    );
}

#[test]
fn templates_keep_what_is_written_and_escape_what_was_sent() {
    assert_eq!(
        template(
            "{{\"a\": \"{user_agent}\"}}\t{request.referer} {response.x}",
            PLAIN,
            &good()
        ),
        "{\"a\": \"curl/8 ü\\u0009x\"}\thttp://x/\\\"y\\\\z -"
    );
    assert_eq!(
        template("{time_clf} {request_line} {sampled}", PLAIN, &good()),
        "22/Nov/2026:18:20:17 +0000 GET /a?b=c HTTP/1.1 1"
    );
}

/// Every field of the table has in a template the value that the JSON object has under its name.
#[test]
fn the_table_the_json_object_and_templates_agree() {
    let head = rig::parse(REQUEST).unwrap();
    let mut record = full();
    record.grpc = Some(GrpcStatus::Unavailable);
    let object: Value =
        serde_json::from_str(&written(JSON, REQUEST, &head, (&record, 2_500))).unwrap();
    let object = object.as_object().unwrap();
    let mut keys: HashMap<String, Vec<Value>> = HashMap::new();
    for (key, value) in object {
        match value.as_array().filter(|_| key == "tries") {
            None => drop(keys.insert(key.clone(), vec![value.clone()])),
            Some(tries) => {
                for (key, value) in tries.iter().flat_map(|one| one.as_object().unwrap()) {
                    let all = keys.entry(format!("tries.{key}")).or_default();
                    all.push(value.clone());
                }
            }
        }
    }
    for field in LogField::ALL {
        let name = field.name();
        let is_there = keys.remove(name);
        let log = format!("format = {{ template = '{{{name}}}' }}");
        let shown = written(&log, REQUEST, &head, (&record, 2_500));
        let shown = shown.trim_end();
        match (field.stands(), is_there) {
            (Stands::Template, None) => {}
            // Of a connection with TLS, or of a response, which this one has not; and what is written in another way.
            (Stands::Everywhere, None) => {
                assert!(
                    ["tls", "sni", "trace_id", "tries.first_byte_ms"].contains(&name),
                    "{name}"
                );
            }
            (Stands::Everywhere, Some(_)) if name == "tried" => {}
            (Stands::Everywhere, Some(values)) => {
                let values: Vec<String> = values.iter().map(plain).collect();
                let shown: Vec<String> = shown.split(',').map(plain_text).collect();
                let missing = |text: &&String| *text != "-" && *text != "0";
                let shown: Vec<&String> = shown.iter().filter(missing).collect();
                let values: Vec<&String> = values.iter().filter(missing).collect();
                assert_eq!(shown, values, "{name}");
            }
            (Stands::Template, Some(_)) => panic!("{name} is in the object"),
        }
    }
    assert!(keys.is_empty(), "not in the table: {keys:?}");
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.replace('"', "\\\""),
        other => plain_text(&other.to_string()),
    }
}

/// A number without zeros behind the point.
fn plain_text(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(number) if text.contains('.') => number.to_string(),
        _ => text.to_owned(),
    }
}

/// The fields of these names of a response.
fn kept<const N: usize>(names: [&str; N]) -> Box<KeptHeaders> {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nVary: a\r\n\r\n";
    let mut response = ResponseHead::default();
    let asked = Asked::default();
    let parsed = ResponseParser::default().parse(answer, &Limits::default(), asked, &mut response);
    assert!(parsed.unwrap().is_some());
    let names = names.map(str::to_owned).into();
    Box::new(KeptHeaders::keep(&names, &response.view(answer)))
}

#[test]
fn a_reply_of_ours_is_not_recorded_with_the_endpoint_s_header_fields() {
    let mut record = good();
    record.response = Some(kept(["content-type"]));
    record.fail(Fault::UpgradeMismatch);
    let head = rig::parse(REQUEST).unwrap();
    let wanted = "response_headers = [\"content-type\"]";
    let line = write(&format!("{JSON}\n{wanted}"), REQUEST, &head, &record);
    let value: Value = serde_json::from_str(&line).unwrap();
    assert!(value.get("response_headers").is_none(), "{value}");
}

#[test]
fn header_fields_are_there_when_they_were_sent() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nX-A: one\r\nx-a: \"two\"\r\nX-B:\r\n\r\n";
    let head = rig::parse(bytes).unwrap();
    let fields = "request_headers = [\"X-A\", \"x-b\", \"x-c\"]\nresponse_headers = [\"Content-Type\", \"x-d\"]";
    let mut record = good();
    record.response = Some(kept(["content-type", "x-d"]));
    let line = write(&format!("{JSON}\n{fields}"), bytes, &head, &record);
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        value["request_headers"],
        json!({ "x-a": "one, \"two\"", "x-b": "" })
    );
    assert_eq!(
        value["response_headers"],
        json!({ "content-type": "text/html" })
    );
    let line = write(&format!("{TEXT}\n{fields}"), bytes, &head, &record);
    assert!(
        line.ends_with(" request.x-a=\"one, \\\"two\\\"\" request.x-b=\"\" response.content-type=\"text/html\"\n"),
        "{line}"
    );
    let none = write(
        &format!("{JSON}\n{fields}"),
        REQUEST,
        &rig::parse(REQUEST).unwrap(),
        &good(),
    );
    let none: Value = serde_json::from_str(&none).unwrap();
    assert!(none.get("request_headers").is_none() && none.get("response_headers").is_none());
}

#[test]
fn long_header_fields_are_cut() {
    let long = "ü".repeat(700);
    let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: {long}\r\nX-A: more\r\n\r\n");
    let head = rig::parse(bytes.as_bytes()).unwrap();
    let line = template("{request.x-a}", bytes.as_bytes(), &good());
    assert_eq!(line, "ü".repeat(256));
    assert!(head.view(bytes.as_bytes()).fields().count() > 2);
}

#[test]
fn a_record_says_for_how_many_it_stands() {
    let head = rig::parse(PLAIN).unwrap();
    for (stands_for, expected) in [
        (10_000, "10"),
        (3_333, "3.333"),
        (1_250, "1.25"),
        (1_001, "1.001"),
    ] {
        let line = written(JSON, PLAIN, &head, (&good(), stands_for));
        assert!(
            line.ends_with(&format!(",\"sampled\":{expected}}}\n")),
            "{line}"
        );
        let line = written(TEXT, PLAIN, &head, (&good(), stands_for));
        assert!(line.ends_with(&format!(" sampled={expected}\n")), "{line}");
    }
    let line = write(JSON, PLAIN, &head, &good());
    assert!(!line.contains("sampled"), "{line}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever bytes a field has, a line of Apache's is printable ASCII, and the bytes can be read back.
    #[test]
    fn any_bytes_are_one_line_of_apache_s(value in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut bytes = b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent:".to_vec();
        bytes.extend_from_slice(&value);
        bytes.extend_from_slice(b"\r\n\r\n");
        let Some(head) = rig::parse(&bytes) else {
            return Ok(());
        };
        let line = write("format = \"combined\"", &bytes, &head, &good());
        let line = line.strip_suffix('\n').unwrap();
        prop_assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)), "{line:?}");
        let (_, agent) = line.split_once("\"-\" \"").unwrap();
        let sent = head.view(&bytes).fields().nth(1).unwrap().value.to_vec();
        prop_assert_eq!(unescape(agent.strip_suffix('"').unwrap()), sent);
    }
}

/// Reads what Apache escapes.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next().unwrap() {
            b'x' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            b'b' => 8,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            other => other,
        });
    }
    out
}
