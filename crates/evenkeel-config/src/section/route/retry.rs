//! `retry` of a route: what it says about second attempts that its cluster does not.

use std::time::Duration;

use evenkeel_base::rules::RetryRules;
use evenkeel_base::unit::format_duration;
use serde_json::Value as Json;

use crate::knob::{AnyKnob, Inherited, Knob, Lines, Section, Table};
use crate::raw::{Cx, Node};
use crate::section::retry::{
    ATTEMPT_TIMEOUT, ATTEMPTS, BACKOFF, BACKOFF_MAX, HEDGE, NON_IDEMPOTENT, ON, REPLAY_BUFFER,
    RETRY_AFTER_MAX, RetryKeys, STATUSES, check,
};
use crate::value::{Bounds, Value};

/// `retry` of a route.
pub(crate) static RETRY_KNOB: Knob<Option<RetryKeys>> = Knob {
    key: "retry",
    about: "Second attempts of this route's requests, where they differ from what its cluster says.",
    default: None,
    why: "what its cluster says",
    bounds: None,
    required: false,
    example: "{ attempts = 1, statuses = [503] }",
};

/// `retry` of a route.
pub(crate) static RETRY: Section = Section {
    name: "route.retry",
    about: "Second attempts of this route's requests. A key that is not given is its cluster's; the budget is the cluster's alone.",
    knobs: &[
        &of_cluster(&ATTEMPTS),
        &of_cluster(&ON),
        &of_cluster(&STATUSES),
        &of_cluster(&ATTEMPT_TIMEOUT),
        &of_cluster(&BACKOFF),
        &of_cluster(&BACKOFF_MAX),
        &of_cluster(&RETRY_AFTER_MAX),
        &of_cluster(&NON_IDEMPOTENT),
        &of_cluster(&REPLAY_BUFFER),
        &of_cluster(&HEDGE),
    ],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[route.retry]\nKNOB\n[cluster.a]\nendpoints = [\":2\"]\n",
};

const fn of_cluster(knob: &'static dyn AnyKnob) -> Inherited {
    Inherited {
        knob,
        from: "what its cluster says",
    }
}

/// The rules of a route over those of its cluster.
pub(crate) fn read(
    base: &RetryRules,
    total_timeout: Duration,
    table: &Table<'_>,
    cx: &mut Cx<'_>,
) -> RetryRules {
    let Some(keys) = RETRY_KNOB.read(table, cx) else {
        return *base;
    };
    let given = keys.attempt_timeout.is_some();
    let rules = keys.over(base);
    let at = |key: &str| table.span_within(RETRY_KNOB.key, key);
    check(&rules, at, cx);
    if given && rules.attempt_timeout < Duration::MAX && rules.attempt_timeout >= total_timeout {
        cx.warning(
            at(ATTEMPT_TIMEOUT.key),
            format!(
                "this never acts: all attempts together have {}",
                format_duration(total_timeout)
            ),
        )
        .help("make it shorter than the route's `total_timeout`, so that another attempt fits in");
    }
    rules
}

/// Writes it.
pub(crate) fn print(rules: &RetryRules, base: &RetryRules, lines: &mut Lines) {
    let keys = RetryKeys::between(rules, base);
    let given = (keys != RetryKeys::default()).then_some(keys);
    lines.knob(&RETRY_KNOB, &given);
}

impl Value for RetryKeys {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = RETRY.open(node, cx)?;
        Some(Self::of(&table, cx))
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        self.print(&mut lines);
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        RETRY.reference()
    }
}
