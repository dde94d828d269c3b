//! Listening sockets: one exclusive bind, then one socket per worker where the system can share a port.
//!
//! The first socket is bound without `SO_REUSEPORT` and only gets it once it listens. So a second evenkeel on the same
//! port is an error and not a silent half of the traffic, while the sockets of the other workers may join.
//!
//! Sockets may also come from another process: the one before this one, or the system's init. [`inherit`] says how.

pub mod inherit;

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net as unix;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use self::inherit::{Lease, Owner};
use crate::stream::{Origin, Stream};

/// The connections that may wait to be accepted, per socket. The kernel caps it at `net.core.somaxconn` (4,096 by default).
const BACKLOG: i32 = 4096;

/// A bound address with one socket per worker, or one that all workers share. One that was inherited has as many as it had.
#[derive(Debug)]
pub struct Listener {
    address: Bound,
    sockets: Vec<OwnedFd>,
    /// What workers accept by, where that was made ahead.
    acceptors: Vec<OwnedFd>,
    owner: Owner,
    /// It was another process's, and is to be ours.
    is_taken_over: bool,
}

#[derive(Debug)]
enum Bound {
    Ip(SocketAddr),
    /// With the file, when it is ours to remove.
    Unix(PathBuf, Option<SocketFile>),
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
            acceptors: Vec::new(),
            owner: Owner::Us,
            is_taken_over: false,
        })
    }

    /// Binds a Unix socket at `path`. A socket file that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// `AddrInUse` when a process listens there or something else than a socket has that name.
    pub fn bind_unix(path: &Path) -> io::Result<Self> {
        Self::bind_unix_as(path, None)
    }

    /// The same with a socket that only its owner may open.
    ///
    /// # Errors
    /// As [`Listener::bind_unix`].
    pub fn bind_private(path: &Path) -> io::Result<Self> {
        Self::bind_unix_as(path, Some(0o600))
    }

    fn bind_unix_as(path: &Path, mode: Option<u32>) -> io::Result<Self> {
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
        let address = SockAddr::unix(path)?;
        let socket = match mode {
            None => {
                socket.bind(&address)?;
                socket
            }
            Some(mode) => bind_with_mode(socket, &address, path, mode)?,
        };
        socket.listen(BACKLOG)?;
        let file = SocketFile::at(path)?;
        Ok(Self {
            address: Bound::Unix(path.to_path_buf(), Some(file)),
            sockets: vec![socket.into()],
            acceptors: Vec::new(),
            owner: Owner::Us,
            is_taken_over: false,
        })
    }

    /// The address, with the port the system chose; `unix:/path` for a Unix socket.
    #[must_use]
    pub fn address(&self) -> String {
        match &self.address {
            Bound::Ip(address) => address.to_string(),
            Bound::Unix(path, _) => format!("unix:{}", path.display()),
        }
    }

    /// The IP address and port, when it has one.
    #[must_use]
    pub const fn ip(&self) -> Option<SocketAddr> {
        match &self.address {
            Bound::Ip(address) => Some(*address),
            Bound::Unix(..) => None,
        }
    }

    /// Makes what so many workers need to accept by it, so that they cannot fail to: a socket that listens and that nobody accepts
    /// by keeps its share of those who connect.
    ///
    /// # Errors
    /// When descriptors run out.
    pub fn with_acceptors(mut self, workers: usize) -> io::Result<Self> {
        let number = self.sockets.len().max(workers);
        let sockets = self.sockets.iter().cycle().take(number);
        self.acceptors = sockets.map(OwnedFd::try_clone).collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// Sockets for `workers` workers, the first for the first worker and so on, and from the start again: where there are more
    /// sockets than workers (an inherited listener has as many as it had), a worker has several; where there are fewer,
    /// workers share them.
    #[must_use]
    pub fn into_sockets(mut self, workers: usize) -> Vec<ListenSocket> {
        if self.is_taken_over {
            self.take_over(workers);
        }
        let owner = self.owner;
        let (is_unix, file) = match self.address {
            Bound::Ip(_) => (false, None),
            Bound::Unix(_, file) => (true, file.map(Arc::new)),
        };
        let own = self.sockets.into_iter().map(|socket| {
            Arc::new(Held {
                socket,
                owner,
                is_unix,
                file: file.clone(),
                handed_over: AtomicBool::new(false),
            })
        });
        let own: Vec<Arc<Held>> = own.collect();
        let number = own.len().max(workers);
        let mut acceptors = self.acceptors.into_iter();
        let shared = own.iter().cycle().take(number);
        let shared = shared.map(|held| ListenSocket {
            held: Arc::clone(held),
            acceptor: Mutex::new(acceptors.next()),
        });
        shared.collect()
    }
}

/// A listening socket of one worker. It outlives the worker's event loop, so that no queued connection is lost when a loop
/// is replaced; the port is free again when every worker has dropped its own.
#[derive(Debug)]
pub struct ListenSocket {
    held: Arc<Held>,
    /// What was made ahead to accept by it; none: it was not, or is in use.
    acceptor: Mutex<Option<OwnedFd>>,
}

/// A listening socket, whoever shares it.
#[derive(Debug)]
struct Held {
    socket: OwnedFd,
    owner: Owner,
    is_unix: bool,
    /// The file of a Unix socket that is ours; it goes with the last of its sockets.
    file: Option<Arc<SocketFile>>,
    /// Another process accepts by it: what is queued is that one's.
    handed_over: AtomicBool,
}

impl ListenSocket {
    /// The socket, registered with the event loop this is called in.
    ///
    /// # Errors
    /// When descriptors run out or there is no event loop.
    pub fn acceptor(&self) -> io::Result<Acceptor> {
        let ahead = self
            .acceptor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let socket = match ahead {
            Some(socket) => socket,
            None => self.held.socket.try_clone()?,
        };
        if self.held.is_unix {
            UnixListener::from_std(unix::UnixListener::from(socket)).map(Acceptor::Unix)
        } else {
            TcpListener::from_std(std::net::TcpListener::from(socket)).map(Acceptor::Tcp)
        }
    }

    /// A number that no other open socket of this process has; workers that share one have the same.
    #[must_use]
    pub fn number(&self) -> RawFd {
        self.held.socket.as_raw_fd()
    }

    /// Whether another process has it as well by now: what is queued on it is not ours to take.
    #[must_use]
    pub fn is_handed_over(&self) -> bool {
        self.held.handed_over.load(Ordering::Acquire)
    }

    /// A way to hand it to another process, for as long as it is open.
    #[must_use]
    pub fn lease(&self) -> Lease {
        Lease::new(&self.held)
    }

    /// The next connection that the system has accepted already, without waiting and without asking the event loop.
    ///
    /// # Errors
    /// `WouldBlock` when there is none.
    pub fn try_accept(&self) -> io::Result<(Stream, Origin)> {
        let (socket, from) = SockRef::from(&self.held.socket).accept()?;
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
    /// It is another process's to remove.
    handed_over: AtomicBool,
}

impl SocketFile {
    /// The one that is there.
    fn at(path: &Path) -> io::Result<Self> {
        let made = fs::symlink_metadata(path)?;
        Ok(Self {
            path: path.to_path_buf(),
            identity: (made.dev(), made.ino()),
            handed_over: AtomicBool::new(false),
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if *self.handed_over.get_mut() {
            return;
        }
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

/// Binds a Unix socket whose file has this mode from its first moment on: on Linux it takes that of the socket. Where it does
/// not, the mode is set afterwards, before anybody is listened to.
fn bind_with_mode(
    socket: Socket,
    address: &SockAddr,
    path: &Path,
    mode: u32,
) -> io::Result<Socket> {
    let mode = fs::Permissions::from_mode(mode);
    let as_file = fs::File::from(OwnedFd::from(socket));
    let _ = as_file.set_permissions(mode.clone());
    let socket = Socket::from(OwnedFd::from(as_file));
    socket.bind(address)?;
    fs::set_permissions(path, mode)?;
    Ok(socket)
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
        let sockets = listener.into_sockets(4);
        drop(sockets);
        let one = Listener::bind_ip(address, 2).unwrap();
        assert_eq!(one.into_sockets(2).len(), 2);
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
        let private = Listener::bind_private(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(private);
        assert!(!path.exists());
    }
}
