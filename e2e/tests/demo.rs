//! `evenkeel demo`: what a newcomer sees.

use evenkeel_testkit::{Evenkeel, Folder, run};

fn demo(more: &[&str]) -> Evenkeel {
    Evenkeel::start_args(&[&["demo", "--port", "0"], more].concat()).with_own_endpoints()
}

#[test]
fn the_root_says_what_it_is() {
    let proxy = demo(&[]);
    let mut client = proxy.client();
    let plain = client
        .get_with("/", "Accept: */*\r\nUser-Agent: curl/8\r\n")
        .status(200);
    assert_eq!(plain.text().trim(), "Load Balancer");
    let page = client
        .get_with(
            "/",
            "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n",
        )
        .status(200)
        .header("content-type", "text/html; charset=utf-8");
    assert!(page.text().contains("Load Balancer"), "{page}");
    assert!(
        page.text()
            .to_ascii_lowercase()
            .starts_with("<!doctype html>"),
        "{page}"
    );
}

#[test]
fn requests_1_to_6_reach_the_endpoints_in_turn_whatever_the_number_of_workers() {
    for workers in ["1", "2", "5"] {
        let proxy = demo(&["--workers", workers]);
        let mut seen = Vec::new();
        for target in [
            "/api",
            "/api/",
            "/api/x/y",
            "/api?x=1",
            "/api",
            "/api/z?a=b",
        ] {
            // Each on a connection of its own, which any worker may get.
            let response = proxy.client().get(target).status(200);
            seen.push(response.field("x-endpoint").unwrap());
        }
        assert_eq!(
            seen,
            ["1", "2", "3", "1", "2", "3"],
            "with {workers} workers"
        );
    }
}

#[test]
fn the_whole_request_arrives() {
    let proxy = demo(&[]);
    let response = proxy
        .client()
        .ask(
            "PUT",
            "/api/echo?x=1&y=%20",
            "X-Twice: a\r\nX-Twice: b\r\nContent-Length: 5\r\n",
            "hello",
        )
        .status(200);
    let text = response.text();
    for line in [
        "PUT /api/echo?x=1&y=%20",
        "X-Twice: a",
        "X-Twice: b",
        "hello",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
}

#[test]
fn it_says_what_to_try_and_shows_requests_as_they_pass() {
    let proxy = demo(&[]);
    let address = proxy.address().to_string();
    let tries = || {
        let lines = proxy.log().lines();
        lines
            .iter()
            .filter(|line| line.trim_start().contains("curl ") && line.contains(&address))
            .count()
    };
    evenkeel_testkit::eventually("three commands to try", || (tries() == 3).then_some(()));
    proxy.client().get("/api/seen").status(200);
    proxy.log().wait_for("the request", |line| {
        line.contains("GET /api/seen") && line.contains(" 200 ")
    });
    assert_eq!(proxy.log().stdout(), "");
}

#[test]
fn what_is_not_there_is_a_404() {
    let proxy = demo(&["--quiet"]);
    let mut client = proxy.client();
    client.get("/apix").status(404);
    client.get("/nothing").status(404);
}

#[test]
fn a_taken_port_is_one_clear_sentence() {
    let proxy = demo(&[]);
    let port = proxy.address().port().to_string();
    let folder = Folder::new();
    let second = run(folder.path(), &["demo", "--port", &port]);
    assert_ne!(second.status, 0);
    assert_eq!(second.stdout, "");
    assert_eq!(second.stderr.lines().count(), 1, "{}", second.stderr);
    assert!(
        second.stderr.contains(&port) && second.stderr.contains("taken"),
        "{}",
        second.stderr
    );
    proxy.client().get("/").status(200);
}

#[test]
fn the_default_port_is_5000() {
    let folder = Folder::new();
    let help = run(folder.path(), &["demo", "--help"]);
    assert_eq!(help.status, 0);
    assert!(help.stdout.contains("[default: 5000]"), "{}", help.stdout);
}
