//! What a configuration refers to outside of its own text: files beside it, variables of the environment.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use evenkeel_config::Source;

use crate::stamp::{Seen, Stamp};

/// A value from elsewhere is at most this large: an error page, a token, a name.
const MAX_FILE: u64 = 1024 * 1024;

/// The operator's files and environment; relative paths count from the folder of the configuration file.
#[derive(Debug)]
pub(crate) struct Files {
    folder: PathBuf,
    seen: RefCell<Seen>,
}

impl Files {
    /// What the configuration file at `path` refers to.
    pub(crate) fn beside(path: &Path) -> Self {
        Self {
            folder: path.parent().map(Path::to_path_buf).unwrap_or_default(),
            seen: RefCell::default(),
        }
    }

    /// The files that were asked for.
    pub(crate) fn seen(self) -> Seen {
        self.seen.into_inner()
    }
}

impl Source for Files {
    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        let path = self.resolve(path);
        // Looked at before it is read: what is written meanwhile is a change.
        let stamp = Stamp::of(&path);
        self.seen.borrow_mut().push((path.clone(), stamp));
        let size = fs::metadata(&path)
            .map_err(|error| error.to_string())?
            .len();
        if size > MAX_FILE {
            return Err(format!(
                "it has {size} bytes, and at most {MAX_FILE} are read"
            ));
        }
        fs::read(&path).map_err(|error| error.to_string())
    }

    fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }
}

/// Reads a configuration file's text.
pub(crate) fn read_config(path: &Path) -> anyhow::Result<String> {
    let hint = if path == Path::new("evenkeel.toml") {
        "; name one with --config, or try `evenkeel demo`"
    } else {
        ""
    };
    let bytes = fs::read(path).with_context(|| format!("cannot read {}{hint}", path.display()))?;
    String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", path.display()))
}
