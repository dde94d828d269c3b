//! The live feed: one picture a second for everybody who watches.
//!
//! ```text
//! a task, once a second ─▶ sampler ─▶ history                (always: a chart has its past)
//!                             └─▶ picture ─▶ bytes, once ─▶ every watcher   (while there is one)
//! ```
//!
//! A watcher holds the newest picture and no other: who is slow misses some, and nothing piles up. The looking is done on a thread for
//! what takes long: of a hundred thousand endpoints it takes a while, which is nobody else's.

mod bounds;
mod clusters;
mod count;
mod history;
mod listeners;
mod problems;
mod routes;
mod sampler;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{self, AbortHandle};
use tokio::time::{self, MissedTickBehavior};

use crate::Office;
use crate::live::history::History;
use crate::live::sampler::Sampler;

/// From one picture to the next.
const EVERY: Duration = Duration::from_secs(1);

/// From the first look for a first watcher to the second: rates are differences.
const WARM: Duration = Duration::from_millis(250);

/// The feed, while it runs.
#[derive(Debug)]
pub(crate) struct Live {
    history: Arc<Mutex<History>>,
    /// The newest picture as an event; none while nobody watches.
    newest: watch::Sender<Option<Bytes>>,
    task: AbortHandle,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Live {
    /// Begins to look, by a task there.
    pub(crate) fn start(office: Office, runtime: &Handle) -> Self {
        let history = Arc::new(Mutex::new(History::default()));
        let (newest, _) = watch::channel(None);
        let task = runtime.spawn(run(office, Arc::clone(&history), newest.clone()));
        Self {
            history,
            newest,
            task: task.abort_handle(),
        }
    }

    /// Begins to watch.
    pub(crate) fn watch(&self) -> Watcher {
        let mut pictures = self.newest.subscribe();
        pictures.mark_changed();
        Watcher {
            history: Some(Arc::clone(&self.history)),
            pictures,
        }
    }
}

/// Somebody who watches.
#[derive(Debug)]
pub(crate) struct Watcher {
    /// None when it has been told.
    history: Option<Arc<Mutex<History>>>,
    pictures: watch::Receiver<Option<Bytes>>,
}

impl Watcher {
    /// The next event, when there is one: the history first, then pictures, each as soon as it is there. None: the process ends.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        if let Some(history) = self.history.take() {
            let view = lock(&history).view();
            let event = task::spawn_blocking(move || event("history", &view));
            return event.await.ok();
        }
        loop {
            self.pictures.changed().await.ok()?;
            if let Some(picture) = self.pictures.borrow_and_update().clone() {
                return Some(picture);
            }
        }
    }
}

fn lock(history: &Mutex<History>) -> MutexGuard<'_, History> {
    history.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server-sent event. JSON has no line breaks of its own.
fn event(name: &str, value: &impl Serialize) -> Bytes {
    let mut text = format!("event: {name}\ndata: ").into_bytes();
    // Views have text for keys, so that writing them cannot fail.
    let _ = serde_json::to_writer(&mut text, value);
    text.extend_from_slice(b"\n\n");
    text.into()
}

/// Looks once a second for as long as the feed is there.
async fn run(office: Office, history: Arc<Mutex<History>>, newest: watch::Sender<Option<Bytes>>) {
    let mut sampler = Sampler::new(&office);
    let mut clock = time::interval(EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let is_watched = newest.receiver_count() > 0;
        if is_watched && !sampler.is_warm() {
            (sampler, _) = look(sampler, &office, &history, true).await;
            time::sleep(WARM).await;
        }
        let picture;
        (sampler, picture) = look(sampler, &office, &history, is_watched).await;
        newest.send_if_modified(|newest| {
            let is_new = picture.is_some();
            *newest = picture;
            is_new
        });
    }
}

/// One look. When it panics, the next begins anew.
async fn look(
    mut sampler: Sampler,
    office: &Office,
    history: &Arc<Mutex<History>>,
    is_watched: bool,
) -> (Sampler, Option<Bytes>) {
    let (of, history) = (office.clone(), Arc::clone(history));
    let looked = task::spawn_blocking(move || {
        let picture = sampler.look(&of, &mut lock(&history), is_watched);
        let picture = picture.map(|picture| event("picture", &picture));
        (sampler, picture)
    });
    looked.await.unwrap_or_else(|error| {
        tracing::error!(%error, "looking at the process failed");
        (Sampler::new(office), None)
    })
}

#[cfg(test)]
mod tests;
