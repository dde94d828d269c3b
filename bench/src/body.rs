//! Where a body ends: bytes go in, how many of them belong to it comes out.
//!
//! Nothing is kept and nothing is decoded; the data inside chunks is counted, so that it can be compared with what was
//! asked for.

use crate::head::{Framing, Malformed};

/// A body that is passing by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body {
    state: State,
    data: u64,
}

/// ```text
/// Size ─▶ (Extension) ─▶ SizeEnd ─▶ Data ─▶ DataCr ─▶ DataLf ─▶ Size …
///                           └─ size 0 ─▶ TrailerStart ─▶ (Trailer ─▶ TrailerStart)* ─▶ LastLf ─▶ Done
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Done,
    Length(u64),
    UntilClose,
    Size { value: u64, digits: u8 },
    Extension(u64),
    SizeEnd(u64),
    Data(u64),
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    LastLf,
}

/// The beginning of a chunk's size.
const SIZE: State = State::Size {
    value: 0,
    digits: 0,
};

impl Body {
    /// A body of which nothing has been seen.
    #[must_use]
    pub const fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Empty | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => SIZE,
            Framing::UntilClose => State::UntilClose,
        };
        Self { state, data: 0 }
    }

    /// How many of these bytes belong to the body; fewer than all of them only when it is done.
    ///
    /// # Errors
    ///
    /// Refuses chunks that are none.
    #[inline]
    pub fn advance(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        match self.state {
            State::Done => Ok(0),
            State::Length(_) | State::UntilClose => Ok(self.skip(bytes.len())),
            _ => self.advance_chunks(bytes),
        }
    }

    /// Of the next bytes so many are data and need not be looked at: they can be thrown away unseen.
    #[must_use]
    pub const fn blind(&self) -> u64 {
        match self.state {
            State::Length(left) | State::Data(left) => left,
            State::UntilClose => u64::MAX,
            _ => 0,
        }
    }

    /// Counts data that was not looked at, at most [`blind`](Self::blind), and says how much of it belongs to the body.
    pub fn skip(&mut self, n: usize) -> usize {
        let (taken, next) = match self.state {
            State::Length(left) => match left.checked_sub(n as u64) {
                Some(0) => (n as u64, State::Done),
                Some(left) => (n as u64, State::Length(left)),
                None => (left, State::Done),
            },
            State::Data(left) => match left.checked_sub(n as u64) {
                Some(rest) if rest > 0 => (n as u64, State::Data(rest)),
                Some(_) | None => (left.min(n as u64), State::DataCr),
            },
            other => (n as u64, other),
        };
        self.state = next;
        self.data += taken;
        usize::try_from(taken).unwrap_or(n)
    }

    /// Whether its end was seen.
    #[inline]
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Whether the end of the connection, now, is its proper end.
    #[must_use]
    pub const fn may_end_here(&self) -> bool {
        matches!(self.state, State::Done | State::UntilClose)
    }

    /// How many bytes of data were seen, framing not counted.
    #[must_use]
    pub const fn data(&self) -> u64 {
        self.data
    }

    fn advance_chunks(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < bytes.len() {
            if let State::Data(_) = self.state {
                at += self.skip(bytes.len() - at);
                continue;
            }
            if let State::Trailer | State::Extension(_) = self.state {
                // Neither is used here, and both may be long.
                at += memchr::memchr2(b'\r', b'\n', &bytes[at..]).unwrap_or(bytes.len() - at);
                if at == bytes.len() {
                    break;
                }
            }
            self.state = self.state.step(bytes[at])?;
            at += 1;
            if self.is_done() {
                break;
            }
        }
        Ok(at)
    }
}

impl State {
    /// The state after one byte of framing.
    fn step(self, byte: u8) -> Result<Self, Malformed> {
        match (self, byte) {
            (Self::Size { value, digits }, _) if byte.is_ascii_hexdigit() && digits < 15 => {
                Ok(Self::Size {
                    value: value << 4 | u64::from(hex(byte)),
                    digits: digits + 1,
                })
            }
            (Self::Size { value, digits: 1.. } | Self::Extension(value), b'\r') => {
                Ok(Self::SizeEnd(value))
            }
            (Self::Size { value, digits: 1.. }, b';' | b' ' | b'\t') => Ok(Self::Extension(value)),
            (Self::SizeEnd(0) | Self::Trailer, b'\n') => Ok(Self::TrailerStart),
            (Self::SizeEnd(size), b'\n') => Ok(Self::Data(size)),
            (Self::DataCr, b'\r') => Ok(Self::DataLf),
            (Self::DataLf, b'\n') => Ok(SIZE),
            (Self::TrailerStart, b'\r') => Ok(Self::LastLf),
            (Self::TrailerStart, _) if byte != b'\n' => Ok(Self::Trailer),
            (Self::Trailer, _) => Ok(Self::Trailer),
            (Self::LastLf, b'\n') => Ok(Self::Done),
            _ => Err(Malformed),
        }
    }
}

/// The value of a hexadecimal digit.
const fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `bytes` in pieces of `step` and gives what was taken, the data in it, and whether the end was found.
    fn feed(framing: Framing, bytes: &[u8], step: usize) -> Result<(usize, u64, bool), Malformed> {
        let mut body = Body::new(framing);
        let mut taken = 0;
        for piece in bytes.chunks(step) {
            let n = body.advance(piece)?;
            taken += n;
            assert!(n == piece.len() || body.is_done());
        }
        Ok((taken, body.data(), body.is_done()))
    }

    #[test]
    fn each_framing_finds_its_end_wherever_it_is_cut() {
        let chunks = b"5\r\nhello\r\nA;x=\"y\"\r\n0123456789\r\n000\r\nx-t: 1\r\n\r\nGET";
        for step in 1..=chunks.len() {
            let found = feed(Framing::Chunked, chunks, step);
            assert_eq!(found, Ok((chunks.len() - 3, 15, true)), "{step}");
            assert_eq!(
                feed(Framing::Length(7), b"0123456789", step),
                Ok((7, 7, true))
            );
            assert_eq!(
                feed(Framing::Length(11), b"0123456789", step),
                Ok((10, 10, false))
            );
            assert_eq!(
                feed(Framing::UntilClose, b"0123456789", step),
                Ok((10, 10, false))
            );
            assert_eq!(feed(Framing::Empty, b"0123456789", step), Ok((0, 0, true)));
        }
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for text in [
            "\r\n",
            "g\r\n",
            "5\n",
            "5\r\nhelloo\r\n",
            "1\r\na\n",
            "0\r\n\n",
            "1000000000000000\r\n",
        ] {
            assert_eq!(
                feed(Framing::Chunked, text.as_bytes(), 1),
                Err(Malformed),
                "{text:?}"
            );
        }
    }

    #[test]
    fn data_may_be_thrown_away_unseen() {
        let mut body = Body::new(Framing::Length(100));
        assert_eq!((body.blind(), body.skip(60), body.blind()), (100, 60, 40));
        assert_eq!(
            (body.skip(40), body.is_done(), body.data()),
            (40, true, 100)
        );

        let mut body = Body::new(Framing::Chunked);
        assert_eq!(body.blind(), 0);
        body.advance(b"10\r\n0123").unwrap();
        assert_eq!((body.blind(), body.skip(12), body.blind()), (12, 12, 0));
        body.advance(b"\r\n0\r\n\r\n").unwrap();
        assert!(body.is_done() && body.data() == 16);
    }

    #[test]
    fn only_some_bodies_may_end_with_the_connection() {
        assert!(Body::new(Framing::UntilClose).may_end_here());
        assert!(Body::new(Framing::Empty).may_end_here());
        assert!(!Body::new(Framing::Length(1)).may_end_here());
        assert!(!Body::new(Framing::Chunked).may_end_here());
    }
}
