//! The numbers of the balancer "prequal", and where its readings come from.

use std::time::Duration;

use evenkeel_base::Known;
use evenkeel_base::rules::{PrequalRules, Signals};
use serde_json::{Value as Json, json};

use crate::knob::{Knob, Lines, Table};
use crate::raw::{At, Cx, Node};
use crate::section::cluster::probe::http::check_path;
use crate::spelling::nearest;
use crate::value::decimal::Decimal;
use crate::value::field::{check_name, why_own};
use crate::value::text::{quote, read_text, single};
use crate::value::{Bounds, Value};

/// `signals`.
pub(crate) static SIGNALS: Knob<Signals> = Knob {
    key: "signals",
    about: "Of \"prequal\": where readings of load and latency come from. \"own\" is what evenkeel counts and measures itself. `{ header = \"NAME\" }` is what endpoints say in that field of their responses, `{ probe = \"/path\" }` what they answer to a request for that path; both say it in the text or JSON form of ORCA, such as `TEXT named_metrics.in_flight=3, named_metrics.latency_ms=12`. What endpoints say is believed: one that says too little gets too much. One that says nothing gets next to nothing while two others do, so let all of them say it before this is turned on.",
    default: PrequalRules::DEFAULT.signals,
    why: "endpoints need to do nothing for it; what they say themselves also counts the requests of other nodes",
    bounds: None,
    required: false,
    example: "{ header = \"endpoint-load-metrics\" }",
};

/// `probe_rate`.
pub(crate) static PROBE_RATE: Knob<f32> = Knob {
    key: "probe_rate",
    about: "Of \"prequal\": readings taken for each request, each of a random endpoint. With `{ header = … }` every response brings one reading instead.",
    default: PrequalRules::DEFAULT.probe_rate,
    why: "the paper's: below it readings are used too often, above it they only cost",
    bounds: Some(Bounds {
        least: 0.125,
        greatest: 16.0,
    }),
    required: false,
    example: "2",
};

/// `remove_rate`.
pub(crate) static REMOVE_RATE: Knob<f32> = Knob {
    key: "remove_rate",
    about: "Of \"prequal\": readings thrown away for each request, in turn the oldest and the worst.",
    default: PrequalRules::DEFAULT.remove_rate,
    why: "the paper's: a reading of a bad endpoint would never be used, and stay",
    bounds: Some(Bounds {
        least: 0.0,
        greatest: 16.0,
    }),
    required: false,
    example: "0.5",
};

/// `pool`.
pub(crate) static POOL: Knob<u8> = Knob {
    key: "pool",
    about: "Of \"prequal\": readings that are kept to choose from.",
    default: PrequalRules::DEFAULT.pool,
    why: "the paper's: more are older, and no better",
    bounds: Some(Bounds {
        least: 2,
        greatest: PrequalRules::MOST_POOLED,
    }),
    required: false,
    example: "8",
};

/// `max_age`.
pub(crate) static MAX_AGE: Knob<Duration> = Knob {
    key: "max_age",
    about: "Of \"prequal\": readings older than this are not used.",
    default: PrequalRules::DEFAULT.max_age,
    why: "the paper's: load is another after a second",
    bounds: Some(Bounds {
        least: Duration::from_millis(1),
        greatest: Duration::from_mins(1),
    }),
    required: false,
    example: "\"2s\"",
};

/// `hot_quantile`.
pub(crate) static HOT_QUANTILE: Knob<Decimal<3>> = Knob {
    key: "hot_quantile",
    about: "Of \"prequal\": an endpoint with more requests in flight than this part of recent readings is hot, and picked only when all are. At 0 load alone decides, at 1 latency alone.",
    default: Decimal(PrequalRules::DEFAULT.hot_quantile as u32),
    why: "load decides who is avoided, latency who of the others is the quickest. The paper has 0.84, by which nodes with many requests each herd",
    bounds: Some(Bounds {
        least: 0,
        greatest: 1000,
    }),
    required: false,
    example: "0.75",
};

/// Reads them.
pub(crate) fn read(table: &Table<'_>, cx: &mut Cx<'_>) -> PrequalRules {
    let before = cx.count();
    let hot = HOT_QUANTILE.read(table, cx).0;
    let rules = PrequalRules {
        signals: SIGNALS.read(table, cx),
        probe_rate: PROBE_RATE.read(table, cx),
        remove_rate: REMOVE_RATE.read(table, cx),
        pool: POOL.read(table, cx),
        max_age: MAX_AGE.read(table, cx),
        hot_quantile: u16::try_from(hot).unwrap_or(u16::MAX),
    };
    if cx.count() > before {
        return rules;
    }
    if matches!(rules.signals, Signals::Header(_)) {
        if PROBE_RATE.given(table) {
            cx.warning(
                PROBE_RATE.span(table),
                "this does nothing here: each response brings one reading",
            )
            .help("leave it out");
        }
    } else if rules.remove_rate >= rules.probe_rate {
        let at = if REMOVE_RATE.given(table) {
            REMOVE_RATE.span(table)
        } else {
            PROBE_RATE.span(table)
        };
        cx.error(
            at,
            format!(
                "of {} readings for each request {} are thrown away, so there is nothing to choose from",
                rules.probe_rate, rules.remove_rate
            ),
        )
        .help("let `probe_rate` be larger than `remove_rate`");
    }
    rules
}

/// Writes them.
pub(crate) fn print(rules: &PrequalRules, lines: &mut Lines) {
    lines.knob(&SIGNALS, &rules.signals);
    lines.knob(&PROBE_RATE, &rules.probe_rate);
    lines.knob(&REMOVE_RATE, &rules.remove_rate);
    lines.knob(&POOL, &rules.pool);
    lines.knob(&MAX_AGE, &rules.max_age);
    lines.knob(&HOT_QUANTILE, &Decimal(rules.hot_quantile.into()));
}

const OWN: &str = "own";
const HEADER: &str = "header";
const PROBE: &str = "probe";

impl Value for Signals {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        if let Some((source, inner)) = single(node, &[HEADER, PROBE]) {
            return if source == HEADER {
                read_header(&inner, cx).map(Self::Header)
            } else {
                let path = At::<String>::read(&inner, None, cx)?;
                check_path(&path, cx).then_some(Self::Probe(path.value))
            };
        }
        if node.entries().is_some() && single(node, &["env", "file"]).is_none() {
            cx.error(node.span.clone(), "this says nothing of where readings come from")
                .help("write \"own\", { header = \"endpoint-load-metrics\" } or { probe = \"/load\" }: one of the three");
            return None;
        }
        let text = read_text(node, "a source of readings like \"own\"", cx)?;
        if text == OWN {
            return Some(Self::Own);
        }
        let help = match nearest(&text, [OWN, HEADER, PROBE]) {
            Some(OWN) => "did you mean \"own\"?",
            Some(HEADER) => "write { header = \"endpoint-load-metrics\" }",
            Some(_) => "write { probe = \"/load\" }",
            None => {
                "it is \"own\", { header = \"endpoint-load-metrics\" } or { probe = \"/load\" }"
            }
        };
        cx.error(node.span.clone(), format!("\"{text}\" is not known here"))
            .help(help);
        None
    }

    fn toml(&self) -> String {
        match self {
            Self::Own => quote(OWN),
            Self::Header(name) => format!("{{ {HEADER} = {} }}", quote(name)),
            Self::Probe(path) => format!("{{ {PROBE} = {} }}", quote(path)),
        }
    }

    fn kind() -> String {
        "\"own\", `{ header = … }` or `{ probe = … }`".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        let one = |key: &str| {
            json!({
                "type": "object",
                "properties": { key: { "$ref": "#/$defs/string" } },
                "required": [key],
                "additionalProperties": false,
            })
        };
        json!({ "anyOf": [
            { "const": OWN },
            { "$ref": "#/$defs/elsewhere" },
            one(HEADER),
            one(PROBE),
        ] })
    }
}

fn read_header(node: &Node<'_>, cx: &mut Cx<'_>) -> Option<String> {
    let name = read_text(node, "a field name like \"endpoint-load-metrics\"", cx)?;
    let span = node.span.clone();
    if !check_name(&At { value: &name, span }, cx) {
        return None;
    }
    if let Some(why) = why_own(Known::of(name.as_bytes())) {
        cx.error(node.span.clone(), format!("`{name}` carries no readings"))
            .help(why);
        return None;
    }
    Some(name.to_ascii_lowercase())
}
