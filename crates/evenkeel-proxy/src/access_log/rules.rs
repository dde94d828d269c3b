//! What the log wants: its form, the header fields in it, and which exchanges have a record at all.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_config::model::{ALL_RECORDS, AccessFormat, AccessLog, Piece};
use evenkeel_policy::outlier::Cause;

use crate::attempted::{Attempted, Fate};
use crate::record::Record;

/// A record that stands for itself alone, in thousandths of an exchange.
pub(crate) const ONE: u32 = 1_000;

/// What the log wants.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(super) format: AccessFormat,
    /// Header fields of requests that stand in the record beside what the form has anyway.
    pub(super) request: Vec<String>,
    /// Those of responses: all that have to be kept.
    pub(super) response: Arc<[String]>,
    /// How many of the exchanges have a record, of [`ALL_RECORDS`].
    share: u32,
    /// How many a record stands for that was drawn.
    stands_for: u32,
    slow: Duration,
}

impl Rules {
    /// What the configuration says.
    pub(super) fn of(config: &AccessLog) -> Self {
        let mut response = config.response_headers.clone();
        if let AccessFormat::Template(pieces) = &config.format {
            for piece in pieces {
                if let Piece::Response(name) = piece
                    && !response.contains(name)
                {
                    response.push(name.clone());
                }
            }
        }
        let stands_for = u64::from(ALL_RECORDS) * u64::from(ONE) / u64::from(config.sample.max(1));
        Self {
            format: config.format.clone(),
            request: config.request_headers.clone(),
            response: response.into(),
            share: config.sample,
            stands_for: u32::try_from(stands_for).unwrap_or(u32::MAX),
            slow: config.slow,
        }
    }

    /// Whether header fields are to be written beside what the form has anyway.
    pub(super) fn names_headers(&self) -> bool {
        !self.request.is_empty() || !self.response.is_empty()
    }

    /// For how many exchanges, in thousandths, the record of this one stands; none: it is not written.
    #[inline]
    pub(super) fn draw(&self, record: &Record, below: impl FnOnce(u32) -> u32) -> Option<u32> {
        if self.share == ALL_RECORDS || self.is_wanted_anyway(record) {
            return Some(ONE);
        }
        (below(ALL_RECORDS) < self.share).then_some(self.stands_for)
    }

    /// Whether somebody will want to look at it. Being drawn has no part in that, or such an exchange would count twice.
    fn is_wanted_anyway(&self, record: &Record) -> bool {
        let failed = |attempt: &Attempted| matches!(attempt.fate, Fate::Failed(_));
        record.fault.is_some()
            || record.status >= 500
            || record.ended.saturating_duration_since(record.began) >= self.slow
            || Cause::of_response(record.status, record.grpc).is_some()
            || record.tried.iter().any(failed)
    }
}

#[cfg(test)]
mod tests;
