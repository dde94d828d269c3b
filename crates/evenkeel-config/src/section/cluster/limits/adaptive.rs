//! `endpoint_requests` of a cluster's limits: a number, or a limit that follows the endpoint's latency.

use evenkeel_base::rules::{AdaptiveRules, EndpointLimit};
use serde_json::{Value as Json, json};
use toml::de::DeValue;

use crate::knob::{Knob, Lines, Section, Table};
use crate::raw::{Cx, Node};
use crate::value::scalar::TURNS_OFF;
use crate::value::text::quote;
use crate::value::{Bounds, Value};

static MIN: Knob<u32> = Knob {
    key: "min",
    about: "It never falls below this. Never more than `max` by default.",
    default: AdaptiveRules::DEFAULT.min,
    why: "with fewer there is too little to measure",
    bounds: CONCURRENCY,
    required: false,
    example: "5",
};

static MAX: Knob<u32> = Knob {
    key: "max",
    about: "It never rises above this.",
    default: AdaptiveRules::DEFAULT.max,
    why: "more than nearly every endpoint works on at once",
    bounds: CONCURRENCY,
    required: false,
    example: "200",
};

static INITIAL: Knob<u32> = Knob {
    key: "initial",
    about: "It begins here. Between `min` and `max` by default.",
    default: AdaptiveRules::DEFAULT.initial,
    why: "most endpoints bear it, and from here it rises within seconds",
    bounds: CONCURRENCY,
    required: false,
    example: "50",
};

static TOLERANCE: Knob<u32> = Knob {
    key: "tolerance",
    about: "Latency may rise by so many percent above what it is without load before the limit falls.",
    default: AdaptiveRules::DEFAULT.tolerance_percent,
    why: "latency varies by itself, and an idle endpoint is wasted",
    bounds: Some(Bounds {
        least: 1,
        greatest: 1000,
    }),
    required: false,
    example: "100",
};

const CONCURRENCY: Option<Bounds<u32>> = Some(Bounds {
    least: 1,
    greatest: 1_000_000,
});

/// `endpoint_requests` of a cluster's limits, as a table.
pub(crate) static ADAPTIVE: Section = Section {
    name: "cluster.NAME.limits.endpoint_requests",
    about: "The adaptive limit as a table instead of the word \"adaptive\": as many requests in flight as the latency of the endpoint shows that it can bear. It rises while latency stays as it is without load, and falls when requests begin to wait inside the endpoint.",
    knobs: &[&MIN, &MAX, &INITIAL, &TOLERANCE],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\nendpoints = [\":2\"]\n[cluster.a.limits.endpoint_requests]\nKNOB\n",
};

impl Value for EndpointLimit {
    type Bound = u32;

    fn read(node: &Node<'_>, bounds: Option<&Bounds<u32>>, cx: &mut Cx<'_>) -> Option<Self> {
        match node.value {
            DeValue::Table(_) => {
                let table = ADAPTIVE.open(node, cx)?;
                read_adaptive(&table, cx).map(Self::Adaptive)
            }
            DeValue::String(text) if text == "off" => Some(Self::Off),
            DeValue::String(text) if text == "adaptive" => {
                Some(Self::Adaptive(AdaptiveRules::DEFAULT))
            }
            DeValue::String(text) if text.parse::<u32>().is_err() => {
                cx.error(node.span.clone(), format!("\"{text}\" is not known here"))
                    .help("write a number, \"adaptive\" or \"off\"");
                None
            }
            _ => {
                let read = u32::read(node, bounds, cx).map(Self::Fixed);
                if read.is_none() {
                    cx.help_also(TURNS_OFF);
                }
                read
            }
        }
    }

    fn toml(&self) -> String {
        let rules = match self {
            Self::Off => return quote("off"),
            Self::Fixed(limit) => return limit.to_string(),
            Self::Adaptive(rules) => rules,
        };
        if *rules == AdaptiveRules::DEFAULT {
            return quote("adaptive");
        }
        let (least, begin) = dependent(rules.min, rules.max);
        let mut lines = Lines::default();
        lines.knob_unless(&MIN, &rules.min, &least);
        lines.knob(&MAX, &rules.max);
        lines.knob_unless(&INITIAL, &rules.initial, &begin);
        lines.knob(&TOLERANCE, &rules.tolerance_percent);
        lines.inline()
    }

    fn kind() -> String {
        "integer, \"adaptive\", table or \"off\"".into()
    }

    fn schema(bounds: Option<&Bounds<u32>>) -> Json {
        json!({ "anyOf": [
            { "enum": ["off", "adaptive"] },
            u32::schema(bounds),
            ADAPTIVE.reference(),
        ] })
    }

    fn bounds_text(bounds: &Bounds<u32>) -> String {
        u32::bounds_text(bounds)
    }
}

/// What `min` is under this `max`, and `initial` between the two, when they are not given.
fn dependent(min: u32, max: u32) -> (u32, u32) {
    (MIN.default.min(max), INITIAL.default.max(min).min(max))
}

fn read_adaptive(table: &Table<'_>, cx: &mut Cx<'_>) -> Option<AdaptiveRules> {
    let before = cx.count();
    let max = MAX.read(table, cx);
    let min = MIN.read_given(table, cx);
    let min = min.unwrap_or_else(|| dependent(0, max).0);
    let initial = INITIAL.read_given(table, cx);
    let initial = initial.unwrap_or_else(|| dependent(min, max).1);
    let tolerance_percent = TOLERANCE.read(table, cx);
    if cx.count() > before {
        return None;
    }
    if min > max {
        cx.error(
            MIN.span(table),
            format!("the least limit is {min}, and the greatest {max}"),
        )
        .help("raise `max` or lower `min`");
    } else if !(min..=max).contains(&initial) {
        cx.error(
            INITIAL.span(table),
            format!("{initial} is not between the least limit {min} and the greatest {max}"),
        )
        .help("begin between the two, or leave `initial` out");
    }
    (cx.count() == before).then_some(AdaptiveRules {
        min,
        max,
        initial,
        tolerance_percent,
    })
}
