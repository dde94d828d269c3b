//! Results in, verdicts and pauses out.

use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};

use super::*;

const RULES: ProbeRules = ProbeRules::DEFAULT;

/// The probes of an endpoint in the small language of these tests: `+` a good result, `-` a bad one.
fn run(start: Start, results: &str, rules: &ProbeRules) -> (Probed, String) {
    let mut probed = Probed::new(start);
    let told =
        results
            .chars()
            .filter(|c| *c != ' ')
            .map(|c| match probed.result(c == '+', rules) {
                None => '.',
                Some(change) => {
                    assert_eq!(change.to, probed.health());
                    assert_ne!(change.from, change.to);
                    match (change.to, change.slow_start) {
                        (Health::Up, true) => 'u',
                        (Health::Up, false) => 'U',
                        (Health::Down, false) => 'D',
                        other => panic!("{other:?}"),
                    }
                }
            });
    let told = told.collect();
    (probed, told)
}

#[test]
fn results_in_a_row_make_up_and_down() {
    // What each result brings: nothing, up by slow start, Up at once, Down.
    for (start, results, expected) in [
        (Start::Process, "+", "U"),
        (Start::Process, "-", "D"),
        (Start::Process, "+---", "U..D"),
        (Start::Process, "+--+--+---", "U........D"),
        (Start::Process, "-++", "D.u"),
        (Start::Process, "-+-+-++", "D.....u"),
        (Start::Process, "- ++ --- ++", "D.u..D.u"),
        (Start::Added, "+", "u"),
        (Start::Added, "-", "."),
        (Start::Added, "-----+", ".....u"),
        (Start::Added, "--+---", "..u..D"),
        (Start::Up, "--", ".."),
        (Start::Up, "---", "..D"),
        (Start::Up, "+---", "...D"),
        (Start::Down, "+", "."),
        (Start::Down, "++", ".u"),
        (Start::Down, "-+++---", "..u...D"),
    ] {
        assert_eq!(
            run(start, results, &RULES).1,
            expected,
            "{start:?} {results}"
        );
    }
}

#[test]
fn rise_and_fall_of_one_or_none_mean_the_next_result() {
    for n in [0, 1] {
        let rules = ProbeRules {
            rise: n,
            fall: n,
            ..RULES
        };
        assert_eq!(run(Start::Up, "-+-+", &rules).1, "DuDu");
    }
}

#[test]
fn rules_that_change_meanwhile_apply_to_the_run_that_is_under_way() {
    let mut probed = Probed::new(Start::Up);
    let patient = ProbeRules { fall: 10, ..RULES };
    for _ in 0..5 {
        assert_eq!(probed.result(false, &patient), None);
    }
    assert_eq!(probed.run(), 5);
    let change = probed.result(false, &RULES).unwrap();
    assert_eq!((change.from, change.to), (Health::Up, Health::Down));
}

#[test]
fn the_pause_is_short_while_the_verdict_is_about_to_change() {
    let rules = ProbeRules {
        interval: Duration::from_secs(5),
        changing_interval: Duration::from_secs(1),
        down_interval: Duration::from_secs(30),
        jitter_percent: 0,
        ..RULES
    };
    for (start, results, seconds) in [
        (Start::Process, "", 0),
        (Start::Added, "", 0),
        (Start::Up, "", 0),
        (Start::Process, "+", 5),
        (Start::Process, "+-", 1),
        (Start::Process, "+--", 1),
        (Start::Process, "+--+", 5),
        (Start::Process, "+---", 30),
        (Start::Process, "-", 30),
        (Start::Process, "-+", 1),
        (Start::Process, "-+-", 30),
        (Start::Process, "-++", 5),
        (Start::Added, "-", 1),
        (Start::Added, "--", 1),
        (Start::Added, "---", 30),
        (Start::Added, "---+", 5),
    ] {
        let (probed, _) = run(start, results, &rules);
        let pause = probed.next(&rules, &mut Rng::new(1));
        assert_eq!(pause, Duration::from_secs(seconds), "{start:?} {results}");
    }
}

#[test]
fn a_schedule_with_jitter() {
    let (probed, _) = run(Start::Process, "+", &RULES);
    let mut rng = Rng::new(7);
    let pauses: Vec<u128> = (0..4)
        .map(|_| probed.next(&RULES, &mut rng).as_millis())
        .collect();
    assert_eq!(pauses, [4_779, 4_033, 5_801, 5_165]);
}

#[test]
fn pauses_spread_evenly_over_what_jitter_allows() {
    let (probed, _) = run(Start::Process, "+", &RULES);
    let mut rng = Rng::new(3);
    let mut tenths = [0_u32; 10];
    for _ in 0..10_000 {
        let micros = probed.next(&RULES, &mut rng).as_micros() - 4_000_000;
        tenths[(micros * 10 / 2_000_001) as usize] += 1;
    }
    assert!(
        tenths.iter().all(|n| (850..1_150).contains(n)),
        "{tenths:?}"
    );
}

#[test]
fn pauses_beyond_any_clock_do_no_harm() {
    let rules = ProbeRules {
        interval: Duration::MAX,
        jitter_percent: 255,
        ..RULES
    };
    let (probed, _) = run(Start::Process, "+", &rules);
    for seed in 0..100 {
        let pause = probed.next(&rules, &mut Rng::new(seed));
        assert!(pause > Duration::ZERO);
    }
    let rules = ProbeRules {
        interval: Duration::ZERO,
        ..rules
    };
    assert_eq!(probed.next(&rules, &mut Rng::new(1)), Duration::ZERO);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A verdict never flips with fewer results in a row than the rules ask for, and always with so many.
    #[test]
    fn a_flip_takes_as_many_results_in_a_row_as_the_rules_say(
        results in prop::collection::vec(any::<bool>(), 1..200),
        rise in 1..6_u16,
        fall in 1..6_u16,
    ) {
        let rules = ProbeRules { rise, fall, ..RULES };
        let mut probed = Probed::new(Start::Process);
        let _ = probed.result(results[0], &rules);
        let (mut row, mut last) = (0_u16, results[0]);
        // What the first result decided, it decided alone: it is no part of a row.
        for &good in &results[1..] {
            row = if good == last { row + 1 } else { 1 };
            last = good;
            let before = probed.health();
            let change = probed.result(good, &rules);
            let needed = if good { rise } else { fall };
            let against = good == (before == Health::Down);
            prop_assert_eq!(change.is_some(), against && row >= needed);
            prop_assert_eq!(probed.health() == Health::Up, if change.is_some() { good } else { before == Health::Up });
        }
    }

    /// Pauses stay within the jitter, and the same seed gives the same schedule.
    #[test]
    fn pauses_stay_within_their_jitter(
        seed in any::<u64>(),
        percent in 0..=100_u8,
        millis in 0..100_000_u64,
        results in prop::collection::vec(any::<bool>(), 1..20),
    ) {
        let interval = Duration::from_millis(millis);
        let rules = ProbeRules {
            interval,
            changing_interval: interval,
            down_interval: interval,
            jitter_percent: percent,
            ..RULES
        };
        let schedule = || {
            let (mut probed, mut rng) = (Probed::new(Start::Added), Rng::new(seed));
            let pause = |good: &bool| {
                let _ = probed.result(*good, &rules);
                probed.next(&rules, &mut rng)
            };
            results.iter().map(pause).collect::<Vec<_>>()
        };
        let spread = interval * u32::from(percent) / 100;
        for pause in schedule() {
            prop_assert!(pause >= interval - spread && pause <= interval + spread);
        }
        prop_assert_eq!(schedule(), schedule());
    }
}
