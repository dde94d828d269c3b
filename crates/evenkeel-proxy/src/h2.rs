//! HTTP/2 on a connection, on top of the `h2` crate: the same code for both sides, as far as they have anything in common.
//!
//! [`Wire`] is what the crate reads from and writes to, [`H2Body`] one stream as the pipeline sees bodies: a source and a
//! sink. Heads, and the life of a connection, are the business of each side (`downstream/h2.rs`, `upstream/h2.rs`).
//!
//! Flow control is the back-pressure: what the pipeline has not taken is not given back to the sender's window, and nothing is
//! handed to the crate for which the reader's window has no room.

mod body;
mod received;
mod usual;
pub(crate) mod websocket;
mod wire;

use evenkeel_base::{Fault, Side};

pub(crate) use body::H2Body;
pub(crate) use usual::Usual;
pub(crate) use wire::{Outlet, Wire};

/// What one stream may send before its reader has taken some of it: the window of a stream, and with it what a stream that
/// nobody reads holds of the other side's data.
pub(crate) const STREAM_WINDOW: u32 = 65_535;

/// The same for all streams of a connection together: as much as four of them, so that one that is not read does not stop the
/// others, and a connection whose streams all stand still holds a quarter of a mebibyte.
pub(crate) const CONNECTION_WINDOW: u32 = 4 * STREAM_WINDOW;

/// What the crate holds of a stream's outgoing data at most, until the other side's window and the system take it: two frames. As
/// much again waits in the block of the other side, so that a stream whose reader has stopped costs less than 64 KiB; with that
/// much here it was 82 KiB in the mean. A large body takes 7 % more instructions of user space for it in a build for tests.
pub(crate) const SEND_BUFFER: usize = 32 * 1024;

/// What an error of a stream means, by the side that it is on, once a message was begun there.
pub(crate) fn fault_of(side: Side, error: &h2::Error) -> Fault {
    // What the crate itself found wrong: the body is longer or shorter than announced, or came at the wrong time.
    if error.is_library() && error.is_reset() {
        return malformed(side);
    }
    match side {
        Side::Downstream | Side::Local => Fault::ClientGone,
        Side::Upstream => Fault::ResponseCut,
    }
}

/// The fault of a body that breaks the rules of the protocol.
pub(crate) const fn malformed(side: Side) -> Fault {
    match side {
        Side::Downstream | Side::Local => Fault::RequestBodyMalformed,
        Side::Upstream => Fault::ResponseBodyMalformed,
    }
}
