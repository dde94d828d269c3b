//! Floor 3: the control plane. Keeps the snapshot and the endpoints' standing true; never sees a request.
//!
//! It resolves the names among the endpoints' addresses and publishes what changed; it probes endpoints (`probe`, one
//! probe; `watch`, one endpoint; `steward`, all of them), connects to those that traffic ejected (`knock`), and applies
//! what time alone changes (`ticker`). What follows from a result, a count or a time is decided in `evenkeel_policy`. It
//! and the data plane meet only in the snapshot.

mod adapt;
mod again;
mod clock;
mod judge;
mod knock;
mod latency;
mod names;
mod probe;
mod reach;
#[cfg(test)]
mod rig;
mod steward;
mod ticker;
mod told;
mod turns;
mod watch;

use std::sync::{Arc, Mutex, PoisonError};

use evenkeel_config::model::Config;
use evenkeel_state::{Publisher, Registry, Resolved};

use tokio::task::JoinSet;

use crate::again::again;
use crate::clock::Clock;
use crate::steward::{FirstRound, Steward};
use crate::turns::Turns;

pub use names::Unresolved;
pub use reach::{Unreachable, unreachable_endpoints};

/// The control plane of a process.
#[derive(Debug)]
pub struct Control {
    registry: Mutex<Registry>,
    resolved: Mutex<Resolved>,
    publisher: Arc<Publisher>,
    steward: Mutex<Steward>,
    turns: Turns,
}

impl Control {
    /// Compiles and publishes the first snapshot, with the names that resolve; the others are told and tried again
    /// later. A name that does not resolve does not stop the start. Then every endpoint that has probes is probed once,
    /// so that the data plane starts with verdicts; that takes no longer than a probe may. Probing goes on until the
    /// control plane is dropped.
    pub async fn start(config: Config, workers: usize) -> (Self, Vec<Unresolved>) {
        let (resolved, unresolved) = names::resolve_all(&config).await;
        let mut registry = Registry::new(workers);
        let snapshot = registry.compile(config, &resolved, 1);
        let publisher = Publisher::new(Arc::new(snapshot));
        let turns = Turns::new();
        let steward = Steward::new(Clock::of(&publisher), turns.clone());
        let control = Self {
            registry: Mutex::new(registry),
            resolved: Mutex::new(resolved),
            publisher,
            steward: Mutex::new(steward),
            turns,
        };
        control.reconcile().over().await;
        // So that the first request already finds a cluster in panic whose endpoints are all down.
        ticker::look_at_all(
            &control.publisher.current(),
            Clock::of(&control.publisher).millis(),
        );
        (control, unresolved)
    }

    /// Where the snapshot is published.
    #[must_use]
    pub const fn publisher(&self) -> &Arc<Publisher> {
        &self.publisher
    }

    /// Keeps everything true that changes while traffic flows, until the set of tasks is dropped: names are resolved
    /// again, ejected endpoints tried, ramps and ejections brought to where the clock says.
    #[must_use]
    pub fn keep_true(self: &Arc<Self>) -> JoinSet<()> {
        let mut tasks = names::keep_fresh(self);
        let publisher = Arc::clone(&self.publisher);
        tasks.spawn(again(move || ticker::run(Arc::clone(&publisher))));
        let (publisher, turns) = (Arc::clone(&self.publisher), self.turns.clone());
        tasks.spawn(again(move || {
            knock::run(Arc::clone(&publisher), turns.clone())
        }));
        tasks
    }

    /// Has those endpoints probed that the current snapshot names. To be called whenever one was published.
    fn reconcile(&self) -> FirstRound {
        let mut steward = self.steward.lock().unwrap_or_else(PoisonError::into_inner);
        steward.reconcile(&self.publisher.current())
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
        drop((registry, resolved));
        // Nobody waits for the endpoints that are new: they get no request before they have shown that they are well.
        drop(self.reconcile());
    }
}
