//! When an endpoint counts as up, and when traffic itself shows that it is not.

use std::fmt;
use std::time::Duration;

/// What an operator ordered for an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AdminState {
    /// It takes requests.
    #[default]
    Ready,
    /// It takes no new requests and finishes those it has; it is still probed.
    Drain,
    /// It takes no new requests and is not probed.
    Maint,
}

impl AdminState {
    /// All of them, in the order the reference manual lists them.
    pub const ALL: [Self; 3] = [Self::Ready, Self::Drain, Self::Maint];

    /// The name in the configuration file and in commands.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maint => "maint",
        }
    }
}

impl fmt::Display for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How often an endpoint is probed, and how many results change its health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeRules {
    /// From one probe of a settled endpoint to the next.
    pub interval: Duration,
    /// The same while its health is about to change, in either direction.
    pub changing_interval: Duration,
    /// The same while it is down.
    pub down_interval: Duration,
    /// By how many percent an interval varies either way, so that many endpoints (and many evenkeels) do not probe in step.
    pub jitter_percent: u8,
    /// How long one probe may take.
    pub timeout: Duration,
    /// So many good results in a row make an endpoint up.
    pub rise: u16,
    /// So many bad results in a row make it down.
    pub fall: u16,
}

impl ProbeRules {
    /// What holds when the configuration says nothing else.
    pub const DEFAULT: Self = Self {
        interval: Duration::from_secs(5),
        changing_interval: Duration::from_secs(1),
        down_interval: Duration::from_secs(5),
        jitter_percent: 20,
        timeout: Duration::from_secs(2),
        rise: 2,
        fall: 3,
    };
}

/// When real traffic ejects an endpoint, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutlierRules {
    /// So many gateway faults in a row eject; 0: never.
    pub consecutive_faults: u32,
    /// This percentage of gateway faults within the window ejects; 0: never.
    pub fault_percent: u8,
    /// A median latency of this many times that of the cluster's other endpoints, within the window, ejects; 0: never.
    pub latency_factor: f32,
    /// Percentage and latency are judged over this time,
    pub window: Duration,
    /// and only with at least so many requests to the endpoint in it.
    pub min_requests: u32,
    /// How long the first ejection lasts; each one that follows soon lasts twice as long,
    pub base_ejection: Duration,
    /// up to this.
    pub max_ejection: Duration,
    /// At most this percentage of a cluster (rounded up) is ejected, and never its last endpoint.
    pub max_ejected_percent: u8,
}

impl OutlierRules {
    /// What holds when the configuration says nothing else.
    pub const DEFAULT: Self = Self {
        consecutive_faults: 5,
        fault_percent: 0,
        latency_factor: 0.0,
        window: Duration::from_secs(10),
        min_requests: 50,
        base_ejection: Duration::from_secs(10),
        max_ejection: Duration::from_mins(5),
        max_ejected_percent: 50,
    };

    /// Nothing ejects.
    pub const OFF: Self = Self {
        consecutive_faults: 0,
        ..Self::DEFAULT
    };

    /// Whether nothing ejects.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.consecutive_faults == 0 && self.fault_percent == 0 && self.latency_factor <= 0.0
    }
}
