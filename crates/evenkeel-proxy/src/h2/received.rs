//! What a stream has brought and nobody has taken yet.
//!
//! The codec keeps about two hundred bytes for each DATA frame beside its data, and ends the connection, with everybody's streams,
//! when small ones have piled up. So what comes for a stream that stands still is fetched, and small frames are put together.
//! Nothing of that is given back to the sender's window: it is no more than that window, wherever it waits.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use h2::RecvStream;

use crate::h2::STREAM_WINDOW;

/// Frames from this length on are kept as they came: to copy them costs more than the codec's share for them.
const SMALL: usize = 1024;

/// So much is put together at most, so that room is not made by copying it all again and again.
const PIECE: usize = 16 * 1024;

/// The shortest message of gRPC, which has a frame of its own with some senders. A stream that says less in a frame, for as many
/// frames as fill its window with such messages, says it for the frames' sake: they stay where they are counted.
const SMALLEST: u64 = 5;

/// The receiving half of a stream that goes on.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) stream: RecvStream,
    /// What is to be taken next. While there is something behind it, it is not empty.
    chunk: Bytes,
    behind: Option<Box<Behind>>,
    /// Whether that is the rest of the body, and no trailers follow.
    ended: bool,
}

impl Received {
    /// Of a stream that has brought nothing yet.
    pub(super) const fn new(stream: RecvStream) -> Self {
        Self {
            stream,
            chunk: Bytes::new(),
            behind: None,
            ended: false,
        }
    }

    /// What is to be taken next.
    pub(super) fn chunk(&self) -> &[u8] {
        &self.chunk
    }

    /// Whether nothing follows the chunk, not even trailers.
    pub(super) const fn is_last(&self) -> bool {
        self.ended && self.behind.is_none()
    }

    /// The next chunk, when the last one was taken.
    pub(super) fn put(&mut self, data: Bytes) {
        self.ended = self.stream.is_end_stream();
        self.chunk = data;
    }

    /// The first bytes of the chunk were taken.
    pub(super) fn take(&mut self, n: usize) {
        self.chunk.advance(n);
        // It fails for a stream that is gone, whose window nobody needs.
        let _ = self.stream.flow_control().release_capacity(n);
        if self.chunk.is_empty()
            && let Some(behind) = &mut self.behind
        {
            self.chunk = behind.next();
            if behind.is_empty() {
                self.behind = None;
            }
        }
    }

    /// Fetches what has come, while nobody takes the chunk, and has more of it called. How the stream ends is learnt when what was
    /// fetched has been taken.
    pub(super) fn gather(&mut self, cx: &mut Context<'_>) {
        while !self.ended
            && self
                .behind
                .as_ref()
                .is_none_or(|behind| behind.is_worth_it())
        {
            let Poll::Ready(Some(Ok(data))) = self.stream.poll_data(cx) else {
                return;
            };
            if self.chunk.is_empty() {
                self.put(data);
            } else {
                self.ended = self.stream.is_end_stream();
                if !data.is_empty() {
                    self.behind.get_or_insert_default().add(data);
                }
            }
        }
    }
}

/// What was fetched behind a chunk; never empty, but before the first of it.
#[derive(Debug, Default)]
struct Behind {
    pieces: VecDeque<Bytes>,
    /// Small frames that are being put together, behind all pieces.
    tail: Vec<u8>,
    frames: u64,
    bytes: u64,
}

impl Behind {
    fn is_worth_it(&self) -> bool {
        self.frames * SMALLEST <= self.bytes + u64::from(STREAM_WINDOW)
    }

    fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.tail.is_empty()
    }

    fn add(&mut self, data: Bytes) {
        self.frames += 1;
        self.bytes += data.len() as u64;
        if data.len() >= SMALL {
            self.close_tail();
            self.pieces.push_back(data);
            return;
        }
        if self.tail.len() + data.len() > PIECE {
            self.close_tail();
        }
        if self.tail.is_empty() {
            self.tail.reserve(SMALL);
        }
        self.tail.extend_from_slice(&data);
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces
                .push_back(Bytes::from(std::mem::take(&mut self.tail)));
        }
    }

    fn next(&mut self) -> Bytes {
        let first = self.pieces.pop_front();
        first.unwrap_or_else(|| Bytes::from(std::mem::take(&mut self.tail)))
    }
}
