//! Floor 2: the meeting place of the planes.
//!
//! Control compiles a checked configuration into one immutable [`Snapshot`] and publishes it; the data plane reads it
//! through a [`Reader`] per worker; both share what outlives snapshots: [`EndpointState`] and [`ClusterState`] with its
//! [limits], rate limits, and who has how many connections. No socket is opened and no request is seen here.

pub mod clients;
pub mod cluster;
pub mod compile;
pub mod counters;
pub mod endpoint;
pub mod histogram;
pub mod limits;
pub mod probe_log;
pub mod publish;
pub mod reclaim;
pub mod snapshot;

mod rates;
mod sync;

pub use clients::{ClientConnection, ClientConnections};
pub use cluster::ClusterState;
pub use compile::{Registry, Resolved};
pub use counters::{EndpointCounters, WorkerCounters};
pub use endpoint::{Endpoint, EndpointState, InFlight};
pub use limits::{ClusterLimits, Full, Newcomer, OpenConnection, Permit, Ticket};
pub use probe_log::{ProbeLog, ProbeResult};
pub use publish::{Handle, Publisher, Reader};
pub use reclaim::{Letter, Reclaim};
pub use snapshot::{ClusterSnapshot, EndpointSet, Snapshot};
