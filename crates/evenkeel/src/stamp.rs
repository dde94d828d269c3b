//! What a file looks like from outside, to notice that it has changed without reading it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What tells one content of a file from another: device, inode, size, and when it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    file: (u64, u64),
    size: u64,
    written: (i64, i64),
}

/// Files, and what each looked like.
pub(crate) type Seen = Vec<(PathBuf, Option<Stamp>)>;

impl Stamp {
    /// That of the file as it is now; none: it cannot be seen, as for a moment while it is replaced.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let seen = fs::metadata(path).ok()?;
        Some(Self {
            file: (seen.dev(), seen.ino()),
            size: seen.size(),
            written: (seen.mtime(), seen.mtime_nsec()),
        })
    }

    /// That of a file of which nothing is known but that it has this number, for tests.
    #[cfg(test)]
    pub(crate) const fn numbered(number: u64) -> Self {
        Self {
            file: (1, number),
            size: 9,
            written: (7, 7),
        }
    }
}
