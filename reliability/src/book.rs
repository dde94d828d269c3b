//! What the endpoints saw, from their own mouths: how often each request, and how many at once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::exchange::Life;
use crate::origin::Note;

/// The notes of all endpoints of a run, as they come.
#[derive(Debug, Default)]
pub struct Book {
    pages: Mutex<Pages>,
}

/// What they amount to.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    /// How often each request was seen, by any endpoint.
    times: HashMap<u64, Times>,
    /// Every sight, in the order in which they were read.
    pub sights: Vec<Sighting>,
    /// Idle connections that were reset.
    pub resets: u64,
    /// What should not be: requests without an id, bodies of other requests.
    pub lost: Vec<String>,
}

/// A request at an endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Sighting {
    /// When it was read that it is there.
    pub at: Instant,
    /// Where.
    pub life: Life,
    /// How many there were then.
    pub in_flight: u32,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    seen: u32,
    is_post: bool,
    /// The endpoints that saw it, a bit for each.
    by: u64,
}

impl Book {
    /// Takes a note down.
    pub fn write(&self, life: Life, note: &Note) {
        let at = Instant::now();
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        match note {
            Note::Ready(_) => {}
            Note::Reset => pages.resets += 1,
            Note::Lost(why) => pages.lost.push(format!("endpoint {life}: {why}")),
            Note::Saw(sight) => {
                let times = pages.times.entry(sight.id).or_insert(Times {
                    seen: 0,
                    is_post: sight.is_post,
                    by: 0,
                });
                times.seen += 1;
                times.by |= 1 << life.endpoint;
                pages.sights.push(Sighting {
                    at,
                    life,
                    in_flight: sight.in_flight,
                });
            }
        }
    }

    /// All of it, and the book is empty again.
    #[must_use]
    pub fn take(&self) -> Pages {
        std::mem::take(&mut *self.pages.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Pages {
    /// POSTs that were seen more than once.
    #[must_use]
    pub fn doubled(&self) -> usize {
        let doubled = |times: &&Times| times.is_post && times.seen > 1;
        self.times.values().filter(doubled).count()
    }

    /// How many requests endpoints saw, each attempt counted.
    #[must_use]
    pub fn attempts(&self) -> usize {
        self.sights.len()
    }

    /// How many attempts there were beyond the first of each request.
    #[must_use]
    pub fn extra(&self) -> usize {
        self.sights.len() - self.times.len()
    }

    /// Whether no other endpoint than this saw the request.
    #[must_use]
    pub fn only_at(&self, id: u64, endpoint: usize) -> bool {
        let by = self.times.get(&id).map_or(0, |times| times.by);
        by & !(1 << endpoint) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::Sight;

    #[test]
    fn posts_that_were_seen_twice_are_doubled() {
        let book = Book::default();
        let (first, second) = ("0.1".parse().unwrap(), "1.1".parse().unwrap());
        for (life, id, is_post) in [
            (first, 1, false),
            (second, 1, false),
            (first, 2, true),
            (second, 3, true),
            (second, 3, true),
        ] {
            let sight = Sight {
                id,
                is_post,
                in_flight: 1,
            };
            book.write(life, &Note::Saw(sight));
        }
        let pages = book.take();
        assert_eq!(
            (pages.doubled(), pages.attempts(), pages.extra()),
            (1, 5, 2)
        );
        for (id, endpoint, only) in [(1, 0, false), (2, 0, true), (2, 1, false), (9, 0, true)] {
            assert_eq!(pages.only_at(id, endpoint), only, "{id}");
        }
        assert_eq!(book.take().attempts(), 0);
    }
}
