//! What happened.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `GET /api/v1/events`: what happened of late, the oldest first. `?after=N` leaves out what was seen before.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Events {
    /// The number of the newest there is: what to ask after next.
    pub last: u64,
    /// Those after the number that was named.
    pub events: Vec<Event>,
}

/// Something that happened.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
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
