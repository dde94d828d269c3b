//! The thread that writes the log. It takes full pages, writes each with one call, and gives them back empty.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use crate::access_log::page::Page;

/// Pages that wait for the writer.
const MAX_WAITING: usize = 16;

/// A page for the writer, who gets it back, and where is counted what of it is lost.
#[derive(Debug)]
pub(super) struct Full {
    pub(super) page: Page,
    pub(super) home: SyncSender<Page>,
    pub(super) lost: Arc<AtomicU64>,
}

/// The other end of the thread.
#[derive(Debug)]
pub(super) struct Writer {
    /// Where pages go.
    pub(super) full: SyncSender<Full>,
    /// Ends when the thread does.
    written: Receiver<()>,
}

impl Writer {
    /// Starts a thread that writes to `target`.
    pub(super) fn start(target: Box<dyn Write + Send>) -> io::Result<Self> {
        let (full, waiting) = sync_channel(MAX_WAITING);
        // The thread never sends: it lets go of its end when it is done.
        let (done, written) = sync_channel(0);
        thread::Builder::new()
            .name("access-log".into())
            .spawn(move || {
                write(&waiting, target);
                drop(done);
            })?;
        Ok(Self { full, written })
    }

    /// Waits until what was handed over is written, but not longer than `patience`; false when it was not. Every sender
    /// must be gone by then.
    pub(super) fn finish(self, patience: Duration) -> bool {
        drop(self.full);
        self.written.recv_timeout(patience) != Err(RecvTimeoutError::Timeout)
    }
}

fn write(waiting: &Receiver<Full>, target: Box<dyn Write + Send>) {
    let mut paper = Paper {
        target,
        is_torn: false,
        lost: None,
    };
    for Full { page, home, lost } in waiting {
        lost.fetch_add(paper.write(&page), Ordering::Relaxed);
        // A worker that has enough of them, or is gone, needs it no more.
        let _ = home.try_send(page.emptied());
    }
}

/// What is written on.
struct Paper {
    target: Box<dyn Write + Send>,
    /// The last line on it is not whole.
    is_torn: bool,
    /// How many records were lost since it could be written last; none while it can.
    lost: Option<u64>,
}

impl Paper {
    /// Writes a page, and tells how many of its records are lost. The log has a line when that begins, and one when it is over.
    fn write(&mut self, page: &Page) -> u64 {
        let (written, result) = self.put(page.filled());
        let Err(error) = result else {
            if let Some(lost) = self.lost.take() {
                tracing::warn!(lost, "access records are written again");
            }
            return 0;
        };
        let lines = page.filled()[..written].iter();
        let whole = lines.filter(|byte| **byte == b'\n').count();
        let lost = page.records().saturating_sub(whole as u64);
        if self.lost.is_none() {
            tracing::warn!(%error, "access records are being lost: the log cannot be written");
        }
        self.lost = Some(self.lost.unwrap_or(0) + lost);
        lost
    }

    /// Writes bytes, behind the end of a line; how many, also when not all of them can be written.
    fn put(&mut self, bytes: &[u8]) -> (usize, io::Result<()>) {
        if self.is_torn {
            match self.target.write_all(b"\n") {
                Ok(()) => self.is_torn = false,
                Err(error) => return (0, Err(error)),
            }
        }
        let mut written = 0;
        while written < bytes.len() {
            match self.target.write(&bytes[written..]) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(n) => {
                    written += n;
                    self.is_torn = bytes[..written].last() != Some(&b'\n');
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (written, Err(error)),
            }
        }
        (written, self.target.flush())
    }
}
