//! What the last seconds hold.

use proptest::prelude::{ProptestConfig, prop, prop_assert, prop_assert_eq, proptest};

use super::*;

const TEN: Duration = Duration::from_secs(10);

/// Counters that grow from second to second.
#[derive(Default)]
struct Counters {
    window: Window,
    reading: Reading,
    second: u64,
}

impl Counters {
    /// A second passes with so many requests, faults and that median; gives what the window then sees.
    fn second(&mut self, length: Duration, requests: u64, faults: u64, median_us: u32) -> Seen {
        self.reading.requests += requests;
        self.reading.faults += faults;
        self.reading.median_us = median_us;
        self.second += 1;
        self.window.read(length, self.reading, self.second)
    }
}

const fn seen(requests: u64, faults: u64, median_us: u32) -> Seen {
    Seen {
        requests,
        faults,
        median_us,
    }
}

#[test]
fn what_was_before_the_first_reading_does_not_count() {
    let mut counters = Counters::default();
    assert_eq!(counters.second(TEN, 1_000_000, 900_000, 7), Seen::default());
    assert_eq!(counters.second(TEN, 10, 1, 7), seen(10, 1, 7));
}

#[test]
fn the_last_ten_seconds_count_and_no_more() {
    let mut counters = Counters::default();
    counters.second(TEN, 0, 0, 0);
    for second in 1..=10 {
        assert_eq!(
            counters.second(TEN, 100, 5, 300),
            seen(100 * second, 5 * second, 300)
        );
    }
    for _ in 0..5 {
        assert_eq!(counters.second(TEN, 100, 5, 300), seen(1_000, 50, 300));
    }
    for second in 1..=9 {
        let left = 10 - second;
        assert_eq!(
            counters.second(TEN, 0, 0, 0),
            seen(100 * left, 5 * left, 300)
        );
    }
    assert_eq!(counters.second(TEN, 0, 0, 0), Seen::default());
}

#[test]
fn seconds_without_a_look_are_made_up_for() {
    let mut counters = Counters::default();
    counters.second(TEN, 0, 0, 0);
    counters.second(TEN, 50, 50, 9);
    counters.second += 9;
    assert_eq!(counters.second(TEN, 10, 0, 3), seen(10, 0, 3));
}

#[test]
fn the_median_is_the_one_that_half_of_the_requests_had() {
    for (seconds, expected) in [
        (&[(10, 5)][..], 5),
        (&[(10, 5), (10, 7)], 5),
        (&[(10, 5), (11, 7)], 7),
        (&[(1, 900), (98, 5), (1, 1)], 5),
        (&[(3, 900), (2, 5)], 900),
        (&[(10, 0), (1, 5)], 5),
        (&[(10, 0)], 0),
        (&[], 0),
    ] {
        let mut counters = Counters::default();
        counters.second(TEN, 0, 0, 0);
        let last = seconds
            .iter()
            .map(|(requests, median)| counters.second(TEN, *requests, 0, *median))
            .last();
        assert_eq!(last.unwrap_or_default().median_us, expected, "{seconds:?}");
    }
}

#[test]
fn a_window_of_hours_has_sixty_slots() {
    let hours = Duration::from_secs(7_200);
    let mut counters = Counters::default();
    counters.second(hours, 0, 0, 0);
    for _ in 0..10_000 {
        counters.second(hours, 1, 0, 4);
    }
    let last = counters.second(hours, 1, 0, 4);
    assert!(counters.window.slots.len() <= 60);
    // The oldest slot goes as a whole.
    assert!((7_080..=7_200).contains(&last.requests), "{last:?}");
    assert_eq!(last.median_us, 4);
}

#[test]
fn a_slot_of_several_seconds_keeps_the_mean_of_their_medians_by_requests() {
    let two_minutes = Duration::from_secs(120);
    let mut counters = Counters {
        second: 9,
        ..Counters::default()
    };
    counters.second(two_minutes, 0, 0, 0);
    counters.second += 1;
    counters.second(two_minutes, 30, 0, 100);
    assert_eq!(counters.second(two_minutes, 10, 0, 200), seen(40, 0, 125));
}

#[test]
fn another_length_begins_anew_and_no_length_is_a_second() {
    let mut counters = Counters::default();
    counters.second(TEN, 0, 0, 0);
    counters.second(TEN, 10, 0, 1);
    assert_eq!(
        counters.second(Duration::from_secs(600), 5, 0, 1),
        seen(5, 0, 1)
    );
    assert_eq!(counters.second(Duration::ZERO, 5, 0, 1), seen(5, 0, 1));
    assert_eq!(counters.second(Duration::ZERO, 6, 0, 1), seen(6, 0, 1));
    assert_eq!(counters.second(Duration::MAX, 6, 0, 1), seen(6, 0, 1));
}

#[test]
fn clearing_forgets_what_was_and_what_comes_until_the_next_reading() {
    let mut counters = Counters::default();
    counters.second(TEN, 0, 0, 0);
    counters.second(TEN, 10, 10, 1);
    counters.window.clear();
    assert_eq!(counters.second(TEN, 10, 10, 1), Seen::default());
    assert_eq!(counters.second(TEN, 3, 0, 1), seen(3, 0, 1));
}

#[test]
fn counters_and_clocks_that_go_back_do_no_harm() {
    let mut counters = Counters::default();
    counters.second(TEN, 100, 100, 0);
    counters.reading = Reading::default();
    assert_eq!(counters.second(TEN, 1, 1, 1), Seen::default());
    assert_eq!(counters.second(TEN, 2, 1, 1), seen(2, 1, 1));
    counters.second = 0;
    assert_eq!(counters.second(TEN, 2, 1, 1), seen(4, 2, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The window holds exactly the requests and faults of the last seconds, and a median that some second had.
    #[test]
    fn a_window_is_the_sum_of_its_seconds(
        seconds in prop::collection::vec((0..1_000_u64, 0..1_000_u64, 1..10_000_u32), 1..100),
        length in 1..=60_usize,
    ) {
        let mut counters = Counters::default();
        counters.second(TEN, 0, 0, 0);
        let window = Duration::from_secs(length as u64);
        for (at, &(requests, faults, median)) in seconds.iter().enumerate() {
            let sum = counters.second(window, requests, faults.min(requests), median);
            let last = &seconds[(at + 1).saturating_sub(length)..=at];
            prop_assert_eq!(sum.requests, last.iter().map(|second| second.0).sum::<u64>());
            prop_assert_eq!(sum.faults, last.iter().map(|second| second.1.min(second.0)).sum::<u64>());
            prop_assert!(sum.requests == 0 || last.iter().any(|second| second.2 == sum.median_us));
            prop_assert!(counters.window.slots.len() <= length);
        }
    }
}
