//! Endpoints: how they are, and what may be ordered for them.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// An endpoint.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
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
    /// Whether an operator added it at run time: the configuration does not list it.
    #[serde(default)]
    pub added: bool,
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
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Configured {
    /// Its weight.
    pub weight: u16,
    /// Its admin state.
    pub admin: String,
}

/// What was ordered for an endpoint at run time.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Ordered {
    /// A weight; null: the configuration's.
    pub weight: Option<u16>,
    /// An admin state; null: the configuration's.
    pub admin: Option<String>,
}

/// The result of a probe.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Probe {
    /// When it was there.
    pub at: u64,
    /// Whether it was good.
    pub good: bool,
    /// What was seen.
    pub reason: String,
}

/// An ejection.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Ejection {
    /// What for.
    pub cause: String,
    /// How long it still lasts at most.
    pub left: f64,
}

/// The body of `POST /api/v1/clusters/{cluster}/endpoints/{endpoint}`: one of these.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct EndpointOrder {
    /// `ready`, `drain` or `maint`; `as-configured` takes back all that was ordered.
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["ready", "drain", "maint", "as-configured"]))]
    #[schemars(with = "String")]
    pub admin: Option<String>,
    /// 0 to 1,000.
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u16", range(max = 1_000))]
    pub weight: Option<u16>,
}

/// What is left out is not said; null says nothing, and is a slip.
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

/// The body of `POST /api/v1/clusters/{cluster}/endpoints`.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewEndpoint {
    /// Where it is, as in the configuration: `10.0.0.9:8080`, a name with a port, `srv:` or `unix:` with a path from the root.
    #[schemars(required)]
    pub address: String,
    /// What it is called; left out: its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// 0 to 1,000; left out: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000))]
    pub weight: Option<u16>,
    /// The zone it is in; left out: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// `GET /api/v1/clusters/{cluster}/endpoints`: a part of them.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Endpoints {
    /// The generation that they are of: where it differs from one part to the next, begin again.
    pub generation: u64,
    /// How many there are in all.
    pub total: usize,
    /// Those behind the number that was named.
    pub endpoints: Vec<Endpoint>,
    /// What `after` has to be for the next part; null: this is the last one.
    pub next: Option<usize>,
}
