//! `retry` of a route: what it says about second attempts that its cluster does not.

use std::time::Duration;

use evenkeel_base::rules::RetryRules;
use evenkeel_base::unit::format_duration;
use serde_json::Value as Json;

use crate::knob::{AnyKnob, Inherited, Knob, Lines, Section, Table};
use crate::model::Cluster;
use crate::raw::{Cx, Node};
use crate::section::retry::{
    ATTEMPT_TIMEOUT, ATTEMPTS, BACKOFF, BACKOFF_MAX, GRPC_STATUSES, HEDGE, NON_IDEMPOTENT, ON,
    REPLAY_BUFFER, RETRY_AFTER_MAX, RetryKeys, STATUSES, check,
};
use crate::section::route::split::CLUSTER;
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
    about: "Second attempts of this route's requests. A key that is not given is its cluster's; where several clusters share the requests they must agree on it, or the route must say it. The budget is each cluster's alone.",
    knobs: &[
        &of_cluster(&ATTEMPTS),
        &of_cluster(&ON),
        &of_cluster(&STATUSES),
        &of_cluster(&GRPC_STATUSES),
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

/// A cluster that a route leads to, and what it says of retries.
#[derive(Clone, Copy)]
pub(crate) struct Base<'a> {
    cluster: &'a str,
    rules: &'a RetryRules,
}

impl<'a> Base<'a> {
    pub(crate) fn of(cluster: &'a Cluster) -> Self {
        Self {
            cluster: &cluster.name,
            rules: &cluster.retry,
        }
    }
}

/// The rules of a route over those of its clusters, which must agree on what the route does not say: a request keeps
/// its rules whichever of them it goes to.
pub(crate) fn read(
    bases: &[Base<'_>],
    total_timeout: Duration,
    table: &Table<'_>,
    cx: &mut Cx<'_>,
) -> RetryRules {
    let own = RETRY_KNOB.read(table, cx);
    let keys = own.unwrap_or_default();
    let Some((first, others)) = bases.split_first() else {
        return keys.over(&RetryRules::DEFAULT);
    };
    let base = first.rules;
    for other in others {
        let open = RetryKeys::between(&keys.over(other.rules), &keys.over(base)).names();
        if open.is_empty() {
            continue;
        }
        cx.error(
            CLUSTER.span(table),
            format!(
                "\"{}\" and \"{}\" retry differently, and the route does not say what holds for it: {}",
                first.cluster,
                other.cluster,
                open.join(", ")
            ),
        )
        .help("say it in the `retry` of the route, or let the clusters say the same");
    }
    if own.is_none() {
        return *base;
    }
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

/// Writes it: what differs from any of the clusters.
pub(crate) fn print(rules: &RetryRules, bases: &[&RetryRules], lines: &mut Lines) {
    let none = [&RetryRules::DEFAULT];
    let bases = if bases.is_empty() { &none } else { bases };
    let keys = bases.iter().fold(RetryKeys::default(), |keys, base| {
        keys.or(RetryKeys::between(rules, base))
    });
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
