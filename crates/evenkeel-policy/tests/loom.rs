//! Every order of steps that two or three workers can take on the shared structures, tried by loom.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p evenkeel-policy --test loom --target-dir target/loom`; without that flag this file
//! is empty, for loom's atomics work only under its scheduler.
#![cfg(loom)]

#[cfg(test)]
#[path = "loom/hash.rs"]
mod hash;
#[cfg(test)]
#[path = "loom/load.rs"]
mod load;
#[cfg(test)]
#[path = "loom/pool.rs"]
mod pool;
#[cfg(test)]
#[path = "loom/rate.rs"]
mod rate;

#[cfg(test)]
#[path = "loom/tiers.rs"]
mod tiers;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evenkeel_base::Rng;
    use evenkeel_base::rules::{BalancerRules, OutlierRules};
    use evenkeel_policy::outlier::{Attempted, Cause, Event, Outcome};
    use evenkeel_policy::slow_start::Entry;
    use evenkeel_policy::{
        Balancer, Budget, Candidate, Health, KeepAlive, Member, Outlier, Phase, Standing, Tried,
        Wanted,
    };
    use loom::sync::Arc;
    use loom::thread;

    /// An endpoint that admits or not, and is never busy.
    #[derive(Clone, Copy)]
    struct Endpoint(bool);

    impl Candidate for Endpoint {
        fn weight(&self) -> u16 {
            1
        }

        fn in_flight(&self) -> u32 {
            0
        }

        fn share(&self) -> u16 {
            if self.0 { 1_000 } else { 0 }
        }

        fn has_room(&self) -> bool {
            true
        }
    }

    /// How often each endpoint is picked when every worker picks so many times at once.
    fn picks<const N: usize>(admits: [bool; N], workers: usize, each: usize) -> [usize; N] {
        let from = admits.map(Endpoint);
        let balancer = Arc::new(Balancer::new(
            &BalancerRules::RoundRobin,
            &[Member {
                id: "",
                weight: 1,
                rank: 0,
            }; N],
            None,
        ));
        let worker = move |balancer: Arc<Balancer>| {
            let mut rng = Rng::new(1);
            (0..each)
                .map(|_| {
                    let tried = Tried::new();
                    balancer.pick(&from, Wanted::new(&tried), &mut rng).unwrap()
                })
                .collect::<Vec<_>>()
        };
        let others: Vec<_> = (1..workers)
            .map(|_| {
                let balancer = Arc::clone(&balancer);
                thread::spawn(move || worker(balancer))
            })
            .collect();
        let mut counts = [0; N];
        let mut all = worker(balancer);
        all.extend(others.into_iter().flat_map(|other| other.join().unwrap()));
        all.into_iter().for_each(|at| counts[at] += 1);
        counts
    }

    #[test]
    fn workers_take_every_turn_once() {
        loom::model(|| assert_eq!(picks([true; 3], 2, 3), [2, 2, 2]));
        loom::model(|| assert_eq!(picks([true; 3], 3, 1), [1, 1, 1]));
    }

    #[test]
    fn workers_that_skip_a_dead_endpoint_take_every_other_turn_once() {
        loom::model(|| assert_eq!(picks([true, false, true], 2, 2), [2, 0, 2]));
        loom::model(|| assert_eq!(picks([false, true, true], 2, 2), [0, 2, 2]));
        loom::model(|| assert_eq!(picks([true, false, true, true], 3, 1), [1, 0, 1, 1]));
    }

    #[test]
    fn the_last_token_is_taken_once() {
        loom::model(|| {
            let budget = Arc::new(Budget::new(0.2, 1));
            let other = {
                let budget = Arc::clone(&budget);
                thread::spawn(move || budget.withdraw(0))
            };
            let here = budget.withdraw(0);
            assert!(here ^ other.join().unwrap());
            assert!(!budget.withdraw(0));
        });
    }

    #[test]
    fn deposits_are_neither_lost_nor_more_than_fit() {
        loom::model(|| {
            let budget = Arc::new(Budget::new(0.5, 2));
            assert!(budget.withdraw(0));
            let other = {
                let budget = Arc::clone(&budget);
                thread::spawn(move || {
                    budget.deposit(0);
                    budget.deposit(0);
                })
            };
            let taken = budget.withdraw(0);
            other.join().unwrap();
            // One token of two was there, two halves came in, and one was taken meanwhile.
            assert!(taken);
            assert_eq!(budget.tokens(), 1);
        });
    }

    #[test]
    fn a_second_that_two_workers_begin_counts_the_requests_of_both() {
        loom::model(|| {
            let budget = Arc::new(Budget::new(1.0, 0));
            let other = {
                let budget = Arc::clone(&budget);
                thread::spawn(move || budget.deposit(1_000))
            };
            budget.deposit(1_000);
            other.join().unwrap();
            // The first look in the next second makes room for the two requests of this one.
            let _ = budget.withdraw(2_000);
            (0..9).for_each(|_| budget.deposit(2_000));
            assert_eq!(budget.tokens(), 2);
        });
    }

    #[test]
    fn the_shortest_lesson_stands_whoever_learns_it() {
        let limit = |endpoint: &KeepAlive| endpoint.limit(Duration::from_secs(60));
        loom::model(move || {
            let endpoint = Arc::new(KeepAlive::new());
            endpoint.closed_after(Duration::from_secs(20));
            // One more proof and the estimate would grow.
            (0..31).for_each(|_| endpoint.good_after(Duration::from_secs(17)));
            let other = {
                let endpoint = Arc::clone(&endpoint);
                thread::spawn(move || endpoint.good_after(Duration::from_secs(17)))
            };
            endpoint.closed_after(Duration::from_secs(5));
            other.join().unwrap();
            assert_eq!(limit(&endpoint), Duration::from_millis(4_500));
        });
    }

    /// Runs `there` on another thread while `here` runs on this one.
    fn both<A, B: 'static>(
        here: impl FnOnce() -> A,
        there: impl FnOnce() -> B + 'static,
    ) -> (A, B) {
        let other = thread::spawn(there);
        (here(), other.join().unwrap())
    }

    #[test]
    fn changes_of_health_phase_and_ramp_at_once_are_all_made() {
        loom::model(|| {
            let standing = Arc::new(Standing::new(Health::Down, Entry::Full));
            let there = {
                let standing = Arc::clone(&standing);
                move || {
                    let before = standing.set_health(Health::Up, Entry::Slow, 1_000);
                    (before, standing.climb(Duration::from_secs(10), 2_000))
                }
            };
            let here = || standing.set_phase(Phase::Admitting, Phase::Ejected, Entry::Full, 3_000);
            let (ejected, (before, climbed)) = both(here, there);
            assert!(ejected);
            assert_eq!(before, Some(Health::Down));
            let after = (standing.health(), standing.phase(), standing.share());
            assert_eq!(after, (Health::Up, Phase::Ejected, 0));
            assert_eq!(standing.ramp(), climbed.unwrap_or(100));
        });
    }

    #[test]
    fn of_two_that_set_the_same_one_is_told() {
        loom::model(|| {
            let standing = Arc::new(Standing::new(Health::Up, Entry::Full));
            let set = |standing: &Standing| {
                let health = standing.set_health(Health::Down, Entry::Full, 1).is_some();
                let phase = standing.set_phase(Phase::Admitting, Phase::Ejected, Entry::Full, 1);
                (health, phase)
            };
            let there = {
                let standing = Arc::clone(&standing);
                move || set(&standing)
            };
            let (here, there) = both(|| set(&standing), there);
            assert!(here.0 ^ there.0 && here.1 ^ there.1);
        });
    }

    const RULES: OutlierRules = OutlierRules {
        consecutive_faults: 2,
        ..OutlierRules::DEFAULT
    };
    const NOW: Attempted = Attempted {
        began_ms: 2_000,
        ended_ms: 2_000,
    };

    type Shared = Arc<(Standing, Outlier)>;

    fn endpoint() -> Shared {
        Arc::new((Standing::new(Health::Unprobed, Entry::Full), Outlier::new()))
    }

    fn eject(endpoint: &Shared, now_ms: u64) -> Option<Event> {
        endpoint.1.eject(&endpoint.0, &RULES, Cause::Reset, now_ms)
    }

    fn fail(endpoint: &Shared) -> Outcome {
        endpoint.1.failed(&endpoint.0, &RULES, NOW)
    }

    #[test]
    fn faults_of_two_workers_add_up() {
        loom::model(|| {
            let endpoint = endpoint();
            let other = Arc::clone(&endpoint);
            let wanted = both(|| fail(&endpoint), move || fail(&other));
            let wants = |outcome| u8::from(outcome == Outcome::WantsEjection);
            assert_eq!(wants(wanted.0) + wants(wanted.1), 1);
        });
    }

    #[test]
    fn a_trial_ends_one_way_and_one_event_tells_it() {
        loom::model(|| {
            let endpoint = endpoint();
            assert!(eject(&endpoint, 1).is_some());
            assert!(endpoint.1.connected(&endpoint.0, 1_000).is_some());
            for _ in 0..4 {
                assert!(
                    endpoint
                        .1
                        .succeeded(&endpoint.0, Duration::ZERO, NOW)
                        .is_none()
                );
            }
            let other = Arc::clone(&endpoint);
            let good = move || other.1.succeeded(&other.0, Duration::ZERO, NOW);
            let bad = || match fail(&endpoint) {
                Outcome::WantsEjection => eject(&endpoint, 2_000),
                Outcome::Counted => None,
            };
            match both(bad, good) {
                (Some(Event::Ejected { again: true, .. }), None) => {
                    assert_eq!(endpoint.0.phase(), Phase::Ejected);
                }
                (None, Some(Event::Readmitted { successes: 5 })) => {
                    assert_eq!(endpoint.0.share(), 1_000);
                }
                // The trial ended well before the fault was looked at, which then began a phase of its own.
                (Some(Event::Ejected { again: false, .. }), Some(_)) => {
                    assert_eq!(endpoint.0.phase(), Phase::Ejected);
                }
                other => panic!("{other:?}"),
            }
        });
    }

    #[test]
    fn who_sees_an_ejection_sees_how_long_it_lasts() {
        loom::model(|| {
            let endpoint = endpoint();
            let other = Arc::clone(&endpoint);
            let clock = move || other.1.tick(&other.0, &RULES, Duration::ZERO, 2_001);
            let (ejected, ticked) = both(|| eject(&endpoint, 2_000), clock);
            assert!(matches!(ejected, Some(Event::Ejected { .. })));
            assert_eq!(ticked, None, "it lasts ten seconds");
            assert_eq!(endpoint.0.phase(), Phase::Ejected);
        });
    }

    #[test]
    fn of_two_signs_one_begins_the_trial() {
        loom::model(|| {
            let endpoint = endpoint();
            assert!(eject(&endpoint, 1).is_some());
            let other = Arc::clone(&endpoint);
            let (connected, probed) = both(
                || endpoint.1.connected(&endpoint.0, 1_000),
                move || other.1.probed(&other.0, true, 1_000),
            );
            assert!(connected.is_some() ^ probed.is_some());
            assert_eq!(endpoint.0.share(), 50);
        });
    }
}
