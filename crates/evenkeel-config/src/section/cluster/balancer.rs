//! `balancer` of a cluster: who picks the endpoint of a request, and the numbers it picks by.
//!
//! The numbers of Prequal stand in [`prequal`]; how each balancer works is told in `evenkeel-policy`.

pub(crate) mod prequal;

use std::time::Duration;

use evenkeel_base::BalancerKind;
use evenkeel_base::rules::{BalancerRules, Choices, HashRules, HashTable, KeyPart, ReportedRules};
use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::knob::{Knob, Lines, Section, Table};
use crate::raw::{Cx, Node};
use crate::section::cluster::balancer::prequal::{
    HOT_QUANTILE, MAX_AGE, POOL, PROBE_RATE, REMOVE_RATE, SIGNALS,
};
use crate::value::decimal::Decimal;
use crate::value::key_part::KeyParts;
use crate::value::text::{quote, single};
use crate::value::{Bounds, OrOff, Value};

/// `balancer` of a cluster.
pub(crate) static BALANCER_KNOB: Knob<BalancerRules> = Knob {
    key: "balancer",
    about: "Who picks the endpoint of a request: a name, or a table with the name as `kind` and the numbers it picks by. What each does stands [below](#balancers).",
    default: BalancerRules::DEFAULT,
    why: "plain rotation sends a slow endpoint its full share",
    bounds: None,
    required: false,
    example: "\"round-robin\"",
};

static KIND: Knob<BalancerKind> = Knob {
    key: "kind",
    about: "Its name.",
    default: BalancerKind::LeastRequest,
    why: "it must be given",
    bounds: None,
    required: true,
    example: "\"least-request\"",
};

static CHOICES: Knob<Choices> = Knob {
    key: "choices",
    about: "Of \"least-request\": how many endpoints are compared for a pick, or \"all\".",
    default: Choices::DEFAULT,
    why: "the second choice brings nearly all that further ones would, and what many pick at once as the best is soon the worst",
    bounds: Some(Bounds {
        least: 2,
        greatest: Choices::MOST,
    }),
    required: false,
    example: "3",
};

static DECAY: Knob<Duration> = Knob {
    key: "decay",
    about: "Of \"peak-ewma\" and \"least-time\": how long a latency is remembered. After so long a peak that was not followed by another, or an old average, weighs 1/e of what it did.",
    default: BalancerRules::PEAK_DECAY,
    why: "what Finagle, where the first of them comes from, uses: long enough to hold a latency between two requests, short enough to forgive",
    bounds: Some(Bounds {
        least: Duration::from_millis(10),
        greatest: Duration::from_hours(1),
    }),
    required: false,
    example: "\"5s\"",
};

// One knob for both has one default.
const _: () =
    assert!(BalancerRules::PEAK_DECAY.as_nanos() == BalancerRules::AVERAGE_DECAY.as_nanos());

static INTERVAL: Knob<Duration> = Knob {
    key: "interval",
    about: "Of \"reported-load\": how often the weights follow what was reported.",
    default: ReportedRules::DEFAULT.interval,
    why: "what gRPC uses (proposal A58)",
    bounds: Some(Bounds {
        least: Duration::from_millis(100),
        greatest: Duration::from_hours(1),
    }),
    required: false,
    example: "\"500ms\"",
};

static ERROR_PENALTY: Knob<f32> = Knob {
    key: "error_penalty",
    about: "Of \"reported-load\": how much the errors that an endpoint reports count against it. Errors per request, times this, are added to its utilization.",
    default: ReportedRules::DEFAULT.error_penalty,
    why: "what gRPC uses (proposal A58); an endpoint that fails at once would look idle",
    bounds: Some(Bounds {
        least: 0.0,
        greatest: 1000.0,
    }),
    required: false,
    example: "2",
};

static EXPIRE: Knob<Duration> = Knob {
    key: "expire",
    about: "Of \"reported-load\": reports older than this are forgotten, and their endpoint has the average weight of the others.",
    default: ReportedRules::DEFAULT.expire,
    why: "what gRPC uses (proposal A58)",
    bounds: Some(Bounds {
        least: Duration::from_secs(1),
        greatest: Duration::from_hours(24),
    }),
    required: false,
    example: "\"1m\"",
};

static KEY: Knob<KeyParts> = Knob {
    key: "key",
    about: "Of \"maglev\", \"ring-hash\" and \"rendezvous\": the parts of a request that are hashed, so that requests that have them alike go to one endpoint. Names of fields are the same in any case, those of cookies and parameters are not. A part that a request lacks is hashed as missing; a request that has none of them goes to a random endpoint, by weight. A client that chooses what is hashed chooses its endpoint; `bound` limits how much.",
    default: KeyParts(Vec::new()),
    why: "`\"client\"`, the client's address: every request has one",
    bounds: None,
    required: false,
    example: "[\"cookie:user\", \"client\"]",
};

static BOUND: Knob<OrOff<Decimal<2>>> = Knob {
    key: "bound",
    about: "Of \"maglev\", \"ring-hash\" and \"rendezvous\": no endpoint gets a request that would give it more than this many times its share of the requests in flight. The key then goes to the next endpoint in the key's own order.",
    default: OrOff::Off,
    why: "a key stays with its endpoint; turn it on where one hot key can be more than an endpoint bears. The lower it is, the more keys move",
    bounds: Some(Bounds {
        least: 101,
        greatest: 1000,
    }),
    required: false,
    example: "1.25",
};

/// `balancer` of a cluster, as a table.
pub(crate) static BALANCER: Section = Section {
    name: "cluster.NAME.balancer",
    about: "The balancer as a table instead of its name alone. Each key but `kind` belongs to some of the balancers, and is an error with another.",
    knobs: &[
        &KIND,
        &CHOICES,
        &DECAY,
        &SIGNALS,
        &PROBE_RATE,
        &REMOVE_RATE,
        &POOL,
        &MAX_AGE,
        &HOT_QUANTILE,
        &INTERVAL,
        &ERROR_PENALTY,
        &EXPIRE,
        &KEY,
        &BOUND,
    ],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\nendpoints = [\":2\"]\n[cluster.a.balancer]\nONLY choices: kind = \"least-request\"\nONLY decay: kind = \"peak-ewma\"\nONLY signals probe_rate remove_rate pool max_age hot_quantile: kind = \"prequal\"\nONLY interval error_penalty expire: kind = \"reported-load\"\nONLY key bound: kind = \"maglev\"\nKNOB\n",
};

/// The keys that a balancer has beside `kind`.
fn keys_of(kind: BalancerKind) -> Vec<&'static str> {
    match kind {
        BalancerKind::LeastRequest => vec![CHOICES.key],
        BalancerKind::PeakEwma | BalancerKind::LeastTime => vec![DECAY.key],
        BalancerKind::Prequal => vec![
            SIGNALS.key,
            PROBE_RATE.key,
            REMOVE_RATE.key,
            POOL.key,
            MAX_AGE.key,
            HOT_QUANTILE.key,
        ],
        BalancerKind::ReportedLoad => vec![INTERVAL.key, ERROR_PENALTY.key, EXPIRE.key],
        BalancerKind::RingHash | BalancerKind::Maglev | BalancerKind::Rendezvous => {
            vec![KEY.key, BOUND.key]
        }
        BalancerKind::RoundRobin
        | BalancerKind::Random
        | BalancerKind::LeastConnections
        | BalancerKind::FirstAvailable => Vec::new(),
    }
}

/// Reports keys of other balancers.
fn check_keys(kind: BalancerKind, table: &Table<'_>, cx: &mut Cx<'_>) {
    let own = keys_of(kind);
    for knob in BALANCER.knobs {
        let key = knob.key();
        if key == KIND.key || own.contains(&key) {
            continue;
        }
        let Some(entry) = table.get(key) else {
            continue;
        };
        let others: Vec<String> = BalancerKind::ALL
            .into_iter()
            .filter(|other| keys_of(*other).contains(&key))
            .map(|other| format!("\"{other}\""))
            .collect();
        let has = if own.is_empty() {
            "has no keys of its own".to_owned()
        } else {
            format!("has {}", own.join(", "))
        };
        cx.error(
            entry.key.span.clone(),
            format!("`{key}` is not for \"{kind}\""),
        )
        .help(format!(
            "it is for {}; \"{kind}\" {has}",
            others.join(" and ")
        ));
    }
}

/// Reports a table that does not say whose numbers it holds.
fn report_no_kind(table: &Table<'_>, cx: &mut Cx<'_>) {
    if KIND.given(table) || table.has_unknown || cx.may_be_hidden() {
        return;
    }
    let given = |key: &&str| *key != KIND.key && table.get(key).is_some();
    let keys: Vec<&str> = BALANCER.knobs.iter().map(|knob| knob.key()).collect();
    let keys: Vec<&str> = keys.into_iter().filter(given).collect();
    let fits = |kind: &BalancerKind| keys.iter().all(|key| keys_of(*kind).contains(key));
    let mut kinds: Vec<BalancerKind> = BalancerKind::ALL.into_iter().filter(fits).collect();
    if kinds.is_empty() {
        kinds.extend(BalancerKind::ALL);
    }
    let kinds: Vec<String> = kinds.iter().map(|kind| format!("\"{kind}\"")).collect();
    cx.error(table.span.clone(), "`kind` is missing")
        .help(format!("add kind = {}", kinds.join(" or ")));
}

fn read_table(kind: BalancerKind, table: &Table<'_>, cx: &mut Cx<'_>) -> BalancerRules {
    let hash = |by, cx: &mut Cx<'_>| {
        BalancerRules::Hash(HashRules {
            table: by,
            key: KEY
                .read_given(table, cx)
                .map_or_else(|| HashRules::of(by).key, |key| key.0),
            bound_percent: BOUND
                .read(table, cx)
                .unless(Decimal(0))
                .0
                .try_into()
                .unwrap_or(u16::MAX),
        })
    };
    match kind {
        BalancerKind::LeastRequest => BalancerRules::LeastRequest {
            choices: CHOICES.read(table, cx),
        },
        BalancerKind::PeakEwma => BalancerRules::PeakEwma {
            decay: DECAY.read(table, cx),
        },
        BalancerKind::LeastTime => BalancerRules::LeastTime {
            decay: DECAY.read(table, cx),
        },
        BalancerKind::Prequal => BalancerRules::Prequal(prequal::read(table, cx)),
        BalancerKind::ReportedLoad => BalancerRules::ReportedLoad(read_reported(table, cx)),
        BalancerKind::RingHash => hash(HashTable::Ring, cx),
        BalancerKind::Maglev => hash(HashTable::Maglev, cx),
        BalancerKind::Rendezvous => hash(HashTable::Rendezvous, cx),
        BalancerKind::RoundRobin
        | BalancerKind::Random
        | BalancerKind::LeastConnections
        | BalancerKind::FirstAvailable => BalancerRules::of(kind),
    }
}

fn read_reported(table: &Table<'_>, cx: &mut Cx<'_>) -> ReportedRules {
    let before = cx.count();
    let rules = ReportedRules {
        interval: INTERVAL.read(table, cx),
        error_penalty: ERROR_PENALTY.read(table, cx),
        expire: EXPIRE.read(table, cx),
    };
    if cx.count() == before && rules.expire < rules.interval {
        cx.error(
            EXPIRE.span(table),
            "reports would be forgotten before the weights follow them",
        )
        .help("raise `expire` to at least `interval`");
    }
    rules
}

impl Value for BalancerRules {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let is_table =
            matches!(node.value, DeValue::Table(_)) && single(node, &["env", "file"]).is_none();
        if !is_table {
            return BalancerKind::read(node, None, cx).map(Self::of);
        }
        let table = BALANCER.open(node, cx)?;
        let before = cx.count();
        let Some(kind) = KIND.read_given(&table, cx) else {
            report_no_kind(&table, cx);
            return None;
        };
        check_keys(kind, &table, cx);
        let rules = read_table(kind, &table, cx);
        (cx.count() == before).then_some(rules)
    }

    fn toml(&self) -> String {
        if *self == Self::of(self.kind()) {
            return self.kind().toml();
        }
        let mut lines = Lines::default();
        lines.given(&KIND, Some(&self.kind()));
        match self {
            Self::LeastRequest { choices } => lines.knob(&CHOICES, choices),
            Self::PeakEwma { decay } | Self::LeastTime { decay } => lines.knob(&DECAY, decay),
            Self::Prequal(rules) => prequal::print(rules, &mut lines),
            Self::ReportedLoad(rules) => {
                lines.knob(&INTERVAL, &rules.interval);
                lines.knob(&ERROR_PENALTY, &rules.error_penalty);
                lines.knob(&EXPIRE, &rules.expire);
            }
            Self::Hash(rules) => {
                if rules.key != [KeyPart::Client] {
                    lines.knob(&KEY, &KeyParts(rules.key.clone()));
                }
                let bound = Decimal(rules.bound_percent.into());
                lines.knob(&BOUND, &OrOff::of(bound, &Decimal(0)));
            }
            Self::RoundRobin | Self::Random | Self::LeastConnections | Self::FirstAvailable => {}
        }
        lines.inline()
    }

    fn kind() -> String {
        format!("{}, or a table", BalancerKind::kind())
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "anyOf": [BalancerKind::schema(None), BALANCER.reference()] })
    }
}

impl Value for Choices {
    type Bound = u8;

    fn read(node: &Node<'_>, bounds: Option<&Bounds<u8>>, cx: &mut Cx<'_>) -> Option<Self> {
        match node.value {
            DeValue::String(text) if text == "all" => Some(Self::All),
            DeValue::String(text) if text.parse::<u8>().is_err() => {
                cx.error(node.span.clone(), format!("\"{text}\" is not known here"))
                    .help("write a number, or \"all\"");
                None
            }
            _ => u8::read(node, bounds, cx).map(Self::Some),
        }
    }

    fn toml(&self) -> String {
        match self {
            Self::Some(count) => count.to_string(),
            Self::All => quote("all"),
        }
    }

    fn kind() -> String {
        "integer or \"all\"".into()
    }

    fn schema(bounds: Option<&Bounds<u8>>) -> Json {
        json!({ "anyOf": [{ "const": "all" }, u8::schema(bounds)] })
    }

    fn bounds_text(bounds: &Bounds<u8>) -> String {
        u8::bounds_text(bounds)
    }
}
