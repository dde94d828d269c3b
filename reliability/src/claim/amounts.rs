//! Claims about how much and how long: shares of an endpoint, latencies, attempts.

use std::time::Duration;

use super::{Claim, Measured};
use crate::exchange::Exchange;
use crate::run::{Run, millis, quantile};

/// A part of a run, by its marks.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    mark: &'static str,
    from: Duration,
    to: Duration,
}

impl Span {
    /// All that was over before this instant.
    #[must_use]
    pub const fn before(mark: &'static str) -> Self {
        Self {
            mark,
            from: Duration::MAX,
            to: Duration::ZERO,
        }
    }

    /// All that began after it.
    #[must_use]
    pub const fn after(mark: &'static str) -> Self {
        Self::since(mark, Duration::ZERO)
    }

    /// All that began so long after it or later.
    #[must_use]
    pub const fn since(mark: &'static str, from: Duration) -> Self {
        let to = Duration::MAX;
        Self { mark, from, to }
    }

    /// All that began between these times after it.
    #[must_use]
    pub const fn between(mark: &'static str, from: Duration, to: Duration) -> Self {
        Self { mark, from, to }
    }

    /// The exchanges of a run that are in it.
    pub fn of(self, run: &Run) -> impl Iterator<Item = &Exchange> + Clone {
        let at = run.mark(self.mark);
        let is_before = self.from == Duration::MAX;
        let (from, to) = if is_before {
            (Duration::ZERO, at)
        } else {
            (at.saturating_add(self.from), at.saturating_add(self.to))
        };
        let exchanges = run.began_within(from, to);
        exchanges.filter(move |one| !is_before || one.ended() < at)
    }
}

impl Claim {
    /// Of the requests of this part, this endpoint answers at most so many percent.
    #[must_use]
    pub fn share_at_most(endpoint: usize, span: Span, percent: u32, why: &'static str) -> Self {
        let bound = format!("the endpoint answers at most {percent} % of the requests");
        Self::new(bound, why, move |run| {
            let share = share(endpoint, span, run);
            Measured::new(share <= f64::from(percent), format!("{share:.1} %"))
        })
    }

    /// Of the requests of this part, this endpoint answers at least so many percent.
    #[must_use]
    pub fn share_at_least(endpoint: usize, span: Span, percent: u32, why: &'static str) -> Self {
        let bound = format!("in the end the endpoint answers at least {percent} % of the requests");
        Self::new(bound, why, move |run| {
            let share = share(endpoint, span, run);
            Measured::new(share >= f64::from(percent), format!("{share:.1} %"))
        })
    }

    /// So many of a thousand good requests of this load and part took no longer, but for what the machine held up.
    #[must_use]
    pub fn took_at_most(
        load: usize,
        span: Span,
        per_mille: u32,
        limit: Duration,
        why: &'static str,
    ) -> Self {
        Self::took(load, span, per_mille, (limit, Duration::MAX), why)
    }

    /// The same, and what takes so long is too late whatever leeway there is: then nothing has been gained.
    #[must_use]
    pub fn took_at_most_and_never(
        span: Span,
        per_mille: u32,
        (limit, never): (Duration, Duration),
        why: &'static str,
    ) -> Self {
        Self::took(0, span, per_mille, (limit, never), why)
    }

    fn took(
        load: usize,
        span: Span,
        per_mille: u32,
        (limit, never): (Duration, Duration),
        why: &'static str,
    ) -> Self {
        let percent = f64::from(per_mille) / 10.0;
        let bound = format!(
            "{percent} % of what is answered takes at most {}",
            millis(limit)
        );
        Self::new(bound, why, move |run| {
            let meant = span.of(run).filter(|one| one.load == load && one.is_good());
            let found = quantile(meant, per_mille);
            found.map_or_else(
                || Measured::new(false, "nothing was answered"),
                |took| {
                    let holds = took <= run.allows(limit) && took < never;
                    Measured::new(holds, run.beside(took, limit))
                },
            )
        })
    }

    /// So many of a thousand requests of `span` took at most `times` as long as they did in `before`.
    #[must_use]
    pub fn grows_at_most(
        span: Span,
        before: Span,
        per_mille: u32,
        times: f64,
        why: &'static str,
    ) -> Self {
        let percent = f64::from(per_mille) / 10.0;
        let bound = format!("the latency of {percent} % grows to at most {times} times");
        Self::new(bound, why, move |run| {
            let now = quantile(span.of(run), per_mille).unwrap_or(Duration::MAX);
            let then = quantile(before.of(run), per_mille).unwrap_or_default();
            let limit = then.mul_f64(times);
            let found = format!("{} → {}", millis(then), run.beside(now, limit));
            Measured::new(now <= run.allows(limit), found)
        })
    }

    /// Endpoints see at most 1.2 times as many attempts as there are requests, and the burst besides.
    #[must_use]
    pub fn attempts_within_budget() -> Self {
        let why = "each request adds 0.2 to the budget, which holds 100 at the start; each further attempt takes 1";
        Self::new("attempts ≤ 1.2 × requests + 100", why, |run| {
            let (attempts, requests) = (run.pages.attempts(), run.exchanges.len());
            let found = format!("{attempts} attempts of {requests} requests");
            Measured::new(10 * attempts <= 12 * requests + 1_000, found)
        })
    }

    /// Nothing that began in this part fails.
    #[must_use]
    pub fn no_failure_in(span: Span, when: &'static str, why: &'static str) -> Self {
        Self::new(format!("no request fails {when}"), why, move |run| {
            let failed: Vec<_> = span.of(run).filter(|one| one.has_failed()).collect();
            Measured::new(failed.is_empty(), super::describe(&failed))
        })
    }

    /// Whatever fails, fails like this.
    #[must_use]
    pub fn failures_are(
        what: &'static str,
        why: &'static str,
        is_such: fn(&Exchange) -> bool,
    ) -> Self {
        Self::new(format!("what fails is {what}"), why, move |run| {
            let all = run.failures(|_| true).len();
            let others = run.failures(|one| !is_such(one));
            let found = if others.is_empty() {
                format!("{all} such")
            } else {
                format!("{all} in all, others: {}", super::describe(&others))
            };
            Measured::new(others.is_empty(), found)
        })
    }
}

/// The endpoint's share of what was answered, in percent.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a run are far below 2^52"
)]
fn share(endpoint: usize, span: Span, run: &Run) -> f64 {
    let answered = span.of(run).filter_map(|one| one.by);
    let all = answered.clone().count().max(1);
    let its = answered.filter(|by| by.endpoint == endpoint).count();
    100.0 * its as f64 / all as f64
}
