//! A bad day that is over: every exchange, what the endpoints saw, and when what happened.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::book::Pages;
use crate::exchange::{Exchange, Outcome};

/// What came of playing a scenario.
#[derive(Clone, Debug)]
pub struct Run {
    /// Every request, in the order in which they were sent.
    pub exchanges: Vec<Exchange>,
    /// What the endpoints saw.
    pub pages: Pages,
    /// The instants that have names.
    pub marks: Vec<(&'static str, Duration)>,
    /// Numbers that the steps found out.
    pub notes: BTreeMap<Cow<'static, str>, u64>,
    /// What the proxy used, now and then.
    pub samples: Vec<Sample>,
    /// When it began; all other times count from here.
    pub start: Instant,
    /// How long it took.
    pub took: Duration,
    /// The longest that the machine held the client up: a busy one may do so to the proxy and to endpoints as well.
    pub held_up: Duration,
    /// How many times as long as its bound something may take; see [`REHEARSAL`].
    pub leeway: u32,
}

/// The leeway of the short form, which the gate plays on machines that build and test beside it: what it has to show is that
/// every request is accounted for and that nothing waits for what it should not wait for. How long things take to the
/// millisecond is for the full form, whose leeway is 1.
pub const REHEARSAL: u32 = 3;

/// What the proxy used at some instant.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When.
    pub at: Duration,
    /// How many requests were over by then.
    pub requests: u64,
    /// Resident memory, in bytes.
    pub memory: u64,
    /// Open descriptors.
    pub descriptors: u64,
}

impl Run {
    /// How long that may take which has this bound.
    #[must_use]
    pub fn allows(&self, bound: Duration) -> Duration {
        bound * self.leeway + self.held_up
    }

    /// How many of so many may miss what depends on an instant: one in a hundred where time has leeway, and none otherwise.
    #[must_use]
    pub fn may_miss(&self, of: u64) -> u64 {
        if self.leeway > 1 { of / 100 } else { 0 }
    }

    /// A time that was measured, and, when it is more than its bound, what is allowed.
    #[must_use]
    pub fn beside(&self, took: Duration, bound: Duration) -> String {
        if took <= bound {
            return millis(took);
        }
        let (took, times, held_up) = (millis(took), self.leeway, millis(self.held_up));
        match times {
            1 => format!("{took} (the machine held the client up for {held_up})"),
            _ => format!(
                "{took} (a rehearsal may take {times} times as long, and {held_up} that the machine held it up)"
            ),
        }
    }

    /// The instant with this name; [`Duration::MAX`] when it was never reached.
    #[must_use]
    pub fn mark(&self, name: &str) -> Duration {
        let found = self.marks.iter().find(|(known, _)| *known == name);
        found.map_or(Duration::MAX, |(_, at)| *at)
    }

    /// What the steps found out under this name; 0 when they did not get that far.
    #[must_use]
    pub fn note(&self, name: &str) -> u64 {
        self.notes.get(name).copied().unwrap_or_default()
    }

    /// The exchanges that failed, of those that are meant.
    #[must_use]
    pub fn failures(&self, meant: impl Fn(&Exchange) -> bool) -> Vec<&Exchange> {
        let failed = self.exchanges.iter().filter(|one| one.has_failed());
        failed.filter(|one| meant(one)).collect()
    }

    /// Responses that belong to another request.
    #[must_use]
    pub fn mixed_up(&self) -> usize {
        let mixed = |one: &&Exchange| one.outcome == Outcome::MixedUp;
        self.exchanges.iter().filter(mixed).count()
    }

    /// The exchanges that began within this time.
    pub fn began_within(
        &self,
        from: Duration,
        to: Duration,
    ) -> impl Iterator<Item = &Exchange> + Clone {
        let within = move |one: &&Exchange| from <= one.began && one.began < to;
        self.exchanges.iter().filter(within)
    }

    /// When the first named instant was: before it, all was well.
    #[must_use]
    pub fn trouble(&self) -> Duration {
        self.marks.first().map_or(self.took, |(_, at)| *at)
    }
}

/// What `per_mille` of a thousand exchanges did not exceed; none when there are none.
pub fn quantile<'a>(
    exchanges: impl Iterator<Item = &'a Exchange>,
    per_mille: u32,
) -> Option<Duration> {
    let mut times: Vec<Duration> = exchanges.map(|one| one.took).collect();
    times.sort_unstable();
    let rank = (times.len() * per_mille as usize).div_ceil(1000);
    times.get(rank.saturating_sub(1)).copied()
}

/// A time in milliseconds, as people read it.
#[must_use]
pub fn millis(time: Duration) -> String {
    match time.as_micros() {
        micros if micros < 10_000 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        micros if micros < 1_000_000 => format!("{:.0} ms", time.as_secs_f64() * 1e3),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Kind;

    fn exchange(millis: u64, outcome: Outcome) -> Exchange {
        Exchange {
            id: 1,
            load: 0,
            kind: Kind::Get,
            began: Duration::from_millis(millis),
            took: Duration::from_millis(millis),
            by: None,
            outcome,
        }
    }

    #[test]
    fn quantiles_are_ranks() {
        let all: Vec<_> = (1..=200)
            .map(|n| exchange(n, Outcome::Answer(200)))
            .collect();
        for (per_mille, expected) in [(500, 100), (990, 198), (1000, 200), (1, 1)] {
            let found = quantile(all.iter(), per_mille);
            assert_eq!(found, Some(Duration::from_millis(expected)), "{per_mille}");
        }
        assert_eq!(quantile([].iter(), 500), None);
    }

    #[test]
    fn failures_are_what_is_no_good_answer() {
        let run = Run {
            exchanges: vec![
                exchange(1, Outcome::Answer(200)),
                exchange(2, Outcome::Answer(503)),
                exchange(3, Outcome::Reply(502, "connect-refused".to_owned())),
                exchange(4, Outcome::MixedUp),
            ],
            pages: Pages::default(),
            marks: vec![("killed", Duration::from_millis(3))],
            notes: BTreeMap::new(),
            samples: Vec::new(),
            start: Instant::now(),
            took: Duration::from_millis(9),
            held_up: Duration::from_millis(1),
            leeway: 1,
        };
        assert_eq!(run.failures(|_| true).len(), 3);
        assert_eq!(run.failures(|one| one.kind != Kind::Get).len(), 0);
        assert_eq!(run.mixed_up(), 1);
        assert_eq!(run.began_within(Duration::ZERO, run.trouble()).count(), 2);
        assert_eq!(run.mark("never"), Duration::MAX);
        assert_eq!(run.allows(Duration::from_millis(5)).as_millis(), 6);
        let rehearsal = Run {
            leeway: REHEARSAL,
            ..run
        };
        assert_eq!(rehearsal.allows(Duration::from_millis(5)).as_millis(), 16);
    }

    #[test]
    fn times_are_readable() {
        for (micros, text) in [(1_250, "1.2 ms"), (15_400, "15 ms"), (2_500_000, "2.50 s")] {
            assert_eq!(millis(Duration::from_micros(micros)), text);
        }
    }
}
