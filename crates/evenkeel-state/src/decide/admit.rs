//! Which route a request takes, and what must not go further.

use evenkeel_base::{Fault, ListenerId, Method, RequestView, RouteId};
use evenkeel_config::model;
use evenkeel_http1::has_dot_segments;
use evenkeel_tls::Proof;

use crate::decide::client::Client;
use crate::decide::target::host_of;
use crate::snapshot::Snapshot;

/// The connection that a request came by.
#[derive(Clone, Copy, Debug)]
pub struct Door<'a> {
    /// Its listener,
    pub id: ListenerId,
    /// as it is configured.
    pub listener: &'a model::Listener,
    /// What the client's handshake has proven; none: it speaks without TLS.
    pub proof: Option<&'a Proof>,
}

/// What a request asks for beside its head, as far as that decides whether it passes.
#[derive(Clone, Copy, Debug)]
pub struct Asks {
    /// It expects something that nobody knows.
    pub expects_unknown: bool,
    /// How long its body is, where its head says so.
    pub length: Option<u64>,
}

/// A fault, and the route of a request that had one by then.
pub type Refusal = (Option<RouteId>, Fault);

/// Finds the route, and refuses what must not go further.
///
/// # Errors
/// Why it must not.
#[inline]
pub fn admit<'s>(
    snapshot: &'s Snapshot,
    door: Door<'_>,
    request: &RequestView<'_>,
    client: Client,
    asks: Asks,
) -> Result<(RouteId, &'s model::Route), Refusal> {
    if matches!(request.method(), Method::Connect | Method::Trace) {
        return Err((None, Fault::MethodRefused));
    }
    if is_misdirected(snapshot, door, request) {
        return Err((None, Fault::Misdirected));
    }
    let Some((id, route)) = snapshot.route(door.id, request) else {
        return Err((None, Fault::NoRoute));
    };
    let fault = if !client.may(&route.allow, &route.deny) {
        Fault::RequestDenied
    } else if !route.allow_dot_segments && has_dot_segments(request.path()) {
        Fault::RequestPathRefused
    } else if asks.expects_unknown {
        Fault::ExpectationFailed
    } else if asks
        .length
        .is_some_and(|length| length > route.max_request_body.bytes())
    {
        Fault::RequestBodyTooLarge
    } else {
        return Ok((id, route));
    };
    Err((Some(id), fault))
}

/// Whether the request is for a host that needs another TLS connection than the one it came by (RFC 9110 §15.5.20).
#[inline]
fn is_misdirected(snapshot: &Snapshot, door: Door<'_>, request: &RequestView<'_>) -> bool {
    let Some(proof) = door.proof else {
        // The connection may be older than the listener's TLS.
        return door.listener.tls.is_some();
    };
    let Some(now) = snapshot.tls(door.id) else {
        return true;
    };
    std::str::from_utf8(host_of(request.authority()))
        .is_ok_and(|host| proof.is_misdirected(host, now))
}
