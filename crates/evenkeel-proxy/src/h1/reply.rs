//! What is known of a response while it is read and passed on.
//!
//! It stands in the channel and not beside it, so that an attempt's connection is a pointer, and moves as one from the pool to
//! whoever relays and back: each of five moves of 200 bytes was 25 instructions of a request. Who reads it is `upstream/h1.rs`;
//! downstream it is unused.

use evenkeel_base::ResponseHead;
use evenkeel_http1::{Asked, ResponseParser};

/// A response to be read.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) parser: ResponseParser,
    pub(crate) head: ResponseHead,
    /// Whether `head` came from the pool. Not before there is something to put in: exchanges that wait take no more memory than
    /// they need.
    pub(crate) has_table: bool,
    pub(crate) asked: Asked,
    pub(crate) persistent: bool,
    pub(crate) keep_alive: Option<u32>,
}
