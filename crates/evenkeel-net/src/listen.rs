//! Listening sockets: one exclusive bind, then one socket per worker where the system can share a port.
//!
//! The first socket is bound without `SO_REUSEPORT` and only gets it once it listens. So a second evenkeel on the same
//! port is an error and not a silent half of the traffic, while the sockets of the other workers may join.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net as unix;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::stream::{Origin, Stream};

/// The connections that may wait to be accepted, per socket. The kernel caps it at `net.core.somaxconn` (4,096 by default).
const BACKLOG: i32 = 4096;

/// A bound address with one socket per worker, or one that all workers share.
#[derive(Debug)]
pub struct Listener {
    address: Bound,
    sockets: Vec<OwnedFd>,
}

#[derive(Debug)]
enum Bound {
    Ip(SocketAddr),
    Unix(SocketFile),
}

impl Listener {
    /// Binds `address` for `workers` workers. Port 0 lets the system choose one port for all of them.
    ///
    /// # Errors
    /// `AddrInUse` when anybody else has it, also another evenkeel; else what the operating system says.
    pub fn bind_ip(address: SocketAddr, workers: usize) -> io::Result<Self> {
        let (first, address) = first_socket(address)?;
        first.bind(&address.into())?;
        first.listen(BACKLOG)?;
        let actual = first.local_addr()?.as_socket().unwrap_or(address);
        let mut sockets = vec![first];
        // Where the system refuses to share the port, the workers share the one socket instead.
        if workers > 1 && sockets[0].set_reuse_port(true).is_ok() {
            for _ in 1..workers {
                match join(actual) {
                    Ok(socket) => sockets.push(socket),
                    Err(_) => break,
                }
            }
        }
        if sockets.len() != workers {
            sockets.truncate(1);
        }
        let sockets = sockets.into_iter().map(OwnedFd::from).collect();
        Ok(Self {
            address: Bound::Ip(actual),
            sockets,
        })
    }

    /// Binds a Unix socket at `path`. A socket file that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// `AddrInUse` when a process listens there or something else than a socket has that name.
    pub fn bind_unix(path: &Path) -> io::Result<Self> {
        if let Ok(found) = fs::symlink_metadata(path) {
            let in_use = |why: &str| io::Error::new(io::ErrorKind::AddrInUse, why.to_owned());
            if !found.file_type().is_socket() {
                return Err(in_use("a file that is not a socket has this name"));
            }
            if unix::UnixStream::connect(path).is_ok() {
                return Err(in_use("a process listens on this socket"));
            }
            fs::remove_file(path)?;
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(path)?)?;
        socket.listen(BACKLOG)?;
        let made = fs::symlink_metadata(path)?;
        let file = SocketFile {
            path: path.to_path_buf(),
            identity: (made.dev(), made.ino()),
        };
        Ok(Self {
            address: Bound::Unix(file),
            sockets: vec![socket.into()],
        })
    }

    /// The address, with the port the system chose; `unix:/path` for a Unix socket.
    #[must_use]
    pub fn address(&self) -> String {
        match &self.address {
            Bound::Ip(address) => address.to_string(),
            Bound::Unix(file) => format!("unix:{}", file.path.display()),
        }
    }

    /// The IP address and port, when it has one.
    #[must_use]
    pub const fn ip(&self) -> Option<SocketAddr> {
        match &self.address {
            Bound::Ip(address) => Some(*address),
            Bound::Unix(_) => None,
        }
    }

    /// One socket for each of `workers` workers: its own where the system shares the port, else a copy of the one.
    ///
    /// # Errors
    /// When descriptors run out.
    pub fn into_sockets(self, workers: usize) -> io::Result<Vec<ListenSocket>> {
        let file = match self.address {
            Bound::Ip(_) => None,
            Bound::Unix(file) => Some(Arc::new(file)),
        };
        let mut sockets = self.sockets;
        while let (Some(first), true) = (sockets.first(), sockets.len() < workers) {
            sockets.push(first.try_clone()?);
        }
        let give = |socket| ListenSocket {
            socket,
            file: file.clone(),
        };
        Ok(sockets.into_iter().map(give).collect())
    }
}

/// A listening socket of one worker. It outlives the worker's event loop, so that no queued connection is lost when a loop
/// is replaced; the port is free again when every worker has dropped its own.
#[derive(Debug)]
pub struct ListenSocket {
    socket: OwnedFd,
    /// The file of a Unix socket, which goes with the last of its sockets; none: TCP.
    file: Option<Arc<SocketFile>>,
}

impl ListenSocket {
    /// The socket, registered with the event loop this is called in.
    ///
    /// # Errors
    /// When descriptors run out or there is no event loop.
    pub fn acceptor(&self) -> io::Result<Acceptor> {
        let socket = self.socket.try_clone()?;
        if self.file.is_some() {
            UnixListener::from_std(unix::UnixListener::from(socket)).map(Acceptor::Unix)
        } else {
            TcpListener::from_std(std::net::TcpListener::from(socket)).map(Acceptor::Tcp)
        }
    }

    /// The next connection that the system has accepted already, without waiting and without asking the event loop.
    ///
    /// # Errors
    /// `WouldBlock` when there is none.
    pub fn try_accept(&self) -> io::Result<(Stream, Origin)> {
        let (socket, from) = SockRef::from(&self.socket).accept()?;
        socket.set_nonblocking(true)?;
        match from.as_socket() {
            Some(from) => {
                let stream = TcpStream::from_std(socket.into())?;
                Ok((Stream::Tcp(stream), Origin::Ip(from)))
            }
            None => {
                let stream = UnixStream::from_std(socket.into())?;
                Ok((Stream::Unix(stream), Origin::Unix))
            }
        }
    }
}

/// The file of a Unix socket, by path, device and inode: only the one that we made is removed again.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.identity);
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A listening socket of one worker.
#[derive(Debug)]
pub enum Acceptor {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

impl Acceptor {
    /// The next connection. `TCP_NODELAY` is inherited from the listening socket, which saves a call per connection.
    ///
    /// # Errors
    /// What the operating system says: of this connection (`ConnectionAborted`) or of the process (descriptors).
    pub async fn accept(&self) -> io::Result<(Stream, Origin)> {
        match self {
            Self::Tcp(listener) => listener
                .accept()
                .await
                .map(|(stream, from)| (Stream::Tcp(stream), Origin::Ip(from))),
            Self::Unix(listener) => listener
                .accept()
                .await
                .map(|(stream, _)| (Stream::Unix(stream), Origin::Unix)),
        }
    }
}

/// A socket for `address`, or, where the system has no IPv6, for every IPv4 address instead of every address.
fn first_socket(address: SocketAddr) -> io::Result<(Socket, SocketAddr)> {
    match tcp_socket(address) {
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() => {
            let every = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            tcp_socket(every)
                .map(|socket| (socket, every))
                .map_err(|_| error)
        }
        socket => socket.map(|socket| (socket, address)),
    }
}

fn tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    // Without this a restart fails for a minute while old connections sit in TIME_WAIT. It does not let two listen.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]:80` serves IPv4 as well, whatever the system's default is.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    SockRef::from(&socket).set_tcp_nodelay(true)?;
    Ok(socket)
}

fn join(address: SocketAddr) -> io::Result<Socket> {
    let socket = tcp_socket(address)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    fn loopback() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[test]
    fn workers_share_a_port_and_a_stranger_is_refused() {
        let listener = Listener::bind_ip(loopback(), 4).unwrap();
        assert_eq!(listener.sockets.len(), 4);
        let address = listener.ip().unwrap();
        for workers in [1, 4] {
            let error = Listener::bind_ip(address, workers).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        }
        let sockets = listener.into_sockets(4).unwrap();
        drop(sockets);
        let one = Listener::bind_ip(address, 2).unwrap();
        assert_eq!(one.into_sockets(2).unwrap().len(), 2);
    }

    #[test]
    fn every_address_is_ipv4_and_ipv6() {
        let every = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let listener = Listener::bind_ip(every, 1).unwrap();
        let port = listener.ip().unwrap().port();
        std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    }

    #[test]
    fn a_stale_unix_socket_is_replaced_a_live_one_is_not() {
        let path =
            std::env::temp_dir().join(format!("evenkeel-listen-{}.sock", std::process::id()));
        let listener = Listener::bind_unix(&path).unwrap();
        assert_eq!(
            Listener::bind_unix(&path).unwrap_err().kind(),
            io::ErrorKind::AddrInUse
        );
        drop(listener);
        assert!(!path.exists());
        drop(unix::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(Listener::bind_unix(&path).unwrap());
        fs::write(&path, b"").unwrap();
        assert_eq!(
            Listener::bind_unix(&path).unwrap_err().kind(),
            io::ErrorKind::AddrInUse
        );
        fs::remove_file(&path).unwrap();
    }
}
