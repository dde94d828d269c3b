//! Routes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `GET /api/v1/routes`: a part of them, in the file's order.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Routes {
    /// The generation that they are of: where it differs from one part to the next, begin again.
    pub generation: u64,
    /// How many there are in all.
    pub total: usize,
    /// Those behind the number that was named.
    pub routes: Vec<Route>,
    /// What `after` has to be for the next part; null: this is the last one.
    pub next: Option<usize>,
}

/// A route: when it applies, and what it does.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Route {
    /// Its name: the file's, or one made from the match.
    pub name: String,
    /// The listeners that it is bound to; empty: all.
    pub listeners: Vec<String>,
    /// The hosts that it is for; empty: all.
    pub hosts: Vec<String>,
    /// Its path.
    pub path: String,
    /// `exact`, or `prefix`: also everything below it.
    pub path_is: String,
    /// The methods that it is for; empty: all.
    pub methods: Vec<String>,
    /// How many conditions on header fields it has beside these.
    pub header_conditions: usize,
    /// How many conditions on query parameters.
    pub query_conditions: usize,
    /// `forward`, `redirect` or `respond`.
    pub action: String,
    /// The clusters that it forwards to; empty: it does not forward.
    pub clusters: Vec<Share>,
    /// The cluster that sees the same requests; null: none.
    pub mirror: Option<String>,
    /// The status of a redirect or a fixed response; null: it forwards.
    pub status: Option<u16>,
    /// Exchanges that ended, since the route is known.
    pub requests: u64,
}

/// A cluster with its part of a route's requests.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Share {
    /// The cluster.
    pub cluster: String,
    /// Its weight among the route's clusters.
    pub weight: u16,
}
