//! HTTP/2 frame by frame: what no client library would send, byte for byte, and what comes back.
//!
//! It shares nothing with the codec under test. It keeps no streams, windows or tables: a test says what is sent and reads
//! what comes. Header blocks are literals without indexing ([`block`]), and of those that come only the status is read.
//!
//! ```no_run
//! use evenkeel_testkit::frames::{self, Frame, Raw};
//! # let address = ([127, 0, 0, 1], 1).into();
//! let mut raw = Raw::greeted(address);
//! raw.send(frames::get(1, "/"));
//! raw.send(Frame::ping(*b"12345678"));
//! ```

pub mod block;
mod raw;

pub use raw::{End, Outcome, Raw};

/// What a client's bytes begin with (RFC 9113 section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames (RFC 9113 section 6).
pub mod kind {
    /// Section 6.1.
    pub const DATA: u8 = 0;
    /// Section 6.2.
    pub const HEADERS: u8 = 1;
    /// Section 6.3.
    pub const PRIORITY: u8 = 2;
    /// Section 6.4.
    pub const RST_STREAM: u8 = 3;
    /// Section 6.5.
    pub const SETTINGS: u8 = 4;
    /// Section 6.6.
    pub const PUSH_PROMISE: u8 = 5;
    /// Section 6.7.
    pub const PING: u8 = 6;
    /// Section 6.8.
    pub const GOAWAY: u8 = 7;
    /// Section 6.9.
    pub const WINDOW_UPDATE: u8 = 8;
    /// Section 6.10.
    pub const CONTINUATION: u8 = 9;
}

/// Flags of frames.
pub mod flag {
    /// The sender's half of the stream ends: DATA, HEADERS.
    pub const END_STREAM: u8 = 0x1;
    /// What was asked has been done: SETTINGS, PING.
    pub const ACK: u8 = 0x1;
    /// The header block ends: HEADERS, CONTINUATION.
    pub const END_HEADERS: u8 = 0x4;
    /// There is padding: DATA, HEADERS.
    pub const PADDED: u8 = 0x8;
    /// There is a priority: HEADERS.
    pub const PRIORITY: u8 = 0x20;
}

/// Error codes (RFC 9113 section 7).
pub mod code {
    /// Nothing is wrong.
    pub const NO_ERROR: u32 = 0;
    /// Something is.
    pub const PROTOCOL_ERROR: u32 = 1;
    /// Of the other side's own.
    pub const INTERNAL_ERROR: u32 = 2;
    /// More than the window.
    pub const FLOW_CONTROL_ERROR: u32 = 3;
    /// A frame on a stream that had ended.
    pub const STREAM_CLOSED: u32 = 5;
    /// A frame of a length that it cannot have.
    pub const FRAME_SIZE_ERROR: u32 = 6;
    /// Nothing was done with it.
    pub const REFUSED_STREAM: u32 = 7;
    /// Not wanted any more.
    pub const CANCEL: u32 = 8;
    /// A header block that cannot be decoded.
    pub const COMPRESSION_ERROR: u32 = 9;
    /// Too much of something.
    pub const ENHANCE_YOUR_CALM: u32 = 11;
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream; 0 for those of the connection.
    pub stream: u32,
    /// What is in it.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Any frame.
    #[must_use]
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            flags,
            stream,
            payload: payload.into(),
        }
    }

    /// DATA.
    #[must_use]
    pub fn data(stream: u32, flags: u8, data: impl Into<Vec<u8>>) -> Self {
        Self::new(kind::DATA, flags, stream, data)
    }

    /// HEADERS with a whole block.
    #[must_use]
    pub fn headers(stream: u32, flags: u8, block: impl Into<Vec<u8>>) -> Self {
        Self::new(kind::HEADERS, flags | flag::END_HEADERS, stream, block)
    }

    /// RST_STREAM.
    #[must_use]
    pub fn reset(stream: u32, code: u32) -> Self {
        Self::new(kind::RST_STREAM, 0, stream, code.to_be_bytes())
    }

    /// SETTINGS with these identifiers and values.
    #[must_use]
    pub fn settings(values: &[(u16, u32)]) -> Self {
        let payload = values.iter().flat_map(|(identifier, value)| {
            let identifier = identifier.to_be_bytes();
            identifier.into_iter().chain(value.to_be_bytes())
        });
        Self::new(kind::SETTINGS, 0, 0, payload.collect::<Vec<u8>>())
    }

    /// The acknowledgement of SETTINGS.
    #[must_use]
    pub fn settings_ack() -> Self {
        Self::new(kind::SETTINGS, flag::ACK, 0, [])
    }

    /// PING.
    #[must_use]
    pub fn ping(payload: [u8; 8]) -> Self {
        Self::new(kind::PING, 0, 0, payload)
    }

    /// GOAWAY.
    #[must_use]
    pub fn goaway(last: u32, code: u32) -> Self {
        let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
        Self::new(kind::GOAWAY, 0, 0, payload)
    }

    /// WINDOW_UPDATE.
    #[must_use]
    pub fn window(stream: u32, increment: u32) -> Self {
        Self::new(kind::WINDOW_UPDATE, 0, stream, increment.to_be_bytes())
    }

    /// CONTINUATION.
    #[must_use]
    pub fn continuation(stream: u32, flags: u8, block: impl Into<Vec<u8>>) -> Self {
        Self::new(kind::CONTINUATION, flags, stream, block)
    }

    /// The frame that these bytes begin with, and how many of them it has; none when it is not whole.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let ([a, b, c, kind, flags, stream @ ..], rest) = bytes.split_first_chunk::<9>()?;
        let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).ok()?;
        let payload = rest.get(..length)?;
        let stream = u32::from_be_bytes(*stream) & 0x7fff_ffff;
        Some((Self::new(*kind, *flags, stream, payload), 9 + length))
    }

    /// Its bytes.
    ///
    /// # Panics
    /// When the payload is longer than a frame can say.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("a frame's length");
        assert!(length < 1 << 24, "no frame can be that long");
        let mut bytes = length.to_be_bytes()[1..].to_vec();
        bytes.extend_from_slice(&[self.kind, self.flags]);
        bytes.extend_from_slice(&self.stream.to_be_bytes());
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// Whether it has one of these flags.
    #[must_use]
    pub const fn has(&self, flags: u8) -> bool {
        self.flags & flags != 0
    }

    /// The number in four bytes of its payload.
    #[must_use]
    pub fn number(&self, at: usize) -> u32 {
        let bytes = self.payload.get(at..at + 4);
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        u32::from_be_bytes(bytes.unwrap_or_default())
    }
}

impl From<Frame> for Vec<u8> {
    fn from(frame: Frame) -> Self {
        frame.bytes()
    }
}

/// A GET as one frame that ends its stream.
#[must_use]
pub fn get(stream: u32, path: &str) -> Vec<u8> {
    Frame::headers(stream, flag::END_STREAM, block::request("GET", path)).bytes()
}

/// The head of a POST, whose stream goes on.
#[must_use]
pub fn post(stream: u32, path: &str) -> Vec<u8> {
    Frame::headers(stream, 0, block::request("POST", path)).bytes()
}
