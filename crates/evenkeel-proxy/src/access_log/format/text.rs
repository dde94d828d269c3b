//! A line for people.

use std::time::Duration;

use crate::access_log::format::{Entry, header, value};
use crate::access_log::line::Line;
use crate::access_log::rules::ONE;

/// Writes the line.
pub(super) fn write(entry: &Entry<'_>, line: &mut Line<'_>) {
    let (record, request) = (entry.exchange.record, &entry.exchange.request);
    line.put(entry.stamps.rfc3339());
    line.put(b" ");
    value::client(entry, line);
    line.put(b" \"");
    line.text(request.method_name());
    line.put(b" ");
    value::target(request, line);
    line.put(b"\" ");
    line.number(record.status.into());
    if let Some(status) = record.grpc {
        line.put(b" grpc_status=");
        line.text(status.name().as_bytes());
    }
    line.put(b" in=");
    line.number(record.bytes_in);
    line.put(b" out=");
    line.number(record.bytes_out);
    if let Some(name) = value::route(entry) {
        line.put(b" route=");
        line.text(name.as_bytes());
    }
    forwarded(entry, line);
    if let Some(first) = record.first_byte {
        line.put(b" first=");
        line.millis(first);
        line.put(b"ms");
    }
    line.put(b" total=");
    line.millis(entry.total);
    line.put(b"ms");
    if let Some(fault) = record.fault {
        line.put(b" fault=");
        line.text(fault.name().as_bytes());
    }
    if let Some(detail) = record.detail {
        line.put(b" detail=");
        line.text(detail.as_bytes());
    }
    if entry.rules.names_headers() {
        headers(entry, line);
    }
    if entry.exchange.stands_for != ONE {
        line.put(b" sampled=");
        line.thousandths(entry.exchange.stands_for.into());
    }
    line.put(b"\n");
}

/// Where it went.
fn forwarded(entry: &Entry<'_>, line: &mut Line<'_>) {
    let record = entry.exchange.record;
    if let Some((cluster, endpoint)) = value::endpoint(entry) {
        line.put(b" endpoint=");
        line.text(cluster.as_bytes());
        line.put(b"/");
        line.text(endpoint.as_bytes());
        line.put(b" attempts=");
        line.number(record.attempts.into());
        line.put(b" connect=");
        line.millis(record.connect);
        line.put(b"ms");
    }
    if !record.tried.is_empty() {
        line.put(b" tried=");
        tried(entry, line);
    }
    if record.queued > Duration::ZERO {
        line.put(b" queued=");
        line.millis(record.queued);
        line.put(b"ms");
    }
}

/// The attempts that others followed, in short.
pub(super) fn tried(entry: &Entry<'_>, line: &mut Line<'_>) {
    for (n, past) in entry.exchange.record.tried.iter().enumerate() {
        if n > 0 {
            line.put(b",");
        }
        line.text(value::endpoint_of(entry, past).as_bytes());
        line.put(b"/");
        value::why(past.fate, line);
    }
}

/// What the rules name of the header fields.
#[cold]
fn headers(entry: &Entry<'_>, line: &mut Line<'_>) {
    let (rules, exchange) = (entry.rules, entry.exchange);
    for name in &rules.request {
        if header::is_in_request(name, &exchange.request) {
            line.put(b" request.");
            line.text(name.as_bytes());
            line.put(b"=\"");
            header::request(name, &exchange.request, line);
            line.put(b"\"");
        }
    }
    let kept = exchange.record.response.as_deref();
    for name in rules.response.iter() {
        if header::is_in_response(name, kept) {
            line.put(b" response.");
            line.text(name.as_bytes());
            line.put(b"=\"");
            header::response(name, kept, line);
            line.put(b"\"");
        }
    }
}
