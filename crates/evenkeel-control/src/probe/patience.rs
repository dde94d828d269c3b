//! How long one probe may take, whatever it is waiting for.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::bad::{Awaited, Bad};

/// The time of one probe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    until: Option<Instant>,
    whole: Duration,
}

impl Patience {
    /// It begins now.
    pub(super) fn new(whole: Duration) -> Self {
        Self {
            until: Instant::now().checked_add(whole),
            whole,
        }
    }

    /// Waits for `future`, but not longer than the probe may take in all.
    pub(super) async fn wait<T>(
        &self,
        awaited: Awaited,
        future: impl Future<Output = T>,
    ) -> Result<T, Bad> {
        match self.until {
            Some(until) => timeout_at(until, future)
                .await
                .map_err(|_| Bad::Late(awaited, self.whole)),
            // Longer than the clock can say.
            None => Ok(future.await),
        }
    }
}
