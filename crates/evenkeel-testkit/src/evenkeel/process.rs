//! A process of the binary: its start, its signals, its end, and what `/proc` tells of it.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, kill_process};

use super::log::{Log, Source};
use crate::evenkeel::binary;
use crate::patience::eventually;

/// A process, killed when it goes out of scope.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    log: Log,
}

/// A signal that evenkeel knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: drain, then end.
    Terminate,
    /// SIGINT: the same, from a keyboard.
    Interrupt,
}

/// How a command ended, and what it wrote.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: i32,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

/// Runs the binary in `folder` until it ends by itself.
///
/// # Panics
/// When it does not end in time, or panicked.
#[must_use]
#[track_caller]
pub fn run(folder: &Path, args: &[&str]) -> Ended {
    let mut process = Process::start(args, folder);
    let status = process.wait();
    process.log.assert_no_panic();
    Ended {
        status,
        stdout: process.log.stdout(),
        stderr: process.log.stderr(),
    }
}

impl Process {
    pub(super) fn start(args: &[&str], folder: &Path) -> Self {
        let mut child = Command::new(binary::path())
            .args(args)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let log = Log::default();
        if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
            log.collect(stdout, Source::Stdout);
            log.collect(stderr, Source::Stderr);
        }
        Self { child, log }
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    pub(super) fn signal(&self, signal: Signal) {
        let signal = match signal {
            Signal::Terminate => rustix::process::Signal::TERM,
            Signal::Interrupt => rustix::process::Signal::INT,
        };
        kill_process(Pid::from_child(&self.child), signal).expect("it takes a signal");
    }

    #[track_caller]
    pub(super) fn wait(&mut self) -> i32 {
        let status = eventually("the end of the process", || {
            self.child.try_wait().expect("a child can be waited for")
        });
        self.log.wait_end();
        code(status)
    }

    pub(super) fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.child.id());
        fs::read_dir(folder).map_or(0, Iterator::count)
    }

    pub(super) fn memory(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes =
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kibibytes.expect("a live process has memory") * 1024
    }

    pub(super) fn ticks(&self) -> u64 {
        let stat = self.proc("stat");
        // The fields after the name, which is in parentheses and may have spaces: user and system time are 12th and 13th.
        let (_, fields) = stat.rsplit_once(") ").expect("stat has a name");
        let times = fields.split(' ').skip(11).take(2);
        times.filter_map(|time| time.parse::<u64>().ok()).sum()
    }

    fn proc(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(path).expect("a live process stands in /proc")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail when it has ended and was waited for, which is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn code(status: ExitStatus) -> i32 {
    let signal = || status.signal().map(|signal| 128 + signal);
    status.code().or_else(signal).unwrap_or(-1)
}
