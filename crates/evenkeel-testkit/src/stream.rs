//! One connected socket, TCP, TLS or Unix, with the few things that tests do to sockets.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;

use crate::ends::HangUp;
use crate::tls::Handshake;
use crate::tls::socket::TlsSocket;

/// A connected socket. Reading and writing take `&self`, so that two threads may share it.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP, without Nagle's delay: one write is one packet.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(UnixStream),
    /// With TLS, over TCP.
    Tls(Box<TlsSocket>),
}

impl Stream {
    /// A connected TCP socket.
    ///
    /// # Errors
    /// When the socket refuses the option.
    pub fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    /// This side of TLS on a TCP socket; the handshake is done with the first byte in either direction.
    ///
    /// # Errors
    /// When it is no TCP socket.
    pub(crate) fn secured(self, connection: rustls::Connection) -> io::Result<Self> {
        match self {
            Self::Tcp(tcp) => Ok(Self::Tls(Box::new(TlsSocket::new(tcp, connection)))),
            _ => Err(io::Error::other("TLS is spoken over TCP here")),
        }
    }

    /// Does the handshake of TLS now, and says what was agreed on.
    ///
    /// # Errors
    /// When it fails, or there is no TLS.
    pub(crate) fn handshake(&self) -> io::Result<Handshake> {
        match self {
            Self::Tls(tls) => tls.handshake(),
            Self::Tcp(_) | Self::Unix(_) => Err(io::Error::other("there is no TLS here")),
        }
    }

    /// What was agreed on, where there is TLS.
    pub(crate) fn agreed(&self) -> Option<Handshake> {
        match self {
            Self::Tls(tls) => tls.agreed(),
            Self::Tcp(_) | Self::Unix(_) => None,
        }
    }

    /// Makes the end of TLS come without the goodbye that tells it from a cut.
    pub(crate) fn no_goodbye(&self) {
        if let Self::Tls(tls) = self {
            tls.no_goodbye();
        }
    }

    /// The longest that one read waits.
    ///
    /// # Errors
    /// When the socket refuses the option.
    pub fn read_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(timeout)),
            Self::Unix(stream) => stream.set_read_timeout(Some(timeout)),
            Self::Tls(stream) => stream.tcp().set_read_timeout(Some(timeout)),
        }
    }

    /// The longest that one write waits.
    ///
    /// # Errors
    /// When the socket refuses the option.
    pub fn write_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_write_timeout(Some(timeout)),
            Self::Unix(stream) => stream.set_write_timeout(Some(timeout)),
            Self::Tls(stream) => stream.tcp().set_write_timeout(Some(timeout)),
        }
    }

    /// Reads what is there, waiting for the first byte of it.
    ///
    /// # Errors
    /// As the socket says.
    pub fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match self {
                Self::Tcp(stream) => (&*stream).read(into),
                Self::Unix(stream) => (&*stream).read(into),
                Self::Tls(stream) => stream.read(into),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// As the socket says.
    pub fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => (&*stream).write_all(bytes),
            Self::Unix(stream) => (&*stream).write_all(bytes),
            Self::Tls(stream) => stream.write_all(bytes),
        }
    }

    /// Ends one direction, or both.
    pub fn shutdown(&self, how: Shutdown) {
        // It may have ended already, which is what was wanted.
        drop(match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Unix(stream) => stream.shutdown(how),
            Self::Tls(stream) => {
                stream.shutdown(how);
                Ok(())
            }
        });
    }

    /// Makes the coming close a reset: the other side loses what it has not read yet.
    ///
    /// # Errors
    /// When the socket refuses the option.
    pub fn reset_on_close(&self) -> io::Result<()> {
        self.no_goodbye();
        self.socket().set_linger(Some(Duration::ZERO))
    }

    /// Makes the kernel hold few received bytes, so that a reader that is slow shows at once.
    ///
    /// # Errors
    /// When the socket refuses the option.
    pub fn small_receive_buffer(&self) -> io::Result<()> {
        self.socket().set_recv_buffer_size(4096)
    }

    fn socket(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(stream) => SockRef::from(stream),
            Self::Unix(stream) => SockRef::from(stream),
            Self::Tls(stream) => SockRef::from(stream.tcp()),
        }
    }
}

/// The sending half of a connection, for a thread of its own.
#[derive(Debug)]
pub struct Sender {
    stream: Arc<Stream>,
}

impl Sender {
    pub(crate) fn new(stream: &Arc<Stream>) -> Self {
        Self {
            stream: Arc::clone(stream),
        }
    }

    /// Sends these bytes; `false` when the connection is gone.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }
}

impl HangUp for Stream {
    fn hang_up(&self) {
        self.shutdown(Shutdown::Both);
    }
}

/// This port of this host.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
