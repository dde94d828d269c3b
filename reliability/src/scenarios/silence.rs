//! Endpoints that say nothing: frozen, deaf, or out of reach.

use std::time::Duration;

use super::{Length, ms};
use crate::claim::Claim;
use crate::exchange::Life;
use crate::origin::{Manner, Speech};
use crate::scenario::{Act, Needs, Scenario};

/// How long an attempt may take here.
const ATTEMPT: Duration = ms(300);

/// From the instant of silence on: the first attempts run into their timeout, five of those eject, what was sent until
/// then fails later; timeouts are found at most 50 ms late, and a busy machine has its own delays.
const UNTIL_EJECTED: Duration = ms(500);

const GETS: &str = "an attempt that takes longer than 300 ms is given up, and an idempotent request is tried again elsewhere";
const POSTS: &str = "a POST that was sent is not sent again; after the first five timeouts the endpoint is ejected, and no further one is sent to it";

/// SIGSTOP: the system accepts for it, and nobody answers.
pub(super) fn frozen(length: Length) -> Scenario {
    Scenario::new(
        "frozen",
        "one of three endpoints is frozen (SIGSTOP); an attempt may take 300 ms",
    )
    .attempt_timeout(ATTEMPT)
    .requests(1_000)
    .mark("frozen")
    .act(0, Act::Freeze)
    .requests(length.requests(3_000))
    .act(0, Act::Thaw)
    .claim(Claim::no_idempotent_failure(GETS))
    .claim(Claim::posts_fail_only_at(
        &[("frozen", 0)],
        UNTIL_EJECTED,
        POSTS,
    ))
    .for_rivals()
}

/// It takes requests and keeps them.
pub(super) fn never_answering(length: Length) -> Scenario {
    let deaf = Manner::good(ms(15)).saying(Speech::Nothing);
    Scenario::new(
        "never-answering",
        "an endpoint accepts connections and requests, and never answers; an attempt may take 300 ms",
    )
    .attempt_timeout(ATTEMPT)
    .requests(1_000)
    .mark("deaf")
    .act(0, Act::Become(deaf))
    .requests(length.requests(3_000))
    .claim(Claim::no_idempotent_failure(GETS))
    .claim(Claim::posts_fail_only_at(&[("deaf", 0)], UNTIL_EJECTED, POSTS))
}

/// Packets are dropped, and nobody says so.
pub(super) fn cut_network(length: Length) -> Scenario {
    let why = "an ejected endpoint is tried by a background connect every second; the system repeats a packet of it that was lost after a second, and the endpoint then takes a trickle of the requests";
    let found = Life {
        endpoint: 0,
        number: 1,
    };
    Scenario::new(
        "cut-network",
        "the network to an endpoint is cut between two namespaces (no RST, no ICMP), and healed; an attempt may take 300 ms",
    )
    .needs(Needs::Network)
    .attempt_timeout(ATTEMPT)
    .requests(1_000)
    .mark("cut")
    .act(0, Act::Cut)
    .requests(length.requests(2_500))
    // A connect has to fail meanwhile: one that succeeds proves nothing of an endpoint that did not answer.
    .pause(ms(2_200))
    .mark("healed")
    .act(0, Act::Heal)
    .pause(ms(3_600))
    .claim(Claim::no_idempotent_failure(GETS))
    .claim(Claim::posts_fail_only_at(&[("cut", 0)], UNTIL_EJECTED, POSTS))
    .claim(Claim::found_within("healed", found, ms(3_500), why))
}
