//! `[cluster.NAME]`: a named group of endpoints, who picks among them, and how long an attempt may take.

use std::collections::HashMap;
use std::time::Duration;

use evenkeel_base::{Address, BalancerKind};
use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::knob::{Knob, Lines, Section, Table};
use crate::model::{Cluster, Endpoint, Retry, UpstreamTimeouts};
use crate::raw::{At, Cx, Entry, Node, Span};
use crate::section::{Names, TIMEOUT, check_name};
use crate::value::net::socket_path;
use crate::value::text::{key, quote, read_text};
use crate::value::{Bounds, Value};

static BALANCER: Knob<BalancerKind> = Knob {
    key: "balancer",
    about: "Who picks the endpoint of a request.",
    default: BalancerKind::LeastRequest,
    why: "plain rotation sends a slow endpoint its full share",
    bounds: None,
    required: false,
    example: "\"round-robin\"",
};

static ENDPOINTS: Knob<Vec<EndpointEntry>> = Knob {
    key: "endpoints",
    about: "The endpoints: each an address, or a table with `address`, `weight` and `id`. An address is `host:port`, `[ipv6]:port`, `:port` (this host), `http://host`, `host:9001-9004` for four endpoints, or `unix:/path`.",
    default: Vec::new(),
    why: "it must be given",
    bounds: None,
    required: true,
    example: "[\"10.0.0.1:8080\", { address = \"10.0.0.2:8080\", weight = 2 }]",
};

static CONNECT_TIMEOUT: Knob<Duration> = Knob {
    key: "connect_timeout",
    about: "How long one connect to an endpoint may take, else the next endpoint is tried, or 504.",
    default: Duration::from_secs(2),
    why: "a connect within a data center takes milliseconds; one lost packet is sent again after 1 s",
    bounds: TIMEOUT,
    required: false,
    example: "\"500ms\"",
};

static RESPONSE_HEADER_TIMEOUT: Knob<Duration> = Knob {
    key: "response_header_timeout",
    about: "How long an endpoint may take from the end of the request to the head of its response, for each attempt.",
    default: Duration::from_secs(30),
    why: "a frozen endpoint still accepts connections",
    bounds: TIMEOUT,
    required: false,
    example: "\"2m\"",
};

static IDLE_TIMEOUT: Knob<Duration> = Knob {
    key: "idle_timeout",
    about: "How long no byte may pass either way during an exchange.",
    default: Duration::from_mins(5),
    why: "server-sent events and long calls pause for minutes",
    bounds: TIMEOUT,
    required: false,
    example: "\"1h\"",
};

static TUNNEL_TIMEOUT: Knob<Duration> = Knob {
    key: "tunnel_timeout",
    about: "How long no byte may pass either way in a tunnel, such as a WebSocket.",
    default: Duration::from_hours(1),
    why: "a quiet chat is not a dead one",
    bounds: TIMEOUT,
    required: false,
    example: "\"24h\"",
};

static KEEPALIVE_TIMEOUT: Knob<Duration> = Knob {
    key: "keepalive_timeout",
    about: "The longest an idle connection to an endpoint is kept. What the endpoint announced or was seen to use shortens it.",
    default: Duration::from_secs(55),
    why: "just below the 60 s at which many endpoints close, so that they do not close under a request",
    bounds: TIMEOUT,
    required: false,
    example: "\"20s\"",
};

static RESOLVE_INTERVAL: Knob<Duration> = Knob {
    key: "resolve_interval",
    about: "How often names among the addresses are resolved again.",
    default: Duration::from_secs(30),
    why: "what most name servers of orchestrators let an answer live",
    bounds: Some(Bounds {
        least: Duration::from_secs(1),
        greatest: Duration::from_hours(24),
    }),
    required: false,
    example: "\"5s\"",
};

static MAX_IDLE_CONNECTIONS: Knob<u64> = Knob {
    key: "max_idle_connections",
    about: "How many idle connections are kept for each endpoint in each worker. 0 keeps none.",
    default: 128,
    why: "enough for the swings of a busy worker, and bounded for a large cluster",
    bounds: Some(Bounds {
        least: 0,
        greatest: 65_536,
    }),
    required: false,
    example: "32",
};

static RETRY_KNOB: Knob<Retry> = Knob {
    key: "retry",
    about: "Second attempts: only before anything of the response was passed on, only when that is safe, and never at the same endpoint while another is left.",
    default: NO_RETRY_GIVEN,
    why: "see [cluster.NAME.retry]",
    bounds: None,
    required: false,
    example: "{ attempts = 1 }",
};

/// `[cluster.NAME]`.
pub(crate) static CLUSTER: Section = Section {
    name: "cluster.NAME",
    about: "A cluster is a named group of endpoints. Routes send requests to it, and its balancer picks the endpoint.",
    knobs: &[
        &BALANCER,
        &ENDPOINTS,
        &CONNECT_TIMEOUT,
        &RESPONSE_HEADER_TIMEOUT,
        &IDLE_TIMEOUT,
        &TUNNEL_TIMEOUT,
        &KEEPALIVE_TIMEOUT,
        &RESOLVE_INTERVAL,
        &MAX_IDLE_CONNECTIONS,
        &RETRY_KNOB,
    ],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\nendpoints = [\":2\"]\nKNOB\n",
};

static ADDRESS: Knob<Option<At<String>>> = Knob {
    key: "address",
    about: "Where it is; a range of ports stands for as many endpoints.",
    default: None,
    why: "it must be given",
    bounds: None,
    required: true,
    example: "\"10.0.0.1:8080\"",
};

static WEIGHT: Knob<u64> = Knob {
    key: "weight",
    about: "Its share, compared with the others. 0 gets no new requests.",
    default: 1,
    why: "all alike",
    bounds: Some(Bounds {
        least: 0,
        greatest: 1000,
    }),
    required: false,
    example: "2",
};

static ID: Knob<Option<String>> = Knob {
    key: "id",
    about: "A stable identity, for endpoints whose address changes: state and metrics are kept under it.",
    default: None,
    why: "the address is the identity",
    bounds: None,
    required: false,
    example: "\"blue-1\"",
};

/// An item of `endpoints`.
pub(crate) static ENDPOINT: Section = Section {
    name: "cluster.NAME.endpoints",
    about: "An endpoint as a table instead of an address alone.",
    knobs: &[&ADDRESS, &WEIGHT, &ID],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[[cluster.a.endpoints]]\naddress = \":2\"\nKNOB\n",
};

static ATTEMPTS: Knob<u64> = Knob {
    key: "attempts",
    about: "How many more attempts there may be after the first. 0 turns retries off.",
    default: 2,
    why: "with two endpoints down of three, the third still answers",
    bounds: Some(Bounds {
        least: 0,
        greatest: 10,
    }),
    required: false,
    example: "1",
};

static BUDGET_RATIO: Knob<f32> = Knob {
    key: "budget_ratio",
    about: "What each request deposits in the cluster's retry budget; a retry takes 1.",
    default: 0.2,
    why: "retries then add at most a fifth to the load, where a storm would multiply it",
    bounds: Some(Bounds {
        least: 0.0,
        greatest: 1.0,
    }),
    required: false,
    example: "0.1",
};

static BUDGET_BURST: Knob<u64> = Knob {
    key: "budget_burst",
    about: "What the budget holds at least, and how full it starts.",
    default: 100,
    why: "the death of one endpoint is absorbed also when there are few requests",
    bounds: Some(Bounds {
        least: 0,
        greatest: 1_000_000,
    }),
    required: false,
    example: "20",
};

/// `retry` of a cluster.
pub(crate) static RETRY: Section = Section {
    name: "cluster.NAME.retry",
    about: "Second attempts and their allowance. A request is tried again when nothing of it was written, or when its method is idempotent; an endpoint never sees a POST twice.",
    knobs: &[&ATTEMPTS, &BUDGET_RATIO, &BUDGET_BURST],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\nendpoints = [\":2\"]\n[cluster.a.retry]\nKNOB\n",
};

/// What holds when a cluster says nothing of retries: its three defaults, which a test keeps equal.
const NO_RETRY_GIVEN: Retry = Retry {
    attempts: 2,
    budget_ratio: 0.2,
    budget_burst: 100,
};

/// The most endpoints of one cluster: a range of all ports twice over is a slip, and its memory not bounded by the
/// size of the file.
const MOST_ENDPOINTS: usize = 10_000;

/// Reads the clusters; the names are those of all tables, also of those that are wrong.
pub(crate) fn read(entries: &[Entry<'_>], cx: &mut Cx<'_>) -> (Vec<Cluster>, Names) {
    let mut names = Names::default();
    let mut clusters = Vec::new();
    for entry in entries {
        check_name(&entry.key, cx);
        names.add(&entry.key);
        if let Some(table) = CLUSTER.open(&entry.node, cx) {
            clusters.push(read_one(entry.key.value, &table, cx));
        }
    }
    (clusters, names)
}

/// A cluster of these endpoints with every default.
pub(crate) fn with_defaults(name: &str, endpoints: Vec<Endpoint>) -> Cluster {
    Cluster {
        name: name.to_owned(),
        endpoints,
        balancer: BALANCER.default,
        timeouts: UpstreamTimeouts {
            connect: CONNECT_TIMEOUT.default,
            response_header: RESPONSE_HEADER_TIMEOUT.default,
            idle: IDLE_TIMEOUT.default,
            tunnel: TUNNEL_TIMEOUT.default,
            keepalive: KEEPALIVE_TIMEOUT.default,
        },
        retry: RETRY_KNOB.default,
        resolve_interval: RESOLVE_INTERVAL.default,
        max_idle_connections: to_usize(MAX_IDLE_CONNECTIONS.default),
    }
}

/// Writes it.
pub(crate) fn print(cluster: &Cluster) -> String {
    let mut lines = Lines::default();
    let entries: Vec<EndpointEntry> = cluster.endpoints.iter().map(EndpointEntry::of).collect();
    lines.knob(&BALANCER, &cluster.balancer);
    lines.knob(&ENDPOINTS, &entries);
    lines.knob(&CONNECT_TIMEOUT, &cluster.timeouts.connect);
    lines.knob(&RESPONSE_HEADER_TIMEOUT, &cluster.timeouts.response_header);
    lines.knob(&IDLE_TIMEOUT, &cluster.timeouts.idle);
    lines.knob(&TUNNEL_TIMEOUT, &cluster.timeouts.tunnel);
    lines.knob(&KEEPALIVE_TIMEOUT, &cluster.timeouts.keepalive);
    lines.knob(&RESOLVE_INTERVAL, &cluster.resolve_interval);
    lines.knob(
        &MAX_IDLE_CONNECTIONS,
        &(cluster.max_idle_connections as u64),
    );
    lines.knob(&RETRY_KNOB, &cluster.retry);
    lines.table(&format!("[cluster.{}]", key(&cluster.name)), true)
}

fn read_one(name: &str, table: &Table<'_>, cx: &mut Cx<'_>) -> Cluster {
    let before = cx.count();
    let entries = ENDPOINTS.read(table, cx);
    let endpoints = if cx.count() == before {
        read_endpoints(entries, table, cx)
    } else {
        Vec::new()
    };
    let max_idle = MAX_IDLE_CONNECTIONS.read(table, cx);
    Cluster {
        balancer: BALANCER.read(table, cx),
        timeouts: UpstreamTimeouts {
            connect: CONNECT_TIMEOUT.read(table, cx),
            response_header: RESPONSE_HEADER_TIMEOUT.read(table, cx),
            idle: IDLE_TIMEOUT.read(table, cx),
            tunnel: TUNNEL_TIMEOUT.read(table, cx),
            keepalive: KEEPALIVE_TIMEOUT.read(table, cx),
        },
        retry: RETRY_KNOB.read(table, cx),
        resolve_interval: RESOLVE_INTERVAL.read(table, cx),
        max_idle_connections: to_usize(max_idle),
        ..with_defaults(name, endpoints)
    }
}

/// Expands ranges of ports and reports what no cluster can have: none, one twice, no weight at all.
fn read_endpoints(
    entries: Vec<EndpointEntry>,
    table: &Table<'_>,
    cx: &mut Cx<'_>,
) -> Vec<Endpoint> {
    let at = ENDPOINTS.span(table);
    if !ENDPOINTS.given(table) {
        return Vec::new();
    }
    if entries.is_empty() {
        cx.error(at, "this cluster has no endpoints").help(format!(
            "add addresses: {} = {}",
            ENDPOINTS.key, ENDPOINTS.example
        ));
        return Vec::new();
    }
    let mut seen: HashMap<String, Span> = HashMap::new();
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for entry in entries {
        let Ok(addresses) = Address::parse_range(&entry.address.value) else {
            continue;
        };
        if endpoints.len() + addresses.len() > MOST_ENDPOINTS {
            cx.error(
                entry.address.span,
                format!("a cluster has at most {MOST_ENDPOINTS} endpoints"),
            );
            return endpoints;
        }
        for address in addresses {
            let address = match address {
                Address::Unix(path) => match socket_path(&path, entry.address.span.clone(), cx) {
                    Some(path) => Address::Unix(path),
                    None => continue,
                },
                other => other,
            };
            let shown = address.to_string();
            let id = entry.id.clone().unwrap_or_else(|| shown.clone());
            let by_weight = "give it a larger weight instead: { address = …, weight = 2 }";
            let twice = [
                (format!("address {shown}"), by_weight),
                (
                    format!("id {id}"),
                    "an id tells one endpoint from all others; give each its own",
                ),
            ]
            .into_iter()
            .find_map(|(what, help)| {
                let first = seen.insert(what.clone(), entry.address.span.clone())?;
                Some((what, help, first))
            });
            if let Some((what, help, first)) = twice {
                cx.error(
                    entry.address.span.clone(),
                    format!("{what} is in this cluster twice"),
                )
                .note(first, "it is here already")
                .help(help);
                continue;
            }
            endpoints.push(Endpoint {
                id,
                address,
                weight: entry.weight,
            });
        }
    }
    if !endpoints.is_empty() && endpoints.iter().all(|e| e.weight == 0) {
        cx.error(
            at,
            "all weights are 0, so no endpoint of this cluster would get a request",
        )
        .help("give at least one endpoint a weight above 0");
    }
    endpoints
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// An item of `endpoints` as it is written; its address has been read once and is right.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EndpointEntry {
    address: At<String>,
    weight: u16,
    id: Option<String>,
}

impl EndpointEntry {
    fn of(endpoint: &Endpoint) -> Self {
        let address = endpoint.address.to_string();
        Self {
            id: (endpoint.id != address).then(|| endpoint.id.clone()),
            weight: endpoint.weight,
            address: At {
                value: address,
                span: 0..0,
            },
        }
    }
}

impl Value for EndpointEntry {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let is_table = matches!(node.value, DeValue::Table(table)
            if table.len() != 1 || !(table.contains_key("env") || table.contains_key("file")));
        let entry = if is_table {
            let table = ENDPOINT.open(node, cx)?;
            let weight = WEIGHT.read(&table, cx);
            Self {
                weight: u16::try_from(weight).unwrap_or(u16::MAX),
                id: ID.read(&table, cx),
                address: ADDRESS.read(&table, cx)?,
            }
        } else {
            Self {
                weight: 1,
                id: None,
                address: At {
                    value: read_text(node, "an address like \"10.0.0.1:8080\"", cx)?,
                    span: node.span.clone(),
                },
            }
        };
        let at = entry.address.span.clone();
        match Address::parse_range(&entry.address.value) {
            Ok(several) if several.len() > 1 && entry.id.is_some() => {
                cx.error(
                    at,
                    "a range of ports is several endpoints, and an id is for one",
                )
                .help("leave out `id`, or write each endpoint by itself");
                None
            }
            Ok(_) if entry.id.as_deref() == Some("") => {
                cx.error(at, "the id of this endpoint is empty");
                None
            }
            Ok(_) => Some(entry),
            Err(why) => {
                cx.error(at, why);
                None
            }
        }
    }

    fn toml(&self) -> String {
        if self.weight == 1 && self.id.is_none() {
            return quote(&self.address.value);
        }
        let mut lines = Lines::default();
        lines.knob(&ADDRESS, &Some(self.address.clone()));
        lines.knob(&WEIGHT, &u64::from(self.weight));
        lines.knob(&ID, &self.id);
        lines.inline()
    }

    fn kind() -> String {
        "address or table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "anyOf": [{ "$ref": "#/$defs/string" }, ENDPOINT.reference()] })
    }
}

impl Value for Retry {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = RETRY.open(node, cx)?;
        let (attempts, burst) = (ATTEMPTS.read(&table, cx), BUDGET_BURST.read(&table, cx));
        Some(Self {
            attempts: u16::try_from(attempts).unwrap_or(u16::MAX),
            budget_ratio: BUDGET_RATIO.read(&table, cx),
            budget_burst: u32::try_from(burst).unwrap_or(u32::MAX),
        })
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        lines.knob(&ATTEMPTS, &u64::from(self.attempts));
        lines.knob(&BUDGET_RATIO, &self.budget_ratio);
        lines.knob(&BUDGET_BURST, &u64::from(self.budget_burst));
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        RETRY.reference()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_of_retry_is_that_of_its_knobs() {
        assert_eq!(u64::from(NO_RETRY_GIVEN.attempts), ATTEMPTS.default);
        assert_eq!(u64::from(NO_RETRY_GIVEN.budget_burst), BUDGET_BURST.default);
        assert!((NO_RETRY_GIVEN.budget_ratio - BUDGET_RATIO.default).abs() < f32::EPSILON);
    }
}
