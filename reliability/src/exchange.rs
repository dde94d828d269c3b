//! What became of one request, as its client saw it: the record that every claim is made about.

use std::fmt;
use std::time::Duration;

/// A request and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Its id, which no other request of the run has.
    pub id: u64,
    /// Which of the scenario's loads it belongs to.
    pub load: usize,
    /// What was sent.
    pub kind: Kind,
    /// When it was sent, or was to be sent, from the start of the run.
    pub began: Duration,
    /// How long it took until all of its response was there, or it was clear that it would not come.
    pub took: Duration,
    /// Who answered, when an endpoint did.
    pub by: Option<Life>,
    /// What came.
    pub outcome: Outcome,
}

/// What was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A GET: idempotent, so it can be sent again.
    Get,
    /// A POST with a length: never to be seen twice.
    Post,
    /// A POST in chunks: never to be seen twice.
    Upload,
}

/// One life of an endpoint: it is started again under the next number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life {
    /// The endpoint, from 0.
    pub endpoint: usize,
    /// Its life, from 1.
    pub number: u32,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The whole answer of an endpoint, with the right id in field and body.
    Answer(u16),
    /// A reply that the proxy made: its status and its name for the fault, when it gives one.
    Reply(u16, String),
    /// An answer to another request, or parts of one.
    MixedUp,
    /// No connection could be made to the proxy.
    NoConnection,
    /// No connection could be made to the proxy, which is about to end or has ended: nothing was accepted, and nobody asks again.
    NobodyThere,
    /// The proxy ended the connection before the head of a response.
    Closed,
    /// The response ended before its end.
    Cut,
    /// What came is no HTTP.
    Malformed,
    /// Nothing came for as long as the client waits.
    Silence,
}

impl Exchange {
    /// Whether the client has what it wanted.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        matches!(self.outcome, Outcome::Answer(200..=399))
    }

    /// Whether it was lost. What nobody accepted is neither good nor lost.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        !self.is_good() && self.outcome != Outcome::NobodyThere
    }

    /// When it was over.
    #[must_use]
    pub fn ended(&self) -> Duration {
        self.began + self.took
    }

    /// Whether it was under way at some instant of this time.
    #[must_use]
    pub fn overlaps(&self, from: Duration, to: Duration) -> bool {
        self.began <= to && self.ended() >= from
    }
}

impl Kind {
    /// Whether it may be seen twice.
    #[must_use]
    pub const fn is_idempotent(self) -> bool {
        matches!(self, Self::Get)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(status) => write!(f, "{status} by the endpoint"),
            Self::Reply(status, fault) if fault.is_empty() => write!(f, "{status}"),
            Self::Reply(status, fault) => write!(f, "{status} {fault}"),
            Self::MixedUp => f.write_str("mixed up"),
            Self::NobodyThere => f.write_str("nobody there"),
            Self::NoConnection => f.write_str("no connection"),
            Self::Closed => f.write_str("closed without a response"),
            Self::Cut => f.write_str("cut"),
            Self::Malformed => f.write_str("malformed"),
            Self::Silence => f.write_str("no response in time"),
        }
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.endpoint, self.number)
    }
}

impl std::str::FromStr for Life {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (endpoint, number) = text.split_once('.').unwrap_or((text, ""));
        Ok(Self {
            endpoint: endpoint.parse()?,
            number: number.parse()?,
        })
    }
}
