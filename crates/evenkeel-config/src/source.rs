//! Where values from elsewhere come from: `{ env = "X" }` and `{ file = "path" }` in the configuration.
//!
//! This crate opens no file and reads no environment; the binary implements [`Source`] and tests pass a map.

use std::path::{Path, PathBuf};

use evenkeel_tls::client::Roots;

use crate::diagnostic::Severity;

/// What a configuration may refer to outside of its own text.
pub trait Source {
    /// The value of an environment variable; `None` when it is not set or not UTF-8.
    fn env(&self, name: &str) -> Option<String>;

    /// The content of a file. A relative path counts from the folder of the configuration file.
    ///
    /// # Errors
    /// Why it cannot be read, in words for the operator.
    fn file(&self, path: &str) -> Result<Vec<u8>, String>;

    /// The authorities that the system trusts, for endpoints whose cluster names no others. Without an override: none.
    ///
    /// # Errors
    /// Why there are none, in words for the operator.
    fn system_roots(&self) -> Result<Roots, String> {
        Err("there are no certificates of authorities here".to_owned())
    }

    /// The content of a file of TLS: a certificate, a key, a list. Like [`Self::file`], but such a file may be read anew
    /// while the rest of the configuration stays as it is.
    ///
    /// # Errors
    /// Why it cannot be read, in words for the operator.
    fn certificate(&self, path: &str) -> Result<Vec<u8>, String> {
        self.file(path)
    }

    /// Seconds since 1970, to compare the dates of certificates with; none: they are not looked at.
    fn now(&self) -> Option<i64> {
        None
    }

    /// How grave it is that the certificate in that file has expired or is not valid yet. Whoever checks a file wants an error; whoever
    /// has to serve it may have nothing better.
    fn out_of_time(&self, _certificate: &str) -> Severity {
        Severity::Error
    }

    /// Whether every user of the system may read that file, which holds a secret. Without an override: not that anybody knew.
    fn may_others_read(&self, _path: &str) -> bool {
        false
    }

    /// Whether this host has that user, by name or number; why not, in words for the operator. Without an override: not that
    /// anybody knew otherwise, as for those below.
    ///
    /// # Errors
    /// When there is none.
    fn user(&self, _name: &str) -> Result<(), String> {
        Ok(())
    }

    /// The same of a group.
    ///
    /// # Errors
    /// When there is none.
    fn group(&self, _name: &str) -> Result<(), String> {
        Ok(())
    }

    /// Whether a file could be there to be written to, as far as can be seen without making one.
    ///
    /// # Errors
    /// Why not, in words for the operator.
    fn place(&self, _file: &Path) -> Result<(), String> {
        Ok(())
    }

    /// The path that a relative path in the configuration stands for: what is printed, and read by whoever has no folder to
    /// count from. It is whole, so that it stands for itself wherever it is resolved again. Without an override: itself.
    fn resolve(&self, path: &str) -> PathBuf {
        PathBuf::from(path)
    }
}

/// A source that has nothing: for a text that must stand alone, such as an example.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl Source for Nowhere {
    fn env(&self, _name: &str) -> Option<String> {
        None
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        Err(format!("there are no files here, so no {path}"))
    }
}
