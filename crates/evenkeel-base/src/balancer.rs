//! Which balancer a cluster uses: the name that configuration, command line and code share.

use std::fmt;

/// The balancers of this version; one file each in `evenkeel-policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BalancerKind {
    /// Two random choices by weight, the one with fewer requests in flight for its weight wins.
    #[default]
    LeastRequest,
    /// Smooth weighted rotation, strict for equal weights and for the whole process.
    RoundRobin,
    /// A random endpoint, by weight.
    Random,
}

impl BalancerKind {
    /// All of them, in the order the reference manual lists them.
    pub const ALL: [Self; 3] = [Self::LeastRequest, Self::RoundRobin, Self::Random];

    /// The name in the configuration file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LeastRequest => "least-request",
            Self::RoundRobin => "round-robin",
            Self::Random => "random",
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
        }
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
