//! `GET /api/v1/live`: the picture of the process that is sent every second, and what a watcher gets first. Types only.
//!
//! It is a stream of server-sent events: one `history`, then a `picture` every second. Moments are milliseconds since 1970 and
//! spans milliseconds, latencies microseconds, rates per second. Rates that are 0, and what is empty, are left out. Of large
//! setups it shows a part; [`Bounds`] says how much, and `left_out` how many are missing where.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::view::{Event, Unresolved};

/// The process at one moment, and what went on since the picture before.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Picture {
    /// When.
    pub at_ms: u64,
    /// The time that rates are of.
    pub span_ms: u64,
    /// What an operator should know first.
    pub headline: Problem,
    /// Everything that is not as it should be or was ordered, the worst first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// The process.
    pub process: Process,
    /// What all clients saw.
    pub total: Traffic,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// What is matched: in the order of the configuration, those that fail or are asked when there are too many.
    pub routes: Vec<Route>,
    /// Whom requests go to, those with the worst state first.
    pub clusters: Vec<Cluster>,
    /// What happened since the picture before, the oldest first. A gap in the numbers tells that `GET /api/v1/events` knows more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// The number of the newest event.
    pub last_event: u64,
    /// How many routes are not shown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub routes_left_out: usize,
    /// How many clusters are not shown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub clusters_left_out: usize,
    /// How much is shown at most.
    pub bounds: Bounds,
}

/// How much a picture shows at most.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Bounds {
    /// Listeners.
    pub listeners: usize,
    /// Routes.
    pub routes: usize,
    /// Clusters.
    pub clusters: usize,
    /// Endpoints of one cluster.
    pub cluster_endpoints: usize,
    /// Endpoints of all clusters together.
    pub endpoints: usize,
    /// Names, services and lists of one cluster that are not found.
    #[serde(default)]
    pub unresolved: usize,
    /// Events of one picture.
    pub events: usize,
    /// Problems.
    pub problems: usize,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// As it should be.
    #[default]
    Ok,
    /// Ordered, or it passes: good to know.
    Note,
    /// Something is wrong, and clients are served.
    Warn,
    /// Clients notice, or are about to.
    Bad,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// What, for people: without a time, so that it stays the same for as long as it is the same.
    pub text: String,
    /// Since when; null: it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<u64>,
    /// The cluster that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The fault that most of it comes from; `evenkeel why` knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// The process.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Process {
    /// evenkeel's version.
    pub version: String,
    /// Its id.
    pub pid: u32,
    /// How long it runs.
    pub uptime_ms: u64,
    /// `starting`, `serving` or `draining`.
    pub stage: String,
    /// The generation that is served.
    pub generation: u64,
    /// How near to its limits it is: `normal`, `high`, `critical` or `extreme`.
    pub level: String,
    /// How many workers it has.
    pub workers: usize,
    /// Client connections that are open.
    pub connections: u64,
    /// Requests that are under way to endpoints.
    pub in_flight: u64,
    /// Its configuration file; null: the command line.
    pub file: Option<String>,
    /// When what is served was read.
    pub loaded_ms: u64,
}

/// What went on in the span of the picture.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Traffic {
    /// Requests that ended.
    pub rate: f64,
    /// Those of them that failed: answered 5xx, or an attempt that came to nothing.
    #[serde(default, skip_serializing_if = "is_none")]
    pub errors: f64,
    /// By the class of the status: `2xx`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub responses: BTreeMap<String, f64>,
    /// By fault.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub faults: BTreeMap<String, f64>,
    /// Payload bytes from the client, or from the endpoint.
    #[serde(default, skip_serializing_if = "is_none")]
    pub bytes_in: f64,
    /// Payload bytes to the client, or to the endpoint.
    #[serde(default, skip_serializing_if = "is_none")]
    pub bytes_out: f64,
    /// What half of the requests of the last five to ten seconds took at most: those of a client in all, those of an endpoint
    /// to the head of its response. Null: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<u64>,
    /// The same for 99 of a hundred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<u64>,
}

/// A listener.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// Where it is bound.
    pub address: String,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// What its clients saw.
    #[serde(flatten)]
    pub traffic: Traffic,
}

/// A route.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// What it matches, for people: `GET example.com/api`.
    pub matches: String,
    /// The listeners that it is bound to; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<String>,
    /// The clusters that its requests go to; empty: evenkeel answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<Share>,
    /// What evenkeel answers where no cluster does: `redirect 301`, `answer 200`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub answers: String,
    /// What its clients saw.
    #[serde(flatten)]
    pub traffic: Traffic,
}

/// A cluster's part of a route's requests.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Share {
    /// The cluster.
    pub cluster: String,
    /// Its weight.
    pub weight: u16,
}

/// A cluster.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Who picks an endpoint.
    pub balancer: String,
    /// How bad its state is.
    pub severity: Severity,
    /// Whether too few endpoints admit, so that all are used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub panicking: bool,
    /// How many endpoints it has, by state.
    pub states: BTreeMap<String, usize>,
    /// How many endpoints it has.
    pub size: usize,
    /// Those of them that take requests.
    pub admitting: usize,
    /// Requests that wait for a place.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub queue: u32,
    /// Requests in flight.
    pub in_flight: u64,
    /// Connections to its endpoints.
    pub connections: u64,
    /// Second attempts (retries and hedges).
    #[serde(default, skip_serializing_if = "is_none")]
    pub retries: f64,
    /// Second attempts that its budget did not allow.
    #[serde(default, skip_serializing_if = "is_none")]
    pub retries_refused: f64,
    /// What its endpoints were asked, attempt by attempt; the latencies are of whole exchanges.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// Names, services and lists among its endpoints that could not be looked up the last time, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unresolved: Vec<Unresolved>,
    /// Its endpoints, the worst first.
    pub endpoints: Vec<Endpoint>,
    /// How many endpoints are not shown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub endpoints_left_out: usize,
}

/// An endpoint.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Endpoint {
    /// What orders call it by.
    pub id: String,
    /// Where it is.
    pub address: String,
    /// Whether an operator added it at run time: the configuration has none like it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub added: bool,
    /// `up`, `unprobed`, `slow-start`, `full`, `waiting`, `trial`, `unweighted`, `draining`, `drained`, `maint`, `ejected` or `down`.
    pub state: String,
    /// How bad that is.
    pub severity: Severity,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Since when; null: it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<u64>,
    /// Until when at most; null: as long as it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// `ready`, `drain` or `maint`.
    pub admin: String,
    /// The same as the configuration has it.
    pub configured_admin: String,
    /// A weight that was ordered at run time; null: none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered_weight: Option<u16>,
    /// Its weight.
    pub weight: u16,
    /// How much of its part it gets, in thousandths.
    pub share: u16,
    /// Requests in flight.
    pub in_flight: u32,
    /// How many there may be; null: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Connections.
    pub connections: u32,
    /// Its attempts.
    #[serde(flatten)]
    pub traffic: Traffic,
}

/// The last minutes, second by second: what a watcher gets first.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct History {
    /// When each second was looked at, the oldest first; the columns are of the same length.
    pub at_ms: Vec<u64>,
    /// What clients saw.
    pub total: Columns,
    /// The first clusters of the configuration.
    pub clusters: Vec<ClusterHistory>,
}

/// The last minutes of a cluster.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct ClusterHistory {
    /// Its name.
    pub name: String,
    /// Its numbers. Those before it was there are 0.
    #[serde(flatten)]
    pub columns: Columns,
}

/// Numbers second by second.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Columns {
    /// Requests that ended.
    pub rate: Vec<f32>,
    /// Those of them that failed.
    pub errors: Vec<f32>,
    /// What half of them took at most; 0: there was none.
    pub p50_us: Vec<u32>,
    /// The same for 99 of a hundred.
    pub p99_us: Vec<u32>,
}

fn is_none(rate: &f64) -> bool {
    *rate == 0.0
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

fn is_nothing(count: &u32) -> bool {
    *count == 0
}
