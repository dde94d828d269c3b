//! A gate that is closed until a test opens it: how one thread of a test waits for another.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::patience::PATIENCE;

/// A gate. Clones are the same gate; once open it stays open.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    inner: Arc<(Mutex<bool>, Condvar)>,
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens it for everybody who waits or will wait.
    pub fn open(&self) {
        let (open, changed) = &*self.inner;
        *open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    /// Waits until it is open.
    ///
    /// # Panics
    /// When it is not opened within [`PATIENCE`].
    #[track_caller]
    pub fn wait(&self) {
        let (open, changed) = &*self.inner;
        let open = open.lock().unwrap_or_else(PoisonError::into_inner);
        let (open, _) = changed
            .wait_timeout_while(open, PATIENCE, |open| !*open)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(*open, "waited {PATIENCE:?} in vain for a gate");
    }
}
