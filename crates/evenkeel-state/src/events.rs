//! What happened to evenkeel of late, for people: a ring of the operator log's lines, so that what was said can be asked for.
//!
//! Everything worth knowing is said in the operator log already (probes that flip with the reason, ejections, reloads, overload);
//! there is no second list of what an event is. The newest [`MOST`] are kept, numbered from 1: who asks again names the last
//! number it has seen, and a gap tells that it missed some.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::SystemTime;

use crate::sync::Mutex;

/// So many are kept; one more takes the place of the oldest.
pub const MOST: usize = 1024;

/// The longest text of an event and of each of its fields, in bytes; the rest is cut off.
pub const LONGEST: usize = 1024;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody may have to do something.
    Warn,
    /// Something is broken.
    Error,
}

impl Severity {
    /// Its name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// Counts up from 1.
    pub number: u64,
    /// When.
    pub at: SystemTime,
    /// How bad it is.
    pub severity: Severity,
    /// What, for people.
    pub text: String,
    /// What it is about: `cluster`, `endpoint` and so on.
    pub fields: Vec<(&'static str, String)>,
}

/// The newest events.
#[derive(Debug, Default)]
pub struct Events {
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    last: u64,
    events: VecDeque<Event>,
}

impl Events {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// That happened.
    pub fn add(
        &self,
        at: SystemTime,
        severity: Severity,
        mut text: String,
        mut fields: Vec<(&'static str, String)>,
    ) {
        shorten(&mut text);
        fields.iter_mut().for_each(|(_, value)| shorten(value));
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.last += 1;
        let number = ring.last;
        if ring.events.len() == MOST {
            ring.events.pop_front();
        }
        ring.events.push_back(Event {
            number,
            at,
            severity,
            text,
            fields,
        });
    }

    /// The number of the newest; 0: there was none.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.ring
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .last
    }

    /// Those after that number that are kept, the oldest first.
    #[must_use]
    pub fn after(&self, number: u64) -> Vec<Event> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = ring.events.iter().filter(|event| event.number > number);
        newer.cloned().collect()
    }
}

/// Cuts what is too long, between two characters.
fn shorten(text: &mut String) {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(count: u64) -> Events {
        let events = Events::new();
        for number in 1..=count {
            let fields = vec![("cluster", format!("c{number}"))];
            events.add(
                SystemTime::UNIX_EPOCH,
                Severity::Warn,
                "down".into(),
                fields,
            );
        }
        events
    }

    #[test]
    fn who_asks_again_gets_what_is_new() {
        let events = filled(3);
        let numbers = |after| -> Vec<u64> {
            let events = events.after(after);
            events.iter().map(|event| event.number).collect()
        };
        assert_eq!((events.last(), numbers(0)), (3, vec![1, 2, 3]));
        assert_eq!(
            (numbers(2), numbers(3), numbers(9)),
            (vec![3], vec![], vec![])
        );
        assert_eq!(events.after(2)[0].fields, [("cluster", "c3".to_owned())]);
    }

    #[test]
    fn the_oldest_make_room_and_a_gap_shows_it() {
        let most = MOST as u64;
        let events = filled(most + 5);
        let kept = events.after(0);
        assert_eq!((kept.len(), kept[0].number), (MOST, 6));
        assert_eq!(events.last(), most + 5);
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        let events = Events::new();
        let long = "ä".repeat(LONGEST);
        let fields = vec![("error", format!("x{long}"))];
        events.add(SystemTime::UNIX_EPOCH, Severity::Error, long, fields);
        let event = &events.after(0)[0];
        assert_eq!(
            (event.text.len(), event.fields[0].1.len()),
            (LONGEST, LONGEST - 1)
        );
    }
}
