//! Controlled delay: when to drop from the front of a queue that stands. It decides; the queue drops.
//!
//! RFC 8289 on dequeue, one verdict for each item where the RFC has a loop. A burst makes a queue that drains again, and
//! nobody is dropped for it. A queue whose front has waited for more than the target, every time for a whole interval, is a
//! standing one: all its length does is to make everybody wait. Then its front is dropped, and the next after the interval
//! divided by the root of how many were dropped, until the wait is below the target.
//!
//! That law is made for senders who slow down when they see a loss, and hunts for the right rate slowly: to shed 1,000
//! requests a second it needs two minutes with an interval of 250 ms. Clients of HTTP do not slow down. So while it drops,
//! what has waited for longer than twice the target goes too: the wait is bounded from the first interval on, whatever the
//! rate, and the law brings it down from there (the idea is Facebook's: Maurer, "Fail at Scale", 2015).

use std::time::{Duration, Instant};

use evenkeel_base::rules::QueueRules;

/// While it drops, nobody is served who waited for longer than so many times the target.
const SLOUGH: u32 = 2;

/// How long it remembers at which rate it dropped, in intervals (RFC 8289 §5.5).
const MEMORY: u32 = 16;

/// The state of one queue.
#[derive(Debug, Default)]
pub(super) struct Codel {
    /// When the wait will have been above the target for an interval; none while it is below.
    standing_at: Option<Instant>,
    dropping: bool,
    /// When the next one is dropped, or would have been.
    next: Option<Instant>,
    /// How many the law has dropped since it began to, and what that number was when it began.
    count: u32,
    count_before: u32,
}

impl Codel {
    /// Whether the item that leaves the front now is dropped.
    ///
    /// The last one never is: when nobody stands behind it, nobody is served sooner for it.
    pub(super) fn drops(
        &mut self,
        rules: &QueueRules,
        waited: Duration,
        is_last: bool,
        now: Instant,
    ) -> bool {
        let stands = !is_last && self.stands(rules, waited, now);
        if !stands {
            self.dropping = false;
            if is_last {
                self.standing_at = None;
            }
            return false;
        }
        if !self.dropping {
            self.begin(rules, now);
            return true;
        }
        if self.next.is_some_and(|next| now >= next) {
            self.count = self.count.saturating_add(1);
            self.next = self.next.and_then(|next| after(next, rules, self.count));
            return true;
        }
        waited > rules.target.saturating_mul(SLOUGH)
    }

    /// The queue was empty: what is to come is measured anew. How fast it dropped is remembered.
    pub(super) const fn restart(&mut self) {
        self.standing_at = None;
        self.dropping = false;
    }

    /// Whether the wait has been above the target for a whole interval.
    fn stands(&mut self, rules: &QueueRules, waited: Duration, now: Instant) -> bool {
        if waited < rules.target {
            self.standing_at = None;
            return false;
        }
        match self.standing_at {
            Some(at) => now >= at,
            None => {
                self.standing_at = now.checked_add(rules.interval);
                false
            }
        }
    }

    /// Begins to drop, at the rate it had when it stopped a short while ago.
    fn begin(&mut self, rules: &QueueRules, now: Instant) {
        let lately = self.next.is_some_and(|next| {
            now.saturating_duration_since(next) < rules.interval.saturating_mul(MEMORY)
        });
        let more = self.count.saturating_sub(self.count_before);
        self.count = if lately && more > 1 { more } else { 1 };
        self.count_before = self.count;
        self.dropping = true;
        self.next = after(now, rules, self.count);
    }
}

/// The control law: the interval divided by the root of the count.
fn after(at: Instant, rules: &QueueRules, count: u32) -> Option<Instant> {
    at.checked_add(rules.interval.div_f64(f64::from(count.max(1)).sqrt()))
}
