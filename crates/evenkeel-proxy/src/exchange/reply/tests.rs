//! What replies of our own say: where a redirect leads, which fields tell of a fault, who gets the page for people.

use evenkeel_base::edits::Edits;
use evenkeel_base::{Fault, GrpcStatus};
use evenkeel_config::model::Redirect;
use proptest::prelude::*;

use super::{Reply, location, wants_html, write_fields};
use crate::rig;

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

/// The fields of a reply but `Date`, written `A: 1 | B: 2`.
fn fields(reply: &Reply<'_>, proxy_status: bool) -> String {
    let mut out: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    write_fields(reply, proxy_status, &mut out);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (date, rest) = out.split_first().unwrap();
    assert_eq!(text(&date.0), "Date");
    httpdate::parse_http_date(&text(&date.1)).unwrap();
    let line = |(name, value): &(Vec<u8>, Vec<u8>)| format!("{}: {}", text(name), text(value));
    rest.iter().map(line).collect::<Vec<_>>().join(" | ")
}

const fn reply<'a>(fault: Option<Fault>, edits: Option<&'a Edits>) -> Reply<'a> {
    Reply {
        status: 200,
        content_type: "text/plain",
        body: b"",
        fault,
        grpc: None,
        rate: None,
        location: None,
        edits,
    }
}

#[test]
fn a_call_is_told_how_it_ended_and_why() {
    let reply = Reply {
        grpc: Some(GrpcStatus::of_fault(Fault::ConnectRefused)),
        ..reply(Some(Fault::ConnectRefused), None)
    };
    assert_eq!(
        fields(&reply, true),
        "Content-Type: text/plain | grpc-status: 14 | grpc-message: connect-refused: The endpoint refused the connection. | \
         Proxy-Status: evenkeel; error=connection_refused; details=\"connect-refused\""
    );
}

#[test]
fn a_fault_is_told_by_its_name() {
    let told = |fault| fields(&reply(Some(fault), None), true);
    assert_eq!(
        told(Fault::ConnectRefused),
        "Content-Type: text/plain | Proxy-Status: evenkeel; error=connection_refused; details=\"connect-refused\""
    );
    assert!(told(Fault::NoEndpoint).ends_with(" | Retry-After: 1"));
    assert!(
        told(Fault::MethodRefused)
            .ends_with(" | Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH")
    );
    for fault in Fault::ALL {
        let told = told(*fault);
        assert!(told.contains(&format!("details=\"{fault}\"")), "{told}");
        let again = matches!(fault.status(), 429 | 503);
        assert_eq!(told.contains("Retry-After"), again, "{told}");
    }
}

#[test]
fn and_not_where_that_is_switched_off() {
    let silent = fields(&reply(Some(Fault::NoEndpoint), None), false);
    assert_eq!(silent, "Content-Type: text/plain | Retry-After: 1");
    assert_eq!(fields(&reply(None, None), true), "Content-Type: text/plain");
}

#[test]
fn edits_have_the_last_word_on_replies_as_well() {
    let edits = Edits {
        set: vec![("Content-Type".into(), "a/b".into())],
        add: vec![("X-A".into(), "1".into())],
        remove: vec!["retry-after".into(), "PROXY-STATUS".into()],
    };
    let told = fields(&reply(Some(Fault::NoEndpoint), Some(&edits)), true);
    assert_eq!(told, "Content-Type: a/b | X-A: 1");
}

#[test]
fn a_redirect_says_where_and_nothing_says_nothing() {
    let mut redirect = reply(None, None);
    redirect.location = Some("/there");
    redirect.content_type = "";
    assert_eq!(fields(&redirect, true), "Location: /there");
}

#[test]
fn the_page_for_people_is_for_those_who_name_it() {
    for (accept, expected) in [
        ("", false),
        ("Accept: */*\r\n", false),
        ("Accept: text/html\r\n", true),
        ("accept: application/json, TEXT/HTML;q=0.9\r\n", true),
        ("Accept: a/b\r\nAccept: text/html\r\n", true),
        ("X-Accept: text/html\r\n", false),
    ] {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{accept}\r\n");
        let head = rig::parse(bytes.as_bytes()).unwrap();
        assert_eq!(
            wants_html(&head.view(bytes.as_bytes())),
            expected,
            "{accept}"
        );
    }
}
