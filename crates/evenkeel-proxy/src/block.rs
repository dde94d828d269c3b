//! Input buffers: blocks from the worker's pool, taken when bytes are there and given back when they are used up.
//!
//! An idle connection holds none. A block keeps the message's head in place while the body streams through the space
//! behind it, because routing, retries and the log read the head until the exchange ends. So each request under way has its
//! own memory all that time, and with hundreds of them what they touch is more than the caches hold: a request begins in a
//! small block, and goes on in one of the usual size when more comes. A response begins in a wide one, and a body that has to be
//! read and fills that again and again goes on in a large one.
//!
//! Large ones are for who moves. Where many are lent, who has to wait keeps only what it holds, in a block of just that size, and
//! goes on in a large one when it moves again: readers that have stopped hold theirs for as long as they like.
//!
//! ```text
//!   small ──▶ least, usual, wide, large: the largest with which all that are lent stay below SHARE for each and SLACK
//!     ▲                    │
//!     ├──── who waits ◀────┤        beyond CROWD: in small, or in just its size
//!     └────────────────────┘        a body that passes through a pipe leaves its head in a small one
//! ```

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use evenkeel_base::ResponseHead;
use evenkeel_state::Publisher;

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

/// The size of a wide block, [`FIRST_READ`]: responses begin in one, for what came into it is gone again in a moment, and memory that
/// no byte came into costs nothing: against blocks of 36 KiB that saves a third of the CPU time of 48 KB.
const WIDE: usize = FIRST_READ;
/// Free wide blocks a worker keeps: 2 MiB.
const MAX_WIDE_FREE: usize = 32;

/// The size of a large block. Chunked bodies go on in one: a third of the CPU time of 1 MB that blocks of 36 KiB take, and three
/// fifths when it goes both ways (measured with 128 KiB, of which the allocator needs 170).
const LARGE: usize = 112 * 1024;
/// Free large blocks a worker keeps: 1 MiB.
const MAX_LARGE_FREE: usize = 8;

/// The size of the least block that a body is read into: where a usual one would be more than its share.
const LEAST: usize = 20 * 1024;
/// Free blocks of the least size a worker keeps: 640 KiB.
const MAX_LEAST_FREE: usize = 32;
/// What waits is kept in a multiple of this: the allocator has pages for each size, and those of one that is not used now are
/// still there when the next is used.
const STEP: usize = LEAST / 2;
/// Free blocks of one step a worker keeps: 320 KiB.
const MAX_STEP_FREE: usize = 32;

/// What the blocks beyond small ones cost in the mean at most, so that a connection whose reader has stopped costs little more than
/// half of the 64 KiB it may: the small block of its other side and what else there is of an exchange is 7 KiB, and what the
/// allocator keeps between the sizes comes on top.
const SHARE: usize = 22 * 1024;
/// What all such blocks of a worker may cost beyond that: 12 wide ones, or 7 large ones when there are no others.
const SLACK: usize = 768 * 1024;

/// From here on who waits gives up what room it has: 4 large blocks, 6 wide ones, 12 usual ones. Below, copying what it holds
/// would buy nothing.
const CROWD: usize = 480 * 1024;

/// So much of what blocks left to the allocator is expected to be there still: taking it again is no growth.
const MAX_RETURNED: usize = 16 * 1024 * 1024;

/// What a block beyond small ones costs: the allocator has classes of sizes, and so many of one class in 512 KiB.
const fn cost(size: usize) -> usize {
    match size {
        LEAST => 21 * 1024,
        BLOCK => 43 * 1024,
        WIDE => 85 * 1024,
        LARGE => 128 * 1024,
        other => other + other / 4,
    }
}

/// An output buffer that grew beyond this goes back to the allocator: heads of usual size need a tenth of it.
const MAX_OUT: usize = 32 * 1024;
/// What the free output buffers of a worker may take together: 64 that have put frames together, or 256 with heads of 4 KiB. A
/// flood of heads that are as large as they may be left 8 MiB in them.
const MAX_OUT_KEPT: usize = 1024 * 1024;

/// The free input blocks and output buffers of one worker, and what is taken along with them: the tables of response heads,
/// and pipes, which do for long bodies what blocks do for others.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    pub(crate) pipes: Rc<Pipes>,
    pub(crate) response_heads: Spares<ResponseHead>,
    small: RefCell<Vec<Vec<u8>>>,
    step: RefCell<Vec<Vec<u8>>>,
    least: RefCell<Vec<Vec<u8>>>,
    free: RefCell<Vec<Vec<u8>>>,
    wide: RefCell<Vec<Vec<u8>>>,
    large: RefCell<Vec<Vec<u8>>>,
    /// How many blocks beyond small ones are lent, and what they cost.
    lent: Cell<usize>,
    lent_cost: Cell<usize>,
    /// How much went back to the allocator and was not taken again.
    returned: Cell<usize>,
    out: RefCell<Vec<Vec<u8>>>,
    /// What the free output buffers take.
    out_kept: Cell<usize>,
    /// Where it is known how much memory there is; none in tests.
    process: Option<Arc<Publisher>>,
}

impl Blocks {
    /// Those of a worker of this process.
    pub(crate) fn of(process: &Arc<Publisher>) -> Rc<Self> {
        Rc::new(Self {
            process: Some(Arc::clone(process)),
            ..Self::default()
        })
    }

    /// Whether memory is so short that no more of it may be taken for what is not known to be worth it.
    #[cold]
    pub(crate) fn is_short(&self) -> bool {
        let pressure = self.process.as_ref().map(|process| process.pressure());
        pressure.is_some_and(|pressure| pressure.level().turns_away() || pressure.is_out_of_room())
    }

    /// An empty block. It takes its memory when room is first asked for, which is when bytes are there.
    pub(crate) fn take(self: &Rc<Self>) -> Block {
        Block {
            bytes: Vec::new(),
            start: 0,
            pos: 0,
            end: 0,
            ample: false,
            waited: false,
            pool: Rc::clone(self),
        }
    }

    /// The memory of a small block.
    fn take_small(&self) -> Vec<u8> {
        let free = self.small.borrow_mut().pop();
        free.unwrap_or_else(|| self.new_block(SMALL))
    }

    /// The memory of a usual block for a body, or of one of the least size where there is no more to be had.
    fn take_for_body(&self) -> Vec<u8> {
        if self.may_lend(BLOCK) {
            return self.take_usual();
        }
        self.take_of(LEAST)
    }

    /// The memory of a block in which a body waits, or goes on where there is no more to be had.
    fn take_of(&self, size: usize) -> Vec<u8> {
        let free = match size {
            STEP => self.step.borrow_mut().pop(),
            LEAST => self.least.borrow_mut().pop(),
            _ => None,
        };
        let block = free.unwrap_or_else(|| self.new_block(size));
        self.lend(size);
        block
    }

    /// Whether one more block of that size stays below what all may cost.
    fn may_lend(&self, size: usize) -> bool {
        self.lent_cost.get() + cost(size) <= (self.lent.get() + 1) * SHARE + SLACK
    }

    /// Whether so much is lent that who waits may hold no room.
    #[inline]
    fn is_crowded(&self) -> bool {
        self.lent_cost.get() >= CROWD
    }

    /// The memory of a usual block.
    fn take_usual(&self) -> Vec<u8> {
        let free = self.free.borrow_mut().pop();
        let block = free.unwrap_or_else(|| self.new_block(BLOCK));
        self.lend(block.len());
        block
    }

    /// The memory of a block of at most that size, when there is one to be had in the place of one of `now` bytes, and larger than
    /// that.
    fn take_up_to(&self, size: usize, now: usize) -> Option<Vec<u8>> {
        let (lent, others) = if now > SMALL {
            (self.lent.get(), self.lent_cost.get() - cost(now))
        } else {
            (self.lent.get() + 1, self.lent_cost.get())
        };
        let most = lent * SHARE + SLACK;
        let fits = |wanted: &usize| *wanted <= size && others + cost(*wanted) <= most;
        let size = [LARGE, WIDE].into_iter().find(fits)?;
        if size <= now {
            return None;
        }
        let kept = if size == LARGE {
            &self.large
        } else {
            &self.wide
        };
        let free = kept.borrow_mut().pop();
        let block = free.unwrap_or_else(|| self.new_block(size));
        self.lend(block.len());
        Some(block)
    }

    /// A block with so many bytes, which is no small one, is lent.
    fn lend(&self, bytes: usize) {
        self.lent.set(self.lent.get() + 1);
        self.lent_cost.set(self.lent_cost.get() + cost(bytes));
    }

    /// A block that is lent has grown.
    fn grown(&self, from: usize, to: usize) {
        self.lent_cost
            .set(self.lent_cost.get() + cost(to) - cost(from));
        self.count_new(to);
    }

    /// Takes the memory of a block back.
    fn give(&self, bytes: Vec<u8>) {
        // A block that grew for one large head is not kept: the next user would hold more than it needs.
        let (kept, most) = match bytes.len() {
            0 => return,
            SMALL => (&self.small, MAX_SMALL_FREE),
            size => {
                self.lent.set(self.lent.get() - 1);
                self.lent_cost.set(self.lent_cost.get() - cost(size));
                match size {
                    STEP => (&self.step, MAX_STEP_FREE),
                    LEAST => (&self.least, MAX_LEAST_FREE),
                    BLOCK => (&self.free, MAX_FREE),
                    WIDE => (&self.wide, MAX_WIDE_FREE),
                    LARGE => (&self.large, MAX_LARGE_FREE),
                    _ => return self.leave(size),
                }
            }
        };
        let mut kept = kept.borrow_mut();
        if kept.len() < most {
            kept.push(bytes);
        } else {
            self.leave(bytes.len());
        }
    }

    /// A block of that size goes back to the allocator.
    fn leave(&self, size: usize) {
        let returned = self.returned.get() + size;
        self.returned.set(returned.min(MAX_RETURNED));
    }

    /// The memory of a block that no other one has left behind.
    #[cold]
    fn new_block(&self, size: usize) -> Vec<u8> {
        // Bodies that drip go from block to block all the time, and the sum of what is taken only grows.
        let again = size.min(self.returned.get());
        self.returned.set(self.returned.get() - again);
        if size > again {
            self.count_new(size - again);
        }
        vec![0; size]
    }

    /// So much memory is taken from the allocator.
    fn count_new(&self, bytes: usize) {
        if let Some(process) = &self.process {
            process.pressure().take_room(bytes as u64);
        }
    }

    /// Blocks that make a crowd.
    #[cfg(test)]
    pub(crate) fn crowd(self: &Rc<Self>) -> Vec<Block> {
        let mut crowd: Vec<Block> = Vec::new();
        while !self.is_crowded() {
            let mut block = self.take();
            block.begin_wide();
            crowd.push(block);
        }
        crowd
    }

    /// Gives all free memory back to the allocator.
    pub(crate) fn trim(&self) {
        let (small, sizes) = (
            [&self.small, &self.step],
            [&self.least, &self.free, &self.wide, &self.large],
        );
        for kept in small.into_iter().chain(sizes).chain([&self.out]) {
            kept.take();
        }
        self.out_kept.set(0);
        // The allocator is asked to give up what it has, too.
        self.returned.set(0);
    }

    /// An empty output buffer.
    pub(crate) fn take_out(&self) -> Vec<u8> {
        let buffer = self.out.borrow_mut().pop().unwrap_or_default();
        self.out_kept.set(self.out_kept.get() - buffer.capacity());
        buffer
    }

    /// Takes an output buffer back.
    pub(crate) fn give_out(&self, mut buffer: Vec<u8>) {
        let mut out = self.out.borrow_mut();
        let size = buffer.capacity();
        let kept = self.out_kept.get() + size;
        if size > 0 && size <= MAX_OUT && kept <= MAX_OUT_KEPT && out.len() < MAX_FREE {
            buffer.clear();
            out.push(buffer);
            self.out_kept.set(kept);
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
    /// The last read brought more than a small block holds, and the next may as well: what is pipelined, an upload.
    ample: bool,
    /// What it held of this message was not taken when it was last looked at in a crowd: it is not worth a large block there.
    waited: bool,
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

    /// How much memory it holds.
    #[cfg(test)]
    pub(crate) const fn size(&self) -> usize {
        self.bytes.len()
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
        self.waited = false;
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
            let usual = self.pool.take_usual();
            return self.go_on_in(usual);
        }
        self.move_to_front();
        if self.end == self.bytes.len() && self.end < limit.saturating_add(1) {
            let now = self.bytes.len();
            let size = (now * 2).min(limit.saturating_add(1)).max(now);
            self.pool.grown(now, size);
            self.bytes.resize(size, 0);
        }
    }

    /// Makes room for `want` more bytes of a body behind a head of `head` bytes, or for what a usual block holds of them: beyond
    /// that only heads make a block grow. False when the unread bytes fill all there is.
    pub(crate) fn make_room_for_body(&mut self, head: usize, want: usize) -> bool {
        if self.bytes.is_empty() {
            self.bytes = self.pool.take_for_body();
        }
        // Small, or left in just its size.
        if self.bytes.len() < LEAST {
            if self.bytes.len() - self.end >= want {
                return true;
            }
            let block = self.pool.take_for_body();
            self.go_on_in(block);
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
            self.pool.grown(self.bytes.len(), base + MIN_ROOM);
            self.bytes.resize(base + MIN_ROOM, 0);
        }
        if self.end == self.bytes.len() && self.pos > base {
            self.bytes.copy_within(self.pos..self.end, base);
            self.end -= self.pos - base;
            self.pos = base;
        }
        self.end < self.bytes.len()
    }

    /// Takes the memory of a wide block when it holds none yet and there is one to be had, else of a usual one.
    #[inline]
    pub(crate) fn begin_wide(&mut self) {
        if self.bytes.is_empty() {
            let wide = self.pool.take_up_to(WIDE, 0);
            self.bytes = wide.unwrap_or_else(|| self.pool.take_for_body());
        }
    }

    /// Goes on in another block, with the message at its front.
    fn go_on_in(&mut self, mut block: Vec<u8>) {
        let message = self.start..self.end;
        block[..message.len()].copy_from_slice(&self.bytes[message]);
        self.pool.give(std::mem::replace(&mut self.bytes, block));
        self.pos -= self.start;
        self.end -= self.start;
        self.start = 0;
    }

    /// Goes on in a large block behind the head of `head` bytes, or a wide one, when nothing is unread and there is such a block.
    pub(crate) fn enlarge(&mut self, head: usize) {
        let stays = self.pos < self.end || self.bytes.len() >= LARGE;
        if stays || (self.waited && self.pool.is_crowded()) {
            return;
        }
        if let Some(large) = self.pool.take_up_to(LARGE, self.bytes.len()) {
            self.go_on_behind(head, large);
        }
    }

    /// Goes on in a small block with the head of `head` bytes, when that fits and nothing is unread: what follows does not come
    /// into it.
    pub(crate) fn keep_head(&mut self, head: usize) {
        if self.pos == self.end && self.bytes.len() > SMALL && head < SMALL {
            let small = self.pool.take_small();
            self.go_on_behind(head, small);
        }
    }

    /// Its side has to wait. Where there is a crowd, keeps the head of `head` bytes and what is unread in a block of just that size,
    /// when that is worth the copying: who moves has more use for the room. With `stopped` nobody takes what is unread.
    #[inline]
    pub(crate) fn hold_less(&mut self, head: usize, stopped: bool) {
        if self.bytes.len() > SMALL && self.pool.is_crowded() {
            self.waited = stopped;
            self.give_up_room(head);
        }
    }

    #[cold]
    fn give_up_room(&mut self, head: usize) {
        let needed = head + self.end - self.pos;
        let size = needed.next_multiple_of(STEP);
        let mut block = if needed <= SMALL {
            self.pool.take_small()
        } else if cost(size) <= cost(self.bytes.len()) / 4 * 3 {
            self.pool.take_of(size)
        } else {
            return;
        };
        block[..head].copy_from_slice(&self.bytes[self.start..self.start + head]);
        block[head..needed].copy_from_slice(&self.bytes[self.pos..self.end]);
        self.pool.give(std::mem::replace(&mut self.bytes, block));
        (self.start, self.pos, self.end) = (0, head, needed);
    }

    fn go_on_behind(&mut self, head: usize, mut block: Vec<u8>) {
        block[..head].copy_from_slice(&self.bytes[self.start..self.start + head]);
        self.pool.give(std::mem::replace(&mut self.bytes, block));
        (self.start, self.pos, self.end) = (0, head, head);
    }

    /// Whether it is full, so that more can come only into another one.
    #[inline]
    pub(crate) const fn is_full(&self) -> bool {
        !self.bytes.is_empty() && self.end == self.bytes.len()
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
