//! Every bad day in its short form, with the real binary: one test each, so that what fails has a name.
//!
//! Death and frost are played with 1, 2 and 4 workers, the others with one of these numbers, so that all of them take
//! some three minutes; `cargo xtask reliability` plays each with each.

#![expect(
    clippy::tests_outside_test_module,
    clippy::panic,
    clippy::print_stderr,
    reason = "all of this is test code, also what is outside of a #[test]"
)]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use evenkeel_reliability::play;
use evenkeel_reliability::proxy::{Programs, Who};
use evenkeel_reliability::report::Verdict;
use evenkeel_reliability::scenarios::{self, Length};

/// One at a time, also where all tests share a process and nobody reads `.config/nextest.toml`.
static TURN: Mutex<()> = Mutex::new(());

fn play(name: &str, workers: &[u16]) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = scenarios::ALL.iter().find(|(known, _)| *known == name);
    let (_, maker) = known.unwrap_or_else(|| panic!("no scenario {name}"));
    let scenario = scenarios::make(*maker, Length::Short);
    if let Some(why) = play::missing(&scenario) {
        eprintln!("SKIPPED: {name} is not played here: {why}");
        return;
    }
    let programs = Programs {
        origin: PathBuf::from(env!("CARGO_BIN_EXE_bad-day-origin")),
    };
    let mut broken = String::new();
    for &workers in workers {
        let run = play::play(&scenario, Who::Evenkeel, workers, &programs);
        let verdict = Verdict::of(&scenario, workers, &run);
        eprintln!("{verdict}");
        if !verdict.is_good() {
            let _ = writeln!(broken, "{verdict}");
        }
    }
    assert!(broken.is_empty(), "{name} is lost:\n{broken}");
}

macro_rules! bad_days {
    ($($test:ident $name:literal $workers:tt)*) => {
        $(
            #[test]
            fn $test() {
                play($name, &$workers);
            }
        )*

        #[test]
        fn every_scenario_is_played() {
            let played = [$($name),*];
            let all: Vec<_> = scenarios::ALL.iter().map(|(name, _)| *name).collect();
            assert_eq!(played.as_slice(), all);
        }
    };
}

bad_days! {
    killed "killed" [1, 2, 4]
    frozen "frozen" [1, 2, 4]
    resetting_idle "resetting-idle" [2]
    rolling_restart "rolling-restart" [4]
    coming_back "coming-back" [2]
    garbage "garbage" [2]
    never_answering "never-answering" [4]
    half_bodies "half-bodies" [2]
    one_in_three "one-in-three" [4]
    slow "slow" [1]
    flapping "flapping" [2]
    cold "cold" [4]
    all_down "all-down" [2]
    lost_names "lost-names" [1]
    cut_network "cut-network" [2]
    storm "storm" [4]
    hedging "hedging" [2]
    codel "codel" [1]
    adaptive "adaptive" [2]
    rate_limit "rate-limit" [4]
    priority "priority" [2]
    panic "panic" [1]
    slow_start "slow-start" [2]
    reloads "reloads" [2]
    broken_reload "broken-reload" [1]
    listeners "listeners" [4]
    upgrades "upgrades" [2]
    crashing_upgrade "crashing-upgrade" [1]
    terminated "terminated" [4]
    socket_activation "socket-activation" [2]
    slow_heads "slow-heads" [2]
    slow_readers "slow-readers" [1]
    slow_chunks "slow-chunks" [4]
    h2_floods "h2-floods" [2]
    h2_stalled "h2-stalled" [1]
    descriptors "descriptors" [2]
    memory "memory" [2]
    full_disk "full-disk" [4]
    dns_change "dns-change" [2]
    dns_death "dns-death" [1]
}
