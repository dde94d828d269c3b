//! How an origin behaves: as words, so that a command line and a line of its standard input can say it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use evenkeel_base::Rng;
use evenkeel_sim::chance::seed;
use evenkeel_sim::distribution::Distribution;

/// What the chance of a request's work is told apart by from the chance of other things of the same seed.
const WORK: u64 = 0x776f_726b;

/// How an origin behaves, from its next request on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manner {
    /// How long a request takes.
    pub service: Duration,
    /// Its standard deviation: requests take times of their own, lognormal, as most services have them. Zero: all take the same.
    pub deviation: Duration,
    /// Where the chance of these times begins. With the same seed a request takes the same time at whatever endpoint.
    pub seed: u64,
    /// Slow requests take so many times as long,
    pub slow: u32,
    /// which are every so many; 1: all.
    pub slow_every: u32,
    /// Slowness ends so long after the start: a cache that fills. Zero: never.
    pub cold: Duration,
    /// Every so many requests are answered `status`; 0: none.
    pub fail_every: u32,
    /// See there.
    pub status: u16,
    /// The seconds of `Retry-After` beside it; 0: no such field.
    pub retry_after: u32,
    /// What it says.
    pub speech: Speech,
    /// Connections idle for so long are reset. Zero: never.
    pub idle: Duration,
    /// The status of the answer to a probe, a request for [`Manner::PROBE`].
    pub probe: u16,
    /// So many requests are worked on at once, the others wait for their turn. It is that of the origin's first manner.
    pub capacity: u16,
}

/// What an origin says when a request has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// An answer.
    Answer,
    /// What no HTTP client understands.
    Garbage,
    /// Nothing; the connection stays.
    Nothing,
    /// Nothing; it closes the connection.
    Close,
    /// An answer that ends in the middle of its body.
    Half,
}

impl Manner {
    /// The path that probes ask for. Such requests are answered at once and are not noted.
    pub const PROBE: &'static str = "/healthz";

    /// An origin in good health, whose work takes so long.
    #[must_use]
    pub const fn good(service: Duration) -> Self {
        Self {
            service,
            deviation: Duration::ZERO,
            seed: 0,
            slow: 1,
            slow_every: 1,
            cold: Duration::ZERO,
            fail_every: 0,
            status: 503,
            retry_after: 0,
            speech: Speech::Answer,
            idle: Duration::ZERO,
            probe: 200,
            capacity: u16::MAX,
        }
    }

    /// The same, saying something else.
    #[must_use]
    pub const fn saying(self, speech: Speech) -> Self {
        Self { speech, ..self }
    }

    /// How long the request with this number and this id takes, so long after the start.
    #[must_use]
    pub fn takes(&self, number: u64, id: u64, age: Duration) -> Duration {
        let warm = !self.cold.is_zero() && age >= self.cold;
        if !warm && is_turn(number, self.slow_every) {
            self.work(id) * self.slow
        } else {
            self.work(id)
        }
    }

    /// How much work the request with this id is: the simulator's distribution, drawn with chance of the id's own.
    fn work(&self, id: u64) -> Duration {
        if self.deviation.is_zero() {
            return self.service;
        }
        let times = Distribution::Lognormal {
            mean: self.service.as_secs_f64(),
            deviation: self.deviation.as_secs_f64(),
        };
        Duration::from_secs_f64(times.draw(&mut Rng::new(seed(self.seed, WORK, id))))
    }

    /// Whether the request with this number is answered with the status of a failure.
    #[must_use]
    pub fn fails(&self, number: u64) -> bool {
        is_turn(number, self.fail_every)
    }
}

/// Whether it is the turn of this number, from 0, among every so many.
fn is_turn(number: u64, every: u32) -> bool {
    every > 0 && (number + 1).is_multiple_of(every.into())
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let speech = match self.speech {
            Speech::Answer => "answer",
            Speech::Garbage => "garbage",
            Speech::Nothing => "nothing",
            Speech::Close => "close",
            Speech::Half => "half",
        };
        write!(
            f,
            "service={} deviation={} seed={} slow={} slow_every={} cold={} fail_every={} status={} retry_after={} speech={speech} idle={} probe={} capacity={}",
            self.service.as_micros(),
            self.deviation.as_micros(),
            self.seed,
            self.slow,
            self.slow_every,
            self.cold.as_micros(),
            self.fail_every,
            self.status,
            self.retry_after,
            self.idle.as_micros(),
            self.probe,
            self.capacity,
        )
    }
}

impl FromStr for Manner {
    type Err = String;

    /// Reads what is displayed; what is not said is as in [`Manner::good`] without any work. Times are microseconds.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut manner = Self::good(Duration::ZERO);
        for word in text.split_whitespace() {
            let (key, value) = word
                .split_once('=')
                .ok_or_else(|| format!("no value in {word}"))?;
            let time = || number(word, value).map(Duration::from_micros);
            match key {
                "service" => manner.service = time()?,
                "deviation" => manner.deviation = time()?,
                "seed" => manner.seed = number(word, value)?,
                "slow" => manner.slow = number(word, value)?,
                "slow_every" => manner.slow_every = number(word, value)?,
                "cold" => manner.cold = time()?,
                "fail_every" => manner.fail_every = number(word, value)?,
                "status" => manner.status = number(word, value)?,
                "retry_after" => manner.retry_after = number(word, value)?,
                "idle" => manner.idle = time()?,
                "probe" => manner.probe = number(word, value)?,
                "capacity" => manner.capacity = number(word, value)?,
                "speech" => {
                    manner.speech = match value {
                        "answer" => Speech::Answer,
                        "garbage" => Speech::Garbage,
                        "nothing" => Speech::Nothing,
                        "close" => Speech::Close,
                        "half" => Speech::Half,
                        _ => return Err(format!("no such speech: {word}")),
                    }
                }
                _ => return Err(format!("no such word: {word}")),
            }
        }
        Ok(manner)
    }
}

fn number<T: FromStr>(word: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("no number: {word}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_is_displayed_can_be_read() {
        let manner = Manner {
            deviation: 2 * MS,
            seed: 7,
            slow: 50,
            cold: 300 * MS,
            fail_every: 3,
            retry_after: 1,
            idle: 1_100 * MS,
            capacity: 8,
            ..Manner::good(5 * MS).saying(Speech::Half)
        };
        assert_eq!(manner.to_string().parse(), Ok(manner));
        assert_eq!("".parse(), Ok(Manner::good(Duration::ZERO)));
        for wrong in ["slow", "slow=", "slow=x", "quick=1", "speech=loud"] {
            assert!(wrong.parse::<Manner>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn turns_come_after_so_many() {
        let slow = Manner {
            slow: 10,
            slow_every: 3,
            fail_every: 2,
            ..Manner::good(MS)
        };
        let takes: Vec<_> = (0..6).map(|n| slow.takes(n, 0, MS)).collect();
        assert_eq!(takes, [MS, MS, 10 * MS, MS, MS, 10 * MS]);
        let fails: Vec<_> = (0..4).map(|n| slow.fails(n)).collect();
        assert_eq!(fails, [false, true, false, true]);
        assert!(!Manner::good(MS).fails(0));
    }

    #[test]
    fn a_request_is_the_same_work_everywhere_and_each_is_another() {
        let varied = Manner {
            deviation: 20 * MS,
            seed: 1,
            ..Manner::good(40 * MS)
        };
        let slow = Manner { slow: 5, ..varied };
        let takes = |id| varied.takes(0, id, MS);
        for id in 0..100 {
            assert_eq!(slow.takes(9, id, MS), takes(id) * 5, "{id}");
            assert_ne!(takes(id), takes(id + 1), "{id}");
        }
        let mean = (0..10_000).map(takes).sum::<Duration>() / 10_000;
        assert!(mean.abs_diff(40 * MS) < MS, "{mean:?}");
    }

    #[test]
    fn coldness_ends() {
        let cold = Manner {
            slow: 10,
            cold: 5 * MS,
            ..Manner::good(MS)
        };
        for (age, takes) in [(0, 10), (4, 10), (5, 1), (99, 1)] {
            assert_eq!(cold.takes(7, 0, age * MS), takes * MS, "{age}");
        }
    }
}
