//! What the body of a probe's response must hold, looked for in its first 64 KiB.

use evenkeel_config::body_regex;
use evenkeel_config::model::{BodyMatch, ProbeRequest};
use evenkeel_http1::{ChunkReader, ChunkState, Limits, ResponseBody};
use memchr::memmem;
use regex::bytes::Regex;

use super::Answer;
use crate::probe::bad::{Awaited, Bad, quoted};

/// So much of a body is looked at.
const MAX_BODY: usize = ProbeRequest::BODY_LIMIT;

/// What a body must hold.
#[derive(Debug)]
pub(super) enum Wanted {
    Anything,
    Text(String),
    Match(Regex),
    /// An expression that does not compile, which a checked configuration cannot have: no body is good then.
    Impossible(String),
}

impl Wanted {
    pub(super) fn new(body: &BodyMatch) -> Self {
        match body {
            BodyMatch::Any => Self::Anything,
            BodyMatch::Contains(text) => Self::Text(text.clone()),
            BodyMatch::Regex(expression) => body_regex(expression)
                .map_or_else(|_| Self::Impossible(expression.clone()), Self::Match),
        }
    }

    /// Reads as much of the body as it takes to judge it.
    pub(super) async fn check(
        &self,
        answer: &mut Answer<'_>,
        framing: ResponseBody,
    ) -> Result<(), Bad> {
        let mut body = Body::new(framing);
        let cut_at = match self {
            Self::Anything => return Ok(()),
            Self::Text(text) => {
                let mut searched = 0;
                let found = |body: &[u8]| {
                    let from = searched;
                    // A text that is cut in two by two reads begins before the end of the first.
                    searched = (body.len() + 1).saturating_sub(text.len());
                    memmem::find(&body[from..], text.as_bytes()).is_some()
                };
                match body.read(answer, found).await? {
                    End::Found => return Ok(()),
                    end => end.cut_at(),
                }
            }
            Self::Match(regex) => {
                let end = body.read(answer, |_| false).await?;
                if regex.is_match(&body.content) {
                    return Ok(());
                }
                end.cut_at()
            }
            Self::Impossible(_) => None,
        };
        Err(Bad::Body {
            wanted: self.to_string(),
            cut_at,
        })
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Anything => f.write_str("hold anything"),
            Self::Text(text) => write!(f, "contain {}", quoted(text.as_bytes())),
            Self::Match(regex) => write!(f, "match {}", quoted(regex.as_str().as_bytes())),
            Self::Impossible(text) => write!(f, "match {}", quoted(text.as_bytes())),
        }
    }
}

/// Why reading a body came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Found,
    Whole,
    Cut,
}

impl End {
    fn cut_at(self) -> Option<usize> {
        (self == Self::Cut).then_some(MAX_BODY)
    }
}

/// A body without its framing.
#[derive(Debug)]
pub(super) struct Body {
    framing: ResponseBody,
    chunks: ChunkReader,
    pub(super) content: Vec<u8>,
}

impl Body {
    pub(super) fn new(framing: ResponseBody) -> Self {
        Self {
            framing,
            chunks: ChunkReader::new(),
            content: Vec::new(),
        }
    }

    /// Reads until `found` says so of what has come, or the body ends, or the limit is reached.
    pub(super) async fn read(
        &mut self,
        answer: &mut Answer<'_>,
        mut found: impl FnMut(&[u8]) -> bool,
    ) -> Result<End, Bad> {
        loop {
            let whole = self.take(&mut answer.bytes)?;
            if found(&self.content) {
                return Ok(End::Found);
            }
            if whole {
                return Ok(End::Whole);
            }
            if self.content.len() >= MAX_BODY {
                return Ok(End::Cut);
            }
            if answer.more(Awaited::Body, usize::MAX).await? == 0 {
                return match self.framing {
                    ResponseBody::UntilClose => Ok(End::Whole),
                    _ => Err(Bad::Closed(Awaited::Body)),
                };
            }
        }
    }

    /// Takes content out of what has come, up to the limit; says whether that was all of the body.
    fn take(&mut self, bytes: &mut Vec<u8>) -> Result<bool, Bad> {
        let room = MAX_BODY - self.content.len();
        match self.framing {
            ResponseBody::Empty | ResponseBody::Tunnel => Ok(true),
            ResponseBody::UntilClose => {
                self.content.extend(bytes.drain(..bytes.len().min(room)));
                Ok(false)
            }
            ResponseBody::Known(length) => {
                let left = usize::try_from(length).map_or(usize::MAX, |n| n - self.content.len());
                let taken = bytes.len().min(room).min(left);
                self.content.extend(bytes.drain(..taken));
                Ok(taken == left)
            }
            ResponseBody::Chunked => {
                let chunked = self
                    .chunks
                    .read(bytes, &Limits::default())
                    .map_err(Bad::Malformed)?;
                let payload = bytes.get(chunked.payload).unwrap_or_default();
                self.content
                    .extend_from_slice(&payload[..payload.len().min(room)]);
                let fits = payload.len() <= room;
                bytes.drain(..chunked.consumed);
                Ok(fits && matches!(chunked.state, ChunkState::Done { .. }))
            }
        }
    }
}
