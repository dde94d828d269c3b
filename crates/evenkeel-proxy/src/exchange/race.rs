//! Hedging: a second attempt at another endpoint while the first is still waited for. The first response wins, and the other
//! attempt is cancelled by closing its connection.
//!
//! ```text
//!   first lane  ──────────────▶ response ─▶ relay
//!          │ longer than usual, and the budget pays
//!   second lane  ───────────────✗ cancelled
//! ```
//! Only requests that are idempotent and have no body take part; interim responses do not pass here, for it is open from whom
//! the final one will come. Source: Dean and Barroso, "The Tail at Scale", CACM 56 (2013), which also says why the delay should
//! be a high percentile: with the 95th a twentieth of the requests is sent twice.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use evenkeel_base::head::Field;
use evenkeel_base::{Fault, FieldSink};
use evenkeel_config::model::Route;
use tokio::time;

use crate::attempted::{Attempted, Connect, Fate};
use crate::body::{Fill, Sink, Source, Trailers};
use crate::downstream::{Asker, Downstream, Facts, shape};
use crate::exchange::attempt::Failed;
use crate::exchange::converse::{self, Conversation};
use crate::exchange::course::Course;
use crate::exchange::seat::{self, Choice, Seat};
use crate::exchange::stage::{Forward, Stage};
use crate::exchange::tunnel::Outcome;
use crate::exchange::way::Way;
use crate::exchange::{debug, mirror, relay};
use crate::record::Record;
use crate::scene::{After, Scene};
use crate::upstream::any::AnyUpstream;

/// Longer than any attempt.
const NEVER: Duration = Duration::from_hours(1);

/// Whether a request may be raced on that route.
pub(crate) fn is_on<D: Downstream>(route: &Route, down: &D) -> bool {
    // Most routes race nothing, which is found out at once.
    route.retry.hedge.percentile > 0 && shape(down).may_race(&route.retry.hedge)
}

/// Forwards a request, each attempt of it joined by another when it takes long.
pub(crate) async fn run<D: Downstream>(
    scene: &Scene<'_>,
    down: &mut D,
    forward: &Forward<'_>,
    mut course: Course<'_>,
    record: &mut Record,
) -> Result<Outcome<After>, Fault> {
    let made_id = record.made_id;
    // Two attempts at once wait for different things.
    let slots = [scene.worker.deadlines.slot(), scene.worker.deadlines.slot()];
    let scenes = slots
        .each_ref()
        .map(|deadline| Scene { deadline, ..*scene });
    let track = Track {
        scenes: &scenes,
        forward,
        made_id: &made_id,
    };
    loop {
        let mut seat = match seat::choose(scene, &course) {
            Choice::Seat(seat) => seat,
            other => seat::wait(scene, down, &mut course, other, record).await?,
        };
        record.attempts += 1;
        let mut second = None;
        scene.deadline.set(None);
        let (stage, ended) = track
            .heat(down, &mut course, record, (&mut seat, &mut second))
            .await;
        // The place of the one that lost is free for others; its connection is closed already.
        if let Some(second) = second.filter(|second| second.index == stage.index) {
            seat = second;
        }
        // From here on the client waits at its own deadline again.
        let stage = Stage { scene, ..stage };
        record.attempt(forward.cluster, stage.index, stage.began);
        let failed = match ended {
            Err(failed) => failed,
            Ok(reached) => {
                record.connected(reached.connect);
                let (mut up, mut talk, idle) = (reached.up, reached.talk, reached.idle);
                stage.reached(idle);
                let Some(failed) = course.refuses(&stage, &up, &mut talk, (idle, &*record), down)
                else {
                    let relayed = if course.mirrored {
                        mirror::relay(&stage, down, &mut up, &mut talk, record).await
                    } else {
                        relay::run(&stage, down, &mut up, &mut talk, record).await
                    };
                    return Ok(Outcome::of(&relayed, &stage, up, &mut seat, record));
                };
                relay::discard(&stage, up);
                failed
            }
        };
        drop(seat);
        course.judge(&stage, &failed, &down.request(), record)?;
    }
}

/// Where the lanes run.
struct Track<'s> {
    scenes: &'s [Scene<'s>; 2],
    forward: &'s Forward<'s>,
    made_id: &'s [u8; 32],
}

impl<'s> Track<'s> {
    /// One attempt, joined by a second one when it takes long: the first response, or the last failure.
    async fn heat<'c: 's, D: Downstream>(
        &self,
        down: &mut D,
        course: &mut Course<'c>,
        record: &mut Record,
        (seat, second): (&mut Seat<'c>, &mut Option<Seat<'c>>),
    ) -> (Stage<'s>, Ended) {
        let shared = RefCell::new(down);
        let mut lanes = Lanes(Vec::with_capacity(self.scenes.len()));
        let first = seat.stage(&self.scenes[0], self.forward, course, self.made_id);
        if debug::is_on() {
            let request = shared.borrow();
            let way = seat.way.as_ref();
            course.say(&first, way, &request.request(), record.attempts);
        }
        lanes.0.push(Lane::new(first, seat.way.take(), &shared));
        let mut timer = pin!(time::sleep_until(self.joins_at(course, first.began)));
        let mut joined = false;
        poll_fn(|cx| {
            if !joined && timer.as_mut().poll(cx).is_ready() {
                joined = true;
                if let Some(mut seat) = second_seat(course, &first) {
                    record.attempts += 1;
                    let stage = seat.stage(&self.scenes[1], self.forward, course, self.made_id);
                    if debug::is_on() {
                        let request = shared.borrow();
                        let way = seat.way.as_ref();
                        course.say(&stage, way, &request.request(), record.attempts);
                    }
                    lanes.0.push(Lane::new(stage, seat.way.take(), &shared));
                    *second = Some(seat);
                }
            }
            lanes.poll(cx, &shared, course, record)
        })
        .await
    }

    /// When the second lane begins; later than any attempt lasts, when too little is known of what is usual.
    fn joins_at(&self, course: &Course<'_>, began: Instant) -> time::Instant {
        let rules = &self.forward.route.retry.hedge;
        let usual = course.cluster.state.hedge_delay(rules.percentile);
        let delay = usual.map_or(NEVER, |usual| usual.max(rules.min_delay));
        (began + delay).into()
    }
}

/// The seat of a second attempt: at another endpoint, at once, and paid for; else there is none.
fn second_seat<'c>(course: &Course<'c>, first: &Stage<'_>) -> Option<Seat<'c>> {
    let mut tried = course.tried;
    tried.insert(first.index);
    // Before it is paid for: at their limits, endpoints would have the budget spent on attempts that nobody makes.
    if !seat::may_be_beside(course, &tried) || !course.pay(first) {
        return None;
    }
    seat::beside(first.scene, course, &tried)
}

/// An attempt that has its response's head.
struct Reached {
    up: AnyUpstream,
    talk: Conversation,
    idle: Option<Duration>,
    connect: Option<Box<Connect>>,
}

type Ended = Result<Box<Reached>, Failed>;

/// One attempt under way.
struct Lane<'s, 'd> {
    stage: Stage<'s>,
    run: Pin<Box<dyn Future<Output = Ended> + 'd>>,
}

impl<'s, 'd> Lane<'s, 'd> {
    fn new<D: Downstream>(stage: Stage<'s>, way: Option<Way>, down: &'d RefCell<&mut D>) -> Self
    where
        's: 'd,
    {
        let run = Box::pin(lane(stage, way, down));
        Self { stage, run }
    }
}

/// The attempts under way.
struct Lanes<'s, 'd>(Vec<Lane<'s, 'd>>);

impl<'s> Lanes<'s, '_> {
    /// Ready with the first response, or with the last failure. A client that leaves fails everything.
    fn poll<D: Downstream>(
        &mut self,
        cx: &mut Context<'_>,
        down: &RefCell<&mut D>,
        course: &mut Course<'_>,
        record: &mut Record,
    ) -> Poll<(Stage<'s>, Ended)> {
        let mut at = 0;
        while let Some(lane) = self.0.get_mut(at) {
            let Poll::Ready(ended) = lane.run.as_mut().poll(cx) else {
                at += 1;
                continue;
            };
            let lane = self.0.remove(at);
            match ended {
                Ok(reached) => {
                    for loser in self.0.drain(..) {
                        record.tried(cancelled(&loser.stage, record));
                        if loser.stage.began < lane.stage.began {
                            loser.stage.given_up();
                        }
                    }
                    return Poll::Ready((lane.stage, Ok(reached)));
                }
                Err(failed) if self.0.is_empty() => return Poll::Ready((lane.stage, Err(failed))),
                Err(failed) => {
                    course.lost(&lane.stage, &failed, &down.borrow().request(), record);
                }
            }
        }
        let mut down = down.borrow_mut();
        if let Some(lane) = self.0.first()
            && down.poll_abandoned(cx).is_ready()
        {
            let gone = Failed::unconnected(&lane.stage, Fault::ClientGone.into());
            for other in self.0.iter().skip(1) {
                record.tried(cancelled(&other.stage, record));
            }
            return Poll::Ready((lane.stage, Err(gone)));
        }
        Poll::Pending
    }
}

/// What is remembered of an attempt that another one has overtaken.
fn cancelled(stage: &Stage<'_>, record: &Record) -> Attempted {
    Attempted {
        endpoint: stage.index,
        began: stage.began,
        queued: record.waited_before(stage.began),
        connect: Duration::ZERO,
        tls: Duration::ZERO,
        head: None,
        ended: Instant::now(),
        fate: Fate::Cancelled,
    }
}

/// One attempt up to its response's head, without the client: that is shared, and looked after by who runs the lanes.
async fn lane<D: Downstream>(
    stage: Stage<'_>,
    way: Option<Way>,
    down: &RefCell<&mut D>,
) -> Result<Box<Reached>, Failed> {
    let mut quiet = Quiet::new(down.borrow().facts());
    // Only what may be sent again is raced.
    let link = stage.obtain_here(&mut quiet, way, true).await;
    let link = link.map_err(|why| Failed::unconnected(&stage, why))?;
    let mut up = link.up;
    let mut talk = stage.ask(&**down.borrow(), &mut up, link.at, None);
    match converse::run(&stage, &mut quiet, &mut up, &mut talk).await {
        Ok(()) => Ok(Box::new(Reached {
            up,
            talk,
            idle: link.idle,
            connect: link.connect,
        })),
        Err(fault) => {
            let connect = link.connect.map_or_else(Connect::default, |made| *made);
            Err(Failed::on(&up, &talk, (link.idle, connect), fault))
        }
    }
}

/// A client without a body that hears nothing until the race is over.
struct Quiet {
    facts: Facts,
    body: Nothing,
}

impl Quiet {
    fn new(facts: &Facts) -> Self {
        let facts = Facts {
            interim: false,
            ..facts.clone()
        };
        Self {
            facts,
            body: Nothing,
        }
    }
}

impl Asker for Quiet {
    type Body = Nothing;

    fn body(&mut self) -> &mut Nothing {
        &mut self.body
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn request_done(&self) -> bool {
        true
    }

    fn interim(&mut self, _: (u16, &[u8]), _: impl FnOnce(&mut dyn FieldSink)) {}

    fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// The body of a request that has none.
struct Nothing;

impl Source for Nothing {
    fn poll_fill(&mut self, _: &mut Context<'_>) -> Poll<Result<Fill, Fault>> {
        Poll::Ready(Ok(Fill::End))
    }

    fn data(&self) -> &[u8] {
        &[]
    }

    fn is_last(&self) -> bool {
        false
    }

    fn consume(&mut self, _: usize) {}

    fn trailers(&self, _: &mut dyn FnMut(Field<'_>)) {}
}

impl Sink for Nothing {
    fn poll_data(
        &mut self,
        _: &mut Context<'_>,
        data: &[u8],
        _: bool,
    ) -> Poll<Result<usize, Fault>> {
        Poll::Ready(Ok(data.len()))
    }

    fn poll_end(&mut self, _: &mut Context<'_>, _: Trailers<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
