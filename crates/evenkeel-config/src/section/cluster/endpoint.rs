//! An item of a cluster's `endpoints`: an address, or a table with its weight, identity and admin state.

use std::collections::HashMap;

use evenkeel_base::rules::AdminState;
use evenkeel_base::{Address, Scheme};
use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::knob::{Knob, Lines, Section, Table};
use crate::model::Endpoint;
use crate::raw::{At, Cx, Node, Span};
use crate::value::label::Label;
use crate::value::net::socket_path;
use crate::value::text::{quote, read_text};
use crate::value::{Bounds, Value};

static ADDRESS: Knob<Option<At<String>>> = Knob {
    key: "address",
    about: "Where it is; a range of ports stands for as many endpoints.",
    default: None,
    why: "it must be given",
    bounds: None,
    required: true,
    example: "\"10.0.0.1:8080\"",
};

static WEIGHT: Knob<u16> = Knob {
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
    about: "A stable identity, for endpoints whose address changes: what is known about the endpoint is kept under it.",
    default: None,
    why: "the address is the identity",
    bounds: None,
    required: false,
    example: "\"blue-1\"",
};

static ADMIN: Knob<AdminState> = Knob {
    key: "admin",
    about: "What you order: \"ready\" takes requests; \"drain\" takes no new ones, finishes those it has, and is still probed; \"maint\" takes none and is not probed.",
    default: AdminState::Ready,
    why: "it is there to take requests",
    bounds: None,
    required: false,
    example: "\"drain\"",
};

static ZONE: Knob<Option<Label>> = Knob {
    key: "zone",
    about: "The zone it is in: a data center, a room, whatever is near together. See `prefer_zone` of the cluster and `zone` at the top of the file.",
    default: None,
    why: "none",
    bounds: None,
    required: false,
    example: "\"eu-1a\"",
};

static TIER: Knob<u8> = Knob {
    key: "tier",
    about: "Its tier: endpoints of a lower one get all requests while enough of them are able to (see `spill_below`). A reserve that gets requests only when others fail is tier 1.",
    default: 0,
    why: "all are in the first",
    bounds: Some(Bounds {
        least: 0,
        greatest: 15,
    }),
    required: false,
    example: "1",
};

/// An item of `endpoints`.
pub(crate) static ENDPOINT: Section = Section {
    name: "cluster.NAME.endpoints",
    about: "An endpoint as a table instead of an address alone.",
    knobs: &[&ADDRESS, &WEIGHT, &ID, &ADMIN, &ZONE, &TIER],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[[cluster.a.endpoints]]\naddress = \":2\"\nKNOB\n",
};

/// The most endpoints of one cluster: a range of all ports twice over is a slip, and its memory not bounded by the
/// size of the file.
pub const MOST_ENDPOINTS: usize = 10_000;

/// Expands ranges of ports and reports what no cluster can have: none, one twice, no weight at all.
pub(crate) fn expand(entries: Vec<EndpointEntry>, at: Span, cx: &mut Cx<'_>) -> Vec<Endpoint> {
    if entries.is_empty() {
        cx.error(at, "this cluster has no endpoints")
            .help("add addresses: endpoints = [\"10.0.0.1:8080\", \"10.0.0.2:8080\"]");
        return Vec::new();
    }
    let mut seen: HashMap<String, Span> = HashMap::new();
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for entry in entries {
        let Ok((_, addresses)) = Address::parse_endpoints(&entry.address.value) else {
            continue;
        };
        if endpoints.len() + addresses.len() > MOST_ENDPOINTS {
            cx.error(
                entry.address.span,
                format!("a cluster has at most {MOST_ENDPOINTS} endpoints"),
            );
            return endpoints;
        }
        endpoints.extend(all(&entry, &mut seen, cx));
    }
    if !endpoints.is_empty() && endpoints.iter().all(|e| e.weight == 0) {
        cx.error(
            at,
            "all weights are 0, so no endpoint of this cluster would get a request",
        )
        .help("give at least one endpoint a weight above 0");
    } else if !endpoints.iter().any(takes_requests) {
        // No error: who takes a cluster out of service has a reason.
        cx.warning(
            at,
            "no endpoint of this cluster takes requests: each is in drain or maint, or has no weight",
        )
        .help("requests for it are answered 503 until one is \"ready\"");
    }
    endpoints
}

/// The endpoints that an entry stands for, but for those that are in `seen` already.
pub(crate) fn all(
    entry: &EndpointEntry,
    seen: &mut HashMap<String, Span>,
    cx: &mut Cx<'_>,
) -> Vec<Endpoint> {
    let addresses = Address::parse_endpoints(&entry.address.value);
    let addresses = addresses.map_or_else(|_| Vec::new(), |(_, addresses)| addresses);
    let endpoints = addresses.into_iter();
    endpoints
        .filter_map(|address| one(address, entry, seen, cx))
        .collect()
}

/// Reports what a service's records say, and so the file cannot.
fn report_service(address: &str, table: &Table<'_>, cx: &mut Cx<'_>) -> Option<()> {
    let mut said = [WEIGHT.key, TIER.key]
        .into_iter()
        .filter(|_| address.starts_with("srv:"));
    let Some(entry) = said.find_map(|key| table.get(key)) else {
        return Some(());
    };
    cx.error(
        entry.key.span.clone(),
        format!(
            "the {} of a service's endpoints is in its SRV records",
            entry.key.value
        ),
    )
    .help("leave it out, or change the records");
    None
}

fn takes_requests(endpoint: &Endpoint) -> bool {
    endpoint.admin == AdminState::Ready && endpoint.weight > 0
}

/// The endpoint at one of an entry's addresses, unless the cluster has it already.
fn one(
    address: Address,
    entry: &EndpointEntry,
    seen: &mut HashMap<String, Span>,
    cx: &mut Cx<'_>,
) -> Option<Endpoint> {
    let span = || entry.address.span.clone();
    let address = match address {
        Address::Unix(path) => Address::Unix(socket_path(&path, span(), cx)?),
        other => other,
    };
    let shown = address.to_string();
    let id = entry.id.clone().unwrap_or_else(|| shown.clone());
    let unique = [
        (
            format!("address {shown}"),
            "give it a larger weight instead: { address = …, weight = 2 }",
        ),
        (
            format!("id {id}"),
            "an id tells one endpoint from all others; give each its own",
        ),
    ];
    for (what, help) in unique {
        if let Some(first) = seen.insert(what.clone(), span()) {
            cx.error(span(), format!("{what} is in this cluster twice"))
                .note(first, "it is here already")
                .help(help);
            return None;
        }
    }
    Some(Endpoint {
        id,
        address,
        weight: entry.weight,
        admin: entry.admin,
        zone: Label::text(entry.zone.clone()),
        tier: entry.tier,
    })
}

/// An item of `endpoints` as it is written; its address has been read once and is right.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EndpointEntry {
    address: At<String>,
    weight: u16,
    id: Option<String>,
    admin: AdminState,
    zone: Option<Label>,
    tier: u8,
}

impl EndpointEntry {
    /// An address and nothing else.
    fn at(address: At<String>) -> Self {
        Self {
            address,
            weight: WEIGHT.default,
            id: None,
            admin: ADMIN.default,
            zone: None,
            tier: TIER.default,
        }
    }

    /// What its address begins with, and where that stands.
    pub(crate) fn scheme(&self) -> At<Option<Scheme>> {
        At {
            value: Scheme::before(&self.address.value),
            span: self.address.span.clone(),
        }
    }

    /// Where it stands, when it names a service.
    pub(crate) fn service(&self) -> Option<Span> {
        let text = &self.address;
        text.value.starts_with("srv:").then(|| text.span.clone())
    }

    /// The item that stands for an endpoint.
    pub(crate) fn of(endpoint: &Endpoint) -> Self {
        let address = endpoint.address.to_string();
        Self {
            id: (endpoint.id != address).then(|| endpoint.id.clone()),
            weight: endpoint.weight,
            admin: endpoint.admin,
            zone: Label::of(&endpoint.zone),
            tier: endpoint.tier,
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
            let entry = Self {
                weight: WEIGHT.read(&table, cx),
                id: ID.read(&table, cx),
                admin: ADMIN.read(&table, cx),
                zone: ZONE.read(&table, cx),
                tier: TIER.read(&table, cx),
                address: ADDRESS.read(&table, cx)?,
            };
            report_service(&entry.address.value, &table, cx)?;
            entry
        } else {
            Self::at(At {
                value: read_text(node, "an address like \"10.0.0.1:8080\"", cx)?,
                span: node.span.clone(),
            })
        };
        let at = entry.address.span.clone();
        match Address::parse_endpoints(&entry.address.value) {
            Ok((_, several)) if several.len() > 1 && entry.id.is_some() => {
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
        if *self == Self::at(self.address.clone()) {
            return quote(&self.address.value);
        }
        let mut lines = Lines::default();
        lines.knob(&ADDRESS, &Some(self.address.clone()));
        lines.knob(&WEIGHT, &self.weight);
        lines.knob(&ID, &self.id);
        lines.knob(&ADMIN, &self.admin);
        lines.knob(&ZONE, &self.zone);
        lines.knob(&TIER, &self.tier);
        lines.inline()
    }

    fn kind() -> String {
        "address or table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "anyOf": [{ "$ref": "#/$defs/string" }, ENDPOINT.reference()] })
    }
}
