//! From the story of an exchange to its spans, in the words of the OpenTelemetry conventions for HTTP.
//!
//! ```text
//! GET api                     the exchange (server)
//! ├─ queue                    the wait for a place
//! └─ GET                      an attempt (client), whose endpoint was told of it; the event first-byte
//!    ├─ connect
//!    └─ tls
//! ```
//! What the conventions have no word for begins with `evenkeel.`.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use evenkeel_base::Target;
use evenkeel_base::head::Version;
use evenkeel_base::trace::SpanId;
use evenkeel_state::trace::{Attempt, Story};

use super::proto::{AnyValue, Code, Event, KeyValue, Kind, Span, Status, Value};

/// Parts of an attempt, by the number that their span's id follows from.
const QUEUE: u64 = 1;
const CONNECT: u64 = 2;
const TLS: u64 = 3;

/// Bits of a span's flags beside those of the trace (`trace.proto`, `SpanFlags`): it is known whether the parent is a stranger's, and
/// it is.
const KNOWS_PARENT: u32 = 0x100;
const PARENT_IS_REMOTE: u32 = 0x200;
const SAMPLED: u32 = 0x01;

/// The methods that are named; others are `_OTHER`, or names of spans would be whatever a client likes.
const METHODS: [&str; 10] = [
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE",
];

/// Values of a query that give access to something, which the conventions want hidden.
const SECRETS: [&str; 4] = ["AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature"];

/// A moment by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    instant: Instant,
    since_1970: Duration,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self {
            instant: Instant::now(),
            since_1970: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }

    fn nanos(self, at: Instant) -> u64 {
        let time = match self.instant.checked_duration_since(at) {
            Some(ago) => self.since_1970.saturating_sub(ago),
            None => self.since_1970 + at.saturating_duration_since(self.instant),
        };
        u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The spans of a story, the exchange's first.
pub(super) fn of(story: &Story, now: Moment) -> Vec<Span> {
    let made = Maker { story, now };
    let mut spans = vec![made.exchange()];
    if let Some((until, wait)) = story.waited {
        spans.push(made.queue(story.context.span.part(QUEUE), until, wait));
    }
    for (attempt, resent) in story.attempts.iter().zip(0..) {
        if !attempt.queued.is_zero() {
            let id = attempt.span.part(QUEUE);
            spans.push(made.queue(id, attempt.began, attempt.queued));
        }
        spans.push(made.attempt(attempt, resent));
        made.connect(attempt, &mut spans);
    }
    spans
}

struct Maker<'a> {
    story: &'a Story,
    now: Moment,
}

impl Maker<'_> {
    fn exchange(&self) -> Span {
        let story = self.story;
        let names = story.names.names();
        let (asked, mut all) = (&story.asked, Attributes::default());
        let method = all.method(&asked.method);
        all.text("url.scheme", if asked.secure { "https" } else { "http" });
        all.text("url.path", &asked.path);
        if let Some(query) = &asked.query {
            all.text("url.query", &redacted(query));
        }
        all.place("server", &asked.authority);
        all.text("network.protocol.version", version(asked.version));
        if let Some(client) = story.client {
            all.text("client.address", &client.to_string());
        }
        if let Some(agent) = &asked.user_agent {
            all.text("user_agent.original", agent);
        }
        let route = story.route.and_then(|id| names.route(id));
        if let Some(route) = route {
            all.text("http.route", route);
        }
        if story.status != 0 {
            all.number("http.response.status_code", story.status.into());
        }
        let failed = story.status >= 500 || (story.fault.is_some() && story.status < 400);
        if let Some(fault) = story.fault {
            all.text("error.type", fault.name());
        } else if failed {
            all.text("error.type", &story.status.to_string());
        }
        if let Some(grpc) = story.grpc {
            all.text("evenkeel.grpc_status", grpc.name());
        }
        if let Some(listener) = names.listener(story.listener) {
            all.text("evenkeel.listener", listener);
        }
        self.cluster(&mut all);
        all.text("evenkeel.request_id", &asked.request_id);
        all.number("evenkeel.attempts", story.attempts.len() as u64);
        all.number("evenkeel.bytes_in", story.bytes.0);
        all.number("evenkeel.bytes_out", story.bytes.1);
        let name = match route {
            Some(route) => format!("{method} {route}"),
            None => method.to_owned(),
        };
        let span = self.span(story.context.span, name, (story.began, story.ended));
        let remote = if story.parent.is_some() {
            PARENT_IS_REMOTE
        } else {
            0
        };
        Span {
            parent_span_id: story.parent.map_or_else(Vec::new, |id| id.bytes().to_vec()),
            kind: Kind::Server.into(),
            attributes: all.0,
            status: failed.then(|| status(story.fault.map_or("", |fault| fault.about()))),
            flags: span.flags | remote,
            ..span
        }
    }

    fn queue(&self, id: SpanId, until: Instant, wait: Duration) -> Span {
        let began = until.checked_sub(wait).unwrap_or(until);
        let mut all = Attributes::default();
        self.cluster(&mut all);
        Span {
            attributes: all.0,
            ..self.span(id, "queue".to_owned(), (began, until))
        }
    }

    fn attempt(&self, attempt: &Attempt, resent: u64) -> Span {
        let mut all = Attributes::default();
        let method = all.method(&self.story.asked.method).to_owned();
        let names = self.story.names.names();
        let cluster = self.story.cluster;
        let endpoint = cluster.and_then(|id| names.endpoint(id, attempt.endpoint));
        if let Some((_, endpoint)) = endpoint {
            all.place("server", &endpoint.authority);
            match &endpoint.target {
                Target::Ip(address) => {
                    all.text("network.peer.address", &address.ip().to_string());
                    all.number("network.peer.port", address.port().into());
                }
                Target::Unix(path) => all.text("network.peer.address", &path.to_string_lossy()),
            }
            all.text("evenkeel.endpoint", &endpoint.id);
        }
        self.cluster(&mut all);
        if resent > 0 {
            all.number("http.request.resend_count", resent);
        }
        if let Some(status) = attempt.status {
            all.number("http.response.status_code", status.into());
        }
        let bad = attempt.status.filter(|status| *status >= 400);
        let error = attempt.failure.map(ToOwned::to_owned);
        let error = error.or_else(|| bad.map(|status| status.to_string()));
        if let Some(error) = &error {
            all.text("error.type", error);
        }
        // That another one was faster is nobody's error.
        let failed = error.filter(|why| why != "cancelled");
        let head = attempt.head.map(|at| Event {
            time_unix_nano: self.now.nanos(at),
            name: "first-byte".to_owned(),
        });
        Span {
            kind: Kind::Client.into(),
            attributes: all.0,
            events: head.into_iter().collect(),
            status: failed.map(|_| status("")),
            ..self.span(attempt.span, method, (attempt.began, attempt.ended))
        }
    }

    /// How its connection was come by, when it was not there.
    fn connect(&self, attempt: &Attempt, spans: &mut Vec<Span>) {
        if attempt.connect.is_zero() {
            return;
        }
        let over = attempt.began + attempt.connect;
        let connected = over.checked_sub(attempt.tls).unwrap_or(over);
        let mut add = |number, name: &str, times| {
            let id = attempt.span.part(number);
            spans.push(Span {
                parent_span_id: attempt.span.bytes().to_vec(),
                ..self.span(id, name.to_owned(), times)
            });
        };
        add(CONNECT, "connect", (attempt.began, connected));
        if !attempt.tls.is_zero() {
            add(TLS, "tls", (connected, over));
        }
    }

    fn cluster(&self, all: &mut Attributes) {
        let names = self.story.names.names();
        let cluster = self.story.cluster;
        if let Some(cluster) = cluster.and_then(|id| names.cluster(id)) {
            all.text("evenkeel.cluster", cluster);
        }
    }

    /// A span of the exchange's.
    fn span(&self, id: SpanId, name: String, (began, ended): (Instant, Instant)) -> Span {
        let context = self.story.context;
        let began = self.now.nanos(began);
        Span {
            trace_id: context.trace.bytes().to_vec(),
            span_id: id.bytes().to_vec(),
            parent_span_id: context.span.bytes().to_vec(),
            name,
            kind: Kind::Internal.into(),
            start_time_unix_nano: began,
            end_time_unix_nano: self.now.nanos(ended).max(began),
            attributes: Vec::new(),
            events: Vec::new(),
            status: None,
            flags: SAMPLED | KNOWS_PARENT,
        }
    }
}

fn status(message: &str) -> Status {
    Status {
        message: message.to_owned(),
        code: Code::Error.into(),
    }
}

const fn version(version: Version) -> &'static str {
    match version {
        Version::Http10 => "1.0",
        Version::Http11 => "1.1",
        Version::Http2 => "2",
    }
}

/// The query without what gives access to something.
fn redacted(query: &str) -> String {
    let parts: Vec<String> = query
        .split('&')
        .map(|part| match part.split_once('=') {
            Some((name, _)) if SECRETS.contains(&name) => format!("{name}=REDACTED"),
            _ => part.to_owned(),
        })
        .collect();
    parts.join("&")
}

/// Attributes of a span or of the process.
#[derive(Debug, Default)]
pub(super) struct Attributes(pub(super) Vec<KeyValue>);

impl Attributes {
    pub(super) fn text(&mut self, key: &str, text: &str) {
        self.add(key, Value::Text(text.to_owned()));
    }

    fn number(&mut self, key: &str, number: u64) {
        self.add(
            key,
            Value::Number(i64::try_from(number).unwrap_or(i64::MAX)),
        );
    }

    fn add(&mut self, key: &str, value: Value) {
        self.0.push(KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(value) }),
        });
    }

    /// The method; gives what stands for it in names.
    fn method<'m>(&mut self, method: &'m str) -> &'m str {
        if METHODS.contains(&method) {
            self.text("http.request.method", method);
            return method;
        }
        self.text("http.request.method", "_OTHER");
        self.text("http.request.method_original", method);
        "HTTP"
    }

    /// The host of `host[:port]` as `….address`, and its port.
    fn place(&mut self, whose: &str, authority: &str) {
        if authority.is_empty() {
            return;
        }
        let split = authority
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        let (host, port) = match split {
            // What is left of a bare IPv6 address is none.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        self.text(&format!("{whose}.address"), host);
        if let Some(port) = port {
            self.number(&format!("{whose}.port"), port.into());
        }
    }
}

#[cfg(test)]
mod tests;
