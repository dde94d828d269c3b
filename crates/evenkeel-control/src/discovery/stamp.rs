//! Whether a file has changed since it was read, told without reading it again.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A file that was written to less than this before it was read may have been written to again in the same tick of the file
/// system's clock: it is read once more.
const SETTLED: Duration = Duration::from_secs(2);

/// What tells one state of a file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: SystemTime,
    length: u64,
    /// A file that took the place of another has another number.
    file: (u64, u64),
}

impl Stamp {
    /// The file's state; links are followed.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            modified: metadata.modified()?,
            length: metadata.len(),
            file: (metadata.dev(), metadata.ino()),
        })
    }

    /// How long the file is.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Whether a later change would show in another stamp.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        // A time in the future tells nothing, and is taken as it is.
        now.duration_since(self.modified)
            .is_ok_and(|age| age >= SETTLED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_shows_once_the_file_is_settled() {
        let path = std::env::temp_dir().join(format!("evenkeel-stamp-{}", std::process::id()));
        fs::write(&path, "one").unwrap();
        let stamp = Stamp::of(&path).unwrap();
        assert_eq!(
            (stamp.clone(), stamp.length()),
            (Stamp::of(&path).unwrap(), 3)
        );
        let now = SystemTime::now();
        assert!(!stamp.is_settled(now));
        assert!(stamp.is_settled(now + SETTLED));
        fs::write(&path, "four").unwrap();
        assert_ne!(Stamp::of(&path).unwrap(), stamp);
        fs::remove_file(&path).unwrap();
        Stamp::of(&path).unwrap_err();
    }
}
