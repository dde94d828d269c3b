//! The word and its changes.

use proptest::prelude::{Just, ProptestConfig, any, prop, prop_assert_eq, prop_oneof, proptest};

use super::*;

const WINDOW: Duration = Duration::from_secs(10);

/// A standing of those parts, since the beginning.
fn standing(health: Health, phase: Phase, ramp: u16) -> Standing {
    let parts = Parts {
        health,
        phase,
        ramp,
        since: 1,
    };
    Standing(AtomicU64::new(parts.pack()))
}

#[test]
fn the_share_follows_from_health_phase_and_ramp() {
    for (health, phase, ramp, expected) in [
        (Health::Unprobed, Phase::Admitting, 1_000, 1_000),
        (Health::Up, Phase::Admitting, 1_000, 1_000),
        (Health::Up, Phase::Admitting, 137, 137),
        (Health::Waiting, Phase::Admitting, 1_000, 0),
        (Health::Down, Phase::Admitting, 1_000, 0),
        (Health::Up, Phase::Ejected, 1_000, 0),
        (Health::Unprobed, Phase::Ejected, 1_000, 0),
        (Health::Up, Phase::Trial, 1_000, 50),
        (Health::Unprobed, Phase::Trial, 51, 50),
        (Health::Unprobed, Phase::Trial, 49, 49),
        (Health::Down, Phase::Trial, 1_000, 0),
        (Health::Waiting, Phase::Trial, 1_000, 0),
    ] {
        let standing = standing(health, phase, ramp);
        assert_eq!(standing.share(), expected, "{health:?} {phase:?} {ramp}");
        let parts = (standing.health(), standing.phase(), standing.ramp());
        assert_eq!(parts, (health, phase, ramp));
        assert_eq!(standing.is_admitting(), phase == Phase::Admitting);
    }
}

#[test]
fn a_change_is_told_once() {
    let standing = Standing::new(Health::Waiting, Entry::Full);
    assert_eq!(standing.share(), 0);
    let set = |to| standing.set_health(to, Entry::Full, 5);
    assert_eq!(set(Health::Up), Some(Health::Waiting));
    assert_eq!(set(Health::Up), None);
    assert_eq!(standing.share(), 1_000);
    let eject = || standing.set_phase(Phase::Admitting, Phase::Ejected, Entry::Full, 6);
    assert!(eject());
    assert!(!eject(), "another was faster");
    assert!(!standing.set_phase(Phase::Ejected, Phase::Ejected, Entry::Full, 6));
    assert_eq!(standing.share(), 0);
    assert_eq!(set(Health::Down), Some(Health::Up));
    assert_eq!(standing.phase(), Phase::Ejected, "health leaves the phase");
}

#[test]
fn who_recovers_begins_with_a_tenth_and_has_all_when_the_window_is_over() {
    let standing = Standing::new(Health::Down, Entry::Full);
    assert_eq!(standing.climb(WINDOW, 500), None, "not while it is down");
    let before = standing.set_health(Health::Up, Entry::Slow, 1_000);
    assert_eq!((before, standing.share()), (Some(Health::Down), 100));
    for (now, expected) in [
        (1_000, None),
        (1_100, Some(109)),
        (1_100, None),
        (6_000, Some(550)),
        (5_000, None),
        (10_999, Some(999)),
        (11_000, Some(1_000)),
        (12_000, None),
    ] {
        assert_eq!(standing.climb(WINDOW, now), expected, "at {now} ms");
    }
    assert_eq!(standing.share(), 1_000);
}

#[test]
fn a_ramp_that_began_without_a_clock_begins_when_it_is_first_seen() {
    let standing = Standing::new(Health::Unprobed, Entry::Slow);
    assert_eq!(standing.share(), 100);
    assert_eq!(standing.climb(WINDOW, 70_000), None);
    assert_eq!(standing.climb(WINDOW, 75_000), Some(550));
}

#[test]
fn a_ramp_begins_anew_with_every_return() {
    let standing = Standing::new(Health::Up, Entry::Full);
    let step = |from, to, now| standing.set_phase(from, to, Entry::Slow, now);
    assert!(step(Phase::Admitting, Phase::Ejected, 1_000));
    assert!(step(Phase::Ejected, Phase::Trial, 2_000));
    assert_eq!(standing.share(), 50);
    assert_eq!(standing.climb(WINDOW, 9_000), None, "a trial is no ramp");
    assert!(step(Phase::Trial, Phase::Admitting, 10_000));
    assert_eq!(
        (standing.share(), standing.climb(WINDOW, 19_000)),
        (100, Some(910))
    );
    let set = |to, now| standing.set_health(to, Entry::Slow, now);
    assert_eq!(set(Health::Down, 19_000), Some(Health::Up));
    assert_eq!(set(Health::Up, 30_000), Some(Health::Down));
    assert_eq!(standing.share(), 100);
    assert_eq!(standing.climb(WINDOW, 31_000), Some(190));
}

#[test]
fn a_good_probe_in_an_ejection_leaves_its_clock_alone() {
    let standing = Standing::new(Health::Down, Entry::Full);
    assert!(standing.set_phase(Phase::Admitting, Phase::Ejected, Entry::Full, 1_000));
    assert_eq!(
        standing.set_health(Health::Up, Entry::Slow, 9_000),
        Some(Health::Down)
    );
    assert_eq!(standing.parts().elapsed(11_000), Duration::from_secs(10));
    assert_eq!((standing.share(), standing.ramp()), (0, 100));
}

#[test]
fn without_a_window_a_ramp_ends_at_the_first_look() {
    let standing = Standing::new(Health::Unprobed, Entry::Slow);
    assert_eq!(standing.climb(Duration::ZERO, 0), Some(1_000));
}

#[test]
fn clocks_that_disagree_or_run_for_decades_do_no_harm() {
    let standing = Standing::new(Health::Down, Entry::Full);
    let year = 365 * 24 * 3_600 * 1_000;
    let begun = 40 * year;
    let before = standing.set_health(Health::Up, Entry::Slow, begun);
    assert_eq!(before, Some(Health::Down));
    assert_eq!(standing.climb(WINDOW, begun - 3), None, "a lagging clock");
    assert_eq!(standing.climb(WINDOW, begun + 5_000), Some(550));
    assert_eq!(standing.climb(Duration::MAX, u64::MAX), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The parts come out of the word as they went in.
    #[test]
    fn the_word_holds_its_parts(
        health in prop_oneof![Just(Health::Unprobed), Just(Health::Waiting), Just(Health::Up), Just(Health::Down)],
        phase in prop_oneof![Just(Phase::Admitting), Just(Phase::Ejected), Just(Phase::Trial)],
        ramp in 0..=1_000_u16,
        since in 0..=SINCE,
    ) {
        let parts = Parts { health, phase, ramp, since };
        prop_assert_eq!(Parts::unpack(parts.pack()), parts);
    }

    /// However health, phase and clock change in turns: the share is what they say, and never full in the first moment
    /// after a return.
    #[test]
    fn any_order_of_changes_leaves_a_share_that_follows_from_the_parts(
        steps in prop::collection::vec((0..8_u8, 1..3_000_u64, any::<bool>()), 0..60),
    ) {
        let standing = Standing::new(Health::Unprobed, Entry::Full);
        let mut now = 0;
        for (step, pause, slow) in steps {
            now += pause;
            let entry = if slow { Entry::Slow } else { Entry::Full };
            let before = standing.share();
            let _ = match step {
                0 => standing.set_health(Health::Up, entry, now).is_some(),
                1 => standing.set_health(Health::Down, entry, now).is_some(),
                2 => standing.set_health(Health::Waiting, entry, now).is_some(),
                3 => standing.set_phase(Phase::Admitting, Phase::Ejected, entry, now),
                4 => standing.set_phase(Phase::Ejected, Phase::Trial, entry, now),
                5 => standing.set_phase(Phase::Trial, Phase::Admitting, entry, now),
                _ => standing.climb(WINDOW, now).is_some(),
            };
            let parts = standing.parts();
            prop_assert_eq!(standing.share(), parts.share());
            if before == 0 && slow && parts.phase == Phase::Admitting && step < 6 {
                prop_assert_eq!(standing.share() > 0, parts.health.admits());
            }
            if step == 5 && slow && before > 0 && before <= Standing::TRIAL {
                prop_assert_eq!(standing.share(), slow_start::FLOOR);
            }
        }
    }
}

#[test]
fn another_process_goes_on_from_where_an_endpoint_stood() {
    let old = Standing::new(Health::Up, Entry::Full);
    assert!(old.set_phase(Phase::Admitting, Phase::Ejected, Entry::Full, 5_000));
    let after = |health| {
        let new = Standing::new(health, Entry::Full);
        new.restore(old.stood());
        new.stood()
    };
    assert_eq!(after(Health::Waiting), old.stood());
    // It has no probes in the new configuration.
    let Stood {
        health,
        phase,
        since_ms,
        ..
    } = after(Health::Unprobed);
    assert_eq!(
        (health, phase, since_ms),
        (Health::Unprobed, Phase::Ejected, 5_000)
    );
    let unprobed = Standing::new(Health::Unprobed, Entry::Full);
    let new = Standing::new(Health::Waiting, Entry::Full);
    new.restore(unprobed.stood());
    assert_eq!(new.health(), Health::Waiting, "its first probe decides");
}
