//! What may wait for a disk: done by a thread that has time, and given up after a while.
//!
//! A file system on the network that is gone, or a pipe where a file should be, keeps an `open` or a `read` for ever, and no
//! system call can be taken back. The thread is lost then; everything else goes on.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::sync::Semaphore;
use tokio::{task, time};

/// How long a disk may take for all that is asked of it at once. A healthy one needs milliseconds; to check a hundred thousand
/// routes takes a second, and ten of them without optimisation.
const PATIENCE: Duration = Duration::from_secs(30);

/// So many threads may wait for a disk at the same time. Whoever would be one more is refused: it does not answer.
const MOST_LOST: usize = 4;

/// The disks, as the control plane sees them.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    free: Arc<Semaphore>,
    patience: Duration,
}

impl Disk {
    /// Nobody waits yet.
    pub(crate) fn new() -> Self {
        Self::with(PATIENCE)
    }

    fn with(patience: Duration) -> Self {
        Self {
            free: Arc::new(Semaphore::new(MOST_LOST)),
            patience,
        }
    }

    /// Has `work` done by a thread; `what` it does is told when it comes to nothing.
    ///
    /// # Errors
    /// When it takes too long, or a mistake of ours ends it.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() else {
            bail!(
                "{what} was not begun: {MOST_LOST} threads wait for a disk already, or a pipe that nobody writes to; see that \
                 the files can be read"
            );
        };
        let work = task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        match time::timeout(self.patience, work).await {
            Ok(done) => done.with_context(|| format!("{what} panicked")),
            Err(_) => bail!(
                "{what} took longer than {} seconds and was given up: a disk does not answer, or a pipe that nobody writes to",
                self.patience.as_secs()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[tokio::test]
    async fn a_disk_that_does_not_answer_costs_a_few_threads_and_nobody_waits_for_it() {
        let disk = Disk::with(Duration::ZERO);
        let mut hung = Vec::new();
        for _ in 0..MOST_LOST {
            let (answer, answers) = sync_channel::<()>(0);
            let error = disk.ask("reading", move || answers.recv()).await;
            let error = error.unwrap_err().to_string();
            assert!(error.contains("reading took longer"), "{error}");
            hung.push(answer);
        }
        let error = disk.ask("reading", || ()).await.unwrap_err().to_string();
        assert!(error.contains("4 threads wait"), "{error}");
        let patient = Disk {
            patience: PATIENCE,
            ..disk
        };
        drop(hung);
        // As soon as one of them answers there is room again.
        while patient.ask("reading", || ()).await.is_err() {
            task::yield_now().await;
        }
    }
}
