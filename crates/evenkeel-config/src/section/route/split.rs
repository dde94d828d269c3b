//! `cluster` and `split_by` of a route: where its requests go, and in which shares when to several clusters.

use evenkeel_base::ClusterId;
use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::knob::{Knob, Lines, NAME_PATTERN, Table};
use crate::model::{Cluster, Split};
use crate::raw::{At, Cx, Node};
use crate::section::{Names, resolve};
use crate::value::key_part::KeyParts;
use crate::value::text::{key, quote, single};
use crate::value::{Bounds, Value};

/// `cluster` of a route.
pub(crate) static CLUSTER: Knob<Option<Shares>> = Knob {
    key: "cluster",
    about: "Sends the request to an endpoint of this cluster, or of one of several, in a table with the share of each: `{ stable = 95, canary = 5 }`. Shares are whole numbers to 1000 that are compared with each other; 0 gets none. A cluster in which no endpoint is able to take requests gives its share to the others; outlier detection leaves every cluster its last endpoint, so only a cluster with probes does that. A route has exactly one of `cluster`, `redirect` and `respond`.",
    default: None,
    why: "none; a route has exactly one of the three actions",
    bounds: None,
    required: false,
    example: "\"api\"",
};

/// `split_by` of a route.
pub(crate) static SPLIT_BY: Knob<KeyParts> = Knob {
    key: "split_by",
    about: "The parts of a request by which clients are told apart where several clusters share the requests, so that each client stays with one cluster while the shares stay as they are. A request that has none of them goes by the shares alone.",
    default: KeyParts(Vec::new()),
    why: "each request goes by itself, in exact rotation",
    bounds: None,
    required: false,
    example: "[\"cookie:user\", \"client\"]",
};

/// The greatest share.
const GREATEST: u16 = 1000;

/// The most clusters that share a route's requests.
const MOST_CLUSTERS: usize = 64;

/// Clusters with their shares, by name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shares(Vec<(At<String>, u16)>);

/// What a route says of the clusters it leads to.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The split, when all of it is right.
    pub(crate) split: Option<Split>,
    /// The clusters that it names and that there are.
    pub(crate) clusters: Vec<u32>,
}

/// Reads where the requests of a route go.
pub(crate) fn read(names: &Names, table: &Table<'_>, cx: &mut Cx<'_>) -> Found {
    let by = SPLIT_BY.read(table, cx).0;
    let Some(Shares(shares)) = CLUSTER.read(table, cx) else {
        return Found::default();
    };
    let mut found: Vec<(u32, u16)> = Vec::new();
    for (name, weight) in &shares {
        if let Some(position) = resolve("cluster", name, names, cx) {
            found.push((position, *weight));
        }
    }
    let several = shares.len() > 1;
    if SPLIT_BY.given(table) && !several {
        cx.warning(
            SPLIT_BY.span(table),
            "this does nothing here: all requests go to one cluster",
        )
        .help("leave it out, or let clusters share the requests: cluster = { stable = 95, canary = 5 }");
    }
    let split = (found.len() == shares.len()).then(|| Split {
        shares: found
            .iter()
            .map(|&(position, weight)| (ClusterId::new(position), weight))
            .collect(),
        by: if several { by } else { Vec::new() },
    });
    Found {
        split,
        clusters: found.into_iter().map(|(position, _)| position).collect(),
    }
}

/// Writes it.
pub(crate) fn print(split: &Split, clusters: &[Cluster], lines: &mut Lines) {
    let named = split.shares.iter().filter_map(|(id, weight)| {
        let value = clusters.get(id.index())?.name.clone();
        Some((At { value, span: 0..0 }, *weight))
    });
    lines.knob(&CLUSTER, &Some(Shares(named.collect())));
    lines.knob(&SPLIT_BY, &KeyParts(split.by.clone()));
}

impl Value for Shares {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        // A cluster may be called env: its share is a number.
        let from_elsewhere = single(node, &["env", "file"])
            .is_some_and(|(_, inner)| matches!(inner.value, DeValue::String(_)));
        match node.value {
            DeValue::Table(_) if !from_elsewhere => read_shares(node, cx),
            DeValue::Array(_) => {
                cx.error(
                    node.span.clone(),
                    "expected a cluster, or a table of shares, found a list",
                )
                .help("give each cluster its share: { stable = 95, canary = 5 }");
                None
            }
            _ => At::<String>::read(node, None, cx).map(|name| Self(vec![(name, 1)])),
        }
    }

    fn toml(&self) -> String {
        if let [(only, 1)] = self.0.as_slice() {
            return quote(&only.value);
        }
        let shares = self.0.iter();
        let shares = shares.map(|(name, weight)| format!("{} = {weight}", key(&name.value)));
        format!("{{ {} }}", shares.collect::<Vec<_>>().join(", "))
    }

    fn kind() -> String {
        "name of a cluster, or a table of shares".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "anyOf": [
            { "$ref": "#/$defs/string" },
            {
                "type": "object",
                "propertyNames": { "pattern": NAME_PATTERN },
                "additionalProperties": u16::schema(Some(&SHARE)),
            },
        ] })
    }
}

const SHARE: Bounds<u16> = Bounds {
    least: 0,
    greatest: GREATEST,
};

fn read_shares(node: &Node<'_>, cx: &mut Cx<'_>) -> Option<Shares> {
    let entries = node.entries()?;
    let before = cx.count();
    if entries.is_empty() {
        cx.error(node.span.clone(), "this names no cluster")
            .help("give each cluster its share: { stable = 95, canary = 5 }");
    }
    if let Some(beyond) = entries.get(MOST_CLUSTERS) {
        cx.error(
            beyond.key.span.clone(),
            format!("at most {MOST_CLUSTERS} clusters share the requests of a route"),
        );
        return None;
    }
    let mut shares = Vec::new();
    for entry in &entries {
        let name = At {
            value: entry.key.value.to_owned(),
            span: entry.key.span.clone(),
        };
        let weight = u16::read(&entry.node, Some(&SHARE), cx);
        if weight.is_none() && matches!(entry.node.value, DeValue::Float(_)) {
            cx.help_also("shares are whole numbers, such as { stable = 95, canary = 5 }");
        }
        shares.extend(weight.map(|weight| (name, weight)));
    }
    if cx.count() > before {
        return None;
    }
    if shares.iter().all(|(_, weight)| *weight == 0) {
        cx.error(
            node.span.clone(),
            "all shares are 0, so no cluster would get a request",
        )
        .help("give at least one cluster a share above 0");
        return None;
    }
    Some(Shares(shares))
}
