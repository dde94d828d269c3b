//! Chunked coding taken off a body, in place. The writing side is [`crate::write`].
//!
//! ```text
//!  Size ──hex──▶ Size ──";" or white space──▶ Extension ──CR──▶ SizeLf ──LF──▶ Data ──all──▶ DataCr ─▶ DataLf ─▶ Size
//!                  └──────────────CR──────────────────────────────▲ └─LF after size 0─▶ Trailers ──empty line──▶ Done
//! ```
//!
//! Each byte of a size line moves the machine, so that a wrong byte is refused when it comes and a line that is cut in
//! two needs no buffer. Only a trailer section waits until it is whole.

use std::ops::Range;

use evenkeel_base::field::is_tchar;

use crate::refusal::Refusal;
use crate::trailer::TrailerReader;
use evenkeel_base::HeadLimits as Limits;

/// Reads one chunked body; a fresh one per body.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChunkReader {
    at: At,
    /// The size while its digits come, then how much of the chunk is still to come.
    left: u64,
    digits: u8,
    line_extension: u32,
    all_extensions: u64,
    body: u64,
    trailers: TrailerReader,
}

/// What one call found; all ranges are of the slice it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunked {
    /// The payload, moved together: one range within `..consumed`, and `0..0` when there is none.
    pub payload: Range<usize>,
    /// How many bytes are done with; the rest comes again at the next call, with more behind it.
    pub consumed: usize,
    /// Whether the body has ended.
    pub state: ChunkState,
}

/// Whether a chunked body has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChunkState {
    /// More is to come.
    More,
    /// The last chunk, the trailer section and its empty line have been seen.
    Done {
        /// The trailer lines without the empty line, for [`crate::parse_trailers`].
        trailers: Range<usize>,
    },
}

/// The most digits of a chunk's size: those of a `u64`, so that leading zeros cannot go on for ever.
const MAX_SIZE_DIGITS: u8 = 16;

/// The most extension bytes in one size line. Nobody is known to send extensions; 4 KiB is what attacks start at.
const MAX_LINE_EXTENSION: u32 = 4 * 1024;

/// The extension bytes that a body may have beside one per byte of payload: what remains cannot cost more than reading
/// the body does (CVE-2023-39326).
const FREE_EXTENSIONS: u64 = 16 * 1024;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Size,
    Extension(Extension),
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailers,
    Done,
}

/// Where in `*( BWS ";" BWS name [ BWS "=" BWS value ] )` we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    /// White space after the size or after a value: only `;` may follow.
    BeforeSemicolon,
    BeforeName,
    Name,
    AfterName,
    BeforeValue,
    Value,
    Quoted,
    Escaped,
    AfterQuoted,
}

impl ChunkReader {
    /// A reader at the start of a body.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the coding off `bytes`: all that has been received of the body and not been consumed yet.
    ///
    /// The payload of all chunks is moved together, into one range; a chunk that alone fills the slice stays in place.
    /// Everything is consumed but a trailer section that has not come to its end.
    ///
    /// # Errors
    /// The first reason to refuse the body; payload of this call is lost then, as the message is.
    pub fn read(&mut self, bytes: &mut [u8], limits: &Limits) -> Result<Chunked, Refusal> {
        let mut payload = 0..0;
        let mut next = 0;
        loop {
            match self.at {
                At::Data => {
                    let available = bytes.len() - next;
                    let length = usize::try_from(self.left).map_or(available, |n| n.min(available));
                    payload = join(bytes, payload, next..next + length);
                    next += length;
                    self.left -= length as u64;
                    if self.left > 0 {
                        return Ok(more(payload, next));
                    }
                    self.at = At::DataCr;
                }
                At::Trailers => {
                    let section = bytes.get(next..).unwrap_or_default();
                    let Some((fields, all)) = self.trailers.read(section, limits)? else {
                        return Ok(more(payload, next));
                    };
                    self.at = At::Done;
                    return Ok(Chunked {
                        payload,
                        consumed: next + all,
                        state: ChunkState::Done {
                            trailers: next..next + fields,
                        },
                    });
                }
                At::Done => {
                    return Ok(Chunked {
                        payload,
                        consumed: next,
                        state: ChunkState::Done { trailers: 0..0 },
                    });
                }
                _ => {
                    let Some(&byte) = bytes.get(next) else {
                        return Ok(more(payload, next));
                    };
                    next += 1;
                    self.at = self.step(byte)?;
                }
            }
        }
    }

    /// One byte outside of data and trailers.
    #[inline]
    fn step(&mut self, byte: u8) -> Result<At, Refusal> {
        match self.at {
            At::Size => self.size(byte),
            At::Extension(extension) => self.extension(extension, byte),
            At::SizeLf if byte == b'\n' => Ok(self.begin_chunk()),
            At::SizeLf => Err(Refusal::ChunkLineEnd),
            At::DataCr if byte == b'\r' => Ok(At::DataLf),
            At::DataLf if byte == b'\n' => Ok(At::Size),
            at => {
                debug_assert!(
                    matches!(at, At::DataCr | At::DataLf),
                    "the others read ranges"
                );
                Err(Refusal::ChunkOverrun)
            }
        }
    }

    #[inline]
    fn size(&mut self, byte: u8) -> Result<At, Refusal> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ if self.digits == 0 => return Err(Refusal::ChunkSizeInvalid),
            b'\r' => return Ok(At::SizeLf),
            b'\n' => return Err(Refusal::ChunkLineEnd),
            b';' => return self.count_extension(Extension::BeforeName),
            b' ' | b'\t' => return self.count_extension(Extension::BeforeSemicolon),
            _ => return Err(Refusal::ChunkSizeInvalid),
        };
        // Above 2^63 - 1 other readers have a negative number.
        if self.digits == MAX_SIZE_DIGITS || self.left >> 59 != 0 {
            return Err(Refusal::ChunkSizeTooLarge);
        }
        self.digits += 1;
        self.left = self.left << 4 | u64::from(digit);
        Ok(At::Size)
    }

    fn extension(&mut self, extension: Extension, byte: u8) -> Result<At, Refusal> {
        use Extension as E;
        let white = matches!(byte, b' ' | b'\t');
        let next = match (extension, byte) {
            (E::Name | E::Value | E::AfterQuoted, b'\r') => return Ok(At::SizeLf),
            (_, b'\n') => return Err(Refusal::ChunkLineEnd),
            (E::BeforeSemicolon | E::Name | E::AfterName | E::Value | E::AfterQuoted, b';') => {
                E::BeforeName
            }
            (E::Name | E::AfterName, b'=') => E::BeforeValue,
            (E::BeforeValue, b'"') => E::Quoted,
            (E::Quoted, b'"') => E::AfterQuoted,
            (E::Quoted, b'\\') => E::Escaped,
            (E::Quoted | E::Escaped, _) if byte == b'\t' || (byte >= b' ' && byte != 0x7f) => {
                E::Quoted
            }
            (E::BeforeSemicolon | E::BeforeName | E::AfterName | E::BeforeValue, _) if white => {
                extension
            }
            (E::Name, _) if white => E::AfterName,
            (E::Value | E::AfterQuoted, _) if white => E::BeforeSemicolon,
            (E::BeforeName | E::Name, _) if is_tchar(byte) => E::Name,
            (E::BeforeValue | E::Value, _) if is_tchar(byte) => E::Value,
            _ => return Err(Refusal::ChunkExtensionInvalid),
        };
        self.count_extension(next)
    }

    fn count_extension(&mut self, next: Extension) -> Result<At, Refusal> {
        self.line_extension += 1;
        self.all_extensions += 1;
        let allowed = FREE_EXTENSIONS.saturating_add(self.body);
        if self.line_extension > MAX_LINE_EXTENSION || self.all_extensions > allowed {
            return Err(Refusal::ChunkExtensionTooLong);
        }
        Ok(At::Extension(next))
    }

    /// The size line is over: data, or trailers after the last chunk.
    #[inline]
    fn begin_chunk(&mut self) -> At {
        self.digits = 0;
        self.line_extension = 0;
        self.body = self.body.saturating_add(self.left);
        if self.left == 0 {
            At::Trailers
        } else {
            At::Data
        }
    }
}

const fn more(payload: Range<usize>, consumed: usize) -> Chunked {
    Chunked {
        payload,
        consumed,
        state: ChunkState::More,
    }
}

/// Makes one range of two by moving the shorter one over the framing between them, which is done with.
#[inline]
fn join(bytes: &mut [u8], before: Range<usize>, piece: Range<usize>) -> Range<usize> {
    if piece.is_empty() {
        return before;
    }
    if before.is_empty() {
        return piece;
    }
    if before.len() < piece.len() {
        let start = piece.start - before.len();
        bytes.copy_within(before, start);
        start..piece.end
    } else {
        let end = before.end + piece.len();
        bytes.copy_within(piece, before.end);
        before.start..end
    }
}

#[cfg(test)]
mod tests;
