//! What the data plane's threads have in common: shared by reference, and orders from outside.

use std::sync::Arc;
use std::time::Instant;

use evenkeel_state::{Publisher, WorkerCounters};

use crate::access_log::AccessLog;

/// What all workers hold.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Where the snapshot comes from.
    pub(crate) publisher: Arc<Publisher>,
    /// The counters of each worker.
    pub(crate) counters: Vec<WorkerCounters>,
    /// The access log, when there is one.
    pub(crate) log: Option<AccessLog>,
    /// When the process began to serve.
    pub(crate) began: Instant,
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
