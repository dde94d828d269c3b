//! Input buffers: blocks from the worker's pool, taken when bytes are there and given back when they are used up.
//!
//! An idle connection holds none. A block keeps the message's head in place while the body streams through the space
//! behind it, because routing, retries and the log read the head until the exchange ends. So each request under way has its
//! own memory all that time, and with hundreds of them what they touch is more than the caches hold: a request begins in a
//! small block, and goes on in one of the usual size when more comes. A body that has to be read and fills that again and
//! again goes on in a large one, of which a worker has few.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use evenkeel_base::ResponseHead;

use crate::pipes::Pipes;
use crate::spare::Spares;

/// The size of a small block, where a request begins: most heads fit, and a small body as well. Not a power of two, or the
/// heads of all requests under way would compete for the same few places of the caches.
pub(crate) const SMALL: usize = 3584;
/// Free small blocks a worker keeps: 3.5 MiB.
const MAX_SMALL_FREE: usize = 1024;

/// The size of a usual block: a head within the usual limit of 32 KiB fits without growing, and 32 KiB of a body behind a usual head
/// and in its framing are one read. Memory that no byte came into costs nothing.
pub(crate) const BLOCK: usize = 36 * 1024;
/// The most that is read before it is known that a body is long: 64 KiB and a head. What fits is one read and one write, which
/// up to here is no dearer than a pipe.
pub(crate) const FIRST_READ: usize = 68 * 1024;
/// A body that does not fit a small block is read into at least this much room; with less left behind a large head, the block
/// grows.
const MIN_ROOM: usize = 8 * 1024;
/// Free usual blocks a worker keeps: 9 MiB when bodies have been through all of them. What a burst needed beyond that goes back to
/// the allocator.
const MAX_FREE: usize = 256;

/// The size of a large block. Responses begin in one, for what came into it is gone again in a moment, and memory that no
/// byte came into costs nothing: against blocks of 36 KiB that saves a third of the CPU time of 48 KB. Chunked bodies
/// go on in one: a third of the CPU time of 1 MB, and three fifths when it goes both ways.
const LARGE: usize = 128 * 1024;
/// Large blocks that a worker lends at most, 8 MiB. Readers that have stopped hold them; what comes beyond goes through small
/// ones.
const MAX_LARGE: usize = 64;
/// Free large blocks a worker keeps: 2 MiB.
const MAX_LARGE_FREE: usize = 16;

/// An output buffer that grew beyond this goes back to the allocator: heads of usual size need a tenth of it.
const MAX_OUT: usize = 32 * 1024;

/// The free input blocks and output buffers of one worker, and what is taken along with them: the tables of response heads,
/// and pipes, which do for long bodies what blocks do for others.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    pub(crate) pipes: Rc<Pipes>,
    pub(crate) response_heads: Spares<ResponseHead>,
    small: RefCell<Vec<Vec<u8>>>,
    free: RefCell<Vec<Vec<u8>>>,
    large: RefCell<Vec<Vec<u8>>>,
    large_lent: Cell<usize>,
    out: RefCell<Vec<Vec<u8>>>,
}

impl Blocks {
    /// An empty block. It takes its memory when room is first asked for, which is when bytes are there.
    pub(crate) fn take(self: &Rc<Self>) -> Block {
        Block {
            bytes: Vec::new(),
            start: 0,
            pos: 0,
            end: 0,
            ample: false,
            pool: Rc::clone(self),
        }
    }

    /// The memory of a small block.
    fn take_small(&self) -> Vec<u8> {
        let free = self.small.borrow_mut().pop();
        free.unwrap_or_else(|| new_block(SMALL))
    }

    /// The memory of a usual block.
    fn take_usual(&self) -> Vec<u8> {
        let free = self.free.borrow_mut().pop();
        free.unwrap_or_else(|| new_block(BLOCK))
    }

    /// The memory of a large block, when there is one to be had.
    fn take_large(&self) -> Option<Vec<u8>> {
        let lent = self.large_lent.get();
        if lent >= MAX_LARGE {
            return None;
        }
        self.large_lent.set(lent + 1);
        let free = self.large.borrow_mut().pop();
        Some(free.unwrap_or_else(|| new_block(LARGE)))
    }

    /// Takes the memory of a block back.
    fn give(&self, bytes: Vec<u8>) {
        // A block that grew for one large head is not kept: the next user would hold more than it needs.
        let (kept, most) = match bytes.len() {
            SMALL => (&self.small, MAX_SMALL_FREE),
            BLOCK => (&self.free, MAX_FREE),
            LARGE => {
                // Saturating, for a limit of heads by which one grows to just this size.
                let lent = self.large_lent.get();
                self.large_lent.set(lent.saturating_sub(1));
                (&self.large, MAX_LARGE_FREE)
            }
            _ => return,
        };
        let mut kept = kept.borrow_mut();
        if kept.len() < most {
            kept.push(bytes);
        }
    }

    /// Gives all free memory back to the allocator.
    pub(crate) fn trim(&self) {
        for kept in [&self.small, &self.free, &self.large, &self.out] {
            kept.take();
        }
    }

    /// An empty output buffer.
    pub(crate) fn take_out(&self) -> Vec<u8> {
        self.out.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes an output buffer back.
    pub(crate) fn give_out(&self, mut buffer: Vec<u8>) {
        let mut out = self.out.borrow_mut();
        if buffer.capacity() > 0 && buffer.capacity() <= MAX_OUT && out.len() < MAX_FREE {
            buffer.clear();
            out.push(buffer);
        }
    }
}

/// The memory of a block that no other one has left behind.
#[cold]
fn new_block(size: usize) -> Vec<u8> {
    vec![0; size]
}

/// A buffer with a message in it: `start..pos` is used (the head), `pos..end` is unread, the rest is room.
#[derive(Debug)]
pub(crate) struct Block {
    bytes: Vec<u8>,
    start: usize,
    pos: usize,
    end: usize,
    /// The last read brought more than a small block holds, and the next may as well: what is pipelined, an upload.
    ample: bool,
    pool: Rc<Blocks>,
}

impl Block {
    /// The message from its first byte: what spans of its head refer to.
    #[inline]
    pub(crate) fn message(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// What has been received and not been used.
    #[inline]
    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.pos..self.end]
    }

    /// The unread bytes, for decoding in place.
    #[inline]
    pub(crate) fn unread_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.pos..self.end]
    }

    /// Whether it holds memory yet.
    #[inline]
    pub(crate) const fn is_held(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Whether it is a small one, of which a full read says little.
    #[inline]
    pub(crate) const fn is_small(&self) -> bool {
        self.bytes.len() == SMALL
    }

    /// Whether nothing is unread.
    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.pos == self.end
    }

    /// Where it came from.
    #[inline]
    pub(crate) const fn pool(&self) -> &Rc<Blocks> {
        &self.pool
    }

    /// Uses `n` unread bytes.
    #[inline]
    pub(crate) fn consume(&mut self, n: usize) {
        debug_assert!(n <= self.end - self.pos, "more used than received");
        self.pos = (self.pos + n).min(self.end);
    }

    /// The next message begins with the unread bytes; what was used is forgotten.
    #[inline]
    pub(crate) const fn begin_message(&mut self) {
        if self.pos == self.end {
            self.pos = 0;
            self.end = 0;
        }
        self.start = self.pos;
    }

    /// The room behind what was received; call [`Self::received`] after reading into it.
    #[inline]
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.hold();
        &mut self.bytes[self.end..]
    }

    /// `n` bytes were read into the room.
    #[inline]
    pub(crate) fn received(&mut self, n: usize) {
        self.end = (self.end + n).min(self.bytes.len());
        self.ample = n >= SMALL;
    }

    /// Makes room for more of a head of at most `limit` bytes: moves the message to the front, then grows.
    #[inline]
    pub(crate) fn make_room_for_head(&mut self, limit: usize) {
        self.hold();
        if self.end == self.bytes.len() {
            self.make_more_room_for_head(limit);
        }
    }

    #[cold]
    fn make_more_room_for_head(&mut self, limit: usize) {
        if self.is_small() {
            return self.go_on_in_usual();
        }
        self.move_to_front();
        if self.end == self.bytes.len() && self.end < limit.saturating_add(1) {
            let size = (self.bytes.len() * 2)
                .min(limit.saturating_add(1))
                .max(self.bytes.len());
            self.bytes.resize(size, 0);
        }
    }

    /// Makes room for `want` more bytes of a body behind a head of `head` bytes, or for what a usual block holds of them: beyond
    /// that only heads make a block grow. False when the unread bytes fill all there is.
    pub(crate) fn make_room_for_body(&mut self, head: usize, want: usize) -> bool {
        if self.bytes.is_empty() {
            self.bytes = self.pool.take_usual();
        }
        if self.is_small() {
            if self.bytes.len() - self.end >= want {
                return true;
            }
            self.go_on_in_usual();
        }
        let base = self.start + head;
        if self.pos == self.end {
            self.pos = base;
            self.end = base;
        }
        if self.bytes.len() - base < MIN_ROOM && self.start > 0 {
            // Pipelined messages before this one are what took the room: only a head may make the block grow.
            self.move_to_front();
            return self.make_room_for_body(head, want);
        }
        if self.bytes.len() - base < MIN_ROOM {
            self.bytes.resize(base + MIN_ROOM, 0);
        }
        if self.end == self.bytes.len() && self.pos > base {
            self.bytes.copy_within(self.pos..self.end, base);
            self.end -= self.pos - base;
            self.pos = base;
        }
        self.end < self.bytes.len()
    }

    /// Takes the memory of a large block when it holds none yet and there is one to be had, else of a usual one.
    #[inline]
    pub(crate) fn begin_large(&mut self) {
        if self.bytes.is_empty() {
            let large = self.pool.take_large();
            self.bytes = large.unwrap_or_else(|| self.pool.take_usual());
        }
    }

    /// Goes on in a block of the usual size, with the message at its front.
    fn go_on_in_usual(&mut self) {
        let mut usual = self.pool.take_usual();
        let message = self.start..self.end;
        usual[..message.len()].copy_from_slice(&self.bytes[message]);
        self.pool.give(std::mem::replace(&mut self.bytes, usual));
        self.pos -= self.start;
        self.end -= self.start;
        self.start = 0;
    }

    /// Goes on in a large block behind the head of `head` bytes, when nothing is unread and there is such a block.
    pub(crate) fn enlarge(&mut self, head: usize) {
        if self.pos < self.end || self.bytes.len() >= LARGE {
            return;
        }
        let Some(mut large) = self.pool.take_large() else {
            return;
        };
        large[..head].copy_from_slice(&self.bytes[self.start..self.start + head]);
        self.pool.give(std::mem::replace(&mut self.bytes, large));
        (self.start, self.pos, self.end) = (0, head, head);
    }

    /// Moves the message to the front of the block; spans count from its first byte and stay right.
    fn move_to_front(&mut self) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.pos -= self.start;
            self.end -= self.start;
            self.start = 0;
        }
    }

    /// Gives the memory back when nothing is in it.
    pub(crate) fn release(&mut self) {
        if self.end == 0 || (self.pos == self.end && self.start == self.pos) {
            self.give_back();
            (self.start, self.pos, self.end) = (0, 0, 0);
        }
    }

    #[inline]
    fn hold(&mut self) {
        if self.bytes.is_empty() {
            let pool = &*self.pool;
            self.bytes = if self.ample {
                pool.take_usual()
            } else {
                pool.take_small()
            };
        }
    }

    fn give_back(&mut self) {
        self.pool.give(std::mem::take(&mut self.bytes));
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests;
