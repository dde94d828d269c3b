//! What a probe saw that was good, for people.

use std::fmt;

/// A good result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Good {
    /// A connection, and nothing else was asked for.
    Connected,
    /// The answer to what was sent.
    Answered,
    /// A response with this status.
    Status(u16),
    /// The health service said that it serves.
    Serving,
}

impl fmt::Display for Good {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected => f.write_str("connected"),
            Self::Answered => f.write_str("answered as expected"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Serving => f.write_str("SERVING"),
        }
    }
}
