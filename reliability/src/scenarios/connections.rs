//! Connections that end while they are idle, and names that end while they are in use.

use super::{Length, ms};
use crate::claim::{Claim, Measured};
use crate::client::{Load, Pace};
use crate::origin::Manner;
use crate::scenario::{Needs, Scenario, Step};

/// The keep-alive race, made likely: after each wave everything is idle for as long as the endpoints bear it.
pub(super) fn resetting_idle(length: Length) -> Scenario {
    let manner = Manner {
        idle: ms(1_100),
        ..Manner::good(ms(15))
    };
    let waves = match length {
        Length::Short => 2,
        Length::Full => 8,
    };
    let load = Load {
        pace: Pace::Waves(800, ms(1_098)),
        ..Load::closed(64)
    };
    let gets = "what fails on a reused connection before an answer is replayed for free, and the other idle ones are let go";
    let posts =
        "a POST takes only a connection that was used within the last second, and these bear 1.1 s";
    Scenario::new(
        "resetting-idle",
        "endpoints reset connections that were idle for 1.1 s, and requests come in waves with pauses just as long",
    )
    .endpoints(vec![manner; 3])
    .loads([load])
    .requests(700)
    .mark("the first pause")
    .requests(800 * waves)
    .claim(Claim::new("connections are reset", "else there is nothing to see", |run| {
        let resets = run.pages.resets;
        Measured::new(resets > 0, resets.to_string())
    }))
    .claim(Claim::no_idempotent_failure(gets))
    .claim(Claim::no_failure(posts))
}

/// The name server forgets all.
pub(super) fn lost_names(length: Length) -> Scenario {
    let why = "a name that does not resolve keeps the addresses that it had last";
    Scenario::new(
        "lost-names",
        "endpoints are known by name, and no name resolves any more",
    )
    .needs(Needs::Names)
    .cluster("resolve_interval = \"1s\"")
    .requests(length.requests(500))
    .mark("forgotten")
    .step(Step::ForgetNames)
    // Long enough to be looked up twice.
    .pause(ms(2_300))
    .claim(Claim::no_failure(why))
}
