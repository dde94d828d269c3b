//! How long a test waits, and the one place where it polls.
//!
//! Where a test can wait for an event (a byte, a closed connection, a [`crate::Gate`]), it does so; polling is for what
//! only `/proc` can tell.

use std::thread;
use std::time::{Duration, Instant};

/// The longest that anything in a test waits for anything. Generous, since it is only ever spent when a test fails, and
/// two cores may be building something else meanwhile.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// Looks until `look` gives something, and returns it.
///
/// # Panics
/// When nothing came within [`PATIENCE`]; `what` says what was waited for.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} in vain for {what}"
        );
        thread::park_timeout(PAUSE);
    }
}
