//! Which balancer a cluster uses: the name that configuration, command line and code share.

use std::fmt;

/// The balancers; one file each in `evenkeel-policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BalancerKind {
    /// Two random choices by weight, the one with fewer requests in flight for its weight wins.
    #[default]
    LeastRequest,
    /// Smooth weighted rotation, strict for equal weights and for the whole process.
    RoundRobin,
    /// A random endpoint, by weight.
    Random,
    /// Of all endpoints the one with the fewest requests and tunnels for its weight, in rotation where several have as few.
    LeastConnections,
    /// Two random choices, the one with the lower product of latency (quick to rise, slow to fall) and load wins.
    PeakEwma,
    /// Of all endpoints the one with the lowest product of average latency and load.
    LeastTime,
    /// A pool of recent readings of load and latency; the quickest endpoint that is not hot wins.
    Prequal,
    /// Random, by weights that follow the load that endpoints report in their responses (ORCA).
    ReportedLoad,
    /// Consistent hashing on a ring (ketama).
    RingHash,
    /// Consistent hashing by a lookup table (Maglev).
    Maglev,
    /// Consistent hashing by the highest score (rendezvous).
    Rendezvous,
    /// The first endpoint in the file's order that has room.
    FirstAvailable,
}

impl BalancerKind {
    /// All of them, in the order the reference manual lists them.
    pub const ALL: [Self; 12] = [
        Self::LeastRequest,
        Self::RoundRobin,
        Self::Random,
        Self::LeastConnections,
        Self::PeakEwma,
        Self::LeastTime,
        Self::Prequal,
        Self::ReportedLoad,
        Self::RingHash,
        Self::Maglev,
        Self::Rendezvous,
        Self::FirstAvailable,
    ];

    /// The name in the configuration file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LeastRequest => "least-request",
            Self::RoundRobin => "round-robin",
            Self::Random => "random",
            Self::LeastConnections => "least-connections",
            Self::PeakEwma => "peak-ewma",
            Self::LeastTime => "least-time",
            Self::Prequal => "prequal",
            Self::ReportedLoad => "reported-load",
            Self::RingHash => "ring-hash",
            Self::Maglev => "maglev",
            Self::Rendezvous => "rendezvous",
            Self::FirstAvailable => "first-available",
        }
    }

    /// What it does, in a line for the reference manual.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::LeastRequest => {
                "two random choices by weight; the one with fewer requests in flight for its weight"
            }
            Self::RoundRobin => {
                "smooth weighted rotation, strict for equal weights and for the whole process"
            }
            Self::Random => "a random endpoint, by weight",
            Self::LeastConnections => {
                "of all endpoints the one with the fewest requests and tunnels for its weight; in rotation where several have as few"
            }
            Self::PeakEwma => {
                "two random choices by weight; the one with the lower product of latency and load, where latency rises at once and falls slowly"
            }
            Self::LeastTime => {
                "of all endpoints the one with the lowest product of average latency and load for its weight"
            }
            Self::Prequal => {
                "the quickest endpoint that is not hot, by a pool of recent readings of load and latency"
            }
            Self::ReportedLoad => {
                "a random endpoint, by weights that follow the load that endpoints report in their responses"
            }
            Self::RingHash => "consistent hashing on a ring (ketama)",
            Self::Maglev => "consistent hashing by a lookup table (Maglev)",
            Self::Rendezvous => "consistent hashing by the highest score (rendezvous)",
            Self::FirstAvailable => "the first endpoint in the file's order that has room",
        }
    }

    /// Whether it picks by a hash of the request.
    #[must_use]
    pub const fn hashes(self) -> bool {
        matches!(self, Self::RingHash | Self::Maglev | Self::Rendezvous)
    }

    /// The balancer of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for BalancerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
