//! What the API shows and takes, as it stands in JSON. Fields are added and never change their meaning; moments are seconds
//! since 1970, spans are seconds. A file for each page, or for what several have in common.

pub mod explain;
pub mod live;

mod cluster;
mod endpoint;
mod event;
mod fault;
mod listener;
mod log;
mod order;
mod route;
mod snapshot;
mod status;

pub use cluster::{Cluster, ClusterSummary, Clusters, EndpointCounts, Unresolved};
pub use endpoint::{
    Configured, Ejection, Endpoint, EndpointOrder, Endpoints, NewEndpoint, Ordered, Probe,
};
pub use event::{Event, Events};
pub use fault::Fault;
pub use listener::{Certificate, Listener, Listeners};
pub use log::{Log, LogOrder};
pub use order::{Done, Fine, Reload, Upgrade, Wrong};
pub use route::{Route, Routes, Share};
pub use snapshot::{Change, Difference, Names, Snapshot};
pub use status::{Config, Failure, OutOfTime, Status};
