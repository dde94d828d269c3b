//! Endpoints that answer, and had better not.

use super::{Length, ms};
use crate::claim::{Claim, Measured, Span};
use crate::client::Load;
use crate::exchange::Outcome;
use crate::origin::{Manner, Speech};
use crate::scenario::{Act, Scenario};

/// What no HTTP client understands.
pub(super) fn garbage(length: Length) -> Scenario {
    let gets = "garbage is a fault like a closed connection: an idempotent request is tried again elsewhere";
    let posts = "a POST that was answered with garbage is not sent again; five such answers eject the endpoint, and what is in flight then takes 15 ms";
    Scenario::new(
        "garbage",
        "an endpoint begins to answer in another protocol",
    )
    .requests(1_000)
    .mark("garbled")
    .act(0, Act::Become(Manner::good(ms(15)).saying(Speech::Garbage)))
    .requests(length.requests(3_000))
    .claim(Claim::no_idempotent_failure(gets))
    .claim(Claim::posts_fail_only_at(&[("garbled", 0)], ms(150), posts))
}

/// Bodies that end in their middle.
pub(super) fn half_bodies(length: Length) -> Scenario {
    let why = "what was passed on cannot be taken back: the client is shown that its response was cut, and nobody else is touched";
    let few = "five cut answers in a row eject the endpoint, and no more than all 64 requests are at it then";
    Scenario::new(
        "half-bodies",
        "an endpoint closes in the middle of its answers' bodies",
    )
    .requests(1_000)
    .mark("cut")
    .act(0, Act::Become(Manner::good(ms(15)).saying(Speech::Half)))
    .requests(length.requests(2_000))
    .claim(Claim::failures_are(
        "an answer of that endpoint's that was cut",
        why,
        |one| one.outcome == Outcome::Cut && one.by.is_some_and(|by| by.endpoint == 0),
    ))
    .claim(Claim::new("at most 64 are cut", few, |run| {
        let cut = run.failures(|one| one.outcome == Outcome::Cut).len();
        Measured::new(cut <= 64, cut.to_string())
    }))
}

/// An endpoint that is overloaded a third of the time.
pub(super) fn one_in_three(length: Length) -> Scenario {
    let good = Manner::good(ms(15));
    let bad = Manner {
        fail_every: 3,
        retry_after: 1,
        ..Manner::good(ms(15))
    };
    let gets = "the route tries again on 503, elsewhere and so at once; a third of a third of the requests is less than the budget's fifth";
    let posts = "a POST is never seen twice, so its 503 is passed on";
    Scenario::new(
        "one-in-three",
        "one of three endpoints answers every third request with 503 and Retry-After, and the route tries again on that",
    )
    .endpoints([bad, good.clone(), good])
    .cluster("retry.statuses = [503]")
    .mark("from the start")
    .requests(length.requests(3_000))
    .claim(Claim::no_idempotent_failure(gets))
    .claim(Claim::failures_are("a POST's 503 of that endpoint", posts, |one| {
        let from_there = one.by.is_some_and(|by| by.endpoint == 0);
        !one.kind.is_idempotent() && from_there && one.outcome == Outcome::Answer(503)
    }))
    .claim(Claim::attempts_within_budget())
    .claim(Claim::took_at_most(0, Span::after("from the start"), 990, ms(500), gets))
}

/// Everybody fails, and everybody would like to try again.
pub(super) fn storm(length: Length) -> Scenario {
    let good = Manner::good(ms(15));
    let mut scenario = Scenario::new(
        "storm",
        "all endpoints close connections without an answer, and then work again",
    )
    .loads([Load {
        posts: 0,
        ..Load::closed(64)
    }])
    .endpoints(vec![good.clone().saying(Speech::Close); 3])
    .mark("from the start")
    .requests(length.requests(2_000))
    .mark("well");
    for endpoint in 0..3 {
        scenario = scenario.act(endpoint, Act::Become(good.clone()));
    }
    let again = "the last endpoint is never ejected, and when none admits, all are used";
    scenario
        .requests(length.requests(1_000))
        .pause(ms(500))
        .claim(Claim::attempts_within_budget())
        .claim(Claim::no_failure_in(
            Span::since("well", ms(100)),
            "from 0.1 s after its end on",
            again,
        ))
}

/// Probes say that all are down, and they are not.
pub(super) fn panic(length: Length) -> Scenario {
    let ill = Manner {
        probe: 500,
        ..Manner::good(ms(15))
    };
    let down = "what is down gets nothing while another is up";
    let all = "when no endpoint admits, all are used: probes that fail everywhere say more about the probes";
    Scenario::new(
        "panic",
        "the probes of two endpoints fail, then those of all, although each answers everybody else",
    )
    .cluster("probe = { http = { path = \"/healthz\" }, interval = \"100ms\", fall = 1 }")
    .requests(500)
    .mark("two are ill")
    .act(0, Act::Become(ill.clone()))
    .act(1, Act::Become(ill.clone()))
    // Ten times as long as to the next probe.
    .pause(ms(1_000))
    .mark("one is left")
    .requests(1_000)
    .mark("all are ill")
    .act(2, Act::Become(ill))
    .pause(ms(1_000))
    .mark("none is left")
    .requests(length.requests(1_500))
    .claim(Claim::no_failure(all))
    .claim(Claim::share_at_most(
        0,
        Span::between("one is left", ms(0), ms(150)),
        0,
        down,
    ))
    .claim(Claim::new(
        "in the end every endpoint is used",
        all,
        |run| {
            let used = (0..3).filter(|&endpoint| {
                let mut after = Span::after("none is left").of(run);
                after.any(|one| one.by.is_some_and(|by| by.endpoint == endpoint))
            });
            let used = used.count();
            Measured::new(used == 3, format!("{used} of 3"))
        },
    ))
}
