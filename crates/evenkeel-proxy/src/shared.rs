//! What the data plane's threads have in common: shared by reference, and orders from outside.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
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
    /// Whether a drain was ordered.
    pub(crate) draining: AtomicBool,
}

/// What a worker is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Accept no more, finish what runs.
    Drain,
    /// End now.
    Stop,
}
