//! Idle connections put and taken: which one, until when, and what is learnt from those that died.

use std::future::poll_fn;
use std::time::{Duration, Instant};

use evenkeel_net::Stream;
use evenkeel_policy::KeepAlive;
use evenkeel_state::{Dial, EndpointState};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use super::{Pool, Want};
use crate::rig;

const PLAIN: u32 = Dial::PLAIN.serial;
const MINUTE: Duration = Duration::from_mins(1);

/// A pool with one endpoint, at a moment that the test moves on.
struct Pond {
    pool: Pool,
    endpoint: EndpointState,
    now: Instant,
}

/// The other end of an idle connection, by which it is recognized.
struct Far(UnixStream);

impl Pond {
    fn new() -> Self {
        Self {
            pool: Pool::default(),
            endpoint: EndpointState::new(1, 1),
            now: Instant::now(),
        }
    }

    fn put(&self, keep: Duration, max: usize) -> Far {
        let (near, far) = rig::pair();
        let connection = rig::boundary(near);
        self.pool
            .put(&self.endpoint, connection, keep, max, self.now);
        Far(far)
    }

    fn take(&self, want: Want) -> Option<(Stream, Duration)> {
        let (connection, age) = self.pool.take(&self.endpoint, PLAIN, want, self.now)?;
        Some((connection.into_stream(), age))
    }

    /// Looks through all and says how many are left.
    fn sweep(&self) -> usize {
        self.pool.sweep(self.now, self.pool.shelves());
        self.pool.len()
    }

    fn after(&mut self, time: Duration) -> &Self {
        self.now += time;
        self
    }

    /// The limit that the endpoint's idle connections have by what was learnt of it.
    fn learnt(&self) -> Duration {
        self.endpoint.keepalive.limit(10 * MINUTE)
    }
}

impl Far {
    /// Whether this is the other end of that stream.
    async fn is_of(&mut self, stream: &mut Stream) -> bool {
        self.0.write_all(b"x").await.unwrap();
        let mut byte = [0];
        let read = poll_fn(|cx| stream.poll_read(cx, &mut byte)).await;
        read.unwrap() == 1 && byte == *b"x"
    }
}

/// The event loop hears of what the other ends did.
async fn turn() {
    tokio::task::yield_now().await;
}

#[test]
fn the_last_one_in_is_the_first_one_out() {
    rig::run(async {
        let mut pond = Pond::new();
        let mut first = pond.put(MINUTE, 8);
        let mut second = pond.after(Duration::from_secs(1)).put(MINUTE, 8);
        pond.after(Duration::from_secs(2));
        let (mut stream, idle) = pond.take(Want::Any).unwrap();
        assert_eq!(idle, Duration::from_secs(2));
        assert!(second.is_of(&mut stream).await);
        let (mut stream, idle) = pond.take(Want::Any).unwrap();
        assert_eq!(idle, Duration::from_secs(3));
        assert!(first.is_of(&mut stream).await);
        assert!(pond.take(Want::Any).is_none());
    });
}

#[test]
fn each_is_kept_for_its_own_time_and_not_longer() {
    rig::run(async {
        let mut pond = Pond::new();
        let _long = pond.put(MINUTE, 8);
        let _short = pond.put(Duration::from_secs(5), 8);
        pond.after(Duration::from_secs(5));
        let (_, idle) = pond.take(Want::Any).unwrap();
        assert_eq!(idle, Duration::from_secs(5));
        assert!(pond.take(Want::Any).is_none(), "the short one was let go");
        let _again = pond.put(MINUTE, 8);
        pond.after(MINUTE);
        assert!(pond.take(Want::Any).is_none());
        assert_eq!(
            pond.learnt(),
            Pond::new().learnt(),
            "its age was our choice"
        );
    });
}

#[test]
fn no_more_are_kept_than_may_be() {
    rig::run(async {
        let pond = Pond::new();
        let mut far: Vec<Far> = (0..3).map(|_| pond.put(MINUTE, 2)).collect();
        assert_eq!(pond.sweep(), 2);
        assert!(
            far[0].0.write_all(b"x").await.is_err(),
            "the one idle for longest was closed"
        );
        for far in far[1..].iter_mut().rev() {
            let (mut stream, _) = pond.take(Want::Any).unwrap();
            assert!(far.is_of(&mut stream).await);
        }
        pond.put(MINUTE, 2);
        pond.put(MINUTE, 0);
        assert_eq!(pond.sweep(), 0);
    });
}

#[test]
fn a_shelf_full_of_old_ones_does_not_keep_a_new_one_from_being_used_again() {
    rig::run(async {
        let mut pond = Pond::new();
        let _old: Vec<Far> = (0..4).map(|_| pond.put(MINUTE, 4)).collect();
        pond.after(Duration::from_secs(2));
        assert!(pond.take(Want::JustUsed).is_none());
        let mut new = pond.put(MINUTE, 4);
        let (mut stream, idle) = pond.take(Want::JustUsed).unwrap();
        assert_eq!(idle, Duration::ZERO);
        assert!(new.is_of(&mut stream).await);
    });
}

#[test]
fn endpoints_do_not_share() {
    rig::run(async {
        let pond = Pond::new();
        let _far = pond.put(MINUTE, 8);
        let other = EndpointState::new(2, 1);
        assert!(pond.pool.take(&other, PLAIN, Want::Any, pond.now).is_none());
        pond.pool.forget(&other);
        assert_eq!(pond.sweep(), 1);
        pond.pool.forget(&pond.endpoint);
        assert!(pond.take(Want::Any).is_none());
        let _far = pond.put(MINUTE, 8);
        pond.pool.clear();
        assert_eq!(pond.sweep(), 0);
    });
}

#[test]
fn what_was_made_by_another_dial_is_closed_and_teaches_nothing() {
    rig::run(async {
        let pond = Pond::new();
        let (untaught, _far) = (pond.learnt(), pond.put(MINUTE, 8));
        let taken = pond
            .pool
            .take(&pond.endpoint, PLAIN + 1, Want::Any, pond.now);
        assert!(taken.is_none());
        assert!(pond.take(Want::Any).is_none(), "it is not kept for another");
        assert_eq!((pond.pool.len(), pond.learnt()), (0, untaught));
    });
}

#[test]
fn one_that_ended_is_thrown_away_and_taught_how_long_they_last() {
    rig::run(async {
        let mut pond = Pond::new();
        let untaught = pond.learnt();
        let mut alive = pond.put(MINUTE, 8);
        drop(pond.put(MINUTE, 8));
        turn().await;
        pond.after(Duration::from_secs(10));
        let (mut stream, _) = pond.take(Want::Any).unwrap();
        assert!(alive.is_of(&mut stream).await);
        assert!(pond.learnt() < Duration::from_secs(10) && pond.learnt() < untaught);
    });
}

#[test]
fn one_that_says_something_unasked_is_not_used() {
    rig::run(async {
        let pond = Pond::new();
        let mut far = pond.put(MINUTE, 8);
        far.0.write_all(b"HTTP/1.1 408 ").await.unwrap();
        assert!(pond.take(Want::JustUsed).is_none(), "the system was asked");
        let mut far = pond.put(MINUTE, 8);
        far.0.write_all(b"HTTP/1.1 408 ").await.unwrap();
        turn().await;
        assert!(pond.take(Want::Any).is_none());
    });
}

#[test]
fn a_request_that_must_not_be_sent_twice_takes_one_used_a_moment_ago() {
    rig::run(async {
        let mut pond = Pond::new();
        let _far = pond.put(MINUTE, 8);
        pond.after(KeepAlive::JUST_USED + Duration::from_millis(1));
        assert!(pond.take(Want::JustUsed).is_none());
        assert!(pond.take(Want::Any).is_some(), "it stayed for the others");
        let _far = pond.put(MINUTE, 8);
        pond.after(KeepAlive::JUST_USED);
        assert!(pond.take(Want::JustUsed).is_some());
    });
}

#[test]
fn a_sweep_lets_go_of_what_is_old_or_ended() {
    rig::run(async {
        let mut pond = Pond::new();
        let _old = pond.put(Duration::from_secs(1), 8);
        let _alive = pond.put(MINUTE, 8);
        let ended = pond.put(MINUTE, 8);
        assert_eq!(pond.sweep(), 3);
        drop(ended);
        // A sweep does not ask the system.
        turn().await;
        assert_eq!(pond.sweep(), 2);
        pond.after(Duration::from_secs(1));
        assert_eq!(pond.sweep(), 1);
        pond.after(MINUTE);
        assert_eq!(pond.sweep(), 0);
    });
}

#[test]
fn a_sweep_in_turns_comes_to_every_endpoint_and_forgets_those_without_connections() {
    rig::run(async {
        let mut pond = Pond::new();
        let endpoints: Vec<EndpointState> = (0..10).map(|n| EndpointState::new(n, 1)).collect();
        let mut far = Vec::new();
        for endpoint in &endpoints {
            for keep in [MINUTE, Duration::from_secs(1)] {
                let (near, other) = rig::pair();
                let connection = rig::boundary(near);
                pond.pool.put(endpoint, connection, keep, 8, pond.now);
                far.push(other);
            }
        }
        assert_eq!((pond.pool.len(), pond.pool.shelves()), (20, 10));
        pond.after(Duration::from_secs(2));
        for left in [17, 14, 11, 10, 10] {
            pond.pool.sweep(pond.now, 3);
            assert_eq!((pond.pool.len(), pond.pool.shelves()), (left, 10));
        }
        // Those that are forgotten or taken leave an empty shelf, which is no second one when it is filled again.
        pond.pool.forget(&endpoints[3]);
        let (connection, _) = pond
            .pool
            .take(&endpoints[4], PLAIN, Want::Any, pond.now)
            .unwrap();
        assert_eq!((pond.pool.len(), pond.pool.shelves()), (8, 10));
        pond.pool
            .put(&endpoints[3], connection, MINUTE, 8, pond.now);
        assert_eq!((pond.pool.len(), pond.pool.shelves()), (9, 10));
        assert_eq!((pond.sweep(), pond.pool.shelves()), (9, 9));
        pond.after(MINUTE);
        pond.pool.sweep(pond.now, 5);
        assert_eq!((pond.pool.len(), pond.pool.shelves()), (4, 4));
        pond.pool.sweep(pond.now, 50);
        assert_eq!((pond.pool.len(), pond.pool.shelves()), (0, 0));
        drop(far);
    });
}

#[test]
fn the_oldest_one_is_closed_for_whoever_needs_its_place() {
    rig::run(async {
        let mut pond = Pond::new();
        let mut first = pond.put(MINUTE, 8);
        let mut second = pond.after(Duration::from_secs(1)).put(MINUTE, 8);
        assert!(!pond.pool.close_one(&[7]), "none to that endpoint");
        assert!(pond.pool.close_one(&[7, 1]));
        assert_eq!(pond.pool.len(), 1);
        assert!(first.0.write_all(b"x").await.is_err(), "it is closed");
        let (mut stream, _) = pond.take(Want::Any).unwrap();
        assert!(second.is_of(&mut stream).await);
        assert!(!pond.pool.close_one(&[1]), "none is left");
    });
}
