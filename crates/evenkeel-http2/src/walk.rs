//! From bytes to frame headers: where each frame begins, of what kind it is, and nothing of what is in it but for a few bytes.
//!
//! Nothing is copied: payloads are stepped over. A frame is told as soon as its header is whole, together with the first bytes of
//! its payload where they matter; however the bytes are split, the same frames are told at the same bytes.

/// What every frame begins with (RFC 9113 §4.1).
const HEADER: usize = 9;

/// The header, and as much of a payload as is ever looked at: of GOAWAY, the last stream, the code and a word on why.
const MOST: usize = HEADER + GOAWAY as usize;

/// What is looked at of GOAWAY.
const GOAWAY: u8 = 24;

/// As much of the word as tells all of the codec's apart.
const WORD: usize = GOAWAY as usize - 8;

/// How long the preface is that a client's bytes begin with (RFC 9113 §3.4).
const PREFACE: u32 = 24;

/// The types of frames (RFC 9113 §6, RFC 9218 §7.1).
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
    pub(crate) const PRIORITY_UPDATE: u8 = 0x10;
}

const END_STREAM: u8 = 0x1;
const PADDED: u8 = 0x8;

/// What is told of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    flags: u8,
    pub(crate) stream: u32,
    /// Of the payload, padding included.
    pub(crate) length: u32,
    /// The error code of RST_STREAM in its four bytes; the length of the padding in the first of them, for DATA that has one.
    first: [u8; 4],
}

impl Frame {
    /// Whether it ends its sender's half of a stream. Only DATA and HEADERS can.
    pub(crate) const fn ends_stream(&self) -> bool {
        matches!(self.kind, kind::DATA | kind::HEADERS) && self.flags & END_STREAM != 0
    }

    /// The error code of RST_STREAM.
    pub(crate) const fn code(&self) -> u32 {
        u32::from_be_bytes(self.first)
    }

    /// How many bytes of data are in DATA: padding and its length apart.
    pub(crate) const fn data(&self) -> u32 {
        if self.flags & PADDED == 0 {
            return self.length;
        }
        self.length.saturating_sub(1 + self.first[0] as u32)
    }
}

/// A place in the bytes of one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walker {
    /// How many bytes are still to be stepped over: of a preface or a payload.
    skip: u32,
    /// A frame's beginning that has not come whole.
    held: [u8; MOST],
    have: u8,
    /// The word of the last GOAWAY.
    word: ([u8; WORD], u8),
}

impl Walker {
    /// Before the first frame, or before a client's preface.
    pub(crate) const fn new(preface: bool) -> Self {
        Self {
            skip: if preface { PREFACE } else { 0 },
            held: [0; MOST],
            have: 0,
            word: ([0; WORD], 0),
        }
    }

    /// Whether the last frame has been passed whole, and nothing of the next one.
    pub(crate) const fn is_between_frames(&self) -> bool {
        self.skip == 0 && self.have == 0
    }

    /// How the debug data of the last GOAWAY frame began.
    pub(crate) fn word(&self) -> &[u8] {
        let (word, length) = &self.word;
        &word[..usize::from(*length)]
    }

    /// The next frame of `bytes`, which are shortened by what was passed; `None` when they are used up.
    #[inline]
    pub(crate) fn next(&mut self, bytes: &mut &[u8]) -> Option<Frame> {
        loop {
            if self.skip > 0 {
                let skipped = bytes.len().min(self.skip as usize);
                *bytes = &bytes[skipped..];
                self.skip -= u32::try_from(skipped).unwrap_or(u32::MAX);
            }
            if bytes.is_empty() {
                return None;
            }
            if self.have == 0
                && let Some(header) = bytes.first_chunk::<HEADER>()
            {
                let want = HEADER + usize::from(wanted(header));
                if let Some(whole) = bytes.get(..want) {
                    let frame = self.begin(whole);
                    *bytes = &bytes[want..];
                    return Some(frame);
                }
            }
            if let Some(frame) = self.hold(bytes) {
                return Some(frame);
            }
        }
    }

    /// Takes one byte of a beginning that comes in pieces: the frame when it is whole.
    #[cold]
    fn hold(&mut self, bytes: &mut &[u8]) -> Option<Frame> {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let have = usize::from(self.have);
        *self.held.get_mut(have)? = byte;
        self.have += 1;
        let header = self.held.first_chunk::<HEADER>()?;
        if have + 1 < HEADER || have + 1 < HEADER + usize::from(wanted(header)) {
            return None;
        }
        self.have = 0;
        let held = self.held;
        Some(self.begin(&held[..=have]))
    }

    /// The frame that begins with `whole`; what follows of it is to be stepped over.
    #[inline]
    fn begin(&mut self, whole: &[u8]) -> Frame {
        let (header, rest) = whole.split_at(HEADER);
        let mut first = [0; 4];
        for (to, from) in first.iter_mut().zip(rest) {
            *to = *from;
        }
        if header[3] == kind::GOAWAY {
            self.remember(rest);
        }
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        self.skip = length - u32::try_from(rest.len()).unwrap_or_default();
        Frame {
            kind: header[3],
            flags: header[4],
            stream: u32::from_be_bytes([header[5] & 0x7f, header[6], header[7], header[8]]),
            length,
            first,
        }
    }
}

impl Walker {
    /// Keeps the word of a GOAWAY frame.
    #[cold]
    fn remember(&mut self, payload: &[u8]) {
        let (word, length) = &mut self.word;
        *length = 0;
        for (to, from) in word.iter_mut().zip(payload.get(8..).unwrap_or_default()) {
            *to = *from;
            *length += 1;
        }
    }
}

/// How many bytes of the payload are looked at.
#[inline]
const fn wanted(header: &[u8; HEADER]) -> u8 {
    let most = match header[3] {
        kind::RST_STREAM => 4,
        kind::DATA if header[4] & PADDED != 0 => 1,
        kind::GOAWAY => GOAWAY,
        _ => return 0,
    };
    match header {
        [0, 0, length, ..] if *length < most => *length,
        _ => most,
    }
}
