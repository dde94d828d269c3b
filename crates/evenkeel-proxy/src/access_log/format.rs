//! The two forms of an access record. Whatever a client sent is escaped: a record is one line, always.

use std::io::Write;
use std::time::Duration;

use evenkeel_base::RequestView;
use evenkeel_base::head::Version;

use crate::access_log::Exchange;
use crate::access_log::time::Stamp;
use crate::request_id;

/// What a record is made of.
pub(crate) struct Entry<'a> {
    pub(crate) stamp: Stamp,
    pub(crate) total: Duration,
    pub(crate) exchange: &'a Exchange<'a>,
}

/// A longer target or field is cut in the record: one request must not fill the log.
const MAX_TEXT: usize = 1024;

/// A line for people.
pub(crate) fn text(entry: &Entry<'_>, out: &mut Vec<u8>) {
    let (record, request) = (entry.exchange.record, &entry.exchange.request);
    out.extend_from_slice(entry.stamp.as_bytes());
    out.push(b' ');
    client(entry, out);
    out.extend_from_slice(b" \"");
    escaped(request.method_name(), out);
    out.push(b' ');
    target(request, out);
    out.push(b'"');
    number(b" ", record.status.into(), out);
    number(b" in=", record.bytes_in, out);
    number(b" out=", record.bytes_out, out);
    if let Some(name) = route(entry) {
        out.extend_from_slice(b" route=");
        escaped(name.as_bytes(), out);
    }
    if let Some((cluster, endpoint)) = endpoint(entry) {
        out.extend_from_slice(b" endpoint=");
        escaped(cluster.as_bytes(), out);
        out.push(b'/');
        escaped(endpoint.as_bytes(), out);
        number(b" attempts=", record.attempts.into(), out);
        millis(b" connect=", record.connect, out);
    }
    if let Some(first) = record.first_byte {
        millis(b" first=", first, out);
    }
    millis(b" total=", entry.total, out);
    if let Some(fault) = record.fault {
        out.extend_from_slice(b" fault=");
        out.extend_from_slice(fault.name().as_bytes());
    }
    if let Some(detail) = record.detail {
        out.extend_from_slice(b" detail=");
        out.extend_from_slice(detail.as_bytes());
    }
    out.push(b'\n');
}

/// A JSON object. Times are milliseconds; what is not there is left out.
pub(crate) fn json(entry: &Entry<'_>, out: &mut Vec<u8>) {
    let (record, request) = (entry.exchange.record, &entry.exchange.request);
    out.extend_from_slice(b"{\"time\":\"");
    out.extend_from_slice(entry.stamp.as_bytes());
    out.extend_from_slice(b"\",\"listener\":\"");
    escaped(entry.exchange.listener.as_bytes(), out);
    out.extend_from_slice(b"\",\"client\":\"");
    client(entry, out);
    out.extend_from_slice(b"\",\"method\":\"");
    escaped(request.method_name(), out);
    out.extend_from_slice(b"\",\"host\":\"");
    escaped(request.authority(), out);
    out.extend_from_slice(b"\",\"target\":\"");
    target(request, out);
    out.extend_from_slice(b"\",\"version\":\"");
    out.extend_from_slice(match request.version() {
        Version::Http10 => b"1.0",
        Version::Http11 => b"1.1",
    });
    number(b"\",\"status\":", record.status.into(), out);
    if let Some(name) = route(entry) {
        out.extend_from_slice(b",\"route\":\"");
        escaped(name.as_bytes(), out);
        out.push(b'"');
    }
    if let Some((cluster, endpoint)) = endpoint(entry) {
        out.extend_from_slice(b",\"cluster\":\"");
        escaped(cluster.as_bytes(), out);
        out.extend_from_slice(b"\",\"endpoint\":\"");
        escaped(endpoint.as_bytes(), out);
        number(b"\",\"attempts\":", record.attempts.into(), out);
        json_millis(b",\"connect_ms\":", record.connect, out);
    }
    if let Some(first) = record.first_byte {
        json_millis(b",\"first_byte_ms\":", first, out);
    }
    json_millis(b",\"total_ms\":", entry.total, out);
    number(b",\"bytes_in\":", record.bytes_in, out);
    number(b",\"bytes_out\":", record.bytes_out, out);
    if let Some(fault) = record.fault {
        let _ = write!(out, ",\"fault\":\"{fault}\"");
    }
    if let Some(detail) = record.detail {
        let _ = write!(out, ",\"detail\":\"{detail}\"");
    }
    out.extend_from_slice(b",\"request_id\":\"");
    escaped(request_id::kept(request).unwrap_or(&record.made_id), out);
    out.push(b'"');
    if let Some(agent) = request
        .fields()
        .find(|field| field.name.eq_ignore_ascii_case(b"user-agent"))
    {
        out.extend_from_slice(b",\"user_agent\":\"");
        escaped(agent.value, out);
        out.push(b'"');
    }
    out.extend_from_slice(b"}\n");
}

fn route<'a>(entry: &Entry<'a>) -> Option<&'a str> {
    let id = entry.exchange.record.route?;
    entry
        .exchange
        .snapshot
        .config
        .routes
        .get(id.index())
        .map(|route| route.name.as_str())
}

fn endpoint<'a>(entry: &Entry<'a>) -> Option<(&'a str, &'a str)> {
    let (cluster, index) = entry.exchange.record.endpoint?;
    let cluster = entry.exchange.snapshot.cluster(cluster)?;
    cluster
        .endpoints
        .list
        .get(index)
        .map(|endpoint| (cluster.config.name.as_str(), &*endpoint.id))
}

fn client(entry: &Entry<'_>, out: &mut Vec<u8>) {
    match entry.exchange.record.client {
        Some(ip) if Some(ip) == entry.exchange.from.0 => {
            out.extend_from_slice(entry.exchange.from.1.as_bytes());
        }
        Some(ip) => {
            let _ = write!(out, "{ip}");
        }
        None => out.extend_from_slice(b"unix"),
    }
}

fn target(request: &RequestView<'_>, out: &mut Vec<u8>) {
    escaped(request.path(), out);
    if let Some(query) = request.query() {
        out.push(b'?');
        escaped(query, out);
    }
}

fn number(before: &[u8], number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(before);
    let _ = write!(out, "{number}");
}

fn millis(before: &[u8], duration: Duration, out: &mut Vec<u8>) {
    json_millis(before, duration, out);
    out.extend_from_slice(b"ms");
}

fn json_millis(before: &[u8], duration: Duration, out: &mut Vec<u8>) {
    out.extend_from_slice(before);
    let us = duration.as_micros();
    let _ = write!(out, "{}.{:03}", us / 1000, us % 1000);
}

/// Writes text so that it can stand between quotes, in JSON and for people: what is not printable ASCII becomes `\u00NN`.
fn escaped(text: &[u8], out: &mut Vec<u8>) {
    for byte in text.iter().take(MAX_TEXT) {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            0x20..=0x7e => out.push(*byte),
            _ => {
                let _ = write!(out, "\\u00{byte:02x}");
            }
        }
    }
}

#[cfg(test)]
mod tests;
