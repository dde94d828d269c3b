//! Every order of steps that two or three workers can take on the shared structures, tried by loom.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p evenkeel-policy --test loom --target-dir target/loom`; without that flag this file
//! is empty, for loom's atomics work only under its scheduler.
#![cfg(loom)]

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evenkeel_base::{BalancerKind, Rng};
    use evenkeel_policy::{Balancer, Budget, Candidate, KeepAlive, Tried, Wanted};
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
        let balancer = Arc::new(Balancer::new(BalancerKind::RoundRobin, &[1; N], 0));
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
}
