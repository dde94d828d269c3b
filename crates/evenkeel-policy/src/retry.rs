//! Whether a failed attempt may be repeated. Pure: facts about one attempt in, a verdict out.
//!
//! The rules, in the order in which they are asked; the first that applies decides:
//!
//! | # | when | verdict |
//! |---|---|---|
//! | 1 | the response's head was passed on | give up: the client would see two responses |
//! | 2 | the failure is none that another attempt can mend, or not of a kind that the route tries again ([`RetryRules`]) | give up |
//! | 3 | the body cannot be sent again from its first byte | give up |
//! | 4 | something of the request was written, its method is not idempotent, and the route does not say that this is no matter | give up: an endpoint must never see a POST twice. A route that names a status of gRPC does say so, for calls that end with it |
//! | 5 | an idle connection was reused and the endpoint closed or reset it, and this is the first time in this exchange | retry for free, whatever the route says of resets |
//! | 6 | no attempts are left | give up |
//! | 7 | else | retry |
//!
//! Rule 5 is the keep-alive race: the endpoint closes an idle connection while the request is on its way. Nothing is
//! wrong with the endpoint and it has not looked at the request, so the replay costs neither an attempt nor a token of
//! the [`Budget`](crate::Budget). It is free once per exchange. The data plane throws the other idle connections to that
//! endpoint away when this verdict comes, so that the replay does not meet the next stale one; an endpoint that closes
//! fresh connections too is paid for by attempts as any other fault is.
//!
//! Not decided here: which endpoint is next ([`Tried`](crate::Tried) and the balancer: another one while one is left)
//! and whether the cluster can afford a retry, which is asked only after this verdict says [`Verdict::Retry`].

use evenkeel_base::rules::{RetryOn, RetryRules};
use evenkeel_base::{Fault, GrpcStatus};

use crate::outlier::Cause;

/// What is known of an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four facts that do not depend on each other, each named where it is set"
)]
pub struct Attempt {
    /// Why it failed.
    pub failure: Failure,
    /// How much of the request was written.
    pub sent: Sent,
    /// Whether sending the request twice is the same as sending it once (RFC 9110 §9.2.2).
    pub method_idempotent: bool,
    /// Whether the connection was an idle one from the pool.
    pub reused: bool,
    /// Whether the body can be sent again from its first byte: there is none, none of it was taken from the client yet, or
    /// all that was taken is still held.
    pub body_replayable: bool,
    /// Whether the response's head was passed on to the client.
    pub response_started: bool,
}

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is no response.
    Fault(Fault),
    /// There is one, with a status that may be worth another attempt.
    Status(u16),
    /// There is one, and all it says is how the call ended, which may be worth another attempt.
    Grpc(GrpcStatus),
}

/// How much of a request was written to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// No byte. The endpoint cannot know of the request.
    Nothing,
    /// At least a byte was given to the system, and may have arrived.
    Some,
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Try again, at the price of an attempt and of a token of the budget.
    Retry,
    /// Try again at no price: the reused connection was stale.
    RetryFree,
    /// Reply with the fault.
    GiveUp,
}

/// What an exchange may still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Attempts left.
    pub attempts: u16,
    /// Whether the free replay after a stale connection is left.
    pub free_replay: bool,
}

impl Allowance {
    /// The allowance of a new exchange: `retries` more attempts after the first (2 by default), and the free replay.
    #[must_use]
    pub const fn new(retries: u16) -> Self {
        Self {
            attempts: retries,
            free_replay: true,
        }
    }

    /// What is left after acting on `verdict`.
    #[must_use]
    pub const fn after(self, verdict: Verdict) -> Self {
        match verdict {
            Verdict::Retry => Self {
                attempts: self.attempts.saturating_sub(1),
                ..self
            },
            Verdict::RetryFree => Self {
                free_replay: false,
                ..self
            },
            Verdict::GiveUp => self,
        }
    }
}

/// Whether the attempt may be repeated, by the rules at the head of this file.
#[must_use]
pub fn verdict(attempt: &Attempt, left: Allowance, rules: &RetryRules) -> Verdict {
    let may_be_seen_twice = matches!(attempt.sent, Sent::Nothing)
        || attempt.method_idempotent
        || rules.non_idempotent
        || matches!(attempt.failure, Failure::Grpc(_));
    if attempt.response_started || !attempt.body_replayable || !may_be_seen_twice {
        return Verdict::GiveUp;
    }
    let (kind, stale) = match attempt.failure {
        Failure::Status(status) => (rules.statuses.contains(status), false),
        // Calls are POSTs: a list that held for idempotent requests alone would hold for none of them.
        Failure::Grpc(status) => (rules.grpc_statuses.contains(status), false),
        Failure::Fault(fault) => {
            let stale = matches!(fault, Fault::EndpointClosed | Fault::EndpointReset);
            (is_tried_again(fault, rules.on), attempt.reused && stale)
        }
    };
    if stale && left.free_replay {
        Verdict::RetryFree
    } else if kind && left.attempts > 0 {
        Verdict::Retry
    } else {
        Verdict::GiveUp
    }
}

/// Whether a request could be repeated at all should its first attempt fail once it was sent: what decides whether its body is
/// kept. `call`: whether it is one of gRPC.
#[must_use]
pub const fn is_repeatable(method_idempotent: bool, call: bool, rules: &RetryRules) -> bool {
    let named = call && !rules.grpc_statuses.is_empty();
    (method_idempotent || rules.non_idempotent || named) && rules.attempts > 0
}

/// Whether a fault is one that another attempt can mend, the endpoint, or the way to it, being dead or frozen, and of a kind
/// that is tried again.
///
/// What kind of fault it is says the table of [`Cause`], which has no catch-all.
///
/// Garbage is what a process answers that was replaced by another one on its port, and others may answer well. What depends on
/// the request (a head too large, a switch of protocols) is not asked for again: replicas answer alike. What the client or
/// evenkeel itself ended is not the endpoint's to mend, and the time for everything is over when it is over.
const fn is_tried_again(fault: Fault, on: RetryOn) -> bool {
    match (fault, Cause::of(fault)) {
        (Fault::TooManyInterim | Fault::UpgradeMismatch | Fault::ResponseBodyMalformed, _)
        | (
            _,
            None | Some(Cause::Status | Cause::GrpcStatus | Cause::Percentage | Cause::Latency),
        ) => false,
        (_, Some(Cause::Connect)) => on.connect,
        (_, Some(Cause::Reset)) => on.reset,
        (_, Some(Cause::Timeout)) => on.timeout,
        (_, Some(Cause::Malformed)) => on.malformed,
    }
}

#[cfg(test)]
mod tests;
