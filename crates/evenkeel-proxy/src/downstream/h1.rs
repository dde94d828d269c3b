//! HTTP/1.1 from clients: reads heads, keeps the connection's rules, and hands each request to the pipeline.

use std::io::ErrorKind;
use std::task::{Context, Poll};

use bytes::Bytes;
use evenkeel_base::FieldSink;
use evenkeel_base::head::Version;
use evenkeel_base::{Method, RequestHead, RequestView, Side};
use evenkeel_http1::{self as http1, Limits, RequestBody, RequestParser};
use evenkeel_net::Stream;

use crate::body::Length;
use crate::downstream::{Asker, Downstream, Expect, Facts};
use crate::h1::{Boundary, Channel, Coding, Incoming, chunked_unless_known};
use crate::worker::Worker;

/// What a client of HTTP/2 says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The length of its first line, at whose end the parser says what it thinks of it.
const PREFACE_LINE: usize = 16;

/// A client's connection while it is busy. An idle one is a [`Stream`] and no more.
#[derive(Debug)]
pub(crate) struct H1Downstream {
    channel: Box<Channel>,
    parser: RequestParser,
    head: RequestHead,
    facts: Facts,
    half_close: bool,
    /// Whether it speaks TLS.
    secure: bool,
}

impl H1Downstream {
    /// Takes up a stream that has something to say.
    pub(crate) fn new(stream: Stream, worker: &Worker, half_close: bool, secure: bool) -> Self {
        let mut channel = Channel::new(stream, Side::Downstream, &worker.blocks);
        channel.expect_bytes();
        Self {
            channel,
            parser: RequestParser::new(secure),
            secure,
            head: worker.request_heads.take(),
            facts: Facts::none(),
            half_close,
        }
    }

    /// Waits without a buffer for the first bytes of a request: false when the client left instead.
    pub(crate) fn poll_begin(&mut self, cx: &mut Context<'_>, limits: &Limits) -> Poll<bool> {
        if self.has_bytes() {
            return Poll::Ready(true);
        }
        self.channel
            .poll_read_head(cx, limits.head_bytes)
            .map(|read| read.unwrap_or_default())
    }

    /// Reads a request's head: `Ok(false)` when the connection ended before its first byte.
    pub(crate) fn poll_request(
        &mut self,
        cx: &mut Context<'_>,
        limits: &Limits,
    ) -> Poll<Result<bool, Refused>> {
        loop {
            let message = self.channel.block.message();
            if !message.is_empty() {
                match self.parser.parse(message, limits, &mut self.head) {
                    Ok(Some(request)) => {
                        self.accept(&request);
                        return Poll::Ready(Ok(true));
                    }
                    Ok(None) => {}
                    Err(refusal) => return Poll::Ready(Err(Refused::Head(refusal))),
                }
            }
            match std::task::ready!(self.channel.poll_read_head(cx, limits.head_bytes)) {
                Ok(true) => {}
                Ok(false) if self.channel.block.message().is_empty() => {
                    return Poll::Ready(Ok(false));
                }
                Err(error) if error.kind() == ErrorKind::OutOfMemory => {
                    return Poll::Ready(Err(Refused::NoMemory));
                }
                Ok(false) | Err(_) => return Poll::Ready(Err(Refused::Gone)),
            }
        }
    }

    /// Whether bytes of a request are waiting to be parsed.
    pub(crate) const fn has_bytes(&self) -> bool {
        !self.channel.block.is_empty()
    }

    /// Goes on to the next request of the connection, when this one is over in both directions.
    pub(crate) fn next_request(&mut self) -> bool {
        self.parser = RequestParser::new(self.secure);
        self.channel.next_message()
    }

    /// Gives its buffers back for the time until the next request.
    pub(crate) fn rest(&mut self) {
        self.channel.rest();
    }

    /// The stream, to wait idle, when the connection is at a boundary with nothing received beyond it.
    pub(crate) fn into_idle(self, worker: &Worker) -> Option<Boundary> {
        worker.request_heads.give(self.head);
        self.channel.into_boundary()
    }

    /// Whether what was read begins with the preface of HTTP/2 (RFC 9113 §3.4), or with its first line and no more.
    pub(crate) fn is_preface(&self) -> bool {
        let read = self.channel.block.message();
        let both = read.len().min(PREFACE.len());
        both >= PREFACE_LINE && read[..both] == PREFACE[..both]
    }

    /// The stream, and what was read of it.
    pub(crate) fn into_bytes(self) -> (Stream, Bytes) {
        let read = Bytes::copy_from_slice(self.channel.block.message());
        (self.channel.stream, read)
    }

    /// The connection has failed before there was a request: lets a reply be written all the same.
    pub(crate) fn refuse(&mut self) {
        self.head.clear();
        self.facts = Facts::none();
        self.channel.incoming = Incoming::Done;
    }

    /// Whether the client said that its request is its last, and it was one without a body: nothing of it can be on its way, so
    /// that closing at once takes nothing from the response (RFC 9112 §9.6). A POST without a length has no body either, but old
    /// clients send one behind it all the same.
    pub(crate) fn has_said_all(&self) -> bool {
        matches!(self.facts.length, Length::Empty)
            && !self.facts.persistent
            && !self.has_bytes()
            && matches!(self.request().method(), Method::Get | Method::Head)
    }

    /// The channel, for closing in good order.
    pub(crate) fn channel(&mut self) -> &mut Channel {
        &mut self.channel
    }

    fn accept(&mut self, request: &http1::Request) {
        self.channel.head = request.consumed;
        self.channel.block.consume(request.consumed);
        self.channel.begin_body(match request.body {
            RequestBody::Empty => Incoming::Done,
            RequestBody::Known(left) => Incoming::Known { left },
            RequestBody::Chunked => Incoming::Chunked,
        });
        self.facts = Facts {
            length: match request.body {
                RequestBody::Empty if request.had_length => Length::Known(0),
                RequestBody::Empty => Length::Empty,
                RequestBody::Known(n) => Length::Known(n),
                RequestBody::Chunked => Length::Unknown,
            },
            expect: match request.expect {
                http1::Expect::None => Expect::Nothing,
                http1::Expect::Continue => Expect::Continue,
                http1::Expect::Unknown => Expect::Unknown,
            },
            upgrade: request.upgrade,
            interim: self.head.version == Version::Http11,
            persistent: request.persistent,
        };
    }

    /// HTTP/1.0 clients know no chunks: what has no length ends with the connection.
    fn coding(&self, length: Length) -> Coding {
        match (length, self.head.version) {
            (Length::Unknown, Version::Http10) => Coding::Close,
            _ => chunked_unless_known(length),
        }
    }
}

/// Why there is no request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refused {
    /// The head was refused; a reply says why.
    Head(http1::Refusal),
    /// It does not fit a small block, and there is no memory for a larger one.
    NoMemory,
    /// The client left in the middle of it.
    Gone,
}

impl Asker for H1Downstream {
    type Body = Channel;

    fn body(&mut self) -> &mut Channel {
        &mut self.channel
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn request_done(&self) -> bool {
        self.channel.incoming.is_done()
    }

    fn interim(&mut self, line: (u16, &[u8]), fields: impl FnOnce(&mut dyn FieldSink)) {
        self.channel.outgoing.interim(line, fields);
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.half_close {
            return Poll::Pending;
        }
        self.channel.poll_gone(cx)
    }
}

impl Downstream for H1Downstream {
    fn request(&self) -> RequestView<'_> {
        self.head.view(self.channel.block.message())
    }

    fn head(&self) -> (&RequestHead, &[u8]) {
        let message = self.channel.block.message();
        let head = message.get(..self.channel.head).unwrap_or_default();
        (&self.head, head)
    }

    fn begin_response(
        &mut self,
        line: (u16, &[u8]),
        (length, told): (Length, bool),
        close: bool,
        fields: impl FnOnce(&mut dyn FieldSink),
    ) {
        let coding = match self.coding(length) {
            Coding::Length(length) if told => Coding::Told(length),
            coding => coding,
        };
        if coding == Coding::Close {
            // Until its end is reached, however the connection goes, the client must not take a close for the end.
            self.channel.stream.reset_on_close(true);
        }
        let http10 = self.head.version == Version::Http10;
        self.channel.outgoing.begin_response(line, coding, |sink| {
            fields(sink);
            if close || coding == Coding::Close {
                sink.field(b"Connection", b"close");
            } else if http10 {
                sink.field(b"Connection", b"keep-alive");
            }
        });
    }

    fn begin_tunnel(&mut self, protocol: &[u8], fields: impl FnOnce(&mut dyn FieldSink)) {
        self.channel
            .outgoing
            .begin_response((101, b"Switching Protocols"), Coding::None, |sink| {
                fields(sink);
                sink.field(b"Connection", b"upgrade");
                sink.field(b"Upgrade", protocol);
            });
        self.channel.begin_tunnel();
    }

    fn retract_response(&mut self) -> bool {
        let retracted = self.channel.outgoing.retract();
        if retracted {
            // What follows instead tells its own end, and a reset could take it from the client.
            self.channel.stream.reset_on_close(false);
        }
        retracted
    }
}
