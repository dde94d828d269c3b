//! The keys of `retry` that a cluster and a route share: which attempts are repeated, when and how.
//!
//! A cluster says what holds for its routes, and a route what differs for it; the two are merged here, so that nobody
//! asks again. The allowance for retries is the cluster's alone and stands in [`crate::section::cluster::retry`].

pub(crate) mod hedge;
pub(crate) mod kinds;

use std::time::Duration;

use evenkeel_base::ByteSize;
use evenkeel_base::grpc::GrpcStatuses;
use evenkeel_base::rules::{HedgeRules, RetryOn, RetryRules, Statuses};
use evenkeel_base::unit::format_duration;

use crate::knob::{Knob, Lines, Table};
use crate::raw::{Cx, Span};
use crate::section::TIMEOUT;
use crate::value::{Bounds, OrOff};

/// `attempts`.
pub(crate) static ATTEMPTS: Knob<u16> = Knob {
    key: "attempts",
    about: "How many more attempts there may be after the first. 0 turns retries off.",
    default: RetryRules::DEFAULT.attempts,
    why: "with two endpoints down of three, the third still answers",
    bounds: Some(Bounds {
        least: 0,
        greatest: 10,
    }),
    required: false,
    example: "1",
};

/// `on`.
pub(crate) static ON: Knob<RetryOn> = Knob {
    key: "on",
    about: "Which faults are tried again: \"connect\" (no connection could be made, or not in time), \"reset\" (the connection ended before the response's head), \"timeout\" (the endpoint did not answer in time), \"malformed\" (what it answered is no response). An empty list leaves `statuses` alone.",
    default: RetryRules::DEFAULT.on,
    why: "whatever the endpoint did, another one may do better, and only what is safe to repeat is repeated",
    bounds: None,
    required: false,
    example: "[\"connect\", \"reset\"]",
};

/// `statuses`.
pub(crate) static STATUSES: Knob<Statuses> = Knob {
    key: "statuses",
    about: "Statuses of the endpoint's response that are tried again as well, from 400 to 599, when the request's method is idempotent. Without another attempt left the response is passed on as it is.",
    default: RetryRules::DEFAULT.statuses,
    why: "none: a response is an answer, and one that says the endpoint is busy should not bring it more work",
    bounds: None,
    required: false,
    example: "[502, 503, 504]",
};

/// `grpc_statuses`.
pub(crate) static GRPC_STATUSES: Knob<GrpcStatuses> = Knob {
    key: "grpc_statuses",
    about: "Statuses of gRPC that are tried again as well, when they come before any message of the response and the request is still held (`replay_buffer`). Calls are POSTs, so naming a status says that a call which ended with it may be made twice. Without another attempt left the response is passed on as it is.",
    default: RetryRules::DEFAULT.grpc_statuses,
    why: "none: gRPC's own clients know which of their calls may be made twice",
    bounds: None,
    required: false,
    example: "[\"unavailable\"]",
};

/// `attempt_timeout`.
pub(crate) static ATTEMPT_TIMEOUT: Knob<OrOff<Duration>> = Knob {
    key: "attempt_timeout",
    about: "How long one attempt may take from its beginning, connect included, to the head of the response; when the client has to be waited for, from the last byte of the body that it sent. Another one follows when that is safe, else 504.",
    default: OrOff::Off,
    why: "`connect_timeout` and `response_header_timeout` bound an attempt, and a large upload may take its time",
    bounds: TIMEOUT,
    required: false,
    example: "\"500ms\"",
};

/// The bounds of a pause: a client does not wait for longer ones.
const PAUSE: Option<Bounds<Duration>> = Some(Bounds {
    least: Duration::ZERO,
    greatest: Duration::from_mins(1),
});

/// `backoff`.
pub(crate) static BACKOFF: Knob<Duration> = Knob {
    key: "backoff",
    about: "The pause before an attempt at an endpoint that was tried already: by chance between none and this, and twice as much each time. Going to another endpoint needs no pause.",
    default: RetryRules::DEFAULT.backoff,
    why: "a moment for what was in the way to pass, and too short for a person to notice",
    bounds: PAUSE,
    required: false,
    example: "\"50ms\"",
};

/// `backoff_max`.
pub(crate) static BACKOFF_MAX: Knob<Duration> = Knob {
    key: "backoff_max",
    about: "No such pause is longer.",
    default: RetryRules::DEFAULT.backoff_max,
    why: "ten times the first",
    bounds: PAUSE,
    required: false,
    example: "\"1s\"",
};

/// `retry_after_max`.
pub(crate) static RETRY_AFTER_MAX: Knob<Duration> = Knob {
    key: "retry_after_max",
    about: "The longest `Retry-After` of a response with one of the `statuses` that is waited for. When the endpoint asks for more, its response is passed on.",
    default: RetryRules::DEFAULT.retry_after_max,
    why: "the client is still there after a second",
    bounds: PAUSE,
    required: false,
    example: "\"3s\"",
};

/// `non_idempotent`.
pub(crate) static NON_IDEMPOTENT: Knob<bool> = Knob {
    key: "non_idempotent",
    about: "Whether requests such as POST are repeated as others are. An endpoint may then act on one request twice: only for endpoints that recognize a repeated one.",
    default: RetryRules::DEFAULT.non_idempotent,
    why: "an order must not be placed twice",
    bounds: None,
    required: false,
    example: "true",
};

/// `replay_buffer`.
pub(crate) static REPLAY_BUFFER: Knob<ByteSize> = Knob {
    key: "replay_buffer",
    about: "So much of a request's body is kept for another attempt. A request whose body was longer is not tried again once more than this of it was sent.",
    default: RetryRules::DEFAULT.replay_buffer,
    why: "most bodies are shorter, and each request in flight may hold as much",
    bounds: Some(Bounds {
        least: ByteSize(0),
        greatest: ByteSize::kib(16 * 1024),
    }),
    required: false,
    example: "\"1MiB\"",
};

/// `hedge`.
pub(crate) static HEDGE: Knob<OrOff<HedgeRules>> = Knob {
    key: "hedge",
    about: "A second attempt of an idempotent request, at another endpoint, while the first is still waited for. The first response wins and the other attempt is cancelled. It is paid for from the retry budget. A table given on a route replaces the cluster's as a whole.",
    default: OrOff::Off,
    why: "it costs load, and only pays where endpoints are slow now and then, each by itself",
    bounds: None,
    required: false,
    example: "{ percentile = 95 }",
};

/// What a table says of the keys above; `None` where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RetryKeys {
    attempts: Option<u16>,
    on: Option<RetryOn>,
    statuses: Option<Statuses>,
    grpc_statuses: Option<GrpcStatuses>,
    pub(crate) attempt_timeout: Option<OrOff<Duration>>,
    backoff: Option<Duration>,
    backoff_max: Option<Duration>,
    retry_after_max: Option<Duration>,
    non_idempotent: Option<bool>,
    replay_buffer: Option<ByteSize>,
    hedge: Option<OrOff<HedgeRules>>,
}

impl RetryKeys {
    /// What a table says.
    pub(crate) fn of(table: &Table<'_>, cx: &mut Cx<'_>) -> Self {
        Self {
            attempts: ATTEMPTS.read_given(table, cx),
            on: ON.read_given(table, cx),
            statuses: STATUSES.read_given(table, cx),
            grpc_statuses: GRPC_STATUSES.read_given(table, cx),
            attempt_timeout: ATTEMPT_TIMEOUT.read_given(table, cx),
            backoff: BACKOFF.read_given(table, cx),
            backoff_max: BACKOFF_MAX.read_given(table, cx),
            retry_after_max: RETRY_AFTER_MAX.read_given(table, cx),
            non_idempotent: NON_IDEMPOTENT.read_given(table, cx),
            replay_buffer: REPLAY_BUFFER.read_given(table, cx),
            hedge: HEDGE.read_given(table, cx),
        }
    }

    /// The rules that hold when these keys stand over `base`.
    pub(crate) fn over(self, base: &RetryRules) -> RetryRules {
        RetryRules {
            attempts: self.attempts.unwrap_or(base.attempts),
            on: self.on.unwrap_or(base.on),
            statuses: self.statuses.unwrap_or(base.statuses),
            grpc_statuses: self.grpc_statuses.unwrap_or(base.grpc_statuses),
            attempt_timeout: self
                .attempt_timeout
                .map_or(base.attempt_timeout, |limit| limit.unless(Duration::MAX)),
            backoff: self.backoff.unwrap_or(base.backoff),
            backoff_max: self.backoff_max.unwrap_or(base.backoff_max),
            retry_after_max: self.retry_after_max.unwrap_or(base.retry_after_max),
            non_idempotent: self.non_idempotent.unwrap_or(base.non_idempotent),
            replay_buffer: self.replay_buffer.unwrap_or(base.replay_buffer),
            hedge: self
                .hedge
                .map_or(base.hedge, |hedge| hedge.unless(HedgeRules::OFF)),
        }
    }

    /// The keys that must be given over `base` to mean `rules`.
    pub(crate) fn between(rules: &RetryRules, base: &RetryRules) -> Self {
        fn differing<T: Copy + PartialEq>(value: T, base: T) -> Option<T> {
            (value != base).then_some(value)
        }
        let attempt_timeout = differing(rules.attempt_timeout, base.attempt_timeout);
        let hedge = differing(rules.hedge, base.hedge);
        Self {
            attempts: differing(rules.attempts, base.attempts),
            on: differing(rules.on, base.on),
            statuses: differing(rules.statuses, base.statuses),
            grpc_statuses: differing(rules.grpc_statuses, base.grpc_statuses),
            attempt_timeout: attempt_timeout.map(|limit| OrOff::of(limit, &Duration::MAX)),
            backoff: differing(rules.backoff, base.backoff),
            backoff_max: differing(rules.backoff_max, base.backoff_max),
            retry_after_max: differing(rules.retry_after_max, base.retry_after_max),
            non_idempotent: differing(rules.non_idempotent, base.non_idempotent),
            replay_buffer: differing(rules.replay_buffer, base.replay_buffer),
            hedge: hedge.map(|hedge| OrOff::of(hedge, &HedgeRules::OFF)),
        }
    }

    /// These keys, and those of `other` that are not among them.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            attempts: self.attempts.or(other.attempts),
            on: self.on.or(other.on),
            statuses: self.statuses.or(other.statuses),
            grpc_statuses: self.grpc_statuses.or(other.grpc_statuses),
            attempt_timeout: self.attempt_timeout.or(other.attempt_timeout),
            backoff: self.backoff.or(other.backoff),
            backoff_max: self.backoff_max.or(other.backoff_max),
            retry_after_max: self.retry_after_max.or(other.retry_after_max),
            non_idempotent: self.non_idempotent.or(other.non_idempotent),
            replay_buffer: self.replay_buffer.or(other.replay_buffer),
            hedge: self.hedge.or(other.hedge),
        }
    }

    /// The names of the keys that are given.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let given = [
            (ATTEMPTS.key, self.attempts.is_some()),
            (ON.key, self.on.is_some()),
            (STATUSES.key, self.statuses.is_some()),
            (GRPC_STATUSES.key, self.grpc_statuses.is_some()),
            (ATTEMPT_TIMEOUT.key, self.attempt_timeout.is_some()),
            (BACKOFF.key, self.backoff.is_some()),
            (BACKOFF_MAX.key, self.backoff_max.is_some()),
            (RETRY_AFTER_MAX.key, self.retry_after_max.is_some()),
            (NON_IDEMPOTENT.key, self.non_idempotent.is_some()),
            (REPLAY_BUFFER.key, self.replay_buffer.is_some()),
            (HEDGE.key, self.hedge.is_some()),
        ];
        let given = given.into_iter().filter(|(_, given)| *given);
        given.map(|(key, _)| key).collect()
    }

    /// Writes them.
    pub(crate) fn print(&self, lines: &mut Lines) {
        lines.given(&ATTEMPTS, self.attempts.as_ref());
        lines.given(&ON, self.on.as_ref());
        lines.given(&STATUSES, self.statuses.as_ref());
        lines.given(&GRPC_STATUSES, self.grpc_statuses.as_ref());
        lines.given(&ATTEMPT_TIMEOUT, self.attempt_timeout.as_ref());
        lines.given(&BACKOFF, self.backoff.as_ref());
        lines.given(&BACKOFF_MAX, self.backoff_max.as_ref());
        lines.given(&RETRY_AFTER_MAX, self.retry_after_max.as_ref());
        lines.given(&NON_IDEMPOTENT, self.non_idempotent.as_ref());
        lines.given(&REPLAY_BUFFER, self.replay_buffer.as_ref());
        lines.given(&HEDGE, self.hedge.as_ref());
    }
}

/// Reports rules that contradict each other; `at` gives the place of a key.
pub(crate) fn check(rules: &RetryRules, at: impl Fn(&str) -> Span, cx: &mut Cx<'_>) {
    if rules.backoff > rules.backoff_max {
        let (first, most) = (
            format_duration(rules.backoff),
            format_duration(rules.backoff_max),
        );
        cx.error(
            at(BACKOFF.key),
            format!("the first pause is {first}, and none may be longer than {most}"),
        )
        .help("raise `backoff_max` or lower `backoff`");
    }
}
