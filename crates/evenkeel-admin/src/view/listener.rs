//! Listeners and their certificates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A listener.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
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
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
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

/// `GET /api/v1/listeners`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Listeners {
    /// The generation that they are of.
    pub generation: u64,
    /// How many there are in all.
    pub total: usize,
    /// Those behind the number that was named.
    pub listeners: Vec<Listener>,
    /// What `after` has to be for the next part; null: this is the last one.
    pub next: Option<usize>,
}
