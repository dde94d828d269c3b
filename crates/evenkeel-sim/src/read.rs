//! Scenario files: TOML, read and checked as the configuration is, with a place and a remedy for every mistake.
//!
//! `[cluster]` is a cluster of the configuration without its endpoints, read by `evenkeel-config` itself. The other tables
//! are here: `endpoint.rs` and `clients.rs`.

mod clients;
mod endpoint;
mod knobs;
mod service;

use std::time::Duration;

use evenkeel_config::layer::{
    AnyKnob, Branch, Cx, Entry, Knob, Node, Section, Shape, Table, check_name, read,
};
use evenkeel_config::model::Cluster;
use evenkeel_config::{Diagnostic, Nowhere, Severity, check_cluster};

use serde_json::{Value as Json, json};

use crate::read::knobs::{count, time};
use crate::scenario::{MOST_KNOWN, Network, Scenario};

/// No scenario lasts longer.
const LONGEST: Duration = Duration::from_hours(24);

static ABOUT: Knob<String> = Knob {
    key: "about",
    about: "What it is, and what to look at in its outcome.",
    default: String::new(),
    why: "it is only for people",
    bounds: None,
    required: false,
    example: "\"ten endpoints, one of them slow: who still sends it its share?\"",
};

static DURATION: Knob<Duration> = time(
    "duration",
    "For how long clients ask.",
    Duration::from_mins(1),
    "long enough for a p99.9 at some hundred requests a second",
    (Duration::from_millis(100), LONGEST),
    "\"2m\"",
);

static WARM_UP: Knob<Duration> = time(
    "warm_up",
    "Requests that begin before this are not counted.",
    Duration::from_secs(5),
    "queues are empty at first, and averages know nothing",
    (Duration::ZERO, LONGEST),
    "\"10s\"",
);

static NODES: Knob<u32> = count(
    "nodes",
    "How many evenkeels there are. They share endpoints and clients and nothing else.",
    1,
    "one sees everything",
    (1, 10_000),
    "100",
);

static PER_NODE: Knob<u32> = count(
    "endpoints_per_node",
    "How many of the endpoints each node uses; 0: all. `subset` of the cluster does the same.",
    0,
    "a cluster that is small enough is used as a whole",
    (0, 100_000),
    "5",
);

static ZONES: Knob<Vec<String>> = Knob {
    key: "zones",
    about: "The zones that nodes are in, in turn.",
    default: Vec::new(),
    why: "nodes are in no zone",
    bounds: None,
    required: false,
    example: "[\"a\", \"b\"]",
};

static NETWORK: Knob<Duration> = time(
    "network",
    "How long a message is under way from node to endpoint, and back.",
    Duration::from_micros(250),
    "two machines of a data center",
    (Duration::ZERO, Duration::from_secs(10)),
    "\"20ms\"",
);

static JITTER: Knob<Duration> = time(
    "network_jitter",
    "So much more at most, each length as likely as the next.",
    Duration::ZERO,
    "it is small beside the time of service",
    (Duration::ZERO, Duration::from_secs(10)),
    "\"100us\"",
);

/// `[cluster]`, which `evenkeel-config` reads.
struct ClusterTable;

impl AnyKnob for ClusterTable {
    fn key(&self) -> &'static str {
        "cluster"
    }

    fn about(&self) -> &'static str {
        "The rules of the cluster: what may stand in `[cluster.NAME]` of the configuration, but for `endpoints`."
    }

    fn required(&self) -> bool {
        false
    }

    fn schema(&self) -> Json {
        json!({ "type": "object" })
    }

    fn kind(&self) -> String {
        "table".to_owned()
    }

    fn default(&self) -> (String, &'static str) {
        (String::new(), "every default of the configuration")
    }

    fn example(&self) -> &'static str {
        "{ balancer = \"round-robin\", retry = { attempts = 1 } }"
    }
}

static ENDPOINTS: Branch = Branch {
    key: "endpoint",
    about: "Endpoints in groups that are alike.",
    shape: Shape::Named,
    section: || &endpoint::ENDPOINT,
};

static CLIENTS: Branch = Branch {
    key: "clients",
    about: "Clients in groups that are alike.",
    shape: Shape::Named,
    section: || &clients::CLIENTS,
};

static TOP: Section = Section {
    name: "",
    about: "What concerns the whole scenario stands above the first table.",
    knobs: &[
        &ABOUT,
        &DURATION,
        &WARM_UP,
        &NODES,
        &PER_NODE,
        &ZONES,
        &NETWORK,
        &JITTER,
        &ClusterTable,
        &ENDPOINTS,
        &CLIENTS,
    ],
    sample: "KNOB\n[endpoint.a]\n[clients.a]\nload = 0.5\n",
};

/// Every table, for keys that stand in the wrong one.
pub(crate) static ALL: [&Section; 8] = [
    &TOP,
    &endpoint::ENDPOINT,
    &endpoint::ANTAGONIST,
    &endpoint::COLD,
    &endpoint::FAILURE,
    &service::SERVICE,
    &clients::CLIENTS,
    &clients::STEP,
];

/// What reading a scenario found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The scenario; none when there is an error.
    pub scenario: Option<Scenario>,
    /// The mistakes in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads and checks a scenario, and reports every mistake at once. `file` is its name for messages, `name` that of the
/// scenario.
#[must_use]
pub fn check(text: &str, file: &str, name: &str) -> Checked {
    let part = check_cluster(text, file, &[ClusterTable.key()], &Nowhere);
    let is_sound = part.cluster.is_some();
    // Any cluster will do to find the mistakes of the rest.
    let cluster = part
        .cluster
        .or_else(|| check_cluster("", file, &[ClusterTable.key()], &Nowhere).cluster);
    let (scenario, mut diagnostics) = read(text, file, &Nowhere, home_of, |root, cx| {
        scenario(name, cluster?, root, cx)
    });
    // Both have read the whole text, and found the same mistakes of syntax.
    for one in part.diagnostics {
        if !diagnostics.contains(&one) {
            diagnostics.push(one);
        }
    }
    diagnostics.sort_by_key(|one| one.place.bytes.start);
    let is_right = diagnostics
        .iter()
        .all(|one| one.severity != Severity::Error);
    Checked {
        scenario: scenario.filter(|_| is_right && is_sound),
        diagnostics,
    }
}

fn scenario(name: &str, cluster: Cluster, root: &Node<'_>, cx: &mut Cx<'_>) -> Option<Scenario> {
    let table = TOP.open(root, cx)?;
    let zones = ZONES.read(&table, cx);
    let groups = named(&ENDPOINTS, &table, cx, |entry, cx| {
        endpoint::group(entry, &zones, cx)
    });
    let clients = named(&CLIENTS, &table, cx, clients::clients);
    let scenario = Scenario {
        name: name.to_owned(),
        about: ABOUT.read(&table, cx),
        duration: DURATION.read(&table, cx),
        warm_up: WARM_UP.read(&table, cx),
        nodes: NODES.read(&table, cx),
        endpoints_per_node: PER_NODE.read(&table, cx),
        network: Network {
            delay: NETWORK.read(&table, cx),
            jitter: JITTER.read(&table, cx),
        },
        zones,
        cluster,
        endpoints: groups,
        clients,
    };
    check_whole(&scenario, &table, cx);
    Some(scenario)
}

/// The tables of a branch, each read; a branch without any is reported.
fn named<'t, T>(
    branch: &Branch,
    table: &Table<'t>,
    cx: &mut Cx<'_>,
    one: impl Fn(&Entry<'t>, &mut Cx<'_>) -> Option<T>,
) -> Vec<T> {
    let entries = branch.named(table, cx);
    if table.get(branch.key).is_none() && !table.has_unknown() && !cx.may_be_hidden() {
        cx.error(0..0, format!("there is no [{}.NAME]", branch.key))
            .help("add one: `evenkeel simulate --show steady-70` prints a whole scenario");
    }
    let read = |entry: &Entry<'t>| {
        check_name(&entry.key, cx);
        one(entry, cx)
    };
    entries.iter().filter_map(read).collect()
}

/// What several knobs say together.
fn check_whole(scenario: &Scenario, table: &Table<'_>, cx: &mut Cx<'_>) {
    if scenario.warm_up >= scenario.duration {
        let span = WARM_UP.span(table);
        cx.error(
            span,
            "the warm-up lasts as long as everything, and nothing would be counted",
        )
        .help("let `duration` be longer");
    }
    let known = scenario.known();
    if known > MOST_KNOWN {
        let each = known / u64::from(scenario.nodes);
        cx.error(
            NODES.span(table),
            format!(
                "{} nodes that know {each} endpoints each are too much",
                scenario.nodes
            ),
        )
        .help(format!(
            "their product may be {MOST_KNOWN}; `endpoints_per_node` makes it less"
        ));
    }
}

/// Where a key belongs that stands in the wrong table.
fn home_of(key: &str) -> Option<String> {
    let has = |section: &&&Section| section.knobs.iter().any(|knob| knob.key() == key);
    let homes: Vec<String> = ALL.iter().filter(has).map(|one| one.title()).collect();
    (!homes.is_empty()).then(|| format!("`{key}` stands {}", homes.join(" or ")))
}
