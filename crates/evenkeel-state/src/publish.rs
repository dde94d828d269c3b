//! Publishing snapshots: one writer side, one reader per worker.
//!
//! A worker looks at one atomic generation per request and takes the lock only when it has changed. What an exchange
//! holds is counted per worker ([`Handle`] is an `Rc`), so no exchange touches a counter that all cores share.

use std::ops::Deref;
use std::rc::Rc;
use std::sync::{Arc, PoisonError};

use crate::snapshot::Snapshot;
use crate::sync::{AtomicU64, Mutex, Ordering};

/// The current snapshot of the process.
#[derive(Debug)]
pub struct Publisher {
    generation: AtomicU64,
    current: Mutex<Arc<Snapshot>>,
}

impl Publisher {
    /// Begins with `snapshot`.
    #[must_use]
    pub fn new(snapshot: Arc<Snapshot>) -> Arc<Self> {
        let generation = AtomicU64::new(snapshot.generation);
        Arc::new(Self {
            generation,
            current: Mutex::new(snapshot),
        })
    }

    /// The snapshot now.
    #[must_use]
    pub fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the snapshot by what `change` makes of it, with the next generation; `None` changes nothing.
    pub fn update(&self, change: impl FnOnce(&Arc<Snapshot>, u64) -> Option<Snapshot>) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(next) = change(&current, current.generation + 1) {
            let generation = next.generation;
            *current = Arc::new(next);
            // Released under the lock: a reader that sees the number and takes the lock finds this snapshot or a later.
            self.generation.store(generation, Ordering::Release);
        }
    }
}

/// A worker's view of the publisher.
#[derive(Debug)]
pub struct Reader {
    publisher: Arc<Publisher>,
    local: Handle,
}

impl Reader {
    /// A reader of `publisher`.
    #[must_use]
    pub fn new(publisher: Arc<Publisher>) -> Self {
        let local = Handle(Rc::new(publisher.current()));
        Self { publisher, local }
    }

    /// The newest snapshot, held for as long as the handle lives.
    #[inline]
    pub fn current(&mut self) -> Handle {
        if self.publisher.generation.load(Ordering::Acquire) != self.local.generation {
            self.local = Handle(Rc::new(self.publisher.current()));
        }
        self.local.clone()
    }
}

/// A snapshot, kept alive by this worker.
#[expect(
    clippy::redundant_allocation,
    reason = "the Arc is counted by all cores, the Rc around it by this worker alone"
)]
#[derive(Clone, Debug)]
pub struct Handle(Rc<Arc<Snapshot>>);

impl Deref for Handle {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.0
    }
}
