//! What is remembered of an attempt, for access records and traces alike.
//!
//! An attempt that failed is written down when it does. Of the one whose response is passed on nothing is written but four
//! numbers, beside those that the exchange has anyway ([`Last`]): it is all that a usual request pays.

use std::time::{Duration, Instant};

use evenkeel_base::Fault;
use evenkeel_policy::Failure;

/// One attempt that is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempted {
    /// The endpoint's place in the cluster's list.
    pub(crate) endpoint: usize,
    /// When it began: it had its place at the endpoint by then.
    pub(crate) began: Instant,
    /// How long the request had waited for that place, right before.
    pub(crate) queued: Duration,
    /// How long connecting took, or how long it was tried, from the beginning on; zero: the connection was there.
    pub(crate) connect: Duration,
    /// The last part of that: the handshake of TLS, and over HTTP/2 the wait for the endpoint's settings.
    pub(crate) tls: Duration,
    /// When the response's head was there.
    pub(crate) head: Option<Instant>,
    /// When it was over.
    pub(crate) ended: Instant,
    /// What became of it.
    pub(crate) fate: Fate,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its response, of that status, was passed on.
    Answered(u16),
    /// The same, and it broke off.
    Cut(u16, Fault),
    /// It failed, or its response was not good enough.
    Failed(Failure),
    /// Another one was faster.
    Cancelled,
}

impl Fate {
    /// The status of its response, when there was one.
    pub(crate) const fn status(self) -> Option<u16> {
        match self {
            Self::Answered(status) | Self::Cut(status, _) => Some(status),
            Self::Failed(Failure::Status(status)) => Some(status),
            Self::Failed(Failure::Fault(_) | Failure::Grpc(_)) | Self::Cancelled => None,
        }
    }
}

/// How a connection was come by.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Connect {
    /// How long it took; zero: it was there.
    pub(crate) took: Duration,
    /// See [`Attempted::tls`].
    pub(crate) tls: Duration,
}

/// What a record has of its last attempt alone.
#[derive(Clone, Debug)]
pub(crate) struct Last {
    /// When it began.
    pub(crate) began: Instant,
    /// See [`Attempted::tls`].
    pub(crate) tls: Duration,
    /// When the head of the response was there that was passed on; none: none was.
    pub(crate) head: Option<Instant>,
    /// The status of that, whatever the client got in the end.
    pub(crate) status: u16,
    /// The attempt by which the exchange failed.
    pub(crate) failed: Option<Box<Attempted>>,
}

impl Last {
    /// Of an exchange that began at `began`.
    pub(crate) const fn new(began: Instant) -> Self {
        Self {
            began,
            tls: Duration::ZERO,
            head: None,
            status: 0,
            failed: None,
        }
    }
}
