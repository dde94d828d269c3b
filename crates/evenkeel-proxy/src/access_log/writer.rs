//! The thread that writes the log. It takes full pages, writes each with one call, and gives them back empty.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use crate::access_log::page::Page;

/// Pages that wait for the writer.
const MAX_WAITING: usize = 16;

/// A page for the writer, and who gets it back.
#[derive(Debug)]
pub(super) struct Full {
    pub(super) page: Page,
    pub(super) home: SyncSender<Page>,
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

fn write(waiting: &Receiver<Full>, mut target: Box<dyn Write + Send>) {
    let mut failing = false;
    for Full { page, home } in waiting {
        let written = target
            .write_all(page.filled())
            .and_then(|()| target.flush());
        match written {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(%error, "access records are being lost: the log cannot be written");
            }
            Err(_) => {}
        }
        // A worker that has enough of them, or is gone, needs it no more.
        let _ = home.try_send(page.emptied());
    }
}
