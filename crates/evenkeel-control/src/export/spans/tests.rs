//! Stories become the spans that the conventions want, and the OpenTelemetry project's own types read them.

use std::sync::Arc;

use evenkeel_base::{ClusterId, Fault, ListenerId, RouteId};
use evenkeel_state::{HeldNames, KeptNames};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::trace::v1 as otel;
use prost::Message;

use super::*;
use crate::export::request;
use crate::rig::{config, published, story};

/// The snapshot of a cluster with two endpoints.
fn snapshot() -> Arc<evenkeel_state::Snapshot> {
    let endpoints = ["10.0.0.1:8080".to_owned(), "[2001:db8::1]:81".to_owned()];
    published(config(&[&endpoints])).current()
}

/// The snapshot that a story has its names from.
fn in_snapshot(story: &Story) -> &evenkeel_state::Snapshot {
    match &story.names {
        HeldNames::In(snapshot) => snapshot,
        HeldNames::Kept(_) => panic!("a story of these tests has a snapshot"),
    }
}

/// The spans of a story, written and read again by others.
fn read(story: &Story) -> Vec<otel::Span> {
    let request = request(of(story, Moment::now()), &in_snapshot(story).config);
    let bytes = request.encode_to_vec();
    let read = ExportTraceServiceRequest::decode(&*bytes).expect("others can read it");
    assert_eq!(
        read.encode_to_vec(),
        bytes,
        "and nothing of it is unknown to them"
    );
    let mut resource = read.resource_spans.into_iter().next().unwrap();
    resource.scope_spans.remove(0).spans
}

fn attributes(span: &otel::Span) -> String {
    let all = span.attributes.iter().map(|one| {
        let value = one.value.clone().and_then(|value| value.value);
        let value = match value {
            Some(any_value::Value::StringValue(text)) => text,
            Some(any_value::Value::IntValue(number)) => number.to_string(),
            other => format!("{other:?}"),
        };
        format!("{}={value}", one.key)
    });
    all.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_story_that_kept_its_names_alone_tells_the_same() {
    let mut story = story(&snapshot());
    let of_snapshot = of(&story, Moment::now());
    let met = (ListenerId::new(0), Some(RouteId::new(0)), ClusterId::new(0));
    let tried = story.attempts.iter().map(|one| one.endpoint);
    let kept = KeptNames::of(in_snapshot(&story), met, tried);
    story.names = HeldNames::Kept(kept);
    let told = |spans: &[Span]| -> Vec<String> {
        let all = spans
            .iter()
            .map(|one| format!("{} {:?}", one.name, one.attributes));
        all.collect()
    };
    assert_eq!(told(&of(&story, Moment::now())), told(&of_snapshot));
}

#[test]
fn an_exchange_and_its_parts() {
    let story = story(&snapshot());
    let spans = read(&story);
    assert_eq!(spans.len() as u64, story.spans());
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    let route = &in_snapshot(&story).config.routes[0].name;
    let exchange = format!("GET {route}");
    assert_eq!(
        names,
        [
            &exchange, "GET", "connect", "queue", "GET", "connect", "tls"
        ]
    );
    let expected = [
        format!(
            "http.request.method=GET url.scheme=https url.path=/a url.query=x=1&sig=REDACTED&sig \
             server.address=app.example server.port=8443 network.protocol.version=2 \
             client.address=203.0.113.9 user_agent.original=tester http.route={route} \
             http.response.status_code=404 evenkeel.listener=web evenkeel.cluster=a \
             evenkeel.request_id=mine evenkeel.attempts=2 evenkeel.bytes_in=1 evenkeel.bytes_out=2"
        ),
        "http.request.method=GET server.address=10.0.0.1 server.port=8080 \
         network.peer.address=10.0.0.1 network.peer.port=8080 evenkeel.endpoint=10.0.0.1:8080 \
         evenkeel.cluster=a error.type=connect-refused"
            .to_owned(),
        String::new(),
        "evenkeel.cluster=a".to_owned(),
        "http.request.method=GET server.address=2001:db8::1 server.port=81 \
         network.peer.address=2001:db8::1 network.peer.port=81 evenkeel.endpoint=[2001:db8::1]:81 \
         evenkeel.cluster=a http.request.resend_count=1 http.response.status_code=404 error.type=404"
            .to_owned(),
        String::new(),
        String::new(),
    ];
    let all: Vec<String> = spans.iter().map(attributes).collect();
    assert_eq!(all, expected);
}

#[test]
fn parents_times_and_verdicts() {
    let story = story(&snapshot());
    let spans = read(&story);
    let [exchange, first, connect, queue, second, again, tls] = &spans[..] else {
        panic!("{spans:?}");
    };
    let client = story.parent.unwrap().bytes();
    for (span, parent) in [
        (exchange, &client[..]),
        (first, &exchange.span_id),
        (connect, &first.span_id),
        (queue, &exchange.span_id),
        (second, &exchange.span_id),
        (again, &second.span_id),
        (tls, &second.span_id),
    ] {
        assert_eq!(span.parent_span_id, parent, "{span:?}");
        assert_eq!(span.trace_id, story.context.trace.bytes());
    }
    let since = |nanos: u64| (nanos - exchange.start_time_unix_nano) / 1_000_000;
    let times = spans.iter().map(|span| {
        let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
        (since(start), since(end))
    });
    let expected = [
        (0, 31),
        (0, 3),
        (0, 3),
        (3, 10),
        (10, 30),
        (10, 11),
        (11, 15),
    ];
    assert_eq!(times.collect::<Vec<_>>(), expected);
    assert_eq!(since(second.events[0].time_unix_nano), 20);
    // What is wrong with a request is no error of its server, and one of its client.
    let failed = |span: &otel::Span| span.status.is_some();
    assert!(!failed(exchange) && failed(first) && failed(second) && !failed(connect));
    assert_eq!(exchange.flags, 0x301);
    assert_eq!(second.flags, 0x101);
}

#[test]
fn what_went_wrong_is_an_error_with_its_name() {
    for (status, fault, error, failed) in [
        (502, Some(Fault::ConnectRefused), "connect-refused", true),
        (200, Some(Fault::EndpointClosed), "endpoint-closed", true),
        (404, Some(Fault::NoRoute), "no-route", false),
        (499, Some(Fault::ClientGone), "client-gone", false),
        (503, None, "503", true),
        (404, None, "", false),
    ] {
        let mut story = story(&snapshot());
        (story.status, story.fault) = (status, fault);
        let exchange = &read(&story)[0];
        assert_eq!(exchange.status.is_some(), failed, "{status} {fault:?}");
        let all = attributes(exchange);
        let said = all
            .split(' ')
            .find_map(|one| one.strip_prefix("error.type="));
        assert_eq!(said.unwrap_or_default(), error, "{status} {fault:?}");
    }
}

#[test]
fn a_method_of_a_client_s_own_names_nothing() {
    let mut story = story(&snapshot());
    story.asked.method = "BREW".to_owned();
    story.attempts.truncate(1);
    let spans = read(&story);
    assert!(spans[0].name.starts_with("HTTP ") && spans[1].name == "HTTP");
    let all = attributes(&spans[0]);
    assert!(all.starts_with("http.request.method=_OTHER http.request.method_original=BREW "));
}

#[test]
fn an_attempt_that_was_overtaken_is_no_error() {
    let mut story = story(&snapshot());
    story.attempts[0].failure = Some("cancelled");
    let spans = read(&story);
    assert!(attributes(&spans[1]).ends_with("error.type=cancelled"));
    assert_eq!(spans[1].status, None);
}

#[test]
fn a_wait_that_no_attempt_followed() {
    let mut story = story(&snapshot());
    story.attempts.clear();
    story.waited = Some((story.ended, Duration::from_millis(5)));
    let spans = read(&story);
    assert_eq!(spans.len() as u64, story.spans());
    assert_eq!(spans[1].name, "queue");
    assert_eq!(spans[1].parent_span_id, spans[0].span_id);
    assert_eq!(spans[1].end_time_unix_nano, spans[0].end_time_unix_nano);
}

#[test]
fn places_are_taken_apart() {
    for (authority, expected) in [
        ("a.example:80", "x.address=a.example x.port=80"),
        ("a.example", "x.address=a.example"),
        ("10.0.0.1:80", "x.address=10.0.0.1 x.port=80"),
        ("[::1]:80", "x.address=::1 x.port=80"),
        ("[::1]", "x.address=::1"),
        ("a:what", "x.address=a:what"),
        ("", ""),
    ] {
        let mut all = Attributes::default();
        all.place("x", authority);
        let span = Span {
            attributes: all.0,
            ..Span::default()
        };
        let span = otel::Span::decode(&*span.encode_to_vec()).unwrap();
        assert_eq!(attributes(&span), expected, "{authority}");
    }
}
