//! An identity: a chain of certificates and the key of the first one, as they stand in files.
//!
//! Parsed once and checked then, so that a pair that does not fit, or is no certificate at all, is found before anybody connects.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use crate::certificate::Certificate;
use crate::provider::{provider, sha256};

/// A chain and its key. Two are equal when both are.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    key: Arc<CertifiedKey>,
    certificate: Certificate,
    digest: [u8; 32],
}

/// Which of the two files a mistake is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The file with the certificates.
    Certificate,
    /// The file with the key.
    Key,
}

/// Why two files are no identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// Where the mistake is.
    pub part: Part,
    /// What is wrong, in words that follow "it" or the file's name.
    pub why: String,
}

impl Identity {
    /// What stands in two PEM files: the certificate first, those that lead to its authority behind it; and its key.
    ///
    /// # Errors
    /// What is wrong with which of the two.
    pub fn parse(certificate: &[u8], key: &[u8]) -> Result<Self, Unfit> {
        let chain = read_certificates(certificate).map_err(in_certificate)?;
        let first = chain
            .first()
            .ok_or_else(|| in_certificate(NO_CERTIFICATE))?;
        let about = Certificate::of(first).map_err(in_certificate)?;
        let digest = sha256(chain.iter().map(AsRef::as_ref).chain([key]));
        let key = read_key(key)?;
        let key = CertifiedKey::from_der(chain, key, provider()).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => Unfit {
                part: Part::Key,
                why: "is not the key of the certificate".into(),
            },
            Error::InvalidCertificate(_) => {
                in_certificate("cannot be read as an X.509 certificate")
            }
            other => Unfit {
                part: Part::Key,
                why: format!("holds a key that cannot be used: {other}"),
            },
        })?;
        let key = Arc::new(key);
        Ok(Self(Arc::new(Inner {
            key,
            certificate: about,
            digest,
        })))
    }

    /// What its certificate says.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.0.certificate
    }

    /// What tells it apart from every other chain and key.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.0.digest
    }

    pub(crate) fn key(&self) -> &Arc<CertifiedKey> {
        &self.0.key
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest == other.0.digest
    }
}

impl Eq for Identity {}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is nobody's business.
        f.debug_struct("Identity")
            .field("certificate", &self.0.certificate)
            .finish_non_exhaustive()
    }
}

const NO_CERTIFICATE: &str =
    "has no certificate in it: it should begin with `-----BEGIN CERTIFICATE-----`";

/// The certificates of a PEM file, in their order.
///
/// # Errors
/// When it has none, or is broken.
pub fn read_certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|error| format!("is not PEM: {error}"))?;
    if all.is_empty() {
        return Err(NO_CERTIFICATE.into());
    }
    Ok(all)
}

fn read_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Unfit> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| {
        let is = |marker: &[u8]| pem.windows(marker.len()).any(|some| some == marker);
        let why = if is(b"ENCRYPTED") {
            "is encrypted with a passphrase, which nobody could type at a start: write it without one".to_owned()
        } else if is(b"-----BEGIN CERTIFICATE-----") {
            "has a certificate in it and no key: are the two files the wrong way round?".to_owned()
        } else {
            format!("has no private key in it: {error}")
        };
        Unfit {
            part: Part::Key,
            why,
        }
    })
}

fn in_certificate(why: impl Into<String>) -> Unfit {
    Unfit {
        part: Part::Certificate,
        why: why.into(),
    }
}
