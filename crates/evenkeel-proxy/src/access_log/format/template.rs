//! A line as the operator wants it.

use evenkeel_base::RequestView;
use evenkeel_config::model::{LogField, Piece};

use crate::access_log::format::{Entry, header, text, value};
use crate::access_log::line::Line;
use crate::attempted::{Attempted, Fate};

/// Writes the line. What is not there, or empty, is `-`, so that columns stay columns.
pub(super) fn write(pieces: &[Piece], entry: &Entry<'_>, line: &mut Line<'_>) {
    let exchange = entry.exchange;
    for piece in pieces {
        let before = line.filled();
        match piece {
            Piece::Text(text) => {
                line.text_of_ours(text);
                continue;
            }
            Piece::Field(field) => put(*field, entry, line),
            Piece::Request(name) => {
                header::request(name, &exchange.request, line);
            }
            Piece::Response(name) => {
                header::response(name, exchange.record.response.as_deref(), line);
            }
        }
        if line.filled() == before {
            line.put(b"-");
        }
    }
    line.put(b"\n");
}

/// Puts the value of a field, or nothing.
fn put(field: LogField, entry: &Entry<'_>, line: &mut Line<'_>) {
    let (exchange, record) = (entry.exchange, entry.exchange.record);
    let request = &exchange.request;
    let optional = |text: Option<&str>, line: &mut Line<'_>| {
        line.text(text.unwrap_or_default().as_bytes());
    };
    match field {
        LogField::Time => line.put(entry.stamps.rfc3339()),
        LogField::TimeClf => line.put(entry.stamps.clf()),
        LogField::Sampled => line.thousandths(exchange.stands_for.into()),
        LogField::Listener => line.text(exchange.listener.as_bytes()),
        LogField::Client => value::client(entry, line),
        LogField::Method => line.text(request.method_name()),
        LogField::Host => line.text(request.authority()),
        LogField::Target => value::target(request, line),
        LogField::Path => line.text(request.path()),
        LogField::Query => line.text(request.query().unwrap_or_default()),
        LogField::RequestLine => request_line(request, line),
        LogField::Version => value::version(request, line),
        LogField::Status => line.number(record.status.into()),
        LogField::GrpcStatus => optional(record.grpc.map(|status| status.name()), line),
        LogField::Route => optional(value::route(entry), line),
        LogField::Cluster => optional(value::endpoint(entry).map(|(cluster, _)| cluster), line),
        LogField::Endpoint => optional(value::endpoint(entry).map(|(_, id)| id), line),
        LogField::Attempts => line.number(record.attempts.into()),
        LogField::Connect => {
            if value::endpoint(entry).is_some() {
                line.millis(record.connect);
            }
        }
        LogField::ConnectTls => {
            if value::endpoint(entry).is_some() {
                line.millis(record.last.tls);
            }
        }
        LogField::Tried => text::tried(entry, line),
        LogField::Queued => line.millis(record.queued),
        LogField::FirstByte => {
            if let Some(first) = record.first_byte {
                line.millis(first);
            }
        }
        LogField::Total => line.millis(entry.total),
        LogField::BytesIn => line.number(record.bytes_in),
        LogField::BytesOut => line.number(record.bytes_out),
        LogField::Fault => optional(record.fault.map(evenkeel_base::Fault::name), line),
        LogField::Detail => optional(record.detail, line),
        LogField::Tls => optional(exchange.proof.map(|proof| proof.version()), line),
        LogField::Sni => optional(exchange.proof.and_then(|proof| proof.name()), line),
        LogField::RequestId => value::request_id(entry, line),
        LogField::TraceId => {
            if let Some(traced) = record.trace {
                line.put(&traced.context.trace.digits());
            }
        }
        LogField::UserAgent => named(request, b"user-agent", line),
        LogField::Referer => named(request, b"referer", line),
        LogField::TryEndpoint
        | LogField::TryBegan
        | LogField::TryQueued
        | LogField::TryConnect
        | LogField::TryTls
        | LogField::TryFirstByte
        | LogField::TryTotal
        | LogField::TryStatus
        | LogField::TryWhy => tries(field, entry, line),
    }
}

fn named(request: &RequestView<'_>, name: &[u8], line: &mut Line<'_>) {
    line.text(value::named(request, name).unwrap_or_default());
}

fn request_line(request: &RequestView<'_>, line: &mut Line<'_>) {
    line.text(request.method_name());
    line.put(b" ");
    value::target(request, line);
    line.put(b" HTTP/");
    value::version(request, line);
}

/// One value for each attempt, with commas between; `-` where an attempt has none.
fn tries(field: LogField, entry: &Entry<'_>, line: &mut Line<'_>) {
    for (n, one) in entry.exchange.record.each_attempt().enumerate() {
        if n > 0 {
            line.put(b",");
        }
        let before = line.filled();
        of_attempt(field, entry, &one, line);
        if line.filled() == before {
            line.put(b"-");
        }
    }
}

fn of_attempt(field: LogField, entry: &Entry<'_>, one: &Attempted, line: &mut Line<'_>) {
    let time = match field {
        LogField::TryEndpoint => {
            return line.text(value::endpoint_of(entry, one).as_bytes());
        }
        LogField::TryStatus => {
            if let Some(status) = one.fate.status() {
                line.number(status.into());
            }
            return;
        }
        LogField::TryWhy => {
            if !matches!(one.fate, Fate::Answered(_)) {
                value::why(one.fate, line);
            }
            return;
        }
        LogField::TryBegan => Some(value::began(entry, one)),
        LogField::TryQueued => Some(one.queued),
        LogField::TryConnect => Some(one.connect),
        LogField::TryTls => Some(one.tls),
        LogField::TryFirstByte => value::first_byte(one),
        _ => Some(value::took(one)),
    };
    if let Some(time) = time {
        line.millis(time);
    }
}
