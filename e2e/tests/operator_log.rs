//! What of the logs changes while evenkeel runs.

use std::fs;

use evenkeel_testkit::evenkeel::Signal;
use evenkeel_testkit::{Evenkeel, Setup, eventually};

/// A file as target of the access log.
const FIRST: &str = "{ file = \"first.log\" }";

/// One listener that answers by itself, with these sections.
fn with(sections: &str) -> String {
    format!(
        "version = 1\n{sections}\n[listener.web]\nbind = \"127.0.0.1:0\"\n[[route]]\nrespond.body = \"here\"\n"
    )
}

#[test]
fn level_and_form_of_the_log_change_with_a_reload() {
    let mut proxy = Evenkeel::start_text(&with(""));
    let generation = |line: &&String| line.contains("a new configuration is served");
    proxy.reload(&with("[log]\nformat = \"json\""));
    proxy.log().wait_for("a line of JSON", |line| {
        line.starts_with('{') && line.contains("a new configuration is served")
    });
    let seen = proxy.log().lines().iter().filter(generation).count();
    proxy.write_config(&with("[log]\nlevel = \"error\""));
    proxy.order(&["reload"]);
    proxy.order(&["reload"]);
    assert_eq!(proxy.log().lines().iter().filter(generation).count(), seen);
    proxy.write_config(&with(""));
    proxy.order(&["reload"]);
    proxy.log().wait_for("a line of text", |line| {
        line.contains("INFO") && line.contains("generation=5")
    });
}

#[test]
fn access_records_go_where_the_newest_configuration_says() {
    let to =
        |to: &str, format: &str| with(&format!("[access_log]\nto = {to}\nformat = \"{format}\""));
    let mut proxy = Evenkeel::start_text(&to(FIRST, "text"));
    let written = |name: &str, records: usize| {
        let path = proxy.folder().join(name);
        eventually(&format!("{records} records in {name}"), || {
            let text = fs::read_to_string(&path).unwrap_or_default();
            (text.lines().count() >= records).then_some(text)
        })
    };
    let mut client = proxy.client();
    client.get("/one");
    assert!(written("first.log", 1).contains("/one"));
    client.get("/two");
    proxy.write_config(&to("\"stdout\"", "json"));
    proxy.order(&["reload"]);
    assert!(
        written("first.log", 2).contains("/two"),
        "what came before goes where it belongs"
    );
    client.get("/three");
    assert_eq!(proxy.record()["target"], "/three");
    proxy.write_config(&to("\"off\"", "json"));
    proxy.order(&["reload"]);
    client.get("/four");
    proxy.write_config(&to("{ file = \"nowhere/at/all.log\" }", "text"));
    assert_eq!(
        proxy.ask(&["reload"]).status,
        1,
        "a log that cannot be opened changes nothing"
    );
    proxy.write_config(&to(FIRST, "text"));
    proxy.order(&["reload"]);
    client.get("/five");
    let all = written("first.log", 3);
    assert!(
        all.contains("/five") && !all.contains("/three") && !all.contains("/four"),
        "{all}"
    );
    proxy.reload(&to(FIRST, "json"));
}

#[test]
fn a_log_that_was_moved_away_is_opened_anew() {
    let setup = Setup::to_addresses(["127.0.0.1:9"])
        .no_route()
        .add_route("respond.body = \"here\"")
        .sections("[access_log]\nto = { file = \"access.log\" }\nformat = \"json\"");
    let proxy = Evenkeel::start(&setup);
    let path = |name: &str| proxy.folder().join(name);
    let mut client = proxy.client();
    client.get("/before");
    fs::rename(path("access.log"), path("access.log.1")).unwrap();
    proxy.signal(Signal::User1);
    proxy
        .log()
        .wait_for("the new log", |line| line.contains("opened anew"));
    client.get("/after");
    let text = |name: &str, word: &str| {
        eventually(&format!("{word} in {name}"), || {
            let text = fs::read_to_string(path(name)).unwrap_or_default();
            text.contains(word).then_some(text)
        })
    };
    assert!(!text("access.log", "/after").contains("/before"));
    assert!(!text("access.log.1", "/before").contains("/after"));
}
