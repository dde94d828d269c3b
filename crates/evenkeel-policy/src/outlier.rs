//! Outlier ejection: traffic itself shows that an endpoint is not well.
//!
//! ```text
//!              faults in a row, or judged by the window;
//!              the cap allows
//!   Admitting ───────────────────────────────────────────▶ Ejected
//!       ▲                                                   │    ▲
//!       │                        a sign that it is well, or │    │ first fault
//!       │                                 the time is over  │    │ (twice as long)
//!       │   5 successes, or 10 s without a fault            ▼    │
//!       └─────────────────────────────────────────────────  Trial
//! ```
//!
//! Faults in a row are counted by the workers as they happen; a percentage of faults and latency are judged once a second
//! by the control plane ([`judge`](judge())). An ejection lasts its base time; each one that follows soon lasts twice as
//! long, up to a maximum, and every base time that an endpoint was well since takes one doubling back. What ends an
//! ejection early is [`Sign`]'s table.
//!
//! The phase itself is in [`Standing`], where balancers read it, and every change of it is one exchange of that word:
//! whoever made it reports it, nobody else does. Whether the cap allows an ejection ([`may_eject`]) depends on the other
//! endpoints, so the caller asks it, under its own lock, between [`Outlier::failed`] and [`Outlier::eject`].

mod cap;
mod cause;
mod event;
mod judge;
mod window;

use std::time::Duration;

use evenkeel_base::rules::OutlierRules;

pub use cap::{Crowd, may_eject};
pub use cause::{Cause, Sign};
pub use event::{Attempted, Event, Outcome};
pub use judge::{Finding, judge};
pub use window::{Reading, Seen, Window};

use crate::slow_start::Entry;
use crate::standing::{Parts, Phase, Standing};
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// So many requests that go well end a trial.
const TRIAL_SUCCESSES: u32 = 5;

/// So long without a fault ends a trial.
const TRIAL: Duration = Duration::from_secs(10);

/// So many faults in a trial that the cap does not let end until the next one asks again.
const PATIENCE: u32 = 5;

/// So long has an endpoint to answer nothing until what is given up there counts, when no timeout of attempts says less: what is
/// overtaken after the usual time of a response is slow, not dead.
const SILENCE: Duration = Duration::from_secs(30);

/// Ejections in a row that are told apart: 2^32 base times are more than any maximum.
const MAX_DOUBLINGS: u32 = 32;

/// What traffic showed of one endpoint; shared by the workers and the control plane, outlives snapshots.
#[derive(Debug, Default)]
pub struct Outlier {
    /// Gateway faults in a row. All that a worker reads while nothing is wrong, beside the standing.
    faults: AtomicU32,
    /// Requests of this trial that went well.
    successes: AtomicU32,
    /// What is known about the running ejection: its cause, and [`MISLED`], [`FAILED_SINCE`], [`UNREACHABLE`].
    notes: AtomicU32,
    /// How often the base time of the next ejection is doubled, less what healthy time takes back.
    doublings: AtomicU32,
    /// Ejections so far.
    times: AtomicU32,
    /// How long the running ejection lasts, in milliseconds.
    lasts_ms: AtomicU64,
    /// Attempts that were given up since the endpoint last answered anything, and when the first of them began, in milliseconds.
    given_up: AtomicU32,
    silent_since_ms: AtomicU64,
}

/// What is known of an endpoint's ejections, for the process that takes the place of this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Gateway faults in a row.
    pub faults: u32,
    /// Why it is ejected, and what was seen since, in bits.
    pub notes: u32,
    /// How often the next one's base time is doubled.
    pub doublings: u32,
    /// Ejections so far.
    pub times: u32,
    /// How long the running one lasts, in milliseconds.
    pub lasts_ms: u64,
}

/// The bits of the cause in the notes.
const CAUSE: u32 = 7;
/// The trial before this ejection failed: what began it was a sign that misled.
const MISLED: u32 = 1 << 3;
/// A background connect or a probe failed since the ejection.
const FAILED_SINCE: u32 = 1 << 4;
/// The last background connect failed.
const UNREACHABLE: u32 = 1 << 5;

impl Outlier {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a success changes nothing: no fault is counted and the endpoint takes its share.
    #[inline]
    #[must_use]
    pub fn is_untroubled(&self, standing: &Standing) -> bool {
        self.faults.load(Ordering::Relaxed) == 0 && standing.is_admitting()
    }

    /// An attempt went well. While all is well this is two loads.
    #[inline]
    pub fn succeeded(
        &self,
        standing: &Standing,
        slow_start: Duration,
        attempt: Attempted,
    ) -> Option<Event> {
        if self.is_untroubled(standing) {
            return None;
        }
        self.succeeded_again(standing, slow_start, attempt)
    }

    /// A success that changes something.
    #[cold]
    fn succeeded_again(
        &self,
        standing: &Standing,
        slow_start: Duration,
        attempt: Attempted,
    ) -> Option<Event> {
        self.faults.store(0, Ordering::Relaxed);
        let parts = standing.parts();
        if !parts.covers(attempt.began_ms) {
            return None;
        }
        match parts.phase {
            Phase::Admitting => None,
            // Picked in the millisecond of the ejection, it was most likely picked before it.
            Phase::Ejected if !parts.covers(attempt.began_ms.saturating_sub(1)) => None,
            Phase::Ejected => self.heed(standing, Sign::Served, attempt.ended_ms),
            Phase::Trial => {
                let successes = self.successes.fetch_add(1, Ordering::Relaxed) + 1;
                if successes < TRIAL_SUCCESSES {
                    return None;
                }
                self.readmit(standing, slow_start, attempt.ended_ms)
            }
        }
    }

    /// An attempt failed by a gateway fault: one for which [`Cause::of`] or [`Cause::of_status`] has a cause.
    pub fn failed(&self, standing: &Standing, rules: &OutlierRules, attempt: Attempted) -> Outcome {
        let parts = standing.parts();
        if !parts.covers(attempt.began_ms) {
            return Outcome::Counted;
        }
        match parts.phase {
            Phase::Ejected => Outcome::Counted,
            Phase::Trial => {
                let faults = self.count();
                Outcome::wants(faults == 1 || faults >= PATIENCE)
            }
            Phase::Admitting => {
                let enough = rules.consecutive_faults;
                let faults = self.count();
                Outcome::wants(enough > 0 && faults >= enough)
            }
        }
    }

    /// An attempt was given up because another endpoint answered first: no fault, and yet one that never answers must not hide
    /// behind those that are faster. As many in a row as faults eject it, once it has answered nothing for as long as an attempt may
    /// take (`patience`, 30 s at most): then each of them would have been a timeout.
    pub fn given_up(
        &self,
        standing: &Standing,
        rules: &OutlierRules,
        patience: Duration,
        attempt: Attempted,
    ) -> Outcome {
        let parts = standing.parts();
        if parts.phase == Phase::Ejected || !parts.covers(attempt.began_ms) {
            return Outcome::Counted;
        }
        let order = Ordering::Relaxed;
        let began = attempt.began_ms.max(1);
        let first = self
            .silent_since_ms
            .compare_exchange(0, began, order, order);
        let since = first.map_or_else(|since| since, |_| began);
        let given_up = self.given_up.fetch_add(1, order).saturating_add(1);
        let silent = attempt.ended_ms.saturating_sub(since);
        let enough = match parts.phase {
            Phase::Trial => 1,
            Phase::Admitting | Phase::Ejected => rules.consecutive_faults,
        };
        Outcome::wants(
            rules.consecutive_faults > 0
                && given_up >= enough
                && silent >= millis(patience.min(SILENCE)),
        )
    }

    /// The endpoint has answered something. One load while it does.
    #[inline]
    pub fn spoke(&self) {
        if self.silent_since_ms.load(Ordering::Relaxed) != 0 {
            self.listen();
        }
    }

    #[cold]
    fn listen(&self) {
        self.given_up.store(0, Ordering::Relaxed);
        self.silent_since_ms.store(0, Ordering::Relaxed);
    }

    /// One more fault in a row; gives how many these are.
    fn count(&self) -> u32 {
        self.faults
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1)
    }

    /// Ejects the endpoint. Only for who holds the cluster's ejection lock and has asked [`may_eject`]. `None` when it is
    /// ejected already or its trial has just ended well.
    pub fn eject(
        &self,
        standing: &Standing,
        rules: &OutlierRules,
        cause: Cause,
        now_ms: u64,
    ) -> Option<Event> {
        let parts = standing.parts();
        let misled = match parts.phase {
            Phase::Ejected => return None,
            Phase::Trial => MISLED,
            Phase::Admitting => 0,
        };
        let doublings = self.doublings_at(parts, rules, now_ms);
        let longest = rules.max_ejection.max(rules.base_ejection);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let lasts = rules.base_ejection.saturating_mul(factor).min(longest);
        // Written before the phase, so that who sees the phase sees these. Nobody reads them before.
        self.lasts_ms.store(millis(lasts), Ordering::Relaxed);
        self.notes.store(cause as u32 | misled, Ordering::Relaxed);
        if !standing.set_phase(parts.phase, Phase::Ejected, Entry::Full, now_ms) {
            return None;
        }
        self.listen();
        let grown = doublings + u32::from(lasts < longest);
        self.doublings.store(grown, Ordering::Relaxed);
        let times = self.times.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        Some(Event::Ejected {
            cause,
            faults: self.faults.swap(0, Ordering::Relaxed),
            times,
            lasts,
            again: misled != 0,
        })
    }

    /// The cap did not allow the ejection that was wanted. Faults are counted anew, so that an endpoint that must be kept
    /// does not ask again at every one of them, and a trial begins anew.
    pub fn refused(&self, standing: &Standing, now_ms: u64) {
        let trial = standing.restart(Phase::Trial, now_ms);
        if trial {
            self.successes.store(0, Ordering::Relaxed);
        }
        self.faults.store(u32::from(trial), Ordering::Relaxed);
        self.listen();
    }

    /// A background connect to the endpoint succeeded.
    pub fn connected(&self, standing: &Standing, now_ms: u64) -> Option<Event> {
        self.notes.fetch_and(!UNREACHABLE, Ordering::Relaxed);
        self.heed(standing, Sign::Connected, now_ms)
    }

    /// A background connect to the endpoint failed.
    pub fn connect_failed(&self) {
        self.notes
            .fetch_or(FAILED_SINCE | UNREACHABLE, Ordering::Relaxed);
    }

    /// A probe ended, well or not. For probes that wait for an answer; one that only connects is a background connect.
    pub fn probed(&self, standing: &Standing, good: bool, now_ms: u64) -> Option<Event> {
        if good {
            return self.heed(standing, Sign::Probed, now_ms);
        }
        self.notes.fetch_or(FAILED_SINCE, Ordering::Relaxed);
        None
    }

    /// What time alone changes: ejections and trials end. The control plane's clock calls it.
    pub fn tick(
        &self,
        standing: &Standing,
        rules: &OutlierRules,
        slow_start: Duration,
        now_ms: u64,
    ) -> Option<Event> {
        let parts = standing.parts();
        match parts.phase {
            Phase::Admitting => None,
            Phase::Ejected | Phase::Trial if rules.is_off() => {
                let entry = Entry::of(slow_start);
                standing
                    .set_phase(parts.phase, Phase::Admitting, entry, now_ms)
                    .then_some(Event::Readmitted { successes: 0 })
            }
            Phase::Ejected => {
                let unreachable = self.notes.load(Ordering::Relaxed) & UNREACHABLE != 0;
                if !self.is_over(parts, now_ms) || unreachable {
                    return None;
                }
                self.try_again(standing, None, now_ms)
            }
            Phase::Trial if parts.elapsed(now_ms) < TRIAL => None,
            // What was sent there meanwhile was given up: that shows nothing good.
            Phase::Trial if self.silent_since_ms.load(Ordering::Relaxed) != 0 => None,
            Phase::Trial => self.readmit(standing, slow_start, now_ms),
        }
    }

    /// Ejections so far.
    #[must_use]
    pub fn times(&self) -> u32 {
        self.times.load(Ordering::Relaxed)
    }

    /// Everything, for another process.
    #[must_use]
    pub fn past(&self) -> Past {
        Past {
            faults: self.faults.load(Ordering::Relaxed),
            notes: self.notes.load(Ordering::Relaxed),
            doublings: self.doublings.load(Ordering::Relaxed),
            times: self.times(),
            lasts_ms: self.lasts_ms.load(Ordering::Relaxed),
        }
    }

    /// Goes on from what another process knew. To be called before the endpoint's standing is restored: who sees the phase sees
    /// this.
    pub fn restore(&self, past: Past) {
        self.faults.store(past.faults, Ordering::Relaxed);
        self.notes.store(past.notes, Ordering::Relaxed);
        self.doublings.store(past.doublings, Ordering::Relaxed);
        self.times.store(past.times, Ordering::Relaxed);
        self.lasts_ms.store(past.lasts_ms, Ordering::Relaxed);
    }

    /// Why it is ejected and how much of its time is left, for people; `None` when it is not ejected.
    #[must_use]
    pub fn ejection(&self, standing: &Standing, now_ms: u64) -> Option<(Cause, Duration)> {
        let parts = standing.parts();
        let lasts = Duration::from_millis(self.lasts_ms.load(Ordering::Relaxed));
        (parts.phase == Phase::Ejected)
            .then(|| (self.cause(), lasts.saturating_sub(parts.elapsed(now_ms))))
    }

    /// Begins the trial of an ejected endpoint if `sign` shows that it is well, or its time is over anyway.
    fn heed(&self, standing: &Standing, sign: Sign, now_ms: u64) -> Option<Event> {
        let parts = standing.parts();
        let notes = self.notes.load(Ordering::Relaxed);
        let (misled, failed_since) = (notes & MISLED != 0, notes & FAILED_SINCE != 0);
        let shown = self.cause().refuted_by(sign, misled, failed_since);
        if parts.phase != Phase::Ejected || !(shown || self.is_over(parts, now_ms)) {
            return None;
        }
        self.try_again(standing, Some(sign), now_ms)
    }

    fn try_again(&self, standing: &Standing, by: Option<Sign>, now_ms: u64) -> Option<Event> {
        self.successes.store(0, Ordering::Relaxed);
        standing
            .set_phase(Phase::Ejected, Phase::Trial, Entry::Full, now_ms)
            .then_some(Event::Trial { by })
    }

    fn readmit(&self, standing: &Standing, slow_start: Duration, now_ms: u64) -> Option<Event> {
        let successes = self.successes.load(Ordering::Relaxed);
        standing
            .set_phase(
                Phase::Trial,
                Phase::Admitting,
                Entry::of(slow_start),
                now_ms,
            )
            .then_some(Event::Readmitted { successes })
    }

    fn cause(&self) -> Cause {
        Cause::from_bits(self.notes.load(Ordering::Relaxed) & CAUSE)
    }

    /// Whether an ejection has lasted its time.
    fn is_over(&self, parts: Parts, now_ms: u64) -> bool {
        parts.elapsed(now_ms) >= Duration::from_millis(self.lasts_ms.load(Ordering::Relaxed))
    }

    /// How often the base time is doubled now: one time less for each base time that the endpoint was well.
    fn doublings_at(&self, parts: Parts, rules: &OutlierRules, now_ms: u64) -> u32 {
        let doublings = self.doublings.load(Ordering::Relaxed).min(MAX_DOUBLINGS);
        if parts.phase != Phase::Admitting {
            return doublings;
        }
        let well = millis(parts.elapsed(now_ms)) / millis(rules.base_ejection).max(1);
        doublings.saturating_sub(u32::try_from(well).unwrap_or(u32::MAX))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
