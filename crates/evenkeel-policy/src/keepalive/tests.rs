//! What is learnt from which lesson.

use super::*;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn nothing_known_means_what_is_configured_and_at_most_55_seconds() {
    let endpoint = KeepAlive::new();
    for (configured, expected) in [
        (secs(600), secs(55)),
        (secs(55), secs(55)),
        (secs(10), secs(10)),
    ] {
        assert_eq!(endpoint.limit(configured), expected);
    }
    assert_eq!(endpoint.limit(Duration::ZERO), Duration::ZERO);
}

#[test]
fn an_announcement_is_undercut_and_the_last_one_counts() {
    let endpoint = KeepAlive::new();
    for (announced, expected) in [
        (5, ms(4_500)),
        (2, ms(1_500)),
        (1, ms(500)),
        (0, ms(0)),
        (60, secs(54)),
        (75, secs(55)),
        (u64::MAX, secs(55)),
        (15, ms(13_500)),
    ] {
        endpoint.announced(announced);
        assert_eq!(endpoint.limit(secs(600)), expected, "{announced}");
    }
}

#[test]
fn the_shortest_age_at_which_it_closed_counts_and_restarts_teach_nothing() {
    let endpoint = KeepAlive::new();
    for (age, expected) in [
        (ms(3), secs(55)),
        (ms(999), secs(55)),
        (secs(80), secs(55)),
        (secs(20), secs(18)),
        (secs(40), secs(18)),
        (secs(5), ms(4_500)),
    ] {
        endpoint.closed_after(age);
        assert_eq!(endpoint.limit(secs(600)), expected, "{age:?}");
    }
    endpoint.announced(2);
    assert_eq!(endpoint.limit(secs(600)), ms(1_500));
    assert_eq!(endpoint.limit(secs(1)), secs(1));
}

#[test]
fn a_wrong_lesson_is_unlearnt_by_connections_that_prove_good_near_the_end() {
    let endpoint = KeepAlive::new();
    endpoint.closed_after(secs(2));
    assert_eq!(endpoint.limit(secs(600)), ms(1_500));
    for _ in 0..10 * PROOFS {
        endpoint.good_after(ms(1_100));
    }
    assert_eq!(
        endpoint.limit(secs(600)),
        ms(1_500),
        "well before its end proves nothing"
    );
    for _ in 0..PROOFS - 1 {
        endpoint.good_after(ms(1_200));
    }
    assert_eq!(
        endpoint.limit(secs(600)),
        ms(1_500),
        "not enough proofs yet"
    );
    endpoint.good_after(ms(1_200));
    assert_eq!(endpoint.limit(secs(600)), ms(1_687));
    let mut rounds = 0;
    while endpoint.limit(secs(600)) < secs(55) {
        for _ in 0..PROOFS {
            endpoint.good_after(endpoint.limit(secs(600)) - ms(1));
        }
        rounds += 1;
        assert!(rounds < 50, "{endpoint:?}");
    }
}

#[test]
fn a_closed_connection_begins_the_proofs_anew() {
    let endpoint = KeepAlive::new();
    endpoint.closed_after(secs(10));
    for _ in 0..PROOFS - 1 {
        endpoint.good_after(secs(8));
    }
    endpoint.closed_after(secs(11));
    endpoint.good_after(secs(8));
    assert_eq!(endpoint.limit(secs(600)), secs(9));
}

#[test]
fn what_cannot_be_repeated_gets_only_a_connection_that_was_just_used() {
    let endpoint = KeepAlive::new();
    for (age, idempotent, expected) in [
        (ms(0), false, true),
        (ms(1_000), false, true),
        (ms(1_001), false, false),
        (ms(54_999), true, true),
        (ms(55_000), true, false),
    ] {
        assert_eq!(
            endpoint.admits(age, secs(60), idempotent),
            expected,
            "{age:?}"
        );
    }
    endpoint.announced(0);
    assert!(!endpoint.admits(ms(0), secs(60), true));
}

#[test]
fn hours_and_ages_beyond_any_clock_do_no_harm() {
    let endpoint = KeepAlive::new();
    endpoint.closed_after(Duration::MAX);
    endpoint.good_after(Duration::MAX);
    endpoint.closed_after(secs(3));
    endpoint.good_after(Duration::MAX);
    assert_eq!(endpoint.limit(Duration::MAX), ms(2_500));
}
