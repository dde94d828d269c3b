//! Floor 2: the meeting place of the planes.
//!
//! Control compiles a checked configuration into one immutable [`Snapshot`] and publishes it; the data plane reads it
//! through a [`Reader`] per worker; both share what outlives snapshots: [`EndpointState`] and [`ClusterState`] with its
//! [limits], rate limits, and who has how many connections. Others plug in a [`Source`] of endpoints. No socket is opened and
//! no request is seen here.

pub mod change;
pub mod clients;
pub mod cluster;
pub mod command;
pub mod compile;
pub mod counters;
pub mod decide;
pub mod dial;
pub mod discovery;
pub mod endpoint;
pub mod events;
pub mod failing;
pub mod histogram;
pub mod inheritance;
pub mod life;
pub mod limits;
pub mod listener;
pub mod names;
pub mod overlay;
pub mod pressure;
pub mod probe_log;
pub mod publish;
pub mod reclaim;
pub mod snapshot;
pub mod sticky;
pub mod trace;
pub mod traffic;

mod rates;
mod splits;
mod sync;

pub use change::Change;
pub use clients::{ClientConnection, ClientConnections};
pub use cluster::ClusterState;
pub use compile::{Lists, NotThere, Registry, Unfit, served_lists};
pub use counters::{EndpointCounters, WorkerCounters};
pub use dial::Dial;
pub use discovery::{Found, Look, Resolved, Service, Sought, Source};
pub use endpoint::{Endpoint, EndpointState, InFlight};
pub use events::Events;
pub use failing::Failing;
pub use inheritance::{Inheritance, Legacy};
pub use life::Life;
pub use limits::{ClusterLimits, Full, KeptPermit, Newcomer, OpenConnection, Permit, Ticket};
pub use listener::ListenerState;
pub use names::{HeldNames, KeptNames, Names};
pub use overlay::{Ordered, Overlay};
pub use pressure::Pressure;
pub use probe_log::{ProbeLog, ProbeResult};
pub use publish::{Handle, Publisher, Reader};
pub use reclaim::{Letter, Reclaim};
pub use snapshot::{ClusterSnapshot, EndpointSet, RouteSplit, Side, Snapshot};
pub use sticky::Sticky;
pub use trace::Traces;
pub use traffic::{Ended, Traffic};
