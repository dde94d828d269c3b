//! The configuration file and those that it names, looked at once a second to notice when one has changed.
//!
//! A look instead of the system's notices: it works on every file system, and however editors and tools replace a file (write
//! in place, rename over it, swing a link). A change counts once two looks in a row see the same, so that a file is not read
//! while it is being written.

use std::time::Duration;

use tokio::task::{self, JoinHandle};
use tokio::time::{self, Interval, MissedTickBehavior};

use crate::files::seconds_since_1970;
use crate::stamp::{Seen, Stamp};

/// From one look to the next.
const LOOK: Duration = Duration::from_secs(1);

/// The files. There are no more of them than the configuration names.
#[derive(Debug)]
pub(crate) struct WatchedFiles {
    looks: Interval,
    changes: Changes,
    /// The look that is under way: on a disk that does not answer there is no second one beside it, however often somebody waits.
    looking: Option<JoinHandle<Seen>>,
}

impl WatchedFiles {
    /// The configuration file and those that it names, which were just read, and what they looked like.
    pub(crate) fn new(read: Seen) -> Self {
        Self::with(Changes::since(read))
    }

    /// Files of TLS: each counts for itself, and one that is gone is a change.
    pub(crate) fn of_tls(read: Seen) -> Self {
        Self::with(Changes {
            needs_first: false,
            ..Changes::since(read)
        })
    }

    fn with(changes: Changes) -> Self {
        let mut looks = time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            looks,
            changes,
            looking: None,
        }
    }

    /// These were read when they looked so, whatever came of it; from now on they are looked at.
    pub(crate) fn were_read(&mut self, read: Seen) {
        self.were_read_until(read, None);
    }

    /// The same, and at that second since 1970 they are to be read again as they are.
    pub(crate) fn were_read_until(&mut self, read: Seen, due: Option<i64>) {
        self.changes = Changes {
            needs_first: self.changes.needs_first,
            due,
            ..Changes::since(read)
        };
        // It may be of other files, and is of before.
        self.looking = None;
    }

    /// Waits until one has changed since it was read, or it is time to read them again.
    pub(crate) async fn changed(&mut self) {
        loop {
            let Some(looking) = &mut self.looking else {
                self.looks.tick().await;
                self.looking = Some(look(self.changes.read.clone()));
                continue;
            };
            // On a disk that does not answer this takes its time, which nobody but us waits for.
            let seen = looking.await;
            self.looking = None;
            // By the clock of each look: it may be set meanwhile.
            let now = seconds_since_1970();
            if seen.is_ok_and(|seen| self.changes.look(seen, now)) {
                return;
            }
        }
    }
}

/// Has a thread look at them.
fn look(mut files: Seen) -> JoinHandle<Seen> {
    task::spawn_blocking(move || {
        for (path, stamp) in &mut files {
            *stamp = Stamp::of(path);
        }
        files
    })
}

/// What was seen.
#[derive(Debug)]
struct Changes {
    /// When they were read.
    read: Seen,
    /// At the last look.
    last: Seen,
    /// Whether there is nothing to read without the first of them, the configuration file.
    needs_first: bool,
    /// When they are to be read in any case, in seconds since 1970.
    due: Option<i64>,
}

impl Changes {
    fn since(read: Seen) -> Self {
        Self {
            last: read.clone(),
            read,
            needs_first: true,
            due: None,
        }
    }

    /// Whether they are to be read, now that they look so.
    fn look(&mut self, seen: Seen, now: i64) -> bool {
        let is_settled = seen == self.last;
        self.last = seen;
        let is_there =
            !self.needs_first || self.last.first().is_some_and(|(_, stamp)| stamp.is_some());
        let is_due = self.due.is_some_and(|due| due <= now);
        is_there && is_settled && (is_due || self.last != self.read)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// Files with contents of these numbers; 0: there is no such file.
    fn seen(numbers: (u64, u64)) -> Seen {
        let stamp = |number| (number > 0).then(|| Stamp::numbered(number));
        vec![
            (PathBuf::from("evenkeel.toml"), stamp(numbers.0)),
            (PathBuf::from("page.html"), stamp(numbers.1)),
        ]
    }

    #[test]
    fn a_change_counts_when_it_is_seen_twice_and_once_for_each_reading() {
        // Each look by the content that is seen; `R` of the outcome means that it is read.
        for (looks, expected) in [
            (&[1, 1, 1][..], "..."),
            (&[1, 2, 2, 2], "..R."),
            (&[2, 3, 4, 4], "...R"),
            (&[0, 0, 1, 1], "...."),
            (&[2, 1, 1], "..."),
            (&[0, 2, 2, 3, 3, 1, 1], "..R.R.R"),
        ] {
            let both: Vec<_> = looks.iter().map(|look| (*look, 5)).collect();
            assert_eq!(outcome((1, 5), &both), expected, "{looks:?}");
        }
    }

    #[test]
    fn a_file_that_is_named_counts_as_well() {
        for (looks, expected) in [
            (&[(1, 6), (1, 6), (1, 6)][..], ".R."),
            (&[(1, 0), (1, 5)], ".."),
            (&[(1, 0), (1, 0), (1, 0)], ".R."),
            (&[(2, 5), (2, 6), (2, 6)], "..R"),
            (&[(0, 6), (0, 6)], ".."),
        ] {
            assert_eq!(outcome((1, 5), looks), expected, "{looks:?}");
        }
    }

    #[test]
    fn what_was_too_early_is_due_when_its_time_comes_though_nothing_changes() {
        let mut changes = Changes {
            due: Some(10),
            ..Changes::since(seen((1, 5)))
        };
        for (page, now, expected) in [
            (5, 9, false),
            (5, 10, true),
            // Not while it is being written, and when the clock was set, too.
            (6, 11, false),
            (6, 99, true),
        ] {
            assert_eq!(changes.look(seen((1, page)), now), expected, "{now}");
        }
    }

    fn outcome(read: (u64, u64), looks: &[(u64, u64)]) -> String {
        let mut changes = Changes::since(seen(read));
        let look = |look: &(u64, u64)| {
            let due = changes.look(seen(*look), 0);
            if due {
                changes = Changes::since(seen(*look));
            }
            if due { 'R' } else { '.' }
        };
        looks.iter().map(look).collect()
    }
}
