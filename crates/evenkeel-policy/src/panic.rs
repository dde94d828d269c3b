//! Panic: when hardly an endpoint admits, health and ejections are more likely wrong than right, and all endpoints are used.
//!
//! Answering 503 for sure is worse than asking an endpoint that may answer. By default that begins only when no endpoint
//! admits: in a cluster of three, "less than half" would send two thirds of the traffic to endpoints that are known to be
//! dead. Large clusters may set a percentage, so that the few that are left are not overrun.

use crate::Candidate;

/// How many percent of the weight of these endpoints admit, rounded down; 100 when none has a weight, for then standing
/// keeps nobody from anything.
#[must_use]
pub fn admitting_percent<C: Candidate>(list: &[C]) -> u8 {
    let (mut all, mut admitting) = (0_u64, 0_u64);
    for candidate in list {
        let weight = u64::from(candidate.weight());
        all += weight;
        admitting += if candidate.share() > 0 { weight } else { 0 };
    }
    let percent = (admitting * 100).checked_div(all).unwrap_or(100);
    u8::try_from(percent).unwrap_or(100)
}

/// Whether requests are to go to all endpoints, whatever their standing.
#[must_use]
pub fn panics<C: Candidate>(list: &[C], below_percent: u8) -> bool {
    let weighted = || list.iter().filter(|candidate| candidate.weight() > 0);
    let none = weighted().all(|candidate| candidate.share() == 0);
    (none && weighted().next().is_some()) || admitting_percent(list) < below_percent.min(100)
}

#[cfg(test)]
mod tests;
