//! A port of this host that stays ours, whether anything listens on it or not.
//!
//! Between the end of one listening socket and the start of the next the system could give the port to anybody. So a
//! second socket is bound to it all the time, which never listens.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

use crate::stream::loopback;

/// More than any test opens at once, so that no connect waits for an accept.
const BACKLOG: i32 = 1024;

/// A port that is taken. While nothing listens on it, connections are refused and nobody else can get it.
#[derive(Debug)]
pub(crate) struct Port {
    socket: Socket,
    address: SocketAddr,
}

impl Port {
    /// A free one.
    pub(crate) fn free() -> io::Result<Self> {
        Self::at(loopback(0))
    }

    /// This one.
    pub(crate) fn at(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&address.into())?;
        let address = socket.local_addr()?.as_socket();
        let address = address.ok_or_else(|| io::Error::other("an address of another family"))?;
        Ok(Self { socket, address })
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens on it, beside the socket that holds it: both allow reuse, and only one listens.
    pub(crate) fn listen(&self) -> io::Result<TcpListener> {
        self.socket.set_reuse_address(true)?;
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&self.address.into())?;
        socket.listen(BACKLOG)?;
        Ok(TcpListener::from(socket))
    }

    /// Nobody listens on it any more. Reuse is forbidden then: among sockets that allow it, the system may give the port
    /// of one that does not listen to the next that asks for any.
    pub(crate) fn keep(&self) -> io::Result<()> {
        self.socket.set_reuse_address(false)
    }

    /// Listens on it with a queue of length 0, which a few connections fill.
    pub(crate) fn listen_with_full_queue(&self) -> io::Result<()> {
        self.socket.listen(0)
    }
}
