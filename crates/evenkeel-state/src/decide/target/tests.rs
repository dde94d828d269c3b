//! Where a redirect leads, and what of a path goes on.

use evenkeel_config::model::{PathRewrite, Redirect};
use proptest::prelude::*;

use super::{location, rewrite};
use crate::decide::rig;

/// Where `redirect` sends a request with this line, host and other fields.
fn leads(parts: [Option<&str>; 3], line: &str, host: &str) -> Option<String> {
    let bytes = format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let head = rig::parse(bytes.as_bytes()).unwrap();
    let [scheme, host, path] = parts.map(|part| part.map(str::to_owned));
    let redirect = Redirect {
        status: 308,
        scheme,
        host,
        path,
    };
    location(&redirect, &head.view(bytes.as_bytes()))
}

#[test]
fn parts_that_a_redirect_leaves_open_are_the_requests() {
    let (https, host, path) = (Some("https"), Some("b.example:1"), Some("/new?y"));
    for (parts, expected) in [
        ([https, None, None], "https://a.example/x?q=1&r"),
        ([https, host, None], "https://b.example:1/x?q=1&r"),
        ([https, host, path], "https://b.example:1/new?y"),
        ([https, None, path], "https://a.example/new?y"),
        ([None, host, None], "http://b.example:1/x?q=1&r"),
        ([None, host, path], "http://b.example:1/new?y"),
        ([None, None, path], "/new?y"),
        ([None, None, None], "/x?q=1&r"),
    ] {
        let found = leads(parts, "GET /x?q=1&r", "a.example");
        assert_eq!(found.as_deref(), Some(expected), "{parts:?}");
    }
}

#[test]
fn the_path_and_query_stay_as_they_were_sent() {
    let https = [Some("https"), None, None];
    for path in ["/", "/a%2Fb/%C3%A4", "/?", "/x??y=%00", "//a//b", "/a;b=1"] {
        let found = leads(https, &format!("GET {path}"), "a.example:8080");
        assert_eq!(found, Some(format!("https://a.example:8080{path}")));
    }
}

#[test]
fn no_path_is_taken_for_a_host() {
    for path in ["//evil.example", "///evil.example/x", "//evil.example//y"] {
        let found = leads([None, None, None], &format!("GET {path}"), "a.example").unwrap();
        assert!(found.starts_with("/evil.example"), "{found}");
    }
    // Browsers read `\` as `/`.
    let found = leads([None, None, None], "GET /\\evil.example", "a.example");
    assert_eq!(found.as_deref(), Some("/evil.example"));
    // Behind a host the slashes are the path's.
    let found = leads(
        [Some("https"), None, None],
        "GET //evil.example",
        "a.example",
    );
    assert_eq!(found.as_deref(), Some("https://a.example//evil.example"));
}

#[test]
fn a_target_without_a_path_does_not_run_into_the_host() {
    let https = [Some("https"), None, None];
    let found = leads(https, "OPTIONS *", "a.example");
    assert_eq!(found.as_deref(), Some("https://a.example/"));
    let found = leads(https, "GET http://a.example?q", "a.example");
    assert_eq!(found.as_deref(), Some("https://a.example/?q"));
    let found = leads(https, "OPTIONS http://a.example", "a.example");
    assert_eq!(found.as_deref(), Some("https://a.example/"));
}

#[test]
fn a_request_without_a_host_is_not_sent_to_one() {
    let bytes = b"GET /x HTTP/1.0\r\n\r\n";
    let head = rig::parse(bytes).unwrap();
    let redirect = |host: Option<&str>| Redirect {
        status: 308,
        scheme: Some("https".into()),
        host: host.map(str::to_owned),
        path: None,
    };
    assert_eq!(location(&redirect(None), &head.view(bytes)), None);
    let found = location(&redirect(Some("b.example")), &head.view(bytes));
    assert_eq!(found.as_deref(), Some("https://b.example/x"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the target, the host that a browser is sent to is the one that is configured.
    #[test]
    fn no_target_changes_the_host(target in "[ -~]{0,20}", method in "GET|OPTIONS") {
        let bytes = format!("{method} {target} HTTP/1.1\r\nHost: a.example\r\n\r\n");
        let Some(head) = rig::parse(bytes.as_bytes()) else {
            return Ok(());
        };
        let view = head.view(bytes.as_bytes());
        for (scheme, host) in [(None, Some("b.example")), (Some("https"), Some("b.example")), (None, None)] {
            let redirect = Redirect {
                status: 308,
                scheme: scheme.map(str::to_owned),
                host: host.map(str::to_owned),
                path: None,
            };
            let Some(found) = location(&redirect, &view) else { continue };
            let rest = match host {
                Some(host) => {
                    let start = format!("{}://{host}", scheme.unwrap_or("http"));
                    found.strip_prefix(&start).unwrap().to_owned()
                }
                None => {
                    prop_assert!(!found.starts_with("//") && !found.starts_with("/\\"), "{found}");
                    found.clone()
                }
            };
            prop_assert!(rest.starts_with('/'), "{found}");
        }
    }
}

#[test]
fn prefixes_are_stripped_and_replaced() {
    let check = |path: &str, matched: usize, with: &str, expected: &str| {
        let rule = PathRewrite::ReplacePrefix {
            matched,
            with: with.into(),
        };
        let mut buffer = Vec::new();
        assert_eq!(
            rewrite(path.as_bytes(), &rule, &mut buffer),
            expected.as_bytes(),
            "{path}"
        );
    };
    check("/api/x", 4, "", "/x");
    check("/api", 4, "", "/");
    check("/api/", 4, "", "/");
    check("/api//evil", 4, "", "/evil");
    check("/api/x", 4, "/v2", "/v2/x");
    check("/api", 4, "/v2", "/v2");
    check("/x", 0, "/v2", "/v2/x");
    check("*", 0, "/v2", "*");
    // The prefix as the request spells it; the rest as it came.
    check("//api/x%2Fy", 4, "", "/x%2Fy");
    check("/%61pi//x", 4, "/v2", "/v2//x");
    check("/ap%69", 4, "", "/");
}
