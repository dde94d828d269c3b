//! Floor 3: the control plane. Keeps the snapshot true; never sees a request.
//!
//! It resolves the names among the endpoints' addresses at start and again from time to time, publishes what changed,
//! and looks whether endpoints answer at all when evenkeel starts. It and the data plane meet only in the snapshot.

mod names;
mod probe;
mod reach;

use std::sync::{Arc, Mutex, PoisonError};

use evenkeel_config::model::Config;
use evenkeel_state::{Publisher, Registry, Resolved};

use tokio::task::JoinSet;

pub use names::Unresolved;
pub use reach::{Unreachable, unreachable_endpoints};

/// The control plane of a process.
#[derive(Debug)]
pub struct Control {
    registry: Mutex<Registry>,
    resolved: Mutex<Resolved>,
    publisher: Arc<Publisher>,
}

impl Control {
    /// Compiles and publishes the first snapshot, with the names that resolve; the others are told and tried again
    /// later. A name that does not resolve does not stop the start.
    pub async fn start(config: Config, workers: usize) -> (Self, Vec<Unresolved>) {
        let (resolved, unresolved) = names::resolve_all(&config).await;
        let mut registry = Registry::new(workers);
        let snapshot = registry.compile(config, &resolved, 1);
        let publisher = Publisher::new(Arc::new(snapshot));
        let control = Self {
            registry: Mutex::new(registry),
            resolved: Mutex::new(resolved),
            publisher,
        };
        (control, unresolved)
    }

    /// Where the snapshot is published.
    #[must_use]
    pub const fn publisher(&self) -> &Arc<Publisher> {
        &self.publisher
    }

    /// Resolves names again, each cluster at its own interval, until the set of tasks is dropped.
    #[must_use]
    pub fn keep_names_fresh(self: &Arc<Self>) -> JoinSet<()> {
        names::keep_fresh(self)
    }

    fn publish_resolved(&self, fresh: Resolved) {
        let mut resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        resolved.extend(fresh);
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        for cluster in self.publisher.current().clusters() {
            self.publisher.update(|current, generation| {
                let next = registry.with_resolved(current, cluster.id, &resolved, generation)?;
                tracing::info!(
                    cluster = cluster.config.name,
                    generation,
                    "the endpoints' names have new addresses"
                );
                Some(next)
            });
        }
    }
}
