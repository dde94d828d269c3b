//! Who vouches for endpoints: certificates of authorities, those of the system or those of a file.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::identity::read_certificates;
use crate::provider::sha256;

/// Authorities whose word counts. Two are equal when they are the same ones. Cheap to clone.
#[derive(Clone)]
pub struct Roots {
    store: Arc<RootCertStore>,
    /// Of each certificate, sorted.
    each: Arc<[[u8; 32]]>,
    digest: [u8; 32],
}

impl Roots {
    /// Those of a PEM file, which may hold several certificates.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow the file's name.
    pub fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let all = read_certificates(pem)?;
        let mut store = RootCertStore::empty();
        for (certificate, number) in all.iter().zip(1..) {
            store.add(certificate.clone()).map_err(|error| {
                format!("has a certificate, no. {number}, that cannot be read: {error}")
            })?;
        }
        Ok(Self::of(store, &all))
    }

    /// Those that the system trusts: of its folder for them, or where `SSL_CERT_FILE` and `SSL_CERT_DIR` say. What cannot be
    /// read of them is left out.
    ///
    /// # Errors
    /// When there are none, in words for the operator.
    pub fn of_system() -> Result<Self, String> {
        let found = rustls_native_certs::load_native_certs();
        let mut store = RootCertStore::empty();
        let (added, _) = store.add_parsable_certificates(found.certs.iter().cloned());
        if added == 0 {
            let why = found.errors.first();
            let why = why.map_or_else(String::new, |error| format!(" ({error})"));
            return Err(format!(
                "this system has no certificates of authorities{why}"
            ));
        }
        Ok(Self::of(store, &found.certs))
    }

    fn of(store: RootCertStore, all: &[CertificateDer<'_>]) -> Self {
        // In any order: the system lists a folder as it likes.
        let mut digests: Vec<[u8; 32]> = all.iter().map(|one| sha256([&one[..]])).collect();
        digests.sort_unstable();
        digests.dedup();
        Self {
            store: Arc::new(store),
            digest: sha256(digests.iter().map(|one| &one[..])),
            each: digests.into(),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.store.len()
    }

    pub(crate) fn store(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.store)
    }

    /// Whether this certificate (DER) is one of them.
    pub(crate) fn has(&self, certificate: &[u8]) -> bool {
        self.each.binary_search(&sha256([certificate])).is_ok()
    }

    /// What tells these from others.
    pub(crate) const fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

impl PartialEq for Roots {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Roots {}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({})", self.count())
    }
}
