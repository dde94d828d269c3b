//! Addresses where nothing, or nothing good, listens.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::stream::loopback;

/// A port that is taken but refuses connections: bound, not listening. Nobody else can get it meanwhile.
#[derive(Debug)]
pub struct DeadAddress {
    socket: Socket,
    port: u16,
}

impl DeadAddress {
    /// A free port.
    #[must_use]
    pub fn new() -> Self {
        Self::on(0)
    }

    /// This port.
    ///
    /// # Panics
    /// When it is taken.
    #[must_use]
    pub fn on(port: u16) -> Self {
        let socket = bound(port);
        let port = port_of(&socket);
        Self { socket, port }
    }

    /// The address as a configuration has it.
    #[must_use]
    pub fn address(&self) -> String {
        self.socket_address().to_string()
    }

    /// The address.
    #[must_use]
    pub fn socket_address(&self) -> SocketAddr {
        loopback(self.port)
    }

    /// Gives the port up.
    pub(crate) fn release(self) -> SocketAddr {
        let address = self.socket_address();
        drop(self.socket);
        address
    }
}

impl Default for DeadAddress {
    fn default() -> Self {
        Self::new()
    }
}

/// An address whose connections are neither accepted nor refused: it listens with a queue that is full, so the system
/// drops what comes.
#[derive(Debug)]
pub struct BlackHole {
    _socket: Socket,
    _queued: Vec<TcpStream>,
    port: u16,
}

impl BlackHole {
    /// A new one.
    ///
    /// # Panics
    /// When the queue does not fill.
    #[must_use]
    pub fn new() -> Self {
        let socket = bound(0);
        socket.listen(0).expect("a bound socket can listen");
        let port = port_of(&socket);
        let mut queued = Vec::new();
        let brief = Duration::from_millis(50);
        while let Ok(stream) = TcpStream::connect_timeout(&loopback(port), brief) {
            queued.push(stream);
            assert!(queued.len() < 100, "a queue of length 0 does not fill");
        }
        Self {
            _socket: socket,
            _queued: queued,
            port,
        }
    }

    /// The address as a configuration has it.
    #[must_use]
    pub fn address(&self) -> String {
        loopback(self.port).to_string()
    }
}

impl Default for BlackHole {
    fn default() -> Self {
        Self::new()
    }
}

fn bound(port: u16) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
    // An earlier life of the port may have left connections in TIME_WAIT. Only while binding, though: among sockets that
    // allow reuse, the system may give the port of one that does not listen to the next that asks for any.
    socket
        .set_reuse_address(port != 0)
        .expect("an address can be reused");
    socket
        .bind(&loopback(port).into())
        .expect("the port is free");
    socket
        .set_reuse_address(false)
        .expect("an address can be kept");
    socket
}

fn port_of(socket: &Socket) -> u16 {
    let address = socket.local_addr().ok().and_then(|a| a.as_socket());
    address.expect("a bound socket has an address").port()
}
