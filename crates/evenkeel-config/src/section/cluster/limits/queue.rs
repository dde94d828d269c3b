//! `queue` of a cluster's limits: how many wait, for how long, and when the queue is too slow.

use std::time::Duration;

use evenkeel_base::rules::QueueRules;
use evenkeel_base::unit::format_duration;
use serde_json::Value as Json;

use crate::knob::{Knob, Lines, Section, Table};
use crate::raw::{Cx, Node};
use crate::section::TIMEOUT;
use crate::value::{Bounds, Value};

static SIZE: Knob<u32> = Knob {
    key: "size",
    about: "So many requests wait at most. With 0 none does: a request that finds no room is answered 503 at once.",
    default: QueueRules::DEFAULT.size,
    why: "a burst passes, and the memory of those that wait is bounded",
    bounds: Some(Bounds {
        least: 0,
        greatest: 1_000_000,
    }),
    required: false,
    example: "100",
};

/// `timeout` of the queue.
pub(crate) static QUEUE_TIMEOUT: Knob<Duration> = Knob {
    key: "timeout",
    about: "No request waits longer; it is then answered 503.",
    default: QueueRules::DEFAULT.timeout,
    why: "who waited for a second is about to leave, and asks again",
    bounds: TIMEOUT,
    required: false,
    example: "\"500ms\"",
};

static TARGET: Knob<Duration> = Knob {
    key: "target",
    about: "When every request has waited longer than this for the whole `interval`, the queue is no burst but stands: requests are then dropped from its front, ever more of them, until waits are shorter again (CoDel, RFC 8289).",
    default: QueueRules::DEFAULT.target,
    why: "a wait that a person does not notice",
    bounds: TIMEOUT,
    required: false,
    example: "\"20ms\"",
};

static INTERVAL: Knob<Duration> = Knob {
    key: "interval",
    about: "See `target`.",
    default: QueueRules::DEFAULT.interval,
    why: "a burst of the usual length passes within it",
    bounds: TIMEOUT,
    required: false,
    example: "\"500ms\"",
};

/// `queue` of a cluster's limits.
pub(crate) static QUEUE: Section = Section {
    name: "cluster.NAME.limits.queue",
    about: "Where requests wait that find every endpoint at its limit. Those of routes with a higher `priority` go first, and those whose time is up are not sent any more.",
    knobs: &[&SIZE, &QUEUE_TIMEOUT, &TARGET, &INTERVAL],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\nendpoints = [\":2\"]\nlimits.requests = 9\n[cluster.a.limits.queue]\nKNOB\n",
};

impl Value for QueueRules {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = QUEUE.open(node, cx)?;
        let rules = Self {
            size: SIZE.read(&table, cx),
            timeout: QUEUE_TIMEOUT.read(&table, cx),
            target: TARGET.read(&table, cx),
            interval: INTERVAL.read(&table, cx),
        };
        check(&rules, &table, cx);
        Some(rules)
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        lines.knob(&SIZE, &self.size);
        lines.knob(&QUEUE_TIMEOUT, &self.timeout);
        lines.knob(&TARGET, &self.target);
        lines.knob(&INTERVAL, &self.interval);
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        QUEUE.reference()
    }
}

fn check(rules: &QueueRules, table: &Table<'_>, cx: &mut Cx<'_>) {
    let (target, given) = (format_duration(rules.target), TARGET.given(table));
    if given && rules.target >= rules.timeout {
        cx.warning(
            TARGET.span(table),
            format!("no wait is longer than {target}: it ends at `timeout`"),
        )
        .help("make it a fraction of `timeout`");
    } else if (given || INTERVAL.given(table)) && rules.interval < rules.target {
        cx.warning(
            INTERVAL.span(table),
            format!("within this no request can have waited for {target}"),
        )
        .help("make `interval` a few times as long as `target`");
    }
}
