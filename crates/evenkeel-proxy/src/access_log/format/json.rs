//! A JSON object a line. Times are milliseconds; what is not there is left out.

use std::time::Duration;

use crate::access_log::format::{Entry, header, value};
use crate::access_log::line::Line;
use crate::access_log::rules::ONE;
use crate::attempted::{Attempted, Fate};

/// Writes the object.
pub(super) fn write(entry: &Entry<'_>, line: &mut Line<'_>) {
    let record = entry.exchange.record;
    asked(entry, line);
    line.put(b"\",\"status\":");
    line.number(record.status.into());
    if let Some(status) = record.grpc {
        line.put(b",\"grpc_status\":\"");
        line.text(status.name().as_bytes());
        line.put(b"\"");
    }
    if let Some(name) = value::route(entry) {
        line.put(b",\"route\":\"");
        line.text(name.as_bytes());
        line.put(b"\"");
    }
    if let Some((cluster, endpoint)) = value::endpoint(entry) {
        line.put(b",\"cluster\":\"");
        line.text(cluster.as_bytes());
        line.put(b"\",\"endpoint\":\"");
        line.text(endpoint.as_bytes());
        line.put(b"\",\"attempts\":");
        line.number(record.attempts.into());
        line.put(b",\"connect_ms\":");
        line.millis(record.connect);
        if !record.last.tls.is_zero() {
            line.put(b",\"tls_ms\":");
            line.millis(record.last.tls);
        }
    }
    // Of one attempt that went well the record's own fields say everything.
    if !record.went_well_at_once() {
        tries(entry, line);
    }
    if record.queued > Duration::ZERO {
        line.put(b",\"queued_ms\":");
        line.millis(record.queued);
    }
    if let Some(first) = record.first_byte {
        line.put(b",\"first_byte_ms\":");
        line.millis(first);
    }
    line.put(b",\"total_ms\":");
    line.millis(entry.total);
    line.put(b",\"bytes_in\":");
    line.number(record.bytes_in);
    line.put(b",\"bytes_out\":");
    line.number(record.bytes_out);
    if let Some(fault) = record.fault {
        line.put(b",\"fault\":\"");
        line.text(fault.name().as_bytes());
        line.put(b"\"");
    }
    if let Some(detail) = record.detail {
        line.put(b",\"detail\":\"");
        line.text(detail.as_bytes());
        line.put(b"\"");
    }
    secured(entry, line);
    told(entry, line);
    if entry.rules.names_headers() {
        headers(entry, line);
    }
    if entry.exchange.stands_for != ONE {
        line.put(b",\"sampled\":");
        line.thousandths(entry.exchange.stands_for.into());
    }
    line.put(b"}\n");
}

/// The beginning of the object: when, who and what, up to the value of the version.
fn asked(entry: &Entry<'_>, line: &mut Line<'_>) {
    let request = &entry.exchange.request;
    line.put(b"{\"time\":\"");
    line.put(entry.stamps.rfc3339());
    line.put(b"\",\"listener\":\"");
    line.text(entry.exchange.listener.as_bytes());
    line.put(b"\",\"client\":\"");
    value::client(entry, line);
    line.put(b"\",\"method\":\"");
    line.text(request.method_name());
    line.put(b"\",\"host\":\"");
    line.text(request.authority());
    line.put(b"\",\"target\":\"");
    value::target(request, line);
    line.put(b"\",\"version\":\"");
    value::version(request, line);
}

/// The attempts before the last in short, and then all of them with everything. Not inlined: most exchanges have one, which went
/// well.
#[inline(never)]
fn tries(entry: &Entry<'_>, line: &mut Line<'_>) {
    let record = entry.exchange.record;
    if !record.tried.is_empty() {
        line.put(b",\"tried\":");
        let mut opens = *b"[";
        for past in &record.tried {
            line.put(&opens);
            line.put(b"{\"endpoint\":\"");
            line.text(value::endpoint_of(entry, past).as_bytes());
            line.put(b"\",\"why\":\"");
            value::why(past.fate, line);
            line.put(b"\"}");
            opens = *b",";
        }
        line.put(b"]");
    }
    let last = record.last_attempt();
    if last.is_none() && record.tried.is_empty() {
        return;
    }
    line.put(b",\"tries\":");
    let mut opens = *b"[";
    for one in record.tried.iter().chain(&last) {
        line.put(&opens);
        attempt(entry, one, line);
        opens = *b",";
    }
    line.put(b"]");
}

fn attempt(entry: &Entry<'_>, one: &Attempted, line: &mut Line<'_>) {
    line.put(b"{\"endpoint\":\"");
    line.text(value::endpoint_of(entry, one).as_bytes());
    line.put(b"\",\"began_ms\":");
    line.millis(value::began(entry, one));
    if !one.queued.is_zero() {
        line.put(b",\"queued_ms\":");
        line.millis(one.queued);
    }
    if !one.connect.is_zero() {
        line.put(b",\"connect_ms\":");
        line.millis(one.connect);
    }
    if !one.tls.is_zero() {
        line.put(b",\"tls_ms\":");
        line.millis(one.tls);
    }
    if let Some(first) = value::first_byte(one) {
        line.put(b",\"first_byte_ms\":");
        line.millis(first);
    }
    line.put(b",\"total_ms\":");
    line.millis(value::took(one));
    if let Some(status) = one.fate.status() {
        line.put(b",\"status\":");
        line.number(status.into());
    }
    if !matches!(one.fate, Fate::Answered(_)) {
        line.put(b",\"why\":\"");
        value::why(one.fate, line);
        line.put(b"\"");
    }
    line.put(b"}");
}

/// The version of TLS, and the name that the client asked for by it.
fn secured(entry: &Entry<'_>, line: &mut Line<'_>) {
    let Some(proof) = entry.exchange.proof else {
        return;
    };
    line.put(b",\"tls\":\"");
    line.text(proof.version().as_bytes());
    if let Some(name) = proof.name() {
        line.put(b"\",\"sni\":\"");
        line.text(name.as_bytes());
    }
    line.put(b"\"");
}

/// What the client says about the request and itself.
fn told(entry: &Entry<'_>, line: &mut Line<'_>) {
    line.put(b",\"request_id\":\"");
    value::request_id(entry, line);
    line.put(b"\"");
    if let Some(traced) = entry.exchange.record.trace {
        line.put(b",\"trace_id\":\"");
        line.put(&traced.context.trace.digits());
        line.put(b"\"");
    }
    if let Some(agent) = value::named(&entry.exchange.request, b"user-agent") {
        line.put(b",\"user_agent\":\"");
        line.text(agent);
        line.put(b"\"");
    }
}

/// The header fields that the operator wants, an object for each direction.
#[cold]
fn headers(entry: &Entry<'_>, line: &mut Line<'_>) {
    let (request, record) = (&entry.exchange.request, entry.exchange.record);
    let rules = entry.rules;
    let mut opens = *b"{\"";
    let there = |name: &&String| header::is_in_request(name, request);
    for (n, name) in rules.request.iter().filter(there).enumerate() {
        if n == 0 {
            line.put(b",\"request_headers\":");
        }
        line.put(&opens);
        line.text(name.as_bytes());
        line.put(b"\":\"");
        header::request(name, request, line);
        line.put(b"\"");
        opens = *b",\"";
    }
    if opens[0] == b',' {
        line.put(b"}");
    }
    let kept = record.response.as_deref();
    let there = |name: &&String| header::is_in_response(name, kept);
    let mut opens = *b"{\"";
    for (n, name) in rules.response.iter().filter(there).enumerate() {
        if n == 0 {
            line.put(b",\"response_headers\":");
        }
        line.put(&opens);
        line.text(name.as_bytes());
        line.put(b"\":\"");
        header::response(name, kept, line);
        line.put(b"\"");
        opens = *b",\"";
    }
    if opens[0] == b',' {
        line.put(b"}");
    }
}
