//! How much at once, how much in a time, and who waits.

use std::fmt;
use std::time::Duration;

/// Caps of a cluster, for the whole process. [`u32::MAX`] is no cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitRules {
    /// Requests in flight to the whole cluster.
    pub requests: u32,
    /// Requests in flight to one endpoint.
    pub endpoint_requests: EndpointLimit,
    /// Open connections to the whole cluster, idle ones included.
    pub connections: u32,
    /// Open connections to one endpoint, idle ones included.
    pub endpoint_connections: u32,
    /// Where requests wait that find every endpoint at its limit.
    pub queue: QueueRules,
}

impl LimitRules {
    /// What holds when the configuration says nothing else: no caps.
    pub const DEFAULT: Self = Self {
        requests: u32::MAX,
        endpoint_requests: EndpointLimit::Off,
        connections: u32::MAX,
        endpoint_connections: u32::MAX,
        queue: QueueRules::DEFAULT,
    };

    /// Whether there is any cap; without one the road of a request touches none of this.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.requests == u32::MAX
            && matches!(self.endpoint_requests, EndpointLimit::Off)
            && self.connections == u32::MAX
            && self.endpoint_connections == u32::MAX
    }
}

/// How many requests one endpoint may have in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointLimit {
    /// Any number.
    Off,
    /// So many.
    Fixed(u32),
    /// As many as its latency shows that it can bear.
    Adaptive(AdaptiveRules),
}

/// Adaptive concurrency: the limit follows the gradient of latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdaptiveRules {
    /// It never falls below this,
    pub min: u32,
    /// never rises above this,
    pub max: u32,
    /// and begins here.
    pub initial: u32,
    /// Latency may rise by so many percent above what it is without load before the limit falls.
    pub tolerance_percent: u32,
}

impl AdaptiveRules {
    /// What holds when the configuration says nothing else.
    pub const DEFAULT: Self = Self {
        min: 3,
        max: 1_000,
        initial: 20,
        tolerance_percent: 50,
    };
}

/// The queue of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueRules {
    /// So many requests wait at most; 0: none, they are answered 503 at once.
    pub size: u32,
    /// No request waits longer.
    pub timeout: Duration,
    /// A wait that was longer than this for the whole interval is a standing queue, and requests are dropped from its front
    /// until it is not (`CoDel`, RFC 8289).
    pub target: Duration,
    /// See `target`.
    pub interval: Duration,
}

impl QueueRules {
    /// What holds when the configuration says nothing else.
    pub const DEFAULT: Self = Self {
        size: 1_024,
        timeout: Duration::from_secs(1),
        target: Duration::from_millis(50),
        interval: Duration::from_millis(250),
    };
}

/// Who waits in a queue in front of whom, by route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Goes last, and gives its place in a full queue to others.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Goes first.
    High,
}

impl Priority {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    /// The name in the configuration file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A rate limit of a route: a token bucket for each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateRules {
    /// So many requests
    pub requests: u32,
    /// in this time, for each key,
    pub per: Duration,
    /// and so many at once.
    pub burst: u32,
    /// What is counted apart.
    pub key: RateKey,
    /// So many keys are remembered; those that were quiet for longest are forgotten first.
    pub keys: u32,
    /// Only counts and logs what it would have refused.
    pub dry_run: bool,
}

impl RateRules {
    /// No rate is higher: a token then comes every microsecond.
    pub const MOST_PER_SECOND: u32 = 1_000_000;

    /// No burst takes longer to come back, so that a key's time fits into few bits.
    pub const LONGEST_REFILL: Duration = Duration::from_hours(7 * 24);

    /// How many keys are remembered when the configuration says nothing else: 512 KiB.
    pub const DEFAULT_KEYS: u32 = 65_536;
}

/// What requests of a rate limit are counted apart by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateKey {
    /// Not at all: one bucket for the route.
    Route,
    /// The client's address; of IPv6 the first 64 bits, since that is what one subscriber gets.
    Client,
    /// The value of this field, whose name is in lower case; requests without it share a bucket.
    Header(String),
    /// The value of this cookie; requests without it share a bucket.
    Cookie(String),
    /// The path.
    Path,
}
