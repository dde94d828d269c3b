//! Why a handshake or a connection failed, in words for logs and by kinds for what follows from it.

use std::fmt;

use rustls::{CertificateError, Error, InvalidMessage};

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The other side does not speak TLS.
    NotTls,
    /// No version, cipher, protocol or signature that both sides have.
    NoAgreement,
    /// The other side showed no certificate, and has to.
    NoCertificate,
    /// The other side's certificate is not trusted, not for this name, expired or revoked.
    BadCertificate,
    /// The other side refused, by an alert.
    Refused,
    /// It broke the rules of TLS, or bytes were changed on their way.
    Broken,
}

/// Why a handshake or a connection failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    reason: Reason,
    text: String,
}

impl Failure {
    /// What kind it was.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    pub(crate) fn new(reason: Reason, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { reason, text }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "it is what `map_err` hands over"
    )]
    pub(crate) fn of(error: Error) -> Self {
        let reason = match &error {
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => Reason::NotTls,
            Error::PeerIncompatible(_) | Error::NoApplicationProtocol => Reason::NoAgreement,
            Error::NoCertificatesPresented => Reason::NoCertificate,
            Error::InvalidCertificate(_) => Reason::BadCertificate,
            Error::AlertReceived(_) => Reason::Refused,
            _ => Reason::Broken,
        };
        let text = match &error {
            Error::InvalidCertificate(CertificateError::Revoked) => {
                "the certificate is revoked".to_owned()
            }
            Error::NoCertificatesPresented => "no certificate was shown".to_owned(),
            other => other.to_string(),
        };
        Self { reason, text }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}
