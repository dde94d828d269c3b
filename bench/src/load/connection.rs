//! One connection of the load generator: requests out, responses in, each checked.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::Instant;

use super::requests::Requests;
use super::tally::Tally;
use crate::body::Body;
use crate::head::{self, Malformed};
use crate::poll::{self, Event, Interest};
use crate::socket::{self, Moved};

/// Read at once.
const INPUT: usize = 64 * 1024;

/// Thrown away at once, of a long body: the memory is never touched, so it costs nothing.
const NOWHERE: usize = 4 * 1024 * 1024;

/// What all connections share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) requests: Requests,
    pub(super) tally: Tally,
    input: Vec<u8>,
    nowhere: Vec<u8>,
}

impl Desk {
    pub(super) fn new(requests: Requests) -> Self {
        Self {
            requests,
            tally: Tally::new(),
            input: vec![0; INPUT],
            nowhere: vec![0; NOWHERE],
        }
    }
}

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It waits for an event.
    Waiting,
    /// Everything is answered: it can take the next request.
    Free,
    /// It is over, and what failed on it is counted.
    Over {
        /// Requests that nobody can have acted upon; they are to be asked again.
        unasked: usize,
    },
}

/// An open connection, or one that is being opened.
#[derive(Debug)]
pub(super) struct Connection {
    fd: OwnedFd,
    interest: Interest,
    is_established: bool,
    /// Requests that wait for their response, the oldest first.
    pending: VecDeque<Pending>,
    outgoing: Outgoing,
    response: Option<Response>,
    /// The beginning of a head.
    partial: Vec<u8>,
    answered: u64,
    /// The response that came last was the connection's last: its end is waited for.
    is_last: bool,
    /// A write failed: what is unanswered failed at writing.
    has_write_failed: bool,
    /// When a byte went over last.
    moved_at: Instant,
}

/// A request without its response.
#[derive(Clone, Copy, Debug)]
struct Pending {
    number: usize,
    asked: Instant,
}

/// What is still to be sent.
#[derive(Debug)]
enum Outgoing {
    Nothing,
    /// A request, from this byte on.
    Request {
        number: usize,
        sent: u64,
    },
    /// The bytes of several requests, from this one on.
    Batch {
        bytes: Vec<u8>,
        sent: usize,
    },
}

/// A response whose head has been read.
#[derive(Debug)]
struct Response {
    status: u16,
    body: Body,
    keep_alive: bool,
}

impl Connection {
    pub(super) fn new(fd: OwnedFd, now: Instant) -> Self {
        Self {
            fd,
            interest: Interest::default(),
            is_established: false,
            pending: VecDeque::new(),
            outgoing: Outgoing::Nothing,
            response: None,
            partial: Vec::new(),
            answered: 0,
            is_last: false,
            has_write_failed: false,
            moved_at: now,
        }
    }

    /// Whether it is known to be open.
    pub(super) const fn is_established(&self) -> bool {
        self.is_established
    }

    /// How many requests wait for their response.
    pub(super) fn outstanding(&self) -> usize {
        self.pending.len()
    }

    /// How many requests were answered.
    pub(super) const fn answered(&self) -> u64 {
        self.answered
    }

    /// When a byte went over last.
    pub(super) const fn moved_at(&self) -> Instant {
        self.moved_at
    }

    /// Whether something has to happen on it before long.
    pub(super) fn is_expecting(&self) -> bool {
        !self.pending.is_empty() || !self.is_established || self.is_last
    }

    /// Sends one request, which was to be sent at `asked`.
    pub(super) fn ask(&mut self, number: usize, asked: Instant, now: Instant, desk: &mut Desk) {
        self.moved_at = now;
        self.pending.push_back(Pending { number, asked });
        self.outgoing = Outgoing::Request { number, sent: 0 };
        self.send(desk);
    }

    /// Sends several requests in one piece.
    pub(super) fn ask_batch(&mut self, count: u64, asked: Instant, desk: &mut Desk) {
        self.moved_at = asked;
        let mut bytes = Vec::new();
        for _ in 0..count {
            let number = desk.requests.pick();
            self.pending.push_back(Pending { number, asked });
            let (first, second) = desk.requests.get(number).message.slices(0);
            bytes.extend_from_slice(first);
            bytes.extend_from_slice(second);
        }
        self.outgoing = Outgoing::Batch { bytes, sent: 0 };
        self.send(desk);
    }

    /// Does what an event permits.
    pub(super) fn handle(&mut self, event: &Event, desk: &mut Desk) -> State {
        self.interest.note(event);
        if poll::is_writable(event) {
            self.is_established |= !poll::is_dead(event);
            if !matches!(self.outgoing, Outgoing::Nothing) {
                self.moved_at = Instant::now();
                self.send(desk);
            }
        }
        self.drive(desk)
    }

    /// Reads what there is, until it is free, or over, or has to wait.
    pub(super) fn drive(&mut self, desk: &mut Desk) -> State {
        while self.interest.readable {
            match self.receive(desk) {
                Ok(Moved::Bytes(_)) => {}
                Ok(Moved::Blocked) => break,
                Ok(moved @ (Moved::Ended | Moved::Failed)) => {
                    let ended = self.end(moved, desk);
                    return ended.unwrap_or_else(|Malformed| self.refuse(desk));
                }
                Err(Malformed) => return self.refuse(desk),
            }
            if self.pending.is_empty() && !self.is_last {
                return match self.outgoing {
                    Outgoing::Nothing => State::Free,
                    // Answered before all of it was sent: nothing more can be said on this connection.
                    Outgoing::Request { .. } | Outgoing::Batch { .. } => State::Over { unasked: 0 },
                };
            }
        }
        State::Waiting
    }

    fn send(&mut self, desk: &mut Desk) {
        loop {
            let (first, second): (&[u8], &[u8]) = match &self.outgoing {
                Outgoing::Nothing => return,
                Outgoing::Request { number, sent } => {
                    desk.requests.get(*number).message.slices(*sent)
                }
                Outgoing::Batch { bytes, sent } => (&bytes[*sent..], &[]),
            };
            let offered = first.len() + second.len();
            match socket::write(&self.fd, first, second) {
                Moved::Bytes(n) => {
                    self.is_established = true;
                    desk.tally.bytes_out += n as u64;
                    self.has_sent(n, desk);
                    if n < offered {
                        return;
                    }
                }
                Moved::Blocked => return,
                Moved::Ended | Moved::Failed => {
                    // The reason may be a response that is already here: reading decides.
                    self.has_write_failed = true;
                    self.outgoing = Outgoing::Nothing;
                    self.interest.readable = true;
                    return;
                }
            }
        }
    }

    fn has_sent(&mut self, n: usize, desk: &Desk) {
        let is_done = match &mut self.outgoing {
            Outgoing::Nothing => true,
            Outgoing::Request { number, sent } => {
                *sent += n as u64;
                *sent == desk.requests.get(*number).message.len()
            }
            Outgoing::Batch { bytes, sent } => {
                *sent += n;
                *sent == bytes.len()
            }
        };
        if is_done {
            self.outgoing = Outgoing::Nothing;
        }
    }

    /// Reads once, and understands what came.
    fn receive(&mut self, desk: &mut Desk) -> Result<Moved, Malformed> {
        let blind = self.response.as_ref().map_or(0, |r| r.body.blind());
        let blind = usize::try_from(blind).unwrap_or(usize::MAX);
        let moved = if blind > INPUT {
            let buffer = &mut desk.nowhere[..blind.min(NOWHERE)];
            let moved = socket::discard(&self.fd, buffer);
            self.interest.has_read(moved, buffer.len());
            moved
        } else {
            let moved = socket::read(&self.fd, &mut desk.input);
            self.interest.has_read(moved, desk.input.len());
            moved
        };
        let Moved::Bytes(n) = moved else {
            return Ok(moved);
        };
        self.moved_at = Instant::now();
        let Desk {
            requests,
            tally,
            input,
            ..
        } = desk;
        tally.bytes_in += n as u64;
        if blind > INPUT {
            if let Some(response) = &mut self.response {
                response.body.skip(n);
            }
            self.take(&[], requests, tally)?;
        } else if self.partial.is_empty() {
            self.take(&input[..n], requests, tally)?;
        } else {
            let mut bytes = std::mem::take(&mut self.partial);
            bytes.extend_from_slice(&input[..n]);
            self.take(&bytes, requests, tally)?;
        }
        Ok(moved)
    }

    /// Goes through responses, and keeps the beginning of a head that is not complete.
    fn take(
        &mut self,
        mut bytes: &[u8],
        requests: &Requests,
        tally: &mut Tally,
    ) -> Result<(), Malformed> {
        while !self.is_last {
            if let Some(response) = &mut self.response {
                let n = response.body.advance(bytes)?;
                bytes = &bytes[n..];
                if !response.body.is_done() {
                    break;
                }
                self.complete(requests, tally)?;
                continue;
            }
            if bytes.is_empty() {
                break;
            }
            if self.pending.is_empty() {
                return Err(Malformed);
            }
            let Some(head) = head::response(bytes, false)? else {
                self.partial.extend_from_slice(bytes);
                break;
            };
            bytes = &bytes[head.len..];
            if head.status >= 200 {
                self.response = Some(Response {
                    status: head.status,
                    body: Body::new(head.framing),
                    keep_alive: head.keep_alive,
                });
            }
        }
        Ok(())
    }

    /// Checks and counts the response that has ended.
    fn complete(&mut self, requests: &Requests, tally: &mut Tally) -> Result<(), Malformed> {
        let (Some(response), Some(pending)) = (self.response.take(), self.pending.front()) else {
            return Err(Malformed);
        };
        let expected = requests.get(pending.number).expected;
        if response.status == 200 && expected.is_some_and(|length| length != response.body.data()) {
            return Err(Malformed);
        }
        tally.record(response.status, pending.asked, self.moved_at);
        self.pending.pop_front();
        self.answered += 1;
        self.is_last = !response.keep_alive;
        Ok(())
    }

    /// Counts what the end of the connection means.
    fn end(&mut self, moved: Moved, desk: &mut Desk) -> Result<State, Malformed> {
        let unasked = self.pending.len();
        if !self.is_established {
            desk.tally.errors.connect += 1;
            return Ok(State::Over { unasked });
        }
        let body = self.response.as_ref().map(|response| response.body);
        if moved == Moved::Ended && body.is_some_and(|body| body.may_end_here()) {
            self.complete(&desk.requests, &mut desk.tally)?;
        }
        if self.is_last {
            let unasked = self.pending.len();
            return Ok(State::Over { unasked });
        }
        let failed = self.pending.len() as u64;
        if self.has_write_failed {
            desk.tally.errors.write += failed;
        } else {
            desk.tally.errors.read += failed;
        }
        Ok(State::Over { unasked: 0 })
    }

    /// Counts what cannot be understood, and what waited behind it.
    fn refuse(&self, desk: &mut Desk) -> State {
        desk.tally.errors.malformed += self.pending.len().max(1) as u64;
        State::Over { unasked: 0 }
    }
}
