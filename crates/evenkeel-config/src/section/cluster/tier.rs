//! Which of a cluster's endpoints come first: `spill_below`, `prefer_zone` and `subset` of a cluster, and what is said of
//! zones in the whole file.

use evenkeel_base::Address;
use evenkeel_base::rules::{BalancerRules, TierRules};

use crate::knob::{Knob, Lines, Table};
use crate::model::{Cluster, Endpoint, Sticky};
use crate::raw::{At, Cx, Span};
use crate::section::cluster::Draft;
use crate::spelling::nearest;
use crate::value::{Bounds, OrOff};

/// `spill_below` of a cluster.
pub(crate) static SPILL_BELOW: Knob<u8> = Knob {
    key: "spill_below",
    about: "A tier keeps all requests while at least this percentage of its weight is able to take requests. Below it, it keeps as much as is left of that, and the rest goes to the next tier, by the same rule. A tier is what endpoints of one `tier` and, with `prefer_zone`, of the own or the other zones are together.",
    default: TierRules::DEFAULT.spill_below_percent,
    why: "seven of ten endpoints bear for a while what ten did (Envoy: 1 / 1.4)",
    bounds: Some(Bounds {
        least: 1,
        greatest: 100,
    }),
    required: false,
    example: "50",
};

/// `prefer_zone` of a cluster.
pub(crate) static PREFER_ZONE: Knob<bool> = Knob {
    key: "prefer_zone",
    about: "Whether, of each tier, the endpoints in this node's `zone` come before those in others. It does nothing when the top of the file names no `zone`, or no endpoint is in it.",
    default: TierRules::DEFAULT.prefer_zone,
    why: "what stays in a zone is quicker and often costs nothing; who names zones has a reason",
    bounds: None,
    required: false,
    example: "false",
};

/// `subset` of a cluster.
pub(crate) static SUBSET: Knob<OrOff<u32>> = Knob {
    key: "subset",
    about: "This node makes use of so many endpoints of each tier only (with `prefer_zone`, of its own zone and of the others), chosen by the `node` at the top of the file and each endpoint's id, so that all nodes together use all of them evenly, and one endpoint that goes or comes changes little. 0 is \"off\". For clusters so large that every node with a connection to every endpoint is too much; with fewer than about 20 the load of endpoints differs more.",
    default: OrOff::Off,
    why: "all of them: a balancer that sees more endpoints balances better",
    bounds: Some(Bounds {
        least: 0,
        greatest: 10_000,
    }),
    required: false,
    example: "50",
};

/// Reads what a cluster says of tiers.
pub(crate) fn read(table: &Table<'_>, cx: &mut Cx<'_>) -> TierRules {
    TierRules {
        spill_below_percent: SPILL_BELOW.read(table, cx),
        prefer_zone: PREFER_ZONE.read(table, cx),
    }
}

/// Writes it.
pub(crate) fn print(rules: TierRules, lines: &mut Lines) {
    lines.knob(&SPILL_BELOW, &rules.spill_below_percent);
    lines.knob(&PREFER_ZONE, &rules.prefer_zone);
}

/// Reads the size of a cluster's subset, 0 for none, and where it stands.
pub(crate) fn read_subset(
    endpoints: &[Endpoint],
    table: &Table<'_>,
    cx: &mut Cx<'_>,
) -> (u32, Option<Span>) {
    let subset = SUBSET.read(table, cx).unless(0);
    let all = endpoints.len();
    let is_larger = usize::try_from(subset).is_ok_and(|subset| subset > all);
    // A name becomes as many endpoints as it has addresses.
    let is_known = |one: &Endpoint| !matches!(one.address, Address::Name { .. });
    // A cluster that could not be read, or is modelled elsewhere, has none.
    if is_larger && all > 0 && endpoints.iter().all(is_known) {
        cx.warning(
            SUBSET.span(table),
            format!("this does nothing: the cluster has {all} endpoints"),
        )
        .help("make it smaller than the cluster, or leave it out");
    }
    (subset, (subset > 0).then(|| SUBSET.span(table)))
}

/// Warns where the same client is to have the same endpoint on all nodes, which nodes that know different endpoints cannot keep.
pub(crate) fn check_subset(cluster: &Cluster, subset: Option<&Span>, cx: &mut Cx<'_>) {
    let Some(span) = subset else {
        return;
    };
    if cluster.sticky != Sticky::Off || matches!(cluster.balancer, BalancerRules::Hash(_)) {
        cx.warning(
            span.clone(),
            "each node has a subset of its own, so the same client or key has another endpoint on each",
        )
        .help("leave `subset` out, unless all that a client sends comes to one node");
    }
}

/// Reports subsets that no node can choose, for want of a name.
pub(crate) fn check_node(node: &str, clusters: &[Option<Draft>], cx: &mut Cx<'_>) {
    if !node.is_empty() {
        return;
    }
    for span in clusters.iter().flatten().filter_map(|c| c.subset.clone()) {
        cx.error(
            span,
            "a subset is chosen by the node's name, and this node has none",
        )
        .help("at the top of the file write node = { env = \"HOSTNAME\" }, or another text that is different on each node");
    }
}

/// Warns of a zone that no endpoint is in while others have zones: it is probably misspelt.
pub(crate) fn check_zone(zone: Option<&At<String>>, clusters: &[Option<Draft>], cx: &mut Cx<'_>) {
    let Some(own) = zone else {
        return;
    };
    let mut zones: Vec<&str> = Vec::new();
    for draft in clusters.iter().flatten() {
        for endpoint in &draft.cluster.endpoints {
            let zone = endpoint.zone.as_str();
            if !zone.is_empty() && zones.len() < MOST_NAMED && !zones.contains(&zone) {
                zones.push(zone);
            }
            if zone == own.value {
                return;
            }
        }
    }
    if zones.is_empty() {
        return;
    }
    let help = match nearest(&own.value, zones.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("the endpoints are in {}", zones.join(", ")),
    };
    cx.warning(
        own.span.clone(),
        "no endpoint is in this zone, so none comes before the others",
    )
    .help(help);
}

/// So many zones are named in a message at most.
const MOST_NAMED: usize = 20;
