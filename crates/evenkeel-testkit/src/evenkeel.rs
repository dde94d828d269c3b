//! The real binary, running between a test's clients and origins.
//!
//! When it goes out of scope, every test asserts the same: once all clients and origins of the test have hung up, the
//! process has no socket, pipe or file open that it had not after its start; SIGTERM ends it with status 0; and it never
//! panicked.

mod binary;
pub mod line;
mod log;
mod process;

pub use line::{Line, Start};
pub use log::Log;
pub use process::{Ended, Signal, run, shell};

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use serde_json::Value;

use crate::client::Client;
use crate::ends;
use crate::folder::Folder;
use crate::h2;
use crate::patience::eventually;
use crate::setup::Setup;
use crate::tls::TlsClient;
use process::Process;

/// A running evenkeel.
#[derive(Debug)]
pub struct Evenkeel {
    process: Process,
    listeners: Vec<(String, String)>,
    descriptors: BTreeSet<PathBuf>,
    folder: Arc<Folder>,
    own_endpoints: bool,
    finished: bool,
}

impl Evenkeel {
    /// Starts `evenkeel run` with this configuration, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not get ready.
    #[must_use]
    #[track_caller]
    pub fn start(setup: &Setup) -> Self {
        Self::start_text(&setup.text())
    }

    /// Starts `evenkeel run` with the text of a configuration, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not get ready.
    #[must_use]
    #[track_caller]
    pub fn start_text(config: &str) -> Self {
        let folder = Folder::new();
        folder.write("evenkeel.toml", config);
        Self::start_in(folder, &["run", "--config", "evenkeel.toml"])
    }

    /// Starts the binary with these arguments, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not get ready.
    #[must_use]
    #[track_caller]
    pub fn start_args(args: &[&str]) -> Self {
        Self::start_in(Folder::new(), args)
    }

    /// Starts the binary with these arguments in this folder, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not get ready.
    #[must_use]
    #[track_caller]
    pub fn start_in(folder: Folder, args: &[&str]) -> Self {
        Self::ready(Process::start(args, folder.path()), folder)
    }

    /// As [`Evenkeel::start`], with at most so many descriptors.
    ///
    /// # Panics
    /// When it does not get ready.
    #[must_use]
    #[track_caller]
    pub fn start_with_descriptors(setup: &Setup, most: u32) -> Self {
        let folder = Folder::new();
        folder.write("evenkeel.toml", setup.text());
        Self::ready(
            Process::start_with_descriptors(&["run"], folder.path(), most),
            folder,
        )
    }

    /// As [`Evenkeel::start`], by a command that becomes the binary: `wrapper` stands before the binary's path.
    ///
    /// # Panics
    /// When it does not get ready.
    #[must_use]
    #[track_caller]
    pub fn start_under(wrapper: &[String], setup: &Setup) -> Self {
        let folder = Folder::new();
        folder.write("evenkeel.toml", setup.text());
        Self::ready(
            Process::start_under(wrapper, &["run"], folder.path()),
            folder,
        )
    }

    #[track_caller]
    fn ready(process: Process, folder: Folder) -> Self {
        process.log().wait_for("`ready`", is_ready);
        let listeners = process
            .log()
            .lines()
            .iter()
            .filter_map(|line| listener(line))
            .collect();
        let descriptors = process.descriptors();
        Self {
            process,
            listeners,
            descriptors,
            folder: Arc::new(folder),
            own_endpoints: false,
            finished: false,
        }
    }

    /// Its endpoints live in its own process (as those of `evenkeel demo` do) or are no origins of this crate, and will not hang up
    /// at the test's end: only connections from clients are expected to be closed then.
    #[must_use]
    pub fn with_own_endpoints(mut self) -> Self {
        self.own_endpoints = true;
        self
    }

    /// The folder it was started in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The TCP address of its first listener.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        let addresses = self.listeners.iter().map(|(_, address)| address);
        let mut addresses = addresses.filter_map(|address| address.parse().ok());
        addresses.next().expect("it has a TCP listener")
    }

    /// The TCP address of the listener of that name.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn listener(&self, name: &str) -> SocketAddr {
        let mut latest = self.listeners.iter().rev();
        let named = latest.find(|(known, _)| known == name);
        named
            .and_then(|(_, address)| address.parse().ok())
            .unwrap_or_else(|| panic!("no TCP listener {name} in {:?}", self.listeners))
    }

    /// A new connection to its first listener.
    #[must_use]
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// A new connection with TLS to its first listener.
    #[must_use]
    #[track_caller]
    pub fn tls(&self, tls: &TlsClient) -> Client {
        Client::tls(self.address(), tls)
    }

    /// A new connection of HTTP/2 to its first listener, by prior knowledge.
    #[must_use]
    #[track_caller]
    pub fn h2(&self) -> h2::Client {
        h2::Client::connect(self.address())
    }

    /// A new connection of HTTP/2 with TLS to its first listener.
    #[must_use]
    #[track_caller]
    pub fn h2_tls(&self, tls: &TlsClient) -> h2::Client {
        h2::Client::tls(self.address(), tls)
    }

    /// A new connection to the listener of that name.
    #[must_use]
    #[track_caller]
    pub fn client_of(&self, listener: &str) -> Client {
        Client::connect(self.listener(listener))
    }

    /// Its admin address, as it was told last.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    #[track_caller]
    pub fn admin(&self) -> SocketAddr {
        admin(self.log())
    }

    /// A new connection to its admin address, whose requests name that.
    #[must_use]
    #[track_caller]
    pub fn operator(&self) -> Client {
        operator(self.admin())
    }

    /// What it has written so far, line by line.
    #[must_use]
    pub fn log(&self) -> &Log {
        self.process.log()
    }

    /// Waits for this many access records, and returns all that came.
    ///
    /// # Panics
    /// When they do not come in time, or one is no JSON.
    #[must_use]
    #[track_caller]
    pub fn records(&self, number: usize) -> Vec<Value> {
        eventually(&format!("{number} access records"), || {
            let records = self.log().records();
            (records.len() >= number).then_some(records)
        })
    }

    /// The only access record, which is waited for.
    ///
    /// # Panics
    /// When it does not come in time, or is not the only one.
    #[must_use]
    #[track_caller]
    pub fn record(&self) -> Value {
        let mut records = self.records(1);
        assert_eq!(records.len(), 1, "one record, not {records:?}");
        records.remove(0)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Writes another configuration in the place of the one it was started with, has it read, and waits until it is served.
    /// Listeners that are new with it are known from then on.
    ///
    /// # Panics
    /// When it is not served in time.
    #[track_caller]
    pub fn reload(&mut self, config: &str) {
        let before = self.log().lines().len();
        self.write_config(config);
        self.signal(Signal::Hangup);
        self.log_since(before, "a new configuration is served");
        let lines = self.log().lines();
        self.listeners
            .extend(lines[before..].iter().filter_map(|line| opened(line)));
    }

    /// Does the same with one that is refused, and gives the line that says so.
    ///
    /// # Panics
    /// When it is not refused in time.
    #[track_caller]
    pub fn reload_in_vain(&self, config: &str) -> String {
        let before = self.log().lines().len();
        self.write_config(config);
        self.signal(Signal::Hangup);
        self.log_since(before, "the configuration stays as it was")
    }

    /// Runs a command of the binary that asks this one by its control socket.
    ///
    /// # Panics
    /// When it does not end in time.
    #[must_use]
    #[track_caller]
    pub fn ask(&self, args: &[&str]) -> Ended {
        run(self.folder(), args)
    }

    /// The same with a command that is to be done.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn order(&self, args: &[&str]) -> String {
        let ended = self.ask(args);
        assert_eq!(ended.status, 0, "{args:?}: {}", ended.stderr);
        ended.stdout
    }

    /// What `evenkeel status --json` says.
    ///
    /// # Panics
    /// When it says nothing.
    #[must_use]
    #[track_caller]
    pub fn status(&self) -> Value {
        let text = self.order(&["status", "--json"]);
        serde_json::from_str(&text).expect("the status is JSON")
    }

    /// The path of its control socket.
    #[must_use]
    pub fn control_path(&self) -> PathBuf {
        self.folder().join("evenkeel.sock")
    }

    /// A new connection to its control socket.
    #[must_use]
    #[track_caller]
    pub fn control(&self) -> Client {
        Client::unix(&self.control_path())
    }

    /// Writes another configuration in the place of the one it was started with, and nothing else.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write_config(&self, config: &str) {
        std::fs::write(self.folder().join("evenkeel.toml"), config).expect("a file can be written");
    }

    #[track_caller]
    fn log_since(&self, before: usize, text: &str) -> String {
        eventually(text, || {
            let lines = self.log().lines();
            let mut new = lines[before..].iter();
            new.find(|line| line.contains(text)).cloned()
        })
    }

    /// Ends it now, with all that a test asserts at its end: what is in the log then is all of it.
    #[track_caller]
    pub fn stop(mut self) {
        self.finish();
        self.finished = true;
    }

    /// Waits until it has ended by itself or by a signal, and returns its exit status (128 + signal when killed by one).
    ///
    /// # Panics
    /// When it does not end in time.
    #[track_caller]
    pub fn wait(mut self) -> i32 {
        let status = self.process.wait();
        self.finished = true;
        self.process.log().assert_no_panic();
        status
    }

    /// How much processor time it has used, in the system's ticks: hundredths of a second on Linux.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.process.ticks()
    }

    /// The most memory that it ever had resident, in bytes. Linux counts it in approximation: a later figure may be a little less.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        self.process.peak_memory()
    }

    fn finish(&mut self) {
        ends::hang_up_all();
        eventually("every connection to be closed", || {
            let closed = if self.own_endpoints {
                self.process.connections_to(self.address().port()) == 0
            } else {
                let open = self.process.descriptors();
                open.is_subset(&self.descriptors)
            };
            closed.then_some(())
        });
        self.process.signal(Signal::Terminate);
        let status = self.process.wait();
        assert_eq!(status, 0, "SIGTERM ends it well");
        self.process.log().assert_no_panic();
    }
}

impl Drop for Evenkeel {
    #[expect(clippy::print_stderr, reason = "what a failed test shows")]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- evenkeel wrote:\n{}", self.log());
        } else if !self.finished {
            self.finish();
        }
    }
}

/// Whether a line says that traffic is served, whatever the form of the log is.
fn is_ready(line: &str) -> bool {
    line == "ready" || event(line, "ready").is_some()
}

/// The event that a line of a log in JSON is, when it says this.
fn event(line: &str, message: &str) -> Option<Value> {
    let event = line.starts_with('{').then(|| serde_json::from_str(line));
    let event: Value = event?.ok()?;
    (event["message"] == message).then_some(event)
}

/// `listening listener="NAME" address="ADDRESS"` of the log.
fn opened(line: &str) -> Option<(String, String)> {
    if let Some(event) = event(line, "listening") {
        let value = |key: &str| event[key].as_str().map(str::to_owned);
        return Some((value("listener")?, value("address")?));
    }
    let (_, fields) = line.split_once(" listening ")?;
    let value = |key: &str| {
        let (_, rest) = fields.split_once(&format!("{key}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    Some((value("listener")?, value("address")?))
}

/// The admin address that was told last: `admin URL` of the start, or the address of a log line of a reload.
#[track_caller]
fn admin(log: &Log) -> SocketAddr {
    let of_start = |line: &str| {
        let (_, told) = line.split_once("  admin     ")?;
        let (_, address) = told.split_whitespace().next()?.split_once("://")?;
        address.parse().ok()
    };
    let of_reload = |line: &str| {
        let (_, told) = line.split_once("listening for operators address=\"")?;
        told.split('"').next()?.parse().ok()
    };
    let lines = log.lines();
    let told = lines
        .iter()
        .rev()
        .find_map(|line| of_start(line).or_else(|| of_reload(line)));
    told.expect("it has an admin address")
}

/// A connection to an admin address, whose requests name that.
#[track_caller]
fn operator(address: SocketAddr) -> Client {
    Client::connect(address).host(&address.to_string())
}

/// `listener NAME ADDRESS …` of the start's table, or its event.
fn listener(line: &str) -> Option<(String, String)> {
    if line.starts_with('{') {
        return opened(line);
    }
    let mut words = line.split_whitespace();
    words.find(|&word| word == "listener")?;
    let name = words.next()?;
    let address = words.next()?;
    let address = address.trim_start_matches("http://");
    let address = address.trim_start_matches("https://");
    Some((name.to_owned(), address.to_owned()))
}
