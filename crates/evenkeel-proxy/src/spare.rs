//! Tables that go from exchange to exchange, so that reading a head allocates nothing once a worker is warm.

use std::cell::RefCell;

/// Spares that a worker keeps; what a burst needed beyond that goes back to the allocator.
const MAX_SPARES: usize = 256;

/// The spare values of one worker.
#[derive(Debug)]
pub(crate) struct Spares<T>(RefCell<Vec<T>>);

impl<T: Default> Spares<T> {
    /// A used value or a new one. Whoever fills it clears it first.
    pub(crate) fn take(&self) -> T {
        self.0.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes a value back.
    pub(crate) fn give(&self, value: T) {
        let mut spares = self.0.borrow_mut();
        if spares.len() < MAX_SPARES {
            spares.push(value);
        }
    }
}

impl<T> Default for Spares<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}
