//! Floods of HTTP/2: every way to make work that nobody asked for, as pieces that are sent again and again.
//!
//! What a flood is ended for is known here, how much of it is too much is not: there are enough pieces of each to pass any
//! budget. They ask for [`SLOW`], which an origin is not to answer, and for [`FAST`], which it is to answer at once.

use crate::frames::block::{indexed, literals, request, request_with};
use crate::frames::flag::{END_HEADERS, END_STREAM, PADDED};
use crate::frames::{Frame, get, kind, post};

/// The path of requests that are to stay without an answer.
pub const SLOW: &str = "/slow";

/// The path of requests that are to be answered at once.
pub const FAST: &str = "/fast";

/// The bytes of a flood's piece with this number, which may open the stream of that number.
pub type Piece = fn(u32) -> Vec<u8>;

/// So many pieces are at least twice what any budget allows; what comes behind them is surely too much.
const MANY: u32 = 1_200;

/// The same where each piece is of fifteen kilobytes.
const LARGE: u32 = 150;

/// A flood.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    /// What it is ended for: whichever of these comes first by how it is read.
    pub names: &'static [&'static str],
    /// How many pieces of it are surely too much.
    pub pieces: u32,
    /// Makes a piece.
    pub piece: Piece,
    /// Whether it waits after each piece until its stream is reset, so that no two come at once.
    pub waits: bool,
}

impl Flood {
    const fn of(names: &'static [&'static str], pieces: u32, piece: Piece) -> Self {
        Self {
            names,
            pieces,
            piece,
            waits: false,
        }
    }

    const fn provoking(piece: Piece) -> Self {
        Self {
            waits: true,
            ..Self::of(&["provoked-reset"], MANY, piece)
        }
    }

    /// What it is called: by the first of what it may be ended for.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }

    /// All its pieces.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        (0..self.pieces).flat_map(self.piece).collect()
    }

    /// Whether this line of the log says that a connection was ended for it.
    #[must_use]
    pub fn is_told_by(&self, line: &str) -> bool {
        let about = |name: &&str| line.contains(&format!("abuse=\"{name}\""));
        line.contains("client=") && self.names.iter().any(about)
    }
}

/// The stream that a piece may open.
#[must_use]
pub const fn stream(number: u32) -> u32 {
    2 * number + 1
}

fn piece(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    Frame::new(kind, flags, stream, payload).bytes()
}

/// Streams beyond what was promised, and streams that only the codec looks at: whichever comes first, by how they are read.
const STREAMS: &[&str] = &["stream-flood", "provoked-reset"];

/// Every flood that is sent as fast as it is taken.
pub const FLOODS: &[Flood] = &[
    Flood::of(&["rapid-reset"], MANY, |n| {
        [get(stream(n), SLOW), Frame::reset(stream(n), 8).bytes()].concat()
    }),
    Flood::of(&["rapid-reset"], MANY, |n| {
        [post(stream(n), FAST), Frame::reset(stream(n), 8).bytes()].concat()
    }),
    Flood::of(STREAMS, MANY, |n| get(stream(n), SLOW)),
    Flood::of(STREAMS, MANY, malformed),
    Flood::of(&["continuation-flood"], MANY, |n| match n {
        0 => piece(kind::HEADERS, END_STREAM, 1, &request("GET", FAST)),
        _ => piece(kind::CONTINUATION, 0, 1, b""),
    }),
    Flood::of(&["continuation-flood"], MANY, |n| match n {
        0 => piece(kind::HEADERS, END_STREAM, 1, &request("GET", FAST)),
        _ => piece(kind::CONTINUATION, 0, 1, &literals(&[("x", "y")])),
    }),
    Flood::of(&["header-flood"], LARGE, |n| {
        let value = "x".repeat(15_000);
        let block = request_with("POST", SLOW, &[("x", &value)]);
        Frame::headers(stream(n), 0, block).bytes()
    }),
    Flood::of(&["header-bomb"], LARGE, |n| {
        let mut block = request("GET", SLOW);
        indexed(&mut block, b"x", &[b'y'; 4_000]);
        block.extend_from_slice(&[0xbe; 16_000 - 4_100]);
        Frame::headers(stream(n), END_STREAM, block).bytes()
    }),
    Flood::of(&["settings-flood"], MANY, |_| Frame::settings(&[]).bytes()),
    Flood::of(&["settings-flood"], MANY, |n| {
        Frame::settings(&[(4, n % 2)]).bytes()
    }),
    Flood::of(&["settings-flood"], MANY, |_| Frame::settings_ack().bytes()),
    Flood::of(&["ping-flood"], MANY, |_| Frame::ping([1; 8]).bytes()),
    Flood::of(&["window-flood"], MANY, |_| Frame::window(0, 1).bytes()),
    Flood::of(&["window-flood"], MANY, |n| match n {
        0 => post(1, SLOW),
        _ => Frame::window(1, 1).bytes(),
    }),
    Flood::of(&["priority-flood"], MANY, |n| {
        piece(kind::PRIORITY, 0, stream(n), &[0, 0, 0, 0, 9])
    }),
    Flood::of(&["priority-flood"], MANY, |_| {
        piece(0x10, 0, 0, b"\0\0\0\x01u=1")
    }),
    Flood::of(&["empty-frames"], MANY, |n| match n {
        0 => post(1, SLOW),
        _ => piece(kind::DATA, 0, 1, b""),
    }),
    Flood::of(&["empty-frames"], MANY, |n| match n {
        0 => post(1, SLOW),
        _ => piece(kind::DATA, PADDED, 1, &[100; 101]),
    }),
    Flood::of(&["empty-frames"], MANY, |n| {
        piece(kind::HEADERS, END_HEADERS, stream(n), b"")
    }),
    Flood::of(&["unknown-frames"], MANY, |_| {
        piece(0x77, 0xff, 0, b"grease")
    }),
];

/// What makes the other side reset a stream (CVE-2025-8671), one at a time.
pub const PROVOCATIONS: &[Flood] = &[
    Flood::provoking(malformed),
    // A window that overflows.
    Flood::provoking(|n| {
        let window = Frame::window(stream(n), 0x7fff_ffff).bytes();
        [post(stream(n), SLOW), window].concat()
    }),
    // A body that is longer than announced.
    Flood::provoking(|n| {
        let head = request_with("POST", SLOW, &[("content-length", "1")]);
        let head = Frame::headers(stream(n), 0, head).bytes();
        [head, piece(kind::DATA, 0, stream(n), b"ab")].concat()
    }),
];

/// A request that the codec refuses.
fn malformed(n: u32) -> Vec<u8> {
    let head = request_with("GET", FAST, &[("connection", "close")]);
    Frame::headers(stream(n), END_STREAM, head).bytes()
}
