//! Reading and checking a configuration file: what every command that has one begins with.

use std::path::Path;

use evenkeel_config::model::Config;
use evenkeel_config::{Severity, render_all};

use crate::files::{Files, read_config};
use crate::stamp::{Seen, Stamp};
use crate::startup::say;

/// What came of reading a configuration file.
pub(crate) enum Loaded {
    /// It can be served.
    Good {
        /// The configuration.
        config: Box<Config>,
        /// What is doubtful in it, for people; empty: nothing.
        report: String,
    },
    /// It cannot.
    Bad {
        /// What is wrong, for people.
        report: String,
    },
}

impl Loaded {
    /// Says what there is to say on stderr; the configuration, when it can be served.
    pub(crate) fn told(self) -> Option<Config> {
        let (config, report) = match self {
            Self::Good { config, report } => (Some(*config), report),
            Self::Bad { report } => (None, report),
        };
        if !report.is_empty() {
            say(&report);
        }
        config
    }
}

/// Reads and checks a file; what is wrong with it is told in colors, or without. Gives what it looked like as well, and the files
/// that it names.
pub(crate) fn load(path: &Path, color: bool) -> (anyhow::Result<Loaded>, Seen) {
    // Looked at before it is read: what is written meanwhile is a change.
    let mut seen = vec![(path.to_owned(), Stamp::of(path))];
    let files = Files::beside(path);
    let loaded = load_with(path, &files, color);
    seen.extend(files.seen());
    (loaded, seen)
}

fn load_with(path: &Path, files: &Files, color: bool) -> anyhow::Result<Loaded> {
    let text = read_config(path)?;
    let name = path.display().to_string();
    let checked = evenkeel_config::check(&text, &name, files);
    let report = render_all(&checked.diagnostics, &text, color);
    let report = report.trim_end().to_owned();
    let wrong = checked
        .diagnostics
        .iter()
        .any(|one| one.severity == Severity::Error);
    Ok(match checked.config.filter(|_| !wrong) {
        Some(config) => Loaded::Good {
            config: Box::new(config),
            report,
        },
        None => Loaded::Bad { report },
    })
}
