//! The listening socket of an origin, TCP or Unix, which can be stopped while a thread accepts on it.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockRef, Socket, Type};

use crate::stream::{Stream, loopback};

/// A listening socket.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, PathBuf),
}

/// More than any test opens at once, so that no connect waits for an accept.
const BACKLOG: i32 = 1024;

impl Listener {
    pub(super) fn free_port() -> io::Result<Self> {
        Self::tcp(loopback(0))
    }

    /// Takes over an address of which an earlier life may have left connections in `TIME_WAIT`.
    pub(super) fn tcp(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(address.port() != 0)?;
        socket.bind(&address.into())?;
        // Inherited by what it accepts, without which the port could not be taken again while a connection lingers.
        socket.set_reuse_address(true)?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from(socket);
        let address = listener.local_addr()?;
        Ok(Self::Tcp(listener, address))
    }

    pub(super) fn unix(path: &Path) -> io::Result<Self> {
        Ok(Self::Unix(UnixListener::bind(path)?, path.to_owned()))
    }

    pub(super) fn address(&self) -> String {
        match self {
            Self::Tcp(_, address) => address.to_string(),
            Self::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }

    pub(super) fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(_, address) => Some(address.port()),
            Self::Unix(..) => None,
        }
    }

    pub(super) fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener, _) => listener
                .accept()
                .and_then(|(stream, _)| Stream::tcp(stream)),
            Self::Unix(listener, _) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
        }
    }

    /// Refuses connections from now on and wakes the thread that accepts.
    pub(super) fn stop(&self) {
        let socket = match self {
            Self::Tcp(listener, _) => SockRef::from(listener),
            Self::Unix(listener, _) => SockRef::from(listener),
        };
        // On Linux this ends a blocked accept; a listener that is stopped already says so, which is as good.
        drop(socket.shutdown(Shutdown::Both));
    }

    /// Removes what stays behind in the file system.
    pub(super) fn close(&self) {
        if let Self::Unix(_, path) = self {
            drop(std::fs::remove_file(path));
        }
    }
}
