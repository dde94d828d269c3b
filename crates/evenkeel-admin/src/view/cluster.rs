//! Clusters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Endpoint;

/// A cluster.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Who picks an endpoint.
    pub balancer: String,
    /// Whether too few endpoints admit, so that all are used.
    pub panicking: bool,
    /// `verified` or `unverified` when connections to its endpoints are TLS; null: they are plain.
    #[serde(default)]
    pub tls: Option<String>,
    /// Its endpoints, as names resolve.
    pub endpoints: Vec<Endpoint>,
    /// The names, services and lists among its endpoints that could not be looked up the last time.
    #[serde(default)]
    pub unresolved: Vec<Unresolved>,
}

/// A name, a service or a list that is not found. What was found before, if anything was, holds.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Unresolved {
    /// As it stands in the configuration, or as it was added.
    pub name: String,
    /// Why, for people.
    pub reason: String,
    /// Since when; null: nobody has answered yet.
    pub since: Option<u64>,
}

/// `GET /api/v1/clusters`: a part of them.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Clusters {
    /// The generation that they are of: where it differs from one part to the next, begin again.
    pub generation: u64,
    /// How many there are in all.
    pub total: usize,
    /// Those behind the number that was named.
    pub clusters: Vec<ClusterSummary>,
    /// What `after` has to be for the next part; null: this is the last one.
    pub next: Option<usize>,
}

/// `GET /api/v1/clusters/{cluster}`: a cluster without its endpoints, which are a page of their own.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ClusterSummary {
    /// Its name.
    pub name: String,
    /// Who picks an endpoint.
    pub balancer: String,
    /// Whether too few endpoints admit, so that all are used.
    pub panicking: bool,
    /// `verified` or `unverified` when connections to its endpoints are TLS; null: they are plain.
    pub tls: Option<String>,
    /// The file that lists its endpoints; null: the configuration does.
    pub listed_in: Option<String>,
    /// Whether its endpoints are probed.
    pub probed: bool,
    /// How its endpoints are.
    pub endpoints: EndpointCounts,
    /// The names, services and lists among its endpoints that could not be looked up the last time.
    #[serde(default)]
    pub unresolved: Vec<Unresolved>,
    /// Requests in flight to its endpoints.
    pub in_flight: u64,
    /// Connections to its endpoints.
    pub connections: u64,
    /// Attempts that ended, since each endpoint is known.
    pub requests: u64,
    /// Those of them that ended with a gateway fault.
    pub faults: u64,
}

/// How many endpoints are how: one may be several of these.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct EndpointCounts {
    /// All.
    pub total: usize,
    /// Those that take requests of new clients.
    pub taking: usize,
    /// Those that probes say are down.
    pub down: usize,
    /// Those that wait for their first good probe.
    pub waiting: usize,
    /// Those that traffic has ejected.
    pub ejected: usize,
    /// Those in drain.
    pub drain: usize,
    /// Those in maintenance.
    pub maint: usize,
    /// Those that operators added at run time.
    pub added: usize,
}
