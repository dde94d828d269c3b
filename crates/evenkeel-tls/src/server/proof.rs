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

    /// Whether a request for `host` (without a port) needs another connection: by now clients have to prove something else, or
    /// another certificate is for that host, and the one that was shown is not (RFC 9110 §15.5.20).
    #[must_use]
    pub fn is_misdirected(&self, host: &str, now: &ServerTls) -> bool {
        if !self.tls.checks_clients_as(now) {
            return true;
        }
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
