//! One connection of the epoll relay, on either side: where its messages are, and what it has not taken yet.

use std::os::fd::OwnedFd;

use crate::body::Body;
use crate::poll::Interest;
use crate::socket::{self, Moved};

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) fd: OwnedFd,
    pub(super) side: Side,
    pub(super) interest: Interest,
    /// The connection that this one exchanges messages with, now.
    pub(super) other: Option<u64>,
    pub(super) reading: Reading,
    /// What was read and cannot be passed on yet: the beginning of a head, or the next request.
    pub(super) kept: Vec<u8>,
    /// Whether what is kept needs more before it can be understood.
    pub(super) is_cut: bool,
    /// What was to be written and was not taken.
    waiting: Vec<u8>,
    /// Whether the response on its way is this connection's last.
    pub(super) is_last: bool,
    /// Whether the response answers a HEAD request.
    pub(super) answers_head: bool,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    /// The origin of this number.
    Origin(usize),
}

/// What is to be read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Head,
    Body(Body),
    /// Nothing until the response has been passed on.
    Nothing,
}

impl Reading {
    /// Whether the end of an origin's connection ends its response here.
    pub(super) const fn may_end(&self) -> bool {
        match self {
            Self::Body(body) => body.may_end_here(),
            Self::Head | Self::Nothing => false,
        }
    }
}

impl Connection {
    pub(super) fn new(fd: OwnedFd, side: Side) -> Self {
        Self {
            fd,
            side,
            interest: Interest::default(),
            other: None,
            reading: Reading::Head,
            kept: Vec::new(),
            is_cut: false,
            waiting: Vec::new(),
            is_last: false,
            answers_head: false,
        }
    }

    /// Whether something waits to be written.
    pub(super) fn is_writing(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Keeps what cannot be passed on.
    pub(super) fn keep(&mut self, bytes: &[u8], is_cut: bool) {
        self.kept.extend_from_slice(bytes);
        self.is_cut = is_cut;
    }

    /// Writes both, or lets wait what is not taken.
    pub(super) fn send(&mut self, first: &[u8], second: &[u8]) -> Moved {
        let moved = if self.waiting.is_empty() {
            socket::write(&self.fd, first, second)
        } else {
            Moved::Blocked
        };
        let n = match moved {
            Moved::Bytes(n) => n,
            Moved::Blocked => 0,
            Moved::Ended | Moved::Failed => return moved,
        };
        self.waiting
            .extend_from_slice(first.get(n..).unwrap_or(&[]));
        let over = n.saturating_sub(first.len());
        self.waiting.extend_from_slice(&second[over..]);
        moved
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self) -> Moved {
        let moved = socket::write(&self.fd, &self.waiting, &[]);
        if let Moved::Bytes(n) = moved {
            self.waiting.drain(..n);
            if self.waiting.is_empty() {
                self.waiting = Vec::new();
            }
        }
        moved
    }
}
