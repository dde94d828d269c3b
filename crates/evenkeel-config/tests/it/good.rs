//! Files that are right, and what they become.

use std::time::Duration;

use evenkeel_base::rules::BalancerRules;
use evenkeel_base::{BalancerKind, ClusterId};
use evenkeel_config::model::{
    AccessLogTarget, Action, Bind, Cluster, Config, PathRewrite, Split, UpstreamProtocol,
};
use evenkeel_config::{Nowhere, check, print, proxy, render_all};

use crate::source::Lent;

/// The configuration of a file without a mistake.
fn good(text: &str) -> Config {
    let checked = check(text, "test.toml", &Nowhere);
    let shown = render_all(&checked.diagnostics, text, false);
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
    let config = proxy(":8080", &to, Some(BalancerKind::RoundRobin), &Nowhere).unwrap();
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
        (":8080", "https://a", "nobody can vouch"),
    ] {
        let why = proxy(listen, &[to.to_owned()], None, &Nowhere).unwrap_err();
        assert!(why.contains(part), "{why}");
    }
    let twice = [":1".to_owned(), "127.0.0.1:1".to_owned()];
    assert!(
        proxy(":2", &twice, None, &Nowhere)
            .unwrap_err()
            .contains("twice")
    );
    assert!(
        proxy(":2", &[], None, &Nowhere)
            .unwrap_err()
            .contains("no endpoint")
    );
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

/// The one cluster of a file without a mistake, which prints to one that means the same.
fn cluster_of(lines: &str) -> Cluster {
    let text = format!(
        "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\n{lines}\n"
    );
    let checked = check(&text, "test.toml", &Lent);
    let shown = render_all(&checked.diagnostics, &text, false);
    assert_eq!(shown, "", "{lines}");
    let mut config = checked.config.unwrap();
    let again = check(&print(&config), "printed.toml", &Lent).config;
    assert_eq!(again.as_ref(), Some(&config), "{}", print(&config));
    config.clusters.remove(0)
}

#[test]
fn what_is_spoken_is_said_by_addresses_or_by_the_cluster() {
    let (auto, http1, http2) = (
        UpstreamProtocol::Auto,
        UpstreamProtocol::Http1,
        UpstreamProtocol::Http2,
    );
    for (lines, protocol, tls, address) in [
        ("endpoints = \"a:80\"", auto, false, "a:80"),
        ("endpoints = \"http://a\"", auto, false, "a:80"),
        ("endpoints = \"h2c://a\"", http2, false, "a:80"),
        (
            "endpoints = \"h2c://a\"\nprotocol = \"auto\"",
            http2,
            false,
            "a:80",
        ),
        (
            "endpoints = [\"h2c://a\", \"b:1\"]\nprotocol = \"h2\"",
            http2,
            false,
            "a:80",
        ),
        (
            "endpoints = \"a:1\"\nprotocol = \"h2\"",
            http2,
            false,
            "a:1",
        ),
        ("endpoints = \"https://a\"", auto, true, "a:443"),
        ("endpoints = \"https://a\"\ntls = {}", auto, true, "a:443"),
        (
            "endpoints = [\"https://a\", \"b:1\"]\ntls = {}",
            auto,
            true,
            "a:443",
        ),
        (
            "endpoints = \"unix:/a\"\ntls.ca = \"ca.pem\"",
            auto,
            true,
            "unix:/a",
        ),
        (
            "endpoints = \"https://a\"\nprotocol = \"http/1.1\"",
            http1,
            true,
            "a:443",
        ),
        (
            "endpoints_file = \"https.toml\"\ntls.ca = \"ca.pem\"",
            auto,
            true,
            "10.0.0.1:443",
        ),
        (
            "endpoints = \"srv:_a._tcp.b\"\ntls = { server_name = \"b\" }",
            auto,
            true,
            "srv:_a._tcp.b",
        ),
    ] {
        let cluster = cluster_of(lines);
        assert_eq!(cluster.protocol, protocol, "{lines}");
        assert_eq!(cluster.tls.rules().is_some(), tls, "{lines}");
        assert_eq!(cluster.endpoints[0].address.to_string(), address);
    }
}

#[test]
fn a_system_that_trusts_nobody_cannot_verify() {
    let start =
        "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\n";
    for (lines, remedy) in [
        ("endpoints = \"https://a\"", Some("ca-certificates")),
        ("endpoints = \"a:1\"\ntls = {}", Some("ca-certificates")),
        ("endpoints = \"a:1\"\ntls = { verify = false }", None),
    ] {
        let text = format!("{start}{lines}\n");
        let checked = check(&text, "test.toml", &Nowhere);
        let shown = render_all(&checked.diagnostics, &text, false);
        assert_eq!(checked.config.is_none(), remedy.is_some(), "{shown}");
        assert!(shown.contains(remedy.unwrap_or("warning")), "{shown}");
    }
}

#[test]
fn tls_of_a_listener_is_printed_as_it_was_read() {
    let text = r#"
version = 1

[listener.plain]
bind = ":80"
redirect_to_https = 8443

[listener.web]
bind = ":8443"

[listener.web.tls]
certificates = [{ certificate = "web.pem", key = "web.key" }, { certificate = "/etc/e/client.pem", key = "client.key" }]
min_version = "1.3"
handshake_timeout = "3s"

[listener.web.tls.client]
ca = "ca.pem"
verify = "optional"
crl = "revoked.crl"
headers = { subject = "X-Subject", fingerprint = "X-Fingerprint" }

[[route]]
respond.body = "a"
"#;
    let config = check(text, "test.toml", &Lent).config.unwrap();
    let tls = config.listeners[1].tls.as_ref().unwrap();
    assert_eq!(
        tls.certificates[0].certificate.to_str(),
        Some("/etc/e/web.pem")
    );
    assert_eq!(
        tls.certificates[0].identity.certificate().hosts,
        ["a.example", "*.a.example"]
    );
    assert_eq!(tls.handshake_timeout, Duration::from_secs(3));
    let headers = &tls.client.as_ref().unwrap().headers;
    assert_eq!(
        headers.names().collect::<Vec<_>>(),
        ["X-Subject", "X-Fingerprint"]
    );
    assert_eq!(config.listeners[0].redirect_to_https, Some(8443));
    let printed = print(&config);
    assert_eq!(
        check(&printed, "printed.toml", &Lent).config,
        Some(config),
        "{printed}"
    );
}
