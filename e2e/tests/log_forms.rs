//! Access records as operators want them: one value for each attempt, forms of others, templates, header fields, a share of them, and
//! a file that is moved away.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use evenkeel_testkit::evenkeel::Signal;
use evenkeel_testkit::faults::DeadAddress;
use evenkeel_testkit::pki::Authority;
use evenkeel_testkit::tls::TlsOrigin;
use evenkeel_testkit::{Evenkeel, Folder, Origin, Reply, Setup, Speech, eventually};
use serde_json::Value;

/// The first line on stdout, which is waited for.
fn line(proxy: &Evenkeel) -> String {
    eventually("an access record", || {
        let text = proxy.log().stdout();
        text.lines().next().map(str::to_owned)
    })
}

#[track_caller]
fn millis(one: &Value, key: &str) -> f64 {
    let value = one[key].as_f64();
    assert!(value.is_some(), "no {key} in {one}");
    value.unwrap_or_default()
}

/// A cluster of an endpoint that is not there, one that is busy, and one that is well, which are asked in that order.
fn three() -> (DeadAddress, Origin, Origin, Setup) {
    let dead = DeadAddress::new();
    let busy = Origin::http(|_| Reply::new(503, "busy"));
    let well = Origin::saying("ok");
    let setup = Setup::to_addresses([dead.address(), busy.address(), well.address()])
        .cluster("balancer = \"first-available\"")
        .route("retry = { statuses = [503] }");
    (dead, busy, well, setup)
}

#[test]
fn each_attempt_has_its_values() {
    let (dead, busy, well, setup) = three();
    let proxy = Evenkeel::start(&setup);
    proxy.client().get("/").status(200).body("ok");
    let record = proxy.record();
    let tries = record["tries"].as_array().unwrap();
    assert_eq!(tries.len(), 3, "{record}");
    let of = |address: &str| {
        let mut found = tries.iter().filter(|one| one["endpoint"] == address);
        found.next().expect("an attempt there")
    };
    let (dead, busy, well) = (
        of(&dead.address()),
        of(&busy.address()),
        of(&well.address()),
    );
    assert_eq!(dead["why"], "connect-refused");
    assert_eq!(dead.get("status"), None);
    assert_eq!(dead.get("first_byte_ms"), None);
    assert_eq!(
        (&busy["why"], &busy["status"]),
        (&"503".into(), &503.into())
    );
    assert_eq!((busy.get("tls_ms"), well.get("why")), (None, None));
    assert_eq!(well["status"], 200);
    assert_eq!(&tries[2], well, "the last one last");
    let mut before = 0.0;
    for one in tries {
        let (began, total) = (millis(one, "began_ms"), millis(one, "total_ms"));
        assert!(began >= before, "one after the other: {record}");
        // Each time is cut to microseconds by itself.
        before = began + total - 0.002;
        assert!(millis(one, "connect_ms") <= total, "{record}");
    }
    assert!(before <= millis(&record, "total_ms"), "{record}");
    assert!(millis(well, "first_byte_ms") <= millis(well, "total_ms"));
    assert_eq!(record["attempts"], 3);
    assert_eq!(record["tried"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_template_has_them_with_commas() {
    let (dead, busy, well, setup) = three();
    let template = "{client} \"{method} {target}\" {status} {tries.endpoint} {tries.status} {tries.why} {request.x-a} {response.x-b}";
    let proxy = Evenkeel::start(&setup.sections(&format!(
        "[access_log]\nto = \"stdout\"\nformat = {{ template = '{template}' }}"
    )));
    proxy
        .client()
        .get_with("/x?y", "X-A: \u{9b}[31m\"\r\n")
        .status(200);
    let line = line(&proxy);
    let mut parts: Vec<&str> = line.split(' ').collect();
    assert_eq!(parts.len(), 9, "{line}");
    let mut endpoints: Vec<&str> = parts.remove(4).split(',').collect();
    endpoints.sort_unstable();
    let mut known = [dead.address(), busy.address(), well.address()];
    known.sort_unstable();
    assert_eq!(endpoints, known);
    let count = |text: &str, part: &str| text.split(',').filter(|one| *one == part).count();
    assert_eq!(count(parts[4], "503") + count(parts[4], "200"), 2, "{line}");
    assert_eq!(count(parts[5], "connect-refused"), 1, "{line}");
    assert_eq!(parts[..4], ["127.0.0.1", "\"GET", "/x?y\"", "200"]);
    assert_eq!(parts[6..], ["\\u009b[31m\\\"", "-"]);
}

#[test]
fn a_handshake_with_an_endpoint_has_a_time_of_its_own() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let tls = TlsOrigin::with(&authority.certify(&["127.0.0.1"]));
    let origin = Speech::h1().over(&tls).saying("ok");
    let ca = authority.write(&folder, "ca");
    let setup = Setup::to([&origin]).cluster(&format!("tls = {{ ca = {ca:?} }}"));
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    client.get("/1").status(200);
    client.get("/2").status(200);
    let records = proxy.records(2);
    let first = &records[0];
    assert!(
        0.0 < millis(first, "tls_ms") && millis(first, "tls_ms") <= millis(first, "connect_ms"),
        "{first}"
    );
    let second = &records[1];
    assert_eq!(
        (second.get("tls_ms"), &second["connect_ms"]),
        (None, &0.0.into()),
        "its connection was there"
    );
    for one in &records {
        assert_eq!(one.get("tries"), None, "the record says it all: {one}");
    }
}

#[test]
fn header_fields_stand_in_it_when_they_are_wanted() {
    let origin = Origin::http(|_| Reply::ok("ok").header("X-Cache", "hit, \"fresh\""));
    let setup = Setup::to([&origin]).sections(
        "[access_log]\nto = \"stdout\"\nformat = \"json\"\nrequest_headers = [\"Accept-Language\", \"referer\"]\nresponse_headers = \"x-cache\"",
    );
    let proxy = Evenkeel::start(&setup);
    let fields = "Accept-Language: de\r\naccept-language: en\r\nAuthorization: Basic c2VjcmV0\r\n";
    proxy.client().get_with("/", fields).status(200);
    proxy.h2().get("/2").status(200);
    let records = proxy.records(2);
    let of = |target: &str| {
        let mut found = records.iter().filter(|one| one["target"] == target);
        found.next().expect("a record of it")
    };
    let (first, second) = (of("/"), of("/2"));
    let wanted = serde_json::json!({ "accept-language": "de, en" });
    assert_eq!(first["request_headers"], wanted);
    assert_eq!(second.get("request_headers"), None);
    for one in [first, second] {
        assert_eq!(one["response_headers"]["x-cache"], "hit, \"fresh\"");
    }
    assert!(!proxy.log().to_string().contains("c2VjcmV0"));
}

#[test]
fn combined_is_what_readers_of_apache_s_logs_take() {
    let origin = Origin::saying("0123456789");
    let setup =
        Setup::to([&origin]).sections("[access_log]\nto = \"stdout\"\nformat = \"combined\"");
    let proxy = Evenkeel::start(&setup);
    proxy
        .client()
        .get_with(
            "/x?y=z",
            "Referer: http://a/\"b\r\nUser-Agent: Grüße \\o/\r\n",
        )
        .status(200);
    let line = line(&proxy);
    let (client, rest) = line.split_once(" - - [").unwrap();
    assert_eq!(client, "127.0.0.1");
    let (time, rest) = rest.split_once("] ").unwrap();
    assert_eq!(time.len(), "28/Nov/2026:10:00:00 +0000".len(), "{time}");
    assert!(
        time.ends_with(" +0000") && time.as_bytes()[2] == b'/',
        "{time}"
    );
    assert_eq!(
        rest,
        "\"GET /x?y=z HTTP/1.1\" 200 10 \"http://a/\\\"b\" \"Gr\\xc3\\xbc\\xc3\\x9fe \\\\o/\""
    );
}

#[test]
fn of_a_share_of_nothing_the_failures_are_left() {
    let (dead, origin) = (DeadAddress::new(), Origin::saying("ok"));
    let setup = Setup::to([&origin])
        .add_route("path = \"/dead\"\ncluster = \"dead\"")
        .sections(&format!(
            "[access_log]\nto = \"stdout\"\nformat = \"json\"\nsample = \"0%\"\nslow = \"1h\"\n[cluster.dead]\nendpoints = [\"{}\"]",
            dead.address()
        ));
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    for _ in 0..5 {
        client.get("/").status(200);
    }
    client.get("/dead").status(502);
    // The same connection, so the same worker, whose records are in order: the five would stand before it.
    let record = proxy.record();
    assert_eq!(record["fault"], "connect-refused");
    assert_eq!(record.get("sampled"), None, "it stands for itself");
}

#[test]
fn what_is_drawn_says_for_how_many_it_stands() {
    let origin = Origin::saying("ok");
    let setup = Setup::to([&origin]).sections(
        "[access_log]\nto = \"stdout\"\nformat = \"json\"\nsample = \"25%\"\nslow = \"1h\"",
    );
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    // That none of 200 is drawn does not happen: 0.75 to the power of 200 is 10 to the power of -25.
    for _ in 0..200 {
        client.get("/").status(200);
    }
    let records = proxy.records(1);
    assert!(records.iter().all(|one| one["sampled"] == 4), "{records:?}");
}

/// The steps of logrotate: the file is moved, SIGUSR1 is sent, and the old one is read and compressed.
#[test]
fn a_file_that_was_moved_away_is_opened_anew() {
    let origin = Origin::saying("ok");
    let setup = Setup::to([&origin]).sections(
        "[access_log]\nto = { file = \"a.log\" }\nformat = { template = \"{path}\" }\nmode = \"0600\"",
    );
    let proxy = Evenkeel::start(&setup);
    let (now, moved) = (proxy.folder().join("a.log"), proxy.folder().join("a.log.1"));
    let read = |path: &std::path::Path| fs::read_to_string(path).unwrap_or_default();
    let mut client = proxy.client();
    client.get("/1").status(200);
    eventually("the first record", || (read(&now) == "/1\n").then_some(()));
    fs::rename(&now, &moved).unwrap();
    client.get("/2").status(200);
    proxy.signal(Signal::User1);
    proxy.log().wait_for("the file opened anew", |line| {
        line.contains("was opened anew")
    });
    assert_eq!(read(&moved), "/1\n/2\n", "whole, when the log says so");
    client.get("/3").status(200);
    eventually("the third record", || (read(&now) == "/3\n").then_some(()));
    assert_eq!(read(&moved), "/1\n/2\n");
    for path in [&now, &moved] {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "nobody else may read them");
    }
}
