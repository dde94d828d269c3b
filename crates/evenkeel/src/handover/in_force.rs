//! The configuration in force, as it stands in the offer where it is not what the file says: what was rolled back must not come
//! back because the program is another.
//!
//! The files that it names go with it, but for those of TLS, which are read as they are by now whatever is served. So does what can
//! be gone back to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::load::{Back, Earlier, Reading};

/// A configuration that is longer, with the files that it names, is not given to go back to. A hundred thousand routes are half of
/// that, and it is written as JSON, in which some bytes are four.
const MOST: usize = 16 * 1024 * 1024;

/// The configurations that are given.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// What is served, where that is not what the file says.
    pub(super) back: Option<Back>,
    /// What is served where it is, to go back to when the file says something else by now.
    pub(super) served: Option<Earlier>,
    /// What was served before that.
    pub(super) before: Option<Earlier>,
}

impl Given {
    /// Those that are not too long. Without what is served the one before it would be the wrong one to go back to.
    pub(crate) fn new(
        back: Option<Back>,
        served: Option<Earlier>,
        before: Option<Earlier>,
    ) -> Self {
        let fits = |one: &Earlier| {
            let size = one.reading.size();
            if size > MOST {
                tracing::warn!(
                    size,
                    "a configuration is too long to be handed over: the next process cannot go back to it"
                );
            }
            size <= MOST
        };
        let served = served.filter(|_| back.is_none());
        let is_told = served.as_ref().is_none_or(fits);
        Self {
            back,
            served: served.filter(|_| is_told),
            before: before.filter(|one| is_told && fits(one)),
        }
    }
}

/// What is served, and what was gone back from.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct InForce {
    served: Written,
    /// When that was read, in seconds since 1970.
    read: u64,
    left: Written,
    /// Since when something else is served, in seconds since 1970.
    since: u64,
    why: String,
}

/// A configuration that is or was served, to go back to.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Served {
    written: Written,
    /// When it was read, in seconds since 1970.
    read: u64,
}

/// What a configuration was read from.
#[derive(Debug, Deserialize, Serialize)]
struct Written {
    text: String,
    #[serde(default)]
    files: Vec<(PathBuf, Content)>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<&Back> for InForce {
    fn from(back: &Back) -> Self {
        Self {
            served: Written::from(&*back.served),
            read: seconds(back.read),
            left: Written::from(&*back.left),
            since: seconds(back.since),
            why: back.why.clone(),
        }
    }
}

impl InForce {
    /// The same, read from the file at `path`.
    pub(super) fn back(self, path: &Path) -> Back {
        let moment = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        Back {
            served: Arc::new(self.served.reading(path)),
            read: moment(self.read),
            left: Arc::new(self.left.reading(path)),
            since: moment(self.since),
            why: self.why,
        }
    }
}

impl From<&Earlier> for Served {
    fn from(earlier: &Earlier) -> Self {
        Self {
            written: Written::from(&*earlier.reading),
            read: seconds(earlier.read),
        }
    }
}

impl Served {
    /// The same, read from the file at `path`.
    pub(super) fn earlier(self, path: &Path) -> Earlier {
        Earlier {
            reading: Arc::new(self.written.reading(path)),
            read: UNIX_EPOCH + Duration::from_secs(self.read),
        }
    }
}

impl From<&Reading> for Written {
    fn from(reading: &Reading) -> Self {
        let content = |bytes: &[u8]| match std::str::from_utf8(bytes) {
            Ok(text) => Content::Text(text.to_owned()),
            Err(_) => Content::Bytes(bytes.to_vec()),
        };
        // What is not told is read anew.
        let files = reading.told_files();
        Self {
            text: reading.text().to_owned(),
            files: files
                .map(|(path, bytes)| (path.to_owned(), content(bytes)))
                .collect(),
        }
    }
}

impl Written {
    fn reading(self, path: &Path) -> Reading {
        let files = self.files.into_iter().map(|(path, content)| match content {
            Content::Text(text) => (path, text.into_bytes()),
            Content::Bytes(bytes) => (path, bytes),
        });
        Reading::of(path, self.text, files)
    }
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn known() -> Back {
        let path = Path::new("/etc/e.toml");
        let page = |bytes: &[u8]| (PathBuf::from("/etc/page"), bytes.to_vec());
        let reading =
            |text: &str, bytes: &[u8]| Arc::new(Reading::of(path, text.to_owned(), [page(bytes)]));
        Back {
            served: reading("a", b"\xff\0"),
            read: UNIX_EPOCH + Duration::from_secs(5),
            left: reading("b", b"<p>"),
            since: UNIX_EPOCH + Duration::from_secs(7),
            why: "by order".to_owned(),
        }
    }

    #[test]
    fn what_is_too_long_is_not_given_and_leads_nowhere_else() {
        let of = |size| Earlier {
            reading: Arc::new(Reading::of(Path::new("/e"), "a".repeat(size), [])),
            read: UNIX_EPOCH,
        };
        for (back, served, before, expected) in [
            (false, MOST, MOST, (true, true)),
            (false, MOST, MOST + 1, (true, false)),
            (false, MOST + 1, 1, (false, false)),
            // What is in force is told in any case.
            (true, MOST + 1, 1, (false, true)),
        ] {
            let given = Given::new(back.then(known), Some(of(served)), Some(of(before)));
            assert_eq!(given.back.is_some(), back);
            assert_eq!((given.served.is_some(), given.before.is_some()), expected);
        }
    }

    #[test]
    fn what_is_told_of_it_is_what_is_understood() {
        let text = serde_json::to_string(&InForce::from(&known())).unwrap();
        let read: InForce = serde_json::from_str(&text).unwrap();
        let (read, known) = (read.back(Path::new("/etc/e.toml")), known());
        assert!(read.served.says_the_same(&known.served), "{text}");
        assert!(read.left.says_the_same(&known.left), "{text}");
        let rest = |back: &Back| (back.read, back.since, back.why.clone());
        assert_eq!(rest(&read), rest(&known));
    }
}
