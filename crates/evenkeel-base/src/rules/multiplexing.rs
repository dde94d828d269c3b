//! How connections that carry many requests at once are used towards endpoints.

use std::time::Duration;

/// `http2` of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultiplexRules {
    /// Connections to one endpoint in each worker.
    pub max_connections: u32,
    /// Streams of one connection, where the endpoint allows as many.
    pub max_concurrent_streams: u32,
    /// A connection over which nothing came for this long is asked whether it is alive; [`Duration::MAX`]: never.
    pub ping_interval: Duration,
    /// One that says nothing to that for this long is dead.
    pub ping_timeout: Duration,
}

impl MultiplexRules {
    /// What holds when the configuration says nothing else.
    pub const DEFAULT: Self = Self {
        max_connections: 8,
        max_concurrent_streams: 100,
        ping_interval: Duration::from_secs(30),
        ping_timeout: Duration::from_secs(5),
    };
}
