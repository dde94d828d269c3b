//! Where an exchange takes place, and what becomes of the connection after it.

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use evenkeel_base::ListenerId;
use evenkeel_config::model::{self, ClientHeaders};
use evenkeel_state::{Handle, Snapshot};
use evenkeel_tls::Proof;

use crate::deadline::Deadline;
use crate::idles::Checked;
use crate::worker::Worker;

/// After the response a client may still be sending; closing at once would reset the connection and could take the
/// response with it (RFC 9112 §9.6). So much is read and thrown away, and for so long.
pub(crate) const LINGER_BYTES: usize = 256 * 1024;
/// See [`LINGER_BYTES`].
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// Where an exchange takes place.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) worker: &'a Worker,
    /// The snapshot it began with and ends with.
    pub(crate) snapshot: &'a Snapshot,
    /// What keeps that alive.
    pub(crate) handle: &'a Handle,
    pub(crate) listener_id: ListenerId,
    pub(crate) listener: &'a model::Listener,
    /// Whether the listener is gone, and the connection with this exchange.
    pub(crate) leaving: bool,
    /// The other end of the client's connection.
    pub(crate) from: &'a From,
    pub(crate) deadline: &'a Deadline,
    /// When the request's first byte was there.
    pub(crate) began: Instant,
    /// When its head was there whole.
    pub(crate) asked: Instant,
}

impl Scene<'_> {
    /// By what fields endpoints are told of the client's certificate.
    pub(crate) fn told_of_clients(&self) -> Option<&ClientHeaders> {
        let client = self.listener.tls.as_ref()?.client.as_ref()?;
        Some(&client.headers)
    }

    /// Whether the client's connection is closed after this exchange, whatever the client would like.
    pub(crate) fn is_last(&self) -> bool {
        self.leaving || self.worker.is_draining() || self.is_outdated()
    }

    /// Whether its next request would be refused by now, for what the client has proven on it.
    fn is_outdated(&self) -> bool {
        if !self.from.is_of_check() {
            return false;
        }
        let state = self.snapshot.listeners().get(self.listener_id.index());
        let newest = self.worker.snapshot();
        let id = state.and_then(|state| newest.find_listener(state.serial, self.listener_id));
        id.is_some_and(|id| self.from.is_outdated(&newest, id))
    }
}

/// The other end of a client's connection.
#[derive(Clone, Debug)]
pub(crate) struct From {
    /// Its address; none for a Unix socket.
    pub(crate) ip: Option<IpAddr>,
    /// The same as text, made once.
    pub(crate) text: String,
    /// What its handshake has proven; none: it speaks without TLS.
    pub(crate) proof: Option<Box<Proof>>,
}

impl From {
    /// Whether it was asked for a certificate, so that it is worth looking whether that still does.
    #[inline]
    pub(crate) fn is_of_check(&self) -> bool {
        self.proof.as_deref().is_some_and(Proof::is_of_check)
    }

    /// What it was checked by at the listener with that serial; none when it was not asked for anything.
    pub(crate) fn checked(&self, serial: u32) -> Option<Checked> {
        let proof = self.proof.as_deref().filter(|proof| proof.is_of_check())?;
        let tls = proof.tls().clone();
        Some(Checked { serial, tls })
    }

    /// Whether the certificate that it showed is over by now.
    pub(crate) fn has_expired(&self) -> bool {
        let Some(proof) = self.proof.as_deref() else {
            return false;
        };
        // Without a certificate there is no clock to read.
        proof.certificate().is_some() && proof.has_expired(seconds_since_1970())
    }

    /// Whether a request on its connection is refused, for the listener asks something else by now, or its certificate is over.
    pub(crate) fn is_outdated(&self, snapshot: &Snapshot, id: ListenerId) -> bool {
        match (self.proof.as_deref(), snapshot.tls(id)) {
            (Some(proof), Some(now)) => !proof.holds(now) || self.has_expired(),
            (proof, now) => proof.is_some() || now.is_some(),
        }
    }
}

fn seconds_since_1970() -> i64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH);
    passed.map_or(0, |passed| {
        i64::try_from(passed.as_secs()).unwrap_or(i64::MAX)
    })
}

/// What becomes of the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// It may carry another request.
    Persist,
    /// It is closed in good order: what was sent arrives.
    Close,
    /// It is cut.
    Cut,
}
