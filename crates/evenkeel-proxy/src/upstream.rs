//! The endpoint's side of an attempt, as the pipeline sees it: one trait, one implementation per protocol.

pub(crate) mod any;
pub(crate) mod h1;
pub(crate) mod h2;

use std::task::{Context, Poll};

use evenkeel_base::FieldSink;
use evenkeel_base::{Fault, ResponseView};

use crate::body::{Length, Sink, Source};

/// What a response head says beside its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// An interim response (1xx); the next one follows.
    Interim,
    /// The final response, with a body of that length.
    Final(Length),
    /// The protocol is switched: from here on the bytes are a tunnel.
    Tunnel,
}

/// The request line of an attempt: method, path, query.
pub(crate) type Line<'a> = (&'a [u8], &'a [u8], Option<&'a [u8]>);

/// What is asked of the endpoint; it decides how the response is framed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    /// The method is HEAD: the response has no body.
    pub(crate) head: bool,
    /// The protocol to switch to.
    pub(crate) upgrade: Option<&'a [u8]>,
    /// Trailers are read, where the protocol has to be told.
    pub(crate) trailers: bool,
}

/// The fields of a request, for whatever writes them. A trait and not a closure over any sink: with the writer known, what is set
/// by name is written by a few moves, where a call through a table each would take as many instructions again.
pub(crate) trait Fields {
    /// Writes them.
    fn write(&self, sink: &mut impl FieldSink);
}

/// The endpoint's side of one attempt.
pub(crate) trait Upstream {
    /// Where bodies come from and go to.
    type Body: Source + Sink;

    /// The body of the request, to be written, and of the response, to be read.
    fn body(&mut self) -> &mut Self::Body;

    /// Begins the request.
    fn begin_request(&mut self, line: Line<'_>, length: Length, ask: Ask<'_>, fields: impl Fields);

    /// Reads the next response head.
    fn poll_response(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Fault>>;

    /// The head that was read.
    fn response(&self) -> ResponseView<'_>;

    /// Its status, and the phrase that goes with it: clients of HTTP/1.1 look for one, whatever RFC 9112 §4 says.
    fn status_line(&self) -> (u16, &[u8]) {
        (self.response().status(), self.response().reason())
    }

    /// Whether any byte of the request may have reached the endpoint.
    fn has_sent(&self) -> bool;

    /// Goes on as a tunnel, after [`Answer::Tunnel`].
    fn begin_tunnel(&mut self);
}
