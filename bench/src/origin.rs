//! The origin: canned responses by path from one epoll loop, at a fraction of what any proxy costs.
//!
//! `…/b/N` answers with N bytes and a length, `…/c/N` with N bytes in chunks, whatever stands before the last two
//! segments; everything else is a 404. Bodies of requests are read, framed and thrown away. It does not answer
//! `Expect: 100-continue`, and a request that it cannot frame ends the connection.

mod answers;
mod connection;

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use crate::poll::{Event, Poll};
use crate::slab::Slab;
use crate::socket;
use connection::{Connection, Desk, Turn};

/// Tokens from here on are listening sockets; a connection's token never gets there.
const LISTENERS: u64 = u64::MAX << 16;

/// The whole program.
#[derive(Debug)]
pub struct Origin {
    poll: Poll,
    listeners: Vec<OwnedFd>,
    ports: Vec<u16>,
    connections: Slab<Connection>,
    desk: Desk,
}

impl Origin {
    /// Listens on every port of `address`.
    ///
    /// # Errors
    ///
    /// Fails when a port is taken.
    pub fn bind(address: Ipv4Addr, ports: &[u16]) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listeners = Vec::new();
        let mut bound = Vec::new();
        for (port, token) in ports.iter().zip(LISTENERS..) {
            let (listener, port) = socket::listen(address, *port)?;
            socket::use_reno(&listener)?;
            poll.watch_input(&listener, token)?;
            listeners.push(listener);
            bound.push(port);
        }
        Ok(Self {
            poll,
            listeners,
            ports: bound,
            connections: Slab::default(),
            desk: Desk::default(),
        })
    }

    /// The ports it listens on.
    #[must_use]
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Answers until the process ends.
    ///
    /// # Errors
    ///
    /// Fails when epoll does.
    pub fn run(&mut self) -> io::Result<()> {
        let mut events = Vec::new();
        let mut again = Vec::new();
        loop {
            let timeout = (!again.is_empty()).then_some(std::time::Duration::ZERO);
            self.poll.wait(&mut events, timeout)?;
            for token in std::mem::take(&mut again) {
                self.drive(token, &mut again);
            }
            for event in &events {
                self.handle(event, &mut again);
            }
        }
    }

    fn handle(&mut self, event: &Event, again: &mut Vec<u64>) {
        let token = event.data.u64();
        if let Some(listener) = token.checked_sub(LISTENERS) {
            self.accept(usize::try_from(listener).unwrap_or(usize::MAX));
            return;
        }
        if let Some(connection) = self.connections.get_mut(token) {
            connection.note(event);
            self.drive(token, again);
        }
    }

    fn accept(&mut self, listener: usize) {
        while let Some(fd) = self.listeners.get(listener).and_then(socket::accept) {
            let poll = &self.poll;
            // A connection that cannot be watched is dropped, and its client sees it closed.
            let _ = self.connections.insert(|token| {
                poll.watch(&fd, token)?;
                Ok::<_, io::Error>(Connection::new(fd))
            });
        }
    }

    fn drive(&mut self, token: u64, again: &mut Vec<u64>) {
        let Some(connection) = self.connections.get_mut(token) else {
            return;
        };
        match connection.drive(&mut self.desk) {
            Turn::Waiting => {}
            Turn::Again => again.push(token),
            Turn::Over => drop(self.connections.remove(token)),
        }
    }
}
