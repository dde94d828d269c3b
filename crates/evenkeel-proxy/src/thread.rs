//! A worker's thread: its event loop, the tasks that run beside connections, and how it ends.
//!
//! The thread outlives a panic of its event loop: the listening sockets are kept outside of it, and a new loop takes over.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_base::ListenerId;
use evenkeel_net::Listener;
use tokio::sync::{mpsc, watch};
use tokio::task::{self, LocalSet};
use tokio::{runtime, time};

use crate::accept;
use crate::shared::{Order, Shared};
use crate::worker::Worker;

/// How often idle upstream connections are looked through, and how late a closed one is noticed at most.
const POOL_SWEEP: Duration = Duration::from_secs(1);
/// How often access records leave for the writer.
const LOG_FLUSH: Duration = Duration::from_millis(50);

/// Runs a worker's thread until it has drained or was told to stop.
pub(crate) fn run(
    id: usize,
    shared: &Arc<Shared>,
    listeners: &[(ListenerId, Arc<Listener>)],
    mut orders: mpsc::UnboundedReceiver<Order>,
    seed: u64,
) {
    for life in 0.. {
        let run = AssertUnwindSafe(|| run_loop(id, shared, listeners, &mut orders, seed ^ life));
        match catch_unwind(run) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => {
                tracing::error!(worker = id, %error, "the worker's event loop could not be started");
                std::thread::sleep(Duration::from_millis(100));
            }
            Err(_) => tracing::error!(worker = id, "the worker died of a panic and is replaced"),
        }
    }
}

fn run_loop(
    id: usize,
    shared: &Arc<Shared>,
    listeners: &[(ListenerId, Arc<Listener>)],
    orders: &mut mpsc::UnboundedReceiver<Order>,
    seed: u64,
) -> std::io::Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let worker = Rc::new(Worker::new(id, shared, seed));
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let stop_accepting = watch::Sender::new(false);
        for (listener_id, listener) in listeners {
            let acceptor = listener.acceptor(id)?;
            let stop = stop_accepting.subscribe();
            task::spawn_local(accept::run(
                Rc::clone(&worker),
                *listener_id,
                acceptor,
                stop,
            ));
        }
        task::spawn_local(Rc::clone(&worker.deadlines).sweep());
        task::spawn_local(sweep_pool(Rc::clone(&worker)));
        task::spawn_local(flush_log(Rc::clone(&worker)));
        obey(&worker, orders, &stop_accepting).await;
        worker.flush_log();
        Ok(())
    })
}

/// Waits for orders; returns when the worker has nothing left to do.
async fn obey(
    worker: &Rc<Worker>,
    orders: &mut mpsc::UnboundedReceiver<Order>,
    stop_accepting: &watch::Sender<bool>,
) {
    let mut open = worker.watch_open();
    let drained = async {
        match orders.recv().await {
            Some(Order::Drain) => {}
            Some(Order::Stop) | None => return,
        }
        worker.begin_drain();
        stop_accepting.send_replace(true);
        // The acceptors take what is queued on their sockets before they end; each counts as an open connection then.
        stop_accepting.closed().await;
        tokio::select! {
            _ = open.wait_for(|open| *open == 0) => {}
            () = told_to_stop(orders) => {}
        }
    };
    drained.await;
}

async fn told_to_stop(orders: &mut mpsc::UnboundedReceiver<Order>) {
    while !matches!(orders.recv().await, Some(Order::Stop) | None) {}
}

async fn sweep_pool(worker: Rc<Worker>) {
    let mut was = 0;
    loop {
        time::sleep(POOL_SWEEP).await;
        let now = worker.pool.sweep(Instant::now());
        let gauge = &worker.counters().idle_upstream;
        gauge.sub(was);
        gauge.add(now as u64);
        was = now as u64;
    }
}

async fn flush_log(worker: Rc<Worker>) {
    if !worker.has_log() {
        return;
    }
    loop {
        time::sleep(LOG_FLUSH).await;
        worker.flush_log();
    }
}
