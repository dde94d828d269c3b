//! `POST /api/v1/explain`: what would become of a request, and why. Texts are for people and may change; names and numbers stay.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The body: the request that is meant. Nothing is sent.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Explain")]
pub struct Ask {
    /// Its method; empty: GET.
    pub method: String,
    /// Its address: `https://host/path?query`.
    #[schemars(required)]
    pub url: String,
    /// Its fields, each as `name: value`. `Host` is the address's unless it stands here.
    pub headers: Vec<String>,
    /// The address that it comes from; empty: 127.0.0.1.
    pub from: String,
    /// The listener that it comes to; empty: the one that the address leads to.
    pub listener: String,
}

/// What would become of it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "Explanation")]
pub struct Explanation {
    /// Its method.
    pub method: String,
    /// Its address.
    pub url: String,
    /// Whether it is explained by what runs; else by a configuration alone, where nothing is known of endpoints.
    pub live: bool,
    /// The generation that it is explained by.
    pub generation: u64,
    /// What was supposed where the question did not say.
    pub supposed: Vec<String>,
    /// In short.
    pub verdict: Verdict,
    /// Where it comes in.
    pub listener: Listener,
    /// Who asks; null: it was refused before that mattered.
    pub client: Option<Client>,
    /// The route that it takes; null: none.
    pub route: Option<Route>,
    /// Routes that match as well and are less specific, then those that nearly match, the nearest first.
    pub others: Vec<Route>,
    /// How many more routes there are.
    pub others_left_out: usize,
    /// What it is asked on the way, in order.
    pub steps: Vec<Step>,
    /// The clusters that share the route's requests; empty: there is one, or none.
    pub split: Vec<Share>,
    /// Where it is sent; null: nowhere.
    pub cluster: Option<Cluster>,
    /// What an endpoint is sent; null: nothing.
    pub request: Option<Message>,
    /// What is done to the fields of the response on its way to the client.
    pub response: Vec<Field>,
    /// Timeouts, retries and limits that are in force.
    pub terms: Vec<Term>,
}

/// What becomes of a request.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "ExplainedVerdict")]
pub struct Verdict {
    /// `forwarded`, `answered`, `redirected` or `refused`.
    pub kind: String,
    /// The same in a sentence.
    pub text: String,
    /// The status of the reply that evenkeel makes itself; null: the endpoint's.
    pub status: Option<u16>,
    /// Where a redirect leads.
    pub location: Option<String>,
    /// Why it is refused; null: it is not, or there was no request to refuse.
    pub fault: Option<Fault>,
    /// The cluster.
    pub cluster: Option<String>,
    /// The endpoint, where it is certain.
    pub endpoint: Option<String>,
}

/// A fault that evenkeel would reply.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "ExplainedFault")]
pub struct Fault {
    /// Its name.
    pub name: String,
    /// The status of the reply.
    pub status: u16,
    /// The status that a call of gRPC ends with; null: it is none.
    pub grpc_status: Option<String>,
    /// What it means.
    pub about: String,
    /// More than its name says: a reason of the codec.
    pub detail: Option<String>,
    /// The page that tells more.
    pub page: String,
}

/// A listener.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "ExplainedListener")]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// Where it is bound.
    pub address: String,
    /// Why this one.
    pub why: String,
    /// The certificate that the client is shown; null: it speaks without TLS.
    pub certificate: Option<String>,
}

/// Who asks.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "ExplainedClient")]
pub struct Client {
    /// Its address; null: a Unix socket.
    pub address: Option<String>,
    /// Whether a trusted proxy told of it.
    pub behind_proxy: bool,
    /// Why it is this address.
    pub why: String,
}

/// A route, and what it asks.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "ExplainedRoute")]
pub struct Route {
    /// Its name.
    pub name: String,
    /// `taken`, `less-specific` or `near`.
    pub place: String,
    /// In short: why it is there.
    pub why: String,
    /// What it does.
    pub action: String,
    /// What it asks of a request.
    pub conditions: Vec<Condition>,
}

/// A condition of a route.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "ExplainedCondition")]
pub struct Condition {
    /// What is looked at: `listener`, `host`, `path`, `method`, `header` or `query`.
    pub of: String,
    /// What it has to be.
    pub asks: String,
    /// What it is.
    pub has: String,
    /// Whether that will do.
    pub holds: bool,
}

/// Something that a request is asked on its way.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "ExplainedStep")]
pub struct Step {
    /// What: the name of a knob, where there is one.
    pub what: String,
    /// Whether it passes.
    pub passes: bool,
    /// Why.
    pub why: String,
}

/// A cluster's part of a route's requests.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "ExplainedShare")]
pub struct Share {
    /// Its name.
    pub cluster: String,
    /// Its weight.
    pub weight: u16,
    /// Whether it takes requests.
    pub open: bool,
    /// How likely it is to get this request: 0 to 1.
    pub chance: f64,
    /// Whether it is the one that the rest tells of.
    pub taken: bool,
    /// Why, when it is certain.
    pub why: String,
}

/// A cluster as this request meets it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "ExplainedCluster")]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Who picks.
    pub balancer: String,
    /// How that is done.
    pub about: String,
    /// What the request is told apart by; empty: nothing.
    pub key: Vec<String>,
    /// Whether too few endpoints admit, so that all are used.
    pub panicking: bool,
    /// Its groups of endpoints in their order; empty: there is one.
    pub tiers: Vec<Tier>,
    /// Its endpoints: those that may be picked, then the others.
    pub endpoints: Vec<Endpoint>,
    /// How many more there are.
    pub endpoints_left_out: usize,
    /// Configured endpoints that are none of this node's: not in its subset, or their names lead nowhere.
    pub absent: Vec<String>,
    /// `own`, `key`, `turn`, `chance`, `only`, `queue` or `nobody`.
    pub pick: String,
    /// Why this one, or why none.
    pub why: String,
    /// What is spoken with it.
    pub protocol: String,
}

/// A group of a cluster's endpoints.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "ExplainedTier")]
pub struct Tier {
    /// The number that the configuration has for it.
    pub number: u16,
    /// Whether its endpoints are in other zones than this node.
    pub elsewhere: bool,
    /// How many it has.
    pub endpoints: usize,
    /// Which part of all requests is meant for it: 0 to 1.
    pub keeps: f64,
}

/// An endpoint as this request meets it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "ExplainedEndpoint")]
pub struct Endpoint {
    /// What orders call it by.
    pub id: String,
    /// Where it is.
    pub address: String,
    /// Whether it may be picked.
    pub candidate: bool,
    /// Why, or why not.
    pub why: String,
    /// How likely it is to get the first attempt: 0 to 1.
    pub chance: f64,
    /// Whether it gets the first attempt: certainly, or in rotation if nobody comes first.
    pub next: bool,
    /// The tier it is in.
    pub tier: u16,
    /// Its weight as it counts now.
    pub weight: u16,
    /// Which part of it counts, in thousandths.
    pub share: u16,
    /// Requests in flight.
    pub in_flight: u32,
}

/// A request as it came and as it is sent on.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "ExplainedMessage")]
pub struct Message {
    /// Method and target as they came.
    pub came: String,
    /// The same as they are sent.
    pub sent: String,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// A field of a message.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "ExplainedField")]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it was; null: it was not there.
    pub came: Option<String>,
    /// What is sent; null: it is not.
    pub sent: Option<String>,
    /// Why.
    pub why: String,
}

/// A number that is in force.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "ExplainedTerm")]
pub struct Term {
    /// What: the name of a knob, where there is one.
    pub name: String,
    /// What it is.
    pub value: String,
    /// What follows from it.
    pub about: String,
}
