//! The listening socket of an origin, TCP or Unix, which can be stopped while a thread accepts on it.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::SockRef;

use crate::port::Port;
use crate::stream::Stream;

/// A listening socket.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    pub(super) fn tcp(port: &Port) -> io::Result<Self> {
        Ok(Self::Tcp(port.listen()?, port.address()))
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
