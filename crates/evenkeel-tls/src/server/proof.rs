//! What a client's handshake has proven, kept beside its connection for the requests on it.

use crate::certificate::Certificate;
use crate::server::ServerTls;
use crate::shown::Shown;

/// What a client's handshake has proven.
#[derive(Clone, Debug)]
pub struct Proof {
    pub(crate) tls: ServerTls,
    pub(crate) shown: Shown,
    pub(crate) version: &'static str,
    pub(crate) certificate: Option<Box<Certificate>>,
}

impl Proof {
    /// The name that the client asked for (SNI), in lower case.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.shown.name.as_deref()
    }

    /// The place of the certificate that it was shown in its listener's list.
    #[must_use]
    pub const fn shown(&self) -> usize {
        self.shown.identity
    }

    /// The version of TLS, as logs and fields call it.
    #[must_use]
    pub const fn version(&self) -> &'static str {
        self.version
    }

    /// What the client showed, and was believed; none: nothing.
    #[must_use]
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_deref()
    }

    /// Whether clients are asked for certificates where the connection was accepted, so that what it has proven may be less one day
    /// than what has to be.
    #[must_use]
    pub fn is_of_check(&self) -> bool {
        self.tls.0.clients.is_some()
    }

    /// Whether clients have to prove the same by now as when the connection was accepted.
    #[must_use]
    pub fn holds(&self, now: &ServerTls) -> bool {
        self.tls.checks_clients_as(now)
    }

    /// Whether the client's certificate is over at that moment, counted in seconds from 1970.
    #[must_use]
    pub fn has_expired(&self, now: i64) -> bool {
        self.certificate().is_some_and(|one| now > one.not_after)
    }

    /// What the connection was accepted by.
    #[must_use]
    pub const fn tls(&self) -> &ServerTls {
        &self.tls
    }

    /// Whether a request for `host` (without a port) needs another connection: another certificate is for that host, and the one
    /// that was shown is not (RFC 9110 §15.5.20). A name with the dot of the root behind it is the same name.
    #[must_use]
    pub fn is_misdirected(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let choice = &self.tls.0.choice;
        if !choice.has_several()
            || self
                .name()
                .is_some_and(|name| name.eq_ignore_ascii_case(host))
        {
            return false;
        }
        choice.is_for_another(&host.to_ascii_lowercase(), self.shown.identity)
    }
}
