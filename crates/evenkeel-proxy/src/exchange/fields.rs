//! The header rules of design §4: which fields pass, which are set by us, which never leave.
//!
//! One place for every protocol: it reads a borrowed view and writes to a [`FieldSink`]. Framing fields are the business
//! of whoever writes the message, and none of them comes through here.

use std::net::IpAddr;

use evenkeel_base::FieldSink;
use evenkeel_base::edits::Edits;
use evenkeel_base::grpc;
use evenkeel_base::head::Field;
use evenkeel_base::{FieldName, Known, RequestView, ResponseView, Run};
use evenkeel_config::model::ClientHeaders;
use evenkeel_tls::Proof;

use crate::exchange::client::Client;
use crate::request_id;

/// RFC 6265 §4.1. Never one of several values in a field, as the comma has another meaning in it (§3).
const SET_COOKIE: &[u8] = b"Set-Cookie";

/// What the fields of a forwarded request depend on beside the request.
pub(crate) struct RequestRules<'a> {
    pub(crate) client: Client,
    /// The other end of the connection; none for a Unix socket.
    pub(crate) from: Option<IpAddr>,
    /// The same as text, made once per connection.
    pub(crate) from_text: &'a str,
    /// What `Host` says.
    pub(crate) host: &'a [u8],
    /// The request id to set when the client's is not kept.
    pub(crate) request_id: &'a [u8],
    /// Whether `Expect: 100-continue` passes.
    pub(crate) expect: bool,
    /// Whether trailers pass, and with them the `Trailer` field.
    pub(crate) trailers: bool,
    /// What is left of a call's time, to stand in the place of what its client said.
    pub(crate) grpc_timeout: Option<grpc::Timeout>,
    pub(crate) edits: &'a Edits,
    /// What the client's handshake has proven; none: it speaks without TLS.
    pub(crate) proof: Option<&'a Proof>,
    /// By what fields endpoints are told of the client's certificate; none: by none.
    pub(crate) told: Option<&'a ClientHeaders>,
}

/// Writes the fields of a request on its way to an endpoint.
pub(crate) fn request(view: &RequestView<'_>, rules: &RequestRules<'_>, sink: &mut dyn FieldSink) {
    let nominated = Nominated::of(view.nominates(), view.fields());
    let trusted = rules.client.behind_proxy;
    sink.set(FieldName::HOST, rules.host);
    let (mut has_id, mut proto, mut host) = (false, false, false);
    let mut passing = Passing::new(view.run());
    let edited = !rules.edits.is_empty();
    let retimed = rules.grpc_timeout.is_some();
    for (place, field) in view.fields().enumerate() {
        let passes = match field.known {
            Known::Other if retimed && is_grpc_timeout(field.name) => false,
            Known::Other => {
                !shadows(field.name)
                    && !nominated.names(field.name)
                    && !is_of_proof(rules.told, field.name)
            }
            Known::Host | Known::ContentLength | Known::XForwardedFor => false,
            Known::Expect => rules.expect,
            Known::Trailer => rules.trailers,
            Known::XRequestId => !has_id && request_id::keeps(field.value),
            known if known.is_forwarding() => trusted && !nominated.names(field.name),
            known => !known.is_hop_by_hop() && !nominated.names(field.name),
        };
        if passes && !(edited && rules.edits.drops(&field)) {
            has_id |= field.known == Known::XRequestId;
            proto |= field.known == Known::XForwardedProto;
            host |= field.known == Known::XForwardedHost;
        } else {
            passing.stop(place, sink);
        }
    }
    passing.stop(view.run().len(), sink);
    let mut set = |name: FieldName, value: &[u8]| {
        if !value.is_empty() && (rules.edits.is_empty() || !rules.edits.names(name.name())) {
            sink.set(name, value);
        }
    };
    if trusted {
        set(FieldName::X_FORWARDED_FOR, &chain(view, rules.from_text));
    } else if rules.from.is_some() {
        set(FieldName::X_FORWARDED_FOR, rules.from_text.as_bytes());
    }
    if !proto {
        let proto: &[u8] = if rules.proof.is_some() {
            b"https"
        } else {
            b"http"
        };
        set(FieldName::X_FORWARDED_PROTO, proto);
    }
    if !host {
        set(FieldName::X_FORWARDED_HOST, view.authority());
    }
    if !has_id {
        set(FieldName::X_REQUEST_ID, rules.request_id);
    }
    if let Some(timeout) = rules.grpc_timeout {
        tell_time(timeout, rules.edits, sink);
    }
    rules.edits.write(sink);
    // Behind the edits, which must not be able to say it in its place.
    if let Some((told, certificate)) = rules.told.zip(rules.proof.and_then(Proof::certificate)) {
        for (name, value) in [
            (&told.subject, &certificate.subject),
            (&told.san, &certificate.alternatives),
            (&told.fingerprint, &certificate.fingerprint),
        ] {
            if let Some(name) = name {
                sink.field(name.as_bytes(), value.as_bytes());
            }
        }
    }
}

/// Whether a client speaks by this field of what only its handshake can prove, also where an endpoint reads `_` as `-`.
fn is_of_proof(told: Option<&ClientHeaders>, name: &[u8]) -> bool {
    let same = |a: &u8, b: &u8| {
        let fold = |c: &u8| {
            if *c == b'_' {
                b'-'
            } else {
                c.to_ascii_lowercase()
            }
        };
        fold(a) == fold(b)
    };
    told.is_some_and(|told| {
        told.names().map(str::as_bytes).any(|of_proof| {
            of_proof.len() == name.len() && of_proof.iter().zip(name).all(|(a, b)| same(a, b))
        })
    })
}

/// Tells what is left of a call's time, unless the route says something of it.
fn tell_time(timeout: grpc::Timeout, edits: &Edits, sink: &mut dyn FieldSink) {
    let name = grpc::TIMEOUT.as_bytes();
    if !edits.names(name) {
        sink.field(name, timeout.to_string().as_bytes());
    }
}

fn is_grpc_timeout(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(grpc::TIMEOUT.as_bytes())
}

/// Writes the fields of a response on its way to the client. `length` says whether `Content-Length` passes as it is, `cookie` what
/// evenkeel sets beside the endpoint's own cookies; a route that removes those gets none of ours either.
pub(crate) fn response(
    view: &ResponseView<'_>,
    length: bool,
    edits: &Edits,
    cookie: Option<&str>,
    sink: &mut dyn FieldSink,
) {
    let nominated = Nominated::of(view.nominates(), view.fields());
    // RFC 9110 §15.5.22: a 426 says to what one has to upgrade, and nobody but the endpoint knows.
    let upgrade = view.status() == 426 && view.known(Known::Upgrade).is_some();
    if upgrade {
        sink.field(b"Connection", b"upgrade");
    }
    let mut passing = Passing::new(view.run());
    let edited = !edits.is_empty();
    for (place, field) in view.fields().enumerate() {
        let passes = match field.known {
            Known::Other => !nominated.names(field.name),
            Known::ContentLength => length,
            Known::Upgrade => upgrade,
            known => !known.is_hop_by_hop() && !nominated.names(field.name),
        };
        if !passes || (edited && edits.drops(&field)) {
            passing.stop(place, sink);
        }
    }
    passing.stop(view.run().len(), sink);
    if let Some(cookie) = cookie.filter(|_| !edits.names(SET_COOKIE)) {
        sink.field(SET_COOKIE, cookie.as_bytes());
    }
    edits.write(sink);
}

/// Fields that pass, collected until one does not: neighbors leave as one run.
struct Passing<'a> {
    all: Run<'a>,
    since: usize,
}

impl<'a> Passing<'a> {
    const fn new(all: Run<'a>) -> Self {
        Self { all, since: 0 }
    }

    /// Writes those before `place`; the one that stands there does not pass.
    #[inline]
    fn stop(&mut self, place: usize, sink: &mut dyn FieldSink) {
        if place > self.since {
            sink.run(self.all.part(self.since, place));
        }
        self.since = place + 1;
    }
}

/// Whether an endpoint that reads `_` as `-` would take this for a field that frames, routes or identifies.
fn shadows(name: &[u8]) -> bool {
    if !name.contains(&b'_') {
        return false;
    }
    let twin = Known::underscore_twin(name);
    twin.is_hop_by_hop()
        || twin.is_forwarding()
        || matches!(
            twin,
            Known::Host | Known::ContentLength | Known::Expect | Known::XRequestId | Known::Trailer
        )
}

/// The hops that trusted proxies told of, and the last of them.
fn chain(view: &RequestView<'_>, from: &str) -> Vec<u8> {
    let mut chain = Vec::with_capacity(64);
    for field in view
        .fields()
        .filter(|field| field.known == Known::XForwardedFor)
    {
        chain.extend_from_slice(field.value);
        chain.extend_from_slice(b", ");
    }
    chain.extend_from_slice(from.as_bytes());
    chain
}

/// The fields that `Connection` names beside the usual options (RFC 9110 §7.6.1): they concern this hop only.
struct Nominated<'a>(Option<Vec<&'a [u8]>>);

impl<'a> Nominated<'a> {
    fn of(any: bool, fields: impl Iterator<Item = Field<'a>>) -> Self {
        if !any {
            return Self(None);
        }
        let mut names: Option<Vec<&'a [u8]>> = None;
        for field in fields.filter(|field| field.known == Known::Connection) {
            let usual: [&[u8]; 3] = [b"keep-alive", b"close", b"upgrade"];
            for option in field.value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
                if !option.is_empty()
                    && !usual.iter().any(|usual| usual.eq_ignore_ascii_case(option))
                {
                    names.get_or_insert_default().push(option);
                }
            }
        }
        Self(names)
    }

    fn names(&self, name: &[u8]) -> bool {
        self.0
            .as_ref()
            .is_some_and(|names| names.iter().any(|option| option.eq_ignore_ascii_case(name)))
    }
}

#[cfg(test)]
mod tests;
