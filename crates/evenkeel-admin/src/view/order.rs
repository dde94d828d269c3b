//! What comes of requests, and what orders for the whole process say.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What came of an order.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Done {
    /// Always true.
    pub ok: bool,
    /// What is so now, for people.
    pub what: String,
    /// The generation that is served.
    pub generation: u64,
}

/// Why nothing came of a request.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Wrong {
    /// What is wrong, for people.
    pub error: String,
    /// Which of the admin address's protections refused it, by its name in `docs/admin.md`; left out: none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

/// `GET /live` and `GET /ready`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Fine {
    /// Whether it is.
    pub ok: bool,
    /// `starting`, `serving` or `draining`.
    pub state: String,
}

/// The body of `POST /api/v1/reload`; it may be left out.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reload {
    /// How long the configuration is on trial: `30s`; empty: it is on none.
    #[schemars(extend("pattern" = "^([1-9][0-9]{0,5}(ms|s|m|h))?$"))]
    pub trial: String,
}

/// The body of `POST /api/v1/upgrade`; it may be left out.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Upgrade {
    /// The path of the program; empty: the one that runs, as it is on disk by now.
    pub program: String,
}
