//! TCP sockets that never block: listen, accept, connect, read, write.
//!
//! Thin on purpose: one system call per function, and the three things that can come of it by name.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, SocketFlags, SocketType, ipproto,
    sockopt,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What came of a read or a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// So many bytes went over.
    Bytes(usize),
    /// Nothing now; epoll will tell.
    Blocked,
    /// The other side is done, in good order.
    Ended,
    /// The connection is broken.
    Failed,
}

/// As long as the system permits (`net.core.somaxconn`): a connection refused for want of room would be our mistake.
const BACKLOG: i32 = 65_535;

/// Listens on a port of one address; 0 lets the system choose. What it accepts has `TCP_NODELAY`, which a connection
/// inherits from its listening socket.
///
/// # Errors
///
/// Fails when the port is taken.
pub fn listen(address: Ipv4Addr, port: u16) -> io::Result<(OwnedFd, u16)> {
    let fd = stream_socket()?;
    sockopt::set_socket_reuseaddr(&fd, true)?;
    sockopt::set_tcp_nodelay(&fd, true)?;
    rustix::net::bind(&fd, &SocketAddrV4::new(address, port))?;
    rustix::net::listen(&fd, BACKLOG)?;
    let bound = SocketAddr::try_from(rustix::net::getsockname(&fd)?)?;
    Ok((fd, bound.port()))
}

/// Takes the plainest congestion control for a socket and what it accepts, which no proxy sees: loopback is never
/// congested, and a system default that paces (BBR) arms a timer for what we send and takes some of our core.
///
/// # Errors
///
/// Fails when the system has no `reno`, which every Linux has.
pub fn use_reno(fd: &OwnedFd) -> io::Result<()> {
    Ok(sockopt::set_tcp_congestion(fd, "reno")?)
}

/// The next waiting connection; none when none waits, or when the process is out of descriptors and it has to go on
/// waiting.
#[must_use]
pub fn accept(listener: &OwnedFd) -> Option<OwnedFd> {
    loop {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        match rustix::net::accept_with(listener, flags) {
            Ok(fd) => return Some(fd),
            Err(Errno::INTR | Errno::CONNABORTED) => {}
            Err(_) => return None,
        }
    }
}

/// Begins to connect; a write tells whether it succeeded.
///
/// # Errors
///
/// Fails when the system refuses at once.
pub fn connect(address: SocketAddrV4) -> io::Result<OwnedFd> {
    let fd = stream_socket()?;
    sockopt::set_tcp_nodelay(&fd, true)?;
    match rustix::net::connect(&fd, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(fd),
        Err(error) => Err(error.into()),
    }
}

/// Reads once.
#[inline]
pub fn read(fd: &OwnedFd, buffer: &mut [u8]) -> Moved {
    receive(fd, buffer, RecvFlags::empty())
}

/// Reads once and throws away: the kernel counts the bytes and copies none (`MSG_TRUNC` of tcp(7)). The content of
/// `buffer`, whose length is the most that is taken, is left as it was.
#[inline]
pub fn discard(fd: &OwnedFd, buffer: &mut [u8]) -> Moved {
    receive(fd, buffer, RecvFlags::TRUNC)
}

/// Writes once, as much as the socket takes of both slices.
#[inline]
pub fn write(fd: &OwnedFd, first: &[u8], second: &[u8]) -> Moved {
    let sent = if second.is_empty() {
        rustix::net::send(fd, first, SendFlags::NOSIGNAL)
    } else {
        let slices = [IoSlice::new(first), IoSlice::new(second)];
        let mut control = SendAncillaryBuffer::default();
        rustix::net::sendmsg(fd, &slices, &mut control, SendFlags::NOSIGNAL)
    };
    match sent {
        Ok(n) => Moved::Bytes(n),
        Err(Errno::AGAIN) => Moved::Blocked,
        Err(Errno::INTR) => write(fd, first, second),
        Err(_) => Moved::Failed,
    }
}

/// Lets this process have as many descriptors as it may at most.
///
/// # Errors
///
/// Fails when the system refuses.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    Ok(setrlimit(Resource::Nofile, raised)?)
}

fn stream_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (family, kind) = (AddressFamily::INET, SocketType::STREAM);
    Ok(rustix::net::socket_with(
        family,
        kind,
        flags,
        Some(ipproto::TCP),
    )?)
}

#[inline]
fn receive(fd: &impl AsFd, buffer: &mut [u8], flags: RecvFlags) -> Moved {
    match rustix::net::recv(fd, &mut *buffer, flags) {
        Ok((_, 0)) => Moved::Ended,
        Ok((_, n)) => Moved::Bytes(n),
        Err(Errno::AGAIN) => Moved::Blocked,
        Err(Errno::INTR) => receive(fd, buffer, flags),
        Err(_) => Moved::Failed,
    }
}
