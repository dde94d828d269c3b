//! Whose certificates are believed of clients (mTLS), and which of them no more.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use crate::identity::read_certificates;
use crate::provider::{provider, sha256};

/// How clients are checked. Two are equal when they believe the same. Cheap to clone.
#[derive(Clone)]
pub struct ClientCheck {
    verifier: Arc<dyn ClientCertVerifier>,
    digest: [u8; 32],
    required: bool,
}

/// What cannot be used of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// The authorities.
    Authorities(String),
    /// The revocation list at that place.
    Revocations(usize, String),
}

impl ClientCheck {
    /// From the authorities (PEM), and their revocation lists (PEM or DER), each the content of a file. Where lists are given,
    /// every authority of a chain needs one: who is not known to be good is not let in. A list that is out of date still counts.
    ///
    /// # Errors
    /// What cannot be used.
    pub fn new(
        authorities: &[u8],
        revocations: &[Vec<u8>],
        required: bool,
    ) -> Result<Self, Unusable> {
        let mut roots = RootCertStore::empty();
        for certificate in read_certificates(authorities).map_err(Unusable::Authorities)? {
            roots.add(certificate).map_err(|error| {
                Unusable::Authorities(format!(
                    "has a certificate that can be no authority: {error}"
                ))
            })?;
        }
        let roots = Arc::new(roots);
        let mut lists = Vec::new();
        for (at, file) in revocations.iter().enumerate() {
            let wrong = |why: String| Unusable::Revocations(at, why);
            let read = read_lists(file).map_err(wrong)?;
            // By itself, so that a mistake has a place.
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider()))
                .with_crls(read.clone())
                .build()
                .map_err(|_| wrong("is no revocation list, neither PEM nor DER".into()))?;
            lists.extend(read);
        }
        let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider()));
        let builder = if required {
            builder
        } else {
            builder.allow_unauthenticated()
        };
        let verifier = builder
            .with_crls(lists)
            .build()
            .map_err(|error| Unusable::Authorities(error.to_string()))?;
        let kind: &[u8] = if required { b"required" } else { b"optional" };
        let lists = revocations.iter().map(Vec::as_slice);
        Ok(Self {
            verifier,
            digest: sha256([kind, authorities].into_iter().chain(lists)),
            required,
        })
    }

    /// What tells it apart from every other check.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Whether a client without a certificate is turned away.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        self.required
    }

    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.verifier)
    }
}

impl PartialEq for ClientCheck {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for ClientCheck {}

impl fmt::Debug for ClientCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCheck")
            .field("required", &self.required)
            .finish_non_exhaustive()
    }
}

fn read_lists(file: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    if !file.trim_ascii_start().starts_with(b"-----") {
        return Ok(vec![CertificateRevocationListDer::from(file.to_vec())]);
    }
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(file).collect();
    let lists = lists.map_err(|error| format!("is not PEM: {error}"))?;
    if lists.is_empty() {
        return Err(
            "has no revocation list in it: it should begin with `-----BEGIN X509 CRL-----`".into(),
        );
    }
    Ok(lists)
}
