//! `service` and `think`: a distribution by its name and what that needs.

use std::time::Duration;

use evenkeel_config::layer::{AnyKnob, Choice, Cx, Knob, Section, Table};

use crate::distribution::Distribution;
use crate::read::knobs::{number, time};

/// The distributions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Constant,
    Exponential,
    Lognormal,
    Normal,
    Bimodal,
    Pareto,
}

impl Choice for Kind {
    fn all() -> Vec<(&'static str, Self)> {
        vec![
            ("constant", Self::Constant),
            ("exponential", Self::Exponential),
            ("lognormal", Self::Lognormal),
            ("normal", Self::Normal),
            ("bimodal", Self::Bimodal),
            ("pareto", Self::Pareto),
        ]
    }
}

/// No time of service is shorter or longer.
const TIMES: (Duration, Duration) = (Duration::from_micros(1), Duration::from_hours(1));

static KIND: Knob<Kind> = Knob {
    key: "kind",
    about: "Which distribution: \"constant\" and \"exponential\" have a `mean`; \"lognormal\" and \"normal\" (without what is not positive) also a `deviation`; \"bimodal\" has `short`, `long` and the `part` that is long; \"pareto\" has `least`, `most` and `shape`.",
    default: Kind::Exponential,
    why: "what is known least about",
    bounds: None,
    required: false,
    example: "\"lognormal\"",
};

static MEAN: Knob<Duration> = time(
    "mean",
    "Its mean; of \"normal\" the one before what is not positive was cut away.",
    Duration::from_millis(10),
    "a small service",
    TIMES,
    "\"80ms\"",
);

static DEVIATION: Knob<Duration> = time(
    "deviation",
    "Its standard deviation.",
    Duration::from_millis(10),
    "as large as the mean",
    TIMES,
    "\"80ms\"",
);

static SHORT: Knob<Duration> = time(
    "short",
    "The time of most.",
    Duration::from_millis(5),
    "a small service",
    TIMES,
    "\"5ms\"",
);

static LONG: Knob<Duration> = time(
    "long",
    "The time of the others.",
    Duration::from_millis(100),
    "twenty times as long",
    TIMES,
    "\"100ms\"",
);

static PART: Knob<f64> = number(
    "part",
    "How many are long, 0 to 1.",
    0.05,
    "one of twenty",
    (0.0, 1.0),
    "0.05",
);

static LEAST: Knob<Duration> = time(
    "least",
    "The shortest time.",
    Duration::from_millis(1),
    "a small service",
    TIMES,
    "\"1ms\"",
);

static MOST: Knob<Duration> = time(
    "most",
    "The longest time.",
    Duration::from_secs(1),
    "a thousand times as long",
    TIMES,
    "\"1s\"",
);

static SHAPE: Knob<f64> = number(
    "shape",
    "How fast the tail falls: the lower, the heavier.",
    1.2,
    "what web traffic was found to have",
    (0.1, 10.0),
    "1.5",
);

/// A distribution.
pub(super) static SERVICE: Section = Section {
    name: "endpoint.NAME.service",
    about: "How long a request keeps a core busy.",
    knobs: &[
        &KIND, &MEAN, &DEVIATION, &SHORT, &LONG, &PART, &LEAST, &MOST, &SHAPE,
    ],
    sample: "[endpoint.a]\n[endpoint.a.service]\nONLY deviation: kind = \"normal\"\nONLY short long part: kind = \"bimodal\"\nONLY least most shape: kind = \"pareto\"\nKNOB\n[clients.a]\nload = 0.5\n",
};

/// Reads it, and reports what does not belong to its kind.
pub(super) fn read(table: &Table<'_>, cx: &mut Cx<'_>) -> Distribution {
    let kind = KIND.read(table, cx);
    let seconds = |knob: &Knob<Duration>, cx: &mut Cx<'_>| knob.read(table, cx).as_secs_f64();
    let (read, known): (Distribution, &[&dyn AnyKnob]) = match kind {
        Kind::Constant => (
            Distribution::Constant {
                mean: seconds(&MEAN, cx),
            },
            &[&MEAN],
        ),
        Kind::Exponential => (
            Distribution::Exponential {
                mean: seconds(&MEAN, cx),
            },
            &[&MEAN],
        ),
        Kind::Lognormal => (
            Distribution::Lognormal {
                mean: seconds(&MEAN, cx),
                deviation: seconds(&DEVIATION, cx),
            },
            &[&MEAN, &DEVIATION],
        ),
        Kind::Normal => (
            Distribution::Normal {
                mean: seconds(&MEAN, cx),
                deviation: seconds(&DEVIATION, cx),
            },
            &[&MEAN, &DEVIATION],
        ),
        Kind::Bimodal => (
            Distribution::Bimodal {
                short: seconds(&SHORT, cx),
                long: seconds(&LONG, cx),
                part: PART.read(table, cx),
            },
            &[&SHORT, &LONG, &PART],
        ),
        Kind::Pareto => (
            Distribution::Pareto {
                least: seconds(&LEAST, cx),
                most: seconds(&MOST, cx),
                shape: SHAPE.read(table, cx),
            },
            &[&LEAST, &MOST, &SHAPE],
        ),
    };
    let belongs = |key: &str| key == KIND.key || known.iter().any(|knob| knob.key() == key);
    for knob in SERVICE.knobs.iter().filter(|knob| !belongs(knob.key())) {
        if let Some(entry) = table.get(knob.key()) {
            let keys: Vec<&str> = known.iter().map(|knob| knob.key()).collect();
            cx.error(
                entry.key.span.clone(),
                format!("`{}` means nothing for this kind", knob.key()),
            )
            .help(format!("it has {}", keys.join(", ")));
        }
    }
    if let Distribution::Pareto { least, most, .. } = read
        && least >= most
    {
        cx.error(MOST.span(table), "`most` is not more than `least`")
            .help("the longest time is longer than the shortest");
    }
    read
}

/// What holds when nothing is said.
pub(super) fn default() -> Distribution {
    Distribution::Exponential {
        mean: MEAN.default.as_secs_f64(),
    }
}
