//! What must hold when a bad day is over: a bound, the rule that it follows from, and how it is measured.

mod amounts;

pub use amounts::Span;

use std::fmt;
use std::time::Duration;

use crate::exchange::{Exchange, Life};
use crate::run::{Run, millis};

/// A bound.
pub struct Claim {
    /// The bound.
    pub bound: String,
    /// Why it must hold.
    pub why: &'static str,
    /// Looks.
    check: Check,
}

type Check = Box<dyn Fn(&Run) -> Measured + Send + Sync>;

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Whether the bound holds.
    pub holds: bool,
    /// What was measured.
    pub found: String,
}

impl Measured {
    /// What was found, and whether that is good.
    #[must_use]
    pub fn new(holds: bool, found: impl Into<String>) -> Self {
        Self {
            holds,
            found: found.into(),
        }
    }
}

impl Claim {
    /// A bound of one's own.
    #[must_use]
    pub fn new(
        bound: impl Into<String>,
        why: &'static str,
        check: impl Fn(&Run) -> Measured + Send + Sync + 'static,
    ) -> Self {
        Self {
            bound: bound.into(),
            why,
            check: Box::new(check),
        }
    }

    /// Looks whether it holds.
    #[must_use]
    pub fn check(&self, run: &Run) -> Measured {
        (self.check)(run)
    }

    /// What holds on every day.
    #[must_use]
    pub fn always() -> Vec<Self> {
        let rule = "an endpoint never sees a POST twice";
        let doubled = Self::new("no POST is doubled", rule, |run| {
            let doubled = run.pages.doubled();
            Measured::new(doubled == 0, format!("{doubled} doubled"))
        });
        let rule = "a response goes to whom it is for, and a body stays whole";
        let mixed_up = Self::new("nothing is mixed up", rule, |run| {
            let mixed = run.mixed_up();
            let lost = &run.pages.lost;
            let first = lost.first().map_or("", |lost| lost.as_str());
            let found = format!("{mixed} mixed up {first}");
            Measured::new(mixed == 0 && lost.is_empty(), found.trim())
        });
        vec![doubled, mixed_up]
    }

    /// No request fails that could have been sent again.
    #[must_use]
    pub fn no_idempotent_failure(why: &'static str) -> Self {
        Self::new("no idempotent request fails", why, |run| {
            let failed = run.failures(|one| one.kind.is_idempotent());
            Measured::new(failed.is_empty(), describe(&failed))
        })
    }

    /// No request fails at all.
    #[must_use]
    pub fn no_failure(why: &'static str) -> Self {
        Self::new("no request fails", why, |run| {
            let failed = run.failures(|_| true);
            Measured::new(failed.is_empty(), describe(&failed))
        })
    }

    /// POSTs fail only when they were at the endpoint, within this time of the instant at which something was done to it.
    #[must_use]
    pub fn posts_fail_only_at(
        blows: &'static [(&'static str, usize)],
        within: Duration,
        why: &'static str,
    ) -> Self {
        let time = millis(within);
        let bound = format!("POSTs fail only when they were at that endpoint within {time} of it");
        Self::new(bound, why, move |run| {
            let excused = |one: &Exchange| {
                blows.iter().any(|&(mark, endpoint)| {
                    let at = run.mark(mark);
                    one.overlaps(at, at.saturating_add(run.allows(within)))
                        && run.pages.only_at(one.id, endpoint)
                        && one.by.is_none_or(|by| by.endpoint == endpoint)
                })
            };
            let posts = |one: &&Exchange| !one.kind.is_idempotent();
            let there = run.exchanges.iter().filter(posts);
            let there = there.filter(|one| excused(one)).count();
            let mut failed = run.failures(|one| posts(&one));
            let all = failed.len();
            failed.retain(|one| !excused(one));
            let found = if failed.is_empty() {
                format!("{all} of the {there} that were there")
            } else {
                format!("{all} in all, without excuse {}", describe(&failed))
            };
            Measured::new(failed.is_empty(), found)
        })
    }

    /// The endpoint's next life gives an answer so soon after the instant.
    #[must_use]
    pub fn found_within(
        mark: &'static str,
        life: Life,
        limit: Duration,
        why: &'static str,
    ) -> Self {
        let bound = format!("the endpoint answers again within {}", millis(limit));
        Self::new(bound, why, move |run| {
            let since = run.mark(mark);
            let answers = run.began_within(since, Duration::MAX);
            let answers = answers.filter(|one| one.by == Some(life));
            let first = answers.map(Exchange::ended).min();
            first.map_or_else(
                || Measured::new(false, "it never did"),
                |first| {
                    let took = first.saturating_sub(since);
                    Measured::new(took <= run.allows(limit), run.beside(took, limit))
                },
            )
        })
    }

    /// Every request to this load gets through.
    #[must_use]
    pub fn load_is_served(load: usize, whose: &'static str, why: &'static str) -> Self {
        Self::new(format!("no request of {whose} fails"), why, move |run| {
            let failed = run.failures(|one| one.load == load);
            Measured::new(failed.is_empty(), describe(&failed))
        })
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}

/// How many, and how the first few of them failed, when.
#[must_use]
pub fn describe(failed: &[&Exchange]) -> String {
    let mut text = format!("{} failed", failed.len());
    for (at, one) in failed.iter().take(3).enumerate() {
        text.push_str(if at == 0 { ": " } else { ", " });
        let (outcome, began) = (&one.outcome, millis(one.began));
        text.push_str(&format!("{:?} {outcome} at {began}", one.kind));
    }
    text
}
