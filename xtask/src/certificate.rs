//! A certificate for those who measure: self-signed, ECDSA on P-256, as certificates are today.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

/// Where its files are.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) chain: String,
    pub(crate) key: String,
    /// Certificate and key in one file, as HAProxy wants them.
    pub(crate) both: String,
}

impl Certificate {
    /// Makes one for `localhost` and 127.0.0.1 in that folder.
    pub(crate) fn make(folder: &Path) -> Result<Self> {
        let [chain, key, both] = ["chain.pem", "key.pem", "both.pem"].map(|name| folder.join(name));
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec"])
            .args(["-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-days", "30", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            .arg("-out")
            .arg(&chain)
            .arg("-keyout")
            .arg(&key)
            .output()?;
        if !output.status.success() {
            bail!("openssl: {}", String::from_utf8_lossy(&output.stderr));
        }
        fs::write(
            &both,
            fs::read_to_string(&chain)? + &fs::read_to_string(&key)?,
        )?;
        let [chain, key, both] = [chain, key, both].map(|path| path.display().to_string());
        Ok(Self { chain, key, both })
    }
}
