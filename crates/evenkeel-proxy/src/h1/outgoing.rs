//! Writing a message: its head, the framing of its body and the body itself, in as few writes as possible.
//!
//! The head waits in `pending` until the first data comes along and then both leave in one vectored write; the data is
//! written from where it was received.

use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use evenkeel_base::FieldSink;
use evenkeel_http1::{CHUNK_END, HeadWriter, TrailerWriter, chunk_head};
use evenkeel_net::{Pipe, Stream};

use crate::block::Blocks;
use crate::body::{Length, Trailers};

/// Up to here a head and the first of its body are put together and written in one piece: copying a kilobyte costs less than
/// telling the system of two places.
const GATHER: usize = 2048;

/// What ends a chunk and the body with it.
const LAST_TAIL: &[u8] = b"\r\n0\r\n\r\n";

/// The framing state of the outgoing direction, and what is to be written before anything else.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pending: Vec<u8>,
    sent: usize,
    /// Whether any byte was written since the message was begun. Not to be told from `sent`: `pending` is emptied as it is
    /// used up, and what then becomes pending (the end of a chunk) is not the beginning of the message.
    begun: bool,
    framing: Framing,
    /// The system does not take bytes from a pipe here.
    refuses_pipes: bool,
    pool: Rc<Blocks>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// No message has been begun, or the one that was is complete.
    Done,
    /// So many bytes are still to come.
    Known { left: u64 },
    /// Chunks; of the one that was announced so many bytes are still to come.
    Chunked { in_chunk: usize },
    /// Bytes until the sending side is closed.
    Raw,
    /// The same, ended.
    RawEnded,
}

impl Framing {
    const fn known(length: u64) -> Self {
        if length == 0 {
            Self::Done
        } else {
            Self::Known { left: length }
        }
    }
}

/// How the end of an outgoing body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// No body, and no field about it.
    None,
    /// `Content-Length`.
    Length(u64),
    /// The same, and the field is among the others already.
    Told(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// The end of the connection.
    Close,
}

impl Outgoing {
    /// Nothing begun yet. It takes a buffer of the worker's with the first message.
    pub(crate) fn new(pool: &Rc<Blocks>) -> Self {
        Self {
            pending: Vec::new(),
            sent: 0,
            begun: false,
            framing: Framing::Done,
            refuses_pipes: false,
            pool: Rc::clone(pool),
        }
    }

    /// Begins a request: head fields through `fields`, framing from `coding`.
    pub(crate) fn begin_request(
        &mut self,
        line: (&[u8], &[u8], Option<&[u8]>),
        coding: Coding,
        fields: impl FnOnce(&mut HeadWriter<'_>),
    ) {
        self.begin();
        let (method, path, query) = line;
        let mut writer = HeadWriter::request(&mut self.pending, method, path, query);
        fields(&mut writer);
        self.framing = finish(writer, coding);
    }

    /// Begins a final response.
    pub(crate) fn begin_response(
        &mut self,
        line: (u16, &[u8]),
        coding: Coding,
        fields: impl FnOnce(&mut dyn FieldSink),
    ) {
        self.begin();
        let mut writer = HeadWriter::response(&mut self.pending, line.0, line.1);
        fields(&mut writer);
        self.framing = finish(writer, coding);
    }

    /// Adds an interim response (1xx) before the final one.
    pub(crate) fn interim(&mut self, line: (u16, &[u8]), fields: impl FnOnce(&mut dyn FieldSink)) {
        let framing = self.framing;
        self.begin_response(line, Coding::None, fields);
        self.framing = framing;
    }

    /// From here on the bytes are raw.
    pub(crate) const fn begin_raw(&mut self) {
        self.framing = Framing::Raw;
    }

    /// Whether any byte of the message begun has been given to the system.
    pub(crate) const fn has_sent(&self) -> bool {
        self.begun
    }

    /// Forgets a message of which no byte was given to the system; false when it is too late.
    pub(crate) fn retract(&mut self) -> bool {
        // Bytes before the message that are half out (an interim response) have to be finished.
        if self.begun || self.sent > 0 {
            return false;
        }
        self.pending.clear();
        self.framing = Framing::Done;
        true
    }

    /// Whether the outgoing direction is at a message boundary.
    pub(crate) fn is_settled(&self) -> bool {
        self.framing == Framing::Done && self.sent == self.pending.len()
    }

    /// Whether the stream has taken all that was begun so far.
    #[inline]
    pub(crate) const fn is_written(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether the end of the body is the end of the sending side.
    pub(crate) fn closes_at_end(&self) -> bool {
        self.framing == Framing::RawEnded
    }

    /// Writes pending bytes, then some of `data`; says how much of `data` was taken.
    pub(crate) fn poll_data(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
        data: &[u8],
        last: bool,
    ) -> Poll<io::Result<usize>> {
        let (data, tail): (&[u8], &[u8]) = match &mut self.framing {
            Framing::Done | Framing::RawEnded => {
                return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
            }
            Framing::Known { left } => (
                &data[..data.len().min(usize::try_from(*left).unwrap_or(usize::MAX))],
                b"",
            ),
            Framing::Raw => (data, b""),
            Framing::Chunked { in_chunk } => {
                if *in_chunk == 0 {
                    *in_chunk = data.len();
                    self.pending
                        .extend_from_slice(chunk_head(data.len()).as_slice());
                }
                let whole = *in_chunk == data.len();
                (
                    &data[..data.len().min(*in_chunk)],
                    if last && whole { LAST_TAIL } else { CHUNK_END },
                )
            }
        };
        if data.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
        }
        let before = &self.pending[self.sent..];
        if !before.is_empty() && before.len() + data.len() <= GATHER {
            let taken = data.len();
            self.pending.extend_from_slice(data);
            self.advance(taken, tail, tail == LAST_TAIL);
            // What the system does not take now stays pending, and is bounded: then the next call writes no longer here.
            return match self.poll_flush(stream, cx) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(taken)),
            };
        }
        let written = if before.is_empty() && tail.is_empty() {
            ready!(stream.poll_write(cx, data))?
        } else {
            let pieces = [IoSlice::new(before), IoSlice::new(data), IoSlice::new(tail)];
            let first = usize::from(before.is_empty());
            let end = if tail.is_empty() { 2 } else { 3 };
            ready!(stream.poll_write_vectored(cx, &pieces[first..end]))?
        };
        Poll::Ready(Ok(self.account(written, data.len(), tail)))
    }

    /// Whether the body may come through a pipe: it does where nothing is written around its pieces.
    pub(crate) const fn takes_pipe(&self) -> bool {
        matches!(self.framing, Framing::Known { .. } | Framing::Raw) && !self.refuses_pipes
    }

    /// From now on nothing may come through a pipe.
    pub(crate) const fn refuse_pipes(&mut self) {
        self.refuses_pipes = true;
    }

    /// Writes pending bytes, then some of what is in the pipe; says how much that was.
    pub(crate) fn poll_piped(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
    ) -> Poll<io::Result<usize>> {
        let most = match self.framing {
            Framing::Known { left } => usize::try_from(left).unwrap_or(usize::MAX),
            Framing::Raw => usize::MAX,
            Framing::Done | Framing::RawEnded | Framing::Chunked { .. } => {
                return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
            }
        };
        ready!(self.poll_flush(stream, cx))?;
        let moved = ready!(stream.poll_drain_pipe(cx, pipe, most))?;
        self.begun = true;
        self.advance(moved, b"", false);
        self.release();
        Poll::Ready(Ok(moved))
    }

    /// The body is complete: what is still to be written of its framing becomes pending. Calling it again changes nothing.
    pub(crate) fn end(&mut self, trailers: Trailers<'_>) {
        match self.framing {
            Framing::Chunked { .. } => {
                self.forget_sent();
                let mut writer = TrailerWriter::new(&mut self.pending);
                trailers(&mut |field| writer.field(field.name, field.value));
                writer.end();
                self.framing = Framing::Done;
            }
            Framing::Raw => self.framing = Framing::RawEnded,
            Framing::Known { .. } | Framing::Done | Framing::RawEnded => {}
        }
    }

    /// Writes what is pending, and waits until the system has all that was written.
    #[inline]
    pub(crate) fn poll_flush(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.pending.is_empty() {
            return stream.poll_flush(cx);
        }
        self.poll_write_pending(stream, cx)
    }

    fn poll_write_pending(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.sent < self.pending.len() {
            self.sent += ready!(stream.poll_write(cx, &self.pending[self.sent..]))?;
            self.begun = true;
        }
        self.release();
        stream.poll_flush(cx)
    }

    /// Shares out what one write took among pending bytes, data and tail.
    fn account(&mut self, written: usize, data: usize, tail: &'static [u8]) -> usize {
        self.begun = true;
        let before = self.pending.len() - self.sent;
        if written < before {
            self.sent += written;
            return 0;
        }
        self.pending.clear();
        self.sent = 0;
        let taken = (written - before).min(data);
        let tail_written = written - before - taken;
        self.advance(taken, &tail[tail_written..], tail == LAST_TAIL);
        self.release();
        taken
    }

    /// `taken` bytes of the body are out; what is left of the `tail` of a chunk that ends with them becomes pending, and with
    /// the `last` chunk the message is over.
    fn advance(&mut self, taken: usize, tail: &'static [u8], last: bool) {
        match &mut self.framing {
            Framing::Known { left } => {
                *left -= taken as u64;
                if *left == 0 {
                    self.framing = Framing::Done;
                }
            }
            Framing::Chunked { in_chunk } => {
                *in_chunk -= taken;
                if *in_chunk == 0 {
                    self.pending.extend_from_slice(tail);
                    if last {
                        self.framing = Framing::Done;
                    }
                }
            }
            Framing::Done | Framing::Raw | Framing::RawEnded => {}
        }
    }

    /// Gives its buffer back when the message is written whole. Not later: an exchange that waits for its response needs none,
    /// and whoever comes next finds this one still in the caches.
    fn release(&mut self) {
        self.forget_sent();
        if self.pending.is_empty() && matches!(self.framing, Framing::Done | Framing::RawEnded) {
            self.pool.give_out(std::mem::take(&mut self.pending));
        }
    }

    fn begin(&mut self) {
        self.forget_sent();
        self.begun = false;
        if self.pending.capacity() == 0 {
            self.pending = self.pool.take_out();
        }
    }

    fn forget_sent(&mut self) {
        if self.sent == self.pending.len() {
            self.pending.clear();
            self.sent = 0;
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.pool.give_out(std::mem::take(&mut self.pending));
    }
}

fn finish(mut writer: HeadWriter<'_>, coding: Coding) -> Framing {
    let framing = match coding {
        Coding::None => Framing::Done,
        Coding::Length(length) => {
            writer.content_length(length);
            Framing::known(length)
        }
        Coding::Told(length) => Framing::known(length),
        Coding::Chunked => {
            writer.chunked();
            Framing::Chunked { in_chunk: 0 }
        }
        Coding::Close => Framing::Raw,
    };
    writer.end();
    framing
}

/// The coding of a body towards something that understands chunks.
pub(crate) const fn chunked_unless_known(length: Length) -> Coding {
    match length {
        Length::Empty => Coding::None,
        Length::Known(n) => Coding::Length(n),
        Length::Unknown => Coding::Chunked,
    }
}

#[cfg(test)]
mod tests;
