//! How a side says where the body that it sends ends.

/// What is said of a body's length before it is sent. HTTP/1.1 needs it for the framing; HTTP/2 has streams for that, and
/// only says `content-length` or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// There is no body: the head ends the message.
    None,
    /// It has so many bytes: `Content-Length`. What is sent is not held to it.
    Known(u64),
    /// Nobody knows: `Transfer-Encoding: chunked`, or nothing in HTTP/2.
    Unknown,
}
