//! An overloaded cluster in simulated time: what a request that is served has waited for, with and without controlled delay.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use evenkeel_base::Rng;
use evenkeel_base::rules::{Priority, QueueRules};

use super::{Popped, Pushed, Queue, Why};

/// How a simulated time went.
#[derive(Debug, Default)]
struct Outcome {
    /// What each served request had waited for, in the order in which they were served.
    waits: Vec<Duration>,
    standing: usize,
    timed_out: usize,
    full: usize,
}

impl Outcome {
    fn median(&self) -> Duration {
        let mut sorted = self.waits.clone();
        sorted.sort_unstable();
        sorted[sorted.len() / 2]
    }

    /// Counts what came out unserved.
    fn count(&mut self, why: Why) {
        match why {
            Why::Standing => self.standing += 1,
            Why::TimedOut | Why::Late => self.timed_out += 1,
            Why::Full => self.full += 1,
        }
    }
}

/// A time that is distributed as between the arrivals of strangers.
#[expect(clippy::cast_precision_loss, reason = "53 bits of chance are enough")]
fn apart(mean: Duration, rng: &mut Rng) -> Duration {
    let chance = ((rng.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    mean.mul_f64(-chance.ln())
}

/// `rate` requests a second come; one slot serves each within `service` on average. The queue is looked at when the slot
/// is free, and what is overdue is let go of.
#[expect(
    clippy::disallowed_methods,
    reason = "any instant will do to begin with"
)]
fn simulate(rules: QueueRules, rates: &[(f64, Duration)], service: Duration) -> Outcome {
    let mut rng = Rng::new(7);
    let (mut outcome, mut queue) = (Outcome::default(), Queue::new(rules));
    let start = Instant::now();
    let mut arrivals = VecDeque::new();
    let (mut at, mut until) = (start, start);
    for (rate, lasting) in rates {
        until += *lasting;
        while at < until {
            arrivals.push_back(at);
            at += apart(Duration::from_secs_f64(1.0 / rate), &mut rng);
        }
    }
    let mut free = start;
    loop {
        // Either somebody comes while the slot is busy, or the slot is free and takes who waits.
        let next = arrivals.front().copied();
        if let Some(came) = next.filter(|came| *came <= free || queue.is_empty()) {
            arrivals.pop_front();
            while let Some((_, why)) = queue.expire(came) {
                outcome.count(why);
            }
            match queue.push(came, Priority::Normal, None, came) {
                Pushed::Waits(_) => {}
                Pushed::Instead(_, _, why) | Pushed::Refused(_, why) => outcome.count(why),
            }
            free = free.max(came);
            continue;
        }
        match queue.pop(free) {
            Popped::Served(came, place) => {
                queue.settle(place);
                outcome.waits.push(free - came);
                free += apart(service, &mut rng);
            }
            Popped::Dropped(_, why) => outcome.count(why),
            Popped::Empty if arrivals.is_empty() => return outcome,
            Popped::Empty => {}
        }
    }
}

const RULES: QueueRules = QueueRules::DEFAULT;

/// No wait is long enough to be called standing.
const WITHOUT: QueueRules = QueueRules {
    target: RULES.timeout,
    ..RULES
};

#[test]
fn under_twice_the_load_the_wait_stays_near_the_target() {
    for (per_second, seconds) in [(20.0, 120), (100.0, 60), (500.0, 30)] {
        let service = Duration::from_secs_f64(1.0 / per_second);
        let load = [(2.0 * per_second, Duration::from_secs(seconds))];
        let with = simulate(RULES, &load, service);
        let without = simulate(WITHOUT, &load, service);
        let (good, bad) = (with.median(), without.median());
        assert!(bad > RULES.timeout.mul_f64(0.9), "without: {bad:?}");
        assert!(
            good > RULES.target / 2 && good <= RULES.target * 2,
            "{per_second} a second: {good:?}"
        );
        // As many are served, but for the moments in which the shorter queue is empty by chance.
        let share = with.waits.len() as f64 / without.waits.len() as f64;
        assert!(share > 0.95, "{share}");
        assert!(
            with.timed_out == 0 && with.full == 0 && with.standing > 0,
            "{with:?}"
        );
        assert!(without.standing == 0);
    }
}

#[test]
fn the_wait_is_short_from_the_first_interval_on() {
    let load = [(1_000.0, Duration::from_secs(4))];
    let outcome = simulate(RULES, &load, Duration::from_millis(2));
    // The queue takes 100 ms to reach the target and the interval to be called standing.
    let after = outcome.waits.len() / 4;
    let late = outcome.waits[after..]
        .iter()
        .filter(|w| **w > RULES.target * 2)
        .count();
    assert_eq!(late, 0);
}

#[test]
fn a_load_that_can_be_borne_loses_nobody_and_after_a_burst_nobody_more() {
    let second = Duration::from_secs(1);
    let service = Duration::from_millis(10);
    let outcome = simulate(RULES, &[(70.0, 60 * second)], service);
    assert_eq!((outcome.timed_out, outcome.full), (0, 0));
    assert!(
        outcome.standing * 100 < outcome.waits.len(),
        "{}",
        outcome.standing
    );
    assert!(outcome.median() < RULES.target);
    let burst = [
        (50.0, 10 * second),
        (1_000.0, second / 5),
        (50.0, 10 * second),
    ];
    let outcome = simulate(RULES, &burst, service);
    let tail = &outcome.waits[outcome.waits.len() - 400..];
    assert!(tail.iter().all(|wait| *wait < RULES.timeout / 4));
    assert!(outcome.standing > 0 && outcome.timed_out == 0);
}
