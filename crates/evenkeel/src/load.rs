//! Reading and checking a configuration file: what every command that has one begins with.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use evenkeel_config::model::{Cluster, Config, Listed};
use evenkeel_config::{Severity, render_all};

use crate::files::{Files, Kept, read_config};
use crate::stamp::{Seen, Stamp};
use crate::startup::Teller;

/// What came of reading a configuration file.
pub(crate) enum Loaded {
    /// It can be served.
    Good {
        /// The configuration.
        config: Box<Config>,
        /// What is doubtful in it, for people; empty: nothing.
        report: String,
        /// What it was read from.
        reading: Arc<Reading>,
    },
    /// It cannot.
    Bad {
        /// What is wrong, for people.
        report: String,
    },
}

/// What a configuration was read from, to read its certificates anew and nothing else: an edit of the file that nobody has
/// reloaded must not slip in with them.
#[derive(Debug)]
pub(crate) struct Reading {
    path: PathBuf,
    text: String,
    kept: Kept,
}

impl Reading {
    /// What another process read.
    pub(crate) fn of(
        path: &Path,
        text: String,
        files: impl IntoIterator<Item = (PathBuf, Vec<u8>)>,
    ) -> Self {
        Self {
            path: path.to_owned(),
            text,
            kept: Kept::of(files),
        }
    }

    /// The text of the configuration file.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The files that it names, but for those of TLS.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        let files = self.kept.files().iter();
        files.filter_map(|(path, read)| Some((path.as_path(), read.as_deref().ok()?)))
    }

    /// The files of TLS, and what they looked like.
    pub(crate) fn certificates(&self) -> Seen {
        self.kept.certificates()
    }

    /// The same with those files of TLS that `which` names as `other` has them.
    pub(crate) fn with_certificates_of(&self, other: &Self, which: impl Fn(&Path) -> bool) -> Self {
        Self {
            path: self.path.clone(),
            text: self.text.clone(),
            kept: self.kept.clone().with_certificates_of(&other.kept, which),
        }
    }

    /// What comes of it with those files of TLS read anew that are `fresh`, and all else as it was read. Told is what is at least so
    /// grave.
    pub(crate) fn again(&self, fresh: &HashSet<PathBuf>, least: Severity) -> Loaded {
        let files = Files::again(&self.path, &self.kept, fresh);
        check(&self.path, self.text.clone(), files, least, false).0
    }

    /// Whether the other was read from the same text and the same files. Those of TLS do not count: they are read anew as they
    /// change, whatever is served.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        self.text == other.text && self.kept.files() == other.kept.files()
    }

    /// Whether the other, which may be of another process, was read from the same text and the same files. Those of TLS and `lists`
    /// of endpoints do not count, nor does what is not handed over: the environment, which the next process has from us.
    pub(crate) fn says_the_same_but_for(&self, other: &Self, lists: &HashSet<&Path>) -> bool {
        let files = |reading: &'_ Self| -> BTreeMap<PathBuf, Vec<u8>> {
            let told = reading.told_files();
            let told = told.filter(|(path, _)| !lists.contains(path));
            told.map(|(path, read)| (path.to_owned(), read.to_owned()))
                .collect()
        };
        self.text == other.text && files(self) == files(other)
    }

    /// The files of [`Self::files`] that can be told another process: a path that is not UTF-8 has no place in JSON.
    pub(crate) fn told_files(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.files().filter(|(path, _)| path.to_str().is_some())
    }

    /// How long all of it is that another process is told.
    pub(crate) fn size(&self) -> usize {
        let files = self.told_files().map(|(_, read)| read.len());
        self.text.len() + files.sum::<usize>()
    }

    /// Whether this is what was gone back from to `served`: `left`, or that with a file beside it renewed, where the
    /// configuration's own text was the change.
    pub(crate) fn is_still(&self, left: &Self, served: &Self) -> bool {
        let same_text = self.text == left.text && served.text != left.text;
        same_text || self.says_the_same(left)
    }

    /// Whether the other was read from the same text, variables and files. Those of TLS and `lists` of endpoints do not count: they
    /// are read anew as they change, while the configuration stays.
    pub(crate) fn is_as(&self, other: &Self, lists: &HashSet<&Path>) -> bool {
        self.text == other.text && self.kept.is_as(&other.kept, lists)
    }
}

/// A configuration from before that is served again, and not what the file said when it was last found right.
#[derive(Clone, Debug)]
pub(crate) struct Back {
    /// What is served.
    pub(crate) served: Arc<Reading>,
    /// When that was read.
    pub(crate) read: SystemTime,
    /// What was gone back from: what the file said.
    pub(crate) left: Arc<Reading>,
    /// Since when.
    pub(crate) since: SystemTime,
    /// Why, for people.
    pub(crate) why: String,
}

/// A configuration that was served before, for the next process to go back to.
#[derive(Clone, Debug)]
pub(crate) struct Earlier {
    /// What it was read from.
    pub(crate) reading: Arc<Reading>,
    /// When.
    pub(crate) read: SystemTime,
}

/// The lists of endpoints that a configuration names.
pub(crate) fn lists(config: &Config) -> HashSet<&Path> {
    config.clusters.iter().filter_map(list_of).collect()
}

/// The list that a cluster's endpoints stand in.
pub(crate) fn list_of(cluster: &Cluster) -> Option<&Path> {
    match &cluster.listed {
        Listed::File(path) => Some(path),
        Listed::Here => None,
    }
}

impl Loaded {
    /// Says what there is to say on stderr; the configuration, when it can be served.
    pub(crate) fn told(self) -> Option<(Config, Arc<Reading>)> {
        self.told_by(Teller::TEXT)
    }

    /// The same, in the form that the configuration wants of its log. One that cannot be served wants nothing.
    pub(crate) fn told_by_its_log(self) -> Option<(Config, Arc<Reading>)> {
        let teller = match &self {
            Self::Good { config, .. } => Teller::of(&config.log),
            Self::Bad { .. } => Teller::TEXT,
        };
        self.told_by(teller)
    }

    fn told_by(self, teller: Teller) -> Option<(Config, Arc<Reading>)> {
        let (config, report) = match self {
            Self::Good {
                config,
                report,
                reading,
            } => (Some((*config, reading)), report),
            Self::Bad { report } => (None, report),
        };
        if !report.is_empty() {
            teller.tell(|| report.clone(), || tracing::warn!("{report}"));
        }
        config
    }
}

/// Reads and checks a file that is to be served; what is wrong with it is told in colors, or without. Gives what it looked like as
/// well, and the files that it names, but for those of TLS.
pub(crate) fn load(path: &Path, color: bool) -> (anyhow::Result<Loaded>, Seen) {
    load_by(path, Files::beside(path), color)
}

/// The same for whoever wants to know what is wrong with it: that a certificate has expired, too.
pub(crate) fn load_to_check(path: &Path, color: bool) -> anyhow::Result<Loaded> {
    load_by(path, Files::beside(path).strictly(), color).0
}

fn load_by(path: &Path, files: Files<'_>, color: bool) -> (anyhow::Result<Loaded>, Seen) {
    // Looked at before it is read: what is written meanwhile is a change.
    let mut seen = vec![(path.to_owned(), Stamp::of(path))];
    let text = match read_config(path) {
        Ok(text) => text,
        Err(error) => return (Err(error), seen),
    };
    let (loaded, named) = check(path, text, files, Severity::Warning, color);
    seen.extend(named);
    (Ok(loaded), seen)
}

/// The same for what another process read, with those files of TLS that there are now.
pub(crate) fn load_again(reading: &Reading, color: bool) -> (Loaded, Seen) {
    let path = &reading.path;
    let mut seen = vec![(path.clone(), Stamp::of(path))];
    let none = HashSet::new();
    let files = Files::again(path, &reading.kept, &none);
    let text = reading.text.clone();
    let (loaded, named) = check(path, text, files, Severity::Warning, color);
    seen.extend(named);
    (loaded, seen)
}

fn check(
    path: &Path,
    text: String,
    files: Files<'_>,
    least: Severity,
    color: bool,
) -> (Loaded, Seen) {
    let name = path.display().to_string();
    let mut checked = evenkeel_config::check(&text, &name, &files);
    let kept = files.into_kept();
    let seen = kept.seen.clone();
    let diagnostics = &mut checked.diagnostics;
    diagnostics.retain(|one| one.severity <= least);
    // The first is what is told where there is room for one, and that must be why nothing came of it.
    diagnostics.sort_by_key(|one| one.severity);
    let report = render_all(diagnostics, &text, color);
    let report = report.trim_end().to_owned();
    let loaded = match checked.config {
        Some(config) => Loaded::Good {
            config: Box::new(config),
            report,
            reading: Arc::new(Reading {
                path: path.to_owned(),
                text,
                kept,
            }),
        },
        None => Loaded::Bad { report },
    };
    (loaded, seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(text: &str, page: &str) -> Reading {
        let page = (PathBuf::from("/etc/e/page.html"), page.as_bytes().to_vec());
        Reading::of(Path::new("/etc/e/e.toml"), text.to_owned(), [page])
    }

    #[test]
    fn what_was_gone_back_from_is_known_by_what_was_wrong_with_it() {
        // What is served again, what was left, what is read now.
        for (served, left, now, expected) in [
            (("a", "1"), ("b", "1"), ("b", "1"), true),
            // Another page does not mend the text.
            (("a", "1"), ("b", "1"), ("b", "2"), true),
            (("a", "1"), ("b", "1"), ("c", "1"), false),
            (("a", "1"), ("b", "1"), ("a", "1"), false),
            // The page was the change.
            (("a", "1"), ("a", "2"), ("a", "2"), true),
            (("a", "1"), ("a", "2"), ("a", "3"), false),
            (("a", "1"), ("a", "2"), ("b", "2"), false),
        ] {
            let [served, left, read] = [served, left, now].map(|(text, page)| reading(text, page));
            assert_eq!(read.is_still(&left, &served), expected, "{now:?}");
        }
    }

    #[test]
    fn what_was_read_before_is_read_again_without_a_look_at_the_files() {
        let text = "version = 1\n[listener.web]\nbind = \":1\"\n[[route]]\nrespond.body = { file = \"page.html\" }\n";
        let reading = reading(text, "from before");
        let (
            Loaded::Good {
                config,
                reading: again,
                ..
            },
            _,
        ) = load_again(&reading, false)
        else {
            panic!("there is no such file, and none is needed");
        };
        assert!(evenkeel_config::print(&config).contains("from before"));
        assert!(again.says_the_same(&reading));
    }
}
