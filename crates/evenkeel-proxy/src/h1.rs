//! HTTP/1.1 on a stream: one half-exchange after the other, the same code for both sides.
//!
//! A [`Channel`] is a stream with its buffers and the framing state of each direction. Downstream it reads requests and
//! writes responses, upstream the other way round; what differs is only the faults its failures are called by. It takes
//! no decision: which head to write and when to stop is the pipeline's business.
//!
//! ```text
//!  incoming:  head ──▶ body (none, known, chunked, until close) ──▶ Done      a message boundary
//!  outgoing:  head ──▶ body (none, known, chunked, until close) ──▶ Done      a message boundary
//!                                both Done, nothing unsent: `into_boundary` gives a reusable stream
//! ```

mod incoming;
mod outgoing;
mod passage;
mod reply;

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use evenkeel_base::head::Field;
use evenkeel_base::{Fault, Side};
use evenkeel_http1::{Limits, Refusal};
use evenkeel_net::{Pipe, Stream};
use evenkeel_state::{Dial, OpenConnection};

use incoming::Chunked;
pub(crate) use incoming::Incoming;
use incoming::MAX_TRAILERS;
pub(crate) use outgoing::{Coding, Outgoing, chunked_unless_known};
pub(crate) use reply::Reply;

use crate::block::{Block, Blocks, FIRST_READ};
use crate::body::{Fill, Sink, Source, Trailers};
use crate::pipes::Lent;

/// A channel that is provably between two messages: everything received was used and everything begun was written.
/// Only [`Channel::into_boundary`] makes one, and only a channel in this state can wait idle or go into a pool. It holds no
/// buffer.
#[derive(Debug)]
pub(crate) struct Boundary {
    channel: Box<Channel>,
    doubtful: bool,
}

impl Boundary {
    /// The stream.
    pub(crate) const fn stream(&mut self) -> &mut Stream {
        &mut self.channel.stream
    }

    /// The serial of the dial that it was made by ([`OpenConnection::dial`]).
    pub(crate) fn dial(&self) -> u32 {
        let open = self.channel.open.as_ref();
        open.map_or(Dial::PLAIN.serial, OpenConnection::dial)
    }

    /// The stream alone, to wait long.
    pub(crate) fn into_stream(self) -> Stream {
        self.channel.stream
    }

    /// The channel, for the next exchange.
    pub(crate) fn into_channel(self) -> Box<Channel> {
        self.channel
    }

    /// Bytes that nobody asked for may be on their way: a response without a body by rule (HEAD, 204, 304) may be followed
    /// by one all the same, and would be taken for the next response.
    pub(crate) const fn doubt(mut self) -> Self {
        self.doubtful = true;
        self
    }

    /// Whether the system has to be asked before it is used again.
    pub(crate) const fn is_doubtful(&self) -> bool {
        self.doubtful
    }
}

/// A stream in the middle of an exchange.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) stream: Stream,
    /// Its place in the limits of its cluster, when it leads to an endpoint: given back when it is closed.
    pub(crate) open: Option<OpenConnection>,
    pub(crate) side: Side,
    pub(crate) block: Block,
    /// Bytes of the incoming message's head, which stay in front of its body.
    pub(crate) head: usize,
    pub(crate) incoming: Incoming,
    /// The response that is read, upstream.
    pub(crate) reply: Reply,
    chunked: Chunked,
    pub(crate) outgoing: Outgoing,
    /// The event loop was asked to wake the task when there are bytes, so that they are probably there by now.
    awaited: bool,
    /// Whether the last read brought all it could: more is waiting.
    plenty: bool,
    /// Bytes of the incoming body that come behind those in the block.
    lent: Option<Box<Lent>>,
}

impl Channel {
    /// A channel on a fresh stream or one that is at a message boundary.
    pub(crate) fn new(stream: Stream, side: Side, blocks: &Rc<Blocks>) -> Box<Self> {
        let (block, outgoing) = (blocks.take(), Outgoing::new(blocks));
        Box::new(Self {
            stream,
            open: None,
            side,
            block,
            head: 0,
            incoming: Incoming::Head,
            reply: Reply::default(),
            chunked: Chunked::default(),
            outgoing,
            awaited: false,
            plenty: false,
            lent: None,
        })
    }

    /// The event loop has just said that there are bytes.
    pub(crate) const fn expect_bytes(&mut self) {
        self.awaited = true;
    }

    /// The head of a message is over, and its body follows.
    pub(crate) fn begin_body(&mut self, incoming: Incoming) {
        self.incoming = incoming;
        if matches!(incoming, Incoming::Chunked) {
            self.chunked = Chunked::default();
        }
    }

    /// Goes on to the next message, when both directions are at a boundary.
    pub(crate) fn next_message(&mut self) -> bool {
        if !self.is_settled() {
            return false;
        }
        self.block.begin_message();
        self.head = 0;
        self.incoming = Incoming::Head;
        true
    }

    /// Whether both directions are at a message boundary: behind a whole message or before the first byte of one.
    pub(crate) fn is_settled(&self) -> bool {
        let before = matches!(self.incoming, Incoming::Head) && self.block.message().is_empty();
        (before || self.incoming.is_done()) && self.outgoing.is_settled()
    }

    /// A channel that can wait and go on, when both directions are at a message boundary; its buffers go back to their pool.
    pub(crate) fn into_boundary(mut self: Box<Self>) -> Option<Boundary> {
        if !self.block.is_empty() || !self.next_message() {
            return None;
        }
        self.rest();
        Some(Boundary {
            channel: self,
            doubtful: false,
        })
    }

    /// Gives its block back to its pool, between two messages; what was written is given back already.
    pub(crate) fn rest(&mut self) {
        self.block.release();
    }

    /// Reads more of a head of at most `limit` bytes: false at the end of the stream.
    pub(crate) fn poll_read_head(
        &mut self,
        cx: &mut Context<'_>,
        limit: usize,
    ) -> Poll<io::Result<bool>> {
        ready!(self.poll_worth_reading(cx))?;
        if self.side == Side::Upstream {
            self.block.begin_wide();
        } else if self.block.is_full() && self.block.pool().is_short() {
            // Most heads fit a small block. Whose does not may be worth it or not, and it cannot be known.
            return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
        }
        self.block.make_room_for_head(limit);
        self.poll_read_room(cx, FIRST_READ)
    }

    /// Without memory to read into: waits for the bytes first, so that a block is taken second. Whoever was woken after that
    /// may take one and look.
    #[inline]
    fn poll_worth_reading(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.block.is_held() || self.awaited {
            return Poll::Ready(Ok(()));
        }
        let polled = self.stream.poll_read_ready(cx);
        self.awaited = polled.is_pending();
        polled
    }

    /// Reads at most so much into the room there is; a block that nothing came into is given back.
    fn poll_read_room(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<bool>> {
        let room = self.block.room();
        if room.is_empty() {
            // The parser refuses a head before it gets this far; this only keeps a full block from reading as an end.
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let most = most.min(room.len());
        let polled = if self.awaited {
            self.stream.poll_read_awaited(cx, &mut room[..most])
        } else {
            self.stream.poll_read(cx, &mut room[..most])
        };
        self.awaited = polled.is_pending();
        if let Poll::Ready(Ok(n)) = polled {
            self.plenty = n == most && !self.block.is_small();
            self.block.received(n);
            return Poll::Ready(Ok(n > 0));
        }
        self.block.release();
        polled.map_ok(|_| false)
    }

    /// Reads ahead while nothing is expected, to learn whether the other side is still there. Ready when it is gone.
    /// What it reads (a pipelined request) is kept; when the block is full, it stops looking.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.lent.is_some() {
            // What is read now would come before what is in the pipe.
            return Poll::Pending;
        }
        loop {
            if ready!(self.stream.poll_read_ready(cx)).is_err() {
                return Poll::Ready(());
            }
            if !self.block.make_room_for_body(self.head, 1) {
                return Poll::Pending;
            }
            match ready!(self.stream.poll_read(cx, self.block.room())) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(n) => self.block.received(n),
            }
        }
    }

    /// From here on both directions are raw bytes: a tunnel.
    pub(crate) fn begin_tunnel(&mut self) {
        self.incoming = Incoming::Raw;
        self.outgoing.begin_raw();
    }

    /// Goes on in the body until there is data, an end, or nothing to read.
    fn poll_advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        loop {
            match &mut self.incoming {
                Incoming::Head | Incoming::Done => return Poll::Ready(Ok(Fill::End)),
                Incoming::Known { left: 0 } => self.incoming = Incoming::Done,
                Incoming::Known { .. } | Incoming::Raw if !self.block.is_empty() => {
                    return Poll::Ready(Ok(Fill::Data));
                }
                Incoming::Known { .. } => {
                    if !ready!(self.poll_read_body(cx))? {
                        return Poll::Ready(Err(self.broken()));
                    }
                }
                Incoming::Raw => {
                    if !ready!(self.poll_read_body(cx))? {
                        self.incoming = Incoming::Done;
                    }
                }
                Incoming::Chunked => {
                    let limits = Limits {
                        head_bytes: MAX_TRAILERS,
                        ..Limits::default()
                    };
                    match self.chunked.advance(&mut self.block, &limits) {
                        Ok(Some(Fill::Data)) => return Poll::Ready(Ok(Fill::Data)),
                        Ok(Some(Fill::End)) => self.incoming = Incoming::Ended,
                        Ok(None) => {
                            if !ready!(self.poll_read_body(cx))? {
                                return Poll::Ready(Err(self.broken()));
                            }
                        }
                        Err(refusal) => return Poll::Ready(Err(self.refused(refusal))),
                    }
                }
                Incoming::Ended => return Poll::Ready(Ok(Fill::End)),
                Incoming::Broken(fault) => return Poll::Ready(Err(*fault)),
            }
        }
    }

    fn poll_read_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Fault>> {
        if self.lent.is_some() {
            return Poll::Ready(self.take_out_of_pipe());
        }
        ready!(self.poll_worth_reading(cx)).map_err(|_| self.broken())?;
        let most = if self.is_long() {
            self.block.enlarge(self.head);
            usize::MAX
        } else {
            FIRST_READ
        };
        let want = match self.incoming {
            Incoming::Known { left } => usize::try_from(left).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        if !self.block.make_room_for_body(self.head, want) {
            return Poll::Ready(Err(self.malformed()));
        }
        let polled = self.poll_read_room(cx, most);
        if polled.is_pending() {
            self.block.hold_less(self.head, false);
        }
        polled.map_err(|_| self.broken())
    }

    fn poll_flush_rest(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        match ready!(self.outgoing.poll_flush(&mut self.stream, cx)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(_) => Poll::Ready(Err(self.unwritable())),
        }
    }

    /// The fault of a body whose connection ended or failed before it was complete.
    const fn broken(&self) -> Fault {
        match self.side {
            Side::Downstream | Side::Local => Fault::ClientGone,
            Side::Upstream => Fault::ResponseCut,
        }
    }

    /// The fault of a body that the codec refused.
    const fn refused(&self, refusal: Refusal) -> Fault {
        match self.side {
            Side::Downstream | Side::Local => refusal.fault_of_request(),
            Side::Upstream => refusal.fault_of_response(),
        }
    }

    const fn malformed(&self) -> Fault {
        match self.side {
            Side::Downstream | Side::Local => Fault::RequestBodyMalformed,
            Side::Upstream => Fault::ResponseBodyMalformed,
        }
    }

    /// The fault of a write that failed.
    const fn unwritable(&self) -> Fault {
        match self.side {
            Side::Downstream | Side::Local => Fault::ClientGone,
            Side::Upstream => Fault::EndpointReset,
        }
    }
}

impl Source for Channel {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        let polled = self.poll_advance(cx);
        if let Poll::Ready(Err(fault)) = polled {
            self.incoming = Incoming::Broken(fault);
        }
        polled
    }

    #[inline]
    fn data(&self) -> &[u8] {
        match &self.incoming {
            Incoming::Known { left } => {
                let unread = self.block.unread();
                &unread[..unread
                    .len()
                    .min(usize::try_from(*left).unwrap_or(usize::MAX))]
            }
            Incoming::Raw => self.block.unread(),
            Incoming::Chunked => self.chunked.payload(&self.block),
            Incoming::Head | Incoming::Done | Incoming::Ended | Incoming::Broken(_) => &[],
        }
    }

    fn is_last(&self) -> bool {
        match &self.incoming {
            Incoming::Known { left } => self.block.unread().len() as u64 >= *left,
            Incoming::Chunked => self.chunked.is_last(),
            Incoming::Head
            | Incoming::Raw
            | Incoming::Done
            | Incoming::Ended
            | Incoming::Broken(_) => false,
        }
    }

    fn consume(&mut self, n: usize) {
        match &mut self.incoming {
            Incoming::Known { left } => {
                *left -= n as u64;
                self.block.consume(n);
                if *left == 0 {
                    self.incoming = Incoming::Done;
                }
            }
            Incoming::Raw => self.block.consume(n),
            Incoming::Chunked => {
                if self.chunked.consume(n, &mut self.block) {
                    self.incoming = Incoming::Ended;
                }
            }
            Incoming::Head | Incoming::Done | Incoming::Ended | Incoming::Broken(_) => {
                debug_assert!(n == 0, "nothing to take");
            }
        }
    }

    fn poll_pipe(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Fault>> {
        let polled = self.poll_into_pipe(cx);
        if let Poll::Ready(Err(fault)) = polled {
            self.incoming = Incoming::Broken(fault);
        }
        polled
    }

    fn piped(&mut self) -> Option<&mut Pipe> {
        self.lent.as_mut().map(|lent| &mut lent.pipe)
    }

    fn consume_piped(&mut self, n: usize) {
        self.passed(n);
    }

    fn hold_less(&mut self, stopped: bool) {
        self.block.hold_less(self.head, stopped);
    }

    fn trailers(&self, each: &mut dyn FnMut(Field<'_>)) {
        if matches!(self.incoming, Incoming::Ended) {
            for (name, value, known) in self.chunked.trailers() {
                if known.may_be_trailer() {
                    let known = *known;
                    each(Field { name, value, known });
                }
            }
        }
    }
}

impl Sink for Channel {
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        data: &[u8],
        last: bool,
    ) -> Poll<Result<usize, Fault>> {
        match ready!(self.outgoing.poll_data(&mut self.stream, cx, data, last)) {
            Ok(n) => Poll::Ready(Ok(n)),
            Err(_) => Poll::Ready(Err(self.unwritable())),
        }
    }

    fn takes_pipe(&self) -> bool {
        self.outgoing.takes_pipe() && self.stream.takes_pipe()
    }

    fn poll_piped(&mut self, cx: &mut Context<'_>, pipe: &mut Pipe) -> Poll<Result<usize, Fault>> {
        self.poll_out_of_pipe(cx, pipe)
    }

    fn poll_end(
        &mut self,
        cx: &mut Context<'_>,
        trailers: Trailers<'_>,
    ) -> Poll<Result<(), Fault>> {
        self.outgoing.end(trailers);
        ready!(self.poll_flush(cx))?;
        if self.outgoing.closes_at_end() {
            self.stream.reset_on_close(false);
            ready!(self.stream.poll_shutdown(cx)).map_err(|_| self.unwritable())?;
        }
        Poll::Ready(Ok(()))
    }

    #[inline(always)]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        // Twice of three times there is nothing to do, and finding that out is no call.
        if self.outgoing.is_written() && self.stream.is_flushed() {
            return Poll::Ready(Ok(()));
        }
        self.poll_flush_rest(cx)
    }
}

#[cfg(test)]
mod tests;
