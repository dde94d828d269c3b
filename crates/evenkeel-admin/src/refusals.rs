//! What is told of requests that were refused: each is counted by its reason, and the log has a word on them. Whoever tries tokens, or
//! has browsers try, is to be seen, and must not fill the log.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::gate::Refusal;

/// From one line to the next; what comes between is counted in the next one.
const QUIET: Duration = Duration::from_secs(10);

/// What was refused.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    /// By the numbers of the reasons.
    counts: [AtomicU64; Refusal::ALL.len()],
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    told: Option<Instant>,
    untold: u64,
}

impl Refusals {
    /// A request of that client was refused.
    pub(crate) fn note(&self, why: Refusal, client: Option<IpAddr>) {
        self.counts[why as usize].fetch_add(1, Ordering::Relaxed);
        // A dashboard that has not been given the token yet has none.
        if why == Refusal::NoToken {
            return;
        }
        if let Some(more) = self.due(Instant::now()) {
            let client = client.map(tracing::field::display);
            let refusal = why.name();
            tracing::warn!(
                refusal,
                client,
                more,
                "a request at the admin address was refused"
            );
        }
    }

    /// How many there were since the start, for this reason.
    pub(crate) fn count(&self, why: Refusal) -> u64 {
        self.counts[why as usize].load(Ordering::Relaxed)
    }

    /// How many others there were since the last line, when it is time for one.
    fn due(&self, now: Instant) -> Option<u64> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_early = |told| now.saturating_duration_since(told) < QUIET;
        if seen.told.is_some_and(is_early) {
            seen.untold += 1;
            return None;
        }
        seen.told = Some(now);
        Some(std::mem::take(&mut seen.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_line_now_and_then_and_it_counts_the_others() {
        let (refusals, began) = (Refusals::default(), Instant::now());
        for (second, expected) in [
            (0, Some(0)),
            (1, None),
            (9, None),
            (10, Some(2)),
            (19, None),
            (50, Some(1)),
            (60, Some(0)),
        ] {
            let now = began + Duration::from_secs(second);
            assert_eq!(refusals.due(now), expected, "{second}");
        }
    }

    #[test]
    fn each_is_counted_by_its_reason_also_where_the_log_says_nothing() {
        let refusals = Refusals::default();
        for (number, why) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, number, "{why:?}");
            for _ in 0..=number {
                refusals.note(why, None);
            }
        }
        for (number, why) in (1..).zip(Refusal::ALL) {
            assert_eq!(refusals.count(why), number, "{why:?}");
        }
    }
}
