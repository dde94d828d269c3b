//! Tasks that outlive a mistake of ours: one that panics is begun anew. The panic itself is logged by the process's hook.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time;

/// The pause before a task that panicked begins anew, so that one that does so at once is not all that we do.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs what `begin` gives until it ends by itself.
pub(crate) async fn again<F: Future<Output = ()>>(mut begin: impl FnMut() -> F) {
    loop {
        let mut task = pin!(begin());
        let ended = poll_fn(|cx| {
            // A task that panicked is not looked at again: it is dropped, and with it what may be half done.
            match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx))) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(())) => Poll::Ready(true),
                Err(_) => Poll::Ready(false),
            }
        });
        if ended.await {
            return;
        }
        time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_begun_anew_and_one_that_ends_is_not() {
        let mut begun = 0;
        again(|| {
            begun += 1;
            let nth = begun;
            async move {
                tokio::task::yield_now().await;
                if nth < 3 {
                    panic_any("a mistake");
                }
            }
        })
        .await;
        assert_eq!(begun, 3);
    }
}
