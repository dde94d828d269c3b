//! What time it is, in milliseconds and microseconds of the process, by the runtime's clock, which a test can hold.

use std::sync::Arc;

use evenkeel_state::Publisher;
use tokio::time::Instant;

/// The clock of the control plane.
#[derive(Clone, Debug)]
pub(crate) struct Clock(Arc<Publisher>);

impl Clock {
    pub(crate) fn of(publisher: &Arc<Publisher>) -> Self {
        Self(Arc::clone(publisher))
    }

    /// This moment.
    pub(crate) fn millis(&self) -> u64 {
        self.0.millis(Instant::now().into_std())
    }

    /// The same in microseconds.
    pub(crate) fn micros(&self) -> u64 {
        self.0.micros(Instant::now().into_std())
    }
}
