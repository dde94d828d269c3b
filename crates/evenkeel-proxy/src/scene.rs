//! Where an exchange takes place, and what becomes of the connection after it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use evenkeel_base::ListenerId;
use evenkeel_config::model::{self, ClientHeaders};
use evenkeel_state::{Handle, Snapshot};
use evenkeel_tls::Proof;

use crate::deadline::Deadline;
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
    pub(crate) const fn is_last(&self) -> bool {
        self.leaving || self.worker.is_draining()
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
