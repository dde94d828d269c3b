//! `mirror` of a route: a second cluster that sees the same requests, and whose responses nobody does.

use evenkeel_base::{ByteSize, ClusterId};
use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::knob::{Knob, Lines, Section, Table};
use crate::model::{Cluster, Mirror};
use crate::raw::{At, Cx, Node};
use crate::section::{Names, resolve};
use crate::value::decimal::Decimal;
use crate::value::text::{quote, single};
use crate::value::{Bounds, Value};

/// `mirror` of a route.
pub(crate) static MIRROR_KNOB: Knob<Option<Entry>> = Knob {
    key: "mirror",
    about: "A second cluster that sees the route's requests too: its name, or a table. Its responses are thrown away, and nothing that happens there changes or delays what the client gets. A request is mirrored once it was answered, and only as a whole; when there is too much to mirror, requests are left out and counted. Upgrades, requests with `Expect` and those whose trailers pass are not mirrored. Do not lead a mirror back to a mirrored route: one request would go round for ever.",
    default: None,
    why: "none",
    bounds: None,
    required: false,
    example: "\"shadow\"",
};

static CLUSTER: Knob<Option<At<String>>> = Knob {
    key: "cluster",
    about: "The cluster; not one that the route leads to.",
    default: None,
    why: "it must be given",
    bounds: None,
    required: true,
    example: "\"shadow\"",
};

static PERCENT: Knob<Decimal<1>> = Knob {
    key: "percent",
    about: "How many of the requests it sees, in percent.",
    default: Decimal(1000),
    why: "all of them",
    bounds: Some(Bounds {
        least: 1,
        greatest: 1000,
    }),
    required: false,
    example: "10",
};

static MAX_BODY: Knob<ByteSize> = Knob {
    key: "max_body",
    about: "Requests with larger bodies are not mirrored.",
    default: ByteSize::kib(64),
    why: "most bodies are shorter, and what is mirrored is kept until it was sent twice",
    bounds: Some(Bounds {
        least: ByteSize(0),
        greatest: ByteSize::kib(16 * 1024),
    }),
    required: false,
    example: "\"1MiB\"",
};

/// `mirror` of a route, as a table.
pub(crate) static MIRROR: Section = Section {
    name: "route.mirror",
    about: "A mirror as a table instead of the cluster's name alone.",
    knobs: &[&CLUSTER, &PERCENT, &MAX_BODY],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\n'cluster' = \"a\"\n[route.mirror]\nUNLESS cluster: cluster = \"shadow\"\nKNOB\n[cluster.a]\nendpoints = [\":2\"]\n[cluster.shadow]\nendpoints = [\":3\"]\n",
};

/// A mirror as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    cluster: At<String>,
    percent: Decimal<1>,
    max_body: ByteSize,
}

/// Reads it; `own` are the clusters that the route leads to.
pub(crate) fn read(own: &[u32], names: &Names, table: &Table<'_>, cx: &mut Cx<'_>) -> Mirror {
    let Some(entry) = MIRROR_KNOB.read(table, cx) else {
        return Mirror::Off;
    };
    let Some(position) = resolve("cluster", &entry.cluster, names, cx) else {
        return Mirror::Off;
    };
    if own.contains(&position) {
        cx.error(
            entry.cluster.span,
            format!(
                "\"{}\" gets these requests already: the route leads to it",
                entry.cluster.value
            ),
        )
        .help("name another cluster, or leave `mirror` out");
    }
    Mirror::To {
        cluster: ClusterId::new(position),
        per_mille: u16::try_from(entry.percent.0).unwrap_or(u16::MAX),
        max_body: entry.max_body,
    }
}

/// Writes it.
pub(crate) fn print(mirror: Mirror, clusters: &[Cluster], lines: &mut Lines) {
    let Mirror::To {
        cluster,
        per_mille,
        max_body,
    } = mirror
    else {
        return;
    };
    let entry = clusters.get(cluster.index()).map(|cluster| Entry {
        cluster: At {
            value: cluster.name.clone(),
            span: 0..0,
        },
        percent: Decimal(per_mille.into()),
        max_body,
    });
    lines.knob(&MIRROR_KNOB, &entry);
}

impl Value for Entry {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let is_table =
            matches!(node.value, DeValue::Table(_)) && single(node, &["env", "file"]).is_none();
        if !is_table {
            let cluster = At::<String>::read(node, None, cx)?;
            return Some(Self {
                cluster,
                percent: PERCENT.default,
                max_body: MAX_BODY.default,
            });
        }
        let table = MIRROR.open(node, cx)?;
        let before = cx.count();
        let (percent, max_body) = (PERCENT.read(&table, cx), MAX_BODY.read(&table, cx));
        let cluster = CLUSTER.read(&table, cx)?;
        (cx.count() == before).then_some(Self {
            cluster,
            percent,
            max_body,
        })
    }

    fn toml(&self) -> String {
        if (self.percent, self.max_body) == (PERCENT.default, MAX_BODY.default) {
            return quote(&self.cluster.value);
        }
        let mut lines = Lines::default();
        lines.knob(&CLUSTER, &Some(self.cluster.clone()));
        lines.knob(&PERCENT, &self.percent);
        lines.knob(&MAX_BODY, &self.max_body);
        lines.inline()
    }

    fn kind() -> String {
        "name of a cluster, or a table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "anyOf": [{ "$ref": "#/$defs/string" }, MIRROR.reference()] })
    }
}
