//! The last results of an endpoint's probes, with their reasons, for people to read. Nothing is decided by it.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use crate::sync::Mutex;

/// A result of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeResult {
    /// When it was there.
    pub at: SystemTime,
    /// Whether it was good.
    pub good: bool,
    /// What was seen: `200`, `connection refused`, `no answer within 2 s`.
    pub reason: String,
    /// How long the probe took.
    pub took: Duration,
}

/// The last [`ProbeLog::LIMIT`] results, and since when they are what they are.
#[derive(Debug, Default)]
pub struct ProbeLog(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    results: VecDeque<ProbeResult>,
    /// When the first of the newest results was there that are all good, or all bad; it may have left the list.
    since: Option<SystemTime>,
}

impl ProbeLog {
    /// How many results are kept.
    pub const LIMIT: usize = 16;

    /// A longer reason is cut to so many bytes: part of it may be what the endpoint said.
    pub const LONGEST_REASON: usize = 256;

    /// Keeps a result, and lets the oldest go.
    pub fn push(&self, mut result: ProbeResult) {
        let cut = result.reason.floor_char_boundary(Self::LONGEST_REASON);
        result.reason.truncate(cut);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = kept.results.back();
        if last.is_none_or(|last| last.good != result.good) {
            kept.since = Some(result.at);
        }
        if kept.results.len() >= Self::LIMIT {
            kept.results.pop_front();
        }
        kept.results.push_back(result);
    }

    /// The results that are kept, the oldest first.
    #[must_use]
    pub fn results(&self) -> Vec<ProbeResult> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.results.iter().cloned().collect()
    }

    /// The last result, and when the first of those was there that are as it is, without one of the other kind between them.
    #[must_use]
    pub fn last(&self) -> Option<(ProbeResult, SystemTime)> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.results.back().cloned().zip(kept.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(reason: &str) -> ProbeResult {
        ProbeResult {
            at: SystemTime::UNIX_EPOCH,
            good: false,
            reason: reason.to_owned(),
            took: Duration::from_millis(3),
        }
    }

    #[test]
    fn the_last_sixteen_are_kept_the_oldest_first() {
        let log = ProbeLog::default();
        assert!(log.results().is_empty());
        for n in 0..20 {
            log.push(result(&n.to_string()));
        }
        let reasons: Vec<String> = log.results().into_iter().map(|r| r.reason).collect();
        let expected: Vec<String> = (4..20).map(|n| n.to_string()).collect();
        assert_eq!(reasons, expected);
    }

    #[test]
    fn the_beginning_of_a_row_is_known_when_it_has_left_the_list() {
        let log = ProbeLog::default();
        assert_eq!(log.last(), None);
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        for second in 0..40 {
            log.push(ProbeResult {
                at: at(second),
                good: second < 10,
                ..result("x")
            });
        }
        let (last, since) = log.last().unwrap();
        assert_eq!((last.at, since), (at(39), at(10)));
        log.push(ProbeResult {
            good: true,
            ..result("well")
        });
        assert_eq!(log.last().map(|(_, since)| since), Some(at(0)));
    }

    #[test]
    fn what_an_endpoint_says_does_not_decide_how_much_is_kept() {
        let log = ProbeLog::default();
        log.push(result(&format!("x{}", "ä".repeat(1_000))));
        let kept = &log.results()[0].reason;
        assert_eq!(kept.len(), 255, "cut between letters");
    }
}
