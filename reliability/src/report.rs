//! What a run amounts to: figures, claims held or broken, and the page that is made of many of them.

mod page;

use std::fmt;

use anyhow::Result;

pub use page::{Entry, page};

use crate::claim::Claim;
use crate::exchange::Exchange;
use crate::run::{Run, millis, quantile};
use crate::scenario::Scenario;

/// What came of one run.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The scenario's name.
    pub name: &'static str,
    /// How many workers the proxy had.
    pub workers: u16,
    /// The figures, or why there are none.
    pub figures: Result<Figures, String>,
    /// Each claim: its bound, why it must hold, what was found, and whether it holds.
    pub claims: Vec<Checked>,
}

/// A claim that was looked at.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The bound.
    pub bound: String,
    /// Why it must hold.
    pub why: &'static str,
    /// What was found.
    pub found: String,
    /// Whether it holds.
    pub holds: bool,
}

/// The figures of a run.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Requests that were sent.
    pub requests: usize,
    /// GETs that failed.
    pub gets_failed: usize,
    /// POSTs that failed.
    pub posts_failed: usize,
    /// POSTs that endpoints saw more than once.
    pub doubled: usize,
    /// Responses that belong to other requests.
    pub mixed_up: usize,
    /// Attempts beyond the first of each request, as endpoints saw them.
    pub extra: usize,
    /// What 99 % took at most before anything happened,
    pub before: String,
    /// and from then on.
    pub during: String,
    /// The longest that the machine held the client up.
    pub held_up: String,
}

impl Verdict {
    /// Judges a run.
    #[must_use]
    pub fn of(scenario: &Scenario, workers: u16, run: &Result<Run>) -> Self {
        let (name, mut claims) = (scenario.name, Vec::new());
        let figures = match run {
            Err(error) => Err(format!("{error:#}")),
            Ok(run) => {
                let always = Claim::always();
                claims = always
                    .iter()
                    .chain(&scenario.claims)
                    .map(|claim| Checked::of(claim, run))
                    .collect();
                Ok(Figures::of(run))
            }
        };
        Self {
            name,
            workers,
            figures,
            claims,
        }
    }

    /// Whether the run came to its end and every claim holds.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.figures.is_ok() && self.claims.iter().all(|claim| claim.holds)
    }
}

impl Checked {
    fn of(claim: &Claim, run: &Run) -> Self {
        let measured = claim.check(run);
        Self {
            bound: claim.bound.clone(),
            why: claim.why,
            found: measured.found,
            holds: measured.holds,
        }
    }
}

impl Figures {
    fn of(run: &Run) -> Self {
        let trouble = run.trouble();
        let (before, during): (Vec<_>, Vec<_>) =
            run.exchanges.iter().partition(|one| one.ended() < trouble);
        Self {
            requests: run.exchanges.len(),
            gets_failed: run.failures(|one| one.kind.is_idempotent()).len(),
            posts_failed: run.failures(|one| !one.kind.is_idempotent()).len(),
            doubled: run.pages.doubled(),
            mixed_up: run.mixed_up(),
            extra: run.pages.extra(),
            before: p99(before.into_iter()),
            during: p99(during.into_iter()),
            held_up: millis(run.held_up),
        }
    }
}

/// What 99 % took at most, or a dash where there is nothing.
fn p99<'a>(exchanges: impl Iterator<Item = &'a Exchange>) -> String {
    quantile(exchanges, 990).map_or_else(|| "–".to_owned(), millis)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.workers == 1 { "" } else { "s" };
        let figures = match &self.figures {
            Err(error) => {
                return write!(f, "{}, {} worker{plural}: {error}", self.name, self.workers);
            }
            Ok(figures) => figures,
        };
        write!(
            f,
            "{}, {} worker{plural}: {} requests; failed: {} GETs, {} POSTs; {} extra attempts; p99 {} → {}; held up {}",
            self.name,
            self.workers,
            figures.requests,
            figures.gets_failed,
            figures.posts_failed,
            figures.extra,
            figures.before,
            figures.during,
            figures.held_up,
        )?;
        for claim in &self.claims {
            let mark = if claim.holds { "holds " } else { "BROKEN" };
            write!(f, "\n  {mark} {}: {}", claim.bound, claim.found)?;
        }
        Ok(())
    }
}
