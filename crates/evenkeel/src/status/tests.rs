//! What the screen says, in which order, and what of it is loud.

use super::*;

/// A status as the API gives it: what is well, and an endpoint with a difference.
fn status(difference: &str) -> Status {
    let well = r#"{"id": "10.0.0.1:80", "address": "10.0.0.1:80", "weight": 1, "admin": "ready",
        "configured": {"weight": 1, "admin": "ready"}, "ordered": null, "health": "up",
        "probe": {"at": 1, "good": true, "reason": "200"}, "phase": "admitting", "ejection": null,
        "share": 1000, "in_flight": 2, "connections": 3, "requests": 40, "faults": 0}"#;
    let mut other: serde_json::Value = serde_json::from_str(well).unwrap();
    let difference: serde_json::Value = serde_json::from_str(difference).unwrap();
    for (key, value) in difference.as_object().unwrap() {
        other[key] = value.clone();
    }
    let text = format!(
        r#"{{"version": "0.1.0", "pid": 7, "uptime": 93784, "state": "serving", "generation": 3, "workers": 2,
        "connections": 1, "active": 0, "requests": 80,
        "config": {{"file": "/etc/e.toml", "loaded_at": 940, "error": null, "trial_left": null}},
        "listeners": [{{"name": "web", "address": "0.0.0.0:80"}}],
        "clusters": [{{"name": "api", "balancer": "least-request", "panicking": false, "endpoints": [{well}, {other}]}}]}}"#
    );
    serde_json::from_str(&text).unwrap()
}

#[test]
fn one_screen_says_it_all() {
    let seen = render(&status(r#"{"id": "b"}"#), 1_000);
    let expected = "\
evenkeel 0.1.0, process 7, serving for 1d 2h, 2 workers
generation 3 of /etc/e.toml, read 1m ago
1 connection open, 0 requests under way, 80 so far
  listener web  0.0.0.0:80

cluster api (least-request)
  ENDPOINT     WEIGHT  STATE  IN FLIGHT  REQUESTS  FAULTS
  10.0.0.1:80  1       up     2          40        0
  b            1       up     2          40        0
";
    assert_eq!(seen, expected);
}

#[test]
fn what_was_rolled_back_is_loud() {
    let mut status = status(r#"{"id": "b"}"#);
    status.config.rolled_back = Some(evenkeel_admin::view::Failure {
        at: 970,
        text: "by order".to_owned(),
    });
    let seen = render(&status, 1_000);
    let expected = "\
generation 3 of /etc/e.toml, read 1m ago
ROLLED BACK 30s ago: by order
  an upgrade keeps what is served; a reload or a restart serves what the file says
";
    assert!(seen.contains(expected), "{seen}");
}

#[test]
fn certificates_that_are_out_of_their_time_are_loud() {
    let mut status = status(r#"{"id": "b"}"#);
    let of = |of: &str, valid_from, expires_at| OutOfTime {
        of: of.to_owned(),
        file: "/etc/a.pem".to_owned(),
        valid_from,
        expires_at,
    };
    status.certificates_out_of_time = vec![
        of("listener web", -200_000, -99_000),
        of("cluster api", 1_060, 9_999),
    ];
    let seen = render(&status, 1_000);
    let expected = "\
CERTIFICATE EXPIRED 1d 3h ago: /etc/a.pem of listener web
CERTIFICATE NOT VALID for another 1m: /etc/a.pem of cluster api
1 connection open";
    assert!(seen.contains(expected), "{seen}");
}

#[test]
fn endpoints_that_prove_nothing_are_loud() {
    let mut status = status(r#"{"id": "b"}"#);
    for (tls, expected) in [
        ("verified", "cluster api (least-request, TLS)\n"),
        (
            "unverified",
            "cluster api (least-request, TLS UNVERIFIED: whoever is in between can read and change everything)\n",
        ),
    ] {
        status.clusters[0].tls = Some(tls.to_owned());
        let seen = render(&status, 1_000);
        assert!(seen.contains(expected), "{seen}");
    }
}

#[test]
fn a_name_that_is_not_found_stands_first_and_says_why() {
    let mut status = status(r#"{"id": "b"}"#);
    let mut lost = status.clusters[0].clone();
    lost.name = "lost".to_owned();
    lost.endpoints.clear();
    lost.unresolved = vec![evenkeel_admin::view::Unresolved {
        name: "no-such-name.invalid:9001".to_owned(),
        reason: "the name has no address".to_owned(),
        since: Some(990),
    }];
    let mut empty = lost.clone();
    (empty.name, empty.unresolved) = ("empty".to_owned(), Vec::new());
    status.clusters.extend([lost, empty]);
    let seen = render(&status, 1_000);
    let expected = "
cluster lost (least-request)
  ENDPOINT                   WEIGHT  STATE      IN FLIGHT  REQUESTS  FAULTS
  no-such-name.invalid:9001          NOT FOUND                               the name has no address

cluster empty (least-request)
  NO ENDPOINTS

cluster api (least-request)
";
    assert!(seen.contains(expected), "{seen}");
}

#[test]
fn what_is_not_well_stands_first_and_says_why() {
    for (difference, expected) in [
        (
            r#"{"weight": 0, "admin": "drain", "ordered": {"weight": null, "admin": "drain"}}"#,
            "0 of 1  drain, up  2          40        0       by order: drain",
        ),
        (
            r#"{"health": "down", "probe": {"at": 1, "good": false, "reason": "connection refused"}}"#,
            "1       down   2          40        0       last probe: connection refused",
        ),
        (
            r#"{"phase": "ejected", "share": 0, "ejection": {"cause": "connect", "left": 12.5}}"#,
            "1       up, ejected  2          40        0       connect, 12s left",
        ),
        (
            r#"{"weight": 7, "ordered": {"weight": 7, "admin": null}, "share": 250}"#,
            "7 of 1  up     2          40        0       by order: weight 7; slow start at 25 %",
        ),
    ] {
        let seen = render(&status(difference), 1_000);
        let first = seen.lines().nth(7).unwrap();
        let (_, rest) = first.trim_start().split_once("  ").unwrap();
        assert_eq!(rest.trim_start(), expected, "{seen}");
    }
}

#[test]
fn spans_have_two_units_at_most() {
    for (seconds, expected) in [
        (0, "0s"),
        (59, "59s"),
        (60, "1m"),
        (61, "1m 1s"),
        (3_601, "1h"),
        (90_061, "1d 1h"),
    ] {
        assert_eq!(span(seconds), expected);
    }
}
