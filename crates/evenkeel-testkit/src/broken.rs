//! Why no message could be read off a connection.

use std::fmt;
use std::io;

/// Why no message could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The connection was closed within a message.
    Closed,
    /// The connection was reset.
    Reset,
    /// Nothing came in time.
    Silent,
    /// What came is no HTTP/1.1, or leaves a doubt.
    Malformed(String),
    /// TLS failed, or the other side says by an alert that it did for it.
    Tls(String),
    /// The stream of HTTP/2 was reset, with this code (RFC 9113 section 7).
    StreamReset(u32),
    /// The connection of HTTP/2 ended with this code.
    GoneAway(u32),
}

impl Broken {
    /// Whether the message was cut by the other side, so that nobody takes it for whole.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        matches!(
            self,
            Self::Closed | Self::Reset | Self::StreamReset(_) | Self::GoneAway(_)
        )
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Silent,
            // The connection ended without the goodbye of TLS.
            io::ErrorKind::UnexpectedEof => Self::Closed,
            io::ErrorKind::InvalidData => Self::Tls(error.to_string()),
            _ => Self::Reset,
        }
    }
}

impl From<h2::Error> for Broken {
    fn from(error: h2::Error) -> Self {
        match error.reason() {
            Some(reason) if error.is_reset() => Self::StreamReset(reason.into()),
            Some(reason) => Self::GoneAway(reason.into()),
            None => match error.into_io() {
                // What a stream says when its connection has ended.
                Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Self::Closed,
                Some(error) => Self::from(error),
                None => Self::Malformed("no request can be made like that".to_owned()),
            },
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection was closed within a message"),
            Self::Reset => f.write_str("the connection was reset"),
            Self::Silent => f.write_str("nothing came in time"),
            Self::Malformed(what) => write!(f, "no strict HTTP/1.1: {what}"),
            Self::Tls(what) => write!(f, "TLS failed: {what}"),
            Self::StreamReset(code) => write!(f, "the stream was reset with code {code}"),
            Self::GoneAway(code) => write!(f, "the connection was ended with code {code}"),
        }
    }
}
