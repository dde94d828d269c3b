//! `[clients.NAME]`: who asks, how often, and what for.

use std::time::Duration;

use evenkeel_config::layer::{Bounds, Branch, Cx, Entry, Knob, Section, Shape, Table};

use crate::read::knobs::{count, number, time};
use crate::read::service;
use crate::scenario::{Asks, Clients, Keys, Rate, Step};

static RATE: Knob<f64> = number(
    "rate",
    "How many requests a second, whether or not earlier ones were answered. One of `rate`, `load` and `count` is given.",
    0.0,
    "one of the three says it",
    (0.0, 1e9),
    "500",
);

static LOAD: Knob<f64> = number(
    "load",
    "The same as a part of what the endpoints can do with what they are allocated: at 0.7, cores are busy for 70 % of the time.",
    0.0,
    "one of the three says it",
    (0.0, 100.0),
    "0.7",
);

static COUNT: Knob<u32> = count(
    "count",
    "A closed loop: so many clients, each of whom asks again some time after it was answered.",
    0,
    "one of the three says it",
    (1, 10_000_000),
    "200",
);

static THINK: Branch = Branch {
    key: "think",
    about: "How long a client of a closed loop waits before it asks again.",
    shape: Shape::Once,
    section: || &service::SERVICE,
};

static STEPS: Branch = Branch {
    key: "step",
    about: "Changes of the rate.",
    shape: Shape::List,
    section: || &STEP,
};

static TIMEOUT: Knob<Option<Duration>> = Knob {
    key: "timeout",
    about: "How long they wait for a response. Then it is an error, and they are gone.",
    default: None,
    why: "the timeouts of the cluster show by themselves",
    bounds: Some(Bounds {
        least: Duration::from_millis(1),
        greatest: Duration::from_hours(24),
    }),
    required: false,
    example: "\"5s\"",
};

static IDEMPOTENT: Knob<f64> = number(
    "idempotent",
    "Which part of the requests may be sent twice, 0 to 1.",
    1.0,
    "most requests are GETs",
    (0.0, 1.0),
    "0.8",
);

static KEYS: Knob<u32> = count(
    "keys",
    "How many different things are asked for: what balancers hash. 0: requests have no key.",
    0,
    "only who hashes needs them",
    (0, 10_000_000),
    "100_000",
);

static SKEW: Knob<f64> = number(
    "skew",
    "How unequally: the k-th key is asked for in proportion to 1 / k^skew (Zipf); 0: all alike.",
    1.0,
    "what is found nearly everywhere",
    (0.0, 5.0),
    "0.99",
);

/// `[clients.NAME]`.
pub(super) static CLIENTS: Section = Section {
    name: "clients.NAME",
    about: "Clients that are alike.",
    knobs: &[
        &RATE,
        &LOAD,
        &COUNT,
        &THINK,
        &STEPS,
        &TIMEOUT,
        &IDEMPOTENT,
        &KEYS,
        &SKEW,
    ],
    sample: "[endpoint.a]\n[clients.a]\nUNLESS rate load count: load = 0.5\nKNOB\n",
};

static AT: Knob<Duration> = time(
    "at",
    "When.",
    Duration::ZERO,
    "it must be given",
    (Duration::ZERO, Duration::from_hours(24)),
    "\"20s\"",
);

static FACTOR: Knob<f64> = number(
    "factor",
    "How many times the rate it is from then on.",
    1.0,
    "as at the beginning",
    (0.0, 1e6),
    "10",
);

/// `step` of clients.
pub(super) static STEP: Section = Section {
    name: "clients.NAME.step",
    about: "A change of the rate.",
    knobs: &[&AT, &FACTOR],
    sample: "[endpoint.a]\n[clients.a]\nload = 0.5\n[[clients.a.step]]\nKNOB\n",
};

/// Reads a group.
pub(super) fn clients(entry: &Entry<'_>, cx: &mut Cx<'_>) -> Option<Clients> {
    let table = CLIENTS.open(&entry.node, cx)?;
    let asks = asks(&table, cx);
    Some(Clients {
        name: entry.key.value.to_owned(),
        asks,
        timeout: TIMEOUT.read(&table, cx).unwrap_or(Duration::MAX),
        idempotent: IDEMPOTENT.read(&table, cx),
        keys: Keys {
            count: KEYS.read(&table, cx),
            skew: SKEW.read(&table, cx),
        },
    })
}

fn asks(table: &Table<'_>, cx: &mut Cx<'_>) -> Asks {
    let (rate, load, count) = (
        RATE.read(table, cx),
        LOAD.read(table, cx),
        COUNT.read(table, cx),
    );
    let given = [RATE.given(table), LOAD.given(table), COUNT.given(table)];
    if given.iter().filter(|one| **one).count() != 1 && !table.has_unknown() {
        cx.error(
            table.span.clone(),
            "how often do they ask? One of `rate`, `load` and `count` says it",
        )
        .help("write load = 0.7, or rate = 500, or count = 200 with a `think`");
    }
    let steps = steps(table, cx);
    let think = THINK.once(table, cx);
    if COUNT.given(table) {
        if let Some(entry) = table.get(STEPS.key) {
            cx.error(
                entry.key.span.clone(),
                "a closed loop has no rate that could change",
            )
            .help("leave it out, or write `rate` or `load`");
        }
        let think = think.map_or_else(service::default, |table| service::read(&table, cx));
        return Asks::Closed {
            clients: count,
            think,
        };
    }
    if think.is_some() {
        cx.error(
            table.span_of(THINK.key),
            "`think` is only for a closed loop",
        )
        .help("leave it out, or write `count`");
    }
    let rate = if LOAD.given(table) {
        Rate::Load(load)
    } else {
        Rate::PerSecond(rate)
    };
    Asks::Open { rate, steps }
}

fn steps(table: &Table<'_>, cx: &mut Cx<'_>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for node in STEPS.list(table, cx) {
        let Some(step) = STEP.open(&node, cx) else {
            continue;
        };
        let at = AT.read(&step, cx);
        if steps.last().is_some_and(|last| last.at >= at) {
            cx.error(AT.span(&step), "this step is not later than the one before")
                .help("write them in the order of time");
        }
        steps.push(Step {
            at,
            factor: FACTOR.read(&step, cx),
        });
    }
    steps
}
