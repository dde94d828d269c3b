//! What was rolled back does not come back with an upgrade; what is asked for does.

use evenkeel_testkit::{Client, Line, eventually};
use serde_json::Value;

/// Answers with a page beside the file.
const PAGE: &str = "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n[[route]]\nrespond.body = { file = \"page.txt\" }\n";

fn rolled_back(line: &Line) -> Value {
    line.status()["config"]["rolled_back"]["text"].clone()
}

fn metrics(line: &Line) -> String {
    let mut operator = Client::unix(&line.file("control.sock"));
    operator.get("/metrics").text()
}

#[test]
fn an_upgrade_goes_on_with_what_was_rolled_back_to() {
    let mut line = Line::start(&super::saying("good", 1));
    line.configure(&super::saying("bad", 1));
    assert_eq!(line.command(&["reload"]).status, 0);
    line.client().get("/").body("bad");
    assert_eq!(line.command(&["rollback"]).status, 0);
    let since = line.status()["config"]["rolled_back"].clone();
    assert_eq!(since["text"], "by order");
    // One after the other: what was given is given on.
    for _ in 0..2 {
        let told = line.command(&["upgrade"]);
        assert_eq!(told.status, 0, "{told:?}");
        assert!(told.stdout.contains("not with the file"), "{told:?}");
        line.follow();
        line.client().get("/").body("good");
        assert_eq!(line.status()["config"]["rolled_back"], since);
        assert!(metrics(&line).contains("\nevenkeel_config_rolled_back 1\n"));
    }
    assert!(line.log().stderr().contains("its file is not read"));
    // Asked for, it comes, and says what it is.
    let told = line.command(&["reload"]);
    assert!(
        told.stdout.contains("what was rolled back (by order)"),
        "{told:?}"
    );
    line.client().get("/").body("bad");
    assert_eq!(rolled_back(&line), Value::Null);
    assert!(metrics(&line).contains("\nevenkeel_config_rolled_back 0\n"));
    line.upgrade();
    line.client().get("/").body("bad");
    line.end();
}

#[test]
fn a_rollback_goes_back_over_an_upgrade_that_served_a_changed_file() {
    let mut line = Line::start(&super::saying("good", 1));
    line.configure(&super::saying("bad", 1));
    line.upgrade();
    line.client().get("/").body("bad");
    let told = line.command(&["rollback"]);
    assert_eq!(told.status, 0, "{told:?}");
    line.client().get("/").body("good");
    assert_eq!(rolled_back(&line), "by order");
    // And forth, as in one process.
    assert_eq!(line.command(&["rollback"]).status, 0);
    line.client().get("/").body("bad");
    assert_eq!(rolled_back(&line), Value::Null);
    line.end();
}

#[test]
fn an_upgrade_leaves_the_way_back_as_it_was() {
    let mut line = Line::start(&super::saying("good", 1));
    line.upgrade();
    assert_ne!(line.command(&["rollback"]).status, 0, "nothing was before");
    line.configure(&super::saying("bad", 1));
    assert_eq!(line.command(&["reload"]).status, 0);
    for _ in 0..2 {
        line.upgrade();
        line.client().get("/").body("bad");
    }
    assert_eq!(line.command(&["rollback"]).status, 0);
    line.client().get("/").body("good");
    // What is in force is given, and what it was gone back from as well.
    line.upgrade();
    line.client().get("/").body("good");
    assert_eq!(line.command(&["rollback"]).status, 0);
    line.client().get("/").body("bad");
    assert_eq!(rolled_back(&line), Value::Null);
    line.end();
}

#[test]
fn a_rollback_over_an_upgrade_has_the_files_of_then() {
    let mut line = Line::start(&super::saying("first", 1));
    std::fs::write(line.file("page.txt"), "good").unwrap();
    line.configure(PAGE);
    assert_eq!(line.command(&["reload"]).status, 0);
    std::fs::write(line.file("page.txt"), "bad").unwrap();
    line.upgrade();
    line.client().get("/").body("bad");
    assert_eq!(line.command(&["rollback"]).status, 0);
    line.client().get("/").body("good");
    line.end();
}

#[test]
fn a_page_that_was_rolled_back_does_not_come_back_with_an_upgrade() {
    let mut line = Line::start(&super::saying("first", 1));
    std::fs::write(line.file("page.txt"), "good").unwrap();
    line.configure(PAGE);
    assert_eq!(line.command(&["reload"]).status, 0);
    std::fs::write(line.file("page.txt"), "bad").unwrap();
    assert_eq!(line.command(&["reload"]).status, 0);
    line.client().get("/").body("bad");
    assert_eq!(line.command(&["rollback"]).status, 0);
    line.upgrade();
    line.client().get("/").body("good");
    assert_eq!(rolled_back(&line), "by order");
    line.end();
}

#[test]
fn a_file_that_was_mended_and_not_reloaded_waits_for_the_reload() {
    let mut line = Line::start(&super::saying("good", 1));
    line.configure(&super::saying("bad", 1));
    assert_eq!(line.command(&["reload"]).status, 0);
    assert_eq!(line.command(&["rollback"]).status, 0);
    line.configure(&super::saying("better", 1));
    line.upgrade();
    line.client().get("/").body("good");
    let told = line.command(&["reload"]);
    assert!(told.stdout.contains("read again and is served"), "{told:?}");
    line.client().get("/").body("better");
    line.upgrade();
    line.client().get("/").body("better");
    line.end();
}

#[test]
fn an_end_says_what_the_next_start_serves() {
    let line = Line::start(&super::saying("good", 1));
    line.configure(&super::saying("bad", 1));
    assert_eq!(line.command(&["reload"]).status, 0);
    assert_eq!(line.command(&["rollback"]).status, 0);
    assert_eq!(line.command(&["drain"]).status, 0);
    eventually("the word on the next start", || {
        let log = line.log().stderr();
        log.contains("the next start serves what was rolled back")
            .then_some(())
    });
    assert_eq!(line.wait(), 0);
}
