//! Workers that ask the same rate limit at once.

use std::hash::{BuildHasherDefault, DefaultHasher};
use std::time::Duration;

use evenkeel_base::rules::{RateKey, RateRules};
use evenkeel_policy::RateLimiter;
use loom::sync::Arc;
use loom::thread;

type Limiter = RateLimiter<BuildHasherDefault<DefaultHasher>>;

/// One a second, so many at once; all keys share one set.
fn limiter(burst: u32) -> Arc<Limiter> {
    let rules = RateRules {
        requests: 1,
        per: Duration::from_secs(1),
        burst,
        key: RateKey::Client,
        keys: 8,
        dry_run: false,
    };
    Arc::new(RateLimiter::new(rules, BuildHasherDefault::default()))
}

fn admitted(limiter: &Limiter, keys: &[&[u8]], now: u64) -> usize {
    let ask = |key: &&&[u8]| limiter.admit(key, now).admitted;
    keys.iter().filter(ask).count()
}

/// How many are admitted of what two workers ask at once, and then of `after`.
fn both(limiter: &Arc<Limiter>, one: &'static [&[u8]], other: &'static [&[u8]]) -> usize {
    let worker = {
        let limiter = Arc::clone(limiter);
        thread::spawn(move || admitted(&limiter, other, 0))
    };
    admitted(limiter, one, 0) + worker.join().unwrap()
}

#[test]
fn workers_together_admit_the_burst_and_no_more() {
    loom::model(|| assert_eq!(both(&limiter(1), &[b"a"], &[b"a"]), 1));
    loom::model(|| assert_eq!(both(&limiter(3), &[b"a", b"a"], &[b"a", b"a"]), 3));
}

#[test]
fn what_is_due_is_admitted_once() {
    loom::model(|| {
        let limiter = limiter(2);
        assert_eq!(admitted(&limiter, &[b"a", b"a", b"a"], 0), 2);
        let other = {
            let limiter = Arc::clone(&limiter);
            thread::spawn(move || admitted(&limiter, &[b"a"], 1_000_000))
        };
        let here = admitted(&limiter, &[b"a"], 1_000_000);
        assert_eq!(here + other.join().unwrap(), 1);
    });
}

#[test]
fn two_keys_that_come_at_once_are_both_known_afterwards() {
    loom::model(|| {
        let limiter = limiter(1);
        assert_eq!(both(&limiter, &[b"a"], &[b"b"]), 2);
        assert_eq!(admitted(&limiter, &[b"a", b"b"], 0), 0);
    });
}

#[test]
fn a_third_key_that_comes_at_once_costs_one_request_at_most() {
    loom::model(|| {
        let admitted = both(&limiter(1), &[b"a"], &[b"b", b"a"]);
        assert!((2..=3).contains(&admitted), "{admitted}");
    });
}
