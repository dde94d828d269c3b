//! The bytes of an HTTP/2 connection: a stream, what was read of it before anybody knew what it speaks, and what waits to be
//! written.
//!
//! The codec writes frame by frame and flushes after each that has a body. Nothing of that reaches the system at once: frames
//! are put together here, and leave in one write when the codec has said all it has to say ([`Outlet::poll_flush`], called by
//! the task that drives the connection). So the responses of many streams are one write, as are head, body and end of one.
//!
//! ```text
//!   codec ── poll_write ──▶ meter ──▶ gathered ── more than GATHER, or Outlet::poll_flush ──▶ stream
//!   codec ◀── poll_read ─── meter ◀── what was read before ◀─── stream
//! ```
//! All of it passes the [`Meter`]. Once that has seen enough, the codec gets nothing more to read, and whoever drives the
//! connection learns why from [`Outlet::verdict`].

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, Bytes};
use evenkeel_http2::{Abuse, Meter, Role};
use evenkeel_net::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::block::Blocks;

/// So many bytes are put together before they are written: a usual frame and what goes along with it. Beyond that copying costs
/// more than the write that it saves.
const GATHER: usize = 16 * 1024 + 512;

/// So many bytes are read in a row. The codec reads as long as there is something, and only then writes what follows from it: a
/// client that never pauses would hold the worker, and be judged by nothing that it provokes.
const TURN: usize = 64 * 1024;

/// What the codec reads from and writes to.
#[derive(Debug)]
pub(crate) struct Wire(Rc<Shared>);

/// The other hand on the same: flushes what the codec has written.
#[derive(Clone, Debug)]
pub(crate) struct Outlet(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    stream: RefCell<Stream>,
    /// What was read of the stream before.
    before: RefCell<Bytes>,
    gathered: RefCell<Gathered>,
    meter: RefCell<Meter>,
    /// What was read since there was a pause.
    in_a_row: Cell<usize>,
    /// Whether the stream is asked for more in this turn.
    reads: Cell<Reads>,
    /// How often the system took something, so that whoever waits for that sees it.
    progress: Cell<u64>,
    /// How many bytes have come.
    heard: Cell<u64>,
    pool: Rc<Blocks>,
}

/// Whether the stream is asked for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    /// Whenever the codec asks.
    Always,
    /// Until it has nothing: whoever drives the connection says when that may have changed.
    ThisTurn,
    /// No more before that.
    NextTurn,
}

/// What is to be written. It has a buffer of the worker's while there is something in it.
#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    sent: usize,
}

impl Wire {
    /// The wire of a stream of which `before` was read already, and its outlet. `role` is who is at the other end.
    pub(crate) fn new(
        stream: Stream,
        before: Bytes,
        role: Role,
        pool: &Rc<Blocks>,
    ) -> (Self, Outlet) {
        let shared = Rc::new(Shared {
            stream: RefCell::new(stream),
            before: RefCell::new(before),
            gathered: RefCell::default(),
            meter: RefCell::new(Meter::new(role, Instant::now())),
            in_a_row: Cell::new(0),
            reads: Cell::new(Reads::Always),
            progress: Cell::new(0),
            heard: Cell::new(0),
            pool: Rc::clone(pool),
        });
        (Self(Rc::clone(&shared)), Outlet(shared))
    }
}

impl Outlet {
    /// The task that drives the connection was woken. Until the next time a stream that had nothing to read is not asked again: the
    /// codec looks for more with each request that is taken from it, after the first of a turn in vain.
    pub(crate) fn begin_turn(&self) {
        self.0.reads.set(Reads::ThisTurn);
    }

    /// Writes what the codec has said.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    /// Says how many streams there may be at once, and how large the heads that come on them, before anything is read.
    pub(crate) fn allow(&self, streams: u32, head: usize) {
        let mut meter = self.0.meter.borrow_mut();
        let head = u32::try_from(head).unwrap_or(u32::MAX);
        *meter = meter.clone().for_streams(streams, head);
    }

    /// Counts the bytes of names and values that a head was decoded to.
    pub(crate) fn decoded(&self, bytes: usize) {
        // Who asks for the verdict learns of it.
        let _ = self.0.meter.borrow_mut().decoded(bytes);
    }

    /// The last stream that the client has opened; the codec may not have looked at it yet.
    pub(crate) fn newest(&self) -> u32 {
        self.0.meter.borrow().newest()
    }

    /// Whether the other end makes work that nobody asked for; the codec has got nothing more since then.
    pub(crate) fn verdict(&self) -> Result<(), Abuse> {
        self.0.meter.borrow().verdict()
    }

    /// Says GOAWAY for that abuse, where the codec cannot be told to, if the last frame was written whole.
    pub(crate) fn say_goaway(&self, abuse: Abuse) {
        const KIND: u8 = 7;
        if !self.0.meter.borrow().is_between_frames() {
            return;
        }
        let why = abuse.name().as_bytes();
        let length = u8::try_from(8 + why.len()).unwrap_or(8);
        let head = [0, 0, length, KIND, 0, 0, 0, 0, 0];
        // No stream of the other side's own was looked at.
        let codes = [[0; 4], Abuse::CODE.to_be_bytes()];
        let pieces = [&head[..], codes.as_flattened(), why].map(IoSlice::new);
        self.0.gathered.borrow_mut().add(&pieces, &self.0.pool);
    }

    /// Reads and throws away what still comes, at most `left` bytes; ready when the other end has closed, or with the last of
    /// them.
    pub(crate) fn poll_drain(&self, cx: &mut Context<'_>, left: &mut usize) -> Poll<()> {
        let mut bytes = [0_u8; 4096];
        loop {
            match ready!(self.0.stream.borrow_mut().poll_read(cx, &mut bytes)) {
                Ok(n) if n > 0 && *left > n => *left -= n,
                Ok(_) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// A number that grows whenever the system takes something.
    pub(crate) fn progress(&self) -> u64 {
        self.0.progress.get()
    }

    /// How many bytes have come.
    pub(crate) fn heard(&self) -> u64 {
        self.0.heard.get()
    }
}

impl Shared {
    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathered = self.gathered.borrow_mut();
        while !gathered.is_empty() {
            let mut stream = self.stream.borrow_mut();
            let n = ready!(stream.poll_write(cx, gathered.rest()))?;
            self.took(&mut gathered, n);
        }
        // What TLS has sealed is not yet with the system.
        self.stream.borrow_mut().poll_flush(cx)
    }

    /// Takes some of `pieces`, which are `length` bytes all together: copies them when they fit, else writes what has been
    /// gathered and them.
    fn poll_take(
        &self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
        length: usize,
    ) -> Poll<io::Result<usize>> {
        let mut gathered = self.gathered.borrow_mut();
        loop {
            if gathered.rest().len() + length <= GATHER {
                gathered.add(pieces, &self.pool);
                self.count_out(pieces, length);
                return Poll::Ready(Ok(length));
            }
            let mut stream = self.stream.borrow_mut();
            let before = gathered.rest().len();
            let n = if before == 0 {
                ready!(stream.poll_write_vectored(cx, pieces))?
            } else {
                let mut all = [IoSlice::new(&[]); MOST_PIECES];
                all[0] = IoSlice::new(gathered.rest());
                let count = pieces.len().min(MOST_PIECES - 1);
                all[1..=count].copy_from_slice(&pieces[..count]);
                ready!(stream.poll_write_vectored(cx, &all[..=count]))?
            };
            self.took(&mut gathered, n.min(before));
            if n > before {
                self.count_out(pieces, n - before);
                return Poll::Ready(Ok(n - before));
            }
        }
    }

    /// Counts the first `most` bytes of `pieces`.
    fn count_out(&self, pieces: &[IoSlice<'_>], mut most: usize) {
        let mut meter = self.meter.borrow_mut();
        for piece in pieces {
            let taken = most.min(piece.len());
            let _ = meter.outgoing(&piece[..taken]);
            most -= taken;
        }
    }

    fn took(&self, gathered: &mut Gathered, n: usize) {
        self.progress.set(self.progress.get().wrapping_add(1));
        gathered.sent += n;
        if gathered.is_empty() {
            gathered.sent = 0;
            self.pool.give_out(std::mem::take(&mut gathered.bytes));
        }
    }
}

/// Pieces that go along with what was gathered: the codec hands over a head and a payload.
const MOST_PIECES: usize = 4;

impl Gathered {
    fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    fn add(&mut self, pieces: &[IoSlice<'_>], pool: &Rc<Blocks>) {
        if self.bytes.capacity() == 0 {
            self.bytes = pool.take_out();
        }
        if self.sent > 0 {
            // What is left moves to the front, or a reader that is never done would let it grow for ever.
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        for piece in pieces {
            self.bytes.extend_from_slice(piece);
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = buf.filled().len();
        let mut meter = self.0.meter.borrow_mut();
        if meter.verdict().is_err() {
            return Poll::Pending;
        }
        if self.0.in_a_row.get() >= TURN {
            self.0.in_a_row.set(0);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.0.reads.get() == Reads::NextTurn {
            return Poll::Pending;
        }
        let mut before = self.0.before.borrow_mut();
        if before.is_empty() {
            let polled = self.0.stream.borrow_mut().poll_read_buf(cx, buf);
            if polled.is_pending() {
                self.0.in_a_row.set(0);
                if self.0.reads.get() == Reads::ThisTurn {
                    self.0.reads.set(Reads::NextTurn);
                }
            }
            ready!(polled)?;
        } else {
            let n = before.len().min(buf.remaining());
            buf.put_slice(&before[..n]);
            before.advance(n);
        }
        let read = &buf.filled()[filled..];
        self.0.in_a_row.set(self.0.in_a_row.get() + read.len());
        let heard = self.0.heard.get().wrapping_add(read.len() as u64);
        self.0.heard.set(heard);
        if !read.is_empty() && meter.incoming(read, Instant::now()).is_err() {
            buf.set_filled(filled);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_take(cx, &[IoSlice::new(bytes)], bytes.len())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = pieces.iter().map(|piece| piece.len()).sum();
        self.0.poll_take(cx, pieces, length)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Not yet: see above.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.0.poll_flush(cx))?;
        self.0.stream.borrow_mut().poll_shutdown(cx)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let gathered = self.gathered.take();
        self.pool.give_out(gathered.bytes);
    }
}

#[cfg(test)]
mod tests;
