//! The balancing experiment: one scenario, played by real processes and by the simulator, with one balancer after the other.
//!
//! ```text
//! slow-endpoint.toml ──▶ trial (with one balancer) ──▶ simulator, with several seeds ──▶ figures ──┐
//!                                    └──▶ evenkeel, six origins, an open-loop client ──▶ figures ──┴──▶ does the order hold?
//! ```
//!
//! Both come from the same text, so that nobody can let them diverge: the simulator reads it, and from what it has read the
//! origins are set up, the client's rate is computed and evenkeel is configured. Service is sleep, so that the processor is nowhere
//! the limit.

mod figures;
mod order;
mod page;
mod trial;

pub use figures::{Figures, Spread};
pub use order::{Pair, pairs};
pub use page::{DISTURBED, Row, TRIES, page};
pub use trial::Trial;

/// The scenario.
pub const SCENARIO: &str = include_str!("experiment/slow-endpoint.toml");

/// A balancer that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entrant {
    /// What tables call it.
    pub name: &'static str,
    /// Its line in the cluster, the simulated one and the real one.
    pub line: &'static str,
}

/// All that are compared.
pub const ALL: [Entrant; 9] = [
    Entrant {
        name: "random",
        line: "balancer = \"random\"",
    },
    Entrant {
        name: "round-robin",
        line: "balancer = \"round-robin\"",
    },
    // Each request has a key of its own: hashing that knows no load, as a contrast.
    Entrant {
        name: "maglev",
        line: "balancer = { kind = \"maglev\", key = \"header:x-bad-day-id\" }",
    },
    Entrant {
        name: "least-request",
        line: "balancer = \"least-request\"",
    },
    Entrant {
        name: "least-request-all",
        line: "balancer = { kind = \"least-request\", choices = \"all\" }",
    },
    Entrant {
        name: "least-connections",
        line: "balancer = \"least-connections\"",
    },
    Entrant {
        name: "peak-ewma",
        line: "balancer = \"peak-ewma\"",
    },
    Entrant {
        name: "least-time",
        line: "balancer = \"least-time\"",
    },
    Entrant {
        name: "prequal",
        line: "balancer = \"prequal\"",
    },
];

impl Entrant {
    /// The one with this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        ALL.into_iter().find(|one| one.name == name)
    }
}
