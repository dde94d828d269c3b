//! Who picks, and the numbers it picks by.

use std::time::Duration;

use crate::balancer::BalancerKind;

/// A balancer with its numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum BalancerRules {
    /// [`BalancerKind::LeastRequest`].
    LeastRequest {
        /// How many endpoints are compared.
        choices: Choices,
    },
    /// [`BalancerKind::RoundRobin`].
    RoundRobin,
    /// [`BalancerKind::Random`].
    Random,
    /// [`BalancerKind::LeastConnections`].
    LeastConnections,
    /// [`BalancerKind::PeakEwma`].
    PeakEwma {
        /// After so long without a peak, what is left of it has fallen to 1/e.
        decay: Duration,
    },
    /// [`BalancerKind::LeastTime`].
    LeastTime {
        /// After so long, an old latency weighs 1/e of a new one.
        decay: Duration,
    },
    /// [`BalancerKind::Prequal`].
    Prequal(PrequalRules),
    /// [`BalancerKind::ReportedLoad`].
    ReportedLoad(ReportedRules),
    /// [`BalancerKind::RingHash`], [`BalancerKind::Maglev`] or [`BalancerKind::Rendezvous`].
    Hash(HashRules),
    /// [`BalancerKind::FirstAvailable`].
    FirstAvailable,
}

impl BalancerRules {
    /// What a cluster has that does not say.
    pub const DEFAULT: Self = Self::LeastRequest {
        choices: Choices::DEFAULT,
    };

    /// What [`BalancerRules::PeakEwma`] has that does not say: what Finagle, which it is from, uses.
    pub const PEAK_DECAY: Duration = Duration::from_secs(10);

    /// What [`BalancerRules::LeastTime`] has that does not say.
    pub const AVERAGE_DECAY: Duration = Duration::from_secs(10);

    /// That balancer with its default numbers.
    #[must_use]
    pub fn of(kind: BalancerKind) -> Self {
        match kind {
            BalancerKind::LeastRequest => Self::DEFAULT,
            BalancerKind::RoundRobin => Self::RoundRobin,
            BalancerKind::Random => Self::Random,
            BalancerKind::LeastConnections => Self::LeastConnections,
            BalancerKind::PeakEwma => Self::PeakEwma {
                decay: Self::PEAK_DECAY,
            },
            BalancerKind::LeastTime => Self::LeastTime {
                decay: Self::AVERAGE_DECAY,
            },
            BalancerKind::Prequal => Self::Prequal(PrequalRules::DEFAULT),
            BalancerKind::ReportedLoad => Self::ReportedLoad(ReportedRules::DEFAULT),
            BalancerKind::RingHash => Self::Hash(HashRules::of(HashTable::Ring)),
            BalancerKind::Maglev => Self::Hash(HashRules::of(HashTable::Maglev)),
            BalancerKind::Rendezvous => Self::Hash(HashRules::of(HashTable::Rendezvous)),
            BalancerKind::FirstAvailable => Self::FirstAvailable,
        }
    }

    /// Which balancer it is.
    #[must_use]
    pub const fn kind(&self) -> BalancerKind {
        match self {
            Self::LeastRequest { .. } => BalancerKind::LeastRequest,
            Self::RoundRobin => BalancerKind::RoundRobin,
            Self::Random => BalancerKind::Random,
            Self::LeastConnections => BalancerKind::LeastConnections,
            Self::PeakEwma { .. } => BalancerKind::PeakEwma,
            Self::LeastTime { .. } => BalancerKind::LeastTime,
            Self::Prequal(_) => BalancerKind::Prequal,
            Self::ReportedLoad(_) => BalancerKind::ReportedLoad,
            Self::Hash(rules) => match rules.table {
                HashTable::Ring => BalancerKind::RingHash,
                HashTable::Maglev => BalancerKind::Maglev,
                HashTable::Rendezvous => BalancerKind::Rendezvous,
            },
            Self::FirstAvailable => BalancerKind::FirstAvailable,
        }
    }
}

impl BalancerRules {
    /// What requests are told apart by; nothing where all are alike.
    #[inline]
    #[must_use]
    pub fn key(&self) -> &[KeyPart] {
        match self {
            Self::Hash(rules) => &rules.key,
            _ => &[],
        }
    }

    /// The response field in which endpoints report their load, in lower case.
    #[must_use]
    pub fn report_field(&self) -> &str {
        match self {
            Self::Prequal(PrequalRules {
                signals: Signals::Header(name),
                ..
            }) => name,
            _ => "endpoint-load-metrics",
        }
    }
}

/// How many endpoints are compared for a pick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choices {
    /// So many at random, 2 to [`Choices::MOST`].
    Some(u8),
    /// All of them.
    All,
}

impl Choices {
    /// Two: the second brings nearly all that further ones would (Mitzenmacher 2001).
    pub const DEFAULT: Self = Self::Some(2);

    /// More than so many are better all of them.
    pub const MOST: u8 = 16;
}

/// How Prequal picks (Wydrowski and others, "Load is not what you should balance: Introducing Prequal", NSDI 2024).
#[derive(Clone, Debug, PartialEq)]
pub struct PrequalRules {
    /// Where readings of load and latency come from.
    pub signals: Signals,
    /// Readings taken for each request.
    pub probe_rate: f32,
    /// Readings thrown away for each request, in turn the oldest and the worst.
    pub remove_rate: f32,
    /// Readings kept, 2 to [`PrequalRules::MOST_POOLED`].
    pub pool: u8,
    /// Readings older than this are not used.
    pub max_age: Duration,
    /// Endpoints with more requests in flight than this part of recent readings are hot, in thousandths.
    pub hot_quantile: u16,
}

impl PrequalRules {
    /// The paper's, but for `hot_quantile`, which is 840 there: that is for a hundred clients with few requests in flight each. Fewer
    /// clients with more herd by it.
    pub const DEFAULT: Self = Self {
        signals: Signals::Own,
        probe_rate: 3.0,
        remove_rate: 1.0,
        pool: 16,
        max_age: Duration::from_secs(1),
        hot_quantile: 250,
    };

    /// The most readings that can be kept.
    pub const MOST_POOLED: u8 = 16;
}

/// Where readings of an endpoint's load and latency come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signals {
    /// What evenkeel itself counts and measures.
    Own,
    /// What the endpoint says in the response field of this name, in lower case.
    Header(String),
    /// What the endpoint answers to a request for this path.
    Probe(String),
}

/// How reported load becomes weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReportedRules {
    /// How often weights are made anew.
    pub interval: Duration,
    /// How much errors count against an endpoint: errors per request times this is added to its utilization.
    pub error_penalty: f32,
    /// Reports older than this are forgotten.
    pub expire: Duration,
}

impl ReportedRules {
    /// Those of gRPC's `weighted_round_robin` (proposal A58).
    pub const DEFAULT: Self = Self {
        interval: Duration::from_secs(1),
        error_penalty: 1.0,
        expire: Duration::from_mins(3),
    };
}

/// How a request's hash finds its endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashRules {
    /// By which table.
    pub table: HashTable,
    /// What is hashed; a request that has none of it goes anywhere.
    pub key: Vec<KeyPart>,
    /// The most requests in flight at one endpoint, in percent of the average (Mirrokni, Thorup and Zadimoghaddam, "Consistent
    /// Hashing with Bounded Loads", SODA 2018); 0: no bound.
    pub bound_percent: u16,
}

impl HashRules {
    /// That table, by the client's address, without a bound.
    #[must_use]
    pub fn of(table: HashTable) -> Self {
        Self {
            table,
            key: vec![KeyPart::Client],
            bound_percent: 0,
        }
    }
}

/// The way from a hash to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashTable {
    /// Points on a ring (Karger and others, STOC 1997; the points of ketama).
    Ring,
    /// A table filled by preference (Eisenbud and others, "Maglev", NSDI 2016).
    Maglev,
    /// The endpoint whose score with the key is the highest (Thaler and Ravishankar, 1996).
    Rendezvous,
}

/// A part of a request that is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPart {
    /// The client's address.
    Client,
    /// The field of this name, in lower case.
    Header(String),
    /// The cookie of this name.
    Cookie(String),
    /// The path.
    Path,
    /// The whole query.
    Query,
    /// The parameter of this name in the query.
    Parameter(String),
}

/// So many tokens of one sticky cookie are looked at and kept, the newest. A client of more clusters that share a name loses its
/// oldest claim; 8 tokens make 183 bytes of every request.
pub const MOST_TOKENS: usize = 8;

/// When requests leave a tier of endpoints, or the own zone, for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierRules {
    /// A tier keeps all requests while at least this percentage of its weight admits, and below it as much as its part of
    /// that; 1 to 100.
    pub spill_below_percent: u8,
    /// Whether endpoints of the own zone are a tier before those of other zones.
    pub prefer_zone: bool,
}

impl TierRules {
    /// Seven of ten endpoints are taken to bear what ten did (Envoy: 1 / 1.4).
    pub const DEFAULT: Self = Self {
        spill_below_percent: 70,
        prefer_zone: true,
    };
}
