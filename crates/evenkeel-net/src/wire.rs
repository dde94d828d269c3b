//! A stream as hyper reads and writes it: for operators, and for the collector of traces. Traffic has a codec of its own.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};

use crate::stream::Stream;

/// So much is read in one go, in bytes: messages are small, and it stands on the stack.
pub const PIECE: usize = 4 * 1024;

/// The stream.
#[derive(Debug)]
pub struct Wire(pub Stream);

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // hyper's buffer is not initialised, and ours is copied instead of calling it so.
        let mut piece = [0; PIECE];
        let room = buf.remaining().min(PIECE);
        if room > 0 {
            let n = ready!(self.0.poll_read(cx, &mut piece[..room]))?;
            buf.put_slice(&piece[..n]);
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_shutdown(cx)
    }
}
