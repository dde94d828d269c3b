//! `outlier` of a cluster: when real traffic shows that an endpoint is not well, and for how long it is left alone.

use std::time::Duration;

use evenkeel_base::rules::OutlierRules;
use evenkeel_base::unit::format_duration;
use serde_json::{Value as Json, json};

use crate::knob::{Knob, Lines, Section, Table};
use crate::raw::{Cx, Node};
use crate::value::scalar::{TURNS_OFF, is_off};
use crate::value::text::quote;
use crate::value::{Bounds, OrOff, Value};

/// `outlier` of a cluster.
pub(crate) static OUTLIER_KNOB: Knob<OutlierRules> = Knob {
    key: "outlier",
    about: "When real traffic ejects an endpoint: it gets no requests for a while. \"off\" ejects none.",
    default: OutlierRules::DEFAULT,
    why: "on, as [cluster.NAME.outlier] says: an endpoint that fails every request must not get its share until somebody looks",
    bounds: None,
    required: false,
    example: "{ consecutive_faults = 3 }",
};

static CONSECUTIVE_FAULTS: Knob<OrOff<u32>> = Knob {
    key: "consecutive_faults",
    about: "So many gateway faults in a row eject: connections that are refused, reset or time out, responses that do not come or are none, and the statuses 502, 503 and 504, or \"unavailable\" of gRPC.",
    default: OrOff::Is(OutlierRules::DEFAULT.consecutive_faults),
    why: "where one request in ten fails, five in a row are a chance of one in a hundred thousand; a dead endpoint has them at once",
    bounds: Some(Bounds {
        least: 1,
        greatest: 1_000_000,
    }),
    required: false,
    example: "3",
};

static FAULT_PERCENT: Knob<OrOff<u8>> = Knob {
    key: "fault_percent",
    about: "With this percentage of gateway faults or more within `window`, an endpoint is ejected.",
    default: OrOff::Off,
    why: "what is too much depends on what the endpoints do",
    bounds: Some(Bounds {
        least: 1,
        greatest: 100,
    }),
    required: false,
    example: "85",
};

static LATENCY_FACTOR: Knob<OrOff<f32>> = Knob {
    key: "latency_factor",
    about: "With a median latency of so many times that of the cluster's other endpoints within `window`, an endpoint is ejected.",
    default: OrOff::Off,
    why: "the balancer gives a slow endpoint less already, and endpoints may be unlike on purpose",
    bounds: Some(Bounds {
        least: 1.1,
        greatest: 1000.0,
    }),
    required: false,
    example: "3.0",
};

static WINDOW: Knob<Duration> = Knob {
    key: "window",
    about: "Percentage and latency are judged over this time.",
    default: OutlierRules::DEFAULT.window,
    why: "long enough for a judgment, short enough to matter",
    bounds: Some(Bounds {
        least: Duration::from_secs(1),
        greatest: Duration::from_hours(1),
    }),
    required: false,
    example: "\"30s\"",
};

static MIN_REQUESTS: Knob<u32> = Knob {
    key: "min_requests",
    about: "Percentage and latency are judged only with at least so many requests to the endpoint within `window`.",
    default: OutlierRules::DEFAULT.min_requests,
    why: "a few requests prove nothing",
    bounds: Some(Bounds {
        least: 1,
        greatest: 1_000_000,
    }),
    required: false,
    example: "100",
};

static BASE_EJECTION: Knob<Duration> = Knob {
    key: "base_ejection",
    about: "How long the first ejection lasts. Each one that follows soon lasts twice as long as the one before. An endpoint that comes back is found by connections tried meanwhile, and then begins with a few requests.",
    default: OutlierRules::DEFAULT.base_ejection,
    why: "a process that was started again is back by then",
    bounds: EJECTION,
    required: false,
    example: "\"30s\"",
};

static MAX_EJECTION: Knob<Duration> = Knob {
    key: "max_ejection",
    about: "No ejection lasts longer.",
    default: OutlierRules::DEFAULT.max_ejection,
    why: "an endpoint that was repaired should not wait for long",
    bounds: EJECTION,
    required: false,
    example: "\"1m\"",
};

static MAX_EJECTED: Knob<u8> = Knob {
    key: "max_ejected",
    about: "At most this percentage of the cluster's endpoints is ejected at a time, rounded up, and never the last one.",
    default: OutlierRules::DEFAULT.max_ejected_percent,
    why: "when most endpoints fail, the cause is elsewhere, and the others could not bear it all",
    bounds: Some(Bounds {
        least: 1,
        greatest: 100,
    }),
    required: false,
    example: "30",
};

const EJECTION: Option<Bounds<Duration>> = Some(Bounds {
    least: Duration::from_millis(100),
    greatest: Duration::from_hours(24),
});

/// `outlier` of a cluster.
pub(crate) static OUTLIER: Section = Section {
    name: "cluster.NAME.outlier",
    about: "When real traffic ejects an endpoint, and for how long. `outlier = \"off\"` ejects none.",
    knobs: &[
        &CONSECUTIVE_FAULTS,
        &FAULT_PERCENT,
        &LATENCY_FACTOR,
        &WINDOW,
        &MIN_REQUESTS,
        &BASE_EJECTION,
        &MAX_EJECTION,
        &MAX_EJECTED,
    ],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\nendpoints = [\":2\"]\n[cluster.a.outlier]\nKNOB\n",
};

impl Value for OutlierRules {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        if is_off(node) {
            return Some(Self::OFF);
        }
        let Some(table) = OUTLIER.open(node, cx) else {
            cx.help_also(TURNS_OFF);
            return None;
        };
        let rules = Self {
            consecutive_faults: CONSECUTIVE_FAULTS.read(&table, cx).unless(0),
            fault_percent: FAULT_PERCENT.read(&table, cx).unless(0),
            latency_factor: LATENCY_FACTOR.read(&table, cx).unless(0.0),
            window: WINDOW.read(&table, cx),
            min_requests: MIN_REQUESTS.read(&table, cx),
            base_ejection: BASE_EJECTION.read(&table, cx),
            max_ejection: MAX_EJECTION.read(&table, cx),
            max_ejected_percent: MAX_EJECTED.read(&table, cx),
        };
        check(&rules, &table, cx);
        Some(rules)
    }

    fn toml(&self) -> String {
        if *self == Self::OFF {
            return quote("off");
        }
        let mut lines = Lines::default();
        lines.knob(&CONSECUTIVE_FAULTS, &OrOff::of(self.consecutive_faults, &0));
        lines.knob(&FAULT_PERCENT, &OrOff::of(self.fault_percent, &0));
        lines.knob(&LATENCY_FACTOR, &OrOff::of(self.latency_factor, &0.0));
        lines.knob(&WINDOW, &self.window);
        lines.knob(&MIN_REQUESTS, &self.min_requests);
        lines.knob(&BASE_EJECTION, &self.base_ejection);
        lines.knob(&MAX_EJECTION, &self.max_ejection);
        lines.knob(&MAX_EJECTED, &self.max_ejected_percent);
        lines.inline()
    }

    fn kind() -> String {
        "table or \"off\"".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "anyOf": [{ "const": "off" }, OUTLIER.reference()] })
    }
}

fn check(rules: &OutlierRules, table: &Table<'_>, cx: &mut Cx<'_>) {
    if rules.base_ejection > rules.max_ejection {
        let (first, most) = (
            format_duration(rules.base_ejection),
            format_duration(rules.max_ejection),
        );
        cx.error(
            BASE_EJECTION.span(table),
            format!("the first ejection lasts {first}, and none may last longer than {most}"),
        )
        .help("raise `max_ejection` or lower `base_ejection`");
    }
    if rules.fault_percent == 0 && rules.latency_factor <= 0.0 {
        let given = [
            (WINDOW.key, WINDOW.given(table)),
            (MIN_REQUESTS.key, MIN_REQUESTS.given(table)),
        ];
        for (key, _) in given.iter().filter(|(_, given)| *given) {
            cx.warning(
                table.span_of(key),
                format!("`{key}` does nothing here: nothing is judged over a time"),
            )
            .help("add `fault_percent` or `latency_factor`, or leave it out");
        }
    }
}
