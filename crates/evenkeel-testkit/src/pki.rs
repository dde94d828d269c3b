//! Certificates that a test makes for itself: authorities, what they certify, and what they revoke.
//!
//! Nothing of it is kept: every test has an authority of its own, whose files live in the test's [`Folder`].
//!
//! ```no_run
//! use evenkeel_testkit::{Authority, Folder};
//!
//! let folder = Folder::new();
//! let authority = Authority::new();
//! let leaf = authority.certify(&["a.example", "127.0.0.1"]);
//! let files = leaf.write(&folder, "web");
//! let lines = format!("[listener.web.tls]\ncertificates = [{}]", files.toml());
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, PublicKeyData, RevocationReason, RevokedCertParams,
    SerialNumber, SignatureAlgorithm, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::digest::{base64, sha256};
use crate::folder::Folder;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Midnight of the day that is so many days after today, in the type of a crate whose name `rcgen` does not pass on.
macro_rules! day {
    ($after_today:expr) => {
        date_time_ymd(1970, 1, 1) + since_1970($after_today)
    };
}

/// Who certifies. Clones are the same authority.
#[derive(Clone, Debug)]
pub struct Authority {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
    next_serial: AtomicU64,
}

impl Authority {
    /// A new one, with a P-256 key and a name that no other has.
    ///
    /// # Panics
    /// When no key can be made.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut params = CertificateParams::default();
        let name = format!("Authority {number} of a test");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params
            .self_signed(&key)
            .expect("an authority can certify itself");
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Self {
            inner: Arc::new(Inner {
                issuer: Issuer::new(params, key),
                certificate: der,
                pem,
                next_serial: AtomicU64::new(1),
            }),
        }
    }

    /// A certificate for these names and addresses, for servers and clients, good for a year.
    #[must_use]
    pub fn certify(&self, names: &[&str]) -> Leaf {
        self.order(names).issue()
    }

    /// The same with something unusual about it, which the methods of [`Order`] say.
    ///
    /// # Panics
    /// When a name is none.
    #[must_use]
    pub fn order(&self, names: &[&str]) -> Order {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let subject = names.first().cloned().unwrap_or_default();
        Order {
            authority: self.clone(),
            params: CertificateParams::new(names).expect("names that a certificate can have"),
            subject,
            algorithm: &PKCS_ECDSA_P256_SHA256,
            days: (-1, 365),
            seconds: None,
            begins_in: None,
        }
    }

    /// Writes its certificate into the folder and gives the path.
    pub fn write(&self, folder: &Folder, name: &str) -> PathBuf {
        folder.write(&format!("{name}.pem"), self.pem())
    }

    /// Its certificate.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.inner.pem
    }

    /// Writes a list of what it has revoked (PEM), good for a week, into the folder and gives the path.
    ///
    /// # Panics
    /// When it cannot sign it.
    pub fn revoke(&self, folder: &Folder, name: &str, revoked: &[&Leaf]) -> PathBuf {
        let params = CertificateRevocationListParams {
            this_update: day!(-1),
            next_update: day!(7),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked
                .iter()
                .map(|leaf| RevokedCertParams {
                    serial_number: SerialNumber::from(leaf.serial),
                    revocation_time: day!(-1),
                    reason_code: Some(RevocationReason::KeyCompromise),
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params
            .signed_by(&self.inner.issuer)
            .and_then(|list| list.pem())
            .expect("an authority can sign a list");
        folder.write(&format!("{name}.crl"), list)
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.inner.certificate.clone()
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

/// A certificate that is about to be issued.
#[derive(Debug)]
pub struct Order {
    authority: Authority,
    params: CertificateParams,
    subject: String,
    algorithm: &'static SignatureAlgorithm,
    days: (i64, i64),
    /// Instead of the second of `days`.
    seconds: Option<u64>,
    /// Instead of the first.
    begins_in: Option<u64>,
}

impl Order {
    /// With an RSA key of 2048 bits.
    #[must_use]
    pub fn rsa(mut self) -> Self {
        self.algorithm = &PKCS_RSA_SHA256;
        self
    }

    /// Good from `from` days after now until `to` days after now; both may be negative.
    #[must_use]
    pub fn days(mut self, from: i64, to: i64) -> Self {
        self.days = (from, to);
        self
    }

    /// Good for so many seconds from now on.
    #[must_use]
    pub fn seconds(mut self, seconds: u64) -> Self {
        self.seconds = Some(seconds);
        self
    }

    /// Good from so many seconds after now on.
    #[must_use]
    pub fn begins_in(mut self, seconds: u64) -> Self {
        self.begins_in = Some(seconds);
        self
    }

    /// Not good any more since yesterday.
    #[must_use]
    pub fn expired(self) -> Self {
        self.days(-30, -1)
    }

    /// With this common name; otherwise it is the first name.
    #[must_use]
    pub fn subject(mut self, name: &str) -> Self {
        name.clone_into(&mut self.subject);
        self
    }

    /// For a server only: no client may show it.
    #[must_use]
    pub fn server_only(mut self) -> Self {
        self.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self
    }

    /// Issues it.
    ///
    /// # Panics
    /// When no key can be made.
    #[must_use]
    pub fn issue(self) -> Leaf {
        let Self {
            authority,
            mut params,
            subject,
            algorithm,
            days,
            seconds,
            begins_in,
        } = self;
        let inner = &authority.inner;
        let serial = inner.next_serial.fetch_add(1, Ordering::Relaxed);
        params.serial_number = Some(SerialNumber::from(serial));
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, subject);
        (params.not_before, params.not_after) = (day!(days.0), day!(days.1));
        let after_now = |seconds| {
            let at = since_1970_until_now() + Duration::from_secs(seconds);
            date_time_ymd(1970, 1, 1) + at
        };
        if let Some(seconds) = seconds {
            params.not_after = after_now(seconds);
        }
        if let Some(seconds) = begins_in {
            params.not_before = after_now(seconds);
        }
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if params.extended_key_usages.is_empty() {
            params.extended_key_usages = vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ];
        }
        let key = KeyPair::generate_for(algorithm).expect("a key can be made");
        let certificate = params
            .signed_by(&key, &inner.issuer)
            .expect("an authority can certify");
        Leaf {
            pem: certificate.pem(),
            chain: vec![certificate.der().clone()],
            key_pem: key.serialize_pem(),
            key: key.serialize_der(),
            public: key.subject_public_key_info(),
            serial,
        }
    }
}

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct Leaf {
    pem: String,
    chain: Vec<CertificateDer<'static>>,
    key_pem: String,
    key: Vec<u8>,
    /// The public key as a certificate has it.
    public: Vec<u8>,
    serial: u64,
}

impl Leaf {
    /// Writes `NAME.pem` and `NAME.key` into the folder.
    pub fn write(&self, folder: &Folder, name: &str) -> Files {
        Files {
            certificate: folder.write(&format!("{name}.pem"), &self.pem),
            key: folder.write(&format!("{name}.key"), &self.key_pem),
        }
    }

    /// The certificate, PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The key, PEM.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// The certificate, DER: what [`crate::Handshake::certificate`] is compared with.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.chain[0]
    }

    /// Its public key as browsers pin it: SHA-256 in base64.
    #[must_use]
    pub fn key_pin(&self) -> String {
        base64(&sha256(&self.public))
    }

    /// Its serial number.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.clone()
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }
}

/// Where a certificate and its key are.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

impl Files {
    /// Both as a configuration has them: `{ certificate = "…", key = "…" }`.
    #[must_use]
    pub fn toml(&self) -> String {
        format!("{{ {} }}", self.toml_keys())
    }

    /// The same without the braces, for a table that has more keys.
    #[must_use]
    pub fn toml_keys(&self) -> String {
        let text = |path: &Path| format!("{:?}", path.display().to_string());
        format!(
            "certificate = {}, key = {}",
            text(&self.certificate),
            text(&self.key)
        )
    }
}

fn since_1970_until_now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is after 1970")
}

fn since_1970(after_today: i64) -> Duration {
    let now = since_1970_until_now();
    let today = i64::try_from(now.as_secs() / DAY.as_secs()).expect("days are few");
    DAY * u32::try_from(today + after_today).expect("it is after 1970")
}
