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
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Silent,
            _ => Self::Reset,
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
        }
    }
}
