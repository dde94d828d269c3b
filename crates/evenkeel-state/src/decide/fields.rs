//! The header rules of design §4: which fields pass, which are set by us, which never leave.
//!
//! One place for every protocol: it reads a borrowed view and writes to a [`FieldSink`]. Framing fields are the business
//! of whoever writes the message, and none of them comes through here.

use std::net::IpAddr;

use evenkeel_base::FieldSink;
use evenkeel_base::edits::Edits;
use evenkeel_base::field::reads_alike;
use evenkeel_base::grammar::members;
use evenkeel_base::grpc;
use evenkeel_base::head::Field;
use evenkeel_base::trace;
use evenkeel_base::{FieldName, Known, RequestView, ResponseView, Run};
use evenkeel_config::model::{ClientHeaders, Route};
use evenkeel_tls::Proof;

use crate::decide::client::Client;
use crate::decide::request_id;

/// RFC 6265 §4.1. Never one of several values in a field, as the comma has another meaning in it (§3).
const SET_COOKIE: &[u8] = b"Set-Cookie";

/// What the fields of a forwarded request depend on beside the request.
#[derive(Debug)]
pub struct RequestRules<'a> {
    /// Who asks.
    pub client: Client,
    /// The other end of the connection; none for a Unix socket.
    pub from: Option<IpAddr>,
    /// The same as text, made once per connection.
    pub from_text: &'a str,
    /// What `Host` says.
    pub host: &'a [u8],
    /// The request id to set when the client's is not kept.
    pub request_id: &'a [u8],
    /// Whether `Expect: 100-continue` passes.
    pub expect: bool,
    /// Whether trailers pass, and with them the `Trailer` field unless it announces one that does not.
    pub trailers: bool,
    /// What is left of a call's time, to stand in the place of what its client said.
    pub grpc_timeout: Option<grpc::Timeout>,
    /// What is said of the trace, in the place of what the client said; none: that passes.
    pub trace: Option<&'a Trace>,
    /// What the route sets, adds and removes.
    pub edits: &'a Edits,
    /// What the client's handshake has proven; none: it speaks without TLS.
    pub proof: Option<&'a Proof>,
    /// By what fields endpoints are told of the client's certificate; none: by none.
    pub told: Option<&'a ClientHeaders>,
    /// By what fields they are told of one at any listener: nobody may say them, whichever way he comes ([`Snapshot::proven`]).
    ///
    /// [`Snapshot::proven`]: crate::Snapshot::proven
    pub proven: &'a [String],
}

/// Whether trailers of a request pass: for gRPC, and where the route says so.
#[inline]
#[must_use]
pub fn pass_trailers(route: &Route, call: bool) -> bool {
    route.request_trailers || call
}

/// Whether the client must not say this, behind the body as little as in the head: the route sets or removes it, or only a
/// certificate can prove it. An endpoint may join trailers with the head.
#[must_use]
pub fn is_claimed(name: &[u8], edits: &Edits, proven: &[String]) -> bool {
    edits.claims(name) || is_of_proof(proven, name)
}

/// What an endpoint is told of the trace that a request belongs to.
#[derive(Debug)]
pub struct Trace {
    /// The value of `traceparent`.
    pub parent: [u8; trace::LENGTH],
    /// Whether it is the client's trace: then what others keep in `tracestate` passes with it.
    pub is_kept: bool,
}

/// Writes the fields of a request on its way to an endpoint.
pub fn request(view: &RequestView<'_>, rules: &RequestRules<'_>, sink: &mut impl FieldSink) {
    let nominated = Nominated::of(view.nominates(), view.fields());
    let trusted = rules.client.behind_proxy;
    sink.set(FieldName::HOST, rules.host);
    let (mut has_id, mut proto, mut host) = (false, false, false);
    let mut passing = Passing::new(view.run());
    let edited = !rules.edits.is_empty();
    let said_anew = rules.grpc_timeout.is_some() || rules.trace.is_some();
    for (place, field) in view.fields().enumerate() {
        let passes = match field.known {
            Known::Other if said_anew && is_said_anew(rules, field.name) => false,
            Known::Other => {
                !shadows(field.name)
                    && !nominated.names(field.name)
                    && !is_of_proof(rules.proven, field.name)
            }
            Known::Host | Known::ContentLength | Known::XForwardedFor | Known::XEvenkeelExplain => {
                false
            }
            Known::Expect => rules.expect,
            Known::Trailer => rules.trailers && !announces_claimed(rules, field.value),
            Known::XRequestId => !has_id && request_id::keeps(field.value),
            known if known.is_forwarding() => trusted && !nominated.names(field.name),
            known => !known.is_hop_by_hop() && !nominated.names(field.name),
        };
        if passes && !(edited && rules.edits.claims(field.name)) {
            has_id |= field.known == Known::XRequestId;
            proto |= field.known == Known::XForwardedProto;
            host |= field.known == Known::XForwardedHost;
        } else {
            passing.stop(place, sink);
        }
    }
    passing.stop(view.run().len(), sink);
    // Most routes have none, which is found out once.
    let edits = edited.then_some(rules.edits);
    if trusted {
        let chain = chain(view, rules.from_text);
        set(sink, edits, FieldName::X_FORWARDED_FOR, &chain);
    } else if rules.from.is_some() {
        let from = rules.from_text.as_bytes();
        set(sink, edits, FieldName::X_FORWARDED_FOR, from);
    }
    if !proto {
        let proto: &[u8] = if rules.proof.is_some() {
            b"https"
        } else {
            b"http"
        };
        set(sink, edits, FieldName::X_FORWARDED_PROTO, proto);
    }
    if !host {
        set(sink, edits, FieldName::X_FORWARDED_HOST, view.authority());
    }
    if !has_id {
        set(sink, edits, FieldName::X_REQUEST_ID, rules.request_id);
    }
    if said_anew {
        say_anew(rules, sink);
    }
    rules.edits.write(sink);
    // Behind the edits, which must not be able to say it in its place.
    tell_certificate(rules, sink);
}

/// Tells of the certificate that the client has shown.
#[inline]
fn tell_certificate(rules: &RequestRules<'_>, sink: &mut dyn FieldSink) {
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

/// Sets a field of ours, unless it is empty or the route has something to say of it.
#[inline(always)]
fn set(sink: &mut impl FieldSink, edits: Option<&Edits>, name: FieldName, value: &[u8]) {
    if !value.is_empty() && !edits.is_some_and(|edits| edits.names(name.name())) {
        sink.set(name, value);
    }
}

/// Whether a client speaks by this field of what only its handshake can prove, also where an endpoint reads `_` as `-`.
#[inline]
fn is_of_proof(proven: &[String], name: &[u8]) -> bool {
    let mut proven = proven.iter();
    proven.any(|of_proof| reads_alike(of_proof.as_bytes(), name))
}

/// Whether `Trailer` announces what does not pass.
#[cold]
fn announces_claimed(rules: &RequestRules<'_>, value: &[u8]) -> bool {
    members(value).any(|name| is_claimed(name, rules.edits, rules.proven))
}

/// Says what is said in the place of the client: what is left of a call's time, and the trace. Not what the route edits.
#[cold]
fn say_anew(rules: &RequestRules<'_>, sink: &mut dyn FieldSink) {
    let mut say = |name: &str, value: &[u8]| {
        if !rules.edits.names(name.as_bytes()) {
            sink.field(name.as_bytes(), value);
        }
    };
    if let Some(timeout) = rules.grpc_timeout {
        say(grpc::TIMEOUT, timeout.to_string().as_bytes());
    }
    if let Some(told) = rules.trace {
        say(trace::TRACEPARENT, &told.parent);
    }
}

/// Whether evenkeel says this itself, or nothing is to be said of it: the state of a trace that is not the client's any more.
#[cold]
fn is_said_anew(rules: &RequestRules<'_>, name: &[u8]) -> bool {
    let timeout = rules.grpc_timeout.is_some();
    let is_of_trace = rules.trace.is_some_and(|told| {
        trace::is_traceparent(name) || (!told.is_kept && trace::is_tracestate(name))
    });
    is_of_trace || (timeout && reads_alike(grpc::TIMEOUT.as_bytes(), name))
}

/// Writes the fields of a response on its way to the client. `length` says whether `Content-Length` passes as it is, `cookie` what
/// evenkeel sets beside the endpoint's own cookies; a route that removes those gets none of ours either.
pub fn response(
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
            Known::XEvenkeelExplain => false,
            known => !known.is_hop_by_hop() && !nominated.names(field.name),
        };
        if !passes || (edited && edits.names(field.name)) {
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
    fn stop(&mut self, place: usize, sink: &mut (impl FieldSink + ?Sized)) {
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
            Known::Host
                | Known::ContentLength
                | Known::Expect
                | Known::XRequestId
                | Known::Trailer
                | Known::XEvenkeelExplain
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

/// Why a field of a request does not pass as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// It is written anew: host, length, hops.
    Anew,
    /// It concerns this hop only.
    Hop,
    /// `Connection` says that it concerns this hop only.
    Nominated,
    /// It says who the client is or how it came, and nobody trusts it.
    Untrusted,
    /// An endpoint that reads `_` as `-` would take it for one that frames, routes or identifies.
    Shadow,
    /// It says what only a client's certificate can prove.
    Certificate,
    /// It is no request id that is kept, or another one is.
    RequestId,
    /// Nothing of the kind follows.
    Pointless,
    /// The route sets or removes it, or what it would be taken for.
    Edited,
    /// It announces trailers that do not pass.
    Claimed,
    /// It is meant for us.
    Ours,
}

/// Why the field at `place` does not pass; none: it does. For people: what is written is [`request`]'s to say, and a test holds
/// this to it.
#[must_use]
pub fn dropped(view: &RequestView<'_>, rules: &RequestRules<'_>, place: usize) -> Option<Dropped> {
    let field = view.fields().nth(place)?;
    let nominated = Nominated::of(view.nominates(), view.fields());
    let is_hop = || nominated.names(field.name).then_some(Dropped::Nominated);
    let kept = |field: &Field<'_>| {
        field.known == Known::XRequestId
            && request_id::keeps(field.value)
            && !rules.edits.claims(field.name)
    };
    let by_name = match field.known {
        Known::Other if is_said_anew(rules, field.name) => Some(Dropped::Anew),
        Known::Other if shadows(field.name) => Some(Dropped::Shadow),
        Known::Other if is_of_proof(rules.proven, field.name) => Some(Dropped::Certificate),
        Known::Other => is_hop(),
        Known::Host | Known::ContentLength => Some(Dropped::Anew),
        Known::XForwardedFor if rules.client.behind_proxy => Some(Dropped::Anew),
        Known::XEvenkeelExplain => Some(Dropped::Ours),
        Known::Expect => (!rules.expect).then_some(Dropped::Pointless),
        Known::Trailer if !rules.trailers => Some(Dropped::Pointless),
        Known::Trailer => announces_claimed(rules, field.value).then_some(Dropped::Claimed),
        Known::XRequestId => {
            let another = view.fields().take(place).any(|field| kept(&field));
            (another || !request_id::keeps(field.value)).then_some(Dropped::RequestId)
        }
        known if known.is_forwarding() && !rules.client.behind_proxy => Some(Dropped::Untrusted),
        known if known.is_hop_by_hop() => Some(Dropped::Hop),
        _ => is_hop(),
    };
    by_name.or_else(|| rules.edits.claims(field.name).then_some(Dropped::Edited))
}

#[cfg(test)]
mod tests;
