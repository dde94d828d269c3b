//! Snapshots whose place another has taken, until nobody works by them any more.
//!
//! To free a hundred thousand routes takes milliseconds. Whoever lets go of a snapshot last pays for that, and it must not be
//! a worker: so each one is kept here, until this is the last that has it, and then freed by a thread that has time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evenkeel_state::{Publisher, Snapshot};
use tokio::{task, time};

/// From one look to the next.
const LOOK: Duration = Duration::from_secs(1);

/// The snapshots. A long exchange may hold one for days; this holds none that nobody else does for longer than a second.
#[derive(Debug, Default)]
pub(crate) struct Retired(Mutex<Vec<Arc<Snapshot>>>);

impl Retired {
    /// Keeps one.
    pub(crate) fn push(&self, snapshot: Arc<Snapshot>) {
        self.lock().push(snapshot);
    }

    /// Those that nobody else has any more.
    fn take_unused(&self) -> Vec<Arc<Snapshot>> {
        // Nobody can get hold of one again that only stands here.
        let unused = |snapshot: &mut Arc<Snapshot>| Arc::strong_count(snapshot) == 1;
        self.lock().extract_if(.., unused).collect()
    }

    /// How many configurations they have among them, without the one that is served: a snapshot with other endpoints alone shares
    /// the configuration of the one before, and with it nearly all of its memory.
    fn configurations(&self, current: &Snapshot) -> u64 {
        let kept = self.lock();
        let all = kept.iter().map(|snapshot| Arc::as_ptr(&snapshot.config));
        let old: HashSet<_> = all
            .filter(|one| *one != Arc::as_ptr(&current.config))
            .collect();
        old.len() as u64
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Snapshot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Frees what nobody has any more and counts what is left, until its task is ended.
pub(crate) async fn run(retired: Arc<Retired>, publisher: Arc<Publisher>) {
    loop {
        time::sleep(LOOK).await;
        let unused = retired.take_unused();
        publisher.holds(retired.configurations(&publisher.current()));
        if !unused.is_empty() {
            let _ = task::spawn_blocking(|| drop(unused)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::{config, published};

    #[test]
    fn what_somebody_works_by_stays() {
        let retired = Retired::default();
        let snapshot = || published(config(&[])).current();
        let held = snapshot();
        let current = snapshot();
        retired.push(Arc::clone(&held));
        retired.push(Arc::clone(&current));
        retired.push(snapshot());
        assert_eq!(retired.configurations(&current), 2);
        assert_eq!(retired.take_unused().len(), 1);
        assert_eq!(retired.configurations(&current), 1);
        assert_eq!(retired.take_unused().len(), 0);
        drop((held, current));
        assert_eq!(retired.take_unused().len(), 2);
    }
}
