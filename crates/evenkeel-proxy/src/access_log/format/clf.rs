//! The Common Log Format and the combined one, as Apache's `mod_log_config` writes `%h %l %u %t "%r" %>s %b` and the same with
//! `"%{Referer}i" "%{User-Agent}i"`. nginx's `combined` differs in two small things that readers of either take: a body of no
//! bytes is `-` here and `0` there, and escaped bytes are hexadecimal in small letters.
//!
//! Nobody logs in here, so the two fields of users are `-`. The time is that of the end, in UTC.

use evenkeel_base::RequestView;
use evenkeel_base::head::Version;

use crate::access_log::format::{Entry, value};
use crate::access_log::line::Line;

/// Writes the line of the Common Log Format.
pub(super) fn short(entry: &Entry<'_>, line: &mut Line<'_>) {
    usual(entry, line);
    line.put(b"\n");
}

/// Writes the line of the combined format.
pub(super) fn combined(entry: &Entry<'_>, line: &mut Line<'_>) {
    usual(entry, line);
    let request = &entry.exchange.request;
    for name in [&b"referer"[..], b"user-agent"] {
        line.put(b" \"");
        match value::named(request, name) {
            Some(text) => line.apache_text(text),
            None => line.put(b"-"),
        }
        line.put(b"\"");
    }
    line.put(b"\n");
}

fn usual(entry: &Entry<'_>, line: &mut Line<'_>) {
    let record = entry.exchange.record;
    match record.client {
        Some(_) => value::client(entry, line),
        // As nginx has it.
        None => line.put(b"unix:"),
    }
    line.put(b" - - [");
    line.put(entry.stamps.clf());
    line.put(b"] \"");
    request_line(&entry.exchange.request, line);
    line.put(b"\" ");
    line.number(record.status.into());
    line.put(b" ");
    match record.bytes_out {
        0 => line.put(b"-"),
        bytes => line.number(bytes),
    }
}

fn request_line(request: &RequestView<'_>, line: &mut Line<'_>) {
    if request.method_name().is_empty() {
        // It could not be read.
        return line.put(b"-");
    }
    line.apache_text(request.method_name());
    line.put(b" ");
    line.apache_text(request.path());
    if let Some(query) = request.query() {
        line.put(b"?");
        line.apache_text(query);
    }
    match request.version() {
        Version::Http10 => line.put(b" HTTP/1.0"),
        Version::Http11 => line.put(b" HTTP/1.1"),
        Version::Http2 => line.put(b" HTTP/2.0"),
    }
}
