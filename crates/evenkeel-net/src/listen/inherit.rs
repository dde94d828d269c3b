//! Listening sockets that go from one process to another.
//!
//! Connections are queued on a socket, not on an address: where several sockets share a port, closing one of them loses those
//! that wait on it, and the system knows nobody to give them to. So a process that takes the place of another has to get all of
//! its sockets, whatever number of workers either has. No socket is closed by a handover, and each has its queue:
//!
//! ```text
//!   before     3 workers     a      b      c          the process before has so many sockets
//!   after      3 workers     a      b      c
//!              2 workers    a, c    b                 a worker accepts by several
//!              5 workers     a      b      c   d  e   new ones join the port; who connects from now on may come there
//!                            a      b      c   a  b   where the system refuses that, workers share
//! ```

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use socket2::{SockRef, Type};

use super::{BACKLOG, Bound, Held, Listener, SocketFile, join};

/// Whose a socket is that another process opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Ours from now on: others may join its port, and the file of a Unix socket is ours to remove.
    Us,
    /// That of whoever started us and keeps it: it will hand out the same one again.
    Starter,
}

impl Listener {
    /// A listener of sockets that another process opened; all of them listen on the same address. Nothing is opened before
    /// [`Listener::into_sockets`], and no file is ours: a process that ends before it serves takes nothing with it.
    ///
    /// # Errors
    /// `InvalidInput` when one is no listening stream socket, is bound to nothing we know, or differs from the first in its
    /// address; else what the operating system says.
    pub fn inherit(sockets: Vec<OwnedFd>, owner: Owner) -> io::Result<Self> {
        let wrong = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why.to_owned());
        let mut address = None;
        for socket in &sockets {
            let socket = SockRef::from(socket);
            if socket.r#type()? != Type::STREAM || !socket.is_listener()? {
                return Err(wrong("it is no socket that listens for streams"));
            }
            let own = socket.local_addr()?;
            socket.set_nonblocking(true)?;
            if own.as_socket().is_some() {
                socket.set_tcp_nodelay(true)?;
            }
            if owner == Owner::Starter {
                // Whoever started us may have allowed fewer to wait.
                socket.listen(BACKLOG)?;
            }
            if address.get_or_insert_with(|| own.clone()) != &own {
                return Err(wrong("its sockets listen on different addresses"));
            }
        }
        let address = address.ok_or_else(|| wrong("there is no socket"))?;
        let address = match (address.as_socket(), address.as_pathname()) {
            (Some(ip), _) => Bound::Ip(ip),
            (None, Some(path)) => Bound::Unix(path.to_path_buf(), None),
            (None, None) => {
                return Err(wrong("its address is neither an IP address nor a path"));
            }
        };
        Ok(Self {
            address,
            sockets,
            acceptors: Vec::new(),
            owner,
            is_taken_over: owner == Owner::Us,
        })
    }

    /// Makes it ours: the file of a Unix socket is ours to remove, and new sockets join a port, one for each worker that would
    /// have none of its own, as many as the system allows.
    pub(super) fn take_over(&mut self, workers: usize) {
        let address = match &mut self.address {
            Bound::Unix(path, file) => {
                *file = SocketFile::at(path).ok();
                return;
            }
            Bound::Ip(address) => *address,
        };
        let Some(first) = self.sockets.first() else {
            return;
        };
        if self.sockets.len() >= workers || SockRef::from(first).set_reuse_port(true).is_err() {
            return;
        }
        let missing = workers - self.sockets.len();
        let joined = (0..missing).map_while(|_| join(address).ok().map(OwnedFd::from));
        self.sockets.extend(joined);
    }
}

/// A socket that can be handed to another process while it is open. It does not keep it open.
#[derive(Clone, Debug)]
pub struct Lease(Weak<Held>);

impl Lease {
    pub(super) fn new(held: &Arc<Held>) -> Self {
        Self(Arc::downgrade(held))
    }

    /// The socket, kept open for as long as this is; none when it is closed.
    #[must_use]
    pub fn get(&self) -> Option<Loan> {
        self.0.upgrade().map(Loan)
    }
}

/// A socket that is about to be handed to another process.
#[derive(Clone, Debug)]
pub struct Loan(Arc<Held>);

impl Loan {
    /// Whose the socket is: what the other process has to know.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.0.owner
    }

    /// Whether both are the same socket.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The other process has it, and accepts by it: from now on we take nothing that is queued on it and remove no file.
    pub fn hand_over(&self) {
        self.0.handed_over.store(true, Ordering::Release);
        if let Some(file) = &self.0.file {
            file.handed_over.store(true, Ordering::Release);
        }
    }
}

impl AsFd for Loan {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.socket.as_fd()
    }
}

#[cfg(test)]
mod tests;
