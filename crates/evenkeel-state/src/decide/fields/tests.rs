//! The header rules of design §4 as a table: what comes with a message, and what goes on.
//!
//! A case is `stranger("A: 1 | B: 2").passes("A: 1")`: a request with these fields between `Host` and the empty line,
//! from a client that nobody trusts, and those of them that reach the endpoint. `proxy` sends it from a trusted
//! network. [`Request::passes`] expects the fields that evenkeel sets beside; [`Request::gives`] takes them all.

use std::net::IpAddr;
use std::time::Duration;

use evenkeel_base::edits::Edits;
use evenkeel_base::{FieldSink, Network, RequestHead, ResponseHead, Run, grpc};
use evenkeel_config::model::ClientHeaders;
use evenkeel_http1::{Asked, Limits, RequestParser, ResponseParser};
use proptest::prelude::*;

use super::{RequestRules, Trace, dropped, is_claimed, request, response};
use crate::decide::client::Client;
use crate::decide::request_id;

const STRANGER: &str = "203.0.113.9";
const PROXY: &str = "10.0.0.1";
/// What is set for a request of [`STRANGER`]'s.
const SET: &str = "X-Forwarded-For: 203.0.113.9 | X-Forwarded-Proto: http | X-Forwarded-Host: app.example | X-Request-Id: made";

/// A request on its way to an endpoint.
#[derive(Clone)]
struct Request {
    fields: String,
    from: Option<IpAddr>,
    host: Option<&'static str>,
    expect: bool,
    trailers: bool,
    grpc_timeout: Option<grpc::Timeout>,
    /// The value of `traceparent`, and whether the trace is the client's.
    trace: Option<(&'static str, bool)>,
    edits: Edits,
    told: Option<ClientHeaders>,
}

/// From a client in no trusted network.
fn stranger(fields: &str) -> Request {
    Request {
        fields: fields.to_owned(),
        from: Some(STRANGER.parse().unwrap()),
        host: None,
        expect: false,
        trailers: false,
        grpc_timeout: None,
        trace: None,
        edits: Edits::default(),
        told: None,
    }
}

/// From a trusted proxy.
fn proxy(fields: &str) -> Request {
    Request {
        from: Some(PROXY.parse().unwrap()),
        ..stranger(fields)
    }
}

/// Through a Unix socket.
fn local(fields: &str) -> Request {
    Request {
        from: None,
        ..stranger(fields)
    }
}

impl Request {
    /// The route rewrites `Host`.
    fn host(self, host: &'static str) -> Self {
        Self {
            host: Some(host),
            ..self
        }
    }

    /// The client waits for `100 Continue`.
    fn expecting(self) -> Self {
        Self {
            expect: true,
            ..self
        }
    }

    /// The route lets trailers pass.
    fn with_trailers(self) -> Self {
        Self {
            trailers: true,
            ..self
        }
    }

    /// A call of gRPC that has so much time left.
    fn with_time_left(self, time: Duration) -> Self {
        Self {
            grpc_timeout: Some(grpc::Timeout(time)),
            ..self
        }
    }

    /// Traces are on.
    fn traced(self, parent: &'static str, is_kept: bool) -> Self {
        Self {
            trace: Some((parent, is_kept)),
            ..self
        }
    }

    /// Endpoints are told of the client's certificate, of which it has none.
    fn told(self) -> Self {
        Self {
            told: Some(ClientHeaders {
                subject: Some("X-Subject".to_owned()),
                san: None,
                fingerprint: Some("X_Print".to_owned()),
            }),
            ..self
        }
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.edits.set.push((name.to_owned(), value.to_owned()));
        self
    }

    fn add(mut self, name: &str, value: &str) -> Self {
        self.edits.add.push((name.to_owned(), value.to_owned()));
        self
    }

    fn remove(mut self, name: &str) -> Self {
        self.edits.remove.push(name.to_owned());
        self
    }

    /// Every field that leaves, in order; what the codec refuses leaves as `refused`.
    /// What nobody may say, where no other listener tells of certificates.
    fn proven(&self) -> Vec<String> {
        let names = self.told.iter().flat_map(ClientHeaders::names);
        names.map(str::to_owned).collect()
    }

    fn sent(&self) -> String {
        let bytes = message("GET / HTTP/1.1\r\nHost: app.example\r\n", &self.fields);
        let mut head = RequestHead::default();
        let parsed = RequestParser::default().parse(&bytes, &Limits::default(), &mut head);
        let Ok(Some(_)) = parsed else {
            return "refused".to_owned();
        };
        let view = head.view(&bytes);
        let trusted = [Network::parse("10.0.0.0/8").unwrap()];
        let from_text = self.from.map_or_else(String::new, |ip| ip.to_string());
        let trace = self.trace.map(|(parent, is_kept)| Trace {
            parent: *parent.as_bytes().first_chunk().unwrap(),
            is_kept,
        });
        let proven = self.proven();
        let rules = RequestRules {
            client: Client::find(self.from, &trusted, &view),
            from: self.from,
            from_text: &from_text,
            host: self.host.map_or_else(|| view.authority(), str::as_bytes),
            request_id: b"made",
            expect: self.expect,
            trailers: self.trailers,
            grpc_timeout: self.grpc_timeout,
            trace: trace.as_ref(),
            edits: &self.edits,
            proof: None,
            told: self.told.as_ref(),
            proven: &proven,
        };
        let mut out = Vec::new();
        request(&view, &rules, &mut out);
        let mut passed = Passed::default();
        request(&view, &rules, &mut passed);
        let told = view.fields().enumerate();
        let told = told.filter(|(place, _)| dropped(&view, &rules, *place).is_none());
        let told: Vec<_> = told
            .map(|(_, one)| (one.name.to_vec(), one.value.to_vec()))
            .collect();
        assert_eq!(passed.0, told, "what is told of {:?}", self.fields);
        if self.edits.is_empty() {
            // The id that is sent is the one in the access log, or the two would not find each other.
            let logged = request_id::kept(&view).unwrap_or(b"made");
            let mut sent = out
                .iter()
                .filter(|(name, _)| name.eq_ignore_ascii_case(b"x-request-id"));
            assert_eq!(sent.next().map(|(_, id)| id.as_slice()), Some(logged));
        }
        line(&out)
    }

    /// These fields leave and no other.
    #[track_caller]
    fn gives(&self, expected: &str) {
        assert_eq!(self.sent(), expected, "of {:?}", self.fields);
    }

    /// Of the client's fields these leave, between `Host` and what is set for a stranger.
    #[track_caller]
    fn passes(&self, fields: &str) {
        let between = if fields.is_empty() { "" } else { " | " };
        self.gives(&format!("Host: app.example{between}{fields} | {SET}"));
    }

    /// None of the client's fields leaves.
    #[track_caller]
    fn drops(&self) {
        self.passes("");
    }
}

/// The client's own fields that pass.
#[derive(Default)]
struct Passed(Vec<(Vec<u8>, Vec<u8>)>);

impl FieldSink for Passed {
    fn field(&mut self, _: &[u8], _: &[u8]) {}

    fn run(&mut self, run: Run<'_>) {
        let fields = run.fields();
        self.0
            .extend(fields.map(|one| (one.name.to_vec(), one.value.to_vec())));
    }
}

/// A head with fields that are written `A: 1 | B: 2`.
fn message(line: &str, fields: &str) -> Vec<u8> {
    let mut bytes = line.as_bytes().to_vec();
    for field in fields.split(" | ").filter(|field| !field.is_empty()) {
        bytes.extend_from_slice(field.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

fn line(fields: &[(Vec<u8>, Vec<u8>)]) -> String {
    let field = |(name, value): &(Vec<u8>, Vec<u8>)| {
        format!(
            "{}: {}",
            String::from_utf8_lossy(name),
            String::from_utf8_lossy(value)
        )
    };
    fields.iter().map(field).collect::<Vec<_>>().join(" | ")
}

#[test]
fn what_no_rule_names_passes_as_it_is() {
    stranger("").drops();
    let as_it_is = "aCCept: */* | Cookie: a=1 | Cookie: b=2 | X-Empty: | Authorization: Basic YQ== | Via: 1.1 x";
    stranger(as_it_is).passes(&as_it_is.replace("X-Empty:", "X-Empty: "));
    stranger("Content-Type: text/plain | Max-Forwards: 3 | Retry-After: 1 | Date: x")
        .passes("Content-Type: text/plain | Max-Forwards: 3 | Retry-After: 1 | Date: x");
    stranger("X-Under_score: 1").passes("X-Under_score: 1");
    stranger("Sec-WebSocket-Key: k").passes("Sec-WebSocket-Key: k");
}

#[test]
fn a_trace_passes_while_traces_are_off() {
    let fields = "Traceparent: 00-x | TraceState: a=1 | traceparent: 00-y";
    stranger(fields).passes(fields);
    proxy(fields).gives(&format!("Host: app.example | {fields} | X-Forwarded-For: 10.0.0.1 | X-Forwarded-Proto: http | X-Forwarded-Host: app.example | X-Request-Id: made"));
}

#[test]
fn endpoints_are_told_of_our_span_alone() {
    let ours = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let after = format!("{SET} | traceparent: {ours}");
    let came = "A: 1 | Traceparent: 00-x | TRACESTATE: a=1 | traceparent: 00-y | tracestate: b=2";
    // What others keep in the state of a trace passes with it, and is nothing without it.
    stranger(came).traced(ours, true).gives(&format!(
        "Host: app.example | A: 1 | TRACESTATE: a=1 | tracestate: b=2 | {after}"
    ));
    stranger(came)
        .traced(ours, false)
        .gives(&format!("Host: app.example | A: 1 | {after}"));
    stranger("")
        .traced(ours, false)
        .gives(&format!("Host: app.example | {after}"));
}

#[test]
fn fields_of_one_hop_do_not_pass() {
    for field in [
        "Connection: close",
        "Connection: keep-alive, Upgrade",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "TE: trailers",
        "Upgrade: websocket",
        "Connection: Upgrade, HTTP2-Settings | Upgrade: h2c | HTTP2-Settings: AAMAAABk",
        "Proxy-Authorization: Basic YQ==",
        "Proxy-Authenticate: Basic",
        "Transfer-Encoding: chunked",
        "Content-Length: 5",
    ] {
        stranger(field).drops();
        proxy(field).gives(
            "Host: app.example | X-Forwarded-For: 10.0.0.1 | X-Forwarded-Proto: http | X-Forwarded-Host: app.example | X-Request-Id: made",
        );
    }
}

#[test]
fn what_asks_for_an_explanation_is_meant_for_us() {
    stranger("X-Evenkeel-Explain: 1").drops();
    stranger("x-evenkeel-EXPLAIN: 1 | X-Evenkeel-Explained: 1").passes("X-Evenkeel-Explained: 1");
}

#[test]
fn connection_takes_with_it_what_it_names() {
    stranger("Connection: X-A | X-A: 1 | X-B: 2").passes("X-B: 2");
    stranger("X-A: 1 | Connection: x-b , ,X-a,close | x-B: 2 | X-C: 3").passes("X-C: 3");
    stranger("Connection: X-A | X-A: 1 | X-B: 2 | Connection: X-B").drops();
    stranger("Connection: Cookie | Cookie: a").drops();
    stranger("Connection: Content-Type | Content-Type: a/b").drops();
    stranger("Connection: X-A-Longer | X-A: 1").passes("X-A: 1");
}

#[test]
fn but_never_the_fields_that_frame_and_identify() {
    stranger("Connection: Host").drops();
    stranger("Connection: Content-Length, Transfer-Encoding | Content-Length: 5").drops();
    stranger("Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host").drops();
    stranger("Connection: X-Request-Id | X-Request-Id: theirs").gives(
        "Host: app.example | X-Request-Id: theirs | X-Forwarded-For: 203.0.113.9 | X-Forwarded-Proto: http | X-Forwarded-Host: app.example",
    );
    // A hop that a trusted proxy told of stays, whoever nominates the field.
    proxy("Connection: X-Forwarded-For | X-Forwarded-For: 192.0.2.1").gives(
        "Host: app.example | X-Forwarded-For: 192.0.2.1, 10.0.0.1 | X-Forwarded-Proto: http | X-Forwarded-Host: app.example | X-Request-Id: made",
    );
}

#[test]
fn nobody_is_believed_about_where_it_comes_from() {
    for field in [
        "X-Forwarded-For: 127.0.0.1",
        "x-forwarded-for: a | X-FORWARDED-FOR: b",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: admin.example",
        "X-Forwarded-Port: 443",
        "X-Real-IP: 127.0.0.1",
        "Forwarded: for=127.0.0.1;proto=https",
    ] {
        stranger(field).drops();
    }
}

#[test]
fn a_trusted_proxy_is_believed() {
    proxy("X-Forwarded-For: 192.0.2.1").gives(
        "Host: app.example | X-Forwarded-For: 192.0.2.1, 10.0.0.1 | X-Forwarded-Proto: http | X-Forwarded-Host: app.example | X-Request-Id: made",
    );
    proxy("X-Forwarded-For: 6.6.6.6 | X-Forwarded-For: 192.0.2.1, 10.0.0.2").gives(
        "Host: app.example | X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.0.0.2, 10.0.0.1 | X-Forwarded-Proto: http | X-Forwarded-Host: app.example | X-Request-Id: made",
    );
    proxy("X-Forwarded-Proto: https | X-Forwarded-Host: shop.example").gives(
        "Host: app.example | X-Forwarded-Proto: https | X-Forwarded-Host: shop.example | X-Forwarded-For: 10.0.0.1 | X-Request-Id: made",
    );
    proxy("Forwarded: for=a | X-Real-IP: 192.0.2.1 | X-Forwarded-Port: 443").gives(
        "Host: app.example | Forwarded: for=a | X-Real-IP: 192.0.2.1 | X-Forwarded-Port: 443 | X-Forwarded-For: 10.0.0.1 | X-Forwarded-Proto: http | X-Forwarded-Host: app.example | X-Request-Id: made",
    );
}

#[test]
fn a_unix_socket_has_no_address_to_tell_and_is_not_believed() {
    let expected = "Host: app.example | X-Forwarded-Proto: http | X-Forwarded-Host: app.example | X-Request-Id: made";
    local("").gives(expected);
    local("X-Forwarded-For: 192.0.2.1 | X-Real-IP: 192.0.2.1 | X-Forwarded-Proto: https")
        .gives(expected);
}

#[test]
fn names_with_underscores_do_not_stand_in_for_others() {
    for field in [
        "X_Forwarded_For: 127.0.0.1",
        "X-Forwarded_For: 127.0.0.1",
        "x_real_ip: 127.0.0.1",
        "X_Forwarded_Proto: https",
        "X_Request_Id: 1",
        "Content_Length: 5",
        "Transfer_Encoding: chunked",
        "Proxy_Connection: close",
        "Keep_Alive: 5",
        "Proxy_Authorization: Basic YQ==",
        "X_Evenkeel_Explain: 1",
    ] {
        stranger(field).drops();
        let trusted = proxy(field).sent();
        assert!(!trusted.contains('_'), "{trusted}");
    }
}

#[test]
fn a_request_id_is_kept_when_it_is_harmless_and_made_otherwise() {
    let longest = "x".repeat(128);
    for id in ["a", "6f1c-42", "{\"}", longest.as_str()] {
        stranger(&format!("X-Request-Id: {id}")).gives(&format!(
            "Host: app.example | X-Request-Id: {id} | X-Forwarded-For: 203.0.113.9 | X-Forwarded-Proto: http | X-Forwarded-Host: app.example"
        ));
    }
    for id in ["", "a b", "caf\u{e9}", &format!("{longest}x")] {
        stranger(&format!("X-Request-Id: {id}")).drops();
    }
}

#[test]
fn of_several_request_ids_one_is_kept() {
    let kept = |id: &str| {
        format!(
            "Host: app.example | X-Request-Id: {id} | X-Forwarded-For: 203.0.113.9 | X-Forwarded-Proto: http | X-Forwarded-Host: app.example"
        )
    };
    stranger("X-Request-Id: a | X-Request-Id: b").gives(&kept("a"));
    stranger("X-Request-Id: not kept | X-Request-Id: b").gives(&kept("b"));
    stranger("X-Request-Id: not kept | X-Request-Id: ").drops();
}

#[test]
fn host_is_one_and_what_the_route_says() {
    stranger("Accept: a")
        .host("inner:8080")
        .gives(&format!("Host: inner:8080 | Accept: a | {SET}"));
}

#[test]
fn expect_and_trailer_pass_when_what_they_announce_does() {
    let fields = "Expect: 100-continue | Trailer: X-Sum";
    stranger(fields).drops();
    stranger(fields).expecting().passes("Expect: 100-continue");
    stranger(fields).with_trailers().passes("Trailer: X-Sum");
}

#[test]
fn edits_set_add_and_remove() {
    stranger("X-A: 1 | x-a: 2 | X-B: 3")
        .set("x-A", "9")
        .gives(&format!("Host: app.example | X-B: 3 | {SET} | x-A: 9"));
    stranger("X-A: 1")
        .add("X-A", "2")
        .add("X-A", "3")
        .gives(&format!(
            "Host: app.example | X-A: 1 | {SET} | X-A: 2 | X-A: 3"
        ));
    stranger("X-A: 1 | X-B: 2 | x-a: 3")
        .remove("x-a")
        .passes("X-B: 2");
    stranger("").remove("X-Not-There").drops();
}

#[test]
fn what_a_route_sets_or_removes_cannot_be_said_with_underscores() {
    for field in [
        "X_User: root",
        "x_user: root",
        "X_Deep-Name: root",
        "X-Deep_Name: root",
        "x_deep_name: root",
    ] {
        let route = stranger(field).remove("X-User").remove("x-Deep-name");
        route.drops();
        let set = stranger(field).set("X-User", "a").set("X-Deep-Name", "b");
        set.gives(&format!(
            "Host: app.example | {SET} | X-User: a | X-Deep-Name: b"
        ));
        proxy(field).remove("X-User").remove("X-Deep-Name").gives(
            "Host: app.example | X-Forwarded-For: 10.0.0.1 | X-Forwarded-Proto: http | X-Forwarded-Host: app.example | X-Request-Id: made",
        );
    }
    // The name of the edit may be the one with underscores, and what is only added stands beside the client's.
    stranger("X-User: root").remove("X_User").drops();
    stranger("X_Users: 1 | X_Use: 2 | X-A_B: 3")
        .remove("X-User")
        .passes("X_Users: 1 | X_Use: 2 | X-A_B: 3");
    stranger("X_User: 1").add("X-User", "2").gives(&format!(
        "Host: app.example | X_User: 1 | {SET} | X-User: 2"
    ));
}

#[test]
fn trailers_say_nothing_that_the_head_must_not_say() {
    let route = stranger("")
        .set("X-User", "a")
        .add("X-Added", "b")
        .remove("X-Admin")
        .told();
    for (name, expected) in [
        ("x-user", true),
        ("X_USER", true),
        ("x_admin", true),
        ("x_subject", true),
        ("X-Print", true),
        ("X-Added", false),
        ("grpc-status", false),
        ("X-Users", false),
    ] {
        let claimed = is_claimed(name.as_bytes(), &route.edits, &route.proven());
        assert_eq!(claimed, expected, "{name}");
    }
    let announced = |names: &str| Request {
        fields: format!("Trailer: {names}"),
        ..route.clone().with_trailers()
    };
    let edits = "X-User: a | X-Added: b";
    announced("X-Sum, X-Added").gives(&format!(
        "Host: app.example | Trailer: X-Sum, X-Added | {SET} | {edits}"
    ));
    for names in ["X-Sum, x_user", "X-Admin", "X_Subject"] {
        announced(names).gives(&format!("Host: app.example | {SET} | {edits}"));
    }
}

#[test]
fn edits_have_the_last_word_on_what_we_set() {
    stranger("").set("X-Forwarded-Proto", "https").gives(
        "Host: app.example | X-Forwarded-For: 203.0.113.9 | X-Forwarded-Host: app.example | X-Request-Id: made | X-Forwarded-Proto: https",
    );
    stranger("X-Request-Id: theirs")
        .remove("X-Request-Id")
        .remove("x-forwarded-host")
        .gives("Host: app.example | X-Forwarded-For: 203.0.113.9 | X-Forwarded-Proto: http");
    proxy("X-Forwarded-For: 192.0.2.1 | X-Real-IP: 192.0.2.1")
        .remove("X-Forwarded-For")
        .set("X-Real-Ip", "0.0.0.0")
        .gives(
            "Host: app.example | X-Forwarded-Proto: http | X-Forwarded-Host: app.example | X-Request-Id: made | X-Real-Ip: 0.0.0.0",
        );
}

/// A response on its way to the client.
#[track_caller]
fn answers(fields: &str, length: bool, edits: &Edits, expected: &str) {
    answers_with(fields, length, edits, None, expected);
}

/// The same with a cookie of ours.
#[track_caller]
fn answers_with(fields: &str, length: bool, edits: &Edits, cookie: Option<&str>, expected: &str) {
    let bytes = message("HTTP/1.1 200 OK\r\n", fields);
    let mut head = ResponseHead::default();
    let asked = Asked {
        head: true,
        connect: false,
        upgrade: false,
    };
    ResponseParser::default()
        .parse(&bytes, &Limits::default(), asked, &mut head)
        .unwrap()
        .unwrap();
    let mut out = Vec::new();
    response(&head.view(&bytes), length, edits, cookie, &mut out);
    assert_eq!(line(&out), expected, "of {fields:?}");
}

#[test]
fn responses_lose_the_fields_of_their_hop_and_nothing_else() {
    let none = Edits::default();
    let as_it_is = "Date: x | Server: y | Set-Cookie: a | Set-Cookie: b | Trailer: X-Sum | X_Forwarded_For: z | Retry-After: 1 | WWW-Authenticate: Basic";
    answers(as_it_is, false, &none, as_it_is);
    let hop = "Connection: keep-alive, X-A | Keep-Alive: timeout=5 | X-A: 1 | Proxy-Authenticate: Basic | Upgrade: h2 | Proxy-Connection: close | TE: x | B: 2";
    answers(hop, false, &none, "B: 2");
    answers("Transfer-Encoding: chunked", true, &none, "");
}

#[test]
fn a_cookie_of_ours_stands_behind_those_of_the_endpoint() {
    let check = |edits: &Edits, expected: &str| {
        let own = Some("at=x; Path=/; HttpOnly");
        answers_with("Set-Cookie: a=1 | B: 2", false, edits, own, expected);
    };
    let ours = "Set-Cookie: a=1 | B: 2 | Set-Cookie: at=x; Path=/; HttpOnly";
    check(&Edits::default(), ours);
    let adds = Edits {
        add: vec![("Set-Cookie".into(), "c=3".into())],
        ..Edits::default()
    };
    check(&adds, &format!("{ours} | Set-Cookie: c=3"));
    let removes = Edits {
        remove: vec!["set-cookie".into()],
        ..Edits::default()
    };
    check(&removes, "B: 2");
}

#[test]
fn the_length_of_a_body_that_is_not_there_is_told() {
    // HEAD and 304: the field speaks of another response's body. Else whoever frames the body writes it.
    let none = Edits::default();
    answers("Content-Length: 5", true, &none, "Content-Length: 5");
    answers("Content-Length: 5", false, &none, "");
    answers(
        "Connection: Content-Length | Content-Length: 5",
        true,
        &none,
        "Content-Length: 5",
    );
}

#[test]
fn responses_are_edited() {
    let edits = stranger("")
        .set("Server", "evenkeel")
        .add("X-A", "2")
        .remove("X-Powered-By")
        .edits;
    answers(
        "server: y | X-A: 1 | x-powered-by: z",
        false,
        &edits,
        "X-A: 1 | Server: evenkeel | X-A: 2",
    );
    answers("", false, &edits, "Server: evenkeel | X-A: 2");
}

/// A name that some rule is about, or nearly, or not at all; with underscores here and there.
fn name() -> impl Strategy<Value = String> {
    let known = evenkeel_base::Known::ALL.map(|(name, _)| name.to_owned());
    prop_oneof![prop::sample::select(known.to_vec()), "[A-Za-z-]{1,12}"].prop_flat_map(|name| {
        prop::collection::vec(0..4_u8, name.len()).prop_map(move |how| {
            let change = |(c, how): (char, u8)| match how {
                0 if c == '-' => '_',
                1 => c.to_ascii_uppercase(),
                _ => c,
            };
            name.chars().zip(how).map(change).collect()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a stranger sends: one Host, one address that is its own, one id, and nothing that an endpoint could
    /// take for the framing, the hop's fields or a proxy's word.
    #[test]
    fn whatever_a_stranger_sends(fields in prop::collection::vec((name(), "[ -~&&[^|]]{0,12}"), 0..12)) {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {}", value.trim())).collect();
        let sent = stranger(&fields.join(" | ")).sent();
        if sent == "refused" {
            return Ok(());
        }
        let mut seen = Vec::new();
        for field in sent.split(" | ") {
            let (name, value) = field.split_once(": ").unwrap();
            let dashed = name.replace('_', "-").to_ascii_lowercase();
            let known = evenkeel_base::Known::of(dashed.as_bytes());
            prop_assert!(!known.is_hop_by_hop() && known != evenkeel_base::Known::ContentLength, "{field}");
            let expected = match dashed.as_str() {
                "host" | "x-forwarded-host" => "app.example",
                "x-forwarded-for" => STRANGER,
                "x-forwarded-proto" => "http",
                "x-request-id" => value,
                _ => {
                    prop_assert!(!known.is_forwarding(), "{field}");
                    continue;
                }
            };
            prop_assert_eq!(value, expected);
            seen.push(dashed);
        }
        seen.sort_unstable();
        prop_assert_eq!(seen, ["host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id"]);
    }
}

#[test]
fn a_call_is_told_what_is_left_of_its_time_and_nothing_else() {
    let left = Duration::from_millis(700);
    let told = "grpc-timeout: 700m";
    for fields in [
        "",
        "grpc-timeout: 1S",
        "Grpc-Timeout: 1S | grpc-timeout: 9H",
        "grpc_timeout: 9H",
    ] {
        stranger(fields)
            .with_time_left(left)
            .gives(&format!("Host: app.example | {SET} | {told}"));
    }
    stranger("grpc-timeout: 1S").passes("grpc-timeout: 1S");
    stranger("grpc-timeout: 1S")
        .with_time_left(left)
        .set("grpc-timeout", "2S")
        .gives(&format!("Host: app.example | {SET} | grpc-timeout: 2S"));
}

#[test]
fn nobody_says_what_a_certificate_alone_can_prove() {
    for field in ["X-Subject: a", "x_subject: a", "X-PRINT: a", "x_print: a"] {
        stranger(field).told().drops();
        stranger(field).passes(field);
    }
    stranger("X-Subjects: a | X-San: b")
        .told()
        .passes("X-Subjects: a | X-San: b");
}
