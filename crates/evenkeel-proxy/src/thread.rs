//! A worker's thread: its event loop, the tasks that run beside connections, and how it ends.
//!
//! The thread outlives a panic of its event loop: the listening sockets are kept outside of it, and a new loop takes over.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use evenkeel_base::ListenerId;
use evenkeel_net::ListenSocket;
use tokio::runtime::{self, LocalOptions};
use tokio::sync::watch;
use tokio::task::{self, JoinSet};
use tokio::time;

use crate::accept;
use crate::shared::{Order, Shared};
use crate::worker::Worker;

/// How often each idle upstream connection is looked at, and how late a closed one is noticed at most.
const POOL_SWEEP: Duration = Duration::from_secs(1);
/// Endpoints whose connections are looked at in one go: some ten microseconds.
const POOL_TURN: usize = 64;
/// And so many times a second at most; with more endpoints than that allows, more are looked at in one go.
const MAX_TURNS: usize = 100;
/// How often access records leave for the writer.
const LOG_FLUSH: Duration = Duration::from_millis(50);
/// How long exchanges that are stopped may take to end; none of them waits for anything by then.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// The pause before a loop that could not be started is tried again: descriptors may be free by then.
const RESTART_PAUSE: Duration = Duration::from_millis(100);

/// What a worker's thread is given.
pub(crate) struct Place {
    /// The worker's number.
    pub(crate) id: usize,
    pub(crate) shared: Arc<Shared>,
    /// Its listening sockets; none once it drains.
    pub(crate) sockets: Vec<(ListenerId, ListenSocket)>,
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
    let worker = Rc::new(Worker::new(place.id, &place.shared, place.seed));
    runtime.block_on(async {
        let stop_accepting = watch::Sender::new(false);
        for (listener_id, socket) in &place.sockets {
            let stop = stop_accepting.subscribe();
            let acceptor = socket.acceptor()?;
            task::spawn_local(accept::run(
                Rc::clone(&worker),
                *listener_id,
                acceptor,
                stop,
            ));
        }
        let mut services = JoinSet::new();
        services.spawn_local(Rc::clone(&worker.deadlines).sweep());
        services.spawn_local(sweep_pool(Rc::clone(&worker)));
        services.spawn_local(Rc::clone(&worker).answer_letters());
        if worker.has_log() {
            services.spawn_local(flush_log(Rc::clone(&worker)));
        }
        // Only the first start is waited for; a replaced loop has nobody to tell.
        let _ = started.try_send(Ok(()));
        tokio::select! {
            () = obey(&worker, orders, &stop_accepting, &mut place.sockets) => {}
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
    stop_accepting: &watch::Sender<bool>,
    sockets: &mut Vec<(ListenerId, ListenSocket)>,
) {
    let mut open = worker.watch_open();
    if orders
        .wait_for(|order| *order != Order::Serve)
        .await
        .is_err()
    {
        // Whoever gives orders is gone, and with it everything that would wait for a drain.
        return;
    }
    stop_accepting.send_replace(true);
    stop_accepting.closed().await;
    // The acceptors' copies are closed; with its socket the port is: whoever connects from then on is refused at once.
    for (listener, socket) in sockets.drain(..) {
        accept::take_queued(worker, listener, socket);
    }
    // Only now are connections closed after their response: who connects anew must not meet a port that is about to close.
    worker.begin_drain();
    tokio::select! {
        biased;
        _ = orders.wait_for(|order| *order == Order::Stop) => {}
        _ = open.wait_for(|open| *open == 0) => return,
    }
    // Every wait ends now, so that each exchange ends by its own road: cut where it must not look complete, and recorded.
    worker.deadlines.stop();
    let _ = time::timeout(LAST_WORDS, open.wait_for(|open| *open == 0)).await;
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
        // Counted anew: the first connections may have come since.
        let shelves = worker.pool.shelves().div_ceil(turns);
        worker.pool.sweep(Instant::now(), shelves);
        let now = worker.pool.len() as u64;
        gauge.sub(was);
        gauge.add(now);
        was = now;
    }
}

async fn flush_log(worker: Rc<Worker>) {
    loop {
        time::sleep(LOG_FLUSH).await;
        worker.flush_log();
    }
}
