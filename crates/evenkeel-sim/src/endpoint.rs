//! A modelled endpoint: a machine, what goes wrong with it, and what it says of itself.

use std::collections::VecDeque;
use std::time::Duration;

use evenkeel_base::Rng;
use evenkeel_policy::Report;

use crate::chance::{self, uniform};
use crate::machine::Machine;
use crate::meter::Meter;
use crate::scenario::{Antagonist, Cold, Discipline, Failure, FailureKind, Group};
use crate::time::{NEVER, Nanos, from_duration, from_seconds, seconds};

/// One endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Its group in the scenario.
    pub(crate) group: usize,
    pub(crate) machine: Machine,
    pub(crate) meter: Meter,
    /// How many cores it is allocated.
    cores: f64,
    /// How many cores its machine has.
    whole: f64,
    speed: f64,
    /// What others take of the machine, in cores.
    taken: f64,
    antagonist: Option<(Antagonist, f64)>,
    rng: Rng,
    /// How often each is in force: windows may overlap.
    refusing: u32,
    frozen: u32,
    /// The part of requests that is answered 503; 0: none.
    error: f64,
    slow: f64,
    cold: Option<Cold>,
    /// Since when it runs, and what it has served since; none: it has been warm for ever.
    began: Option<Nanos>,
    served: u32,
    script: VecDeque<(Nanos, Change)>,
}

/// A step of the script.
#[derive(Clone, Copy, Debug)]
struct Change {
    kind: FailureKind,
    begins: bool,
}

/// What became of a request that reached an endpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Met {
    /// It takes no connections.
    Refused,
    /// It answers 503 at once.
    Unwilling,
    /// It has so many seconds of work to do.
    Works(f64),
}

/// What a probe meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looks {
    /// It takes no connections.
    Gone,
    /// It takes them and says nothing.
    Silent,
    /// It answers as it should.
    Well,
    /// It answers 503.
    Unwilling,
}

impl Endpoint {
    /// Endpoint number `position` of its group, and number `number` of all.
    pub(crate) fn new(group: (usize, &Group), position: u32, rng: Rng) -> Self {
        let (at, group) = group;
        let slots = match group.discipline {
            Discipline::Shares => usize::MAX,
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a positive number of cores, rounded up"
            )]
            Discipline::Queues => group.cores.ceil() as usize,
        };
        let mut rng = rng;
        let antagonist = group.antagonist.map(|one| {
            let level = uniform(&mut rng, one.least, one.most);
            (one, level)
        });
        let mut this = Self {
            group: at,
            machine: Machine::new(slots, group.machine, group.speed),
            meter: Meter::default(),
            cores: group.cores,
            whole: group.machine,
            speed: group.speed,
            taken: 0.0,
            antagonist,
            rng,
            refusing: 0,
            frozen: 0,
            error: 0.0,
            slow: 1.0,
            cold: group.cold,
            began: group.cold.filter(|cold| cold.at_start).map(|_| 0),
            served: 0,
            script: script(&group.failures, position),
        };
        this.disturb(0);
        this
    }

    /// When its script goes on.
    pub(crate) fn next_change(&self) -> Option<Nanos> {
        self.script.front().map(|(at, _)| *at)
    }

    /// Takes the next step of its script. Gives when to look for completions, and what is lost.
    pub(crate) fn change(&mut self, now: Nanos) -> (Option<Nanos>, Vec<u32>) {
        let Some((_, Change { kind, begins })) = self.script.pop_front() else {
            return (None, Vec::new());
        };
        let mut lost = Vec::new();
        let count = |n: u32| if begins { n + 1 } else { n.saturating_sub(1) };
        match kind {
            FailureKind::Refuse | FailureKind::Restart => {
                self.refusing = count(self.refusing);
                if begins {
                    lost = self.machine.lose_all(now);
                } else if kind == FailureKind::Restart {
                    (self.began, self.served) = (Some(now), 0);
                    self.meter = Meter::default();
                }
            }
            FailureKind::Freeze => self.frozen = count(self.frozen),
            FailureKind::Error(part) => self.error = if begins { part } else { 0.0 },
            FailureKind::Slow(factor) => self.slow = if begins { factor } else { 1.0 },
        }
        (self.apply(now), lost)
    }

    /// What others take of its machine changes. Gives when to look for completions, and when it changes again.
    pub(crate) fn disturb(&mut self, now: Nanos) -> (Option<Nanos>, Option<Nanos>) {
        let Some((antagonist, level)) = self.antagonist else {
            return (None, None);
        };
        let swing = uniform(&mut self.rng, -antagonist.swing, antagonist.swing);
        self.taken = (level + swing).max(0.0) * self.whole;
        let pause = antagonist.every.as_secs_f64() * chance::exponential(&mut self.rng);
        let again = now.saturating_add(from_seconds(pause));
        (self.apply(now), Some(again))
    }

    /// A request reaches it, with so many seconds of work for a warm endpoint at speed 1 and a chance of its own.
    pub(crate) fn meet(&self, work: f64, rng: &mut Rng, now: Nanos) -> Met {
        if self.refusing > 0 {
            return Met::Refused;
        }
        if self.frozen == 0 && self.error > 0.0 && chance::unit(rng) <= self.error {
            return Met::Unwilling;
        }
        Met::Works(work * self.chill(now))
    }

    /// A request ended well that had met so many others and taken so long here.
    pub(crate) fn served(&mut self, met: usize, took: Nanos) {
        self.served = self.served.saturating_add(1);
        self.meter.served(met, took);
    }

    /// It answered with an error.
    pub(crate) const fn failed(&mut self) {
        self.meter.failed();
    }

    /// What a probe meets at this moment.
    pub(crate) fn looks(&mut self) -> Looks {
        if self.refusing > 0 {
            Looks::Gone
        } else if self.frozen > 0 {
            Looks::Silent
        } else if self.error > 0.0 && chance::unit(&mut self.rng) <= self.error {
            Looks::Unwilling
        } else {
            Looks::Well
        }
    }

    /// What it says of itself.
    pub(crate) fn report(&mut self, now: Nanos) -> Report {
        let used = self.machine.used(now);
        self.meter
            .report(self.machine.jobs(), used / self.cores, now)
    }

    /// How much of its allocation it has used so far, in seconds.
    pub(crate) fn used(&mut self, now: Nanos) -> f64 {
        self.machine.used(now) / self.cores
    }

    /// How many times the work of a warm one a request is.
    fn chill(&self, now: Nanos) -> f64 {
        let (Some(cold), Some(began)) = (self.cold, self.began) else {
            return 1.0;
        };
        let by_requests = f64::from(self.served) / f64::from(cold.requests.max(1));
        let lasts = cold.lasts.as_secs_f64().max(1e-9);
        let by_time = if cold.lasts == Duration::MAX {
            0.0
        } else {
            seconds(now - began) / lasts
        };
        let warmth = by_requests.max(by_time).min(1.0);
        1.0 + (cold.factor - 1.0) * (1.0 - warmth)
    }

    fn apply(&mut self, now: Nanos) -> Option<Nanos> {
        let cores = (self.whole - self.taken).clamp(self.cores, self.whole);
        let speed = if self.frozen > 0 || self.refusing > 0 {
            0.0
        } else {
            self.speed / self.slow
        };
        self.machine.change(cores, speed, now)
    }
}

/// The failures of a group as the steps of one of its endpoints.
fn script(failures: &[Failure], position: u32) -> VecDeque<(Nanos, Change)> {
    let mut steps = Vec::new();
    for failure in failures {
        let at = from_duration(failure.at + failure.stagger.saturating_mul(position));
        let end = at.saturating_add(from_duration(failure.lasts));
        let kind = failure.kind;
        steps.push((at, Change { kind, begins: true }));
        if end < NEVER {
            let begins = false;
            steps.push((end, Change { kind, begins }));
        }
    }
    steps.sort_by_key(|(at, _)| *at);
    steps.into()
}
