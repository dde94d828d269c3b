//! A program under valgrind's callgrind: counters set to zero and written out while it runs, and totals read.
//!
//! The commands go through `vgdb`, so the program knows nothing of being counted. What is counted are instructions of
//! user space. valgrind shows every program the same processor, so that the machine matters little: it chooses neither
//! how the C library copies nor how `memchr` searches.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

/// Descriptors that a program may open: 5,000 endpoints have a kept connection each. What else a machine allows it may
/// be far more, and valgrind keeps its own descriptors behind the last.
const DESCRIPTORS: &str = "16384";

/// Whether valgrind is installed; `vgdb` comes with it.
pub(super) fn installed() -> bool {
    Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs a program to its end and counts what runs below the functions whose names match `below`.
pub(super) fn count(
    folder: &Path,
    name: &str,
    binary: &Path,
    arguments: &[&str],
    below: &str,
) -> Result<Profile> {
    let out = folder.join(name);
    let output = valgrind(&out)
        .arg(format!("--toggle-collect={below}"))
        .arg(binary)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("valgrind could not be started")?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("{name} ended with {}: {}", output.status, text.trim());
    }
    Profile::read(out)
}

/// A program that runs under callgrind until this value ends.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    out: PathBuf,
    dumps: u32,
}

impl Running {
    /// Starts it; its profiles and its standard error get files in `folder` that begin with `name`.
    pub(super) fn start(
        folder: &Path,
        name: &str,
        binary: &Path,
        arguments: &[&str],
    ) -> Result<Self> {
        let out = folder.join(name);
        let child = valgrind(&out)
            .arg(binary)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(out.with_extension("stderr"))?)
            .spawn()
            .context("valgrind could not be started")?;
        let dumps = 0;
        Ok(Self { child, out, dumps })
    }

    /// Whether it has not ended.
    pub(super) fn runs(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// What it has written to its standard error so far.
    pub(super) fn said(&self) -> String {
        fs::read_to_string(self.out.with_extension("stderr")).unwrap_or_default()
    }

    /// Forgets what was counted.
    pub(super) fn zero(&self) -> Result<()> {
        self.command("zero")
    }

    /// Writes out what was counted since the last time, and counts from zero again.
    pub(super) fn dump(&mut self) -> Result<Profile> {
        self.command("dump")?;
        self.dumps += 1;
        let mut path = self.out.clone().into_os_string();
        path.push(format!(".{}", self.dumps));
        Profile::read(path.into())
    }

    fn command(&self, command: &str) -> Result<()> {
        // A program that waits in the kernel does not look for commands; `vgdb` wakes it after so long.
        let output = Command::new("vgdb")
            .arg(pipes(&self.out))
            .args(["--max-invoke-ms=1", "--cmd-time-out=60"])
            .arg(format!("--pid={}", self.child.id()))
            .arg(command)
            .stdin(Stdio::null())
            .output()
            .context("vgdb could not be started")?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            bail!("vgdb {command}: {}\n{}", text.trim(), self.said());
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A profile that callgrind wrote.
#[derive(Debug)]
pub(super) struct Profile {
    /// All instructions in it.
    pub(super) instructions: u64,
    path: PathBuf,
}

impl Profile {
    fn read(path: PathBuf) -> Result<Self> {
        let profile = Self {
            instructions: 0,
            path,
        };
        let instructions = total(&profile.text()?)
            .with_context(|| format!("{} has no total", profile.path.display()))?;
        Ok(Self {
            instructions,
            ..profile
        })
    }

    /// All of it, in the format of callgrind.
    pub(super) fn text(&self) -> Result<String> {
        let text = fs::read(&self.path).with_context(|| self.path.display().to_string())?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// valgrind up to its options, through a shell that allows it its descriptors.
fn valgrind(out: &Path) -> Command {
    let mut command = Command::new("sh");
    let script = format!("ulimit -S -n {DESCRIPTORS}; exec valgrind \"$@\"");
    command
        .args(["-c", &script, "sh", "--tool=callgrind", "--quiet"])
        .arg(pipes(out))
        .arg(format!("--callgrind-out-file={}", out.display()));
    command
}

/// The pipes of `vgdb`, beside the profile, so that no other valgrind on the machine can be meant.
fn pipes(out: &Path) -> String {
    format!("--vgdb-prefix={}", out.with_extension("vgdb").display())
}

/// The number behind `totals:`, the last line of a profile.
fn total(profile: &str) -> Option<u64> {
    let mut lines = profile.lines().rev();
    let number = lines.find_map(|line| line.strip_prefix("totals:"))?;
    number.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_the_last_line() {
        for (profile, expected) in [
            (
                "version: 1\nevents: Ir\n\nfn=(1) main\n0 7\n\ntotals: 42\n",
                Some(42),
            ),
            ("totals: 1\n\ntotals: 153719288\n", Some(153_719_288)),
            ("events: Ir\n", None),
            ("totals: many\n", None),
        ] {
            assert_eq!(total(profile), expected, "{profile}");
        }
    }
}
