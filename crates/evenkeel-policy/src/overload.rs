//! How near the process is to its limits, and what goes first: a level, from the fractions of its resources that are used.
//!
//! A level is entered at once and left slowly: only after the fraction has stayed a margin below it for a second, and one level at a
//! time. Else what a level frees would end it, what comes back would begin it again, and clients would see both.
//! What a level means for connections and requests is the data plane's ([`Level`] says it); who counts is the control plane.

use std::fmt;

use evenkeel_base::rules::Priority;

/// How near the process is to its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Nothing is given up.
    #[default]
    Normal,
    /// What is idle goes: kept connections of clients, the oldest first, and those to endpoints.
    High,
    /// New connections are turned away, and requests of low priority are refused.
    Critical,
    /// Those of normal priority as well.
    Extreme,
}

impl Level {
    /// All of them, the best first.
    pub const ALL: [Self; 4] = [Self::Normal, Self::High, Self::Critical, Self::Extreme];

    /// The level with that number; what is none counts as the worst.
    #[inline]
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Normal,
            1 => Self::High,
            2 => Self::Critical,
            _ => Self::Extreme,
        }
    }

    /// The name in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::High => "high",
            Self::Critical => "critical",
            Self::Extreme => "extreme",
        }
    }

    /// Whether a request of that priority is refused.
    #[inline]
    #[must_use]
    pub const fn refuses(self, priority: Priority) -> bool {
        match priority {
            Priority::Low => self as u8 >= Self::Critical as u8,
            Priority::Normal => self as u8 >= Self::Extreme as u8,
            Priority::High => false,
        }
    }

    /// Whether new connections are turned away.
    #[inline]
    #[must_use]
    pub const fn turns_away(self) -> bool {
        self as u8 >= Self::Critical as u8
    }

    /// Whether what is idle goes.
    #[inline]
    #[must_use]
    pub const fn is_short(self) -> bool {
        self as u8 >= Self::High as u8
    }

    /// From which fraction used on it holds, in thousandths.
    const fn begins(self) -> u64 {
        match self {
            Self::Normal => 0,
            Self::High => 850,
            Self::Critical => 950,
            Self::Extreme => 980,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// So far below its beginning, in thousandths, the fraction has to be before a level ends.
const MARGIN: u64 = 50;

/// And in so many looks in a row: a second of looks every 100 ms.
const CALM: u8 = 10;

/// What can run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// Bytes of memory.
    Memory,
    /// Descriptors of the process.
    Descriptors,
    /// Connections of clients.
    Connections,
}

impl Resource {
    /// All of them; a resource's readings stand at its place in this list.
    pub const ALL: [Self; 3] = [Self::Memory, Self::Descriptors, Self::Connections];

    /// The name in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Descriptors => "descriptors",
            Self::Connections => "connections",
        }
    }

    /// The worst that it leads to. When clients have as many connections as they may, idle ones make room and the next are turned
    /// away at the limit itself; requests on those that are there are none the worse for it.
    const fn worst(self) -> Level {
        match self {
            Self::Memory | Self::Descriptors => Level::Extreme,
            Self::Connections => Level::High,
        }
    }
}

/// How much of a resource is used, and how much there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// What is used.
    pub used: u64,
    /// What there is; [`u64::MAX`] stands for no limit.
    pub most: u64,
}

impl Usage {
    /// A resource without a limit.
    pub const UNLIMITED: Self = Self {
        used: 0,
        most: u64::MAX,
    };

    /// The fraction used, in thousandths. Of nothing everything is used.
    #[must_use]
    pub fn thousandths(self) -> u64 {
        let Self { used, most } = self;
        if most == u64::MAX {
            return 0;
        }
        let fraction = u128::from(used) * 1000 / u128::from(most.max(1));
        u64::try_from(fraction).unwrap_or(u64::MAX)
    }
}

/// The level of one resource.
#[derive(Clone, Copy, Debug, Default)]
struct Gauge {
    level: Level,
    /// Looks in a row that were below it.
    calm: u8,
}

impl Gauge {
    /// Rises when that is due; whether it was.
    fn rise(&mut self, thousandths: u64, worst: Level) -> bool {
        let reached = |level: &&Level| **level <= worst && thousandths >= level.begins();
        let reached = Level::ALL.iter().rfind(reached).copied();
        let reached = reached.unwrap_or_default();
        let rises = reached > self.level;
        if rises {
            *self = Self {
                level: reached,
                calm: 0,
            };
        }
        rises
    }

    fn look(&mut self, thousandths: u64, worst: Level) {
        if self.rise(thousandths, worst) {
            return;
        }
        if thousandths.saturating_add(MARGIN) >= self.level.begins() {
            self.calm = 0;
            return;
        }
        self.calm += 1;
        if self.calm >= CALM {
            *self = Self {
                level: Level::from_number((self.level as u8).saturating_sub(1)),
                calm: 0,
            };
        }
    }
}

/// A change of the level, and the resource that caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it was.
    pub from: Level,
    /// What it is.
    pub to: Level,
    /// Which resource is worst now, or was before, when it is over.
    pub by: Resource,
    /// How much of that is used.
    pub usage: Usage,
}

/// The level of the process: the worst of its resources'.
#[derive(Clone, Debug, Default)]
pub struct Overload {
    gauges: [Gauge; Resource::ALL.len()],
}

impl Overload {
    /// The level now.
    #[must_use]
    pub fn level(&self) -> Level {
        self.gauges[self.worst()].level
    }

    /// Whether idle connections are to go now: a level holds, and its resource has not been below it since the last look. While a
    /// level only waits for its second of calm, what is still there may stay.
    #[must_use]
    pub fn wants_room(&self) -> bool {
        self.gauges
            .iter()
            .any(|gauge| gauge.level.is_short() && gauge.calm == 0)
    }

    /// Takes what a look saw, in the order of [`Resource::ALL`].
    pub fn look(&mut self, usages: [Usage; Resource::ALL.len()]) -> Option<Change> {
        self.change(usages, Gauge::look)
    }

    /// Takes what was seen between two looks: it may raise the level, and says nothing of its end.
    pub fn glance(&mut self, usages: [Usage; Resource::ALL.len()]) -> Option<Change> {
        self.change(usages, |gauge, thousandths, worst| {
            gauge.rise(thousandths, worst);
        })
    }

    fn change(
        &mut self,
        usages: [Usage; Resource::ALL.len()],
        take: impl Fn(&mut Gauge, u64, Level),
    ) -> Option<Change> {
        let (before, from) = (self.worst(), self.level());
        for (at, usage) in usages.iter().enumerate() {
            take(
                &mut self.gauges[at],
                usage.thousandths(),
                Resource::ALL[at].worst(),
            );
        }
        let to = self.level();
        let by = if to > from { self.worst() } else { before };
        (to != from).then_some(Change {
            from,
            to,
            by: Resource::ALL[by],
            usage: usages[by],
        })
    }

    /// The first of the resources whose level is the worst.
    fn worst(&self) -> usize {
        let mut worst = 0;
        for (at, gauge) in self.gauges.iter().enumerate() {
            if gauge.level > self.gauges[worst].level {
                worst = at;
            }
        }
        worst
    }
}

/// How much may still be taken of a resource before new connections are turned away; [`u64::MAX`] where nothing limits it.
#[must_use]
pub fn room_within(usage: Usage) -> u64 {
    let Usage { used, most } = usage;
    if most == u64::MAX {
        return u64::MAX;
    }
    (most / 1000 * Level::Critical.begins()).saturating_sub(used)
}

/// So many client connections may be open with so many descriptors, of which the process itself has `own`: two thirds of the others.
/// A third is kept for the way to endpoints, so that clients that were accepted can be served; most of those connections are shared
/// by requests, so fewer are needed than clients have.
#[must_use]
pub fn connections_within(descriptors: u64, own: u64) -> u64 {
    (descriptors.saturating_sub(own) / 3 * 2).max(1)
}

#[cfg(test)]
mod tests;
