//! Files that are right, and what they become.

use std::time::Duration;

use evenkeel_base::rules::BalancerRules;
use evenkeel_base::{BalancerKind, ClusterId};
use evenkeel_config::model::{AccessLogTarget, Action, Bind, Config, PathRewrite, Split};
use evenkeel_config::{Nowhere, check, print, proxy};

use crate::source::Lent;

/// The configuration of a file without a mistake.
fn good(text: &str) -> Config {
    let checked = check(text, "test.toml", &Nowhere);
    let shown = evenkeel_config::render_all(&checked.diagnostics, text, false);
    assert_eq!(shown, "");
    checked.config.unwrap()
}

const DESIGN: &str = r#"
version = 1

[listener.web]
bind = "127.0.0.1:5000"

[[route]]
name = "api"
path = "/api"
cluster = "api"

[[route]]
path.exact = "/"
respond = { status = 200, body = "Load Balancer" }

[cluster.api]
balancer = "round-robin"
endpoints = ["10.0.0.1:8080", "10.0.0.2:8080", { address = "10.0.0.3:8080", weight = 2 }]
"#;

#[test]
fn the_example_of_the_design() {
    let config = good(DESIGN);
    assert_eq!(config.listeners[0].name, "web");
    assert_eq!(config.clusters[0].balancer, BalancerRules::RoundRobin);
    let weights: Vec<u16> = config.clusters[0]
        .endpoints
        .iter()
        .map(|e| e.weight)
        .collect();
    assert_eq!(weights, [1, 1, 2]);
    let names: Vec<&str> = config.routes.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["api", "=/"]);
    assert_eq!(config.routes[0].total_timeout, Duration::MAX);
    assert_eq!(good(&print(&config)), config);
}

#[test]
fn a_proxy_without_a_file_prints_the_file_it_stands_for() {
    let to = [
        ":9001".to_owned(),
        "10.0.0.1:9002-9004".to_owned(),
        "unix:/run/a.sock".to_owned(),
    ];
    let config = proxy(":8080", &to, Some(BalancerKind::RoundRobin)).unwrap();
    let printed = print(&config);
    let expected = r#"version = 1

[listener.web]
bind = "[::]:8080"

[[route]]
cluster = "app"

[cluster.app]
balancer = "round-robin"
endpoints = [
  "127.0.0.1:9001",
  "10.0.0.1:9002",
  "10.0.0.1:9003",
  "10.0.0.1:9004",
  "unix:/run/a.sock",
]
"#;
    assert_eq!(printed, expected);
    assert_eq!(good(&printed), config);
}

#[test]
fn a_proxy_says_what_is_wrong() {
    for (listen, to, part) in [
        ("8080", ":1", "\":8080\""),
        (":8080", "", "is not an address"),
        (":8080", "https://a", "TLS"),
    ] {
        let why = proxy(listen, &[to.to_owned()], None).unwrap_err();
        assert!(why.contains(part), "{why}");
    }
    let twice = [":1".to_owned(), "127.0.0.1:1".to_owned()];
    assert!(proxy(":2", &twice, None).unwrap_err().contains("twice"));
    assert!(proxy(":2", &[], None).unwrap_err().contains("no endpoint"));
}

#[test]
fn prefixes_are_stripped_and_replaced() {
    let rewrite = |route: &str| {
        let text = format!(
            "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"c\"\n{route}\n[cluster.c]\nendpoints = \":2\""
        );
        match good(&text).routes.remove(0).action {
            Action::Forward { rewrite, split, .. } => {
                assert_eq!(split, Split::one(ClusterId::new(0)));
                rewrite
            }
            other => panic!("{other:?}"),
        }
    };
    let replaced = |matched, with: &str| PathRewrite::ReplacePrefix {
        matched,
        with: with.into(),
    };
    assert_eq!(rewrite(""), PathRewrite::Keep);
    assert_eq!(
        rewrite("path = \"/api/\"\nstrip_prefix = true"),
        replaced(4, "")
    );
    assert_eq!(
        rewrite("path = \"/api\"\nreplace_prefix = \"/\""),
        replaced(4, "")
    );
    assert_eq!(
        rewrite("path = \"/api\"\nreplace_prefix = \"/v2/\""),
        replaced(4, "/v2")
    );
    assert_eq!(rewrite("replace_prefix = \"/v2\""), replaced(0, "/v2"));
}

/// 10,000 hosts, each with its cluster: checking must not compare each with each. A quadratic check takes minutes here.
#[test]
fn a_large_file_is_checked_in_one_pass() {
    let mut text = "version = 1\n[listener.a]\nbind = \":1\"\n".to_owned();
    for i in 0..10_000 {
        text.push_str(&format!(
            "[[route]]\nhost = \"h{i}.example\"\ncluster = \"c{i}\"\n[cluster.c{i}]\nendpoints = [\"10.0.0.1:80\"]\n"
        ));
    }
    let config = good(&text);
    assert_eq!(
        (config.routes.len(), config.clusters.len()),
        (10_000, 10_000)
    );
    assert_eq!(config.routes[9_999].name, "h9999.example/");
}

/// Values from the environment and files, and paths that count from the configuration's folder.
#[test]
fn values_come_from_elsewhere() {
    let text = r#"
version = 1
access_log.to = { file = "access.log" }
[listener.a]
bind = "unix:a.sock"
request_header_timeout = { env = "TIMEOUT" }
[[route]]
cluster = "c"
request_headers.set = { Authorization = { env = "API_TOKEN" }, X-Token = { file = "token" } }
error_page.503 = { file = "503.html" }
[[route]]
path.exact = "/logo.png"
respond = { body = { file = "logo.png" }, content_type = "image/png" }
[cluster.c]
endpoints = [{ env = "APP_ADDRESS" }, { address = "unix:b.sock" }]
"#;
    let config = check(text, "test.toml", &Lent).config.unwrap();
    let elsewhere = config.access_log.to == AccessLogTarget::File("/etc/e/access.log".into());
    assert!(elsewhere && config.listeners[0].bind == Bind::Unix("/etc/e/a.sock".into()));
    assert_eq!(
        config.listeners[0].request_header_timeout,
        Duration::from_secs(5)
    );
    let set = &config.routes[0].request_headers.set;
    assert_eq!(set[0].1, "Bearer s3cret");
    assert_eq!(set[1].1, "s3cret");
    let page = &config.routes[0].error_pages[0];
    assert_eq!(page.content_type, "text/html; charset=utf-8");
    assert_eq!(page.body, b"<h1>Back in a minute</h1>\n");
    let ids: Vec<&str> = config.clusters[0]
        .endpoints
        .iter()
        .map(|e| e.id.as_str())
        .collect();
    assert_eq!(ids, ["10.0.0.1:8080", "unix:/etc/e/b.sock"]);
    let Action::Respond(logo) = &config.routes[1].action else {
        panic!("the second route responds");
    };
    assert!(logo.body.ends_with(b"\xff"));
    assert_eq!(good(&print(&config)), config);
}
