//! One connection of the origin: requests in, in any pieces; answers out, in order.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use crate::body::Body;
use crate::head::{self, Malformed};
use crate::message::Message;
use crate::origin::answers::{Answers, Asked};
use crate::poll::{Event, Interest};
use crate::socket::{self, Moved};

/// Read at once.
const INPUT: usize = 64 * 1024;

/// Thrown away at once, of an upload: the memory is never touched, so it costs nothing.
const NOWHERE: usize = 4 * 1024 * 1024;

/// Several answers are gathered up to so many bytes for one write.
const GATHER: usize = 64 * 1024;

/// A connection that moved so much lets the others have their turn.
const TURN: usize = 1024 * 1024;

/// What all connections share: the answers and the buffers, of which each is empty between two turns.
#[derive(Debug)]
pub(super) struct Desk {
    answers: Answers,
    input: Vec<u8>,
    nowhere: Vec<u8>,
    output: Vec<u8>,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            answers: Answers::default(),
            input: vec![0; INPUT],
            nowhere: vec![0; NOWHERE],
            output: Vec::with_capacity(GATHER),
        }
    }
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// An event will continue it.
    Waiting,
    /// It could go on, and others should first.
    Again,
    /// The connection is to be closed.
    Over,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    fd: OwnedFd,
    interest: Interest,
    /// What was read of a head that is not complete, and what came while answers waited.
    partial: Vec<u8>,
    /// The request whose body is being read.
    request: Option<Request>,
    /// Answers not yet sent, and how much of the first one was.
    answers: VecDeque<Rc<Message>>,
    sent: u64,
    /// No request follows: close when all answers are out.
    is_last: bool,
}

#[derive(Debug)]
struct Request {
    body: Body,
    answer: Rc<Message>,
    keep_alive: bool,
}

impl Connection {
    pub(super) fn new(fd: OwnedFd) -> Self {
        Self {
            fd,
            interest: Interest::default(),
            partial: Vec::new(),
            request: None,
            answers: VecDeque::new(),
            sent: 0,
            is_last: false,
        }
    }

    /// Remembers what epoll said.
    #[inline]
    pub(super) fn note(&mut self, event: &Event) {
        self.interest.note(event);
    }

    /// Sends what waits, reads what came, until neither goes on.
    pub(super) fn drive(&mut self, desk: &mut Desk) -> Turn {
        let mut allowance = TURN;
        loop {
            match self.flush(desk, &mut allowance) {
                None => {}
                Some(turn) => return turn,
            }
            if self.is_last {
                return Turn::Over;
            }
            if !self.interest.readable {
                return Turn::Waiting;
            }
            if allowance == 0 {
                return Turn::Again;
            }
            match self.receive(desk) {
                Moved::Bytes(n) => allowance = allowance.saturating_sub(n),
                Moved::Blocked => return Turn::Waiting,
                Moved::Ended | Moved::Failed => return Turn::Over,
            }
        }
    }

    /// Sends answers; none when all are out.
    fn flush(&mut self, desk: &mut Desk, allowance: &mut usize) -> Option<Turn> {
        loop {
            let front = self.answers.front()?;
            let (first, second) = front.slices(self.sent);
            let (first, second) =
                if self.answers.len() > 1 && front.len() - self.sent < GATHER as u64 {
                    self.gather(&mut desk.output);
                    (&desk.output[..], &[][..])
                } else {
                    (first, second)
                };
            let offered = first.len() + second.len();
            match socket::write(&self.fd, first, second) {
                Moved::Bytes(n) => {
                    self.has_sent(n as u64);
                    if n < offered {
                        return Some(Turn::Waiting);
                    }
                    *allowance = allowance.saturating_sub(n);
                }
                Moved::Blocked => return Some(Turn::Waiting),
                Moved::Ended | Moved::Failed => return Some(Turn::Over),
            }
            if *allowance == 0 && !self.answers.is_empty() {
                return Some(Turn::Again);
            }
        }
    }

    /// Puts what is left of the first answer, and as many whole ones after it as fit, into `output`.
    fn gather(&self, output: &mut Vec<u8>) {
        output.clear();
        let mut at = self.sent;
        for message in &self.answers {
            if output.len() as u64 + message.len() - at > GATHER as u64 {
                break;
            }
            while at < message.len() {
                let (piece, _) = message.slices(at);
                output.extend_from_slice(piece);
                at += piece.len() as u64;
            }
            at = 0;
        }
    }

    fn has_sent(&mut self, n: u64) {
        self.sent += n;
        while let Some(front) = self.answers.front() {
            if self.sent < front.len() {
                break;
            }
            self.sent -= front.len();
            self.answers.pop_front();
        }
    }

    /// Reads once, and understands what came.
    fn receive(&mut self, desk: &mut Desk) -> Moved {
        if let Some(request) = &mut self.request {
            let blind = usize::try_from(request.body.blind()).unwrap_or(NOWHERE);
            if blind > INPUT {
                let buffer = &mut desk.nowhere[..blind.min(NOWHERE)];
                let moved = socket::discard(&self.fd, buffer);
                self.interest.has_read(moved, buffer.len());
                if let Moved::Bytes(n) = moved {
                    request.body.skip(n);
                    self.take(&[], &mut desk.answers).ok();
                }
                return moved;
            }
        }
        let moved = socket::read(&self.fd, &mut desk.input);
        self.interest.has_read(moved, desk.input.len());
        let Moved::Bytes(n) = moved else { return moved };
        let taken = if self.partial.is_empty() {
            self.take(&desk.input[..n], &mut desk.answers)
        } else {
            let mut bytes = std::mem::take(&mut self.partial);
            bytes.extend_from_slice(&desk.input[..n]);
            self.take(&bytes, &mut desk.answers)
        };
        taken.map_or(Moved::Failed, |()| moved)
    }

    /// Goes through requests, and keeps what is left of the last one.
    fn take(&mut self, mut bytes: &[u8], answers: &mut Answers) -> Result<(), Malformed> {
        while !self.is_last {
            if let Some(request) = &mut self.request {
                let n = request.body.advance(bytes)?;
                bytes = &bytes[n..];
                if !request.body.is_done() {
                    break;
                }
                self.is_last = !request.keep_alive;
                let request = self.request.take();
                self.answers.extend(request.map(|request| request.answer));
                continue;
            }
            if bytes.is_empty() {
                break;
            }
            let Some(head) = head::request(bytes)? else {
                self.partial.extend_from_slice(bytes);
                break;
            };
            let asked = Asked::new(&bytes[head.target], head.is_head);
            self.request = Some(Request {
                body: Body::new(head.framing),
                answer: answers.get(asked),
                keep_alive: head.keep_alive,
            });
            bytes = &bytes[head.len..];
        }
        Ok(())
    }
}
