//! A worker's thread: its event loop, the tasks that run beside connections, and how it ends.
//!
//! The thread outlives a panic of its event loop: the listening sockets are kept outside of it, and a new loop takes over.

use std::collections::HashSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use tokio::runtime::{self, LocalOptions};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time;

use crate::doors::Doors;
use crate::shared::{Bound, Change, Order, Shared};
use crate::worker::Worker;

/// How often each idle upstream connection is looked at, and how late a closed one is noticed at most.
const POOL_SWEEP: Duration = Duration::from_secs(1);
/// How often connections that carry many requests are looked after: so late they close, or are asked whether they are alive.
const TRUNK_SWEEP: Duration = Duration::from_secs(1);
/// Endpoints whose connections are looked at in one go: some ten microseconds.
const POOL_TURN: usize = 64;
/// And so many times a second at most; with more endpoints than that allows, more are looked at in one go.
const MAX_TURNS: usize = 100;
/// How often it is looked whether clients have to prove something else.
const CHECK_SWEEP: Duration = Duration::from_secs(1);
/// So often idle connections are looked through then: one that was in use at the first look idles or is closed by the last.
const CHECK_LOOKS: u32 = 3;
/// How often a part of what is idle goes while the process is short of something.
const RELIEF: Duration = Duration::from_millis(100);
/// How often access records leave for the writer.
const LOG_FLUSH: Duration = Duration::from_millis(50);
/// How often it is looked whether there is a log by now.
const NO_LOG: Duration = Duration::from_secs(1);
/// How long exchanges that are stopped may take to end; none of them waits for anything by then.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long connections that carry many requests may take to say that they close; a write each.
const GOODBYES: Duration = Duration::from_millis(100);
/// The pause before a loop that could not be started is tried again: descriptors may be free by then.
const RESTART_PAUSE: Duration = Duration::from_millis(100);

/// What a worker's thread is given.
pub(crate) struct Place {
    /// The worker's number.
    pub(crate) id: usize,
    pub(crate) shared: Arc<Shared>,
    /// Its listening sockets; none once it drains.
    pub(crate) sockets: Vec<Bound>,
    /// Listeners that come and go, and the access log.
    pub(crate) changes: mpsc::Receiver<Change>,
    /// Where its random generator begins.
    pub(crate) seed: u64,
}

/// Runs a worker's thread until it has drained or was told to stop. `started` is told once whether it serves.
pub(crate) fn run(
    mut place: Place,
    mut orders: watch::Receiver<Order>,
    started: &SyncSender<io::Result<()>>,
) {
    let mut first = true;
    loop {
        let looped = AssertUnwindSafe(|| run_loop(&mut place, &mut orders, started));
        match catch_unwind(looped) {
            Ok(Ok(())) => return,
            Ok(Err(error)) if first => {
                let _ = started.try_send(Err(error));
                return;
            }
            Ok(Err(error)) => {
                tracing::error!(worker = place.id, %error, "the worker's event loop could not be started again");
                std::thread::sleep(RESTART_PAUSE);
            }
            Err(_) => tracing::error!(
                worker = place.id,
                "the worker died of a panic and is replaced"
            ),
        }
        first = false;
        place.seed = place.seed.wrapping_add(1);
    }
}

fn run_loop(
    place: &mut Place,
    orders: &mut watch::Receiver<Order>,
    started: &SyncSender<io::Result<()>>,
) -> io::Result<()> {
    // Tasks that stay on this thread: waking one takes no lock, and no set of them stands between it and the loop.
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?;
    let worker = Worker::new(place.id, &place.shared, place.seed);
    runtime.block_on(async {
        let mut doors = Doors::default();
        for bound in &place.sockets {
            doors.open(&worker, bound)?;
        }
        let mut services = JoinSet::new();
        services.spawn_local(Rc::clone(&worker.deadlines).sweep());
        services.spawn_local(sweep_pool(Rc::clone(&worker)));
        services.spawn_local(sweep_trunks(Rc::clone(&worker)));
        services.spawn_local(Rc::clone(&worker).answer_letters());
        services.spawn_local(flush_log(Rc::clone(&worker)));
        services.spawn_local(relieve(Rc::clone(&worker)));
        services.spawn_local(close_outdated(Rc::clone(&worker)));
        // Only the first start is waited for; a replaced loop has nobody to tell.
        let _ = started.try_send(Ok(()));
        tokio::select! {
            () = obey(&worker, orders, &mut doors, place) => {}
            // Without deadlines or the pool's sweep a worker would serve and leak: better a new loop than half a one.
            Some(Err(died)) = services.join_next() => {
                if died.is_panic() {
                    resume_unwind(died.into_panic());
                }
            }
        }
        worker.finish_log();
        Ok(())
    })
}

/// Waits for orders; returns when the worker has nothing left to do.
async fn obey(
    worker: &Rc<Worker>,
    orders: &mut watch::Receiver<Order>,
    doors: &mut Doors,
    place: &mut Place,
) {
    let mut open = worker.watch_open();
    loop {
        tokio::select! {
            biased;
            ordered = orders.wait_for(|order| *order != Order::Serve) => {
                if ordered.is_err() {
                    // Whoever gives orders is gone, and with it everything that would wait for a drain.
                    return;
                }
                break;
            }
            Some(change) = place.changes.recv() => make(worker, change, doors, &mut place.sockets).await,
        }
    }
    doors
        .close_all(worker, std::mem::take(&mut place.sockets))
        .await;
    // Only now are connections closed after their response: who connects anew must not meet a port that is about to close.
    worker.begin_drain();
    let is_done = tokio::select! {
        biased;
        _ = orders.wait_for(|order| *order == Order::Stop) => false,
        _ = open.wait_for(|open| *open == 0) => true,
    };
    if !is_done {
        // Every wait ends now, so that each exchange ends by its own road: cut where it must not look complete, and recorded.
        worker.deadlines.stop();
        let _ = time::timeout(LAST_WORDS, open.wait_for(|open| *open == 0)).await;
    }
    worker.trunks.drain();
    let _ = time::timeout(GOODBYES, worker.trunks.closed()).await;
}

/// Lets a listener come or go, or another access log take the place of the one that was.
async fn make(worker: &Rc<Worker>, change: Change, doors: &mut Doors, sockets: &mut Vec<Bound>) {
    match change {
        Change::Open(bound) => match doors.open(worker, &bound) {
            Ok(()) => sockets.push(bound),
            // Closed at once, so that the system gives its share of those who connect to the other workers.
            Err(error) => {
                tracing::error!(worker = worker.id, %error, "a new listener cannot be accepted by");
            }
        },
        Change::Close(serial, done) => {
            while let Some(at) = sockets
                .iter()
                .position(|bound| bound.state.serial == serial)
            {
                doors.close(worker, sockets.swap_remove(at)).await;
            }
            let _ = done.send(());
        }
        Change::Log(done) => {
            worker.change_log();
            let _ = done.send(());
        }
    }
}

async fn sweep_pool(worker: Rc<Worker>) {
    let gauge = &worker.counters().idle_upstream;
    let mut was = 0;
    loop {
        let turns = worker
            .pool
            .shelves()
            .div_ceil(POOL_TURN)
            .clamp(1, MAX_TURNS);
        time::sleep(POOL_SWEEP / u32::try_from(turns).unwrap_or(1)).await;
        worker.blocks.pipes.sweep();
        // A worker that nobody asks anything would keep an old snapshot for as long, and with it its memory.
        drop(worker.snapshot());
        // Counted anew: the first connections may have come since.
        let shelves = worker.pool.shelves().div_ceil(turns);
        worker.pool.sweep(Instant::now(), shelves);
        let now = (worker.pool.len() + worker.trunks.idle()) as u64;
        gauge.sub(was);
        gauge.add(now);
        was = now;
    }
}

/// Looks after the connections that carry many requests, and closes those of endpoints that have left.
async fn sweep_trunks(worker: Rc<Worker>) {
    let mut generation = 0;
    loop {
        time::sleep(TRUNK_SWEEP).await;
        let snapshot = worker.snapshot();
        if snapshot.generation != generation && !worker.trunks.is_empty() {
            generation = snapshot.generation;
            let lists = snapshot
                .clusters()
                .iter()
                .flat_map(|one| &one.endpoints.list);
            let there: HashSet<u32> = lists.map(|one| one.state.serial).collect();
            worker.trunks.keep_only(|serial| there.contains(&serial));
        }
        drop(snapshot);
        worker.trunks.sweep(Instant::now());
    }
}

/// Closes idle connections whose clients have to prove something else since a change.
async fn close_outdated(worker: Rc<Worker>) {
    let (mut generation, mut looks) = (worker.snapshot().generation, 0);
    loop {
        time::sleep(CHECK_SWEEP).await;
        let newest = worker.snapshot().generation;
        if newest != generation {
            (generation, looks) = (newest, CHECK_LOOKS);
        }
        if looks > 0 {
            looks -= 1;
            worker.close_outdated();
        }
    }
}

async fn relieve(worker: Rc<Worker>) {
    loop {
        time::sleep(RELIEF).await;
        if worker.wants_room() {
            worker.relieve();
        }
    }
}

async fn flush_log(worker: Rc<Worker>) {
    loop {
        let pause = if worker.has_log() { LOG_FLUSH } else { NO_LOG };
        time::sleep(pause).await;
        worker.flush_log();
    }
}
