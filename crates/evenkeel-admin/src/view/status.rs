//! What `GET /api/v1/status` shows: the whole process.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cluster, Listener};

/// `GET /api/v1/status`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
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
    /// Certificates that are served though they have expired or are not valid yet, because there are no others.
    #[serde(default)]
    pub certificates_out_of_time: Vec<OutOfTime>,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// Whom it forwards to.
    pub clusters: Vec<Cluster>,
}

/// The configuration that is served.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Config {
    /// Its file; null: the command line.
    pub file: Option<String>,
    /// When it was read.
    pub loaded_at: u64,
    /// Why the last reload changed nothing; null: it went well, or there was none.
    pub error: Option<Failure>,
    /// Since when and why something else is served than the file said when it was last found right; null: that is served.
    #[serde(default)]
    pub rolled_back: Option<Failure>,
    /// Which certificates could not be read anew; null: all could.
    #[serde(default)]
    pub certificates_error: Option<Failure>,
    /// How much of its trial is left; null: it is on none.
    pub trial_left: Option<u64>,
}

/// A certificate that has expired or is not valid yet.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct OutOfTime {
    /// Who shows it: `listener web`, `cluster api`, `the admin address`.
    pub of: String,
    /// The file that it was read from.
    pub file: String,
    /// The first second of its validity.
    pub valid_from: i64,
    /// The last one.
    pub expires_at: i64,
}

/// What went wrong, and when.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Failure {
    /// When.
    pub at: u64,
    /// What, for people.
    pub text: String,
}
