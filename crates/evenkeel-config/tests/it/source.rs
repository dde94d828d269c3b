//! What the tests lend to configurations: a few variables and files.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use evenkeel_config::Source;
use evenkeel_tls::client::Roots;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer,
    KeyIdMethod, KeyPair, SerialNumber, date_time_ymd,
};

/// Variables and files by name.
pub(crate) struct Lent;

impl Source for Lent {
    fn env(&self, name: &str) -> Option<String> {
        let value = match name {
            "APP_ADDRESS" => "10.0.0.1:8080",
            "API_TOKEN" => "Bearer s3cret",
            "STICKY_KEY" => "s3cret of the environment",
            "BAD_TOKEN" => "s3cret\r\nX-Evil: 1",
            "TIMEOUT" => "5s",
            "ZONE" => "eu-1a",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        // What is printed names files by their whole paths.
        let path = path.strip_prefix("/etc/e/").unwrap_or(path);
        if let Ok(content) = Certificates.file(path) {
            return Ok(content);
        }
        let content: &[u8] = match path {
            "503.html" => b"<h1>Back in a minute</h1>\n",
            "token" => b"s3cret\n",
            "sticky.key" => b"s3cret s3cret s3cret\n",
            "old.key" => b"\xff\x00s3cret s3cret s3cret\r\n",
            "endpoints.toml" => b"endpoints = [\"10.0.0.1:8080\", \"10.0.0.2:8080\"]\n",
            "wrong.toml" => {
                b"# The endpoints.\nendpoints = [\n  \"10.0.0.1:8080\",\n  \"10.0.0.2\",\n]\n"
            }
            "https.toml" => b"endpoints = [\n  \"https://10.0.0.1\",\n  \"10.0.0.2:443\",\n]\n",
            "logo.png" => b"\x89PNG\r\n\x1a\n\xff",
            _ => return Err("no such file".to_owned()),
        };
        Ok(content.to_vec())
    }

    fn may_others_read(&self, path: &str) -> bool {
        path.ends_with("open.token")
    }

    /// Autumn of 2026.
    fn now(&self) -> Option<i64> {
        Some(1_795_000_000)
    }

    fn user(&self, name: &str) -> Result<(), String> {
        (name != "stranger")
            .then_some(())
            .ok_or_else(|| format!("there is no user \"{name}\""))
    }

    fn group(&self, name: &str) -> Result<(), String> {
        (name != "strangers")
            .then_some(())
            .ok_or_else(|| format!("there is no group \"{name}\""))
    }

    fn place(&self, file: &Path) -> Result<(), String> {
        let is_there = !file.starts_with("/no");
        is_there
            .then_some(())
            .ok_or_else(|| "there is no folder /no".to_owned())
    }

    fn system_roots(&self) -> Result<Roots, String> {
        Certificates.system_roots()
    }

    fn resolve(&self, path: &str) -> PathBuf {
        Path::new("/etc/e").join(path)
    }
}

/// Certificates alone, in the folder where one is.
pub(crate) struct Certificates;

impl Source for Certificates {
    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        let pki = pki();
        Ok(match path {
            "ca.pem" => pki.ca.clone(),
            "client.pem" | "web.pem" => pki.certificate.clone(),
            "client.key" | "web.key" => pki.key.clone(),
            "other.key" => pki.other_key.clone(),
            "old.pem" => pki.old.clone(),
            "young.pem" => pki.young.clone(),
            "nameless.pem" => pki.nameless.clone(),
            "revoked.crl" => pki.revoked.clone(),
            "locked.key" => LOCKED.into(),
            "admin.token" | "open.token" => b"0123456789abcdef0123456789abcdef\n".to_vec(),
            _ => return Err("no such file".to_owned()),
        })
    }

    fn system_roots(&self) -> Result<Roots, String> {
        // An authority like any other.
        Roots::from_pem(&pki().ca)
    }
}

const LOCKED: &str =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIH0\n-----END ENCRYPTED PRIVATE KEY-----\n";

/// Certificates of the tests.
struct Pki {
    ca: Vec<u8>,
    /// For `a.example`, as all that follow.
    certificate: Vec<u8>,
    key: Vec<u8>,
    other_key: Vec<u8>,
    /// Expired at the end of 2025.
    old: Vec<u8>,
    /// Valid from 2027 on.
    young: Vec<u8>,
    /// For no host.
    nameless: Vec<u8>,
    revoked: Vec<u8>,
}

fn pki() -> &'static Pki {
    static PKI: OnceLock<Pki> = OnceLock::new();
    PKI.get_or_init(|| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let certify = |names: &[&str], years: (i32, i32)| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let mut params = CertificateParams::new(names).unwrap();
            params.not_before = date_time_ymd(years.0, 1, 1);
            params.not_after = date_time_ymd(years.1, 1, 1);
            params.signed_by(&key, &issuer).unwrap().pem().into_bytes()
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2090, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let names = ["a.example", "*.a.example"];
        Pki {
            ca: ca.into_bytes(),
            certificate: certify(&names, (2020, 2090)),
            key: key.serialize_pem().into_bytes(),
            other_key: KeyPair::generate().unwrap().serialize_pem().into_bytes(),
            old: certify(&names, (2020, 2026)),
            young: certify(&names, (2027, 2090)),
            nameless: certify(&[], (2020, 2090)),
            revoked: list.signed_by(&issuer).unwrap().pem().unwrap().into_bytes(),
        }
    })
}
