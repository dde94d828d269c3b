//! A line of processes, each of which takes the place of the one before by an upgrade.
//!
//! They write to the same two streams, so the log is that of all. Whoever they leave behind becomes the test's own child, so
//! that it can be waited for.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{
    Pid, WaitOptions, WaitStatus, getpid, kill_process, set_child_subreaper, waitpid,
};
use serde_json::Value;

use super::log::{Log, Source};
use super::{Ended, admin, binary, is_ready, listener, operator, run};
use crate::client::Client;
use crate::ends;
use crate::folder::Folder;
use crate::patience::eventually;

/// The name of the control socket in the folder.
const CONTROL: &str = "control.sock";

/// How a line begins.
#[derive(Debug, Default)]
pub struct Start {
    variables: Vec<(String, String)>,
    script: Option<(String, OwnedFd)>,
}

impl Start {
    /// With this variable in its environment.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// By a script of the shell, which has this descriptor as its stdin, and ends with `exec "$0" "$@"`.
    #[must_use]
    pub fn by_script(mut self, script: &str, stdin: OwnedFd) -> Self {
        self.script = Some((script.to_owned(), stdin));
        self
    }

    /// Starts it with this configuration, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not get ready.
    #[must_use]
    #[track_caller]
    pub fn start(self, config: &str) -> Line {
        let line = self.begin(config);
        line.log.wait_for("`ready`", is_ready);
        line
    }

    /// The same without waiting.
    ///
    /// # Panics
    /// When the system does not start it.
    #[must_use]
    #[track_caller]
    pub fn begin(self, config: &str) -> Line {
        set_child_subreaper(Some(getpid())).expect("a test may adopt processes");
        let folder = Folder::new();
        folder.write("evenkeel.toml", config);
        let mut command = match self.script {
            None => {
                let mut command = Command::new(binary::path());
                command.stdin(Stdio::null());
                command
            }
            Some((script, stdin)) => {
                let mut command = Command::new("sh");
                command
                    .arg("-c")
                    .arg(script)
                    .arg(binary::path())
                    .stdin(stdin);
                command
            }
        };
        command.args(["run", "--control", CONTROL]);
        command.envs(self.variables).current_dir(folder.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let log = Log::default();
        if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
            log.collect(stdout, Source::Stdout);
            log.collect(stderr, Source::Stderr);
        }
        Line {
            pids: vec![Pid::from_child(&child)],
            _first: child,
            log,
            folder,
        }
    }
}

/// The processes, of which the last one serves.
#[derive(Debug)]
pub struct Line {
    _first: Child,
    pids: Vec<Pid>,
    log: Log,
    folder: Folder,
}

impl Line {
    /// Starts the first process with this configuration.
    ///
    /// # Panics
    /// When it does not get ready.
    #[must_use]
    #[track_caller]
    pub fn start(config: &str) -> Self {
        Start::default().start(config)
    }

    /// The TCP address of a listener, as the first process or any later one told it.
    ///
    /// # Panics
    /// When there is none of that name.
    #[must_use]
    #[track_caller]
    pub fn listener(&self, name: &str) -> SocketAddr {
        let lines = self.log.lines();
        let told = lines.iter().rev().filter_map(|line| listener(line));
        let mut addresses = told
            .filter(|(known, _)| known == name)
            .filter_map(|(_, address)| address.parse().ok());
        addresses.next().expect("a listener of that name")
    }

    /// A new connection to the listener `web`.
    #[must_use]
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(self.listener("web"))
    }

    /// A new connection to the admin address that was told last, whose requests name that.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn operator(&self) -> Client {
        operator(admin(&self.log))
    }

    /// What all of them wrote.
    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// Where they run.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file in their folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Writes another configuration, which nobody reads before it is told to.
    pub fn configure(&self, config: &str) {
        self.folder.write("evenkeel.toml", config);
    }

    /// Writes a program for the shell.
    ///
    /// # Panics
    /// When it cannot be made one that may be run.
    pub fn script(&self, name: &str, lines: &str) {
        use std::os::unix::fs::PermissionsExt;
        self.folder.write(name, format!("#!/bin/sh\n{lines}\n"));
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.file(name), mode).expect("its mode can be set");
    }

    /// Gives a command to the one that serves.
    ///
    /// # Panics
    /// When it does not end in time.
    #[track_caller]
    pub fn command(&self, args: &[&str]) -> Ended {
        let mut all = args.to_vec();
        all.extend(["--control", CONTROL]);
        run(self.folder(), &all)
    }

    /// What it tells of itself.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    #[track_caller]
    pub fn status(&self) -> Value {
        let ended = self.command(&["status", "--json"]);
        serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("no status: {ended:?}"))
    }

    /// Lets another process take the place of the one that serves.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn upgrade(&mut self) {
        let ended = self.command(&["upgrade"]);
        assert_eq!(ended.status, 0, "{ended:?}\n{}", self.log);
        self.follow();
    }

    /// Tries to let this program take the place of the one that serves, which it does not; gives why.
    ///
    /// # Panics
    /// When it does.
    #[track_caller]
    pub fn upgrade_in_vain(&self, program: &str) -> String {
        let ended = self.command(&["upgrade", program]);
        assert_eq!(ended.status, 1, "{ended:?}\n{}", self.log);
        ended.stderr
    }

    /// Another process serves by now: it is the one that is meant from now on.
    ///
    /// # Panics
    /// When none does.
    #[track_caller]
    pub fn follow(&mut self) {
        let pid = self.status()["pid"]
            .as_i64()
            .and_then(|pid| i32::try_from(pid).ok());
        let pid = pid.and_then(Pid::from_raw).expect("it has an id");
        assert!(!self.pids.contains(&pid), "the same process serves");
        self.pids.push(pid);
    }

    /// The id of the one that serves.
    ///
    /// # Panics
    /// Never: there is always one.
    #[must_use]
    pub fn pid(&self) -> Pid {
        *self.pids.last().expect("there is always one")
    }

    /// Sends a signal to the one that serves.
    ///
    /// # Panics
    /// When it is gone.
    pub fn signal(&self, signal: rustix::process::Signal) {
        kill_process(self.pid(), signal).expect("it takes a signal");
    }

    /// Waits until the process before the one that serves has ended, well.
    ///
    /// # Panics
    /// When it does not in time.
    #[track_caller]
    pub fn wait_predecessors(&mut self) {
        for pid in self.pids.drain(..self.pids.len().saturating_sub(1)) {
            assert_eq!(status_of(pid), Some(0), "{pid:?}\n{}", self.log);
        }
    }

    /// Waits until the last one has ended by itself.
    ///
    /// # Panics
    /// When it does not in time.
    #[track_caller]
    pub fn wait(mut self) -> i32 {
        self.wait_predecessors();
        let status = status_of(self.pid()).unwrap_or(-1);
        self.pids.clear();
        self.log.wait_end();
        self.log.assert_no_panic();
        status
    }

    /// Ends the last one; all have ended well then, and none has panicked.
    ///
    /// # Panics
    /// When one has not.
    #[track_caller]
    pub fn end(self) {
        ends::hang_up_all();
        self.signal(rustix::process::Signal::TERM);
        assert_eq!(self.wait(), 0);
    }
}

/// The status that a process ends with; none when it was killed.
#[track_caller]
fn status_of(pid: Pid) -> Option<i32> {
    eventually("the end of a process", || {
        match waitpid(Some(pid), WaitOptions::NOHANG) {
            Ok(Some((_, status))) => Some(WaitStatus::exit_status(status)),
            // It is still the child of the process before it, which is about to end.
            Ok(None) | Err(_) => None,
        }
    })
}

impl Drop for Line {
    #[expect(clippy::print_stderr, reason = "what a failed test shows")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- evenkeel wrote:\n{}", self.log);
        }
        for pid in &self.pids {
            let _ = kill_process(*pid, rustix::process::Signal::KILL);
        }
    }
}
