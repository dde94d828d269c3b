//! Every order of steps that the control plane and workers can take on what this crate shares, tried by loom.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p evenkeel-state --test loom --target-dir target/loom`; without that flag this file
//! is empty, for loom's atomics work only under its scheduler.
#![cfg(loom)]

#[cfg(test)]
#[path = "loom/letters.rs"]
mod letters;
#[cfg(test)]
#[path = "loom/limits.rs"]
mod limits;
#[cfg(test)]
#[path = "loom/pressure.rs"]
mod pressure;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use evenkeel_config::model::Config;
    use evenkeel_config::{Nowhere, check};
    use evenkeel_policy::outlier::Cause;
    use evenkeel_state::counters::Counter;
    use evenkeel_state::{EndpointState, Publisher, Reader, Registry, Resolved, Snapshot};
    use loom::sync::atomic::{AtomicU64, Ordering};
    use loom::thread;

    /// What the text says, read by a thread: loom's have a stack of 32 KiB, too little for reading a configuration.
    fn parsed(text: &'static str) -> Config {
        let reading = std::thread::spawn(move || check(text, "loom", &Nowhere).config.unwrap());
        reading.join().unwrap()
    }

    /// A snapshot of that generation.
    fn snapshot(generation: u64) -> Snapshot {
        let text =
            "version = 1\n[listener.a]\nbind = \"127.0.0.1:0\"\n[[route]]\nrespond.body = \"\"\n";
        let config = parsed(text);
        Registry::new(1, &[0; 32]).compile(config, &Resolved::new(), generation)
    }

    fn publish(publisher: &Publisher) {
        publisher.update(|_, generation| Some(snapshot(generation)));
    }

    #[test]
    fn a_reader_sees_one_generation_after_the_other() {
        loom::model(|| {
            let publisher = Publisher::new(Arc::new(snapshot(1)));
            let control = {
                let publisher = Arc::clone(&publisher);
                thread::spawn(move || {
                    publish(&publisher);
                    publish(&publisher);
                })
            };
            let mut reader = Reader::new(publisher);
            let mut before = 0;
            for _ in 0..2 {
                let now = reader.current().generation;
                assert!(now >= before, "never back");
                before = now;
            }
            control.join().unwrap();
            assert_eq!(
                reader.current().generation,
                3,
                "what was published before is seen"
            );
        });
    }

    #[test]
    fn who_hears_of_a_generation_finds_it() {
        loom::model(|| {
            let publisher = Publisher::new(Arc::new(snapshot(1)));
            let told = Arc::new(AtomicU64::new(0));
            let other = {
                let (publisher, told) = (Arc::clone(&publisher), Arc::clone(&told));
                thread::spawn(move || {
                    publish(&publisher);
                    told.store(publisher.current().generation, Ordering::Release);
                })
            };
            let mut reader = Reader::new(publisher);
            let heard = told.load(Ordering::Acquire);
            assert!(reader.current().generation >= heard);
            other.join().unwrap();
        });
    }

    #[test]
    fn two_changes_at_once_are_both_made() {
        loom::model(|| {
            let publisher = Publisher::new(Arc::new(snapshot(1)));
            let other = {
                let publisher = Arc::clone(&publisher);
                thread::spawn(move || publish(&publisher))
            };
            publish(&publisher);
            other.join().unwrap();
            assert_eq!(publisher.current().generation, 3);
        });
    }

    #[test]
    fn requests_in_flight_come_back_to_none() {
        loom::model(|| {
            let endpoint = Arc::new(EndpointState::new(1, 2));
            let other = {
                let endpoint = Arc::clone(&endpoint);
                thread::spawn(move || {
                    let one = endpoint.begin();
                    let two = endpoint.begin();
                    drop(one);
                    assert!((1..=2).contains(&endpoint.in_flight()));
                    drop(two);
                })
            };
            let here = endpoint.begin();
            assert!((1..=3).contains(&endpoint.in_flight()));
            other.join().unwrap();
            assert_eq!(endpoint.in_flight(), 1);
            drop(here);
            assert_eq!(endpoint.in_flight(), 0);
        });
    }

    #[test]
    fn what_one_worker_counts_is_read_by_another_without_going_back() {
        loom::model(|| {
            let counter = Arc::new(Counter::default());
            let writer = {
                let counter = Arc::clone(&counter);
                thread::spawn(move || {
                    counter.add(1);
                    counter.add(2);
                })
            };
            let first = counter.read();
            let second = counter.read();
            assert!([0, 1, 3].contains(&first) && [0, 1, 3].contains(&second) && first <= second);
            writer.join().unwrap();
            assert_eq!(counter.read(), 3);
        });
    }

    #[test]
    fn the_last_place_below_a_limit_is_given_once() {
        loom::model(|| {
            let endpoint = Arc::new(EndpointState::new(1, 1));
            endpoint.set_limit(1);
            let taken = Arc::new(AtomicU64::new(0));
            let take = |endpoint: &EndpointState, taken: &AtomicU64| {
                if let Some(place) = endpoint.try_begin() {
                    assert_eq!(taken.fetch_add(1, Ordering::Relaxed), 0);
                    taken.fetch_sub(1, Ordering::Relaxed);
                    drop(place);
                }
            };
            let other = {
                let (endpoint, taken) = (Arc::clone(&endpoint), Arc::clone(&taken));
                thread::spawn(move || take(&endpoint, &taken))
            };
            take(&endpoint, &taken);
            other.join().unwrap();
            assert_eq!(endpoint.in_flight(), 0);
        });
    }

    #[test]
    fn two_workers_do_not_eject_one_endpoint_each_of_two() {
        loom::model(|| {
            let snapshot = Arc::new(cluster_of_two());
            let eject = |snapshot: &Snapshot, at: usize| {
                let cluster = &snapshot.clusters()[0];
                let (list, rules) = (&cluster.endpoints.list, &cluster.config.outlier);
                cluster
                    .state
                    .eject(list, at, Cause::Connect, rules, 1)
                    .is_some()
            };
            let other = {
                let snapshot = Arc::clone(&snapshot);
                thread::spawn(move || eject(&snapshot, 0))
            };
            let here = eject(&snapshot, 1);
            assert!(here ^ other.join().unwrap());
        });
    }

    /// A snapshot of one cluster with two endpoints.
    fn cluster_of_two() -> Snapshot {
        let text = "version = 1\n[listener.a]\nbind = \"127.0.0.1:0\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\n\
                    endpoints = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n";
        let config = parsed(text);
        Registry::new(1, &[0; 32]).compile(config, &Resolved::new(), 1)
    }
}
