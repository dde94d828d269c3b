//! The bucket over time, against what the defaults promise.

use proptest::prelude::*;

use super::*;

const fn millis(second: u64) -> u64 {
    second * 1_000
}

fn withdrawals(budget: &Budget, now: u64) -> u64 {
    let mut count = 0;
    while budget.withdraw(now) {
        count += 1;
        assert!(count < 10_000_000, "a budget ends");
    }
    count
}

#[test]
fn it_starts_full_and_a_request_deposits_a_fifth() {
    let budget = Budget::new(0.2, 100);
    assert_eq!(budget.tokens(), 100);
    assert_eq!(withdrawals(&budget, 0), 100);
    assert_eq!((budget.taken(), budget.refused()), (100, 1));
    for request in 1..=50 {
        budget.deposit(0);
        assert_eq!(budget.withdraw(0), request % 5 == 0, "request {request}");
    }
}

#[test]
fn new_rules_hold_at_once() {
    let budget = Budget::new(0.0, 0);
    assert_eq!(withdrawals(&budget, 0), 0);
    budget.configure(1.0, 10);
    assert_eq!(withdrawals(&budget, 0), 10, "as in a new bucket");
    budget.deposit(0);
    assert_eq!(withdrawals(&budget, 0), 1, "a whole one for each request");
    budget.configure(1.0, 10);
    assert_eq!(budget.tokens(), 0, "the same rules are no present");
    budget.configure(0.0, 30);
    assert_eq!(budget.tokens(), 20, "room for twenty more");
    budget.configure(0.0, 5);
    assert_eq!(
        withdrawals(&budget, 1_000),
        5,
        "the rest has no room from the next second on"
    );
}

#[test]
fn a_quiet_cluster_holds_the_burst_and_no_more() {
    let budget = Budget::new(0.2, 100);
    for second in 0..60 {
        (0..40).for_each(|_| budget.deposit(millis(second)));
    }
    assert_eq!(
        withdrawals(&budget, millis(60)),
        100,
        "20 % of 400 is less than the burst"
    );
}

#[test]
fn a_busy_cluster_holds_a_fifth_of_the_last_ten_seconds() {
    let budget = Budget::new(0.2, 100);
    for second in 0..60 {
        (0..1_000).for_each(|_| budget.deposit(millis(second)));
    }
    // At the first look in second 60 the ten seconds before it are what counts.
    assert_eq!(withdrawals(&budget, millis(60)), 2_000);
}

#[test]
fn what_a_busy_time_left_is_gone_when_the_time_is() {
    let budget = Budget::new(0.2, 100);
    for second in 0..20 {
        (0..1_000).for_each(|_| budget.deposit(millis(second)));
    }
    assert!(budget.tokens() > 1_000);
    assert!(budget.withdraw(millis(25)));
    assert!((999..=1_000).contains(&budget.tokens()), "{budget:?}");
    assert_eq!(withdrawals(&budget, millis(31)), 100);
}

#[test]
fn a_storm_is_held_to_the_ratio() {
    let budget = Budget::new(0.2, 100);
    let (mut requests, mut retries) = (0, 0);
    for now in 0..millis(30) {
        // Every millisecond a request that fails, and would like to be repeated twice.
        budget.deposit(now);
        requests += 1;
        retries += u64::from(budget.withdraw(now)) + u64::from(budget.withdraw(now));
    }
    // The first deposit finds the bucket full.
    assert_eq!(retries, 100 + (requests - 1) / 5);
}

#[test]
fn a_ratio_of_nothing_leaves_the_burst_alone_and_odd_ratios_do_no_harm() {
    for (ratio, burst, after) in [
        (0.0, 3, 3),
        (f32::NAN, 3, 3),
        (-1.0, 3, 3),
        (0.2, 0, 0),
        (1.0, 3, 3),
        (f32::INFINITY, 3, 3),
    ] {
        let budget = Budget::new(ratio, burst);
        budget.deposit(0);
        assert_eq!(withdrawals(&budget, 0), after, "{ratio} {burst}");
    }
    let budget = Budget::new(2.5, 1);
    assert!(budget.withdraw(0));
    budget.deposit(0);
    assert_eq!(
        withdrawals(&budget, 0),
        1,
        "a deposit is cut where the bucket is full"
    );
    let budget = Budget::new(0.2, 0);
    for second in 0..12 {
        (0..10).for_each(|_| budget.deposit(millis(second)));
    }
    assert_eq!(
        withdrawals(&budget, millis(12)),
        20,
        "without a burst, the window alone"
    );
}

#[test]
fn clocks_that_lag_and_leap_do_no_harm() {
    let budget = Budget::new(0.2, 100);
    for now in [
        0,
        millis(100),
        millis(98),
        millis(5),
        u64::MAX,
        0,
        millis(101),
        u64::MAX,
    ] {
        (0..10).for_each(|_| budget.deposit(now));
        assert!(budget.tokens() <= 100 && budget.withdraw(now), "{now}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the order of requests and retries: no more retries than the burst, the deposits, and never more in the
    /// bucket than the capacity of the busiest window.
    #[test]
    fn no_history_gives_more_than_was_deposited(
        steps in prop::collection::vec((0..3_000_u64, 0..60_u32, 0..30_u32), 1..60),
        ratio in 0..=1_000_u16,
        burst in 0..50_u32,
    ) {
        let budget = Budget::new(f32::from(ratio) / 1_000.0, burst);
        let (mut now, mut requests, mut granted) = (0, 0_u64, 0_u64);
        for (pause, deposits, retries) in steps {
            now += pause;
            (0..deposits).for_each(|_| budget.deposit(now));
            requests += u64::from(deposits);
            granted += (0..retries).filter(|_| budget.withdraw(now)).count() as u64;
            let most = u64::from(burst) * TOKEN + requests * u64::from(ratio);
            prop_assert!(granted * TOKEN <= most, "{granted} retries after {requests} requests");
            prop_assert!(budget.tokens() * TOKEN <= (u64::from(burst) * TOKEN).max(requests * u64::from(ratio)));
        }
    }
}
