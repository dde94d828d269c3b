//! What replies of our own say: where a redirect leads, which fields tell of a fault, who gets the page for people.

use evenkeel_base::edits::Edits;
use evenkeel_base::{Fault, GrpcStatus};

use super::{Reply, wants_html, write_fields};
use crate::rig;

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
