//! evenkeel's own log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `GET /api/v1/log`: down to which level evenkeel's own log is written.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Log {
    /// The level that counts: `error`, `warn`, `info` or `debug`.
    pub level: String,
    /// What the configuration says.
    pub configured: String,
    /// What was ordered in its place; null: nothing.
    pub ordered: Option<String>,
    /// For how many seconds that still holds; null: until the configuration is read again, or nothing was ordered.
    pub left: Option<u64>,
}

/// The body of `POST /api/v1/log`.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogOrder {
    /// `error`, `warn`, `info` or `debug`; `as-configured` takes back what was ordered.
    #[schemars(required, extend("enum" = ["error", "warn", "info", "debug", "as-configured"]))]
    pub level: String,
    /// For how long: `10m`; left out: until the configuration is read again.
    #[serde(rename = "for", skip_serializing_if = "String::is_empty")]
    #[schemars(extend("pattern" = "^([1-9][0-9]{0,5}(ms|s|m|h))?$"))]
    pub time: String,
}
