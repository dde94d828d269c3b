//! What the API shows and takes, as it stands in JSON. Fields are added and never change their meaning; moments are seconds
//! since 1970, spans are seconds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `GET /api/v1/status`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Status {
    /// evenkeel's version.
    pub version: String,
    /// The id of the process.
    pub pid: u32,
    /// How long it runs.
    pub uptime: u64,
    /// `starting`, `serving` or `draining`.
    pub state: String,
    /// The generation that is served: it counts up with every change.
    pub generation: u64,
    /// How many workers it has.
    pub workers: usize,
    /// Client connections that are open.
    pub connections: u64,
    /// Requests that are under way to endpoints of this generation.
    pub active: u64,
    /// Requests since the start.
    pub requests: u64,
    /// Access records since the start that the log did not take.
    #[serde(default)]
    pub access_records_lost: u64,
    /// What is served.
    pub config: Config,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// Whom it forwards to.
    pub clusters: Vec<Cluster>,
}

/// The configuration that is served.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Config {
    /// Its file; null: the command line.
    pub file: Option<String>,
    /// When it was read.
    pub loaded_at: u64,
    /// Why the last reload changed nothing; null: it went well, or there was none.
    pub error: Option<Failure>,
    /// Which certificates could not be read anew; null: all could.
    #[serde(default)]
    pub certificates_error: Option<Failure>,
    /// How much of its trial is left; null: it is on none.
    pub trial_left: Option<u64>,
}

/// What went wrong with a reload.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// When.
    pub at: u64,
    /// What, for people.
    pub text: String,
}

/// A listener.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// Where it is bound.
    pub address: String,
    /// Its certificates; empty: it speaks without TLS.
    #[serde(default)]
    pub certificates: Vec<Certificate>,
}

/// A certificate of a listener.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// The file that it was read from.
    pub file: String,
    /// The hosts that it is for.
    pub hosts: Vec<String>,
    /// Its SHA-256.
    pub fingerprint: String,
    /// The last second of its validity.
    pub expires_at: i64,
    /// Whole days until then; less than 0: it has expired.
    pub days_left: i64,
}

/// A cluster.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
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
}

/// An endpoint.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Endpoint {
    /// What orders call it by.
    pub id: String,
    /// Where it is.
    pub address: String,
    /// Its weight as it counts now.
    pub weight: u16,
    /// `ready`, `drain` or `maint`, as it counts now.
    pub admin: String,
    /// What the configuration says.
    pub configured: Configured,
    /// What was ordered at run time, over the configuration; null: nothing.
    pub ordered: Option<Ordered>,
    /// `up`, `down`, `waiting` or `unprobed`.
    pub health: String,
    /// The last probe; null: there was none.
    pub probe: Option<Probe>,
    /// `admitting`, `ejected` or `trial`.
    pub phase: String,
    /// Why it is ejected, and for how long still; null: it is not.
    pub ejection: Option<Ejection>,
    /// How much of its part it gets, in thousandths: less than 1,000 in slow start or on trial.
    pub share: u16,
    /// Requests in flight.
    pub in_flight: u32,
    /// Connections to it.
    pub connections: u32,
    /// Attempts that ended, since it is known.
    pub requests: u64,
    /// Those of them that ended with a gateway fault.
    pub faults: u64,
}

/// What the configuration says of an endpoint.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Configured {
    /// Its weight.
    pub weight: u16,
    /// Its admin state.
    pub admin: String,
}

/// What was ordered for an endpoint at run time.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Ordered {
    /// A weight; null: the configuration's.
    pub weight: Option<u16>,
    /// An admin state; null: the configuration's.
    pub admin: Option<String>,
}

/// The result of a probe.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// When it was there.
    pub at: u64,
    /// Whether it was good.
    pub good: bool,
    /// What was seen.
    pub reason: String,
}

/// An ejection.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Ejection {
    /// What for.
    pub cause: String,
    /// How long it still lasts at most.
    pub left: f64,
}

/// `GET /api/v1/events`: what happened of late, the oldest first. `?after=N` leaves out what was seen before.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Events {
    /// The number of the newest there is: what to ask after next.
    pub last: u64,
    /// Those after the number that was named.
    pub events: Vec<Event>,
}

/// Something that happened.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Counts up from 1; a gap tells that some are no longer kept.
    pub number: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// `info`, `warn` or `error`.
    pub severity: String,
    /// What, for people.
    pub text: String,
    /// What it is about: `cluster`, `endpoint` and so on.
    pub fields: BTreeMap<String, String>,
}

/// What came of an order.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Always true.
    pub ok: bool,
    /// What is so now, for people.
    pub what: String,
    /// The generation that is served.
    pub generation: u64,
}

/// Why nothing came of a request.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Wrong {
    /// What is wrong, for people.
    pub error: String,
}

/// `GET /live` and `GET /ready`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Fine {
    /// Whether it is.
    pub ok: bool,
    /// `starting`, `serving` or `draining`.
    pub state: String,
}

/// The body of `POST /api/v1/reload`; it may be left out.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reload {
    /// How long the configuration is on trial: `30s`; empty: it is on none.
    pub trial: String,
}

/// The body of `POST /api/v1/upgrade`; it may be left out.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Upgrade {
    /// The path of the program; empty: the one that runs, as it is on disk by now.
    pub program: String,
}

/// The body of `POST /api/v1/clusters/{cluster}/endpoints/{endpoint}`: one of these.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct EndpointOrder {
    /// `ready`, `drain` or `maint`; `as-configured` takes back all that was ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin: Option<String>,
    /// 0 to 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u16>,
}
