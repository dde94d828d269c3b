//! Where an attempt goes, and whether it may: the balancer's pick, a place within the limits, and a connection or the right to
//! make one.
//!
//! The usual case is decided at once ([`choose`]); what has to wait (a pause before an endpoint is tried again, a place in the
//! cluster's queue) is [`wait`]'s, off the road that most requests take.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use evenkeel_base::Fault;
use evenkeel_policy::{Candidate, Tried};
use evenkeel_state::decide::pick::{self, Nowhere};
use evenkeel_state::decide::sticky;
use evenkeel_state::{ClusterSnapshot, Full, KeptPermit, Newcomer, Permit, Ticket};
use tokio::time;

use crate::downstream::Asker;
use crate::exchange::course::Course;
use crate::exchange::stage::{Forward, Stage, earliest};
use crate::exchange::way::{self, Asked, NoWay, Way};
use crate::record::Record;
use crate::scene::Scene;

/// So often another endpoint is picked when the one that was picked turns out to be full; then the cluster counts as full.
const PICKS: usize = 4;

/// An endpoint that takes the next attempt, and everything that the attempt needs there.
pub(crate) struct Seat<'a> {
    /// Which endpoint.
    pub(crate) index: usize,
    /// When the attempt begins.
    pub(crate) at: Instant,
    /// How it gets there; none once the attempt has it.
    pub(crate) way: Option<Way>,
    permit: Permit<'a>,
}

impl<'c> Seat<'c> {
    /// The places that the attempt has here, to be kept for longer than its snapshot; the seat has none from now on.
    #[cold]
    pub(crate) fn keep(&mut self, stage: &Stage<'_>) -> Option<KeptPermit> {
        let limits = &stage.cluster.state.limits;
        self.permit.keep(limits, &stage.endpoint.state)
    }

    /// The surroundings of the attempt that has this seat.
    pub(crate) fn stage<'a>(
        &self,
        scene: &'a Scene<'a>,
        forward: &'a Forward<'a>,
        course: &Course<'c>,
        request_id: &'a [u8; 32],
    ) -> Stage<'a>
    where
        'c: 'a,
    {
        let cluster = course.cluster;
        let endpoint = &cluster.endpoints.list[self.index];
        let counters = endpoint.state.counters(scene.worker.id);
        counters.attempts.add(1);
        let timeout = forward.route.retry.attempt_timeout;
        let in_flight = if cluster.endpoints.tiers.needs().observations {
            // This one is in flight already.
            endpoint.state.in_flight().saturating_sub(1)
        } else {
            0
        };
        Stage {
            scene,
            forward,
            cluster,
            endpoint,
            index: self.index,
            counters,
            began: self.at,
            in_flight,
            total_at: course.total_at,
            attempt_at: if timeout == Duration::MAX {
                None
            } else {
                self.at.checked_add(timeout)
            },
            request_id,
            cookie: sticky::due(cluster, self.index, course.preferred, &course.tried),
        }
    }
}

/// What there is for the next attempt.
pub(crate) enum Choice<'a> {
    /// A seat.
    Seat(Seat<'a>),
    /// Endpoints that were tried already, and no other.
    Again,
    /// Endpoints at their limit, or others that wait for them already.
    Full {
        /// Whether it was looked for a place; else others were in front.
        has_looked: bool,
    },
    /// Endpoints whose streams are all taken, and as many as may wait for one.
    Crowded,
    /// Nothing.
    Nobody,
}

/// Finds the seat of the next attempt: never at an endpoint that was tried while another is left.
#[inline]
pub(crate) fn choose<'a>(scene: &Scene<'_>, course: &Course<'a>) -> Choice<'a> {
    if !course.cluster.state.limits.may_pass() {
        return Choice::Full { has_looked: false };
    }
    // The first attempt begins with its request: a look at the clock less.
    let at = if course.tried.is_empty() {
        scene.asked
    } else {
        Instant::now()
    };
    choose_among(scene, course, &course.tried, (at, true))
}

/// Whether it looks as if there were a seat beside an attempt that is under way.
pub(crate) fn may_be_beside(course: &Course<'_>, tried: &Tried) -> bool {
    let limits = &course.cluster.state.limits;
    let mut list = course.cluster.endpoints.list.iter().enumerate();
    limits.may_pass()
        && limits.has_room()
        && list.any(|(index, one)| {
            !tried.contains(index) && one.weight() > 0 && one.share() > 0 && one.has_room()
        })
}

/// A seat beside an attempt that is under way, when there is one at once.
pub(crate) fn beside<'a>(
    scene: &Scene<'_>,
    course: &Course<'a>,
    tried: &Tried,
) -> Option<Seat<'a>> {
    if !course.cluster.state.limits.may_pass() {
        return None;
    }
    match choose_among(scene, course, tried, (Instant::now(), false)) {
        Choice::Seat(seat) => Some(seat),
        Choice::Again | Choice::Full { .. } | Choice::Crowded | Choice::Nobody => None,
    }
}

/// Waits for a seat that was not there at once, and notes for how long it stood in the queue.
pub(crate) async fn wait<'a, A: Asker>(
    scene: &Scene<'_>,
    asker: &mut A,
    course: &mut Course<'a>,
    mut choice: Choice<'a>,
    record: &mut Record,
) -> Result<Seat<'a>, Fault> {
    let mut tried = course.tried;
    loop {
        choice = match choice {
            Choice::Seat(seat) => return Ok(seat),
            Choice::Nobody => return Err(Fault::NoEndpoint),
            Choice::Crowded => return Err(Fault::QueueFull),
            Choice::Full { has_looked } => {
                if course.was_stale {
                    // Nothing is wrong with that endpoint, so nobody is waited for in its place.
                    tried = Tried::new();
                }
                let began = Instant::now();
                let seat = queue(scene, asker, course, (tried, has_looked)).await;
                let wait = began.elapsed();
                record.queued += wait;
                if let Ok(seat) = &seat {
                    record.waited = Some((seat.at, wait));
                }
                return seat;
            }
            Choice::Again => {
                if let Some(until) = course.rest()? {
                    pause(scene, asker, course, until).await?;
                }
                tried = Tried::new();
                choose_among(scene, course, &tried, (Instant::now(), true))
            }
        };
    }
}

/// Picks until one of the picked has what an attempt needs; with `waits` a wait for a stream will do in the end.
fn choose_among<'a>(
    scene: &Scene<'_>,
    course: &Course<'a>,
    tried: &Tried,
    (at, waits): (Instant, bool),
) -> Choice<'a> {
    let cluster = course.cluster;
    // Before the pick: one that comes to nothing would turn a rotation, and may do so as often as there are endpoints.
    if !cluster.state.limits.has_room() {
        return Choice::Full { has_looked: true };
    }
    let mut passed = *tried;
    let mut busy = None;
    for _ in 0..PICKS {
        let Some(index) = pick(scene, course, &passed, at) else {
            break;
        };
        // Waiting for a stream of one that is well is better than one that is not.
        if busy.is_some() && !cluster.endpoints.list[index].state.standing.is_admitting() {
            break;
        }
        match take(scene, course, index, (at, false)) {
            Ok(seat) => return Choice::Seat(seat),
            Err(NoWay::Full(Full::Cluster)) => return Choice::Full { has_looked: true },
            Err(NoWay::Full(Full::Endpoint)) => {}
            Err(NoWay::Busy) => busy = busy.or(Some(index)),
        }
        passed.insert(index);
    }
    if let Some(index) = busy.filter(|_| waits) {
        return wait_at(scene, course, index, at);
    }
    none_picked(cluster, tried)
}

/// Takes what an attempt at that endpoint needs, or nothing.
#[inline]
fn take<'a>(
    scene: &Scene<'_>,
    course: &Course<'a>,
    index: usize,
    (at, waits): (Instant, bool),
) -> Result<Seat<'a>, NoWay> {
    let cluster = course.cluster;
    let endpoint = &cluster.endpoints.list[index];
    let permit = cluster.state.limits.begin(&endpoint.state);
    let permit = permit.map_err(NoWay::Full)?;
    let asked = Asked {
        cluster,
        repeatable: course.repeatable,
        upgrade: course.upgrade,
    };
    match way::find(scene, asked, index, (at, waits)) {
        Ok(way) => Ok(Seat {
            index,
            at,
            way: Some(way),
            permit,
        }),
        Err(none) => {
            permit.unused();
            Err(none)
        }
    }
}

/// Waits for a stream at an endpoint whose streams are all taken.
#[cold]
fn wait_at<'a>(scene: &Scene<'_>, course: &Course<'a>, index: usize, at: Instant) -> Choice<'a> {
    match take(scene, course, index, (at, true)) {
        Ok(seat) => Choice::Seat(seat),
        Err(NoWay::Full(Full::Cluster)) => Choice::Full { has_looked: true },
        Err(_) => Choice::Crowded,
    }
}

/// The endpoint that the client has a claim to, as long as it will do; else the balancer's pick.
#[inline]
fn pick(scene: &Scene<'_>, course: &Course<'_>, tried: &Tried, at: Instant) -> Option<usize> {
    let (cluster, tiers) = (course.cluster, course.tiers);
    let wanted = pick::wanted(cluster, tiers, course.key, tried, || {
        scene.worker.micros(at)
    });
    let mut rng = scene.worker.rng();
    let (set, repeatable) = (&cluster.endpoints, course.repeatable);
    pick::own(set, course.preferred, wanted, repeatable, &mut rng)
        .or_else(|| pick::pick(cluster, tiers, wanted, repeatable, &mut rng))
}

/// Why there is no seat.
#[cold]
fn none_picked<'a>(cluster: &ClusterSnapshot, tried: &Tried) -> Choice<'a> {
    match pick::none_picked(cluster, tried) {
        Nowhere::Full => Choice::Full { has_looked: true },
        Nowhere::Nobody => Choice::Nobody,
        Nowhere::Again => Choice::Again,
    }
}

/// Waits in the cluster's queue.
async fn queue<'a, A: Asker>(
    scene: &Scene<'_>,
    asker: &mut A,
    course: &Course<'a>,
    (tried, has_looked): (Tried, bool),
) -> Result<Seat<'a>, Fault> {
    let room = &course.cluster.state.limits.room;
    let newcomer = Newcomer {
        priority: course.priority,
        deadline: course.total_at,
        has_looked,
    };
    let mut ticket = room.enter(newcomer, Instant::now())?;
    loop {
        called(scene, asker, course, &mut ticket).await?;
        let now = Instant::now();
        match choose_among(scene, course, &tried, (now, true)) {
            Choice::Seat(seat) => {
                ticket.served();
                return Ok(seat);
            }
            Choice::Full { .. } | Choice::Crowded => ticket.again(false, now),
            Choice::Nobody => return Err(Fault::NoEndpoint),
            // What was full has gone; those that were tried are left.
            Choice::Again => match choose_among(scene, course, &Tried::new(), (now, true)) {
                Choice::Seat(seat) => {
                    ticket.served();
                    return Ok(seat);
                }
                _ => ticket.again(false, now),
            },
        }
    }
}

/// Waits until it is called in.
async fn called<A: Asker>(
    scene: &Scene<'_>,
    asker: &mut A,
    course: &Course<'_>,
    ticket: &mut Ticket<'_>,
) -> Result<(), Fault> {
    let ends_at = earliest(ticket.ends_at(), course.total_at);
    scene.deadline.set(ends_at);
    poll_fn(|cx| {
        if let Poll::Ready(turn) = ticket.poll_ready(cx) {
            return Poll::Ready(turn);
        }
        if is_gone(asker, cx) {
            return Poll::Ready(Err(Fault::ClientGone));
        }
        if scene.deadline.poll_expired(cx).is_pending() {
            return Poll::Pending;
        }
        if scene.worker.is_stopping() {
            return Poll::Ready(Err(Fault::Shutdown));
        }
        course.cluster.state.limits.room.expire(Instant::now());
        scene.deadline.set(ends_at);
        match ticket.poll_ready(cx) {
            Poll::Pending => scene
                .deadline
                .poll_expired(cx)
                .map(|()| Err(Fault::QueueTimeout)),
            turn @ Poll::Ready(_) => turn,
        }
    })
    .await
}

/// Whether the client has left, also in the middle of its request: nobody reads that while it waits.
fn is_gone<A: Asker>(asker: &mut A, cx: &mut Context<'_>) -> bool {
    asker.poll_gone(cx).is_ready()
}

/// Waits until then, unless the client leaves or the time for everything is over.
async fn pause<A: Asker>(
    scene: &Scene<'_>,
    asker: &mut A,
    course: &Course<'_>,
    until: Instant,
) -> Result<(), Fault> {
    // A timer of its own: the swept deadlines come up to 50 ms late, which is longer than most pauses.
    let mut over = pin!(time::sleep_until(until.into()));
    scene.deadline.set(course.total_at);
    poll_fn(|cx| {
        if over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        if is_gone(asker, cx) {
            return Poll::Ready(Err(Fault::ClientGone));
        }
        scene.deadline.poll_expired(cx).map(|()| {
            Err(if scene.worker.is_stopping() {
                Fault::Shutdown
            } else {
                Fault::TotalTimeout
            })
        })
    })
    .await
}
