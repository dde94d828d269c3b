//! What tests leave behind: they get a folder of their own for temporary files, which has to be empty of ours when they are over.
//!
//! A test owns its folder (`evenkeel_testkit::Folder`), and a folder is gone when it is dropped, also by a test that fails. What a
//! `static` owns is never dropped, and nobody would notice: a thousand folders lay in `/tmp` before anybody did.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// How the folders of tests begin. What else lies there was left by programs that we did not write, and is removed with them.
const OURS: &str = "evenkeel-";

/// So many are named.
const NAMED: usize = 5;

/// A folder for temporary files, removed on drop.
#[derive(Debug)]
pub(crate) struct Leftovers {
    folder: PathBuf,
}

impl Leftovers {
    /// A fresh one. Its path is short, since that of a Unix socket may have 107 bytes only.
    pub(crate) fn watch(name: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// Where it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Fails when tests have left something.
    pub(crate) fn check(&self) -> Result<()> {
        let mut left = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(OURS) {
                left.push(format!("{name} ({})", content(&entry.path())));
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        left.sort_unstable();
        let number = left.len();
        left.truncate(NAMED);
        bail!(
            "tests have left {number} folders behind: {}; who holds the `Folder` is never dropped",
            left.join(", ")
        )
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// The names of what is in a folder, by which its test is found.
fn content(folder: &Path) -> String {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_left_is_named_and_what_strangers_left_is_not() {
        let leftovers = Leftovers::watch("leftovers-of-a-test").unwrap();
        let folder = leftovers.folder().to_owned();
        fs::create_dir(folder.join(".org.chromium")).unwrap();
        leftovers.check().unwrap();
        fs::create_dir(folder.join("evenkeel-1-0")).unwrap();
        fs::write(folder.join("evenkeel-1-0/web.pem"), "").unwrap();
        let error = leftovers.check().unwrap_err().to_string();
        assert!(
            error.contains("1 folders behind: evenkeel-1-0 (web.pem)"),
            "{error}"
        );
        drop(leftovers);
        assert!(!folder.exists());
    }
}
