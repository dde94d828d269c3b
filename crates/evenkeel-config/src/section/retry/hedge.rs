//! `hedge` of a cluster's or route's `retry`: a second attempt before the first has failed.

use std::time::Duration;

use evenkeel_base::rules::HedgeRules;
use serde_json::Value as Json;

use crate::knob::{Knob, Lines, Section};
use crate::raw::{Cx, Node};
use crate::section::TIMEOUT;
use crate::value::{Bounds, Value};

static PERCENTILE: Knob<u8> = Knob {
    key: "percentile",
    about: "The second attempt begins when the first has taken longer than this percentage of the cluster's requests of late.",
    default: HedgeRules::DEFAULT.percentile,
    why: "one request in twenty is sent twice, and the slowest answers are no longer waited for",
    bounds: Some(Bounds {
        least: 1,
        greatest: 99,
    }),
    required: false,
    example: "99",
};

static MIN_DELAY: Knob<Duration> = Knob {
    key: "min_delay",
    about: "The second attempt never begins before this.",
    default: HedgeRules::DEFAULT.min_delay,
    why: "below it a second attempt gains nothing that anybody would notice",
    bounds: TIMEOUT,
    required: false,
    example: "\"20ms\"",
};

/// `hedge`.
pub(crate) static HEDGE: Section = Section {
    name: "cluster.NAME.retry.hedge",
    about: "A second attempt of an idempotent request while the first is still waited for. `hedge` in the `retry` of a route has the same keys.",
    knobs: &[&PERCENTILE, &MIN_DELAY],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\nendpoints = [\":2\"]\n[cluster.a.retry.hedge]\nKNOB\n",
};

impl Value for HedgeRules {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = HEDGE.open(node, cx)?;
        Some(Self {
            percentile: PERCENTILE.read(&table, cx),
            min_delay: MIN_DELAY.read(&table, cx),
        })
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        lines.knob(&PERCENTILE, &self.percentile);
        lines.knob(&MIN_DELAY, &self.min_delay);
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        HEDGE.reference()
    }
}
