//! The client's side of an exchange, as the pipeline sees it: one trait, one implementation per protocol.
//!
//! The pipeline reads a request through a borrowed view and a body through [`Source`]; it answers through `begin_*` and
//! [`Sink`]. What it never sees is a codec's type.

pub(crate) mod h1;
pub(crate) mod h2;

use std::task::{Context, Poll};

use evenkeel_base::FieldSink;
use evenkeel_base::{RequestHead, RequestView, Span};
use evenkeel_state::decide::twice::Shape;

use crate::body::{Length, Sink, Source};

/// What a request asks for beside its head, in words that every protocol has.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// How long its body is.
    pub(crate) length: Length,
    /// What it expects before it sends the body.
    pub(crate) expect: Expect,
    /// The protocol it would like to switch to, within the head; never h2c.
    pub(crate) upgrade: Option<Span>,
    /// Whether it understands interim responses (HTTP/1.0 does not).
    pub(crate) interim: bool,
    /// Whether its connection can stay open afterwards.
    pub(crate) persistent: bool,
}

impl Facts {
    /// The facts of a connection without a request.
    pub(crate) const fn none() -> Self {
        Self {
            length: Length::Empty,
            expect: Expect::Nothing,
            upgrade: None,
            interim: false,
            persistent: false,
        }
    }
}

/// What decides whether a request may be sent twice at once.
pub(crate) fn shape<D: Downstream>(down: &D) -> Shape {
    let facts = down.facts();
    Shape {
        idempotent: down.request().method().is_idempotent(),
        bodiless: facts.length == Length::Empty,
        length: match facts.length {
            Length::Known(length) => Some(length),
            Length::Empty | Length::Unknown => None,
        },
        expects: facts.expect != Expect::Nothing,
        upgrades: facts.upgrade.is_some(),
    }
}

/// What `Expect` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Nothing.
    Nothing,
    /// `100-continue`.
    Continue,
    /// Something nobody knows.
    Unknown,
}

/// Who asks, as an attempt sees it until its response begins: a body, patience, and whether it is still there.
pub(crate) trait Asker {
    /// Where bodies come from and go to.
    type Body: Source + Sink;

    /// The body of the request, to be read, and of the response, to be written.
    fn body(&mut self) -> &mut Self::Body;

    /// What else it asks for.
    fn facts(&self) -> &Facts;

    /// Whether the request has been received whole.
    fn request_done(&self) -> bool;

    /// Adds an interim response.
    fn interim(&mut self, line: (u16, &[u8]), fields: impl FnOnce(&mut dyn FieldSink));

    /// Ready when the client is gone. Called after the whole request was received, or while nobody reads its body: what comes
    /// meanwhile is kept, as far as there is room.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Whether a client that leaves says so beside its bytes: then it is known whatever of them is still to be read, and an end of
    /// its own bytes alone means nothing.
    fn says_when_gone(&self) -> bool {
        false
    }

    /// Ready when the client is gone, as far as that can be known while its request goes on.
    fn poll_abandoned(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.request_done() || self.says_when_gone() {
            self.poll_gone(cx)
        } else {
            Poll::Pending
        }
    }
}

/// The client's side of one exchange.
pub(crate) trait Downstream: Asker {
    /// The head of the request.
    fn request(&self) -> RequestView<'_>;

    /// The same, to be copied: the table, and the bytes that it refers to.
    fn head(&self) -> (&RequestHead, &[u8]);

    /// Begins the response with a body of that length, and whether the fields tell it already, as the endpoint spelt it.
    /// [`Length::Empty`] means no body and no field about it. With `close` the client is told that the connection ends here.
    fn begin_response(
        &mut self,
        line: (u16, &[u8]),
        length: (Length, bool),
        close: bool,
        fields: impl FnOnce(&mut dyn FieldSink),
    );

    /// Switches to a tunnel for `protocol`: by a 101 response, or what the client's protocol has instead.
    fn begin_tunnel(&mut self, protocol: &[u8], fields: impl FnOnce(&mut dyn FieldSink));

    /// Whether it has asked for a tunnel and for nothing else: a response that does not switch must not look as if it did.
    fn is_tunnel(&self) -> bool {
        false
    }

    /// Whether this is the echo of the key by which it asked for a WebSocket; a client that has its own looks itself.
    fn takes_accept(&self, _: &[u8]) -> bool {
        true
    }

    /// Takes back a response that was begun and of which no byte has left; false when it is too late.
    fn retract_response(&mut self) -> bool;
}
