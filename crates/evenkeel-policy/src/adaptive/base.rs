//! The latency of an endpoint without load: when to measure it, and what was found. What follows from it is not decided
//! here.
//!
//! ```text
//! Open ──every 30 s──▶ Draining ──in flight ≤ quiet──▶ Settling ──a round trip──▶ Measuring ──enough──▶ Open, base set
//!                          └────── too long: the base stays, and the next dip waits twice as long ──────┘
//! ```
//!
//! While there are hardly any requests, every one of them tells the base, and no dip is needed.

use std::time::{Duration, Instant};

use evenkeel_base::Rng;

use super::{Sample, Window};

/// From dip to dip, give or take a fifth.
const EVERY: Duration = Duration::from_secs(30);

/// The first one comes soon, for what is known until then was perhaps measured under load. So does the next after one that
/// moved the base by more than a fifth: from a limit that is far too high, dips lead down by a half at a time.
const SOON: Duration = Duration::from_secs(3);

/// When dips come to nothing (requests that last for minutes do not drain), they become rarer, up to so many times.
const RAREST: u32 = 16;

/// A part of a dip takes no longer than so many round trips,
const PATIENCE: u32 = 3;

/// and neither less than this,
const LEAST_PATIENCE: Duration = Duration::from_millis(500);

/// nor more than this.
const MOST_PATIENCE: Duration = Duration::from_secs(5);

/// The part of the way that the base goes with each measurement of an endpoint that has little to do.
const DRIFT: f64 = 0.25;

/// So many requests are a good measurement in a dip; with fewer it goes on for as long as patience lasts.
const GOOD: u32 = 50;

/// Whether the limit is down for a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is not.
    Open,
    /// It is.
    Dip,
}

/// What is known of the latency without load, and the way to know it better.
#[derive(Debug)]
pub(super) struct Base {
    rng: Rng,
    /// Seconds.
    latency: Option<f64>,
    state: State,
    /// How many times rarer than usual dips are.
    rarer: u32,
    /// What is measured at the moment.
    window: Window,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing was seen yet.
    New,
    Open {
        dip_at: Instant,
    },
    /// Until there are few enough in flight.
    Draining {
        give_up_at: Instant,
    },
    /// Until those that began before have ended.
    Settling {
        until: Instant,
    },
    Measuring {
        give_up_at: Instant,
    },
}

impl Base {
    pub(super) fn new(rng: Rng) -> Self {
        Self {
            rng,
            latency: None,
            state: State::New,
            rarer: 1,
            window: Window::default(),
        }
    }

    /// Seconds.
    pub(super) const fn latency(&self) -> Option<f64> {
        self.latency
    }

    /// Takes a sample. `quiet` in flight are few enough to measure by; an `idle` endpoint has hardly any.
    pub(super) fn update(
        &mut self,
        sample: &Sample,
        quiet: u32,
        idle: bool,
        now: Instant,
    ) -> Phase {
        match self.state {
            State::New => self.open(SOON, now),
            State::Open { dip_at } if now >= dip_at => self.drain(sample, quiet, now),
            State::Open { .. } => self.drift(sample, idle, now),
            State::Draining { .. } if sample.in_flight <= quiet => self.settle(now),
            State::Settling { until } if now >= until => {
                let give_up_at = now + self.patience();
                self.window = Window::default();
                self.state = State::Measuring { give_up_at };
            }
            State::Measuring { give_up_at } => {
                self.window.add(sample);
                let is_over = now >= give_up_at;
                match self.window.latency() {
                    Some(latency) if is_over || self.window.requests >= GOOD => {
                        self.found(latency, now);
                    }
                    None if is_over => self.give_up(now),
                    _ => {}
                }
            }
            State::Draining { give_up_at } if now >= give_up_at => self.give_up(now),
            State::Draining { .. } | State::Settling { .. } => {}
        }
        match self.state {
            State::New | State::Open { .. } => Phase::Open,
            State::Draining { .. } | State::Settling { .. } | State::Measuring { .. } => Phase::Dip,
        }
    }

    /// Between dips: the first latency that is seen will do until the first dip, and that of an idle endpoint is the base.
    fn drift(&mut self, sample: &Sample, idle: bool, now: Instant) {
        if !idle && self.latency.is_some() {
            self.window = Window::default();
            return;
        }
        self.window.add(sample);
        let Some(latency) = self.window.latency() else {
            return;
        };
        self.window = Window::default();
        self.latency = Some(match self.latency {
            Some(before) => before + (latency - before) * DRIFT,
            None => latency,
        });
        if idle {
            self.rarer = 1;
            self.wait(now);
        }
    }

    fn drain(&mut self, sample: &Sample, quiet: u32, now: Instant) {
        if sample.in_flight <= quiet {
            self.settle(now);
        } else {
            let give_up_at = now + self.patience();
            self.state = State::Draining { give_up_at };
        }
    }

    fn settle(&mut self, now: Instant) {
        let trip = Duration::from_secs_f64(self.latency.unwrap_or_default());
        let until = now + trip.min(MOST_PATIENCE);
        self.state = State::Settling { until };
    }

    /// A dip has measured the base.
    fn found(&mut self, latency: f64, now: Instant) {
        let before = self.latency.replace(latency).unwrap_or_default();
        self.rarer = 1;
        if (0.8 * before..=1.2 * before).contains(&latency) {
            self.wait(now);
        } else {
            self.open(SOON, now);
        }
    }

    fn give_up(&mut self, now: Instant) {
        self.rarer = (self.rarer * 2).min(RAREST);
        self.wait(now);
    }

    /// Until the next dip.
    fn wait(&mut self, now: Instant) {
        let spread = 800 + self.rng.below(401);
        self.open(EVERY * self.rarer * spread / 1_000, now);
    }

    fn open(&mut self, lasting: Duration, now: Instant) {
        let dip_at = now + lasting;
        self.window = Window::default();
        self.state = State::Open { dip_at };
    }

    fn patience(&self) -> Duration {
        let trip = Duration::from_secs_f64(self.latency.unwrap_or_default());
        (trip.min(MOST_PATIENCE) * PATIENCE).clamp(LEAST_PATIENCE, MOST_PATIENCE)
    }
}
