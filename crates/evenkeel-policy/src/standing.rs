//! Where an endpoint stands: health, outlier phase and slow start in one word, and the share that follows from them.
//!
//! ```text
//! bits  0..10   share    0 to 1000, composed of the rest by whoever writes it
//! bits 10..20   ramp     0 to 1000, the share that slow start allows
//! bits 20..22   health   what probes say
//! bits 22..24   phase    what traffic says
//! bits 24..64   since    when the phase or the ramp began, the later of the two, in milliseconds
//! ```
//!
//! One word, because a balancer reads it for every candidate of every request and because its parts must agree: a worker
//! that ejects and the control plane that sees a good probe at the same moment both get their change in, and no moment
//! lies between an endpoint's return and its ramp in which it would get its full share. Why a part changes is decided in
//! [`health`](crate::health) and [`outlier`](crate::outlier); what an operator ordered is in the weight and not here.

use std::time::Duration;

use crate::slow_start::{self, Entry, FULL};
use crate::sync::{AtomicU64, Ordering};

/// What active probes say of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// It has no probes.
    Unprobed,
    /// It has probes, and no result that decides yet.
    Waiting,
    /// Its probes succeed.
    Up,
    /// Its probes fail.
    Down,
}

impl Health {
    /// Whether an endpoint of this health takes requests.
    #[must_use]
    pub const fn admits(self) -> bool {
        match self {
            Self::Unprobed | Self::Up => true,
            Self::Waiting | Self::Down => false,
        }
    }

    /// The name in logs and status.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unprobed => "unprobed",
            Self::Waiting => "waiting",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// What traffic says of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It takes requests.
    Admitting,
    /// It failed and takes none.
    Ejected,
    /// It takes a trickle, which decides.
    Trial,
}

impl Phase {
    /// The name in logs and status.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admitting => "admitting",
            Self::Ejected => "ejected",
            Self::Trial => "trial",
        }
    }
}

/// The standing of one endpoint, shared by all workers and the control plane.
#[derive(Debug)]
pub struct Standing(AtomicU64);

/// The parts of the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) health: Health,
    pub(crate) phase: Phase,
    pub(crate) ramp: u16,
    /// Milliseconds; 0 when a ramp waits for the first look at the clock.
    pub(crate) since: u64,
}

/// Where an endpoint stood, for the process that takes the place of this one. The clock of both is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stood {
    /// What probes said.
    pub health: Health,
    /// What traffic said.
    pub phase: Phase,
    /// The share that slow start allowed, in thousandths.
    pub ramp: u16,
    /// When the phase or the ramp began, in milliseconds.
    pub since_ms: u64,
}

/// The bits of a share or a ramp.
const SHARE: u64 = 0x3ff;

/// 34 years of milliseconds.
const SINCE: u64 = (1 << 40) - 1;

impl Standing {
    /// The full share.
    pub const FULL: u16 = FULL;

    /// The most of its share that an endpoint on trial gets.
    pub const TRIAL: u16 = 50;

    /// The standing of a new endpoint. A ramp begins when [`Standing::climb`] first sees it.
    #[must_use]
    pub fn new(health: Health, entry: Entry) -> Self {
        let parts = Parts {
            health,
            phase: Phase::Admitting,
            ramp: entry.share(),
            since: 0,
        };
        Self(AtomicU64::new(parts.pack()))
    }

    /// Which part of its weight the endpoint gets, in thousandths; 0 takes nothing.
    #[inline]
    #[must_use]
    pub fn share(&self) -> u16 {
        (self.0.load(Ordering::Relaxed) & SHARE) as u16
    }

    /// What probes say.
    #[must_use]
    pub fn health(&self) -> Health {
        self.parts().health
    }

    /// What traffic says.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.parts().phase
    }

    /// The share that slow start allows.
    #[must_use]
    pub fn ramp(&self) -> u16 {
        self.parts().ramp
    }

    /// Everything, for another process.
    #[must_use]
    pub fn stood(&self) -> Stood {
        let Parts {
            health,
            phase,
            ramp,
            since,
        } = self.parts();
        Stood {
            health,
            phase,
            ramp,
            since_ms: since,
        }
    }

    /// Goes on from where the endpoint stood in another process. Health only where both probe it: whether an endpoint has
    /// probes, this process's configuration says.
    pub fn restore(&self, stood: Stood) {
        self.change(|parts| {
            let is_probed = parts.health != Health::Unprobed && stood.health != Health::Unprobed;
            Some(Parts {
                health: if is_probed {
                    stood.health
                } else {
                    parts.health
                },
                phase: stood.phase,
                ramp: stood.ramp.min(FULL),
                since: stood.since_ms & SINCE,
            })
        });
    }

    /// Whether nothing keeps the endpoint from its share but slow start. One relaxed load, for the hot path.
    #[inline]
    #[must_use]
    pub fn is_admitting(&self) -> bool {
        Parts::phase_of(self.0.load(Ordering::Relaxed)) == Phase::Admitting
    }

    /// Sets what probes say. Tells what they said before, when that was something else. An endpoint that comes back into
    /// the rotation does so by `entry`; a ramp begins at `now_ms`.
    #[must_use = "a change is worth a line in the log"]
    pub fn set_health(&self, to: Health, entry: Entry, now_ms: u64) -> Option<Health> {
        self.change(|parts| {
            if parts.health == to {
                return None;
            }
            let returns = to.admits() && !parts.health.admits();
            let begins = returns && entry == Entry::Slow && parts.phase == Phase::Admitting;
            Some(Parts {
                health: to,
                ramp: if returns { entry.share() } else { parts.ramp },
                since: if begins { stamp(now_ms) } else { parts.since },
                ..parts
            })
        })
        .map(|before| before.health)
    }

    /// Moves from one phase to another; `false` when it was not in `from` (any more). Into [`Phase::Admitting`] it goes by
    /// `entry`.
    #[must_use = "another thread may have been faster"]
    pub fn set_phase(&self, from: Phase, to: Phase, entry: Entry, now_ms: u64) -> bool {
        self.change(|parts| {
            (parts.phase == from && from != to).then(|| Parts {
                phase: to,
                ramp: if to == Phase::Admitting {
                    entry.share()
                } else {
                    parts.ramp
                },
                since: stamp(now_ms),
                ..parts
            })
        })
        .is_some()
    }

    /// Begins the phase it is in anew; `false` when it is in another.
    pub(crate) fn restart(&self, phase: Phase, now_ms: u64) -> bool {
        self.change(|parts| {
            (parts.phase == phase).then_some(Parts {
                since: stamp(now_ms),
                ..parts
            })
        })
        .is_some()
    }

    /// Brings the ramp to where it is at this moment: the control plane's clock calls it ten times a second. Tells where
    /// it stands now, when it moved. An endpoint that takes no requests does not climb.
    pub fn climb(&self, window: Duration, now_ms: u64) -> Option<u16> {
        let mut reached = 0;
        self.change(|parts| {
            if parts.ramp == FULL || parts.phase != Phase::Admitting || !parts.health.admits() {
                return None;
            }
            let since = if parts.since == 0 {
                stamp(now_ms)
            } else {
                parts.since
            };
            let ramp = slow_start::share(elapsed(since, now_ms), window).max(parts.ramp);
            reached = ramp;
            let next = Parts {
                ramp,
                since,
                ..parts
            };
            (next != parts).then_some(next)
        })
        .filter(|before| before.ramp != reached)
        .map(|_| reached)
    }

    /// All parts at one moment. What was written before a phase was set is seen by who sees the phase.
    pub(crate) fn parts(&self) -> Parts {
        Parts::unpack(self.0.load(Ordering::Acquire))
    }

    /// Replaces the parts by what `next` makes of them, however often others are faster; gives those before.
    fn change(&self, mut next: impl FnMut(Parts) -> Option<Parts>) -> Option<Parts> {
        let mut seen = self.0.load(Ordering::Acquire);
        loop {
            let to = next(Parts::unpack(seen))?.pack();
            match self
                .0
                .compare_exchange(seen, to, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Some(Parts::unpack(seen)),
                Err(current) => seen = current,
            }
        }
    }
}

impl Parts {
    /// The time since the phase or the ramp began.
    pub(crate) const fn elapsed(self, now_ms: u64) -> Duration {
        elapsed(self.since, now_ms)
    }

    /// Whether what began at `began_ms` began in this phase.
    pub(crate) const fn covers(self, began_ms: u64) -> bool {
        stamp(began_ms) >= self.since
    }

    const fn share(self) -> u16 {
        if !self.health.admits() {
            return 0;
        }
        match self.phase {
            Phase::Admitting => self.ramp,
            Phase::Ejected => 0,
            Phase::Trial if self.ramp < Standing::TRIAL => self.ramp,
            Phase::Trial => Standing::TRIAL,
        }
    }

    const fn pack(self) -> u64 {
        self.share() as u64
            | (self.ramp as u64) << 10
            | (self.health as u64) << 20
            | (self.phase as u64) << 22
            | self.since << 24
    }

    const fn unpack(word: u64) -> Self {
        let health = match word >> 20 & 3 {
            0 => Health::Unprobed,
            1 => Health::Waiting,
            2 => Health::Up,
            _ => Health::Down,
        };
        Self {
            health,
            phase: Self::phase_of(word),
            ramp: (word >> 10 & SHARE) as u16,
            since: word >> 24,
        }
    }

    const fn phase_of(word: u64) -> Phase {
        match word >> 22 & 3 {
            0 => Phase::Admitting,
            1 => Phase::Ejected,
            _ => Phase::Trial,
        }
    }
}

/// A moment as it is kept: 40 bits, and never the 0 that says there is none.
const fn stamp(now_ms: u64) -> u64 {
    let kept = now_ms & SINCE;
    if kept == 0 { 1 } else { kept }
}

/// The time between a kept moment and now; none when workers' clocks disagree about which is earlier.
const fn elapsed(since: u64, now_ms: u64) -> Duration {
    let millis = now_ms.wrapping_sub(since) & SINCE;
    if millis > SINCE / 2 {
        Duration::ZERO
    } else {
        Duration::from_millis(millis)
    }
}

#[cfg(test)]
mod tests;
