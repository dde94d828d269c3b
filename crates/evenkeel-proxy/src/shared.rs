//! What the data plane's threads have in common: shared by reference, and orders from outside.

use std::sync::Arc;

use evenkeel_state::{ClientConnections, Publisher, Reclaim, WorkerCounters};

use crate::access_log::AccessLog;

/// What all workers hold.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Where the snapshot comes from.
    pub(crate) publisher: Arc<Publisher>,
    /// The counters of each worker.
    pub(crate) counters: Vec<WorkerCounters>,
    /// Who has connections to each listener.
    pub(crate) clients: Vec<Arc<ClientConnections>>,
    /// What workers ask of each other.
    pub(crate) reclaim: Reclaim,
    /// The access log, when there is one.
    pub(crate) log: Option<AccessLog>,
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
