//! Publishing snapshots: one writer side, one reader per worker.
//!
//! A worker looks at one atomic generation per request and takes the lock only when it has changed. What an exchange
//! holds is counted per worker ([`Handle`] is an `Rc`), so no exchange touches a counter that all cores share.

use std::ops::Deref;
use std::rc::Rc;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use crate::failing::Failing;
use crate::pressure::Pressure;
use crate::snapshot::Snapshot;
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::trace::Traces;

/// The current snapshot of the process.
#[derive(Debug)]
pub struct Publisher {
    began: Instant,
    generation: AtomicU64,
    current: Mutex<Arc<Snapshot>>,
    pressure: Pressure,
    traces: Traces,
    failing: Failing,
    /// Configurations of before that somebody still works by.
    held: AtomicU64,
}

impl Publisher {
    /// Begins with `snapshot`.
    #[must_use]
    pub fn new(snapshot: Arc<Snapshot>) -> Arc<Self> {
        Self::since(Instant::now(), snapshot)
    }

    /// The same with a clock that began at `began`: that of a process whose place this one takes goes on.
    #[must_use]
    pub fn since(began: Instant, snapshot: Arc<Snapshot>) -> Arc<Self> {
        let generation = AtomicU64::new(snapshot.generation);
        Arc::new(Self {
            began,
            generation,
            current: Mutex::new(snapshot),
            pressure: Pressure::new(),
            traces: Traces::default(),
            failing: Failing::default(),
            held: AtomicU64::new(0),
        })
    }

    /// When its clock began.
    #[must_use]
    pub const fn began(&self) -> Instant {
        self.began
    }

    /// Milliseconds since the process began to publish: the clock of what both planes keep in atomics.
    #[must_use]
    pub fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }

    /// The same clock in microseconds.
    #[must_use]
    pub fn micros(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.began).as_micros()).unwrap_or(u64::MAX)
    }

    /// How near the process is to its limits: what both planes know beside the snapshot.
    #[inline]
    #[must_use]
    pub const fn pressure(&self) -> &Pressure {
        &self.pressure
    }

    /// Traced exchanges on their way to the collector.
    #[must_use]
    pub const fn traces(&self) -> &Traces {
        &self.traces
    }

    /// What could not be looked up the last time.
    #[must_use]
    pub const fn failing(&self) -> &Failing {
        &self.failing
    }

    /// How many configurations of before are kept in memory, because what began under them is still under way.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// That many are.
    pub fn holds(&self, configurations: u64) {
        self.held.store(configurations, Ordering::Relaxed);
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

impl Handle {
    /// The same for others than this worker. It is counted by all cores: not for every exchange.
    #[must_use]
    pub fn share(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0)
    }
}

impl Deref for Handle {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use evenkeel_config::{Nowhere, check};

    use super::*;
    use crate::compile::{Registry, Resolved};

    fn snapshot(generation: u64) -> Snapshot {
        let text =
            "version = 1\n[listener.a]\nbind = \"127.0.0.1:0\"\n[[route]]\nrespond.body = \"\"\n";
        let config = check(text, "test", &Nowhere).config.unwrap();
        Registry::new(1, &[0; 32]).compile(config, &Resolved::new(), generation)
    }

    fn publish(publisher: &Publisher) {
        publisher.update(|_, generation| Some(snapshot(generation)));
    }

    #[test]
    fn a_reader_has_the_newest_and_an_exchange_what_it_began_with() {
        let publisher = Publisher::new(Arc::new(snapshot(7)));
        let mut reader = Reader::new(Arc::clone(&publisher));
        let before = reader.current();
        assert_eq!(before.generation, 7);
        publish(&publisher);
        publish(&publisher);
        assert_eq!((reader.current().generation, before.generation), (9, 7));
        assert_eq!(publisher.current().generation, 9);
    }

    #[test]
    fn a_change_is_made_of_what_is_there_and_none_changes_nothing() {
        let publisher = Publisher::new(Arc::new(snapshot(1)));
        let mut reader = Reader::new(Arc::clone(&publisher));
        let before = publisher.current();
        publisher.update(|current, generation| {
            assert!(Arc::ptr_eq(current, &before));
            assert_eq!(generation, 2);
            None
        });
        assert!(Arc::ptr_eq(&publisher.current(), &before));
        assert_eq!(reader.current().generation, 1);
    }

    #[test]
    fn exchanges_share_one_handle_and_the_last_lets_the_snapshot_go() {
        let publisher = Publisher::new(Arc::new(snapshot(1)));
        let mut reader = Reader::new(Arc::clone(&publisher));
        let (one, two) = (reader.current(), reader.current());
        assert!(Rc::ptr_eq(&one.0, &two.0), "no counter that cores share");
        let old: Weak<Snapshot> = Arc::downgrade(&one.0);
        publish(&publisher);
        reader.current();
        drop(one);
        assert!(old.upgrade().is_some());
        drop(two);
        assert!(old.upgrade().is_none());
    }

    #[test]
    fn a_change_that_panics_leaves_what_was_published() {
        let publisher = Publisher::new(Arc::new(snapshot(1)));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            publisher.update(|_, _| std::panic::panic_any("a change"));
        }));
        assert!(panicked.is_err());
        assert_eq!(publisher.current().generation, 1);
        publish(&publisher);
        let mut reader = Reader::new(publisher);
        assert_eq!(reader.current().generation, 2);
    }
}
