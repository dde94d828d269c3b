//! Where operators are answered: doors (the control socket, the admin address), served by a thread of their own.
//!
//! The thread has an event loop that neither workers nor probes share: whoever floods the address keeps neither from their work.

mod converse;
mod door;
mod reception;

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use evenkeel_config::model::Admin;
use evenkeel_net::{Lease, ListenSocket, Listener, Owner};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{oneshot, watch};

use crate::Office;
use crate::gate::Gate;
use crate::hall::Hall;
use crate::openapi;
use crate::serve::door::{Door, Entrance};

/// How long the end of the process waits for answers that are on their way.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// How long a door that closes while the process goes on waits for them.
const LONG_ANSWERS: Duration = Duration::from_secs(30);

/// Where the process answers operators.
pub struct Console {
    hall: Arc<Hall>,
    runtime: Handle,
    /// The control socket.
    socket: Option<Door>,
    address: Option<Address>,
    /// Dropped, the thread ends.
    _thread: oneshot::Sender<()>,
}

/// The admin address.
struct Address {
    door: Door,
    gate: watch::Sender<Arc<Gate>>,
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

/// Binds the control socket, which nobody but its owner may open.
///
/// # Errors
/// `AddrInUse` when another process listens there; else what the operating system says.
pub fn open(path: &Path) -> io::Result<ListenSocket> {
    only(Listener::bind_private(path)?)
}

/// The control socket that a process before this one had.
///
/// # Errors
/// When it is none.
pub fn inherit(socket: OwnedFd, owner: Owner) -> io::Result<ListenSocket> {
    only(Listener::inherit(vec![socket], owner)?)
}

/// The one socket of a listener.
///
/// # Errors
/// When it has none.
pub fn only(listener: Listener) -> io::Result<ListenSocket> {
    let mut sockets = listener.into_sockets(1).into_iter();
    sockets.next().ok_or_else(|| io::ErrorKind::NotFound.into())
}

impl Console {
    /// Starts the thread. Nobody is answered yet.
    ///
    /// # Errors
    /// When there is no thread or event loop to be had.
    pub fn start(office: Office) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let hall = Arc::new(Hall::new(office, &handle, openapi::text));
        let (sender, end) = oneshot::channel();
        thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || {
                let _ = runtime.block_on(end);
                // A page that is being made is nobody's any more.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            hall,
            runtime: handle,
            socket: None,
            address: None,
            _thread: sender,
        })
    }

    /// Answers on the control socket from now on.
    ///
    /// # Errors
    /// When descriptors run out.
    pub fn open_socket(&mut self, socket: ListenSocket) -> io::Result<()> {
        self.socket = Some(self.open(socket, Entrance::Owner)?);
        Ok(())
    }

    /// Answers on an address from now on, whoever the configuration lets in. What is answered on another one goes on to its end.
    ///
    /// # Errors
    /// When descriptors run out, or TLS does not take what is configured.
    pub async fn open_address(&mut self, socket: ListenSocket, config: &Admin) -> io::Result<()> {
        let gate = Gate::new(config, None).map_err(io::Error::other)?;
        let (sender, gates) = watch::channel(Arc::new(gate));
        let door = self.open(socket, Entrance::Gate(gates))?;
        self.close_address().await;
        self.address = Some(Address { door, gate: sender });
        Ok(())
    }

    /// Answers on the address as before, and lets in others: from now on, also on connections that are open.
    ///
    /// # Errors
    /// What TLS does not take; then nothing changes.
    pub fn change_gate(&self, config: &Admin) -> io::Result<()> {
        if let Some(Address { gate, .. }) = &self.address {
            let before = Arc::clone(&gate.borrow());
            let next = Gate::new(config, Some(&before)).map_err(io::Error::other)?;
            gate.send_replace(Arc::new(next));
        }
        Ok(())
    }

    /// Answers on no address any more; the answers that are on their way go out.
    pub async fn close_address(&mut self) {
        if let Some(Address { door, gate }) = self.address.take() {
            door.leave().await;
            self.runtime.spawn(async move {
                door.close(LONG_ANSWERS).await;
                drop(gate);
            });
        }
    }

    /// To hand the control socket to another process.
    #[must_use]
    pub fn socket(&self) -> Option<&Lease> {
        self.socket.as_ref().map(|door| &door.lease)
    }

    /// To hand the address's socket to another process.
    #[must_use]
    pub fn address(&self) -> Option<&Lease> {
        self.address.as_ref().map(|address| &address.door.lease)
    }

    fn open(&self, socket: ListenSocket, entrance: Entrance) -> io::Result<Door> {
        let _within = self.runtime.enter();
        Door::open(socket, entrance, Arc::clone(&self.hall))
    }

    /// Accepts no more, for another process does; the answers that are on their way go out.
    pub async fn leave(&self) {
        if let Some(door) = &self.socket {
            door.leave().await;
        }
        if let Some(address) = &self.address {
            address.door.leave().await;
        }
    }

    /// Accepts no more, lets the answers that are on their way go out, and removes the socket.
    pub async fn close(&mut self) {
        let socket = self.socket.take();
        let address = self.address.take().map(|address| address.door);
        // Both at once: each has all of the time.
        let close = |door: Option<Door>| async {
            if let Some(door) = door {
                door.close(LAST_ANSWERS).await;
            }
        };
        tokio::join!(close(socket), close(address));
    }
}
