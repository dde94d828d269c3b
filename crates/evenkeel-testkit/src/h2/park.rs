//! Waiting for a future on a thread that does nothing else: what makes the language of HTTP/2 a blocking one.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use crate::broken::Broken;
use crate::patience::PATIENCE;

struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// What comes of a future whose events happen on another thread.
///
/// # Errors
/// [`Broken::Silent`] when nothing comes of it within [`PATIENCE`].
pub(super) fn wait<F: Future>(future: F) -> Result<F::Output, Broken> {
    let deadline = Instant::now() + PATIENCE;
    let waker = Waker::from(Arc::new(Parked(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut cx) {
            return Ok(done);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Broken::Silent);
        }
        thread::park_timeout(left);
    }
}
