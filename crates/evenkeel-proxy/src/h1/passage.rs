//! Bodies that pass a channel unread: from its stream into a pipe, and from a pipe into its stream.
//!
//! Only bytes that nothing has to be learned from go this way: a body of known length, one that lasts until the
//! connection ends, a tunnel. Chunks are read. Whether it is worth it shows in what comes: a read that filled the block to
//! the last byte says that there is more.

use std::io;
use std::task::{Context, Poll, ready};

use evenkeel_base::Fault;
use evenkeel_net::Pipe;

use crate::h1::{Channel, Incoming};

/// Less than this is copied: two more calls of the system cost as much as copying it.
const WORTH_IT: u64 = 16 * 1024;

impl Channel {
    /// Whether there is more of the body than a block is good for: the last read left some, and more than a little is to come.
    pub(super) const fn is_long(&self) -> bool {
        match self.incoming {
            Incoming::Known { left } => self.plenty && left >= WORTH_IT,
            Incoming::Raw | Incoming::Chunked => self.plenty,
            Incoming::Head | Incoming::Done | Incoming::Ended | Incoming::Broken(_) => false,
        }
    }

    /// Moves what the stream has into a pipe; false when it is to be read instead, for whatever reason.
    pub(super) fn poll_into_pipe(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Fault>> {
        let most = match self.incoming {
            Incoming::Known { left } => usize::try_from(left).unwrap_or(usize::MAX),
            Incoming::Raw => usize::MAX,
            _ => return Poll::Ready(Ok(false)),
        };
        if !self.stream.takes_pipe()
            || !self.is_long()
            || !self.block.is_empty()
            || self.lent.is_some()
        {
            return Poll::Ready(Ok(false));
        }
        ready!(self.stream.poll_read_ready(cx)).map_err(|_| self.broken())?;
        let Some(mut lent) = self.block.pool().pipes.take().map(Box::new) else {
            return Poll::Ready(Ok(false));
        };
        match self.stream.poll_fill_pipe(cx, &mut lent.pipe, most) {
            Poll::Ready(Ok(n)) if n > 0 => {
                self.plenty = n as u64 >= WORTH_IT;
                self.lent = Some(lent);
                // A reader that stops now holds the pipe and no block besides.
                self.block.keep_head(self.head);
                Poll::Ready(Ok(true))
            }
            Poll::Pending => {
                lent.give_back();
                Poll::Pending
            }
            // The end is found once more by reading, and what it means is decided there.
            Poll::Ready(Ok(_)) => {
                lent.give_back();
                Poll::Ready(Ok(false))
            }
            Poll::Ready(Err(error)) if is_unsupported(&error) => {
                self.block.pool().pipes.refuse();
                Poll::Ready(Ok(false))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(self.broken())),
        }
    }

    /// `n` bytes of the incoming body left the pipe.
    pub(super) fn passed(&mut self, n: usize) {
        match &mut self.incoming {
            Incoming::Known { left } => {
                *left = left.saturating_sub(n as u64);
                if *left == 0 {
                    self.incoming = Incoming::Done;
                }
            }
            incoming => debug_assert!(matches!(incoming, Incoming::Raw), "others have no pipe"),
        }
        if self.lent.as_ref().is_some_and(|lent| lent.pipe.held() == 0) {
            self.give_pipe_back();
        }
    }

    /// Reads what is in the pipe into the block, when it cannot pass unread after all; false when there is nothing.
    pub(super) fn take_out_of_pipe(&mut self) -> Result<bool, Fault> {
        let Some(lent) = &mut self.lent else {
            return Ok(false);
        };
        // A pipe is filled only while nothing is unread, so there is room.
        self.block.make_room_for_body(self.head, usize::MAX);
        let read = lent.pipe.read(self.block.room());
        if lent.pipe.held() == 0 {
            self.give_pipe_back();
        }
        match read {
            Ok(n) if n > 0 => {
                self.block.received(n);
                Ok(true)
            }
            _ => Err(self.broken()),
        }
    }

    /// Moves what is in a pipe to the stream, behind what is pending. 0 when the system does not do that, and
    /// [`Outgoing::takes_pipe`] says no from then on.
    ///
    /// [`Outgoing::takes_pipe`]: crate::h1::Outgoing::takes_pipe
    pub(super) fn poll_out_of_pipe(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
    ) -> Poll<Result<usize, Fault>> {
        match ready!(self.outgoing.poll_piped(&mut self.stream, cx, pipe)) {
            Ok(n) => Poll::Ready(Ok(n)),
            Err(error) if is_unsupported(&error) => {
                self.outgoing.refuse_pipes();
                Poll::Ready(Ok(0))
            }
            Err(_) => Poll::Ready(Err(self.unwritable())),
        }
    }

    fn give_pipe_back(&mut self) {
        if let Some(lent) = self.lent.take() {
            lent.give_back();
        }
    }
}

/// Whether the system refuses the way and not the bytes.
fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
    )
}

#[cfg(test)]
mod tests;
