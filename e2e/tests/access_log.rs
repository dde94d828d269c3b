//! One record for each exchange, whatever became of it.

use std::fs;

use evenkeel_testkit::faults::DeadAddress;
use evenkeel_testkit::{Evenkeel, Origin, Reply, Setup, eventually};

#[test]
fn a_record_tells_the_whole_exchange() {
    let origin = Origin::http(|_| Reply::ok("0123456789"));
    let setup =
        Setup::to([&origin]).add_route("name = \"named\"\npath = \"/named\"\ncluster = \"app\"");
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    client
        .ask(
            "POST",
            "/named/x?y=z",
            "User-Agent: me/1\r\nContent-Length: 3\r\n",
            "abc",
        )
        .status(200);
    let record = proxy.record();
    for (key, value) in [
        ("listener", "web"),
        ("client", "127.0.0.1"),
        ("method", "POST"),
        ("host", "a.example"),
        ("target", "/named/x?y=z"),
        ("version", "1.1"),
        ("route", "named"),
        ("cluster", "app"),
        ("endpoint", &origin.address()),
        ("user_agent", "me/1"),
    ] {
        assert_eq!(record[key], value, "{key} of {record}");
    }
    for (key, value) in [
        ("status", 200),
        ("attempts", 1),
        ("bytes_in", 3),
        ("bytes_out", 10),
    ] {
        assert_eq!(record[key], value, "{key} of {record}");
    }
    assert_eq!(record.get("fault"), None, "{record}");
    let millis = |key: &str| {
        record[key]
            .as_f64()
            .unwrap_or_else(|| panic!("{key} of {record}"))
    };
    assert!(
        millis("connect_ms") > 0.0 && millis("connect_ms") <= millis("first_byte_ms"),
        "{record}"
    );
    assert!(millis("first_byte_ms") <= millis("total_ms"), "{record}");
    let time = record["time"].as_str().unwrap();
    assert!(
        time.len() == 24 && time.starts_with("20") && time.ends_with('Z'),
        "{time}"
    );
    // Taken from the pool, the second one needs no connect.
    client.get("/").status(200);
    assert!(proxy.records(2)[1]["total_ms"].as_f64().is_some());
}

#[test]
fn a_failure_has_the_name_that_the_client_was_told() {
    let dead = DeadAddress::new();
    let proxy = Evenkeel::start(&Setup::to_addresses([dead.address()]));
    proxy.client().get("/").status(502).fault("connect-refused");
    let record = proxy.record();
    assert_eq!(record["fault"], "connect-refused");
    assert_eq!(record["status"], 502);
    assert_eq!(record["endpoint"], dead.address().as_str());
    assert_eq!(record["attempts"], 3);
}

#[test]
fn requests_that_were_refused_are_recorded_too() {
    let proxy = Evenkeel::start(&Setup::to_addresses(["127.0.0.1:9"]));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost : a\r\n\r\n");
    client.response("GET").status(400);
    let record = proxy.record();
    assert_eq!(record["status"], 400);
    assert_eq!(record["fault"], "request-malformed");
    assert!(
        record["detail"].is_string(),
        "the reason has a name: {record}"
    );
}

#[test]
fn replies_of_evenkeels_own_have_an_id_of_their_own() {
    let proxy = Evenkeel::start(
        &Setup::to_addresses(["127.0.0.1:9"])
            .no_route()
            .add_route("path = \"/unused\"\ncluster = \"app\""),
    );
    let mut client = proxy.client();
    client.get("/1").status(404);
    client.get("/2").status(404);
    client.get_with("/3", "X-Request-Id: mine\r\n").status(404);
    let records = proxy.records(3);
    assert_ne!(records[0]["request_id"], records[1]["request_id"]);
    assert_eq!(records[2]["request_id"], "mine");
}

#[test]
fn nothing_a_client_sends_breaks_a_record() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    client.send(b"GET /\"}\\%0a?\"<a>&{ HTTP/1.1\r\nHost: a\r\nUser-Agent: \"},{\"\\u0000 \xe9\xff\t\r\n\r\n");
    client.response("GET").status(200);
    let record = proxy.record();
    assert_eq!(record["target"], "/\"}\\%0a?\"<a>&{");
    assert_eq!(
        record["user_agent"], "\"},{\"\\u0000 \u{efe9}\u{efff}",
        "a byte that is no UTF-8 has a character that stands for it: {record}"
    );
    client
        .get_with("/", "User-Agent: Grüße \u{202e}🦀\r\n")
        .status(200);
    assert_eq!(proxy.records(2)[1]["user_agent"], "Grüße \u{202e}🦀");
    let log = proxy.log().stdout();
    assert!(log.contains("Grüße \\u202e🦀"), "{log}");
}

#[test]
fn records_go_to_a_file() {
    let origin = Origin::saying("ok");
    let setup = Setup::to([&origin])
        .sections("[access_log]\nto = { file = \"access.log\" }\nformat = \"json\"");
    let proxy = Evenkeel::start(&setup);
    let path = proxy.folder().join("access.log");
    let mut client = proxy.client();
    client.get("/1").status(200);
    client.get("/2").status(200);
    let lines = eventually("two records in the file", || {
        let text = fs::read_to_string(&path).unwrap_or_default();
        (text.lines().count() == 2).then(|| text.lines().map(str::to_owned).collect::<Vec<_>>())
    });
    for (line, target) in lines.iter().zip(["/1", "/2"]) {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(record["target"], target);
    }
    assert_eq!(proxy.log().stdout(), "");
}

#[test]
fn records_may_be_lines_for_people() {
    let origin = Origin::saying("ok");
    let setup = Setup::to([&origin]).sections("[access_log]\nto = \"stdout\"\nformat = \"text\"");
    let proxy = Evenkeel::start(&setup);
    proxy.client().get("/x?y").status(200);
    let line = proxy
        .log()
        .wait_for("the request", |line| line.contains("GET /x?y"));
    for part in [
        "127.0.0.1",
        " 200 ",
        "route=/",
        "attempts=1",
        "total=",
        &origin.address(),
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[test]
fn records_may_be_off() {
    let origin = Origin::saying("ok");
    let setup = Setup::to([&origin]).sections("[access_log]\nto = \"off\"");
    let proxy = Evenkeel::start(&setup);
    proxy.client().get("/secret").status(200);
    let log = proxy.log().clone();
    proxy.stop();
    assert!(!log.to_string().contains("secret"), "{log}");
}

#[test]
fn the_last_records_are_written_before_the_end() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let mut client = proxy.client();
    for i in 0..50 {
        client.get(&format!("/{i}")).status(200);
    }
    drop(client);
    let log = proxy.log().clone();
    proxy.stop();
    assert_eq!(log.records().len(), 50);
}
