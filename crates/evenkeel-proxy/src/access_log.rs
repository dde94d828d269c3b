//! The access log: one record per exchange, formatted by the worker, written by a thread of its own.
//!
//! A worker appends to its own page and hands it over from time to time; the writer gives it back empty. When disk or
//! pipe are slow, pages fill up and records are dropped and counted: traffic never waits for a log.
//!
//! Measured in user instructions per record, the writer's thread included: 1,270 as text and 1,600 as JSON, where the formatting of
//! the standard library, two clocks and new memory for each handover took 4,600 and 6,180. Values of each attempt are written
//! where there was more than one: for one they say what the record says, and took a thousand more.

mod format;
pub mod fuzzing;
mod line;
mod page;
mod rules;
mod time;
mod writer;

use std::cell::{Cell, RefCell};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use evenkeel_base::{RequestView, ResponseView};
use evenkeel_config::model::{self, AccessLogTarget};
use evenkeel_state::{Names, WorkerCounters};
use evenkeel_tls::Proof;
use rustix::fs::OFlags;
use rustix::io::{Errno, ioctl_fionbio};

use crate::access_log::page::Page;
use crate::access_log::rules::Rules;
use crate::access_log::time::Clock;
use crate::access_log::writer::{Full, Writer};
use crate::kept_headers::KeptHeaders;
use crate::record::Record;

/// A worker hands its page over when it holds this much, or when the flush comes round. That is some 200 records, so that
/// waking the writer is nothing to each of them, and not more, because writing it takes a core for some 50 µs (measured on
/// ext4), and with one core those are taken from exchanges.
const HAND_OVER: usize = 32 * 1024;
/// Empty pages that wait for a worker to need them: one while the other is written.
const SPARES: usize = 2;
/// How long the end of the process waits for the last records to be written.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// What an access record is made from.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    /// The names of routes, clusters and endpoints.
    pub(crate) names: Names<'a>,
    /// The listener's name.
    pub(crate) listener: &'a str,
    /// The other end of the connection: an address and its text.
    pub(crate) from: (Option<IpAddr>, &'a str),
    /// What the client's handshake has proven; none: it speaks without TLS.
    pub(crate) proof: Option<&'a Proof>,
    /// The head.
    pub(crate) request: RequestView<'a>,
    /// What happened.
    pub(crate) record: &'a Record,
    /// How long it took, until its last byte moved.
    pub(crate) took: Duration,
    /// For how many exchanges the record stands, in thousandths.
    pub(crate) stands_for: u32,
}

/// The writer's end.
#[derive(Debug)]
pub struct AccessLog {
    rules: Arc<Rules>,
    full: SyncSender<Full>,
    /// Locked by nobody but the end of the log: the lock only lets workers share the rest.
    writer: Mutex<Option<Writer>>,
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
            AccessLogTarget::File(path) => Box::new(append(path, config.mode)?),
        };
        Self::to(target, Rules::of(config)).map(Some)
    }

    fn to(target: Box<dyn Write + Send>, rules: Rules) -> io::Result<Self> {
        let writer = Writer::start(target)?;
        Ok(Self {
            rules: Arc::new(rules),
            full: writer.full.clone(),
            writer: Mutex::new(Some(writer)),
        })
    }
}

impl Drop for AccessLog {
    /// Waits until what was handed over is written, but not for a reader that reads nothing: its records are lost. Every
    /// worker must be gone by then.
    fn drop(&mut self) {
        let (closed, _) = sync_channel(1);
        self.full = closed;
        let writer = self
            .writer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if writer.is_some_and(|writer| !writer.finish(LAST_WRITES)) {
            tracing::warn!(
                "access records are lost: the log took none for {} s",
                LAST_WRITES.as_secs()
            );
        }
    }
}

fn append(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // A pipe without a reader is an error at once, and nothing to wait for.
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    options
        .create(true)
        .append(true)
        .mode(mode)
        .custom_flags(nonblocking);
    let file = options.open(path).map_err(|error| {
        if error.raw_os_error() != Some(Errno::NXIO.raw_os_error()) {
            return error;
        }
        let why = "it is a pipe that nobody reads: start its reader first";
        io::Error::new(error.kind(), why)
    })?;
    // The writer is to wait for a reader that is slow: it is a thread of its own.
    ioctl_fionbio(&file, false)?;
    Ok(file)
}

/// A worker's end. Another log may take the place of the one that it had.
#[derive(Debug)]
pub(crate) struct WorkerLog {
    desk: RefCell<Option<Desk>>,
    /// Whether something of responses is to be kept; asked for each of them.
    pub(crate) keeps_headers: Cell<bool>,
}

/// Where a worker writes, when there is a log.
#[derive(Debug)]
struct Desk {
    rules: Arc<Rules>,
    full: SyncSender<Full>,
    /// Empty pages come back here, and this end goes with those that leave.
    spares: Receiver<Page>,
    home: SyncSender<Page>,
    /// Records that the writer could not write, until they are counted here.
    lost: Arc<AtomicU64>,
    open: Open,
}

/// The page that lies open, and the clock beside it.
#[derive(Debug)]
struct Open {
    page: Page,
    /// With this much on it the page is handed over.
    enough: usize,
    clock: Clock,
}

impl WorkerLog {
    /// A worker's end of the log, or of none.
    pub(crate) fn new(log: Option<&AccessLog>) -> Self {
        Self {
            keeps_headers: Cell::new(log.is_some_and(|log| !log.rules.response.is_empty())),
            desk: RefCell::new(log.map(Desk::new)),
        }
    }

    /// From now on records go to this log; what was collected for the one before is handed over to it.
    pub(crate) fn replace(&self, log: Option<&AccessLog>, counters: &WorkerCounters) {
        self.finish(counters);
        let next = Self::new(log);
        self.keeps_headers.set(next.keeps_headers.get());
        self.desk.replace(next.desk.into_inner());
    }

    /// Whether there is a log.
    pub(crate) fn is_on(&self) -> bool {
        self.desk.borrow().is_some()
    }

    /// For how many exchanges, in thousandths, the record of this one stands; none: it has none. Chance is a number below another. It is asked first, for what is not
    /// written is to cost nothing more.
    #[inline]
    pub(crate) fn draw(&self, record: &Record, below: impl FnOnce(u32) -> u32) -> Option<u32> {
        match &*self.desk.borrow() {
            Some(desk) => desk.rules.draw(record, below),
            None => None,
        }
    }

    /// What is to be kept of a response, if there is anything.
    pub(crate) fn keep(&self, response: &ResponseView<'_>) -> Option<Box<KeptHeaders>> {
        let desk = self.desk.borrow();
        let desk = desk.as_ref()?;
        Some(Box::new(KeptHeaders::keep(&desk.rules.response, response)))
    }

    /// Appends the record of an exchange that ends now.
    #[inline]
    pub(crate) fn record(&self, exchange: &Exchange<'_>, counters: &WorkerCounters) {
        if let Some(desk) = &mut *self.desk.borrow_mut() {
            desk.record(exchange, counters);
        }
    }

    /// Hands over what was collected last; what the writer has no room for is dropped and counted.
    pub(crate) fn finish(&self, counters: &WorkerCounters) {
        self.flush(counters);
        if let Some(desk) = &*self.desk.borrow() {
            counters.log_dropped.add(desk.open.page.records());
        }
    }

    /// Hands what was collected to the writer, if it has room.
    pub(crate) fn flush(&self, counters: &WorkerCounters) {
        if let Some(desk) = &mut *self.desk.borrow_mut() {
            desk.flush(counters);
        }
    }
}

impl Desk {
    fn new(log: &AccessLog) -> Self {
        let (home, spares) = sync_channel(SPARES);
        Self {
            rules: Arc::clone(&log.rules),
            full: log.full.clone(),
            spares,
            home,
            lost: Arc::default(),
            open: Open {
                page: Page::new(),
                enough: HAND_OVER,
                clock: Clock::new(Instant::now()),
            },
        }
    }

    fn record(&mut self, exchange: &Exchange<'_>, counters: &WorkerCounters) {
        if self.open.page.is_full() {
            self.flush(counters);
        }
        // It may be longer than what is left on a page that calls itself not full, and then there is room on the next.
        if !self.add(exchange) {
            self.flush(counters);
            if !self.add(exchange) {
                counters.log_dropped.add(1);
            }
        }
        if self.open.page.filled().len() >= self.open.enough {
            self.flush(counters);
        }
    }

    /// Writes the record on the page that lies open; false when there is no room for it.
    #[inline]
    fn add(&mut self, exchange: &Exchange<'_>) -> bool {
        let Open { page, clock, .. } = &mut self.open;
        // An exchange that went well ended when its last byte moved, which was a moment ago; one that failed waited longer.
        let record = exchange.record;
        let (now, total) = match record.fault {
            None => (record.ended, exchange.took),
            Some(_) => {
                let now = Instant::now();
                (now, now.saturating_duration_since(record.began))
            }
        };
        let entry = format::Entry {
            stamps: clock.stamps(now),
            total,
            exchange,
            rules: &self.rules,
        };
        page.add(|line| format::write(&entry, line))
    }

    fn flush(&mut self, counters: &WorkerCounters) {
        counters
            .log_dropped
            .add(self.lost.swap(0, Ordering::Relaxed));
        let open = &mut self.open;
        if open.page.records() == 0 {
            return;
        }
        let next = self.spares.try_recv().unwrap_or_else(|_| Page::new());
        let full = Full {
            page: std::mem::replace(&mut open.page, next),
            home: self.home.clone(),
            lost: Arc::clone(&self.lost),
        };
        match self.full.try_send(full) {
            Ok(()) => open.enough = HAND_OVER,
            Err(TrySendError::Full(back)) => {
                // Not asked again for each record.
                open.enough = back.page.filled().len() + HAND_OVER;
                let spare = std::mem::replace(&mut open.page, back.page);
                let _ = self.home.try_send(spare);
            }
            Err(TrySendError::Disconnected(lost)) => counters.log_dropped.add(lost.page.records()),
        }
    }
}

#[cfg(test)]
mod tests;
