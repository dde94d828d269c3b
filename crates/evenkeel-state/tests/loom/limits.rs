//! Workers that share the places of a cluster. A call that is lost leaves a worker parked for ever, which loom reports.

use std::mem::ManuallyDrop;
use std::sync::Arc as StdArc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use evenkeel_base::rules::{LimitRules, Priority};
use evenkeel_state::{ClusterLimits, EndpointState, Newcomer, Permit, Ticket};
use loom::sync::Arc;
use loom::thread::{self, Thread};

/// A cluster that takes so many requests, and its only endpoint.
struct World {
    limits: ClusterLimits,
    endpoint: EndpointState,
}

fn world(requests: u32) -> Arc<World> {
    let rules = LimitRules {
        requests,
        ..LimitRules::DEFAULT
    };
    Arc::new(World {
        limits: ClusterLimits::new(&rules),
        endpoint: EndpointState::new(1, 1),
    })
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: StdArc<Self>) {
        self.0.unpark();
    }
}

impl World {
    fn look(&self) -> Option<Permit<'_>> {
        self.limits.begin(&self.endpoint).ok()
    }

    fn enter(&self, has_looked: bool) -> Ticket<'_> {
        let who = Newcomer {
            priority: Priority::Normal,
            deadline: None,
            has_looked,
        };
        self.limits.room.enter(who, Instant::now()).unwrap()
    }

    /// Waits for a call, without a clock.
    fn called(ticket: &mut Ticket<'_>) {
        let waker = Waker::from(StdArc::new(Unpark(thread::current())));
        loop {
            match ticket.poll_ready(&Context::from_waker(&waker)) {
                Poll::Pending => thread::park(),
                Poll::Ready(result) => return result.unwrap(),
            }
        }
    }

    /// A request from its first look to its place, as the data plane makes it.
    fn request(&self) -> Permit<'_> {
        let has_looked = self.limits.may_pass();
        if has_looked && let Some(permit) = self.look() {
            return permit;
        }
        let mut ticket = self.enter(has_looked);
        loop {
            Self::called(&mut ticket);
            if let Some(permit) = self.look() {
                ticket.served();
                return permit;
            }
            ticket.again(false, Instant::now());
        }
    }

    fn assert_empty(&self) {
        assert!(self.limits.may_pass());
        assert_eq!((self.limits.requests(), self.endpoint.in_flight()), (0, 0));
    }
}

/// Every order of steps with no more than so many switches away from a worker that could go on.
fn model(switches: usize, run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(switches);
    builder.check(run);
}

#[test]
fn the_last_place_is_taken_by_one_and_the_other_is_called() {
    model(4, || {
        let world = world(1);
        let other = {
            let world = Arc::clone(&world);
            thread::spawn(move || drop(world.request()))
        };
        drop(world.request());
        other.join().unwrap();
        world.assert_empty();
    });
}

#[test]
fn three_that_want_one_place_all_get_it() {
    model(2, || {
        let world = world(1);
        let others = [(); 2].map(|()| {
            let world = Arc::clone(&world);
            thread::spawn(move || drop(world.request()))
        });
        drop(world.request());
        for other in others {
            other.join().unwrap();
        }
        world.assert_empty();
    });
}

#[test]
fn two_places_that_are_given_back_at_once_are_both_found() {
    model(2, || {
        let world = world(2);
        let (one, two) = (world.look().unwrap(), world.look().unwrap());
        let others = [(); 2].map(|()| {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                // Never given back: the other must find the second one.
                let _kept = ManuallyDrop::new(world.request());
            })
        });
        drop(one);
        drop(two);
        for other in others {
            other.join().unwrap();
        }
        assert!(world.limits.may_pass() && world.limits.requests() == 2);
    });
}

#[test]
fn one_that_was_called_and_leaves_passes_the_call_on() {
    model(3, || {
        let world = world(1);
        let held = world.look().unwrap();
        // The first will leave, called or not; the second wants its place.
        let first = {
            let mut ticket = world.enter(true);
            ticket.again(false, Instant::now());
            ticket
        };
        let other = {
            let world = Arc::clone(&world);
            thread::spawn(move || drop(world.request()))
        };
        drop(held);
        drop(first);
        other.join().unwrap();
        world.assert_empty();
    });
}

#[test]
fn who_leaves_and_who_calls_at_once_agree() {
    model(3, || {
        let world = world(1);
        let held = world.look().unwrap();
        let other = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                // Gone before it is called, or while it is.
                let has_looked = world.limits.may_pass() && world.look().is_none();
                let mut ticket = world.enter(has_looked);
                if world.look().is_none() {
                    ticket.again(false, Instant::now());
                }
            })
        };
        drop(held);
        drop(world.request());
        other.join().unwrap();
        world.assert_empty();
    });
}

#[test]
fn what_was_held_for_a_moment_is_not_missed() {
    model(3, || {
        let world = world(1);
        let other = {
            let world = Arc::clone(&world);
            thread::spawn(move || drop(world.request()))
        };
        // It takes the place, finds that it has no use for it, and waits; whoever came meanwhile looks again.
        let has_looked = world.limits.may_pass();
        if has_looked && let Some(permit) = world.look() {
            permit.unused();
            drop(world.enter(has_looked));
        }
        other.join().unwrap();
        world.assert_empty();
    });
}
