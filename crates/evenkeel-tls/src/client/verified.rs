//! Endpoints that prove who they are: by a chain that leads to an authority, or by the very certificate that the operator named.
//!
//! The second is for endpoints that certify themselves. A file of authorities may hold such a certificate, and OpenSSL makes them
//! with the mark of an authority, which no endpoint may have (RFC 5280 §4.2.1.9): the usual verification refuses them for it. Who
//! put this one into the file means this one. Its name and its time have to be right all the same.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use crate::believed;
use crate::certificate::Certificate;
use crate::client::roots::Roots;
use crate::provider::provider;

/// Believes authorities, and the certificates that are named.
#[derive(Debug)]
pub(crate) struct Verified {
    usual: Arc<WebPkiServerVerifier>,
    roots: Roots,
}

impl Verified {
    /// By these.
    ///
    /// # Errors
    /// When there are none, in words for the operator.
    pub(crate) fn new(roots: &Roots) -> Result<Self, String> {
        let (store, provider) = (roots.store(), Arc::clone(provider()));
        let usual = WebPkiServerVerifier::builder_with_provider(store, provider).build();
        Ok(Self {
            usual: usual.map_err(|error| error.to_string())?,
            roots: roots.clone(),
        })
    }
}

/// Whether a certificate that is believed is for this name and this time.
fn fits(der: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Result<(), Error> {
    let broken = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
    let about = Certificate::of(der).map_err(broken)?;
    let at = |seconds: i64| {
        let seconds = u64::try_from(seconds).unwrap_or(0);
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    };
    let (not_before, not_after) = (at(about.not_before), at(about.not_after));
    if now > not_after {
        let why = CertificateError::ExpiredContext {
            time: now,
            not_after,
        };
        return Err(Error::InvalidCertificate(why));
    }
    if now < not_before {
        let why = CertificateError::NotValidYetContext {
            time: now,
            not_before,
        };
        return Err(Error::InvalidCertificate(why));
    }
    verify_server_name(&ParsedCertificate::try_from(der)?, name)
}

impl ServerCertVerifier for Verified {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let usual = self.usual.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let verified = match usual {
            Err(_) if self.roots.has(end_entity) => {
                fits(end_entity, server_name, now).map(|()| ServerCertVerified::assertion())
            }
            usual => usual,
        };
        if verified.is_ok() {
            believed::rest_on(believed::of_chain(end_entity, intermediates, now));
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}
