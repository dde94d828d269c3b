//! The lower floor: a bare relay on epoll, as little as forwards HTTP/1.1 rightly.
//!
//! Heads are framed and passed on without the lines about the connection, bodies by length or with their chunks as they
//! are; origins take turns, and connections are kept on both sides. Reading stops while the other side does not take
//! what was read. There are no features: no timeout, no limit, no retry, no counter, no log; what cannot be understood
//! closes both connections.

mod connection;

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

use crate::body::Body;
use crate::head::{self, Framing, Malformed};
use crate::poll::{Event, Poll, is_dead, is_writable};
use crate::slab::Slab;
use crate::socket::{self, Moved};
use connection::{Connection, Reading, Side};

/// Read at once.
const INPUT: usize = 64 * 1024;

/// Up to here a body is copied behind its head, so that both leave in one plain write.
const JOIN: usize = 4 * 1024;

const LISTENER: u64 = u64::MAX;

/// The whole program.
#[derive(Debug)]
pub struct Relay {
    poll: Poll,
    listener: OwnedFd,
    port: u16,
    origins: Vec<Origin>,
    /// Whose turn it is.
    next: usize,
    connections: Slab<Connection>,
    input: Vec<u8>,
    output: Vec<u8>,
}

/// An origin, and the connections to it that wait for a request.
#[derive(Debug)]
struct Origin {
    address: SocketAddrV4,
    idle: Vec<u64>,
}

/// What follows from a step.
enum Next {
    /// The same connection may have more.
    Same,
    /// An event will continue.
    Wait,
    /// The response has ended: both are free.
    Done,
    /// Neither connection can be used any more.
    Abort,
}

impl Relay {
    /// Listens on a port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// Fails when the port is taken.
    pub fn bind(port: u16, origins: &[u16]) -> io::Result<Self> {
        let poll = Poll::new()?;
        let (listener, port) = socket::listen(Ipv4Addr::LOCALHOST, port)?;
        poll.watch_input(&listener, LISTENER)?;
        let origins = origins.iter().map(|port| Origin {
            address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, *port),
            idle: Vec::new(),
        });
        Ok(Self {
            poll,
            listener,
            port,
            origins: origins.collect(),
            next: 0,
            connections: Slab::default(),
            input: vec![0; INPUT],
            output: Vec::with_capacity(INPUT),
        })
    }

    /// The port it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Relays until the process ends.
    ///
    /// # Errors
    ///
    /// Fails when epoll does.
    pub fn run(&mut self) -> io::Result<()> {
        let mut events = Vec::new();
        loop {
            self.poll.wait(&mut events, None)?;
            for event in &events {
                match event.data.u64() {
                    LISTENER => self.accept(),
                    token => self.handle(token, event),
                }
            }
        }
    }

    fn accept(&mut self) {
        while let Some(fd) = socket::accept(&self.listener) {
            // A connection that cannot be watched is dropped, and its client sees it closed.
            let _ = self.open(fd, Side::Client);
        }
    }

    fn open(&mut self, fd: OwnedFd, side: Side) -> io::Result<u64> {
        let poll = &self.poll;
        self.connections.insert(|token| {
            poll.watch(&fd, token)?;
            Ok(Connection::new(fd, side))
        })
    }

    fn handle(&mut self, token: u64, event: &Event) {
        let Some(connection) = self.connections.get_mut(token) else {
            return;
        };
        connection.interest.note(event);
        if is_dead(event) && connection.side == Side::Client {
            return self.abort(token);
        }
        if is_writable(event) && connection.is_writing() {
            let moved = connection.flush();
            let source = connection.other;
            match moved {
                Moved::Ended | Moved::Failed => return self.abort(token),
                Moved::Bytes(_) | Moved::Blocked if connection.is_writing() => {}
                Moved::Bytes(_) | Moved::Blocked => match source {
                    // What had stopped because this connection did not take it goes on.
                    Some(source) => self.pump(source),
                    None if connection.is_last => return self.abort(token),
                    None => {}
                },
            }
        }
        self.pump(token);
    }

    /// Moves what there is from a connection to the other one.
    fn pump(&mut self, mut token: u64) {
        loop {
            match self.step(token).unwrap_or(Next::Abort) {
                Next::Same => {}
                Next::Wait => return,
                Next::Done => match self.finish(token) {
                    // The client may have sent its next request already.
                    Some(client) => token = client,
                    None => return,
                },
                Next::Abort => return self.abort(token),
            }
        }
    }

    /// Reads once, if there is a reason to, and passes on what came.
    fn step(&mut self, token: u64) -> Result<Next, Malformed> {
        let Some(from) = self.connections.get_mut(token) else {
            return Ok(Next::Wait);
        };
        let (side, other) = (from.side, from.other);
        let has_kept = !from.kept.is_empty() && !from.is_cut;
        if from.reading == Reading::Nothing || !(has_kept || from.interest.readable) {
            return Ok(Next::Wait);
        }
        match other.and_then(|other| self.connections.get_mut(other)) {
            Some(to) if to.is_writing() => return Ok(Next::Wait),
            None if side != Side::Client => return Ok(Next::Abort),
            Some(_) | None => {}
        }
        let Some(from) = self.connections.get_mut(token) else {
            return Ok(Next::Wait);
        };
        let mut input = std::mem::take(&mut self.input);
        let next = if has_kept {
            let kept = std::mem::take(&mut from.kept);
            self.pass(token, &kept)
        } else {
            let moved = socket::read(&from.fd, &mut input);
            from.interest.has_read(moved, input.len());
            match moved {
                Moved::Bytes(n) if from.kept.is_empty() => self.pass(token, &input[..n]),
                Moved::Bytes(n) => {
                    let mut kept = std::mem::take(&mut from.kept);
                    kept.extend_from_slice(&input[..n]);
                    self.pass(token, &kept)
                }
                Moved::Blocked => Ok(Next::Wait),
                Moved::Ended if from.reading.may_end() => Ok(Next::Done),
                Moved::Ended | Moved::Failed => Ok(Next::Abort),
            }
        };
        self.input = input;
        next
    }

    /// Passes on one piece: a head and what is there of its body, or more of the body. The rest is kept.
    fn pass(&mut self, token: u64, bytes: &[u8]) -> Result<Next, Malformed> {
        self.output.clear();
        let Some(from) = self.connections.get_mut(token) else {
            return Ok(Next::Wait);
        };
        let at = match from.reading {
            Reading::Head if from.side == Side::Client => self.read_request(token, bytes)?,
            Reading::Head => self.read_response(token, bytes)?,
            Reading::Body(_) => Some(0),
            Reading::Nothing => None,
        };
        let Some(from) = self.connections.get_mut(token) else {
            return Ok(Next::Wait);
        };
        let Some(at) = at else {
            from.keep(bytes, true);
            return Ok(Next::Same);
        };
        let rest = &bytes[at..];
        let (n, is_done) = match &mut from.reading {
            Reading::Body(body) => (body.advance(rest)?, body.is_done()),
            // Behind an interim response the next head is read.
            Reading::Head | Reading::Nothing => (0, false),
        };
        let (body, behind) = rest.split_at(n);
        from.keep(behind, false);
        let other = from.other.ok_or(Malformed)?;
        let Some((from, to)) = self.connections.pair_mut(token, other) else {
            return Ok(Next::Abort);
        };
        let sent = if self.output.is_empty() {
            to.send(body, &[])
        } else if n <= JOIN {
            self.output.extend_from_slice(body);
            to.send(&self.output, &[])
        } else {
            to.send(&self.output, body)
        };
        match (sent, from.side) {
            (Moved::Ended | Moved::Failed, _) => Ok(Next::Abort),
            (_, Side::Client) if is_done => {
                from.reading = Reading::Nothing;
                Ok(Next::Wait)
            }
            (_, Side::Origin(_)) if is_done => Ok(Next::Done),
            _ => Ok(Next::Same),
        }
    }

    /// Reads a request's head, finds it an origin, and puts what that is to get into `output`. Gives the head's length.
    fn read_request(&mut self, token: u64, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        let Some(head) = head::request(bytes)? else {
            return Ok(None);
        };
        let other = self.obtain().map_err(|_| Malformed)?;
        let (from, to) = self.connections.pair_mut(token, other).ok_or(Malformed)?;
        from.reading = Reading::Body(Body::new(head.framing));
        from.is_last = !head.keep_alive;
        from.other = Some(other);
        to.reading = Reading::Head;
        to.answers_head = head.is_head;
        to.other = Some(token);
        head.hops.copy_rest(&bytes[..head.len], &mut self.output);
        self.output.extend_from_slice(b"\r\n");
        Ok(Some(head.len))
    }

    /// Reads a response's head and puts what the client is to get into `output`. Gives the head's length.
    fn read_response(&mut self, token: u64, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        let other = self.connections.get_mut(token).and_then(|from| from.other);
        let other = other.ok_or(Malformed)?;
        let (from, to) = self.connections.pair_mut(token, other).ok_or(Malformed)?;
        let Some(head) = head::response(bytes, from.answers_head)? else {
            return Ok(None);
        };
        head.hops.copy_rest(&bytes[..head.len], &mut self.output);
        if head.status == 101 {
            return Err(Malformed);
        }
        if head.status >= 200 {
            from.reading = Reading::Body(Body::new(head.framing));
            from.is_last = !head.keep_alive;
            to.is_last |= head.framing == Framing::UntilClose;
            if to.is_last {
                self.output.extend_from_slice(b"Connection: close\r\n");
            }
        }
        self.output.extend_from_slice(b"\r\n");
        Ok(Some(head.len))
    }

    /// A connection to the origin whose turn it is: the one that was used last, or a new one.
    fn obtain(&mut self) -> io::Result<u64> {
        let turn = self.next;
        self.next = (turn + 1) % self.origins.len();
        if let Some(token) = self.origins[turn].idle.pop() {
            return Ok(token);
        }
        let fd = socket::connect(self.origins[turn].address)?;
        self.open(fd, Side::Origin(turn))
    }

    /// Separates an origin and its client after a response; gives the client when it may go on.
    fn finish(&mut self, token: u64) -> Option<u64> {
        let origin = self.connections.get_mut(token)?;
        let can_stay = !origin.is_last && origin.kept.is_empty();
        let client = origin.other.take()?;
        match origin.side {
            Side::Origin(turn) if can_stay => self.origins[turn].idle.push(token),
            Side::Origin(_) | Side::Client => drop(self.connections.remove(token)),
        }
        let token = client;
        let client = self.connections.get_mut(token)?;
        client.other = None;
        // Answered before all of the request was read, or asked to close.
        if client.reading != Reading::Nothing || (client.is_last && !client.is_writing()) {
            self.abort(token);
            return None;
        }
        if client.is_last {
            return None;
        }
        client.reading = Reading::Head;
        Some(token)
    }

    /// Closes a connection, and the one that it works with.
    fn abort(&mut self, token: u64) {
        let Some(connection) = self.connections.remove(token) else {
            return;
        };
        if let Some(other) = connection.other {
            self.connections.remove(other);
        } else if let Side::Origin(turn) = connection.side {
            self.origins[turn].idle.retain(|idle| *idle != token);
        }
    }
}
