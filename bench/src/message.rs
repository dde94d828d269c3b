//! A message to be sent, of any length, that costs a few kilobytes: a head, a stretch of one shared block repeated, a tail.
//!
//! It is what both the origin's responses and the uploads are made of. It is immutable; how far one copy of it has been
//! sent is a number that the connection keeps.

use std::rc::Rc;

/// Data bytes of one chunk in what we send ourselves.
const CHUNK: usize = 8 * 1024;

/// Chunks, or their worth of plain bytes, in a block: 256 KiB stay in a second-level cache.
const CHUNKS: usize = 32;

/// The shared blocks that bodies are cut from.
#[derive(Debug, Clone)]
pub struct Blocks {
    plain: Rc<[u8]>,
    chunked: Rc<[u8]>,
}

impl Default for Blocks {
    fn default() -> Self {
        let mut chunked = Vec::new();
        for _ in 0..CHUNKS {
            push_chunk(&mut chunked, CHUNK);
        }
        Self {
            plain: vec![b'x'; CHUNK * CHUNKS].into(),
            chunked: chunked.into(),
        }
    }
}

/// How a body is framed on the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// `Content-Length`.
    Plain,
    /// Chunks of 8 KiB.
    Chunked,
}

impl BodyKind {
    /// The line of the head that says so, for `length` bytes of data.
    #[must_use]
    pub fn field(self, length: u64) -> String {
        match self {
            Self::Plain => format!("Content-Length: {length}\r\n"),
            Self::Chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
        }
    }
}

/// The bytes of one message.
#[derive(Debug, Clone)]
pub struct Message {
    lead: Box<[u8]>,
    head: usize,
    block: Rc<[u8]>,
    cycle: u64,
    tail: Box<[u8]>,
}

impl Message {
    /// A head and `length` bytes of data after it. When both fit into `inline` bytes they become one piece.
    #[must_use]
    pub fn new(head: Vec<u8>, length: u64, kind: BodyKind, blocks: &Blocks, inline: usize) -> Self {
        let (block, cycle, tail) = match kind {
            BodyKind::Plain => (&blocks.plain, length, Vec::new()),
            BodyKind::Chunked => {
                let whole = length / CHUNK as u64;
                let piece = (blocks.chunked.len() / CHUNKS) as u64;
                let mut tail = Vec::new();
                // Below CHUNK, so it fits.
                let rest = usize::try_from(length % CHUNK as u64).unwrap_or(0);
                if rest > 0 {
                    push_chunk(&mut tail, rest);
                }
                tail.extend_from_slice(b"0\r\n\r\n");
                (&blocks.chunked, whole * piece, tail)
            }
        };
        let mut message = Self {
            head: head.len(),
            lead: head.into(),
            block: Rc::clone(block),
            cycle,
            tail: tail.into(),
        };
        if message.len() <= inline as u64 {
            message.join();
        }
        message
    }

    /// A head without a body.
    #[must_use]
    pub fn bare(head: Vec<u8>, blocks: &Blocks) -> Self {
        Self {
            head: head.len(),
            lead: head.into(),
            block: Rc::clone(&blocks.plain),
            cycle: 0,
            tail: Box::default(),
        }
    }

    /// Its length in bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> u64 {
        self.lead.len() as u64 + self.cycle + self.tail.len() as u64
    }

    /// Whether it has no bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The length of its head.
    #[must_use]
    pub const fn head_len(&self) -> u64 {
        self.head as u64
    }

    /// What comes next after `at` bytes, in up to two slices; both are empty only at the end.
    #[inline]
    #[must_use]
    pub fn slices(&self, at: u64) -> (&[u8], &[u8]) {
        let first = self.slice(at);
        (first, self.slice(at + first.len() as u64))
    }

    fn slice(&self, at: u64) -> &[u8] {
        let lead = self.lead.len() as u64;
        let position = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        if at < lead {
            return &self.lead[position(at)..];
        }
        let at = at - lead;
        if at < self.cycle {
            let from = position(at % self.block.len() as u64);
            let most = position(self.cycle - at);
            return &self.block[from..self.block.len().min(from.saturating_add(most))];
        }
        self.tail.get(position(at - self.cycle)..).unwrap_or(&[])
    }

    /// Makes it one piece.
    fn join(&mut self) {
        let mut bytes = Vec::new();
        loop {
            let next = self.slice(bytes.len() as u64);
            if next.is_empty() {
                break;
            }
            bytes.extend_from_slice(next);
        }
        self.lead = bytes.into();
        self.cycle = 0;
        self.tail = Box::default();
    }
}

fn push_chunk(out: &mut Vec<u8>, size: usize) {
    out.extend_from_slice(format!("{size:x}\r\n").as_bytes());
    out.resize(out.len() + size, b'x');
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;
    use crate::head::Framing;

    fn bytes(message: &Message, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let (first, second) = message.slices(all.len() as u64);
            if first.is_empty() {
                assert!(second.is_empty());
                return all;
            }
            let both = [first, second].concat();
            all.extend_from_slice(&both[..step.min(both.len())]);
        }
    }

    #[test]
    fn a_message_is_its_head_and_so_many_bytes() {
        let blocks = Blocks::default();
        for length in [0, 1, 128, 8191, 8192, 8193, 262_144, 1_000_000] {
            for inline in [0, 4096, 1 << 20] {
                for step in [1000, usize::MAX] {
                    let message =
                        Message::new(b"head".into(), length, BodyKind::Plain, &blocks, inline);
                    let sent = bytes(&message, step);
                    assert_eq!(sent.len() as u64, 4 + length);
                    assert!(sent.starts_with(b"head") && sent[4..].iter().all(|b| *b == b'x'));
                    assert_eq!((message.len(), message.head_len()), (4 + length, 4));
                }
            }
        }
    }

    #[test]
    fn a_chunked_message_has_its_data_and_its_end() {
        let blocks = Blocks::default();
        for length in [0, 1, 8191, 8192, 262_144, 262_145, 1_000_000] {
            for inline in [0, 16_384] {
                let message =
                    Message::new(b"head".into(), length, BodyKind::Chunked, &blocks, inline);
                let sent = bytes(&message, 777);
                assert_eq!(sent.len() as u64, message.len());
                let mut body = Body::new(Framing::Chunked);
                assert_eq!(body.advance(&sent[4..]), Ok(sent.len() - 4));
                assert!(body.is_done() && body.data() == length);
            }
        }
    }

    #[test]
    fn a_small_message_is_one_piece() {
        let blocks = Blocks::default();
        let small = Message::new(b"head".into(), 128, BodyKind::Plain, &blocks, 4096);
        let (first, second) = small.slices(0);
        assert_eq!((first.len(), second.len()), (132, 0));
        let bare = Message::bare(b"head".into(), &blocks);
        assert_eq!(bare.slices(0), (&b"head"[..], &[][..]));
    }
}
