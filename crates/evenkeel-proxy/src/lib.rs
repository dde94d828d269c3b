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
mod block;
mod body;
mod connection;
mod deadline;
mod downstream;
mod exchange;
mod h1;
mod pipes;
mod pool;
mod record;
mod replay;
mod request_id;
#[cfg(test)]
mod rig;
mod scene;
mod shared;
mod spare;
mod thread;
mod turned_away;
mod upstream;
mod worker;

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use evenkeel_base::ListenerId;
use evenkeel_net::{ListenSocket, Listener};
use evenkeel_state::{ClientConnections, Publisher, Reclaim, WorkerCounters};
use tokio::sync::watch;

pub use access_log::AccessLog;

use crate::shared::{Order, Shared};
use crate::thread::Place;

/// The running data plane.
#[derive(Debug)]
pub struct DataPlane {
    shared: Arc<Shared>,
    orders: watch::Sender<Order>,
    workers: Vec<JoinHandle<()>>,
}

impl DataPlane {
    /// Starts `workers` workers on these listeners.
    ///
    /// # Errors
    /// When the system gives no more threads or descriptors: every worker serves, or none.
    pub fn start(
        workers: usize,
        publisher: &Arc<Publisher>,
        listeners: Vec<(ListenerId, Listener)>,
        log: Option<AccessLog>,
    ) -> io::Result<Self> {
        let mut sockets: Vec<Vec<(ListenerId, ListenSocket)>> =
            (0..workers).map(|_| Vec::new()).collect();
        for (id, listener) in listeners {
            for (worker, socket) in sockets.iter_mut().zip(listener.into_sockets(workers)?) {
                worker.push((id, socket));
            }
        }
        let listeners = publisher.current().config.listeners.len();
        let clients = (0..listeners).map(|_| ClientConnections::new());
        let shared = Arc::new(Shared {
            publisher: Arc::clone(publisher),
            counters: (0..workers).map(|_| WorkerCounters::default()).collect(),
            clients: clients.collect(),
            reclaim: Reclaim::new(workers),
            log,
        });
        let orders = watch::Sender::new(Order::Serve);
        let (started, starts) = std::sync::mpsc::sync_channel(workers);
        let mut running = Vec::with_capacity(workers);
        for (id, sockets) in sockets.into_iter().enumerate() {
            let inbox = orders.subscribe();
            // The standard library's hasher is seeded by the system: that is all the chance a worker needs.
            let seed = RandomState::new().hash_one(id);
            let place = Place {
                id,
                shared: Arc::clone(&shared),
                sockets,
                seed,
            };
            let started = started.clone();
            let handle = Builder::new()
                .name(format!("worker-{id}"))
                .spawn(move || thread::run(place, inbox, &started))?;
            running.push(handle);
        }
        drop(started);
        for start in starts.iter().take(workers) {
            start?;
        }
        Ok(Self {
            shared,
            orders,
            workers: running,
        })
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
        self.workers.iter().all(JoinHandle::is_finished)
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
        for thread in self.workers {
            let _ = thread.join();
        }
    }
}
