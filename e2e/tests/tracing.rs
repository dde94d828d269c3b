//! Traces: a client's is kept or one begins, endpoints are told, and a collector gets the spans, whatever state it is in.

mod agreement;
mod received;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use evenkeel_testkit::evenkeel::Signal;
use evenkeel_testkit::faults::{BlackHole, DeadAddress};
use evenkeel_testkit::tls::TlsOrigin;
use evenkeel_testkit::{
    Authority, Caller, Evenkeel, Folder, Gate, Line, Origin, Reply, Request, Setup, Speech,
    eventually,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::Value;

use crate::places::Busy;
use received::{
    Trace, assert_within, attribute, attributes, collector, hex, sent, spans, spans_in, to,
    to_address, trace,
};

const PARENT: &str = "00f067aa0ba902b7";

/// The id of the `n`th trace of a test.
fn id(n: usize) -> String {
    format!("4bf92f3577b34da6a3ce929d0e0e{n:04x}")
}

/// What a client says of it.
fn traceparent(n: usize, flags: &str) -> String {
    format!("traceparent: 00-{}-{PARENT}-{flags}\r\n", id(n))
}

/// What a request says of its trace: the trace, the parent and the flags.
#[track_caller]
fn told(request: &Request) -> (String, String, String) {
    let all = request.head.all("traceparent");
    assert_eq!(all.len(), 1, "{all:?}");
    let parts: Vec<String> = all[0].split('-').map(ToOwned::to_owned).collect();
    let lengths: Vec<usize> = parts.iter().map(String::len).collect();
    assert_eq!((parts[0].as_str(), &*lengths), ("00", &[2, 32, 16, 2][..]));
    (parts[1].clone(), parts[2].clone(), parts[3].clone())
}

/// A request that met an endpoint that closes and one that answers, and what the collector was told of it.
struct Retried {
    bad: Origin,
    good: Origin,
    collector: Origin,
    trace: Trace,
}

/// Asks until one is tried twice: of two in rotation the second request meets the endpoint that closes, if the first one did not.
fn retried(speech: &Speech, caller: impl Fn(&Evenkeel) -> Caller) -> Retried {
    let collector = collector();
    let (bad, good) = (
        speech.serve(|exchange| {
            exchange.request();
            exchange.hang_up();
        }),
        speech.saying("hello"),
    );
    let setup = Setup::to([&bad, &good])
        .route("name = \"all\"")
        .sections(&to(&collector, "trust = true\nservice_name = \"edge\""));
    let proxy = Evenkeel::start(&setup);
    let mut caller = caller(&proxy);
    for n in 0..2 {
        let fields = format!("{}User-Agent: tester\r\n", traceparent(n, "01"));
        let response = caller.get_with("/a/b?x=1&sig=secret", &fields);
        response.status(200).body("hello");
    }
    let records = proxy.records(2);
    let mut twice = None;
    for n in 0..2 {
        let trace = trace(&collector, &id(n));
        // A line of the access log says which trace it belongs to.
        let of_trace = |record: &&Value| record["trace_id"] == id(n).as_str();
        let record = records.iter().find(of_trace).expect("a record");
        let attempts = trace.named("GET").len();
        assert_eq!(record["attempts"], attempts);
        if attempts == 2 {
            twice = Some(trace);
        }
    }
    Retried {
        bad,
        good,
        collector,
        trace: twice.expect("one is tried twice"),
    }
}

fn assert_attributes(span: &Span, expected: &[(&str, &str)]) {
    let all = attributes(&span.attributes);
    for (key, value) in expected {
        assert_eq!(
            all.get(*key).map(String::as_str),
            Some(*value),
            "{key} {all:?}"
        );
    }
}

impl Retried {
    /// The exchange and its attempts.
    fn spans(&self) -> (&Span, &Span, &Span) {
        let attempts = self.trace.named("GET");
        (self.trace.one("GET all"), attempts[0], attempts[1])
    }

    /// Who is whose part, and within whose time.
    fn assert_nested(&self) {
        let (exchange, first, second) = self.spans();
        assert_eq!(hex(&exchange.parent_span_id), PARENT);
        assert_eq!(exchange.kind(), SpanKind::Server);
        assert_eq!(exchange.flags & 0x301, 0x301, "sampled, and of a stranger");
        for attempt in [first, second] {
            assert_eq!(attempt.kind(), SpanKind::Client);
            assert_within(attempt, exchange);
        }
        assert!(first.end_time_unix_nano <= second.start_time_unix_nano);
        assert_eq!(second.events[0].name, "first-byte");
        let first_byte = second.events[0].time_unix_nano;
        assert!((second.start_time_unix_nano..=second.end_time_unix_nano).contains(&first_byte));
        let connects = self.trace.named("connect");
        assert!(
            !connects.is_empty(),
            "the endpoint that closes is always connected to anew"
        );
        for connect in connects {
            let made_for = |attempt: &&&Span| attempt.span_id == connect.parent_span_id;
            let attempt = [first, second].iter().find(made_for).copied();
            assert_within(connect, attempt.expect("an attempt connects"));
        }
    }

    fn assert_told(&self) {
        let (exchange, first, second) = self.spans();
        assert_attributes(
            exchange,
            &[
                ("http.request.method", "GET"),
                ("http.route", "all"),
                ("http.response.status_code", "200"),
                ("url.scheme", "http"),
                ("url.path", "/a/b"),
                ("url.query", "x=1&sig=REDACTED"),
                ("server.address", "a.example"),
                ("client.address", "127.0.0.1"),
                ("user_agent.original", "tester"),
                ("evenkeel.cluster", "app"),
                ("evenkeel.listener", "web"),
                ("evenkeel.attempts", "2"),
                ("evenkeel.bytes_out", "5"),
            ],
        );
        assert!(exchange.status.is_none());
        assert_eq!(attribute(exchange, "error.type"), "");
        let port = self.bad.port().to_string();
        assert_attributes(
            first,
            &[
                ("server.address", "127.0.0.1"),
                ("server.port", &port),
                ("error.type", "endpoint-closed"),
            ],
        );
        assert_eq!(first.status.as_ref().unwrap().code(), StatusCode::Error);
        assert_eq!(attribute(first, "http.request.resend_count"), "");
        let port = self.good.port().to_string();
        assert_attributes(
            second,
            &[
                ("server.port", &port),
                ("http.request.resend_count", "1"),
                ("http.response.status_code", "200"),
            ],
        );
    }

    /// Each endpoint was told of its own attempt.
    fn assert_endpoints_told(&self) {
        let (exchange, first, second) = self.spans();
        for (origin, attempt) in [(&self.bad, first), (&self.good, second)] {
            let requests = origin.requests();
            let mut came = requests.iter().map(told);
            let came = came.find(|told| told.0 == hex(&exchange.trace_id));
            let expected = (
                hex(&exchange.trace_id),
                hex(&attempt.span_id),
                "01".to_owned(),
            );
            assert_eq!(came, Some(expected));
        }
    }

    fn assert_sent(&self) {
        let asked = &self.collector.requests()[0];
        assert_eq!((asked.method(), asked.target()), ("POST", "/v1/traces"));
        assert_eq!(
            asked.field("content-type").as_deref(),
            Some("application/x-protobuf")
        );
        let process = sent(&self.collector)[0].resource_spans[0].resource.clone();
        let process = attributes(&process.unwrap().attributes);
        assert_eq!(process["service.name"], "edge");
    }

    fn assert_all(&self) {
        self.assert_nested();
        self.assert_told();
        self.assert_endpoints_told();
        self.assert_sent();
    }
}

#[test]
fn a_request_that_is_tried_twice_is_one_trace() {
    let retried = retried(&Speech::h1(), |proxy| Caller::h1(proxy.address(), None));
    retried.assert_all();
}

#[test]
fn a_request_that_is_tried_twice_is_one_trace_by_http2() {
    let retried = retried(&Speech::h2(), |proxy| Caller::h2(proxy.address(), None));
    retried.assert_all();
}

#[test]
fn only_trusted_proxies_decide_what_is_sampled() {
    let (collector, origin) = (collector(), Origin::saying("ok"));
    let setup = Setup::to([&origin])
        .sections("[listener.inner]\nbind = \"127.0.0.1:0\"\ntrusted_proxies = [\"127.0.0.0/8\"]")
        .sections(&to(&collector, "sample = \"0%\""));
    let proxy = Evenkeel::start(&setup);
    let (mut stranger, mut inner) = (proxy.client(), proxy.client_of("inner"));
    stranger.get_with("/", &traceparent(0, "01")).status(200);
    inner.get_with("/", &traceparent(1, "00")).status(200);
    stranger.get("/").status(200);
    inner.get_with("/", &traceparent(2, "01")).status(200);
    trace(&collector, &id(2));
    let traces: Vec<String> = spans(&collector).iter().map(|s| hex(&s.trace_id)).collect();
    assert!(traces.iter().all(|trace| *trace == id(2)), "{traces:?}");

    // The trace is anybody's own, and endpoints are told what was decided.
    let came: Vec<_> = origin.requests().iter().map(told).collect();
    let kept = |n: usize| (came[n].0.clone(), came[n].2.clone());
    assert_eq!(kept(0), (id(0), "00".to_owned()));
    assert_eq!(kept(1), (id(1), "00".to_owned()));
    assert_eq!(came[2].2, "00", "one that begins here");
    assert_eq!(kept(3), (id(2), "01".to_owned()));
    assert!(came.iter().all(|told| told.1 != PARENT));
}

#[test]
fn what_says_nothing_is_replaced() {
    let (collector, origin) = (collector(), Origin::saying("ok"));
    let setup = Setup::to([&origin]).sections(&to(&collector, "sample = \"100%\""));
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    let good = traceparent(1, "01");
    let state = "tracestate: a=1\r\nTraceState: b=2\r\n";
    let cases = [
        String::new(),
        format!("{good}{}", traceparent(2, "01")),
        format!("{good}{good}"),
        good.replace("00-", "ff-"),
        good.replace(&id(1), &"0".repeat(32)),
        good.replace(PARENT, &"0".repeat(16)),
        good.replace(&id(1), &id(1).to_uppercase()),
        good.replace("-01\r\n", "-01-more\r\n"),
    ];
    for case in &cases {
        client.get_with("/", &format!("{case}{state}")).status(200);
    }
    client.get_with("/", &format!("{good}{state}")).status(200);
    let later = good
        .replace("00-", "01-")
        .replace("-01\r\n", "-01-more\r\n");
    client.get_with("/", &later).status(200);

    let requests = origin.requests();
    let mut seen = Vec::new();
    for (request, case) in requests.iter().zip(&cases) {
        let (trace, _, flags) = told(request);
        assert_eq!(flags, "01", "{case}");
        assert_ne!(trace.to_lowercase(), id(1), "{case}");
        assert!(request.head.all("tracestate").is_empty(), "{case}");
        seen.push(trace);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), cases.len(), "each begins a trace of its own");
    let kept = &requests[cases.len()];
    assert_eq!(told(kept).0, id(1));
    assert_eq!(kept.head.all("tracestate"), ["a=1", "b=2"]);
    assert_eq!(told(&requests[cases.len() + 1]).0, id(1));
}

#[test]
fn with_traces_off_a_client_s_passes_as_it_is() {
    let origin = Origin::saying("ok");
    let proxy = Evenkeel::start(&Setup::to([&origin]));
    let fields = "TraceParent: 00-x\r\ntracestate: a=1\r\ntraceparent: what\r\n";
    proxy.client().get_with("/", fields).status(200);
    let request = origin.request();
    assert_eq!(request.head.all("traceparent"), ["00-x", "what"]);
    assert_eq!(request.head.all("tracestate"), ["a=1"]);
    proxy.client().get("/").status(200);
    let second = &origin.wait_requests(2)[1];
    assert_eq!(second.field("traceparent"), None);
}

#[test]
fn the_wait_for_a_place_is_a_span() {
    let (collector, gate) = (collector(), Gate::new());
    let busy = Busy::new(&gate);
    let setup = Setup::to([&busy.origin])
        .top("workers = 1")
        .cluster("limits = { endpoint_requests = 1 }")
        .add_route("path = \"/at-once\"\nrespond.body = \"\"")
        .sections(&to(&collector, "trust = true\nsample = \"0%\""));
    let proxy = Evenkeel::start(&setup);
    let (mut first, mut second) = (proxy.client(), proxy.client());
    first.send_request("GET", "/first", "", "");
    busy.origin.wait_requests(1);
    second.send_request("GET", "/second", &traceparent(1, "01"), "");
    // It is in the queue once one that came later was answered.
    proxy.client().get("/at-once").status(200);
    gate.open();
    first.response("GET").status(200);
    second.response("GET").status(200);
    let trace = trace(&collector, &id(1));
    let (queue, attempt) = (trace.one("queue"), trace.one("GET"));
    let exchange = trace.0.iter().find(|span| span.kind() == SpanKind::Server);
    assert_within(queue, exchange.unwrap());
    assert_within(attempt, exchange.unwrap());
    assert!(queue.start_time_unix_nano < queue.end_time_unix_nano);
    assert!(queue.end_time_unix_nano <= attempt.start_time_unix_nano);
}

#[test]
fn spans_and_requests_go_through_tls_and_the_collector_sees_its_key() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let tls = TlsOrigin::with(&authority.certify(&["127.0.0.1"]));
    let collector = Speech::h1().over(&tls).saying("");
    let origin = Speech::h1().over(&tls).saying("ok");
    let ca = authority.write(&folder, "ca");
    let more = format!(
        "trust = true\nca = {ca:?}\nheaders = {{ x-key = \"open sesame\" }}\nsample = \"0%\""
    );
    let setup = Setup::to([&origin])
        .cluster(&format!("protocol = \"http/1.1\"\ntls = {{ ca = {ca:?} }}"))
        .sections(&to(&collector, &more));
    let proxy = Evenkeel::start(&setup);
    proxy
        .client()
        .get_with("/", &traceparent(1, "01"))
        .status(200);
    let trace = trace(&collector, &id(1));
    let attempt = trace.one("GET");
    let (connect, tls) = (trace.one("connect"), trace.one("tls"));
    assert_within(connect, attempt);
    assert_within(tls, attempt);
    assert_eq!(connect.end_time_unix_nano, tls.start_time_unix_nano);
    let key = collector.requests()[0].field("x-key");
    assert_eq!(key.as_deref(), Some("open sesame"));
    assert!(!proxy.log().stderr().contains("sesame"));
}

/// The numbers of spans that were exported, and dropped for a reason.
fn count(proxy: &Evenkeel, series: &str) -> Option<u64> {
    let page = proxy.control().get("/metrics").status(200).text();
    let line = page.lines().find_map(|line| line.strip_prefix(series));
    line.map(|number| number.trim().parse().unwrap())
}

#[test]
fn a_collector_that_is_not_there_gets_the_spans_when_it_is() {
    let dead = DeadAddress::new();
    let origin = Origin::saying("ok");
    let setup = Setup::to([&origin]).sections(&to_address(&dead.address(), "trust = true"));
    let proxy = Evenkeel::start(&setup);
    proxy
        .client()
        .get_with("/", &traceparent(1, "01"))
        .status(200);
    proxy
        .log()
        .wait_for("a line of it", |line| line.contains("takes no spans"));
    proxy
        .client()
        .get_with("/", &traceparent(2, "01"))
        .status(200);
    let collector = Speech::h1().revive(dead, |exchange| {
        exchange.request();
        exchange.reply(&Reply::ok(""));
    });
    trace(&collector, &id(1));
    trace(&collector, &id(2));
    proxy
        .log()
        .wait_for("a line of that", |line| line.contains("takes spans again"));
    let told = proxy.log().stderr().matches("takes no spans").count();
    assert_eq!(told, 1, "one line for one change");
    eventually("the spans to be counted", || {
        let exported = count(&proxy, "evenkeel_trace_spans_exported_total ");
        exported.filter(|number| *number >= 4)
    });
}

#[test]
fn a_busy_collector_is_asked_again_and_one_that_refuses_is_not() {
    let asked = AtomicUsize::new(0);
    let collector = Origin::http(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::new(503, "later").header("Retry-After", "0"),
        1 => Reply::ok(""),
        2 => Reply::new(400, "not \x1b[31mthese"),
        _ => Reply::ok(""),
    });
    let origin = Origin::saying("ok");
    let setup = Setup::to([&origin]).sections(&to(&collector, "trust = true"));
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    client.get_with("/", &traceparent(1, "01")).status(200);
    let requests = collector.wait_requests(2);
    assert_eq!(requests[0].body, requests[1].body, "the same again");
    client.get_with("/", &traceparent(2, "01")).status(200);
    let refused = "evenkeel_trace_spans_dropped_total{reason=\"refused\"} ";
    eventually("the refused spans to be counted", || {
        count(&proxy, refused).filter(|number| *number >= 2)
    });
    proxy.log().wait_for("why", |line| {
        line.contains("refuses spans") && line.contains("400") && line.contains("not [31mthese")
    });
    client.get_with("/", &traceparent(3, "01")).status(200);
    trace(&collector, &id(3));
    // By what has come: the collector's answer may still be thought about.
    assert_eq!(
        collector.requests().len(),
        4,
        "refused spans are not sent again"
    );
}

#[test]
fn a_collector_that_finds_a_message_too_large_gets_its_halves() {
    let asked = Arc::new(AtomicUsize::new(0));
    let collector = Origin::http({
        let asked = Arc::clone(&asked);
        move |_| match asked.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::new(413, "too much"),
            _ => Reply::ok(""),
        }
    });
    let origin = Origin::saying("ok");
    let setup = Setup::to([&origin]).sections(&to(&collector, "trust = true"));
    let proxy = Evenkeel::start(&setup);
    let mut client = proxy.client();
    client.get_with("/", &traceparent(1, "01")).status(200);
    collector.wait_requests(3);
    let ids = |request| -> Vec<String> {
        let spans = spans_in(request).into_iter();
        spans.map(|span| hex(&span.span_id)).collect()
    };
    let sent: Vec<Vec<String>> = sent(&collector).into_iter().map(ids).collect();
    assert!(sent[0].len() >= 2, "{sent:?}");
    assert_eq!([&*sent[1], &*sent[2]].concat(), sent[0], "the same in two");
    eventually("all spans to be counted as taken", || {
        count(&proxy, "evenkeel_trace_spans_exported_total ")
            .filter(|number| *number == sent[0].len() as u64)
    });
}

#[test]
fn the_last_spans_are_sent_before_the_end() {
    let (collector, origin) = (collector(), Origin::saying("ok"));
    let setup = Setup::to([&origin]).sections(&to(&collector, "trust = true"));
    let proxy = Evenkeel::start(&setup);
    proxy
        .client()
        .get_with("/", &traceparent(1, "01"))
        .status(200);
    // Not `stop`, which hangs up on collectors too.
    proxy.signal(Signal::Terminate);
    assert_eq!(proxy.wait(), 0);
    let all = spans(&collector);
    assert!(
        all.iter().any(|span| hex(&span.trace_id) == id(1)),
        "{all:?}"
    );
}

#[test]
fn the_end_does_not_wait_for_a_collector_that_takes_nothing() {
    let (hole, origin) = (BlackHole::new(), Origin::saying("ok"));
    let more = "trust = true\ntimeout = \"1m\"";
    let setup = Setup::to([&origin]).sections(&to_address(&hole.address(), more));
    let proxy = Evenkeel::start(&setup);
    proxy
        .client()
        .get_with("/", &traceparent(1, "01"))
        .status(200);
    proxy.signal(Signal::Terminate);
    assert_eq!(proxy.wait(), 0);
}

#[test]
fn an_upgrade_loses_no_spans() {
    let (collector, origin) = (collector(), Origin::saying("ok"));
    let setup = Setup::to([&origin]).sections(&to(&collector, "trust = true"));
    let mut line = Line::start(&setup.text());
    line.client()
        .get_with("/", &traceparent(1, "01"))
        .status(200);
    line.upgrade();
    line.client()
        .get_with("/", &traceparent(2, "01"))
        .status(200);
    trace(&collector, &id(1));
    trace(&collector, &id(2));
    line.end();
}
