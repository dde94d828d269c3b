//! Workers that fill, use and empty a pool of readings at once, and that see an endpoint fail at once.

use std::time::Duration;

use evenkeel_base::Rng;
use evenkeel_base::rules::PrequalRules;
use evenkeel_policy::balancer::{Latency, Pool, Prequal, Reading};
use evenkeel_policy::{Candidate, Observed, Tried, Wanted};
use loom::sync::Arc;
use loom::thread;

/// A reading of that endpoint at that second, with its position in each part that can tell, so that one put together from two
/// would show.
fn reading(pool: &Pool, position: u32, uses: u8, second: u64) -> Reading {
    Reading {
        position,
        in_flight: position * 1_000,
        latency: Latency::micros(u64::from(position) * 1_000),
        taken: pool.ages().stamp(second * 1_000_000),
        uses,
    }
}

fn put(pool: &Pool, position: u32, uses: u8, second: u64) -> bool {
    pool.put(reading(pool, position, uses, second), second * 1_000_000)
}

/// The endpoints in the pool at that second, each reading as whole as it was put in.
fn whole(pool: &Pool, second: u64) -> Vec<u32> {
    let mut all = Vec::new();
    pool.each(second * 1_000_000, |pooled| {
        let Reading {
            position,
            in_flight,
            latency,
            ..
        } = pooled.reading;
        assert_eq!(in_flight / 1_000, position);
        assert_eq!(latency, Latency::micros(u64::from(position) * 1_000));
        all.push(position);
    });
    all
}

/// Runs `there` on another thread while `here` runs on this one.
fn both<A, B: 'static>(here: impl FnOnce() -> A, there: impl FnOnce() -> B + 'static) -> (A, B) {
    let other = thread::spawn(there);
    (here(), other.join().unwrap())
}

fn pool(size: u8) -> Arc<Pool> {
    Arc::new(Pool::new(size, Duration::from_secs(1)))
}

#[test]
fn a_reading_serves_no_more_requests_than_it_has_uses() {
    for (uses, each, expected) in [(1, 1, 1), (3, 2, 3), (4, 2, 4)] {
        loom::model(move || {
            let pool = pool(1);
            assert!(put(&pool, 7, uses, 1));
            let take = move |pool: &Pool| (0..each).filter(|_| pool.take(0, 7, 1_000_000)).count();
            let other = Arc::clone(&pool);
            let (here, there) = both(|| take(&pool), move || take(&other));
            assert_eq!(here + there, expected);
        });
    }
}

#[test]
fn a_refill_between_two_uses_gives_new_uses_and_no_others() {
    loom::model(|| {
        let pool = pool(1);
        assert!(put(&pool, 7, 1, 1));
        let other = Arc::clone(&pool);
        let (taken, _) = both(
            || (0..3).filter(|_| pool.take(0, 7, 1_000_000)).count(),
            move || put(&other, 7, 1, 1),
        );
        // What was there, and what was put in its place if it came in time.
        assert!((1..=2).contains(&taken), "{taken}");
        let left = whole(&pool, 1).len();
        assert!(taken + left <= 2);
    });
}

#[test]
fn what_two_workers_put_in_is_there_whole() {
    loom::model(|| {
        let pool = pool(2);
        let other = Arc::clone(&pool);
        let (here, there) = both(|| put(&pool, 1, 2, 1), move || put(&other, 2, 2, 1));
        assert!(here && there);
        let mut all = whole(&pool, 1);
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
    });
}

#[test]
fn a_use_that_comes_after_another_endpoint_took_the_slot_is_none() {
    loom::model(|| {
        let pool = pool(1);
        assert!(put(&pool, 1, 5, 1));
        let other = Arc::clone(&pool);
        let (taken, put_in) = both(|| pool.take(0, 1, 1_000_000), move || put(&other, 2, 5, 1));
        assert!(put_in);
        let mut uses = Vec::new();
        pool.each(1_000_000, |pooled| {
            uses.push((pooled.reading.position, pooled.reading.uses))
        });
        assert_eq!(uses, [(2, 5)], "taken from the other one: {taken}");
    });
}

#[test]
fn after_a_pause_nobody_finds_what_was_in_it_before() {
    // After 134 s a stamp of the first second looks like one of now.
    loom::model(|| {
        let pool = pool(2);
        assert!(put(&pool, 1, 5, 1));
        let wrapped = 1 + 134;
        let other = Arc::clone(&pool);
        let (here, there) = both(
            move || whole(&pool, wrapped),
            move || {
                let _ = put(&other, 2, 5, wrapped);
                whole(&other, wrapped)
            },
        );
        assert!(
            !here.contains(&1) && !there.contains(&1),
            "{here:?} {there:?}"
        );
    });
}

/// An endpoint that admits and is idle.
struct Idle;

impl Candidate for Idle {
    fn weight(&self) -> u16 {
        1
    }

    fn in_flight(&self) -> u32 {
        0
    }

    fn share(&self) -> u16 {
        1_000
    }

    fn has_room(&self) -> bool {
        true
    }
}

#[test]
fn faults_that_two_workers_see_add_up() {
    loom::model(|| {
        let balancer = Arc::new(Prequal::new(&PrequalRules::DEFAULT, &[1, 1]));
        let fail = |balancer: &Prequal| {
            let observed = Observed {
                failed: true,
                ..Observed::default()
            };
            balancer.observe(&[Idle, Idle], 0, &observed, 1_000_000);
        };
        let other = Arc::clone(&balancer);
        both(|| fail(&balancer), move || fail(&other));
        // One alone would be forgiven after 0.4 s.
        let tried = Tried::new();
        let wanted = Wanted {
            now_us: 2_000_000,
            ..Wanted::new(&tried)
        };
        let picked = balancer.pick(&[Idle, Idle], wanted, &mut Rng::new(1));
        assert_eq!(picked, Some(1));
    });
}
