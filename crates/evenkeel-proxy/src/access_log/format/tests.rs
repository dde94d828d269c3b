//! Access records of whole exchanges: JSON that a parser reads back, and lines that stay lines whatever was sent.

mod forms;

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use evenkeel_base::{ClusterId, Fault, GrpcStatus, RequestHead, RouteId};
use evenkeel_config::{Nowhere, check};
use evenkeel_policy::Failure;
use evenkeel_state::{Names, Registry, Resolved, Snapshot};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::Entry;
use crate::access_log::Exchange;
use crate::access_log::line::MAX_TEXT;
use crate::access_log::page::Page;
use crate::access_log::rules::{ONE, Rules};
use crate::access_log::time::{Clock, Stamps};
use crate::attempted::{Attempted, Fate};
use crate::record::Record;
use crate::rig;

/// The two forms that the project itself has made.
const JSON: &str = "format = \"json\"";
const TEXT: &str = "format = \"text\"";

/// A snapshot with these lines about the access log.
fn snapshot(log: &str) -> Snapshot {
    let text = format!("version = 1\n[access_log]\n{log}\n{REST}");
    let config = check(&text, "test", &Nowhere).config.unwrap();
    Registry::new(1, &[0; 32]).compile(config, &Resolved::new(), 1)
}

/// What else is configured.
const REST: &str = r#"
        [listener.web]
        bind = "127.0.0.1:0"
        [[route]]
        name = "api"
        path = "/api"
        cluster = "app"
        [cluster.app]
        endpoints = ["10.0.0.1:80", { address = "10.0.0.2:80", id = "two" }]
    "#;

/// The stamps of a moment of which the tests know how it is written.
fn stamps() -> Stamps {
    let now = Instant::now();
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_371_617_123);
    Clock::set(now, time).stamps(now).clone()
}

/// Writes the record of a request as these lines about the access log want it.
fn write(log: &str, bytes: &[u8], head: &RequestHead, record: &Record) -> String {
    written(log, bytes, head, (record, ONE))
}

/// The same of one that stands for others.
fn written(
    log: &str,
    bytes: &[u8],
    head: &RequestHead,
    (record, stands_for): (&Record, u32),
) -> String {
    let snapshot = snapshot(log);
    let rules = Rules::of(&snapshot.config.access_log);
    let from: IpAddr = "203.0.113.9".parse().unwrap();
    let exchange = Exchange {
        names: Names::In(&snapshot),
        listener: "web",
        from: (Some(from), "203.0.113.9"),
        proof: None,
        request: head.view(bytes),
        record,
        took: Duration::ZERO,
        stands_for,
    };
    let stamps = stamps();
    let entry = Entry {
        stamps: &stamps,
        rules: &rules,
        total: Duration::from_micros(12_345),
        exchange: &exchange,
    };
    let mut page = Page::new();
    assert!(page.add(|line| super::write(&entry, line)));
    String::from_utf8(page.filled().to_vec()).unwrap()
}

/// An attempt that took ten milliseconds.
fn tried(record: &mut Record, endpoint: usize, fate: Fate) {
    let began = record.began + Duration::from_millis(record.tried.len() as u64 * 10);
    record.tried(Attempted {
        endpoint,
        began,
        queued: Duration::ZERO,
        connect: Duration::from_millis(2),
        tls: Duration::from_millis(1),
        head: None,
        ended: began + Duration::from_millis(10),
        fate,
    });
}

/// An exchange in which everything happened.
fn full() -> Record {
    let mut record = Record::new(Instant::now(), [b'0'; 32]);
    record.client = Some("192.0.2.1".parse().unwrap());
    record.status = 502;
    record.fault = Some(Fault::ConnectRefused);
    record.detail = Some("retry-budget-spent");
    record.route = Some(RouteId::new(0));
    record.endpoint = Some((ClusterId::new(0), 1));
    record.attempts = 3;
    tried(
        &mut record,
        0,
        Fate::Failed(Failure::Fault(Fault::EndpointReset)),
    );
    tried(&mut record, 1, Fate::Failed(Failure::Status(503)));
    tried(&mut record, 0, Fate::Cancelled);
    record.queued = Duration::from_micros(1_500);
    record.connect = Duration::from_micros(250);
    record.last.tls = Duration::from_micros(125);
    let began = record.began + Duration::from_millis(30);
    record.last.failed = Some(Box::new(Attempted {
        endpoint: 1,
        began,
        queued: Duration::from_micros(1_500),
        connect: record.connect,
        tls: record.last.tls,
        head: None,
        ended: began + record.connect,
        fate: Fate::Failed(Failure::Fault(Fault::ConnectRefused)),
    }));
    record.first_byte = Some(Duration::from_millis(7));
    record.bytes_in = 5;
    record.bytes_out = u64::MAX;
    record
}

/// An exchange in which nothing did.
fn bare() -> Record {
    let mut record = Record::new(Instant::now(), [b'0'; 32]);
    record.status = 404;
    record
}

const REQUEST: &[u8] = b"POST /api/x?q=1 HTTP/1.1\r\nHost: app.example\r\nUser-Agent: curl/8 \"x\"\r\nX-Request-Id: id-1\r\nContent-Length: 5\r\n\r\n";

#[test]
fn json_tells_everything_that_is_known() {
    let head = rig::parse(REQUEST).unwrap();
    let line = write(JSON, REQUEST, &head, &full());
    let tried = |endpoint: &str, began: f64, why: &str| {
        json!({
            "endpoint": endpoint, "began_ms": began, "connect_ms": 2.0, "tls_ms": 1.0, "total_ms": 10.0,
            "why": why,
        })
    };
    assert!(line.ends_with("}\n"));
    let expected = json!({
        "time": "2026-11-22T18:20:17.123Z",
        "listener": "web",
        "client": "192.0.2.1",
        "method": "POST",
        "host": "app.example",
        "target": "/api/x?q=1",
        "version": "1.1",
        "status": 502,
        "route": "api",
        "cluster": "app",
        "endpoint": "two",
        "attempts": 3,
        "connect_ms": 0.25,
        "tls_ms": 0.125,
        "tried": [
            { "endpoint": "10.0.0.1:80", "why": "endpoint-reset" },
            { "endpoint": "two", "why": "503" },
            { "endpoint": "10.0.0.1:80", "why": "cancelled" },
        ],
        "tries": [
            tried("10.0.0.1:80", 0.0, "endpoint-reset"),
            json!({
                "endpoint": "two", "began_ms": 10.0, "connect_ms": 2.0, "tls_ms": 1.0, "total_ms": 10.0,
                "status": 503, "why": "503",
            }),
            tried("10.0.0.1:80", 20.0, "cancelled"),
            json!({
                "endpoint": "two", "began_ms": 30.0, "queued_ms": 1.5, "connect_ms": 0.25, "tls_ms": 0.125, "total_ms": 0.25,
                "why": "connect-refused",
            }),
        ],
        "queued_ms": 1.5,
        "first_byte_ms": 7.0,
        "total_ms": 12.345,
        "bytes_in": 5,
        "bytes_out": u64::MAX,
        "fault": "connect-refused",
        "detail": "retry-budget-spent",
        "request_id": "id-1",
        "user_agent": "curl/8 \"x\"",
    });
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), expected);
}

#[test]
fn both_forms_tell_how_a_call_ended() {
    let head = rig::parse(REQUEST).unwrap();
    let mut record = bare();
    record.status = 200;
    record.grpc = Some(GrpcStatus::DeadlineExceeded);
    record.endpoint = Some((ClusterId::new(0), 1));
    tried(
        &mut record,
        0,
        Fate::Failed(Failure::Grpc(GrpcStatus::Unavailable)),
    );
    let line = write(JSON, REQUEST, &head, &record);
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["status"], 200);
    assert_eq!(line["grpc_status"], "deadline-exceeded");
    assert_eq!(line["tried"][0]["why"], "unavailable");
    let line = write(TEXT, REQUEST, &head, &record);
    assert!(
        line.contains("\" 200 grpc_status=deadline-exceeded in="),
        "{line}"
    );
}

#[test]
fn json_leaves_out_what_is_not_there() {
    let bytes = b"GET / HTTP/1.0\r\n\r\n";
    let line = write(JSON, bytes, &rig::parse(bytes).unwrap(), &bare());
    let expected = json!({
        "time": "2026-11-22T18:20:17.123Z",
        "listener": "web",
        "client": "unix",
        "method": "GET",
        "host": "",
        "target": "/",
        "version": "1.0",
        "status": 404,
        "total_ms": 12.345,
        "bytes_in": 0,
        "bytes_out": 0,
        "request_id": "0".repeat(32),
    });
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), expected);
}

#[test]
fn text_is_one_line_for_people() {
    let head = rig::parse(REQUEST).unwrap();
    assert_eq!(
        write(TEXT, REQUEST, &head, &full()),
        "2026-11-22T18:20:17.123Z 192.0.2.1 \"POST /api/x?q=1\" 502 in=5 out=18446744073709551615 route=api \
         endpoint=app/two attempts=3 connect=0.250ms tried=10.0.0.1:80/endpoint-reset,two/503,10.0.0.1:80/cancelled \
         queued=1.500ms first=7.000ms total=12.345ms fault=connect-refused \
         detail=retry-budget-spent\n"
    );
    let mut record = bare();
    record.client = Some("203.0.113.9".parse().unwrap());
    assert_eq!(
        write(TEXT, REQUEST, &head, &record),
        "2026-11-22T18:20:17.123Z 203.0.113.9 \"POST /api/x?q=1\" 404 in=0 out=0 total=12.345ms\n"
    );
}

#[test]
fn a_request_that_could_not_be_read_has_a_record_as_well() {
    let head = RequestHead::default();
    let mut record = bare();
    record.fail(Fault::RequestMalformed);
    record.detail = Some("header-name-invalid");
    let line = write(JSON, b"", &head, &record);
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&value["method"], &value["status"]),
        (&json!(""), &json!(400))
    );
    let line = write(TEXT, b"", &head, &record);
    assert!(
        line.contains(" \"") && line.ends_with("detail=header-name-invalid\n"),
        "{line}"
    );
}

#[test]
fn ids_that_lead_nowhere_are_left_out() {
    let head = rig::parse(REQUEST).unwrap();
    let mut record = full();
    record.route = Some(RouteId::new(7));
    record.endpoint = Some((ClusterId::new(0), 7));
    let line = write(JSON, REQUEST, &head, &record);
    let value: Value = serde_json::from_str(&line).unwrap();
    assert!(
        value.get("route").is_none() && value.get("endpoint").is_none(),
        "{line}"
    );
}

#[test]
fn one_request_does_not_fill_the_log() {
    let long = "a".repeat(6_000);
    let bytes = format!("GET /{long}?{long} HTTP/1.1\r\nHost: a\r\nUser-Agent: {long}\r\n\r\n");
    let bytes = bytes.replacen(&long, &long[..1_500], 2);
    let head = rig::parse(bytes.as_bytes()).unwrap();
    for form in [JSON, TEXT] {
        let line = write(form, bytes.as_bytes(), &head, &full());
        assert!(line.len() < 5 * MAX_TEXT, "{} bytes", line.len());
    }
}

/// The longest record there can be fits on a page that calls itself not full.
#[test]
fn the_longest_record_fits() {
    let worst = "\u{ef80}".repeat(400);
    let bytes = format!(
        "GET /?{} HTTP/1.1\r\nHost: a\r\nUser-Agent: {worst}\r\n\r\n",
        "\"".repeat(1_400)
    );
    let head = rig::parse(bytes.as_bytes()).unwrap();
    let agent = 6 * (MAX_TEXT - 1);
    for (form, least) in [(JSON, agent), (TEXT, 0)] {
        let line = write(form, bytes.as_bytes(), &head, &full());
        assert!(line.len() > 2 * MAX_TEXT + least, "{} bytes", line.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever bytes a field has: JSON with the agent as text when it is text, and always one line.
    #[test]
    fn any_bytes_are_one_line(value in prop::collection::vec(any::<u8>(), 0..40), query in "[!-~]{0,20}") {
        let mut bytes = format!("GET /?{query} HTTP/1.1\r\nHost: a\r\nUser-Agent:").into_bytes();
        bytes.extend_from_slice(&value);
        bytes.extend_from_slice(b"\r\n\r\n");
        let Some(head) = rig::parse(&bytes) else {
            return Ok(());
        };
        let line = write(JSON, &bytes, &head, &bare());
        let read: Value = serde_json::from_str(&line).unwrap();
        let agent = head.view(&bytes).fields().nth(1).unwrap().value;
        if let Ok(agent) = str::from_utf8(agent) {
            prop_assert_eq!(read["user_agent"].as_str(), Some(agent));
        }
        prop_assert_eq!(&read["target"], &json!(format!("/?{query}")));
        for form in [JSON, TEXT] {
            let line = write(form, &bytes, &head, &bare());
            let inside = line.strip_suffix('\n').unwrap();
            prop_assert!(!inside.chars().any(char::is_control), "{line:?}");
        }
    }
}
