//! The endpoint's side of an attempt, whichever protocol the endpoint speaks.
//!
//! The pipeline holds this and never a protocol's own type. A match for each call is all that it costs: the variants stand where
//! they are used, and nothing is called through a table. What of a connection can carry another exchange, and how it waits for
//! one, is the protocol's business.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use evenkeel_base::head::Field;
use evenkeel_base::{Fault, ResponseView};
use evenkeel_config::model::Cluster;
use evenkeel_net::Pipe;
use evenkeel_state::EndpointState;

use crate::body::{Fill, Length, Sink, Source, Trailers};
use crate::upstream::h1::H1Upstream;
use crate::upstream::h2::H2Upstream;
use crate::upstream::{Answer, Ask, Fields, Line, Upstream};
use crate::worker::Worker;

/// One attempt at an endpoint.
#[derive(Debug)]
pub(crate) enum AnyUpstream {
    /// A connection of its own.
    H1(H1Upstream),
    /// A stream of one that it shares with others.
    H2(Box<H2Upstream>),
}

/// The same call, whichever protocol it is for.
macro_rules! either {
    ($self:expr, $up:ident => $call:expr) => {
        match $self {
            AnyUpstream::H1($up) => $call,
            AnyUpstream::H2($up) => $call,
        }
    };
}

/// The same once for all of a step: what it calls is then called without looking which protocol it is.
macro_rules! by_protocol {
    ($any:expr, $up:ident => $step:expr) => {
        match $any {
            $crate::upstream::any::AnyUpstream::H1($up) => $step,
            $crate::upstream::any::AnyUpstream::H2(boxed) => {
                let $up = &mut **boxed;
                $step
            }
        }
    };
}
pub(crate) use by_protocol;

impl AnyUpstream {
    /// Keeps the endpoint's connection for the next exchange, when both sides want that and both directions allow it. It has been
    /// free since then.
    pub(crate) fn give_back(
        self,
        worker: &Worker,
        endpoint: &EndpointState,
        cluster: &Cluster,
        since: Instant,
    ) {
        match self {
            Self::H1(up) => up.give_back(worker, endpoint, cluster, since),
            // Its place goes with it, and the connection is where it was.
            Self::H2(_) => {}
        }
    }

    /// How long the connection had been idle that an attempt failed on, when that is what it failed of: the endpoint let it go
    /// before the request was there.
    pub(crate) fn stale_after(&self, idle: Option<Duration>) -> Option<Duration> {
        match self {
            Self::H1(_) => idle,
            Self::H2(up) => up.stale_after(idle),
        }
    }

    /// Why a response broke off that seemed to by that fault.
    pub(crate) fn why(&self, fault: Fault) -> Fault {
        match self {
            Self::H1(_) => fault,
            Self::H2(up) => up.why(fault),
        }
    }

    /// Whether it is a matter of the request, and not of the connection, that trailers are read.
    pub(crate) const fn carries_te(&self) -> bool {
        matches!(self, Self::H2(_))
    }
}

impl Upstream for AnyUpstream {
    type Body = Self;

    #[inline]
    fn body(&mut self) -> &mut Self {
        self
    }

    #[inline]
    fn begin_request(&mut self, line: Line<'_>, length: Length, ask: Ask<'_>, fields: impl Fields) {
        either!(self, up => up.begin_request(line, length, ask, fields));
    }

    #[inline]
    fn poll_response(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Fault>> {
        either!(self, up => up.poll_response(cx))
    }

    #[inline]
    fn response(&self) -> ResponseView<'_> {
        either!(self, up => up.response())
    }

    #[inline]
    fn status_line(&self) -> (u16, &[u8]) {
        either!(self, up => up.status_line())
    }

    fn has_sent(&self) -> bool {
        either!(self, up => up.has_sent())
    }

    fn begin_tunnel(&mut self) {
        either!(self, up => up.begin_tunnel());
    }
}

impl Source for AnyUpstream {
    #[inline]
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        either!(self, up => up.body().poll_fill(cx))
    }

    #[inline]
    fn data(&self) -> &[u8] {
        either!(self, up => up.source().data())
    }

    #[inline]
    fn is_last(&self) -> bool {
        either!(self, up => up.source().is_last())
    }

    #[inline]
    fn consume(&mut self, n: usize) {
        either!(self, up => up.body().consume(n));
    }

    #[inline]
    fn poll_pipe(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Fault>> {
        either!(self, up => up.body().poll_pipe(cx))
    }

    #[inline]
    fn piped(&mut self) -> Option<&mut Pipe> {
        either!(self, up => up.body().piped())
    }

    fn consume_piped(&mut self, n: usize) {
        either!(self, up => up.body().consume_piped(n));
    }

    fn hold_less(&mut self, stopped: bool) {
        either!(self, up => up.body().hold_less(stopped));
    }

    fn gather(&mut self, cx: &mut Context<'_>) {
        either!(self, up => up.body().gather(cx));
    }

    fn trailers(&self, each: &mut dyn FnMut(Field<'_>)) {
        either!(self, up => up.source().trailers(each));
    }
}

impl Sink for AnyUpstream {
    #[inline]
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        data: &[u8],
        last: bool,
    ) -> Poll<Result<usize, Fault>> {
        either!(self, up => up.body().poll_data(cx, data, last))
    }

    #[inline]
    fn takes_pipe(&self) -> bool {
        either!(self, up => up.source().takes_pipe())
    }

    fn poll_piped(&mut self, cx: &mut Context<'_>, pipe: &mut Pipe) -> Poll<Result<usize, Fault>> {
        either!(self, up => up.body().poll_piped(cx, pipe))
    }

    #[inline]
    fn poll_end(
        &mut self,
        cx: &mut Context<'_>,
        trailers: Trailers<'_>,
    ) -> Poll<Result<(), Fault>> {
        either!(self, up => up.body().poll_end(cx, trailers))
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        either!(self, up => up.body().poll_flush(cx))
    }
}
