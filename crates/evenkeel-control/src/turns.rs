//! How much the control plane has under way at once towards endpoints.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many probes are under way at once; the others wait for their turn. It bounds descriptors and the burst of a start.
const PROBES_AT_ONCE: usize = 512;

/// So many plain connects, to endpoints that are down or ejected, are under way at once; others are left out until the
/// next second.
const KNOCKS_AT_ONCE: usize = 128;

/// The turns of the process; clones are the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    probes: Arc<Semaphore>,
    knocks: Arc<Semaphore>,
}

/// Something may be under way until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self {
            probes: Arc::new(Semaphore::new(PROBES_AT_ONCE)),
            knocks: Arc::new(Semaphore::new(KNOCKS_AT_ONCE)),
        }
    }

    /// Waits for the turn to probe.
    pub(crate) async fn probe(&self) -> Turn {
        // An error says that turns are no longer given out, which nobody does.
        Turn {
            _permit: Arc::clone(&self.probes).acquire_owned().await.ok(),
        }
    }

    /// The turn to knock, if there is one left.
    pub(crate) fn try_knock(&self) -> Option<Turn> {
        let permit = Arc::clone(&self.knocks).try_acquire_owned().ok()?;
        Some(Turn {
            _permit: Some(permit),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_come_back_when_they_are_dropped() {
        let turns = Turns::new();
        let mut held = Vec::new();
        while let Some(turn) = turns.try_knock() {
            held.push(turn);
        }
        assert_eq!(held.len(), KNOCKS_AT_ONCE);
        held.pop();
        assert!(turns.try_knock().is_some());
        let mut held = Vec::new();
        for _ in 0..PROBES_AT_ONCE {
            held.push(turns.probe().await);
        }
        let other = turns.clone();
        let waiting = tokio::spawn(async move { other.probe().await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        held.pop();
        assert!(waiting.await.unwrap()._permit.is_some());
    }
}
