//! When each thing that is looked for is due, and what is worth a word in the log. It looks at nothing itself.
//!
//! An answer is believed for as long as it says, but never less than [`FLOOR`] and never longer than the ceiling, which is
//! also the pause after a look that came to nothing.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use evenkeel_state::Sought;
use tokio::time::Instant;

/// The shortest time between two looks: an answer that is good for nothing must not make a busy loop of us.
pub(super) const FLOOR: Duration = Duration::from_secs(1);

/// Everything that is looked for.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    entries: HashMap<Sought, Entry>,
}

#[derive(Debug)]
struct Entry {
    ceiling: Duration,
    next: Next,
    /// Why the last look came to nothing.
    failing: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    At(Instant),
    /// Somebody looks right now.
    Looking,
}

/// What is worth a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It goes on as before.
    None,
    /// It came to nothing, for a reason that was not told yet.
    Failing,
    /// It comes to something again.
    Again,
}

impl Agenda {
    /// Looks for these from now on, each at least as often as its ceiling says: what is new at once, and no others.
    pub(super) fn follow(&mut self, wanted: &BTreeMap<Sought, Duration>, now: Instant) {
        self.entries.retain(|sought, _| wanted.contains_key(sought));
        for (sought, ceiling) in wanted {
            let entry = self.entries.entry(sought.clone()).or_insert(Entry {
                ceiling: *ceiling,
                next: Next::At(now),
                failing: None,
            });
            entry.ceiling = *ceiling;
            if let (Next::At(at), Some(latest)) = (entry.next, now.checked_add(*ceiling)) {
                entry.next = Next::At(at.min(latest));
            }
        }
    }

    /// Whether it is looked for.
    pub(super) fn has(&self, sought: &Sought) -> bool {
        self.entries.contains_key(sought)
    }

    /// All of it is due: who looked for it is gone, or looks in another way now.
    pub(super) fn renew(&mut self, now: Instant) {
        for entry in self.entries.values_mut() {
            entry.next = Next::At(now);
        }
    }

    /// When the next look is due.
    pub(super) fn next(&self) -> Option<Instant> {
        let due = self.entries.values().filter_map(|entry| match entry.next {
            Next::At(at) => Some(at),
            Next::Looking => None,
        });
        due.min()
    }

    /// What is due by now, at most so many, the longest due first. Somebody looks for it from now on.
    pub(super) fn take_due(&mut self, now: Instant, most: usize) -> Vec<Sought> {
        let mut due: Vec<(Instant, &Sought)> = self
            .entries
            .iter()
            .filter_map(|(sought, entry)| match entry.next {
                Next::At(at) if at <= now => Some((at, sought)),
                _ => None,
            })
            .collect();
        due.sort_unstable();
        let due: Vec<Sought> = due
            .into_iter()
            .take(most)
            .map(|(_, sought)| sought.clone())
            .collect();
        for sought in &due {
            if let Some(entry) = self.entries.get_mut(sought) {
                entry.next = Next::Looking;
            }
        }
        due
    }

    /// A look ended: with how long its answer is good, or with why there is none.
    pub(super) fn looked(
        &mut self,
        sought: &Sought,
        outcome: Result<Duration, &str>,
        now: Instant,
    ) -> Word {
        let Some(entry) = self.entries.get_mut(sought) else {
            return Word::None;
        };
        let pause = match outcome {
            Ok(good_for) => good_for.min(entry.ceiling).max(FLOOR),
            Err(_) => entry.ceiling.max(FLOOR),
        };
        entry.next = Next::At(now.checked_add(pause).unwrap_or(now));
        match (outcome, &entry.failing) {
            (Ok(_), None) => Word::None,
            (Ok(_), Some(_)) => {
                entry.failing = None;
                Word::Again
            }
            (Err(why), Some(told)) => {
                // A resolver fails now in this way and now in that; a list that fails in another way has another mistake.
                let same = told == why || !matches!(sought, Sought::List(..));
                entry.failing = Some(why.to_owned());
                if same { Word::None } else { Word::Failing }
            }
            (Err(why), None) => {
                entry.failing = Some(why.to_owned());
                Word::Failing
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_config::Spoken;

    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn name(host: &str) -> Sought {
        Sought::Name(host.into(), 80)
    }

    fn list() -> Sought {
        Sought::List("list.toml".into(), Spoken::default())
    }

    /// An agenda with these, each with a ceiling in seconds; and the time it begins.
    fn agenda(wanted: &[(Sought, u64)]) -> (Agenda, Instant) {
        let (mut agenda, now) = (Agenda::default(), Instant::now());
        agenda.follow(&all(wanted), now);
        (agenda, now)
    }

    fn all(wanted: &[(Sought, u64)]) -> BTreeMap<Sought, Duration> {
        let one = |(sought, ceiling): &(Sought, u64)| (sought.clone(), seconds(*ceiling));
        wanted.iter().map(one).collect()
    }

    #[test]
    fn what_is_new_is_due_at_once() {
        let (mut agenda, now) = agenda(&[(name("a"), 30), (name("b"), 30)]);
        assert_eq!(agenda.next(), Some(now));
        assert_eq!(agenda.take_due(now, 9), [name("a"), name("b")]);
        assert_eq!((agenda.next(), agenda.take_due(now, 9)), (None, vec![]));
    }

    #[test]
    fn when_it_is_looked_for_again() {
        let long = Duration::MAX;
        for (ceiling, outcome, expected) in [
            // The time to live.
            (30, Ok(seconds(5)), 5),
            // Not more often than once a second, not less often than the ceiling.
            (30, Ok(Duration::ZERO), 1),
            (30, Ok(seconds(300)), 30),
            (30, Ok(long), 30),
            // After a failure.
            (30, Err("gone"), 30),
            (1, Err("gone"), 1),
        ] {
            let (mut agenda, now) = agenda(&[(name("a"), ceiling)]);
            agenda.take_due(now, 1);
            agenda.looked(&name("a"), outcome, now);
            let expected = now + seconds(expected);
            assert_eq!(agenda.next(), Some(expected), "{ceiling} {outcome:?}");
            let before = expected - Duration::from_millis(1);
            assert_eq!(agenda.take_due(before, 1), []);
            assert_eq!(agenda.take_due(expected, 1), [name("a")]);
        }
    }

    #[test]
    fn a_failure_is_told_once_and_so_is_its_end() {
        let (mut agenda, now) = agenda(&[(name("a"), 30), (list(), 30)]);
        let mut looked = |sought: &Sought, outcome| agenda.looked(sought, outcome, now);
        let good = Ok(seconds(9));
        for (outcome, expected) in [
            (good, Word::None),
            (Err("timeout"), Word::Failing),
            (Err("timeout"), Word::None),
            (Err("refused"), Word::None),
            (good, Word::Again),
            (good, Word::None),
        ] {
            assert_eq!(looked(&name("a"), outcome), expected);
        }
        // Another mistake in a list is another word.
        for (outcome, expected) in [
            (Err("line 1"), Word::Failing),
            (Err("line 1"), Word::None),
            (Err("line 2"), Word::Failing),
            (good, Word::Again),
        ] {
            assert_eq!(looked(&list(), outcome), expected);
        }
    }

    #[test]
    fn it_follows_what_is_wanted() {
        let (mut agenda, now) = agenda(&[(name("a"), 30), (name("b"), 30)]);
        agenda.take_due(now, 9);
        agenda.looked(&name("a"), Ok(seconds(20)), now);
        agenda.follow(&all(&[(name("a"), 5), (name("c"), 5)]), now);
        assert!(!agenda.has(&name("b")));
        // What nobody wants any more and is found all the same changes nothing.
        assert_eq!(agenda.looked(&name("b"), Err("late"), now), Word::None);
        assert_eq!(agenda.take_due(now, 9), [name("c")]);
        assert_eq!(
            agenda.next(),
            Some(now + seconds(5)),
            "the ceiling is lower"
        );
    }

    #[test]
    fn so_many_at_once_and_the_longest_due_first() {
        let (mut agenda, now) = agenda(&[(name("a"), 30), (name("b"), 30), (name("c"), 30)]);
        agenda.take_due(now, 9);
        for (host, good_for) in [("a", 3), ("b", 2), ("c", 1)] {
            agenda.looked(&name(host), Ok(seconds(good_for)), now);
        }
        let later = now + seconds(9);
        assert_eq!(agenda.take_due(later, 2), [name("c"), name("b")]);
        assert_eq!(agenda.take_due(later, 2), [name("a")]);
        agenda.renew(later);
        assert_eq!(agenda.take_due(later, 9).len(), 3);
    }
}
