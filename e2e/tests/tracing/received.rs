//! A collector of spans, as the OpenTelemetry project's own types read what comes.

use std::collections::HashMap;

use evenkeel_testkit::{Origin, Reply, eventually};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// A collector that takes everything.
pub(super) fn collector() -> Origin {
    Origin::http(|_| Reply::ok(""))
}

/// `[trace]` towards it, with more lines.
pub(super) fn to(collector: &Origin, more: &str) -> String {
    to_address(&collector.address(), more)
}

pub(super) fn to_address(address: &str, more: &str) -> String {
    let url = if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    };
    format!("[trace]\nto = \"{url}\"\n{more}\n")
}

/// What a collector was sent so far.
pub(super) fn sent(collector: &Origin) -> Vec<ExportTraceServiceRequest> {
    let requests = collector.requests();
    requests
        .iter()
        .map(|request| ExportTraceServiceRequest::decode(&*request.body).expect("OTLP"))
        .collect()
}

/// All spans so far.
pub(super) fn spans(collector: &Origin) -> Vec<Span> {
    sent(collector).into_iter().flat_map(spans_in).collect()
}

/// Those of one message.
pub(super) fn spans_in(request: ExportTraceServiceRequest) -> Vec<Span> {
    let scopes = request
        .resource_spans
        .into_iter()
        .flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

/// The spans of one trace, once they are there. An exchange's spans are sent together.
#[track_caller]
pub(super) fn trace(collector: &Origin, id: &str) -> Trace {
    eventually(&format!("the spans of {id}"), || {
        let mut all = spans(collector);
        all.retain(|span| hex(&span.trace_id) == id);
        (!all.is_empty()).then_some(Trace(all))
    })
}

/// The spans of one trace.
#[derive(Debug)]
pub(super) struct Trace(pub(super) Vec<Span>);

impl Trace {
    /// Those of that name, in the order in which they began.
    pub(super) fn named(&self, name: &str) -> Vec<&Span> {
        let mut all: Vec<&Span> = self.0.iter().filter(|span| span.name == name).collect();
        all.sort_by_key(|span| span.start_time_unix_nano);
        all
    }

    /// The only one of that name.
    #[track_caller]
    pub(super) fn one(&self, name: &str) -> &Span {
        let all = self.named(name);
        assert_eq!(all.len(), 1, "one {name} in {self:#?}");
        all[0]
    }
}

/// `inner` is a part of `outer`: its child, and within its time.
#[track_caller]
pub(super) fn assert_within(inner: &Span, outer: &Span) {
    assert_eq!(inner.parent_span_id, outer.span_id, "{inner:#?} {outer:#?}");
    assert_eq!(inner.trace_id, outer.trace_id);
    assert!(
        outer.start_time_unix_nano <= inner.start_time_unix_nano
            && inner.start_time_unix_nano <= inner.end_time_unix_nano
            && inner.end_time_unix_nano <= outer.end_time_unix_nano,
        "{inner:#?} {outer:#?}"
    );
}

/// The attributes as text.
pub(super) fn attributes(all: &[KeyValue]) -> HashMap<String, String> {
    all.iter()
        .map(|one| (one.key.clone(), text(one.value.as_ref())))
        .collect()
}

/// One attribute of a span; empty: it has none of that name.
pub(super) fn attribute(span: &Span, key: &str) -> String {
    attributes(&span.attributes).remove(key).unwrap_or_default()
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.clone()) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
