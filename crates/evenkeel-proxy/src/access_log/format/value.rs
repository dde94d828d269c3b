//! What the fields of a record say, one at a time.

use std::time::Duration;

use evenkeel_base::head::Version;
use evenkeel_base::{Known, RequestView};
use evenkeel_policy::Failure;

use crate::access_log::format::Entry;
use crate::access_log::line::Line;
use crate::attempted::{Attempted, Fate};
use evenkeel_state::decide::request_id;

/// The route's name.
pub(super) fn route<'a>(entry: &Entry<'a>) -> Option<&'a str> {
    entry.exchange.names.route(entry.exchange.record.route?)
}

/// The names of the cluster and of the endpoint of the last attempt.
pub(super) fn endpoint<'a>(entry: &Entry<'a>) -> Option<(&'a str, &'a str)> {
    let (cluster, index) = entry.exchange.record.endpoint?;
    let (cluster, endpoint) = entry.exchange.names.endpoint(cluster, index)?;
    Some((cluster, &*endpoint.id))
}

/// The endpoint of an attempt; empty: it leads nowhere.
pub(super) fn endpoint_of<'a>(entry: &Entry<'a>, attempt: &Attempted) -> &'a str {
    let exchange = entry.exchange;
    let cluster = exchange.record.endpoint.map(|(cluster, _)| cluster);
    match cluster.and_then(|id| exchange.names.endpoint(id, attempt.endpoint)) {
        Some((_, endpoint)) => &endpoint.id,
        None => "",
    }
}

/// When an attempt began, from the beginning of the exchange.
pub(super) fn began(entry: &Entry<'_>, attempt: &Attempted) -> Duration {
    let began = entry.exchange.record.began;
    attempt.began.saturating_duration_since(began)
}

/// How long an attempt took to get a response's head.
pub(super) fn first_byte(attempt: &Attempted) -> Option<Duration> {
    let head = attempt.head?;
    Some(head.saturating_duration_since(attempt.began))
}

/// How long an attempt took.
pub(super) fn took(attempt: &Attempted) -> Duration {
    attempt.ended.saturating_duration_since(attempt.began)
}

/// Why an attempt brought nothing, or not all: a fault's name, a status, the name of a call's, or that another one was faster.
pub(super) fn why(fate: Fate, line: &mut Line<'_>) {
    match fate {
        Fate::Failed(Failure::Fault(fault)) | Fate::Cut(_, fault) => {
            line.text(fault.name().as_bytes());
        }
        Fate::Failed(Failure::Status(status)) => line.number(status.into()),
        Fate::Failed(Failure::Grpc(status)) => line.text(status.name().as_bytes()),
        Fate::Cancelled => line.put(b"cancelled"),
        Fate::Answered(_) => {}
    }
}

/// The client's address.
#[inline]
pub(super) fn client(entry: &Entry<'_>, line: &mut Line<'_>) {
    match entry.exchange.record.client {
        Some(ip) if Some(ip) == entry.exchange.from.0 => {
            line.text(entry.exchange.from.1.as_bytes());
        }
        Some(ip) => line.text(ip.to_string().as_bytes()),
        None => line.put(b"unix"),
    }
}

/// The path and the query.
pub(super) fn target(request: &RequestView<'_>, line: &mut Line<'_>) {
    line.text(request.path());
    if let Some(query) = request.query() {
        line.put(b"?");
        line.text(query);
    }
}

/// The version of HTTP.
pub(super) fn version(request: &RequestView<'_>, line: &mut Line<'_>) {
    match request.version() {
        Version::Http10 => line.put(b"1.0"),
        Version::Http11 => line.put(b"1.1"),
        Version::Http2 => line.put(b"2"),
    }
}

/// The id that the endpoint saw.
pub(super) fn request_id(entry: &Entry<'_>, line: &mut Line<'_>) {
    match request_id::kept(&entry.exchange.request) {
        Some(id) => line.text(id),
        None => line.put(&entry.exchange.record.made_id),
    }
}

/// The first field of that name, one that means nothing to evenkeel.
pub(super) fn named<'a>(request: &RequestView<'a>, name: &[u8]) -> Option<&'a [u8]> {
    let mut fields = request.fields();
    let is_it = |known: Known, other: &[u8]| {
        known == Known::Other && other.len() == name.len() && other.eq_ignore_ascii_case(name)
    };
    fields
        .find(|field| is_it(field.known, field.name))
        .map(|field| field.value)
}
