//! The two forms of an access record. Whatever a client sent is escaped: a record is one line, always.

use std::time::Duration;

use evenkeel_base::head::Version;
use evenkeel_base::{Known, RequestView};
use evenkeel_policy::Failure;

use crate::access_log::Exchange;
use crate::access_log::line::Line;
use crate::access_log::time::Stamp;
use crate::record::Why;
use crate::request_id;

/// What a record is made of.
pub(crate) struct Entry<'a> {
    pub(crate) stamp: &'a Stamp,
    pub(crate) total: Duration,
    pub(crate) exchange: &'a Exchange<'a>,
}

/// A line for people.
pub(crate) fn text(entry: &Entry<'_>, line: &mut Line<'_>) {
    let (record, request) = (entry.exchange.record, &entry.exchange.request);
    line.put(entry.stamp);
    line.put(b" ");
    client(entry, line);
    line.put(b" \"");
    line.text(request.method_name());
    line.put(b" ");
    target(request, line);
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
    if let Some(name) = route(entry) {
        line.put(b" route=");
        line.text(name.as_bytes());
    }
    if let Some((cluster, endpoint)) = endpoint(entry) {
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
    for (n, (endpoint, why)) in tried(entry).enumerate() {
        if n == 0 {
            line.put(b" tried=");
        } else {
            line.put(b",");
        }
        line.text(endpoint.as_bytes());
        line.put(b"/");
        outcome(why, line);
    }
    if record.queued > Duration::ZERO {
        line.put(b" queued=");
        line.millis(record.queued);
        line.put(b"ms");
    }
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
    line.put(b"\n");
}

/// A JSON object. Times are milliseconds; what is not there is left out.
pub(crate) fn json(entry: &Entry<'_>, line: &mut Line<'_>) {
    let record = entry.exchange.record;
    asked(entry, line);
    line.put(b"\",\"status\":");
    line.number(record.status.into());
    if let Some(status) = record.grpc {
        line.put(b",\"grpc_status\":\"");
        line.text(status.name().as_bytes());
        line.put(b"\"");
    }
    if let Some(name) = route(entry) {
        line.put(b",\"route\":\"");
        line.text(name.as_bytes());
        line.put(b"\"");
    }
    if let Some((cluster, endpoint)) = endpoint(entry) {
        line.put(b",\"cluster\":\"");
        line.text(cluster.as_bytes());
        line.put(b"\",\"endpoint\":\"");
        line.text(endpoint.as_bytes());
        line.put(b"\",\"attempts\":");
        line.number(record.attempts.into());
        line.put(b",\"connect_ms\":");
        line.millis(record.connect);
    }
    earlier(entry, line);
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
    line.put(b"}\n");
}

/// The attempts before the last and the wait for a place, where there were any.
fn earlier(entry: &Entry<'_>, line: &mut Line<'_>) {
    for (n, (endpoint, why)) in tried(entry).enumerate() {
        if n == 0 {
            line.put(b",\"tried\":[{\"endpoint\":\"");
        } else {
            line.put(b",{\"endpoint\":\"");
        }
        line.text(endpoint.as_bytes());
        line.put(b"\",\"why\":\"");
        outcome(why, line);
        line.put(b"\"}");
    }
    let record = entry.exchange.record;
    if !record.tried.is_empty() {
        line.put(b"]");
    }
    if record.queued > Duration::ZERO {
        line.put(b",\"queued_ms\":");
        line.millis(record.queued);
    }
}

/// The beginning of the object: when, who and what, up to the value of the version.
fn asked(entry: &Entry<'_>, line: &mut Line<'_>) {
    let request = &entry.exchange.request;
    line.put(b"{\"time\":\"");
    line.put(entry.stamp);
    line.put(b"\",\"listener\":\"");
    line.text(entry.exchange.listener.as_bytes());
    line.put(b"\",\"client\":\"");
    client(entry, line);
    line.put(b"\",\"method\":\"");
    line.text(request.method_name());
    line.put(b"\",\"host\":\"");
    line.text(request.authority());
    line.put(b"\",\"target\":\"");
    target(request, line);
    line.put(b"\",\"version\":\"");
    match request.version() {
        Version::Http10 => line.put(b"1.0"),
        Version::Http11 => line.put(b"1.1"),
        Version::Http2 => line.put(b"2"),
    }
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

/// The end of the object: what the client says about the request and itself.
fn told(entry: &Entry<'_>, line: &mut Line<'_>) {
    let request = &entry.exchange.request;
    line.put(b",\"request_id\":\"");
    match request_id::kept(request) {
        Some(id) => line.text(id),
        None => line.put(&entry.exchange.record.made_id),
    }
    line.put(b"\"");
    let agent = request.fields().find(|field| {
        field.known == Known::Other && field.name.eq_ignore_ascii_case(b"user-agent")
    });
    if let Some(agent) = agent {
        line.put(b",\"user_agent\":\"");
        line.text(agent.value);
        line.put(b"\"");
    }
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

/// The attempts that brought no response to the client: at which endpoint, and why not.
fn tried<'a>(entry: &Entry<'a>) -> impl Iterator<Item = (&'a str, Why)> {
    let record = entry.exchange.record;
    let cluster = record
        .endpoint
        .and_then(|(cluster, _)| entry.exchange.snapshot.cluster(cluster));
    let name = move |at: usize| match cluster.and_then(|one| one.endpoints.list.get(at)) {
        Some(endpoint) => &*endpoint.id,
        None => "",
    };
    record
        .tried
        .iter()
        .map(move |past| (name(past.endpoint), past.why))
}

/// What became of an attempt: a fault's name, a status, the name of a call's, or that another one was faster.
fn outcome(why: Why, line: &mut Line<'_>) {
    match why {
        Why::Failed(Failure::Fault(fault)) => line.text(fault.name().as_bytes()),
        Why::Failed(Failure::Status(status)) => line.number(status.into()),
        Why::Failed(Failure::Grpc(status)) => line.text(status.name().as_bytes()),
        Why::Cancelled => line.put(b"cancelled"),
    }
}

fn client(entry: &Entry<'_>, line: &mut Line<'_>) {
    match entry.exchange.record.client {
        Some(ip) if Some(ip) == entry.exchange.from.0 => {
            line.text(entry.exchange.from.1.as_bytes());
        }
        Some(ip) => line.text(ip.to_string().as_bytes()),
        None => line.put(b"unix"),
    }
}

fn target(request: &RequestView<'_>, line: &mut Line<'_>) {
    line.text(request.path());
    if let Some(query) = request.query() {
        line.put(b"?");
        line.text(query);
    }
}

#[cfg(test)]
mod tests;
