//! When it is said that a collector refuses spans, and when that it is over: once each, also of one that refuses some now and then.

use std::time::{Duration, Instant};

/// It is over when nothing was refused for so long.
const CALM: Duration = Duration::from_mins(1);

/// What there is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// So many were refused, for the first time.
    Begun(u64),
    /// No more are: so many were it in all.
    Over(u64),
}

/// What a collector has refused since it began to.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    spans: u64,
    /// When it did last; none: it does not.
    last: Option<Instant>,
}

impl Refusals {
    /// A batch was taken of which so many were refused.
    pub(super) fn saw(&mut self, spans: u64, now: Instant) -> Option<Word> {
        match self.last {
            None if spans == 0 => None,
            None => {
                (self.spans, self.last) = (spans, Some(now));
                Some(Word::Begun(spans))
            }
            Some(last) if spans == 0 => {
                let is_over = now.saturating_duration_since(last) >= CALM;
                is_over.then(|| Word::Over(std::mem::take(self).spans))
            }
            Some(_) => {
                self.spans = self.spans.saturating_add(spans);
                self.last = Some(now);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_that_refuses_now_and_then_is_spoken_of_once() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        let mut saw = |seconds, spans| refusals.saw(spans, start + Duration::from_secs(seconds));
        assert_eq!(saw(0, 0), None);
        assert_eq!(saw(1, 3), Some(Word::Begun(3)));
        for at in (2..100).step_by(2) {
            assert_eq!(saw(at, 0), None);
            assert_eq!(saw(at + 1, 1), None);
        }
        assert_eq!(saw(158, 0), None);
        assert_eq!(saw(159, 0), Some(Word::Over(52)));
        assert_eq!(saw(300, 0), None);
        assert_eq!(saw(301, 7), Some(Word::Begun(7)));
    }
}
