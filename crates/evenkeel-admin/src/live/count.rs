//! Counters at two moments, and the rates between them. Reading takes no lock and stops nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_base::Fault;
use evenkeel_state::histogram::Counts;
use evenkeel_state::traffic::TrafficSum;
use evenkeel_state::{Endpoint, EndpointCounters};

use crate::view::live::Traffic;

/// How many faults there are.
pub(super) const FAULTS: usize = Fault::ALL.len();

/// Latencies are of the last two of these, the second of which is not over yet.
const HALF_WINDOW: u8 = 5;

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// A count as a rate, to two digits behind the point: pictures are smaller and jump less.
#[expect(
    clippy::cast_precision_loss,
    reason = "fewer than 2^52 in a second, and rounded anyway"
)]
pub(super) fn rate(count: u64, span: Duration) -> f64 {
    let rate = count as f64 / span.as_secs_f64().max(0.001);
    (rate * 100.0).round() / 100.0
}

/// Adds what another saw to a sum; latencies are not of a kind that can be added.
pub(super) fn add(to: &mut Traffic, more: &Traffic) {
    to.rate += more.rate;
    to.errors += more.errors;
    to.bytes_in += more.bytes_in;
    to.bytes_out += more.bytes_out;
    for (of, more) in [
        (&mut to.responses, &more.responses),
        (&mut to.faults, &more.faults),
    ] {
        for (name, rate) in more {
            *of.entry(name.clone()).or_default() += rate;
        }
    }
}

/// What is read of every endpoint, shown or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Few {
    /// Attempts that had no response.
    lost: u64,
    responses: [u64; 5],
    received: u64,
    sent: u64,
}

impl Few {
    /// What is counted of it.
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        Self::read(endpoint.state.all_counters())
    }

    /// Each is read once, and the rest follows from that: what ends in this moment would else be counted here as ended, and
    /// there as not.
    fn read<'a>(all: impl IntoIterator<Item = &'a EndpointCounters>) -> Self {
        let mut few = Self::default();
        for counters in all {
            few.lost += counters.lost();
            for (to, from) in few.responses.iter_mut().zip(&counters.responses) {
                *to += from.read();
            }
            few.received += counters.bytes_received.read();
            few.sent += counters.bytes_sent.read();
        }
        few
    }

    /// What came since `earlier`.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let mut since = *self;
        since.lost = since.lost.saturating_sub(earlier.lost);
        for (to, before) in since.responses.iter_mut().zip(earlier.responses) {
            *to = to.saturating_sub(before);
        }
        since.received = since.received.saturating_sub(earlier.received);
        since.sent = since.sent.saturating_sub(earlier.sent);
        since
    }

    /// Adds another's.
    pub(super) fn add(&mut self, other: &Self) {
        self.lost += other.lost;
        for (to, more) in self.responses.iter_mut().zip(other.responses) {
            *to += more;
        }
        self.received += other.received;
        self.sent += other.sent;
    }

    /// Attempts that ended.
    pub(super) fn ended(&self) -> u64 {
        // Responses that begin with 1 are interim.
        self.responses[1..].iter().sum::<u64>() + self.lost
    }

    /// Those of them that came to nothing, or to a 5xx.
    pub(super) const fn errors(&self) -> u64 {
        self.responses[4] + self.lost
    }

    /// As rates.
    pub(super) fn traffic(&self, span: Duration) -> Traffic {
        Traffic {
            rate: rate(self.ended(), span),
            errors: rate(self.errors(), span),
            responses: classes(self.responses, span),
            bytes_in: rate(self.received, span),
            bytes_out: rate(self.sent, span),
            ..Traffic::default()
        }
    }
}

/// How often each fault happened at an endpoint; a table that nobody has made yet is not made for it.
pub(super) fn faults_of(endpoint: &Endpoint) -> [u64; FAULTS] {
    let mut faults = [0; FAULTS];
    for counters in endpoint.state.all_counters() {
        add_faults(&mut faults, |fault| {
            EndpointCounters::faults(counters, fault)
        });
    }
    faults
}

fn add_faults(to: &mut [u64; FAULTS], of: impl Fn(Fault) -> u64) {
    for (to, fault) in to.iter_mut().zip(Fault::ALL) {
        *to += of(*fault);
    }
}

/// Those that happened since `earlier`, by name.
pub(super) fn faults(
    now: &[u64; FAULTS],
    earlier: &[u64; FAULTS],
    span: Duration,
) -> BTreeMap<String, f64> {
    let since = now
        .iter()
        .zip(earlier)
        .map(|(now, before)| now.saturating_sub(*before));
    Fault::ALL
        .iter()
        .zip(since)
        .filter(|(_, count)| *count > 0)
        .map(|(fault, count)| (fault.name().to_owned(), rate(count, span)))
        .collect()
}

fn classes(responses: [u64; 5], span: Duration) -> BTreeMap<String, f64> {
    CLASSES
        .iter()
        .zip(responses)
        .filter(|(_, count)| *count > 0)
        .map(|(class, count)| ((*class).to_owned(), rate(count, span)))
        .collect()
}

/// Latencies of the last seconds: two moments to subtract from now, so that a window needs no count of every second.
#[derive(Clone, Debug)]
pub(super) struct Window {
    older: Counts,
    newer: Counts,
    looks: u8,
}

impl Window {
    /// It begins now.
    pub(super) fn new(now: &Counts) -> Self {
        Self {
            older: now.clone(),
            newer: now.clone(),
            looks: 0,
        }
    }

    /// The median and the 99th percentile, in microseconds; called once a second.
    pub(super) fn look(&mut self, now: &Counts) -> (Option<u64>, Option<u64>) {
        let found = quantiles(&now.since(&self.older));
        self.looks += 1;
        if self.looks >= HALF_WINDOW {
            self.looks = 0;
            self.older = std::mem::replace(&mut self.newer, now.clone());
        }
        found
    }
}

/// The median and the 99th percentile, in microseconds.
pub(super) fn quantiles(counts: &Counts) -> (Option<u64>, Option<u64>) {
    let micros = |share| {
        let time = counts.quantile(share)?;
        u64::try_from(time.as_micros()).ok()
    };
    (micros(0.5), micros(0.99))
}

/// A listener or a route as it was a second ago.
#[derive(Debug)]
pub(super) struct Seen {
    sum: TrafficSum,
    window: Window,
}

impl Seen {
    /// It is looked at for the first time.
    pub(super) fn new(sum: TrafficSum) -> Self {
        let window = Window::new(&sum.total);
        Self { sum, window }
    }

    /// What went on since the last look.
    pub(super) fn look(&mut self, now: TrafficSum, span: Duration) -> Traffic {
        let before = std::mem::replace(&mut self.sum, now);
        let now = &self.sum;
        let mut responses = now.responses;
        for (to, before) in responses.iter_mut().zip(before.responses) {
            *to = to.saturating_sub(before);
        }
        let since = |now: u64, before: u64| rate(now.saturating_sub(before), span);
        let (p50_us, p99_us) = self.window.look(&now.total);
        Traffic {
            rate: rate(responses.iter().sum(), span),
            errors: rate(responses[4], span),
            responses: classes(responses, span),
            faults: faults(&now.faults, &before.faults, span),
            bytes_in: since(now.bytes_in, before.bytes_in),
            bytes_out: since(now.bytes_out, before.bytes_out),
            p50_us,
            p99_us,
        }
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_state::histogram::Histogram;

    use super::*;

    #[test]
    fn rates_are_of_the_time_that_went_by() {
        for (count, span, expected) in [
            (0, 1_000, 0.0),
            (10, 1_000, 10.0),
            (1, 3_000, 0.33),
            (10, 500, 20.0),
            (1, 0, 1000.0),
        ] {
            assert_eq!(rate(count, Duration::from_millis(span)), expected);
        }
    }

    #[test]
    fn a_window_forgets_after_ten_looks_and_not_before_five() {
        let histogram = Histogram::default();
        let now = || {
            let mut counts = Counts::default();
            histogram.add_to(&mut counts);
            counts
        };
        histogram.record(Duration::from_secs(60));
        let mut window = Window::new(&now());
        assert_eq!(window.look(&now()), (None, None), "what was before");
        histogram.record(Duration::from_millis(1));
        let mut seen = 0;
        while let (Some(p50), Some(p99)) = window.look(&now()) {
            assert!(p50 == p99 && (1_000..1_200).contains(&p50), "{p50}");
            seen += 1;
            assert!(seen < 20, "it is never forgotten");
        }
        assert!((5..=10).contains(&seen), "{seen}");
    }

    #[test]
    fn what_is_neither_2xx_3xx_nor_4xx_failed() {
        let few = |lost, responses| Few {
            lost,
            responses,
            received: 7,
            sent: 3,
        };
        // One interim response, 8 that ended with a response, one without.
        let now = few(1, [1, 4, 1, 1, 2]);
        assert_eq!((now.ended(), now.errors()), (9, 3));
        let since = now.since(&few(0, [0, 4, 0, 0, 1]));
        assert_eq!((since.ended(), since.errors()), (4, 2));
        let mut sum = since;
        sum.add(&since);
        assert_eq!((sum.ended(), sum.errors()), (8, 4));
        let traffic = since.traffic(Duration::from_secs(2));
        assert_eq!((traffic.rate, traffic.errors), (2.0, 1.0));
        assert_eq!(traffic.responses["5xx"], 0.5);
    }

    #[test]
    fn what_ends_while_it_is_counted_is_no_error() {
        let counters = EndpointCounters::default();
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| (0..200_000).for_each(|_| counters.response(200)));
            let mut before = Few::read([&counters]);
            while !worker.is_finished() {
                let now = Few::read([&counters]);
                assert_eq!(now.since(&before).errors(), 0);
                before = now;
            }
        });
        assert_eq!(Few::read([&counters]).ended(), 200_000);
    }
}
