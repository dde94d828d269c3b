//! Endpoints that are slow: always, at first, or now and then.

use super::{Length, ms};
use crate::claim::{Claim, Span};
use crate::client::Load;
use crate::exchange::Life;
use crate::origin::Manner;
use crate::scenario::{Act, Scenario};

/// Fifty times slower than the others.
pub(super) fn slow(length: Length) -> Scenario {
    let slow = Manner {
        slow: 50,
        ..Manner::good(ms(15))
    };
    let all = "slow is no fault";
    let share = "of two random endpoints the one with fewer requests in flight is taken, so all have as many in flight, and the slow one ends fifty times fewer";
    Scenario::new(
        "slow",
        "one of three endpoints becomes 50 times slower (15 ms to 750 ms)",
    )
    .requests(1_000)
    .mark("slowed")
    .act(0, Act::Become(slow))
    .requests(length.requests(4_000))
    .claim(Claim::no_failure(all))
    .claim(Claim::share_at_most(0, Span::after("slowed"), 5, share))
    .claim(Claim::grows_at_most(
        Span::after("slowed"),
        Span::before("slowed"),
        900,
        2.0,
        share,
    ))
}

/// It comes back, and its caches are empty.
pub(super) fn cold(_: Length) -> Scenario {
    let cold = Manner {
        slow: 50,
        cold: ms(1_500),
        ..Manner::good(ms(15))
    };
    let second = Life {
        endpoint: 0,
        number: 2,
    };
    let gets = "an idempotent request is tried again elsewhere";
    let found = "an ejected endpoint is tried every second, and its first answers take 750 ms";
    let share = "a trial gives it at most a twentieth of its share, slow start then lets its share grow from nothing over 4 s";
    Scenario::new(
        "cold",
        "an endpoint is killed and comes back 50 times slower for its first 1.5 s",
    )
    .cluster("slow_start = \"4s\"")
    .requests(500)
    .mark("killed")
    .act(0, Act::Kill)
    .pause(ms(500))
    .mark("begun")
    .act(0, Act::Begin(Some(cold)))
    .pause(ms(3_000))
    .claim(Claim::no_idempotent_failure(gets))
    .claim(Claim::found_within("begun", second, ms(2_750), found))
    .claim(Claim::share_at_most(
        0,
        Span::between("begun", ms(0), ms(1_500)),
        5,
        share,
    ))
    .claim(Claim::grows_at_most(
        Span::after("begun"),
        Span::before("killed"),
        900,
        2.0,
        share,
    ))
}

/// The share of an endpoint that comes back grows.
pub(super) fn slow_start(_: Length) -> Scenario {
    let least = "its share grows from nothing over 2 s, so in the first quarter of a second it is below an eighth of a third, and there is a margin of as much again";
    let full = "after that it has its third; there is a margin of a third of it";
    Scenario::new(
        "slow-start",
        "an endpoint comes back, and its share grows over 2 s",
    )
    .cluster("slow_start = \"2s\"")
    .requests(500)
    .mark("killed")
    .act(0, Act::Kill)
    .pause(ms(500))
    .mark("begun")
    .act(0, Act::Begin(None))
    .pause(ms(4_500))
    .claim(Claim::share_at_most(
        0,
        Span::between("begun", ms(0), ms(500)),
        9,
        least,
    ))
    .claim(Claim::share_at_least(
        0,
        Span::since("begun", ms(4_050)),
        22,
        full,
    ))
}

/// A second attempt before the first has failed.
pub(super) fn hedging(length: Length) -> Scenario {
    let manner = Manner {
        slow: 40,
        slow_every: 25,
        ..Manner::good(ms(10))
    };
    let tail = "a second attempt begins when the first has taken longer than 90 % do; that both are slow is one of 625";
    Scenario::new(
        "hedging",
        "every 25th request of each endpoint takes 400 ms instead of 10, and the route hedges at 90 %",
    )
    .endpoints(vec![manner; 3])
    .loads([Load {
        posts: 0,
        ..Load::rate(64, 800)
    }])
    .cluster("retry.hedge = { percentile = 90, min_delay = \"5ms\" }")
    // What is usual is known once a second: until then nothing is hedged.
    .requests(1_800)
    .mark("after a first look")
    .requests(length.requests(1_500))
    .claim(Claim::no_failure("nothing fails"))
    // Without a second attempt one in 25 takes 400 ms.
    .claim(Claim::took_at_most_and_never(
        Span::after("after a first look"),
        length.tail(970, 990),
        (ms(200), ms(400)),
        tail,
    ))
    .claim(Claim::attempts_within_budget())
}
