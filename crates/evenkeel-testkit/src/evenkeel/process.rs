//! A process of the binary: its start, its signals, its end, and what `/proc` tells of it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
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
    /// SIGHUP: read the configuration again.
    Hangup,
    /// SIGUSR1: open the access log anew.
    User1,
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

/// Runs a script of the shell in `folder` until it ends by itself; `evenkeel` in it is the binary.
///
/// # Panics
/// When it does not end in time.
#[must_use]
#[track_caller]
pub fn shell(folder: &Path, script: &str) -> Ended {
    let mut command = Command::new("sh");
    command.env("EVENKEEL", binary::path());
    command.arg("-c");
    command.arg(format!("evenkeel() {{ \"$EVENKEEL\" \"$@\"; }}\n{script}"));
    let mut process = Process::spawn(command, folder);
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
        let mut command = Command::new(binary::path());
        command.args(args);
        Self::spawn(command, folder)
    }

    /// With at most so many descriptors: a limit that only the shell can set before the program begins.
    pub(super) fn start_with_descriptors(args: &[&str], folder: &Path, most: u32) -> Self {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("ulimit -n {most} && exec \"$0\" \"$@\""));
        command.arg(binary::path()).args(args);
        Self::spawn(command, folder)
    }

    /// By a command that becomes the binary.
    pub(super) fn start_under(wrapper: &[String], args: &[&str], folder: &Path) -> Self {
        let Some((first, rest)) = wrapper.split_first() else {
            return Self::start(args, folder);
        };
        let mut command = Command::new(first);
        command.args(rest).arg(binary::path()).args(args);
        Self::spawn(command, folder)
    }

    fn spawn(mut command: Command, folder: &Path) -> Self {
        let mut child = command
            .current_dir(folder)
            // Each has its control socket in its own folder.
            .env("RUNTIME_DIRECTORY", folder)
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
            Signal::Hangup => rustix::process::Signal::HUP,
            Signal::User1 => rustix::process::Signal::USR1,
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

    /// The sockets, pipes and files that it has open. Those of its event loops, `/dev/null` and what listens are left out:
    /// workers open the former when they get to it, maybe after the first answer, a reload the latter, and traffic opens none.
    pub(super) fn descriptors(&self) -> BTreeSet<PathBuf> {
        let listening = self.listening();
        let folder = format!("/proc/{}/fd", self.child.id());
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .filter(|target| {
                let target = target.to_string_lossy();
                !target.starts_with("anon_inode:")
                    && target != "/dev/null"
                    && !listening.contains(target.as_ref())
            })
            .collect()
    }

    /// The TCP sockets of its host that listen, by the names that descriptors have.
    fn listening(&self) -> BTreeSet<String> {
        let tables = ["net/tcp", "net/tcp6"].map(|table| self.proc(table));
        let lines = tables.iter().flat_map(|table| table.lines());
        let columns = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
        // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …
        let listens = columns.filter(|columns| columns.get(3) == Some(&"0A"));
        listens
            .filter_map(|columns| Some(format!("socket:[{}]", columns.get(9)?)))
            .collect()
    }

    /// How many TCP connections to this port of its host are held, by it or by the system for it.
    pub(super) fn connections_to(&self, port: u16) -> usize {
        let table = self.proc("net/tcp");
        // sl local_address rem_address st …, addresses as IP:PORT in hex; 0A listens, 06 has ended and only waits.
        let columns = table
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        let local = format!(":{port:04X}");
        columns
            .filter(|columns| match columns.as_slice() {
                [_, address, _, state, ..] => {
                    address.ends_with(&local) && !["0A", "06"].contains(state)
                }
                _ => false,
            })
            .count()
    }

    pub(super) fn peak_memory(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes =
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kibibytes.expect("a live process has memory") * 1024
    }

    pub(super) fn ticks(&self) -> u64 {
        let stat = self.proc("stat");
        // The fields after the name, which stands in parentheses: user and system time are the 12th and 13th of them.
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
