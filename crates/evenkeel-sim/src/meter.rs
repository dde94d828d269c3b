//! What an endpoint measures of itself, for balancers that ask it: requests in flight, the latency to expect at that many, and how
//! much of it is used.
//!
//! The latency is as the Prequal paper has it (§4): what requests took that ended lately and had met about as many others when they
//! came. Here it is an average per doubling of that number, in which each new one counts for an eighth. When they came, not when
//! they ended: what ends as the last of many took long, and would make few in flight look slow and many look fast (tried:
//! with `steady-90`, p99 of Prequal by probes was eight times as high).

use std::time::Duration;

use evenkeel_policy::Report;

use crate::time::{Nanos, SECOND, seconds};

/// Numbers in flight are told apart by their highest bit.
const CLASSES: usize = 16;

/// How much a new latency counts.
const STEP: f64 = 0.125;

/// Rates and utilization are those of at least so much time.
const WINDOW: Nanos = SECOND / 2;

/// The measurements of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Nanoseconds; 0: never seen.
    latency: [f64; CLASSES],
    served: u64,
    failed: u64,
    /// The two beginnings of the window that measures, and the one before it.
    marks: [Mark; 2],
}

#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    at: Nanos,
    used: f64,
    served: u64,
    failed: u64,
}

impl Meter {
    /// A request ended well that had met so many others.
    pub(crate) fn served(&mut self, in_flight: usize, took: Nanos) {
        self.served += 1;
        let known = &mut self.latency[class(in_flight)];
        let took = took.max(1) as f64;
        *known = if *known > 0.0 {
            *known + STEP * (took - *known)
        } else {
            took
        };
    }

    /// A request was answered with an error.
    pub(crate) const fn failed(&mut self) {
        self.served += 1;
        self.failed += 1;
    }

    /// What it says at this moment. `used` is how many seconds of its allocation were used so far.
    pub(crate) fn report(&mut self, in_flight: usize, used: f64, now: Nanos) -> Report {
        let mark = Mark {
            at: now,
            used,
            served: self.served,
            failed: self.failed,
        };
        let [old, young] = self.marks;
        if now - young.at >= WINDOW {
            self.marks = [young, mark];
        }
        let passed = seconds(now - old.at);
        let per_second = |n: f64| (passed > 0.0).then(|| narrow(n / passed));
        Report {
            in_flight: Some(u32::try_from(in_flight).unwrap_or(u32::MAX)),
            latency: self.expected(in_flight),
            utilization: per_second(used - old.used),
            requests_per_second: per_second((self.served - old.served) as f64),
            errors_per_second: per_second((self.failed - old.failed) as f64),
        }
    }

    /// The latency to expect: that of the class, or of the nearest one that is known, the one with fewer first.
    fn expected(&self, in_flight: usize) -> Option<Duration> {
        let class = class(in_flight);
        let fewer = (0..=class).rev();
        let known = |at: &usize| self.latency[*at] > 0.0;
        let at = fewer.chain(class..CLASSES).find(known)?;
        Some(Duration::from_secs_f64(self.latency[at] / 1e9))
    }
}

fn class(in_flight: usize) -> usize {
    let bits = usize::BITS - in_flight.leading_zeros();
    (bits as usize).min(CLASSES - 1)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "24 bits are more than a measurement has"
)]
const fn narrow(x: f64) -> f32 {
    x as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_requests_took_at_that_load() {
        let mut meter = Meter::default();
        assert_eq!(meter.report(3, 0.0, 0).latency, None);
        (0..100).for_each(|_| meter.served(1, 10_000_000));
        (0..100).for_each(|_| meter.served(9, 90_000_000));
        let mut at = |in_flight| meter.report(in_flight, 0.0, 1).latency;
        let ms = |n| Some(Duration::from_millis(n));
        assert_eq!(
            [at(0), at(1), at(4), at(12)],
            [ms(10), ms(10), ms(10), ms(90)]
        );
    }

    #[test]
    fn rates_are_those_of_the_last_window() {
        let mut meter = Meter::default();
        for second in 1..=10 {
            (0..50).for_each(|_| meter.served(1, 1_000));
            (0..10).for_each(|_| meter.failed());
            let now = second * SECOND;
            let report = meter.report(1, 0.8 * seconds(now), now);
            let near = |n: Option<f32>, want: f32| n.is_some_and(|n| (n - want).abs() < 1e-3);
            assert!(near(report.utilization, 0.8), "{report:?}");
            assert!(near(report.requests_per_second, 60.0), "{report:?}");
            assert!(near(report.errors_per_second, 10.0), "{report:?}");
        }
    }
}
