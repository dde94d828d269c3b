//! One stream of an HTTP/2 connection as a source and a sink: data, trailers, end, reset, and the windows of both directions.
//!
//! ```text
//!  incoming:  Open ──▶ Done            outgoing:  Before ──▶ Held ──▶ Open ──▶ Done
//!               │  └──▶ Trailers                     (a response only)  │
//!               └─────▶ Broken                                          └──▶ Broken
//! ```
//! A response waits for the first of its body, its end or a flush: until then it can be taken back, and a response without a
//! body is one frame. What is not consumed is not given back to the sender's window.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use evenkeel_base::head::{Field, FieldSpan, fields};
use evenkeel_base::{Fault, Side};
use evenkeel_http2::{Limits, Refusal};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::response::Response;

use crate::body::{Fill, Sink, Source, Trailers};
use crate::h2::received::Received;
use crate::h2::{SEND_BUFFER, fault_of, malformed};

/// Trailers, as lines. gRPC puts what its errors say of themselves there, 8 KiB by its usual limit and twice that at most.
const MAX_TRAILERS: usize = 16 * 1024;

/// A stream's body in both directions.
#[derive(Debug)]
pub(crate) struct H2Body {
    side: Side,
    incoming: Incoming,
    outgoing: Outgoing,
}

#[derive(Debug)]
enum Incoming {
    /// It goes on.
    Open(Received),
    /// It was received whole, and had no trailers or gave them away.
    Done,
    /// The same, and these came behind it.
    Trailers(Box<Section>),
    /// It broke off.
    Broken(Fault),
}

/// Trailers, as lines in a block.
#[derive(Debug, Default)]
struct Section {
    block: Vec<u8>,
    table: Vec<FieldSpan>,
}

#[derive(Debug)]
enum Outgoing {
    /// Nothing was begun.
    Before,
    /// The response was not begun.
    Respond(SendResponse<Bytes>),
    /// It was, and nothing has left of it.
    Held(SendResponse<Bytes>, Box<Held>),
    /// The body goes on.
    Open(SendStream<Bytes>),
    /// It is over.
    Done,
    /// It cannot be written further.
    Broken(Fault),
}

/// A response that waits for company.
#[derive(Debug)]
struct Held {
    head: Response<()>,
    /// No body follows.
    is_empty: bool,
}

impl H2Body {
    /// The body of the response to a client; nothing is received until [`Self::receive`] says what.
    pub(crate) const fn of_client(respond: SendResponse<Bytes>) -> Self {
        Self {
            side: Side::Downstream,
            incoming: Incoming::Done,
            outgoing: Outgoing::Respond(respond),
        }
    }

    /// The bodies of an exchange with an endpoint, none of which has begun.
    pub(crate) const fn of_endpoint() -> Self {
        Self {
            side: Side::Upstream,
            incoming: Incoming::Done,
            outgoing: Outgoing::Before,
        }
    }

    /// From now on the incoming body is what this stream brings.
    pub(crate) fn receive(&mut self, stream: RecvStream) {
        self.incoming = if stream.is_end_stream() {
            Incoming::Done
        } else {
            Incoming::Open(Received::new(stream))
        };
    }

    /// The request was sent, and its body goes on by this stream; none: it has no body.
    pub(crate) fn send(&mut self, stream: Option<SendStream<Bytes>>) {
        self.outgoing = stream.map_or(Outgoing::Done, Outgoing::Open);
    }

    /// The message could not be begun.
    pub(crate) fn fail(&mut self, fault: Fault) {
        self.outgoing = Outgoing::Broken(fault);
    }

    /// Begins a response; one that is empty ends with its head.
    pub(crate) fn begin_response(&mut self, head: Response<()>, is_empty: bool) {
        let held = Box::new(Held { head, is_empty });
        self.outgoing = match std::mem::replace(&mut self.outgoing, Outgoing::Before) {
            Outgoing::Respond(respond) | Outgoing::Held(respond, _) => {
                Outgoing::Held(respond, held)
            }
            other => other,
        };
    }

    /// Forgets the response when nothing of it has left; false when it is too late.
    pub(crate) fn retract(&mut self) -> bool {
        match std::mem::replace(&mut self.outgoing, Outgoing::Before) {
            Outgoing::Held(respond, _) => {
                self.outgoing = Outgoing::Respond(respond);
                true
            }
            other => {
                self.outgoing = other;
                false
            }
        }
    }

    /// Sends an interim response, unless the final one was begun or the stream is gone.
    pub(crate) fn interim(&mut self, head: Response<()>) {
        if let Outgoing::Respond(respond) = &mut self.outgoing {
            // A stream that is gone says so where it is asked for.
            let _ = respond.send_informational(head);
        }
    }

    /// Whether the incoming message was received whole.
    pub(crate) const fn is_received(&self) -> bool {
        matches!(self.incoming, Incoming::Done | Incoming::Trailers(_))
    }

    /// Whether the outgoing message is complete.
    pub(crate) const fn is_sent(&self) -> bool {
        matches!(self.outgoing, Outgoing::Done)
    }

    /// Ready when the other side has reset the stream, or its connection is gone.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let polled = match &mut self.outgoing {
            Outgoing::Respond(respond) | Outgoing::Held(respond, _) => respond.poll_reset(cx),
            Outgoing::Open(stream) => stream.poll_reset(cx),
            Outgoing::Broken(_) => return Poll::Ready(()),
            Outgoing::Before | Outgoing::Done => return Poll::Pending,
        };
        polled.map(|_| ())
    }

    /// Resets the stream, when its outgoing message is not complete: nothing short of it must look whole.
    pub(crate) fn reset(&mut self, reason: Reason) {
        match &mut self.outgoing {
            Outgoing::Respond(respond) | Outgoing::Held(respond, _) => respond.send_reset(reason),
            Outgoing::Open(stream) => stream.send_reset(reason),
            Outgoing::Before | Outgoing::Done | Outgoing::Broken(_) => return,
        }
        self.outgoing = Outgoing::Broken(self.unwritable());
    }

    /// The fault of a write that failed.
    const fn unwritable(&self) -> Fault {
        match self.side {
            Side::Downstream | Side::Local => Fault::ClientGone,
            Side::Upstream => Fault::EndpointReset,
        }
    }

    fn refuse<T>(&mut self) -> Poll<Result<T, Fault>> {
        let fault = self.unwritable();
        self.outgoing = Outgoing::Broken(fault);
        Poll::Ready(Err(fault))
    }

    /// Lets a response leave that was held; with `end` nothing follows it.
    #[inline]
    fn open(&mut self, end: bool) {
        if matches!(self.outgoing, Outgoing::Held(..)) {
            self.let_go(end);
        }
    }

    fn let_go(&mut self, end: bool) {
        self.outgoing = match std::mem::replace(&mut self.outgoing, Outgoing::Before) {
            Outgoing::Held(mut respond, held) => {
                let end = end || held.is_empty;
                match respond.send_response(held.head, end) {
                    Ok(_) if end => Outgoing::Done,
                    Ok(stream) => Outgoing::Open(stream),
                    Err(_) => Outgoing::Broken(self.unwritable()),
                }
            }
            other => other,
        };
    }

    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        let side = self.side;
        let fault = |error| fault_of(side, &error);
        while let Incoming::Open(received) = &mut self.incoming {
            if !received.chunk().is_empty() {
                return Poll::Ready(Ok(Fill::Data));
            }
            if received.is_last() {
                self.incoming = Incoming::Done;
                break;
            }
            if let Some(data) = ready!(received.stream.poll_data(cx)) {
                received.put(data.map_err(fault)?);
                continue;
            }
            let trailers = ready!(received.stream.poll_trailers(cx)).map_err(fault)?;
            self.incoming = match trailers.map(|map| Section::of(&map)) {
                None => Incoming::Done,
                Some(Ok(section)) => Incoming::Trailers(Box::new(section)),
                Some(Err(refusal)) => {
                    self.reset(Reason::PROTOCOL_ERROR);
                    return Poll::Ready(Err(refused(side, refusal)));
                }
            };
        }
        Poll::Ready(Ok(Fill::End))
    }
}

impl Source for H2Body {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        if let Incoming::Broken(fault) = self.incoming {
            return Poll::Ready(Err(fault));
        }
        let polled = self.advance(cx);
        if let Poll::Ready(Err(fault)) = polled {
            self.incoming = Incoming::Broken(fault);
        }
        polled
    }

    fn data(&self) -> &[u8] {
        match &self.incoming {
            Incoming::Open(received) => received.chunk(),
            Incoming::Done | Incoming::Trailers(_) | Incoming::Broken(_) => &[],
        }
    }

    fn is_last(&self) -> bool {
        matches!(&self.incoming, Incoming::Open(received) if received.is_last())
    }

    fn consume(&mut self, n: usize) {
        let Incoming::Open(received) = &mut self.incoming else {
            return;
        };
        received.take(n);
        if received.is_last() && received.chunk().is_empty() {
            self.incoming = Incoming::Done;
        }
    }

    fn gather(&mut self, cx: &mut Context<'_>) {
        if let Incoming::Open(received) = &mut self.incoming {
            received.gather(cx);
        }
    }

    fn trailers(&self, each: &mut dyn FnMut(Field<'_>)) {
        if let Incoming::Trailers(section) = &self.incoming {
            fields(&section.table, &section.block).for_each(each);
        }
    }
}

impl Section {
    /// Those that may pass.
    fn of(map: &HeaderMap) -> Result<Self, Refusal> {
        let mut section = Self::default();
        let all = map
            .iter()
            .map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
        let limits = Limits {
            head_bytes: MAX_TRAILERS,
            ..Limits::default()
        };
        evenkeel_http2::trailers(all, &limits, &mut section.block, &mut section.table)?;
        Ok(section)
    }
}

/// The fault of trailers that were refused. What is too large may be what one client's request made the endpoint say, and is told
/// as that of a head.
const fn refused(side: Side, refusal: Refusal) -> Fault {
    match (side, refusal) {
        (Side::Upstream, Refusal::HeadTooLarge | Refusal::TooManyFields) => {
            Fault::ResponseHeadTooLarge
        }
        (_, Refusal::HeadTooLarge | Refusal::TooManyFields) => Fault::RequestHeadTooLarge,
        _ => malformed(side),
    }
}

impl Sink for H2Body {
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        data: &[u8],
        last: bool,
    ) -> Poll<Result<usize, Fault>> {
        self.open(false);
        let stream = match &mut self.outgoing {
            Outgoing::Open(stream) => stream,
            Outgoing::Broken(fault) => return Poll::Ready(Err(*fault)),
            Outgoing::Before | Outgoing::Respond(_) | Outgoing::Held(..) | Outgoing::Done => {
                return self.refuse();
            }
        };
        let want = data.len().min(SEND_BUFFER);
        let room = loop {
            stream.reserve_capacity(want);
            let room = stream.capacity();
            if room > 0 {
                break room;
            }
            match ready!(stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return self.refuse(),
            }
        };
        let taken = room.min(want);
        let end = last && taken == data.len();
        if stream
            .send_data(Bytes::copy_from_slice(&data[..taken]), end)
            .is_err()
        {
            return self.refuse();
        }
        if end {
            self.outgoing = Outgoing::Done;
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_end(&mut self, _: &mut Context<'_>, trailers: Trailers<'_>) -> Poll<Result<(), Fault>> {
        let trailers = collect(trailers);
        self.open(trailers.is_none());
        let stream = match &mut self.outgoing {
            Outgoing::Open(stream) => stream,
            Outgoing::Done => return Poll::Ready(Ok(())),
            Outgoing::Broken(fault) => return Poll::Ready(Err(*fault)),
            Outgoing::Before | Outgoing::Respond(_) | Outgoing::Held(..) => return self.refuse(),
        };
        let ended = match trailers {
            Some(trailers) => stream.send_trailers(trailers),
            None => stream.send_data(Bytes::new(), true),
        };
        if ended.is_err() {
            return self.refuse();
        }
        self.outgoing = Outgoing::Done;
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.open(false);
        match self.outgoing {
            Outgoing::Broken(fault) => Poll::Ready(Err(fault)),
            _ => Poll::Ready(Ok(())),
        }
    }
}

/// The trailers as the crate wants them; none when there is none.
fn collect(trailers: Trailers<'_>) -> Option<HeaderMap> {
    let mut map: Option<HeaderMap> = None;
    trailers(&mut |field| {
        let name = HeaderName::from_bytes(field.name);
        let value = HeaderValue::from_bytes(field.value);
        if let (Ok(name), Ok(value)) = (name, value) {
            map.get_or_insert_default().append(name, value);
        }
    });
    map
}

#[cfg(test)]
mod tests;
