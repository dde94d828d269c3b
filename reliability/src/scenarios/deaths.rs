//! Endpoints that die, and come back or do not.

use super::{Length, ms};
use crate::claim::{Claim, Measured, Span};
use crate::client::Load;
use crate::exchange::{Exchange, Life};
use crate::run::millis;
use crate::scenario::{Act, Scenario};

const GETS: &str = "an idempotent request is tried again elsewhere; at most 64 are in flight when the endpoint dies, 5 faults eject it, and the budget holds 100";
const POSTS: &str = "a POST is given up once some of it was written, and an endpoint that is gone refuses the connection before that";

/// SIGKILL, and it stays dead.
pub(super) fn killed(length: Length) -> Scenario {
    Scenario::new(
        "killed",
        "one of three endpoints is killed (SIGKILL) and stays dead",
    )
    .requests(1_000)
    .mark("killed")
    .act(0, Act::Kill)
    .requests(length.requests(3_000))
    .claim(Claim::no_idempotent_failure(GETS))
    .claim(Claim::posts_fail_only_at(&[("killed", 0)], ms(50), POSTS))
    .for_rivals()
}

/// SIGKILL, and it is there again a second later.
pub(super) fn coming_back(length: Length) -> Scenario {
    let why = "an ejected endpoint is tried by a background connect every second";
    let second = Life {
        endpoint: 0,
        number: 2,
    };
    Scenario::new(
        "coming-back",
        "an endpoint is killed, and started again after a second",
    )
    .requests(length.requests(500))
    .mark("killed")
    .act(0, Act::Kill)
    .pause(ms(1_000))
    .mark("begun")
    .act(0, Act::Begin(None))
    .pause(ms(2_200))
    .claim(Claim::no_idempotent_failure(GETS))
    .claim(Claim::posts_fail_only_at(&[("killed", 0)], ms(50), POSTS))
    .claim(Claim::found_within("begun", second, ms(2_000), why))
}

/// Each endpoint in turn ends in good order and is replaced.
pub(super) fn rolling_restart(_: Length) -> Scenario {
    const MARKS: [(&str, usize); 3] = [("first", 0), ("second", 1), ("third", 2)];
    let gets = "an idempotent request is tried again elsewhere, and before the next endpoint is restarted the last one was found";
    let posts = "a POST is given up only when it was written on an idle connection as the endpoint closed it";
    let mut scenario = Scenario::new(
        "rolling-restart",
        "one endpoint after the other ends (SIGTERM: it finishes what it has) and is started again",
    )
    .requests(500);
    for (mark, endpoint) in MARKS {
        scenario = scenario
            .mark(mark)
            .act(endpoint, Act::Retire)
            .pause(ms(100))
            .act(endpoint, Act::Begin(None))
            .pause(ms(1_100));
    }
    scenario
        .claim(Claim::no_idempotent_failure(gets))
        .claim(Claim::posts_fail_only_at(&MARKS, ms(50), posts))
        .for_rivals()
}

/// Dead and alive, half a second each.
pub(super) fn flapping(length: Length) -> Scenario {
    const MARKS: [(&str, usize); 5] = [
        ("once", 0),
        ("twice", 0),
        ("thrice", 0),
        ("a fourth time", 0),
        ("a fifth time", 0),
    ];
    let times = match length {
        Length::Short => 3,
        Length::Full => 5,
    };
    let mut scenario = Scenario::new(
        "flapping",
        "an endpoint is killed every second and is there again half a second later",
    )
    .requests(500);
    for (mark, _) in MARKS.into_iter().take(times) {
        scenario = scenario
            .mark(mark)
            .act(0, Act::Kill)
            .pause(ms(500))
            .act(0, Act::Begin(None))
            .pause(ms(500));
    }
    scenario
        .claim(Claim::no_idempotent_failure(GETS))
        .claim(Claim::posts_fail_only_at(&MARKS, ms(50), POSTS))
}

/// Nobody is left for a while.
pub(super) fn all_down(_: Length) -> Scenario {
    let mut scenario = Scenario::new(
        "all-down",
        "all endpoints are killed, and started again after a second",
    )
    .loads([Load::rate(64, 800)])
    .requests(500)
    .mark("down");
    for endpoint in 0..3 {
        scenario = scenario.act(endpoint, Act::Kill);
    }
    scenario = scenario.pause(ms(1_000)).mark("up");
    for endpoint in 0..3 {
        scenario = scenario.act(endpoint, Act::Begin(None));
    }
    let soon = "refusals come at once; the two pauses before an endpoint is tried again are at most 25 and 50 ms";
    let again = "when none admits, all are used; an ejected endpoint is tried every second";
    scenario
        .pause(ms(2_600))
        .claim(Claim::no_failure_in(
            Span::before("down"),
            "before",
            "nothing has happened yet",
        ))
        .claim(Claim::new("failures are told within 500 ms", soon, |run| {
            let failed = run.failures(|_| true);
            let longest = failed.iter().map(|one| one.took).max().unwrap_or_default();
            let found = format!(
                "{} failed, the longest took {}",
                failed.len(),
                millis(longest)
            );
            Measured::new(longest <= run.allows(ms(500)), found)
        }))
        .claim(Claim::new(
            "the first answer comes within 2 s",
            again,
            |run| {
                let up = run.mark("up");
                let good = Span::after("up").of(run).filter(|one| one.is_good());
                let first = good.map(Exchange::ended).min();
                let found = first.map(|at| at.saturating_sub(up));
                Measured::new(
                    found.is_some_and(|took| took <= run.allows(ms(2_000))),
                    found.map_or_else(|| "it never came".to_owned(), millis),
                )
            },
        ))
        .claim(Claim::no_failure_in(
            Span::since("up", ms(2_000)),
            "from 2 s after the start on",
            again,
        ))
}
