//! Whose certificates are believed of clients (mTLS), and which of them no more.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use crate::believed::{self, seconds};
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
            verifier: Arc::new(Dated(verifier)),
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

/// So long after a client's certificate was verified it is verified again, in seconds: sessions are resumed no longer, for what
/// nobody hears of may have changed meanwhile, an authority that is over, say.
const VERIFIED_FOR: i64 = 12 * 60 * 60;

/// Says until when what it verified is good.
#[derive(Debug)]
struct Dated(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Dated {
    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.0.verify_client_cert(end_entity, intermediates, now)?;
        let until = believed::of_chain(end_entity, intermediates, now);
        believed::rest_on(until.min(seconds(now).saturating_add(VERIFIED_FOR)));
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
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
