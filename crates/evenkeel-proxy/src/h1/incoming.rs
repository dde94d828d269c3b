//! Reading a body: how its end is found, and what of the block is payload.

use std::ops::Range;

use evenkeel_base::head::{FieldSpan, fields};
use evenkeel_base::{Fault, Known};
use evenkeel_http1::{ChunkReader, ChunkState, Limits, Refusal, parse_trailers};

use crate::block::Block;
use crate::body::Fill;

/// A trailer section is at most this long: it has to fit the room behind the head. Beyond it the body is refused.
pub(crate) const MAX_TRAILERS: usize = 4 * 1024;

/// The framing state of the incoming direction. What chunks need beside stands in [`Chunked`], which goes from body to body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Incoming {
    /// Before or within the head.
    Head,
    /// So many bytes of the body are left.
    Known {
        /// Bytes left, those in the block included.
        left: u64,
    },
    /// Chunks.
    Chunked,
    /// Everything until the end of the stream.
    Raw,
    /// A chunked body ended, and may have left trailers.
    Ended,
    /// The message is complete.
    Done,
    /// The message broke off or broke its framing: nothing of it is read again, and its connection never goes on.
    Broken(Fault),
}

/// Trailer fields, copied: they are rare, and the block moves on.
pub(crate) type Trailers = Vec<(Vec<u8>, Vec<u8>, Known)>;

impl Incoming {
    /// Whether the message has been received whole.
    pub(crate) const fn is_done(&self) -> bool {
        matches!(self, Self::Done | Self::Ended)
    }
}

/// A chunked body being read.
#[derive(Debug, Default)]
pub(crate) struct Chunked {
    reader: ChunkReader,
    /// The payload found and not yet taken, within the unread bytes.
    payload: Range<usize>,
    /// How far the unread bytes are used once the payload is taken.
    used: usize,
    /// The trailers, once the last chunk was read.
    end: Option<Trailers>,
}

impl Chunked {
    /// Decodes what has been received; `None` wants more.
    pub(crate) fn advance(
        &mut self,
        block: &mut Block,
        limits: &Limits,
    ) -> Result<Option<Fill>, Refusal> {
        if !self.payload.is_empty() {
            return Ok(Some(Fill::Data));
        }
        if self.end.is_some() {
            return Ok(Some(Fill::End));
        }
        let read = self.reader.read(block.unread_mut(), limits)?;
        self.payload = read.payload;
        self.used = read.consumed;
        if let ChunkState::Done { trailers } = read.state {
            self.end = Some(copy_trailers(block.unread(), trailers, limits)?);
        }
        if !self.payload.is_empty() {
            return Ok(Some(Fill::Data));
        }
        // An empty payload has a place as well, and the bytes before it are gone now.
        self.payload = 0..0;
        block.consume(std::mem::take(&mut self.used));
        Ok(self.end.is_some().then_some(Fill::End))
    }

    /// The payload found.
    pub(crate) fn payload<'a>(&self, block: &'a Block) -> &'a [u8] {
        &block.unread()[self.payload.clone()]
    }

    /// Whether the payload found is the rest of the body and no trailers follow.
    pub(crate) fn is_last(&self) -> bool {
        self.end.as_ref().is_some_and(Vec::is_empty)
    }

    /// The trailers of a body that ended.
    pub(crate) fn trailers(&self) -> &[(Vec<u8>, Vec<u8>, Known)] {
        self.end.as_deref().unwrap_or_default()
    }

    /// Takes `n` bytes of the payload. With the last of them the chunks around it are used up; true when that was the last of
    /// the body, too.
    pub(crate) fn consume(&mut self, n: usize, block: &mut Block) -> bool {
        self.payload.start += n;
        if !self.payload.is_empty() {
            return false;
        }
        self.payload = 0..0;
        block.consume(std::mem::take(&mut self.used));
        self.end.is_some()
    }
}

fn copy_trailers(bytes: &[u8], range: Range<usize>, limits: &Limits) -> Result<Trailers, Refusal> {
    if range.is_empty() {
        return Ok(Trailers::new());
    }
    // The section alone: spans reach 64 KiB, and a large block has more before it.
    let section = bytes.get(range).unwrap_or_default();
    let mut table: Vec<FieldSpan> = Vec::new();
    parse_trailers(section, 0..section.len(), limits, &mut table)?;
    Ok(fields(&table, section)
        .map(|f| (f.name.to_vec(), f.value.to_vec(), f.known))
        .collect())
}

#[cfg(test)]
mod tests;
