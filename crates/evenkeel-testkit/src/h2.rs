//! HTTP/2 on either side of a test, message by message and in blocking style.
//!
//! The frames are the `h2` crate's: each connection is driven by a thread of its own with a runtime of its own, and a test
//! or a script waits for what happens on a stream as it would wait for a socket. What needs a frame that no well-behaved
//! implementation sends is not said here.
//!
//! ```no_run
//! use evenkeel_testkit::{Evenkeel, Reply, Setup, Speech};
//!
//! let origin = Speech::h2().http(|request| Reply::ok(&request.body));
//! let proxy = Evenkeel::start(&Setup::to([&origin]));
//! let mut client = proxy.h2();
//! client.post("/", "hello").status(200).body("hello");
//! let mut call = client.begin("POST", "/", "te: trailers\r\n", Length::Unknown);
//! # use evenkeel_testkit::Length;
//! call.data("one").data("two").end();
//! call.response().status(200).body("onetwo");
//! ```

mod answer;
mod call;
mod client;
mod fields;
mod origin;
mod park;

pub use answer::Answer;
pub use call::Call;
pub use client::Client;

pub(crate) use origin::{Command, serve};

use std::io::Cursor;

/// What bodies are sent as: the `h2` crate takes any buffer.
pub(crate) type Data = Cursor<Vec<u8>>;

/// What one side announces in its SETTINGS, and how much it takes before it is read. Otherwise the crate's defaults: windows
/// of 65,535 bytes for a stream and for the connection.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub(crate) window: Option<u32>,
    pub(crate) connection_window: Option<u32>,
    pub(crate) max_streams: Option<u32>,
    pub(crate) max_frame: Option<u32>,
    pub(crate) max_head: Option<u32>,
    pub(crate) connect_protocol: bool,
}

impl Settings {
    /// All defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// So many bytes of a stream may be on their way.
    #[must_use]
    pub fn window(mut self, bytes: u32) -> Self {
        self.window = Some(bytes);
        self
    }

    /// So many bytes of all streams together may be on their way.
    #[must_use]
    pub fn connection_window(mut self, bytes: u32) -> Self {
        self.connection_window = Some(bytes);
        self
    }

    /// The other side may open so many streams at once (`SETTINGS_MAX_CONCURRENT_STREAMS`).
    #[must_use]
    pub fn max_streams(mut self, number: u32) -> Self {
        self.max_streams = Some(number);
        self
    }

    /// Frames may have so many bytes.
    #[must_use]
    pub fn max_frame(mut self, bytes: u32) -> Self {
        self.max_frame = Some(bytes);
        self
    }

    /// Heads may have so many bytes (`SETTINGS_MAX_HEADER_LIST_SIZE`).
    #[must_use]
    pub fn max_head(mut self, bytes: u32) -> Self {
        self.max_head = Some(bytes);
        self
    }

    /// An origin with it takes extended CONNECT (RFC 8441).
    #[must_use]
    pub fn connect_protocol(mut self) -> Self {
        self.connect_protocol = true;
        self
    }
}
