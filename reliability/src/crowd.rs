//! Those who do not ask as the client does: tunnels, clients that never finish a head, that stop reading, that flood.
//!
//! A [`Crowd`] is so many members on a thread of their own; each tells what came of it. None of their requests is accounted for
//! as those of [`crate::client`] are: what they tell is.

mod ears;
mod floods;
mod heads;
mod readers;
mod stalled;
mod tunnels;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use floods::{Ending, Flooding, askers, flooders};
pub use heads::{Head, SlowHead, slow_heads};
pub use readers::{Reader, SlowReader, slow_readers};
pub use stalled::{Stalling, stalled};
pub use tunnels::{Tunnel, Tunnels};

/// How long a crowd may take to get somewhere.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(2);

/// So many that do the same.
#[derive(Debug)]
pub struct Crowd<T> {
    over: watch::Sender<bool>,
    ready: Arc<AtomicUsize>,
    thread: Option<JoinHandle<Result<Vec<T>>>>,
}

/// What a member has of its crowd.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its number, from 0.
    pub number: usize,
    over: watch::Receiver<bool>,
    ready: Arc<AtomicUsize>,
}

impl Member {
    /// It has got where it was to get.
    pub fn is_ready(&self) {
        self.ready.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until the crowd is to go.
    pub async fn is_over(&mut self) {
        // Nobody is left to say so when it is over as well.
        let _ = self.over.wait_for(|over| *over).await;
    }
}

impl<T: Send + 'static> Crowd<T> {
    /// Lets so many do it.
    pub fn gather<D>(number: usize, deed: impl Fn(Member) -> D + Send + 'static) -> Self
    where
        D: Future<Output = T> + Send + 'static,
    {
        let (over, is_over) = watch::channel(false);
        let ready = Arc::new(AtomicUsize::new(0));
        let first = Member {
            number: 0,
            over: is_over,
            ready: Arc::clone(&ready),
        };
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let mut members = JoinSet::new();
                for number in 0..number {
                    let member = Member {
                        number,
                        ..first.clone()
                    };
                    members.spawn(deed(member));
                }
                let mut told = Vec::new();
                while let Some(one) = members.join_next().await {
                    told.push(one.context("one of a crowd")?);
                }
                Ok(told)
            })
        });
        Self {
            over,
            ready,
            thread: Some(thread),
        }
    }

    /// How many have got where they were to get.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.ready.load(Ordering::Relaxed)
    }

    /// Waits until so many have.
    ///
    /// # Errors
    /// When they do not.
    pub fn wait_ready(&self, number: usize) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.ready() < number {
            if Instant::now() > deadline {
                bail!("{} of {number} were ready in time", self.ready());
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Tells all to go; gives what came of each.
    ///
    /// # Errors
    /// When one panicked.
    pub fn disperse(self) -> Result<Vec<T>> {
        let _ = self.over.send(true);
        self.wait()
    }

    /// Waits until all went by themselves; gives what came of each.
    ///
    /// # Errors
    /// When one panicked.
    pub fn wait(mut self) -> Result<Vec<T>> {
        let thread = self.thread.take().context("it is there once")?;
        thread.join().map_err(|_| anyhow!("a crowd panicked"))?
    }
}

impl<T> Drop for Crowd<T> {
    fn drop(&mut self) {
        let _ = self.over.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
