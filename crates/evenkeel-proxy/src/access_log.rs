//! The access log: one record per exchange, formatted by the worker, written by a thread of its own.
//!
//! A worker appends to its own buffer and hands it over from time to time; the writer gives it back empty. When disk or
//! pipe are slow, buffers fill up and records are dropped and counted: traffic never waits for a log.

mod format;
mod time;

use std::cell::{Cell, RefCell};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use evenkeel_base::RequestView;
use evenkeel_config::model::{self, AccessLogTarget, LogFormat};
use evenkeel_state::{Snapshot, WorkerCounters};

use crate::access_log::time::Stamp;
use crate::record::Record;

/// A worker hands its buffer over when it holds this much, or when the flush comes round.
const HAND_OVER: usize = 32 * 1024;
/// While the writer is busy a worker collects this much; records beyond it are dropped.
const MAX_BUFFER: usize = 256 * 1024;
/// Buffers that wait for the writer.
const MAX_WAITING: usize = 16;
/// How long the end of the process waits for the last records to be written.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// What an access record is made from.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    /// The snapshot it began with: names of routes, clusters and endpoints.
    pub(crate) snapshot: &'a Snapshot,
    /// The listener's name.
    pub(crate) listener: &'a str,
    /// The other end of the connection: an address and its text.
    pub(crate) from: (Option<IpAddr>, &'a str),
    /// The head.
    pub(crate) request: RequestView<'a>,
    /// What happened.
    pub(crate) record: &'a Record,
}

/// The writer's end.
#[derive(Debug)]
pub struct AccessLog {
    format: LogFormat,
    full: SyncSender<Vec<u8>>,
    /// Ends when the writer has. Locked by nobody but the end of the log: the lock only lets workers share the rest.
    written: Mutex<Receiver<()>>,
}

impl AccessLog {
    /// Opens the log and starts its writer; none when it is off.
    ///
    /// # Errors
    /// When the file cannot be opened for appending.
    pub fn open(config: &model::AccessLog) -> io::Result<Option<Self>> {
        let target: Box<dyn Write + Send> = match &config.to {
            AccessLogTarget::Off => return Ok(None),
            AccessLogTarget::Stdout => Box::new(io::stdout()),
            AccessLogTarget::Stderr => Box::new(io::stderr()),
            AccessLogTarget::File(path) => Box::new(append(path)?),
        };
        let (full, waiting) = sync_channel(MAX_WAITING);
        // The writer never sends: it lets go of its end when it is done.
        let (done, written) = sync_channel(0);
        thread::Builder::new()
            .name("access-log".into())
            .spawn(move || {
                write(&waiting, target);
                drop(done);
            })?;
        Ok(Some(Self {
            format: config.format,
            full,
            written: Mutex::new(written),
        }))
    }
}

impl Drop for AccessLog {
    /// Waits until what was handed over is written, but not for a reader that reads nothing: its records are lost. Every
    /// worker must be gone by then.
    fn drop(&mut self) {
        let (closed, _) = sync_channel(1);
        self.full = closed;
        let written = self
            .written
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if written.recv_timeout(LAST_WRITES) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(
                "access records are lost: the log took none for {} s",
                LAST_WRITES.as_secs()
            );
        }
    }
}

fn append(path: &Path) -> io::Result<std::fs::File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn write(waiting: &Receiver<Vec<u8>>, mut target: Box<dyn Write + Send>) {
    let mut failing = false;
    for buffer in waiting {
        let written = target.write_all(&buffer).and_then(|()| target.flush());
        match written {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(%error, "access records are being lost: the log cannot be written");
            }
            Err(_) => {}
        }
    }
}

/// A worker's end.
#[derive(Debug)]
pub(crate) struct WorkerLog {
    format: LogFormat,
    full: Option<SyncSender<Vec<u8>>>,
    buffer: RefCell<Vec<u8>>,
    stamp: Cell<Stamp>,
}

impl WorkerLog {
    /// A worker's end of the log, or of none.
    pub(crate) fn new(log: Option<&AccessLog>) -> Self {
        Self {
            format: log.map_or(LogFormat::Text, |log| log.format),
            full: log.map(|log| log.full.clone()),
            buffer: RefCell::default(),
            stamp: Cell::default(),
        }
    }

    /// Whether there is a log.
    pub(crate) const fn is_on(&self) -> bool {
        self.full.is_some()
    }

    /// Appends the record of an exchange that ends now.
    pub(crate) fn record(&self, exchange: &Exchange<'_>, counters: &WorkerCounters) {
        if !self.is_on() {
            return;
        }
        if self.buffer.borrow().len() >= MAX_BUFFER {
            counters.log_dropped.add(1);
            return;
        }
        let stamp = self.stamp.get().at(SystemTime::now());
        self.stamp.set(stamp);
        let total = Instant::now().saturating_duration_since(exchange.record.began);
        let entry = format::Entry {
            stamp,
            total,
            exchange,
        };
        let mut buffer = self.buffer.borrow_mut();
        match self.format {
            LogFormat::Text => format::text(&entry, &mut buffer),
            LogFormat::Json => format::json(&entry, &mut buffer),
        }
        let full = buffer.len() >= HAND_OVER;
        drop(buffer);
        if full {
            self.flush(counters);
        }
    }

    /// Hands over what was collected last; what the writer has no room for is dropped and counted.
    pub(crate) fn finish(&self, counters: &WorkerCounters) {
        self.flush(counters);
        count_lost(&self.buffer.take(), counters);
    }

    /// Hands what was collected to the writer, if it has room.
    pub(crate) fn flush(&self, counters: &WorkerCounters) {
        let Some(full) = &self.full else { return };
        let mut buffer = self.buffer.borrow_mut();
        if buffer.is_empty() {
            return;
        }
        let collected = std::mem::take(&mut *buffer);
        match full.try_send(collected) {
            Ok(()) => buffer.reserve(HAND_OVER),
            Err(TrySendError::Full(back)) => *buffer = back,
            Err(TrySendError::Disconnected(lost)) => count_lost(&lost, counters),
        }
    }
}

fn count_lost(records: &[u8], counters: &WorkerCounters) {
    let lines = records.iter().filter(|byte| **byte == b'\n').count();
    counters.log_dropped.add(lines as u64);
}
