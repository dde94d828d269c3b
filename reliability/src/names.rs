//! Names that stop resolving: a table of hosts of our own, seen by the proxy alone.
//!
//! The proxy starts in a mount namespace of its own, in which `/etc/hosts` is a file of ours and no name server answers.
//! The file can be rewritten while the proxy runs.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Result;
use evenkeel_testkit::Folder;

/// Binds our files over the system's and becomes the program that is named behind them.
const SCRIPT: &str = "mount --bind \"$1\" /etc/hosts && mount --bind \"$2\" /etc/resolv.conf && shift 2 && exec \"$@\"";

/// The end of every name: the domain is reserved, nobody resolves it (RFC 6761).
const DOMAIN: &str = "bad-day.invalid";

/// A table of hosts.
#[derive(Debug)]
pub struct Names {
    folder: Folder,
}

/// Whether this process may give another a view of its own on the file system.
#[must_use]
pub fn is_allowed() -> bool {
    let names = Names::new();
    let words = names.wrapper();
    Command::new(&words[0])
        .args(&words[1..])
        .arg("true")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

impl Names {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        let folder = Folder::new();
        folder.write("hosts", "");
        // Where no name server is: the answer is that there is none, and at once.
        folder.write(
            "resolv.conf",
            "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
        );
        Self { folder }
    }

    /// The name of the endpoint with this number.
    #[must_use]
    pub fn of(endpoint: usize) -> String {
        format!("endpoint-{endpoint}.{DOMAIN}")
    }

    /// The words before a program and its arguments that let it see this table.
    #[must_use]
    pub fn wrapper(&self) -> Vec<String> {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let words = ["unshare", "--mount", "sh", "-c", SCRIPT, "sh"];
        let words = words.into_iter().map(str::to_owned);
        words.chain([path("hosts"), path("resolv.conf")]).collect()
    }

    /// Lets each name resolve to its address.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub fn set(&self, addresses: impl Iterator<Item = (usize, IpAddr)>) -> Result<()> {
        let lines = addresses.map(|(endpoint, ip)| format!("{ip} {}\n", Self::of(endpoint)));
        self.write(&lines.collect::<String>())
    }

    /// Lets no name resolve.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub fn clear(&self) -> Result<()> {
        self.write("")
    }

    /// Writes the file in place: a new one under the same name would not be the one that is bound.
    fn write(&self, text: &str) -> Result<()> {
        let path: PathBuf = self.folder.join("hosts");
        Ok(fs::write(path, text)?)
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}
