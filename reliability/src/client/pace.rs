//! Who asks next, and when: tickets that the connections of a load take in turn.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use evenkeel_base::Rng;
use evenkeel_sim::chance::exponential;
use tokio::time::{sleep, sleep_until};

use super::Pace;

/// How often a connection looks whether it may go on, where nothing else wakes it.
const LOOK: Duration = Duration::from_millis(1);

/// The tickets of one load.
#[derive(Debug)]
pub(super) struct Tickets {
    pace: Pace,
    start: Instant,
    next: AtomicU64,
    done: AtomicU64,
    /// When the last wave was over, in microseconds from the start.
    wave_over: AtomicU64,
    pauses: Mutex<Pauses>,
}

/// Instants that know nothing of each other.
#[derive(Debug)]
struct Pauses {
    rng: Rng,
    /// The last of them, from the start.
    at: Duration,
}

impl Tickets {
    pub(super) fn new(pace: Pace, start: Instant) -> Self {
        let seed = match pace {
            Pace::Poisson { seed, .. } => seed,
            _ => 0,
        };
        Self {
            pace,
            start,
            next: AtomicU64::new(0),
            done: AtomicU64::new(0),
            wave_over: AtomicU64::new(0),
            pauses: Mutex::new(Pauses {
                rng: Rng::new(seed),
                at: Duration::ZERO,
            }),
        }
    }

    /// The number of the next request and the instant at which it is due, waited for; none when it is time to stop.
    pub(super) async fn take(&self, stop: &AtomicBool) -> Option<(u64, Instant)> {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let due = match self.pace {
            Pace::Closed => Instant::now(),
            Pace::Rate(rate) => {
                let due = self.start + due(number, rate);
                sleep_until(due.into()).await;
                due
            }
            Pace::Poisson { every, .. } => {
                let due = self.start + self.after_a_pause(every);
                sleep_until(due.into()).await;
                due
            }
            Pace::Waves(size, pause) => {
                self.wait_for_wave(number / size * size, pause, stop).await;
                Instant::now()
            }
        };
        (!stop.load(Ordering::Relaxed)).then_some((number, due))
    }

    /// The next instant, from the start.
    fn after_a_pause(&self, every: Duration) -> Duration {
        let mut pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = every.mul_f64(exponential(&mut pauses.rng));
        pauses.at += pause;
        pauses.at
    }

    /// One more is over.
    pub(super) fn note_done(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Pace::Waves(size, _) = self.pace
            && done.is_multiple_of(size)
        {
            let over = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.wave_over.store(over, Ordering::Relaxed);
        }
    }

    /// Waits until everything before the request `first` is over, and the pause as well.
    async fn wait_for_wave(&self, first: u64, pause: Duration, stop: &AtomicBool) {
        while self.done.load(Ordering::Relaxed) < first && !stop.load(Ordering::Relaxed) {
            sleep(LOOK).await;
        }
        if first > 0 && !stop.load(Ordering::Relaxed) {
            let over = Duration::from_micros(self.wave_over.load(Ordering::Relaxed));
            sleep_until((self.start + over + pause).into()).await;
        }
    }
}

/// When the request with this number is due at so many a second, from the first.
fn due(number: u64, rate: u32) -> Duration {
    let nanos = u128::from(number) * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_do_not_drift() {
        for (number, rate, micros) in [(0, 300, 0), (1, 300, 3_333), (300, 300, 1_000_000)] {
            assert_eq!(due(number, rate).as_micros(), micros, "{number} at {rate}");
        }
    }

    #[test]
    fn pauses_have_the_mean_that_is_said_and_are_not_alike() {
        let (every, seed) = (Duration::from_millis(3), 1);
        let tickets = Tickets::new(Pace::Poisson { every, seed }, Instant::now());
        let instants: Vec<_> = (0..10_000).map(|_| tickets.after_a_pause(every)).collect();
        assert!(instants.is_sorted());
        let (last, mean) = (instants[9_999], every * 10_000);
        assert!(last.abs_diff(mean) < mean / 30, "{last:?}");
        let short = instants.windows(2).filter(|two| two[1] - two[0] < every);
        // 1 - 1/e of them are shorter than the mean.
        assert!(short.count().abs_diff(6_321) < 200);
    }
}
