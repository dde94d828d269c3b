//! The limiter against its promises: tables in milliseconds, an oracle that forgets nothing, floods, and odd clocks.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::time::Duration;

use evenkeel_base::Rng;
use evenkeel_base::rules::{RateKey, RateRules};
use proptest::prelude::*;

use super::gcra::TIME_BITS;
use super::{RateLimiter, Set, WAYS};

/// The hash of a seed that is known, so that a run can be repeated.
type Seed = BuildHasherDefault<DefaultHasher>;

const SECOND: u64 = 1_000_000;

fn rules(requests: u32, per: Duration, burst: u32, keys: u32) -> RateRules {
    RateRules {
        requests,
        per,
        burst,
        key: RateKey::Client,
        keys,
        dry_run: false,
    }
}

fn limiter(requests: u32, per_ms: u64, burst: u32, keys: u32) -> RateLimiter<Seed> {
    let rules = rules(requests, Duration::from_millis(per_ms), burst, keys);
    RateLimiter::new(rules, Seed::default())
}

/// How many of a row of requests are admitted.
fn admitted(limiter: &RateLimiter<Seed>, key: &[u8], now: u64, tries: usize) -> usize {
    (0..tries)
        .filter(|_| limiter.admit(key, now).admitted)
        .count()
}

#[test]
fn a_burst_and_then_the_rate() {
    // 10 a second, 3 at once.
    let limiter = limiter(10, 1_000, 3, 64);
    let told = |millis: u64| {
        let it = limiter.admit(b"a", millis * 1_000);
        let (wait, reset) = (it.retry_after.as_millis(), it.reset.as_millis());
        (it.admitted, it.remaining, wait, reset)
    };
    for (millis, expected) in [
        (0, (true, 2, 0, 100)),
        (0, (true, 1, 0, 200)),
        (0, (true, 0, 0, 300)),
        (0, (false, 0, 100, 300)),
        (60, (false, 0, 40, 240)),
        (100, (true, 0, 0, 300)),
        (199, (false, 0, 1, 201)),
        (200, (true, 0, 0, 300)),
        (450, (true, 1, 0, 150)),
        (450, (true, 0, 0, 250)),
        (450, (false, 0, 50, 250)),
        (9_000, (true, 2, 0, 100)),
    ] {
        assert_eq!(told(millis), expected, "at {millis} ms");
    }
}

#[test]
fn keys_have_buckets_of_their_own() {
    let limiter = limiter(1, 1_000, 2, 1_024);
    for key in [&b""[..], b"a", b"b", b"a longer one than all of these"] {
        assert_eq!(admitted(&limiter, key, 5, 9), 2, "{key:?}");
    }
    assert_eq!(admitted(&limiter, b"a", SECOND, 9), 0, "5 us early");
    assert_eq!(admitted(&limiter, b"a", SECOND + 5, 9), 1);
}

#[test]
fn odd_numbers_make_a_limit_all_the_same() {
    let most = u32::MAX;
    for (requests, per, burst) in [
        (0, Duration::ZERO, 0),
        (1, Duration::MAX, most),
        (most, Duration::from_nanos(1), most),
        (most, Duration::MAX, 1),
        (most, Duration::from_secs(1), 1),
        (1, Duration::MAX, 1),
        (3, Duration::from_secs(86_400 * 366), 1_000),
    ] {
        let limiter = RateLimiter::new(rules(requests, per, burst, 0), Seed::default());
        for now in [0, u64::MAX, 1 << 43, 12_345_678] {
            let tries = usize::try_from(burst.clamp(1, 2_000)).unwrap();
            // The time between two of these may be taken for a lag; then what was owed is.
            let got = admitted(&limiter, &now.to_le_bytes(), now, tries);
            assert_eq!(
                got, tries,
                "{requests} in {per:?}, {burst} at once, at {now}"
            );
        }
    }
}

#[test]
fn a_refused_request_is_admitted_when_it_was_told_to_come_again() {
    for (requests, per_ms, burst) in [
        (3, 1_000, 1),
        (7, 1_000, 5),
        (1_000, 7, 3),
        (2, 86_400_000, 2),
    ] {
        let limiter = limiter(requests, per_ms, burst, 8);
        let mut now = 77;
        let _ = admitted(&limiter, b"a", now, burst as usize);
        for _ in 0..50 {
            let refused = limiter.admit(b"a", now);
            assert!(!refused.admitted);
            let wait = u64::try_from(refused.retry_after.as_micros()).unwrap();
            assert!(wait > 0 && !limiter.admit(b"a", now + wait - 1).admitted);
            now += wait;
            assert!(
                limiter.admit(b"a", now).admitted,
                "{requests} in {per_ms} ms"
            );
        }
    }
}

#[test]
fn the_rate_is_right_to_a_thousandth_and_never_more() {
    // Asked at whole microseconds, so the fastest needs a burst to be seen at its rate.
    for (requests, per_ms, burst, seconds) in [
        (3, 1_000, 1, 6_000),
        (70, 60_000, 1, 20_000),
        (13_000, 1_000, 4, 3),
        (999_999, 1_000, 10, 1),
    ] {
        let limiter = limiter(requests, per_ms, burst, 8);
        let (end, mut now, mut count) = (seconds * SECOND, 0, 0_u64);
        while now < end {
            let it = limiter.admit(b"a", now);
            count += u64::from(it.admitted);
            now += u64::try_from(it.retry_after.as_micros()).unwrap();
        }
        let right = u64::from(requests) * seconds * 1_000 / per_ms;
        assert!(
            (right - right / 1_000..=right + u64::from(burst)).contains(&count),
            "{count} of {right}"
        );
    }
}

#[test]
fn it_takes_eight_bytes_a_key_whatever_arrives() {
    assert_eq!((size_of::<Set>(), align_of::<Set>()), (8 * WAYS, 64));
    for (keys, sets) in [(0, 1), (1, 1), (8, 1), (15, 1), (16, 2), (65_536, 8_192)] {
        assert_eq!(limiter(1, 1_000, 1, keys).sets.len(), sets);
    }
    let route = RateRules {
        key: RateKey::Route,
        ..rules(1, Duration::from_secs(1), 1, 65_536)
    };
    assert_eq!(RateLimiter::new(route, Seed::default()).sets.len(), 1);
}

#[test]
fn the_circle_of_time_comes_round_unseen() {
    let round = 1_u64 << TIME_BITS;
    for end in [round, 2 * round, 5 * round] {
        let limiter = limiter(1, 1_000, 3, 8);
        let now = end - SECOND / 2;
        assert_eq!(admitted(&limiter, b"a", now, 9), 3);
        assert_eq!(admitted(&limiter, b"a", now + SECOND - 1, 9), 0);
        assert_eq!(admitted(&limiter, b"a", now + SECOND, 9), 1);
        assert_eq!(admitted(&limiter, b"a", now + 4 * SECOND, 9), 3);
        // Quiet for a part of the circle, however large, it owes nothing.
        let later = now + 8 * SECOND;
        for part in [1, 10, 50, 99] {
            assert_eq!(admitted(&limiter, b"a", later + round / 100 * part, 9), 3);
        }
    }
}

#[test]
fn a_clock_that_lags_lifts_nothing() {
    let limiter = limiter(1, 1_000, 3, 8);
    let now = 100 * SECOND;
    assert_eq!(admitted(&limiter, b"a", now, 9), 3);
    for lag in [1, SECOND / 2, SECOND, 9 * SECOND] {
        assert_eq!(admitted(&limiter, b"a", now - lag, 9), 0, "{lag}");
        let wait = limiter.admit(b"a", now - lag).retry_after;
        assert_eq!(wait.as_micros(), u128::from(SECOND + lag));
    }
    // Two workers whose clocks differ, in turns.
    let mut count = 0;
    for step in 0..1_000 {
        let lag = if step % 2 == 0 { 3 * SECOND } else { 0 };
        count += admitted(&limiter, b"b", now + step * SECOND / 100 - lag, 1);
    }
    assert!((3 + 9 - 3..=3 + 10).contains(&count), "{count}");
}

#[test]
fn a_flood_of_keys_lifts_no_limit_that_has_been_reached() {
    let limiter = limiter(60, 60_000, 10, 64);
    assert_eq!(admitted(&limiter, b"a", 0, 20), 10);
    let mut lifted = 0;
    for key in 0..100_000_u64 {
        // All within the second in which nothing is due.
        let now = key * 9;
        assert!(
            limiter.admit(&key.to_le_bytes(), now).admitted,
            "others are not locked out"
        );
        lifted += admitted(&limiter, b"a", now, 1);
    }
    assert_eq!(lifted, 0);
}

#[test]
fn to_keep_a_key_from_its_limit_takes_a_flood_as_large_as_the_table() {
    let tries = 300;
    let surplus = |flood: u32| {
        let limiter = limiter(60, 60_000, 10, 1_024);
        let mut rng = Rng::new(3);
        let (mut count, mut step) = (0, 0);
        for _ in 0..tries {
            for _ in 0..flood {
                let _ = limiter.admit(&rng.next_u64().to_le_bytes(), step + 1);
            }
            step += 100;
            count += admitted(&limiter, b"a", step, 1);
        }
        count - 10
    };
    assert_eq!(surplus(64), 0, "a sixteenth of the table");
    // A set that is not filled in time pins the key: from its second request on it owes more than those asked for once.
    let one = surplus(1_024);
    assert!(one < 10, "as many as the table: {one}");
    let eight = surplus(8_192);
    assert!(
        eight > 200,
        "memory is bounded, so with {eight} something gives way"
    );
}

#[test]
fn more_keys_than_cells_are_each_admitted_until_they_are_known_to_be_too_many() {
    let limiter = limiter(1, 1_000, 1, 64);
    for round in 0..3_u64 {
        for key in 0..10_000_u64 {
            let key = (round << 32 | key).to_le_bytes();
            assert!(limiter.admit(&key, 7).admitted);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Request by request the same as a map that forgets nothing and rounds nothing, while the keys fit.
    #[test]
    fn it_decides_like_a_map_that_forgets_nothing(
        interval in 1_000..5_000_000_u64,
        requests in prop::sample::select(&[1_u32, 2, 8, 50][..]),
        burst in 1..20_u32,
        begin in prop::sample::select(&[0, 1 << 43, (1 << TIME_BITS) - SECOND, u64::MAX / 2][..]),
        steps in prop::collection::vec((0..5_u8, 0..3_000_000_u64), 1..150),
    ) {
        let per = Duration::from_micros(interval * u64::from(requests));
        let limiter = RateLimiter::new(rules(requests, per, burst, 4_096), Seed::default());
        let mut paid_at: HashMap<u8, u64> = HashMap::new();
        let mut now = begin;
        for (key, pause) in steps {
            now += pause;
            let paid = paid_at.get(&key).copied().unwrap_or(0).max(now);
            let fits = paid + interval - now <= interval * u64::from(burst);
            let looked = limiter.look(&[key], now);
            let told = limiter.admit(&[key], now);
            prop_assert_eq!(looked, told);
            prop_assert_eq!(told.admitted, fits);
            if fits {
                paid_at.insert(key, paid + interval);
                let left = (interval * u64::from(burst) - (paid + interval - now)) / interval;
                prop_assert_eq!(u64::from(told.remaining), left);
                prop_assert_eq!(told.reset, Duration::from_micros(paid + interval - now));
            } else {
                let wait = paid + interval - now - interval * u64::from(burst);
                prop_assert_eq!(told.retry_after, Duration::from_micros(wait));
            }
        }
    }

    /// Whatever the rules, in no stretch of time more than the burst and what the stretch allows.
    #[test]
    fn no_stretch_of_time_has_more_than_its_share(
        requests in 1..2_000_u32,
        per in 1..100_000_000_u64,
        burst in 1..50_u32,
        pauses in prop::collection::vec(0..2_000_000_u64, 1..200),
    ) {
        let rules = rules(requests, Duration::from_micros(per), burst, 8);
        let limiter = RateLimiter::new(rules, Seed::default());
        let mut now = 0;
        let mut times = Vec::new();
        for pause in pauses {
            now += pause % (1 + 3 * per / u64::from(requests));
            if limiter.admit(b"a", now).admitted {
                times.push(now);
            }
        }
        for (i, from) in times.iter().enumerate() {
            for (j, to) in times.iter().enumerate().skip(i) {
                let most = u128::from(burst) * u128::from(per) + u128::from(to - from) * u128::from(requests);
                prop_assert!((j - i + 1) as u128 * u128::from(per) <= most);
            }
        }
    }
}
