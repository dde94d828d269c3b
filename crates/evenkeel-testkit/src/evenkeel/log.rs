//! What a process writes, collected by a thread per stream.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use serde_json::Value;

use crate::patience::PATIENCE;

/// The lines of stdout and stderr so far. Clones are the same log.
#[derive(Clone, Debug, Default)]
pub struct Log {
    inner: Arc<(Mutex<Lines>, Condvar)>,
}

#[derive(Debug, Default)]
struct Lines {
    all: Vec<String>,
    stdout: Vec<String>,
    stderr: Vec<String>,
    ended: usize,
}

/// Which stream a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Stdout,
    Stderr,
}

impl Log {
    /// All lines, in the order in which they came.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.read(|lines| lines.all.clone())
    }

    /// The text of stdout.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.read(|lines| lines.stdout.join("\n"))
    }

    /// The text of stderr.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.read(|lines| lines.stderr.join("\n"))
    }

    /// The access records among the lines of stdout: those that are JSON objects.
    ///
    /// # Panics
    /// When a line begins like one and is none.
    #[must_use]
    pub fn records(&self) -> Vec<Value> {
        self.read(|lines| {
            let records = lines.stdout.iter().filter(|line| line.starts_with('{'));
            records
                .map(|line| {
                    serde_json::from_str(line)
                        .unwrap_or_else(|error| panic!("a broken record, {error}: {line}"))
                })
                .collect()
        })
    }

    /// Waits for a line of which `wanted` is true.
    ///
    /// # Panics
    /// When none comes in time, or the process ends without it.
    #[track_caller]
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let (lines, changed) = &*self.inner;
        let found = |lines: &Lines| lines.all.iter().find(|line| wanted(line)).cloned();
        let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        let (lines, _) = changed
            .wait_timeout_while(lines, PATIENCE, |lines| {
                found(lines).is_none() && lines.ended < 2
            })
            .unwrap_or_else(PoisonError::into_inner);
        found(&lines).unwrap_or_else(|| panic!("no line with {what} in:\n{}", lines.all.join("\n")))
    }

    /// Waits until both streams have ended, so that nothing is missing.
    pub(super) fn wait_end(&self) {
        let (lines, changed) = &*self.inner;
        let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        drop(changed.wait_timeout_while(lines, PATIENCE, |lines| lines.ended < 2));
    }

    pub(super) fn assert_no_panic(&self) {
        let panicked = self.lines().iter().any(|line| line.contains("panicked at"));
        assert!(!panicked, "evenkeel panicked:\n{self}");
    }

    pub(super) fn collect(&self, from: impl Read + Send + 'static, source: Source) {
        let log = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                log.change(|lines| {
                    lines.all.push(line.clone());
                    match source {
                        Source::Stdout => lines.stdout.push(line),
                        Source::Stderr => lines.stderr.push(line),
                    }
                });
            }
            log.change(|lines| lines.ended += 1);
        });
    }

    fn read<T>(&self, read: impl FnOnce(&Lines) -> T) -> T {
        read(&self.inner.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Lines)) {
        change(&mut self.inner.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.inner.1.notify_all();
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read(|lines| f.write_str(&lines.all.join("\n")))
    }
}
