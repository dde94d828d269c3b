//! Addresses where nothing, or nothing good, listens.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::port::Port;

/// A port that is taken but refuses connections: bound, not listening. Nobody else can get it meanwhile.
#[derive(Debug)]
pub struct DeadAddress {
    port: Port,
}

impl DeadAddress {
    /// A free port.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn new() -> Self {
        Self {
            port: Port::free().expect("a port is free"),
        }
    }

    /// What is left of an origin.
    pub(crate) fn on(port: Port) -> Self {
        port.keep().expect("a port can be kept");
        Self { port }
    }

    /// For an origin that begins.
    pub(crate) fn into_port(self) -> Port {
        self.port
    }

    /// The address as a configuration has it.
    #[must_use]
    pub fn address(&self) -> String {
        self.socket_address().to_string()
    }

    /// The address.
    #[must_use]
    pub fn socket_address(&self) -> SocketAddr {
        self.port.address()
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
    port: Port,
    _queued: Vec<TcpStream>,
}

impl BlackHole {
    /// A new one.
    ///
    /// # Panics
    /// When the queue does not fill.
    #[must_use]
    pub fn new() -> Self {
        let port = Port::free().expect("a port is free");
        port.listen_with_full_queue()
            .expect("a bound socket can listen");
        let mut queued = Vec::new();
        let brief = Duration::from_millis(50);
        while let Ok(stream) = TcpStream::connect_timeout(&port.address(), brief) {
            queued.push(stream);
            assert!(queued.len() < 100, "a queue of length 0 does not fill");
        }
        Self {
            port,
            _queued: queued,
        }
    }

    /// The address as a configuration has it.
    #[must_use]
    pub fn address(&self) -> String {
        self.port.address().to_string()
    }
}

impl Default for BlackHole {
    fn default() -> Self {
        Self::new()
    }
}
