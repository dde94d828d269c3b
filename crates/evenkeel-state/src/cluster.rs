//! What is known about a cluster beyond any one snapshot. Keyed by its name, kept over a reload.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use evenkeel_base::rules::{LimitRules, OutlierRules};
use evenkeel_policy::outlier::{Cause, Crowd, Event, may_eject};
use evenkeel_policy::{Budget, Phase};

use crate::endpoint::Endpoint;
use crate::limits::ClusterLimits;
use crate::sync::{AtomicBool, AtomicU32, Mutex, Ordering};
use crate::traffic::{PerWorker, PhaseTimes};

/// The shared state of one cluster.
#[derive(Debug)]
pub struct ClusterState {
    /// What second attempts may still cost.
    pub budget: Budget,
    /// What it takes at once, and who waits.
    pub limits: Arc<ClusterLimits>,
    /// Where the time of its exchanges goes.
    pub times: PerWorker<PhaseTimes>,
    /// Held while one endpoint is ejected, so that two workers do not each take the last place that the cap leaves.
    ejecting: Mutex<()>,
    panicking: AtomicBool,
    /// Latencies of late by percentile, in microseconds; 0: too little is known. Only those that some route hedges by are kept
    /// up to date.
    percentiles: [AtomicU32; PERCENTILES],
}

/// Percentiles that a route can hedge by: 0 to 99.
const PERCENTILES: usize = 100;

impl ClusterState {
    /// Fresh state with that budget and those limits, for so many workers.
    #[must_use]
    pub fn new(budget: Budget, limits: &LimitRules, workers: usize) -> Self {
        Self {
            budget,
            limits: Arc::new(ClusterLimits::new(limits)),
            times: PerWorker::new(workers),
            ejecting: Mutex::new(()),
            panicking: AtomicBool::new(false),
            percentiles: std::array::from_fn(|_| AtomicU32::new(0)),
        }
    }

    /// Ejects the endpoint at `at` of `list` if the cap allows; `None` when it does not, or when the endpoint is ejected
    /// already. One without weight serves clients of its own at most, and they are to move when it fails them: it takes nothing
    /// from under the cap, so that another one that is well is enough.
    pub fn eject(
        &self,
        list: &[Endpoint],
        at: usize,
        cause: Cause,
        rules: &OutlierRules,
        now_ms: u64,
    ) -> Option<Event> {
        let Endpoint { weight, state, .. } = list.get(at)?;
        let _alone = self.ejecting.lock().unwrap_or_else(PoisonError::into_inner);
        let crowd = crowd(list, at);
        let may = match weight {
            0 => crowd.well > 0,
            _ => may_eject(crowd, rules),
        };
        if may {
            state.outlier.eject(&state.standing, rules, cause, now_ms)
        } else {
            state.outlier.refused(&state.standing, now_ms);
            None
        }
    }

    /// How long that percentage of the cluster's requests took at most, of late, to their response's head; `None` when too
    /// little is known. A second attempt of a request begins then.
    #[must_use]
    pub fn hedge_delay(&self, percentile: u8) -> Option<Duration> {
        let micros = self.percentiles.get(usize::from(percentile))?;
        match micros.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Duration::from_micros(micros.into())),
        }
    }

    /// Sets what [`ClusterState::hedge_delay`] says; `None`: too little is known.
    pub fn set_hedge_delay(&self, percentile: u8, delay: Option<Duration>) {
        let micros = delay.map_or(0, |delay| {
            u32::try_from(delay.as_micros()).unwrap_or(u32::MAX).max(1)
        });
        if let Some(place) = self.percentiles.get(usize::from(percentile)) {
            place.store(micros, Ordering::Relaxed);
        }
    }

    /// Whether picks are made regardless of standing.
    #[inline]
    #[must_use]
    pub fn is_panicking(&self) -> bool {
        self.panicking.load(Ordering::Relaxed)
    }

    /// Sets whether picks are made regardless of standing; tells whether that is a change.
    #[must_use = "a change is worth a line in the log"]
    pub fn set_panicking(&self, panicking: bool) -> bool {
        self.panicking.swap(panicking, Ordering::Relaxed) != panicking
    }
}

/// The others as seen from the endpoint at `at`. Those without weight are no part of the cluster's work: they neither
/// make room under the cap nor stand in for one that is ejected.
fn crowd(list: &[Endpoint], at: usize) -> Crowd {
    let mut crowd = Crowd {
        endpoints: 0,
        out: 0,
        well: 0,
    };
    for (position, endpoint) in list.iter().enumerate() {
        if endpoint.weight == 0 {
            continue;
        }
        crowd.endpoints += 1;
        if position == at {
            continue;
        }
        let standing = &endpoint.state.standing;
        if standing.phase() != Phase::Admitting {
            crowd.out += 1;
        } else if standing.share() > 0 {
            crowd.well += 1;
        }
    }
    crowd
}

#[cfg(test)]
mod tests;
