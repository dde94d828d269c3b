//! Floor 3: the data plane. Accepts connections, forwards exchanges, keeps count.
//!
//! It reads the published snapshot and decides nothing that is not in it; it never calls the control plane. One pipeline
//! serves every protocol: a client's side is a `Downstream`, an endpoint's side an `Upstream`, and what lies between
//! knows neither codec nor socket.
//!
//! ```text
//! accept ─▶ connection ─▶ downstream/h1 ─▶ exchange ─▶ forward ─▶ upstream/pool ─▶ converse ─▶ relay ─▶ record
//! ```

mod accept;
pub mod access_log;
mod attempted;
mod block;
mod body;
mod connection;
mod deadline;
mod door;
mod doors;
mod downstream;
mod exchange;
mod h1;
mod h2;
mod handshake;
mod idles;
mod kept;
mod kept_headers;
mod mirror;
mod pipes;
mod pool;
mod record;
mod replay;
#[cfg(test)]
mod rig;
mod roll;
mod runners;
mod scene;
mod shared;
mod spare;
mod story;
mod thread;
mod trace;
mod trunks;
mod turned_away;
mod upstream;
mod worker;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use evenkeel_net::{Lease, Listener, Loan};
use evenkeel_state::{ListenerState, Publisher, Reclaim, WorkerCounters};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task;

pub use access_log::AccessLog;

use crate::shared::{Bound, Change, Order, Shared};
use crate::thread::Place;

/// The running data plane.
#[derive(Debug)]
pub struct DataPlane {
    shared: Arc<Shared>,
    orders: watch::Sender<Order>,
    workers: Vec<Running>,
    leases: Leases,
}

/// The sockets of each listener, by its serial, to hand them to another process.
type Leases = Mutex<HashMap<u32, Vec<Lease>>>;

/// A worker's thread, and how it is told of what changes.
#[derive(Debug)]
struct Running {
    thread: JoinHandle<()>,
    changes: mpsc::Sender<Change>,
}

/// So many changes may wait for a worker; whoever makes more of them waits.
const CHANGES: usize = 64;

impl DataPlane {
    /// Starts `workers` workers on the listeners of the current snapshot, in its order.
    ///
    /// # Errors
    /// When the system gives no more threads or descriptors: every worker serves, or none.
    pub fn start(
        workers: usize,
        publisher: &Arc<Publisher>,
        listeners: Vec<Listener>,
        log: Option<AccessLog>,
    ) -> io::Result<Self> {
        let mut sockets: Vec<Vec<Bound>> = (0..workers).map(|_| Vec::new()).collect();
        let states = publisher.current().listeners().to_vec();
        let leases = Leases::default();
        for (listener, state) in listeners.into_iter().zip(states) {
            for (worker, bound) in shares(listener, &state, workers, &leases) {
                sockets[worker].push(bound);
            }
        }
        let shared = Arc::new(Shared {
            publisher: Arc::clone(publisher),
            counters: (0..workers).map(|_| WorkerCounters::default()).collect(),
            reclaim: Reclaim::new(workers),
            log: Mutex::new(log),
            is_ready: AtomicBool::new(true),
        });
        let orders = watch::Sender::new(Order::Serve);
        let (started, starts) = std::sync::mpsc::sync_channel(workers);
        let mut running = Vec::with_capacity(workers);
        for (id, sockets) in sockets.into_iter().enumerate() {
            let inbox = orders.subscribe();
            // The standard library's hasher is seeded by the system: that is all the chance a worker needs.
            let seed = RandomState::new().hash_one(id);
            let (changes, told) = mpsc::channel(CHANGES);
            let place = Place {
                id,
                shared: Arc::clone(&shared),
                sockets,
                changes: told,
                seed,
            };
            let started = started.clone();
            let thread = Builder::new()
                .name(format!("worker-{id}"))
                .spawn(move || thread::run(place, inbox, &started))?;
            running.push(Running { thread, changes });
        }
        drop(started);
        for start in starts.iter().take(workers) {
            start?;
        }
        Ok(Self {
            shared,
            orders,
            workers: running,
            leases,
        })
    }

    /// Accepts by this listener as well, which the current snapshot has already.
    pub async fn open(&self, listener: Listener, state: &Arc<ListenerState>) {
        for (worker, bound) in shares(listener, state, self.workers.len(), &self.leases) {
            let _ = self.workers[worker].changes.send(Change::Open(bound)).await;
        }
    }

    /// The open sockets of the listener with that serial, to hand them to another process. Once that accepts by them
    /// ([`Loan::hand_over`]), a drain leaves to it what is queued.
    #[must_use]
    pub fn sockets(&self, serial: u32) -> Vec<Loan> {
        let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        let mut loans: Vec<Loan> = Vec::new();
        for loan in leases
            .get(&serial)
            .into_iter()
            .flatten()
            .filter_map(Lease::get)
        {
            if !loans.iter().any(|known| known.is_same(&loan)) {
                loans.push(loan);
            }
        }
        loans
    }

    /// Accepts no more by the listener with that serial, and closes its port. To be called while the current snapshot still has
    /// it: its connections' next requests are served by that one, and are their last.
    pub async fn close(&self, serial: u32) {
        let mut closing = Vec::with_capacity(self.workers.len());
        for worker in &self.workers {
            let (done, is_done) = oneshot::channel();
            let _ = worker.changes.send(Change::Close(serial, done)).await;
            closing.push(is_done);
        }
        for is_done in closing {
            // A worker that ends closes all of its sockets.
            let _ = is_done.await;
        }
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.remove(&serial);
    }

    /// Writes access records to this log from now on; what the workers have for the one before is written to that.
    pub async fn change_log(&self, log: Option<AccessLog>) {
        let before = std::mem::replace(&mut *self.shared.log(), log);
        let mut changing = Vec::with_capacity(self.workers.len());
        for worker in &self.workers {
            let (done, is_done) = oneshot::channel();
            let _ = worker.changes.send(Change::Log(done)).await;
            changing.push(is_done);
        }
        for is_done in changing {
            // A worker that ends has handed over what it had.
            let _ = is_done.await;
        }
        // It waits for its writer, which may wait for a disk.
        let _ = task::spawn_blocking(|| drop(before)).await;
    }

    /// What each worker counts.
    #[must_use]
    pub fn counters(&self) -> Arc<[WorkerCounters]> {
        Arc::clone(&self.shared.counters)
    }

    /// How many workers there are.
    #[must_use]
    pub const fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Says no to whoever asks whether it is ready, on listeners that answer that: it is about to end.
    pub fn unready(&self) {
        self.shared.is_ready.store(false, Ordering::Relaxed);
    }

    /// Stops accepting and lets what runs finish; every response from now on closes its connection.
    pub fn drain(&self) {
        self.orders.send_replace(Order::Drain);
    }

    /// Ends every connection now.
    pub fn stop(&self) {
        self.orders.send_replace(Order::Stop);
    }

    /// Whether every worker has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.workers
            .iter()
            .all(|worker| worker.thread.is_finished())
    }

    /// How many client connections are open.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared
            .counters
            .iter()
            .map(|counters| counters.connections.read())
            .sum()
    }

    /// Waits until every worker has ended.
    pub fn join(self) {
        for worker in self.workers {
            let _ = worker.thread.join();
        }
    }
}

/// The sockets of a listener, each with the number of the worker that accepts by it: every worker has one at least.
fn shares(
    listener: Listener,
    state: &Arc<ListenerState>,
    workers: usize,
    leases: &Leases,
) -> Vec<(usize, Bound)> {
    state.is_bound(listener.address());
    let sockets = listener.into_sockets(workers);
    let leased = sockets.iter().map(evenkeel_net::ListenSocket::lease);
    let mut leases = leases.lock().unwrap_or_else(PoisonError::into_inner);
    leases.insert(state.serial, leased.collect());
    let bound = |socket| Bound {
        state: Arc::clone(state),
        socket,
    };
    let numbers = (0..workers).cycle();
    numbers.zip(sockets.into_iter().map(bound)).collect()
}
