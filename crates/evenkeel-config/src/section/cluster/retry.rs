//! `retry` of a cluster: second attempts for routes that do not say otherwise, and the allowance for them.

use evenkeel_base::rules::{BudgetRules, RetryRules};
use serde_json::Value as Json;

use crate::knob::{Knob, Lines, Section};
use crate::raw::{Cx, Node};
use crate::section::retry::{
    ATTEMPT_TIMEOUT, ATTEMPTS, BACKOFF, BACKOFF_MAX, GRPC_STATUSES, HEDGE, NON_IDEMPOTENT, ON,
    REPLAY_BUFFER, RETRY_AFTER_MAX, RetryKeys, STATUSES, check,
};
use crate::value::{Bounds, Value};

static BUDGET_RATIO: Knob<f32> = Knob {
    key: "budget_ratio",
    about: "What each request deposits in the cluster's retry budget; a retry or hedge takes 1.",
    default: BudgetRules::DEFAULT.ratio,
    why: "retries then add at most a fifth to the load, where a storm would multiply it",
    bounds: Some(Bounds {
        least: 0.0,
        greatest: 1.0,
    }),
    required: false,
    example: "0.1",
};

static BUDGET_BURST: Knob<u32> = Knob {
    key: "budget_burst",
    about: "What the budget holds at least, and how full it starts.",
    default: BudgetRules::DEFAULT.burst,
    why: "the death of one endpoint is absorbed also when there are few requests",
    bounds: Some(Bounds {
        least: 0,
        greatest: 1_000_000,
    }),
    required: false,
    example: "20",
};

/// `retry` of a cluster.
pub(crate) static RETRY: Section = Section {
    name: "cluster.NAME.retry",
    about: "Second attempts and their allowance. A request is tried again when nothing of it was written, or when its method is idempotent; an endpoint never sees a POST twice unless `non_idempotent` or, for a call of gRPC, `grpc_statuses` allows it. The `retry` of a route has the same keys but the budget's, and what it gives comes before what stands here.",
    knobs: &[
        &ATTEMPTS,
        &ON,
        &STATUSES,
        &GRPC_STATUSES,
        &ATTEMPT_TIMEOUT,
        &BACKOFF,
        &BACKOFF_MAX,
        &RETRY_AFTER_MAX,
        &NON_IDEMPOTENT,
        &REPLAY_BUFFER,
        &HEDGE,
        &BUDGET_RATIO,
        &BUDGET_BURST,
    ],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\nendpoints = [\":2\"]\n[cluster.a.retry]\nKNOB\n",
};

/// `retry` of a cluster as it is written: the rules of its routes, and the budget that they share.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Retry {
    pub(crate) rules: RetryRules,
    pub(crate) budget: BudgetRules,
}

impl Retry {
    /// What holds when a cluster says nothing of retries.
    pub(crate) const DEFAULT: Self = Self {
        rules: RetryRules::DEFAULT,
        budget: BudgetRules::DEFAULT,
    };
}

impl Value for Retry {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = RETRY.open(node, cx)?;
        let rules = RetryKeys::of(&table, cx).over(&RetryRules::DEFAULT);
        check(&rules, |key| table.span_of(key), cx);
        Some(Self {
            rules,
            budget: BudgetRules {
                ratio: BUDGET_RATIO.read(&table, cx),
                burst: BUDGET_BURST.read(&table, cx),
            },
        })
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        RetryKeys::between(&self.rules, &RetryRules::DEFAULT).print(&mut lines);
        lines.knob(&BUDGET_RATIO, &self.budget.ratio);
        lines.knob(&BUDGET_BURST, &self.budget.burst);
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        RETRY.reference()
    }
}
