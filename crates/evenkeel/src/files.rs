//! What a configuration refers to outside of its own text: files beside it, variables of the environment.
//!
//! What was read is kept, so that certificates can be read anew while all else stays as it was ([`Kept`]).

use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use evenkeel_config::{Severity, Source};
use evenkeel_tls::Certificate;
use evenkeel_tls::client::Roots;
use evenkeel_tls::identity::read_certificates;

use crate::privileges;
use crate::stamp::{Seen, Stamp};

/// A value from elsewhere is at most this large: an error page, a token, a name.
const MAX_FILE: u64 = 1024 * 1024;

/// The content of a file, or why it cannot be read.
type Read = Result<Vec<u8>, String>;

/// What was read, and what the files looked like then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    files: HashMap<PathBuf, Read>,
    /// With what each looked like when it was read.
    certificates: HashMap<PathBuf, (Option<Stamp>, Read)>,
    /// The authorities of the system, where somebody needed them.
    roots: Option<Roots>,
    variables: HashMap<String, Option<String>>,
    /// The files, but for those of TLS.
    pub(crate) seen: Seen,
}

impl Kept {
    /// These files as another process read them; all else is still to be read.
    pub(crate) fn of(files: impl IntoIterator<Item = (PathBuf, Vec<u8>)>) -> Self {
        let files = files.into_iter();
        Self {
            files: files.map(|(path, content)| (path, Ok(content))).collect(),
            ..Self::default()
        }
    }

    /// The files, but for those of TLS.
    pub(crate) fn files(&self) -> &HashMap<PathBuf, Read> {
        &self.files
    }

    /// The files of TLS.
    pub(crate) fn certificates(&self) -> Seen {
        let all = self.certificates.iter();
        all.map(|(path, (stamp, _))| (path.clone(), *stamp))
            .collect()
    }

    /// The same with those files of TLS that `which` names as `other` has them.
    #[must_use]
    pub(crate) fn with_certificates_of(
        mut self,
        other: &Self,
        which: impl Fn(&Path) -> bool,
    ) -> Self {
        for (path, read) in &mut self.certificates {
            if let Some(theirs) = other.certificates.get(path).filter(|_| which(path)) {
                read.clone_from(theirs);
            }
        }
        self
    }

    /// The content of a file of TLS.
    fn certificate(&self, path: &Path) -> Option<&[u8]> {
        let (_, read) = self.certificates.get(path)?;
        read.as_deref().ok()
    }

    /// Whether the same was read, but for the files of TLS and these lists.
    pub(crate) fn is_as(&self, other: &Self, lists: &HashSet<&Path>) -> bool {
        let files = |kept: &Self| -> HashMap<PathBuf, Read> {
            let files = kept.files.clone().into_iter();
            files
                .filter(|(path, _)| !lists.contains(path.as_path()))
                .collect()
        };
        self.variables == other.variables && files(self) == files(other)
    }
}

/// The operator's files and environment; relative paths count from the folder of the configuration file.
#[derive(Debug)]
pub(crate) struct Files<'a> {
    /// Whole, so that a path that was resolved is not resolved to another, and so that what is printed means the same anywhere.
    folder: PathBuf,
    /// What is not read again, and the files of TLS that are all the same.
    before: Option<(&'a Kept, &'a HashSet<PathBuf>)>,
    /// Whether it is a mistake that a certificate is out of its time, whatever else there is.
    is_strict: bool,
    kept: RefCell<Kept>,
    /// Read for the first cluster that needs them, and each time again: the system may have others by then.
    roots: OnceCell<Result<Roots, String>>,
}

impl<'a> Files<'a> {
    /// What the configuration file at `path` refers to.
    pub(crate) fn beside(path: &Path) -> Self {
        let folder = Path::new(".").join(path.parent().unwrap_or_else(|| Path::new("")));
        Self {
            folder: std::path::absolute(&folder).unwrap_or(folder),
            before: None,
            is_strict: false,
            kept: RefCell::default(),
            roots: OnceCell::new(),
        }
    }

    /// The same as it was read before, but for those files of TLS that are `fresh`.
    pub(crate) fn again(path: &Path, before: &'a Kept, fresh: &'a HashSet<PathBuf>) -> Self {
        Self {
            before: Some((before, fresh)),
            ..Self::beside(path)
        }
    }

    /// For whoever wants to know what is wrong, and serves nothing.
    pub(crate) fn strictly(self) -> Self {
        Self {
            is_strict: true,
            ..self
        }
    }

    /// What was read.
    pub(crate) fn into_kept(self) -> Kept {
        self.kept.into_inner()
    }

    /// What is found out of the host; not again of what is served already, whatever became of the host.
    fn unless_again(&self, look: impl FnOnce() -> anyhow::Result<()>) -> Result<(), String> {
        match self.before {
            Some(_) => Ok(()),
            None => look().map_err(|why| format!("{why:#}")),
        }
    }

    /// Whether what was read of that file before is another certificate than now, and one that is in its time.
    fn had_better(&self, path: &Path) -> bool {
        let Some((before, _)) = self.before else {
            return false;
        };
        let (before, kept) = (before.certificate(path), self.kept.borrow());
        let about = before.filter(|before| kept.certificate(path) != Some(*before));
        let about = about.and_then(first_certificate);
        about.is_some_and(|about| about.is_in_time(seconds_since_1970()))
    }
}

fn read(path: &Path) -> Read {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MAX_FILE {
        return Err(format!(
            "it has {size} bytes, and at most {MAX_FILE} are read"
        ));
    }
    fs::read(path).map_err(|error| error.to_string())
}

/// What the first certificate of that file says as it is now.
pub(crate) fn certificate_in(path: &Path) -> Option<Certificate> {
    first_certificate(&read(path).ok()?)
}

fn first_certificate(pem: &[u8]) -> Option<Certificate> {
    let all = read_certificates(pem).ok()?;
    Certificate::of(all.first()?).ok()
}

/// The time by which certificates are judged; 0 where the clock is before that.
pub(crate) fn seconds_since_1970() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

impl Source for Files<'_> {
    fn env(&self, name: &str) -> Option<String> {
        let before = self.before.and_then(|(kept, _)| kept.variables.get(name));
        let value = before.cloned().unwrap_or_else(|| std::env::var(name).ok());
        let mut kept = self.kept.borrow_mut();
        kept.variables.insert(name.to_owned(), value.clone());
        value
    }

    fn file(&self, path: &str) -> Read {
        let path = self.resolve(path);
        // Looked at before it is read: what is written meanwhile is a change.
        let stamp = Stamp::of(&path);
        let before = self.before.and_then(|(kept, _)| kept.files.get(&path));
        let read = before.cloned().unwrap_or_else(|| read(&path));
        let mut kept = self.kept.borrow_mut();
        kept.seen.push((path.clone(), stamp));
        kept.files.insert(path, read.clone());
        read
    }

    fn certificate(&self, path: &str) -> Read {
        let path = self.resolve(path);
        // Once for all that name it: a file that changes meanwhile must not be two.
        if let Some((_, read)) = self.kept.borrow().certificates.get(&path) {
            return read.clone();
        }
        let stamp = Stamp::of(&path);
        let before = self.before.filter(|(_, fresh)| !fresh.contains(&path));
        let before = before.and_then(|(kept, _)| kept.certificates.get(&path));
        // What is not read anew looks as it did: it has changed still.
        let (stamp, read) = before.cloned().unwrap_or_else(|| (stamp, read(&path)));
        let mut kept = self.kept.borrow_mut();
        kept.certificates.insert(path, (stamp, read.clone()));
        read
    }

    fn now(&self) -> Option<i64> {
        Some(seconds_since_1970())
    }

    fn out_of_time(&self, certificate: &str) -> Severity {
        // Where there is nothing better it is served: clients look at dates themselves, and all else is served with it.
        if self.is_strict || self.had_better(&self.resolve(certificate)) {
            Severity::Error
        } else {
            Severity::Warning
        }
    }

    fn system_roots(&self) -> Result<Roots, String> {
        let found = self.roots.get_or_init(Roots::of_system).clone();
        let before = self.before.and_then(|(kept, _)| kept.roots.clone());
        // That they are gone for a moment must not keep files from being renewed that have nothing to do with them.
        let roots = found.or_else(|why| before.ok_or(why))?;
        self.kept.borrow_mut().roots = Some(roots.clone());
        Ok(roots)
    }

    fn may_others_read(&self, path: &str) -> bool {
        let seen = fs::metadata(self.resolve(path));
        seen.is_ok_and(|seen| seen.mode() & 0o004 != 0)
    }

    fn user(&self, name: &str) -> Result<(), String> {
        self.unless_again(|| privileges::find_user(name).map(drop))
    }

    fn group(&self, name: &str) -> Result<(), String> {
        self.unless_again(|| privileges::find_group(name).map(drop))
    }

    fn place(&self, file: &Path) -> Result<(), String> {
        self.unless_again(|| {
            let folder = file.parent().unwrap_or_else(|| Path::new("/"));
            if file.is_dir() {
                bail!("it is a folder");
            }
            if !folder.is_dir() {
                bail!("there is no folder {}", folder.display());
            }
            Ok(())
        })
    }

    fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }
}

/// Reads a configuration file's text.
pub(crate) fn read_config(path: &Path) -> anyhow::Result<String> {
    let hint = if path == Path::new("evenkeel.toml") {
        "; name the one that is meant, or try `evenkeel demo`"
    } else {
        ""
    };
    let bytes = fs::read(path).with_context(|| format!("cannot read {}{hint}", path.display()))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        anyhow::anyhow!("{}, line {line}: this is not UTF-8", path.display())
    })
}

#[cfg(test)]
mod tests {
    use evenkeel_testkit::Authority;

    use super::*;

    #[test]
    fn a_relative_folder_counts_once() {
        // Tests run in the folder of their crate.
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        for config in ["src/e.toml", "./src/e.toml", "src/handover/../e.toml"] {
            let files = Files::beside(Path::new(config));
            let once = files.resolve("files.rs").display().to_string();
            assert_eq!(files.resolve(&once), Path::new(&once), "{config}");
            let read = (files.file("files.rs"), files.certificate("files.rs"));
            assert_eq!(read, (files.file(&once), files.certificate(&once)));
            assert!(read.0.is_ok() && read.0 == read.1, "{config}");
            assert_eq!(
                files.may_others_read("files.rs"),
                files.may_others_read(&once)
            );
        }
        let files = Files::beside(Path::new("e.toml"));
        assert_eq!(files.resolve("a.pem"), here.join("a.pem"));
        assert_eq!(files.resolve("/b/a.pem"), Path::new("/b/a.pem"));
    }

    #[test]
    fn authorities_of_the_system_that_are_gone_keep_back_no_other_file() {
        let roots = Roots::from_pem(Authority::new().pem().as_bytes()).unwrap();
        let (kept, fresh) = (
            Kept {
                roots: Some(roots.clone()),
                ..Kept::default()
            },
            HashSet::new(),
        );
        let gone = |files| Files {
            roots: OnceCell::from(Err("gone".to_owned())),
            ..files
        };
        let path = Path::new("e.toml");
        let again = gone(Files::again(path, &kept, &fresh));
        assert_eq!(again.system_roots(), Ok(roots.clone()));
        assert_eq!(again.into_kept().roots, Some(roots));
        let begun = gone(Files::beside(path));
        assert_eq!(begun.system_roots(), Err("gone".to_owned()));
    }
}
