//! What is served, and what changed last.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Config;

/// `GET /api/v1/snapshot`: which configuration is served, and how it came about.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Snapshot {
    /// The generation that is served: it counts up with every change.
    pub generation: u64,
    /// Where it was read.
    pub config: Config,
    /// How many listeners it has.
    pub listeners: usize,
    /// How many routes.
    pub routes: usize,
    /// How many clusters.
    pub clusters: usize,
    /// How many endpoints, as names resolve.
    pub endpoints: usize,
    /// What another configuration changed last, by a reload, a rollback or the end of a trial; null: the process serves the one that
    /// it began with.
    pub change: Option<Change>,
}

/// What another configuration changed.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Change {
    /// When it was served.
    pub at: u64,
    /// The generation that had it first.
    pub generation: u64,
    /// Whether settings of the whole process are others: what stands above the listeners.
    pub settings: bool,
    /// What became of listeners.
    pub listeners: Difference,
    /// What became of routes.
    pub routes: Difference,
    /// What became of clusters.
    pub clusters: Difference,
}

/// What became of things with names.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Difference {
    /// Those that are new.
    pub added: Names,
    /// Those that are no more.
    pub removed: Names,
    /// Those that are others now.
    pub changed: Names,
}

/// Things by name.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Names {
    /// How many.
    pub total: usize,
    /// The first of them: 100 at most.
    pub first: Vec<String>,
}
