//! Judging the endpoints of a cluster by what the window saw of them, once a second.
//!
//! Two questions, both off unless the operator sets them: did too large a part of an endpoint's requests fail, and is it
//! much slower than the others? The second compares medians, for a few slow requests are not a slow endpoint, and with
//! the median of the *other* endpoints, so that in a cluster of two or three the slow one is not measured by itself.
//! Everything slow at once is nobody's outlier.

use evenkeel_base::rules::OutlierRules;

use super::cause::Cause;
use super::window::Seen;

/// However many times slower: an endpoint that is slower by less than this is no outlier. Between endpoints that answer
/// within microseconds, chance alone makes factors.
const LEAST_EXCESS_US: f32 = 1_000.0;

/// An endpoint that the window speaks against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// Its position in the list that was judged.
    pub at: usize,
    /// [`Cause::Percentage`] or [`Cause::Latency`].
    pub cause: Cause,
    /// What was measured: the percentage of faults, or how many times slower than the others.
    pub measured: f32,
}

/// The endpoints to be ejected, the worst of each cause first, since the cap may not allow all. `window` is what was seen of
/// each; endpoints that are not admitting should have nothing there ([`Window::clear`](super::Window::clear)).
#[must_use]
pub fn judge(window: &[Seen], rules: &OutlierRules) -> Vec<Finding> {
    let mut findings = Vec::new();
    let counts = |seen: &Seen| seen.requests > 0 && seen.requests >= u64::from(rules.min_requests);
    if rules.fault_percent > 0 {
        let failing = window.iter().enumerate().filter(|(_, seen)| counts(seen));
        let failing = failing.filter_map(|(at, seen)| {
            let measured = percent(seen.faults, seen.requests);
            (measured >= f32::from(rules.fault_percent)).then_some(Finding {
                at,
                cause: Cause::Percentage,
                measured,
            })
        });
        findings.extend(failing);
    }
    if rules.latency_factor > 0.0 {
        let known = |seen: &Seen| counts(seen) && seen.median_us > 0;
        judge_latency(window, rules.latency_factor, known, &mut findings);
    }
    findings.sort_by(|a, b| {
        let rank = |finding: &Finding| finding.cause as u8;
        rank(a)
            .cmp(&rank(b))
            .then(b.measured.total_cmp(&a.measured))
            .then(a.at.cmp(&b.at))
    });
    findings
}

fn judge_latency(
    window: &[Seen],
    factor: f32,
    known: impl Fn(&Seen) -> bool,
    findings: &mut Vec<Finding>,
) {
    let mut by_median: Vec<(u32, usize)> = window
        .iter()
        .enumerate()
        .filter(|(_, seen)| known(seen))
        .map(|(at, seen)| (seen.median_us, at))
        .collect();
    by_median.sort_unstable();
    for (rank, &(median, at)) in by_median.iter().enumerate() {
        let Some(others) = median_without(&by_median, rank) else {
            return;
        };
        let median = exact(median);
        let measured = median / others.max(1.0);
        if measured >= factor
            && median - others >= LEAST_EXCESS_US
            && !findings.iter().any(|finding| finding.at == at)
        {
            findings.push(Finding {
                at,
                cause: Cause::Latency,
                measured,
            });
        }
    }
}

/// The median of all but the one at `rank`; none when there is no other.
fn median_without(sorted: &[(u32, usize)], rank: usize) -> Option<f32> {
    let others = sorted.len().checked_sub(1).filter(|others| *others > 0)?;
    let nth = |n: usize| {
        sorted
            .get(n + usize::from(n >= rank))
            .map(|(median, _)| exact(*median))
    };
    let (low, high) = (nth((others - 1) / 2)?, nth(others / 2)?);
    Some(f32::midpoint(low, high))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "24 bits are more than a factor needs"
)]
const fn exact(micros: u32) -> f32 {
    micros as f32
}

#[expect(
    clippy::cast_precision_loss,
    reason = "24 bits are more than a percentage needs"
)]
fn percent(part: u64, whole: u64) -> f32 {
    (part.min(whole) as f32) * 100.0 / (whole as f32)
}

#[cfg(test)]
mod tests;
