//! Which route a request takes, and what must not go further.

use std::borrow::Cow;

use evenkeel_base::path::canonical;
use evenkeel_base::{Fault, ListenerId, Method, RequestView, RouteId};
use evenkeel_config::model;
use evenkeel_tls::Proof;

use crate::decide::client::Client;
use crate::decide::spelling;
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
    /// Whether the client's certificate is over by now.
    pub expired: bool,
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
    check_connection(snapshot, door, request).map_err(|fault| (None, fault))?;
    let path = canonical(request.path());
    let Some((id, route)) = snapshot.route(door.id, &path, request) else {
        return Err((None, Fault::NoRoute));
    };
    let fault = if !client.may(&route.allow, &route.deny) {
        Fault::RequestDenied
    } else if let Cow::Owned(path) = path
        && spelling::refused(snapshot, door.id, request, &path, (id, route)).is_some()
    {
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

/// Whether the request has come by a connection that it may come by: what its client has proven is still what it has to prove, and
/// it is shown the certificate for that host (RFC 9110 §15.5.20).
#[inline]
fn check_connection(
    snapshot: &Snapshot,
    door: Door<'_>,
    request: &RequestView<'_>,
) -> Result<(), Fault> {
    let Some(proof) = door.proof else {
        // The connection may be older than the listener's TLS.
        return match door.listener.tls {
            None => Ok(()),
            Some(_) => Err(Fault::ConnectionOutdated),
        };
    };
    if !snapshot.tls(door.id).is_some_and(|now| proof.holds(now)) {
        return Err(Fault::ConnectionOutdated);
    }
    if door.expired {
        return Err(Fault::ClientCertificateExpired);
    }
    let host = std::str::from_utf8(host_of(request.authority()));
    if host.is_ok_and(|host| proof.is_misdirected(host)) {
        return Err(Fault::Misdirected);
    }
    Ok(())
}
