//! Input buffers: blocks from the worker's pool, taken when bytes are there and given back when they are used up.
//!
//! An idle connection holds none. A block keeps the message's head in place while the body streams through the space
//! behind it, because routing, retries and the log read the head until the exchange ends. A body that has to be read and
//! fills its block again and again goes on in a large one, of which a worker has few.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::pipes::Pipes;

/// The size of a block: a head within the usual limit of 32 KiB fits without growing, and 32 KiB of a body behind a usual head
/// and in its framing are one read. Memory that no byte came into costs nothing.
pub(crate) const BLOCK: usize = 36 * 1024;
/// The most that is read before it is known that a body is long: 64 KiB and a head. What fits is one read and one write, which
/// up to here is no dearer than a pipe.
pub(crate) const FIRST_READ: usize = 68 * 1024;
/// A body is read into at least this much room; with less left behind a large head, the block grows.
const MIN_ROOM: usize = 8 * 1024;
/// Free blocks a worker keeps: 9 MiB when bodies have been through all of them. What a burst needed beyond that goes back to
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

/// The free input blocks and output buffers of one worker, and its pipes, which do for long bodies what blocks do for others.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    pub(crate) pipes: Rc<Pipes>,
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
            pool: Rc::clone(self),
        }
    }

    /// The memory of a large block, when there is one to be had.
    fn take_large(&self) -> Option<Vec<u8>> {
        let lent = self.large_lent.get();
        if lent >= MAX_LARGE {
            return None;
        }
        self.large_lent.set(lent + 1);
        let free = self.large.borrow_mut().pop();
        Some(free.unwrap_or_else(|| vec![0; LARGE]))
    }

    /// Takes the memory of a block back.
    fn give(&self, bytes: Vec<u8>) {
        // A block that grew for one large head is not kept: the next user would hold more than it needs.
        let (kept, most) = match bytes.len() {
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

/// A buffer with a message in it: `start..pos` is used (the head), `pos..end` is unread, the rest is room.
#[derive(Debug)]
pub(crate) struct Block {
    bytes: Vec<u8>,
    start: usize,
    pos: usize,
    end: usize,
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

    /// Whether nothing is unread.
    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.pos == self.end
    }

    /// The pipes of the same worker.
    #[inline]
    pub(crate) fn pipes(&self) -> &Rc<Pipes> {
        &self.pool.pipes
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
    }

    /// Makes room for more of a head of at most `limit` bytes: moves the message to the front, then grows.
    pub(crate) fn make_room_for_head(&mut self, limit: usize) {
        self.hold();
        if self.end < self.bytes.len() {
            return;
        }
        self.move_to_front();
        if self.end == self.bytes.len() && self.end < limit.saturating_add(1) {
            let size = (self.bytes.len() * 2)
                .min(limit.saturating_add(1))
                .max(self.bytes.len());
            self.bytes.resize(size, 0);
        }
    }

    /// Makes room for more of a body behind a head of `head` bytes; that never makes the block grow, only heads do.
    /// False when the unread bytes fill all there is.
    pub(crate) fn make_room_for_body(&mut self, head: usize) -> bool {
        self.hold();
        let base = self.start + head;
        if self.pos == self.end {
            self.pos = base;
            self.end = base;
        }
        if self.bytes.len() - base < MIN_ROOM && self.start > 0 {
            // Pipelined messages before this one are what took the room: only a head may make the block grow.
            self.move_to_front();
            return self.make_room_for_body(head);
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

    /// Takes the memory of a large block when it holds none yet and there is one to be had.
    #[inline]
    pub(crate) fn begin_large(&mut self) {
        if self.bytes.is_empty()
            && let Some(large) = self.pool.take_large()
        {
            self.bytes = large;
        }
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
            self.bytes = self
                .pool
                .free
                .borrow_mut()
                .pop()
                .unwrap_or_else(|| vec![0; BLOCK]);
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
mod tests {
    use super::*;

    fn fill(block: &mut Block, bytes: &[u8]) {
        block.room()[..bytes.len()].copy_from_slice(bytes);
        block.received(bytes.len());
    }

    #[test]
    fn a_pipelined_message_follows_without_moving() {
        let blocks = Rc::new(Blocks::default());
        let mut block = blocks.take();
        fill(&mut block, b"head1head2");
        block.consume(5);
        assert_eq!(block.message(), b"head1head2");
        block.begin_message();
        assert_eq!(block.message(), b"head2");
        block.consume(5);
        block.begin_message();
        assert!(block.is_empty() && block.room().len() == BLOCK);
    }

    #[test]
    fn the_head_stays_while_the_body_streams() {
        let blocks = Rc::new(Blocks::default());
        let mut block = blocks.take();
        fill(&mut block, b"head");
        block.consume(4);
        for _ in 0..10 {
            assert!(block.make_room_for_body(4));
            let n = block.room().len();
            block.received(n);
            block.consume(block.unread().len() - 1);
            assert_eq!(&block.message()[..4], b"head");
        }
        assert!(block.make_room_for_body(4));
        assert_eq!(block.unread().len(), 1);
        block.received(usize::MAX / 2);
        assert!(!block.make_room_for_body(4));
    }

    #[test]
    fn pipelined_messages_do_not_make_the_block_grow() {
        let blocks = Rc::new(Blocks::default());
        let mut block = blocks.take();
        let (head, body) = (6_900, 9_000);
        for _ in 0..1_000 {
            block.begin_message();
            while block.message().len() < head {
                block.make_room_for_head(32 * 1024);
                let n = block.room().len();
                block.received(n);
            }
            block.consume(head);
            let mut left = body;
            while left > 0 {
                if block.is_empty() {
                    assert!(block.make_room_for_body(head));
                    let n = block.room().len();
                    block.received(n);
                }
                let n = block.unread().len().min(left);
                block.consume(n);
                left -= n;
            }
            assert!(block.bytes.len() <= BLOCK, "{}", block.bytes.len());
        }
    }

    #[test]
    fn a_long_body_goes_on_in_one_of_few_large_blocks() {
        let blocks = Rc::new(Blocks::default());
        let mut many: Vec<Block> = (0..=MAX_LARGE).map(|_| blocks.take()).collect();
        for (n, block) in many.iter_mut().enumerate() {
            fill(block, b"gonehead+");
            block.consume(4);
            block.begin_message();
            block.consume(4);
            block.enlarge(4);
            assert_eq!(block.unread(), b"+", "what is unread keeps it where it is");
            assert_eq!(block.bytes.len(), BLOCK);
            block.consume(1);
            block.enlarge(4);
            let size = if n < MAX_LARGE { LARGE } else { BLOCK };
            assert_eq!(block.bytes.len(), size);
            assert_eq!(&block.message()[..4], b"head");
            assert!(block.is_empty() && block.make_room_for_body(4));
            assert_eq!(block.message(), b"head");
        }
        drop(many);
        assert_eq!(blocks.large.borrow().len(), MAX_LARGE_FREE);
        assert_eq!(blocks.large_lent.get(), 0);
        let mut block = blocks.take();
        fill(&mut block, b"head");
        assert_eq!(block.bytes.len(), BLOCK, "the next message begins small");
        block.consume(4);
        block.enlarge(4);
        block.begin_message();
        block.release();
        assert!(!block.is_held());
        assert_eq!(blocks.large.borrow().len(), MAX_LARGE_FREE);
    }

    #[test]
    fn who_asks_for_a_large_block_gets_one_while_there_are_some() {
        let blocks = Rc::new(Blocks::default());
        let mut many: Vec<Block> = (0..=MAX_LARGE).map(|_| blocks.take()).collect();
        for (n, block) in many.iter_mut().enumerate() {
            block.begin_large();
            let size = if n < MAX_LARGE { LARGE } else { BLOCK };
            assert_eq!(block.room().len(), size);
            fill(block, b"head");
            block.begin_large();
            assert_eq!(block.message(), b"head", "what is held stays");
        }
    }

    #[test]
    fn a_large_head_grows_to_its_limit_and_no_further() {
        let blocks = Rc::new(Blocks::default());
        let mut block = blocks.take();
        for _ in 0..8 {
            let n = block.room().len();
            block.received(n);
            block.make_room_for_head(40_000);
        }
        assert_eq!(block.message().len(), 40_001);
        drop(block);
        assert_eq!(blocks.free.borrow().len(), 0);
        let mut block = blocks.take();
        assert!(!block.is_held());
        block.room();
        drop(block);
        assert_eq!(blocks.free.borrow().len(), 1);
    }
}
