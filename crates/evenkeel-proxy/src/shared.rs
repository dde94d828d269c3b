//! What the data plane's threads have in common: shared by reference, and orders from outside.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evenkeel_net::ListenSocket;
use evenkeel_state::{ListenerState, Publisher, Reclaim, WorkerCounters};

use tokio::sync::oneshot;

use crate::access_log::AccessLog;

/// What all workers hold.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Where the snapshot comes from.
    pub(crate) publisher: Arc<Publisher>,
    /// The counters of each worker.
    pub(crate) counters: Arc<[WorkerCounters]>,
    /// What workers ask of each other.
    pub(crate) reclaim: Reclaim,
    /// The access log, when there is one. Locked when a worker begins and when another log takes its place.
    pub(crate) log: Mutex<Option<AccessLog>>,
    /// Whether the process is ready for traffic, as far as those may know who ask.
    pub(crate) is_ready: AtomicBool,
}

impl Shared {
    /// The access log.
    pub(crate) fn log(&self) -> MutexGuard<'_, Option<AccessLog>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A listening socket of a worker, and whose it is. It outlives the worker's event loop.
#[derive(Debug)]
pub(crate) struct Bound {
    /// The listener.
    pub(crate) state: Arc<ListenerState>,
    /// The socket.
    pub(crate) socket: ListenSocket,
}

/// What changes while a worker serves.
#[derive(Debug)]
pub(crate) enum Change {
    /// Accept by this one as well.
    Open(Bound),
    /// Accept no more by the one with this serial, and say when that is so.
    Close(u32, oneshot::Sender<()>),
    /// Write access records to the log that is there now, and say when that is so.
    Log(oneshot::Sender<()>),
}

/// What workers are told from outside. The last order stands: an event loop that replaces another obeys it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Accept and serve.
    Serve,
    /// Accept no more, finish what runs.
    Drain,
    /// End now.
    Stop,
}
