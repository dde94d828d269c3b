//! Forwarding: attempt after attempt until one yields a response that is passed on, then the relay.
//!
//! ```text
//!   seat ─▶ obtain ─▶ converse ─┬─ response ─┬─ passed on ──▶ relay
//!    ▲                          │            └─ status that is tried again ─┐
//!    │                          └─ fault ───────────────────────────────────┤
//!    └──────── another attempt, if the course has one left ◀────────────────┘
//! ```
//! What goes on from attempt to attempt is the [`Course`]; where an attempt goes is the [`seat`]'s business.

use evenkeel_base::Fault;

use crate::downstream::Downstream;
use crate::exchange::attempt::{Failed, MOST_ANEW};
use crate::exchange::course::Course;
use crate::exchange::seat::{self, Choice};
use crate::exchange::stage::Forward;
use crate::exchange::tunnel::Outcome;
use crate::exchange::{converse, debug, mirror, race, relay};
use crate::record::Record;
use crate::scene::{After, Scene};

/// Forwards a request; fails with the fault to reply with, and only while the response has not begun.
pub(crate) async fn run<D: Downstream>(
    scene: &Scene<'_>,
    down: &mut D,
    forward: &Forward<'_>,
    record: &mut Record,
) -> Result<Outcome<After>, Fault> {
    let cluster = scene
        .snapshot
        .cluster(forward.cluster)
        .ok_or(Fault::Internal)?;
    let budget = &cluster.state.budget;
    budget.deposit(scene.worker.millis(scene.began));
    let total_at = forward.ends_at(scene, down);
    let mut course = Course::new(scene, forward, cluster, down, total_at);
    if race::is_on(forward.route, down) {
        return Box::pin(race::run(scene, down, forward, course, record)).await;
    }
    let mut anew = 0;
    loop {
        let mut seat = match seat::choose(scene, &course) {
            Choice::Seat(seat) => seat,
            other => Box::pin(seat::wait(scene, down, &mut course, other, record)).await?,
        };
        record.attempt(forward.cluster, seat.index, seat.at);
        record.attempts += 1;
        let made_id = record.made_id;
        let stage = seat.stage(scene, forward, &course, &made_id);
        if debug::is_on() {
            let way = seat.way.as_ref();
            course.say(&stage, way, &down.request(), record.attempts);
        }
        let failed = match stage.obtain(down, seat.way.take()).await {
            Ok(Some(link)) => {
                record.connected(link.connect);
                let idle = link.idle;
                let mut up = link.up;
                let mut talk = stage.ask(down, &mut up, link.at, course.replay.take());
                match converse::run(&stage, down, &mut up, &mut talk).await {
                    Ok(()) => {
                        stage.reached(idle);
                        let Some(failed) =
                            course.refuses(&stage, &up, &mut talk, (idle, &*record), down)
                        else {
                            let relayed = if course.mirrored {
                                // Boxed: few are, and an exchange's future is as large as its widest state.
                                Box::pin(mirror::relay(&stage, down, &mut up, &mut talk, record))
                                    .await
                            } else {
                                relay::run(&stage, down, &mut up, &mut talk, record).await
                            };
                            return Ok(Outcome::of(&relayed, &stage, up, &mut seat, record));
                        };
                        relay::discard(&stage, up);
                        failed
                    }
                    Err(fault) => {
                        record.bytes_in = talk.pump.bytes;
                        course.take_back(&mut talk);
                        Failed::on(&up, &talk, (idle, record.connect()), fault)
                    }
                }
            }
            // What was waited for has become something else, such as a connection that others cannot use.
            Ok(None) if anew < MOST_ANEW => {
                anew += 1;
                record.attempts -= 1;
                continue;
            }
            Ok(None) => Failed::unconnected(&stage, Fault::EndpointClosed.into()),
            Err(why) => Failed::unconnected(&stage, why),
        };
        course.judge(&stage, &failed, &down.request(), record)?;
    }
}
