//! Mirroring: some of a route's requests are sent a second time, to another cluster, and what that answers is thrown away.
//!
//! ```text
//!   first   seat ─▶ obtain ─▶ converse ─▶ head ─▶ relay ───────────▶ record
//!                                           │ a copy of the request
//!   mirror                                  └▶ seat ─▶ obtain ─▶ converse ─▶ relay ─▶ nobody
//! ```
//! There is no second road: the copy is a client ([`Copied`]) that has sent its whole request and wants nothing, and its exchange
//! is the same pick, limits, pool, header rules, timeouts and outlier record as any other, all of the mirror's cluster. What is
//! decided here, and why:
//!
//! - **What**: only whole requests. The head is copied as it stands (the block and its table, one memcpy each). A body is kept as it
//!   passes, up to the mirror's `max_body`; one that is longer, or that has trailers which pass, is not mirrored. Nor are requests for
//!   another protocol, those with `Expect`, and CONNECT: what follows them is no message that could be sent twice. The method does
//!   not matter: a POST is mirrored as well, that is what mirrors are for.
//! - **Which**: a coin of the worker's chance decides, in thousandths. A rotation would be exact over any thousand, and would meet
//!   a client that asks in a rotation of its own always at the same place.
//! - **When**: once the first exchange has its response's head and has sent the whole request; a request that no endpoint answered has
//!   nothing to be compared with. A response that is here whole leaves first. Of a longer one the client waits for the copy of the
//!   head and for a task to be made, about a microsecond; the task has its turn when the exchange waits, so that what there is of the
//!   response is on its way.
//! - **As what**: the same method, target, `Host`, fields, request id and body as the first endpoint saw, and no mark. Envoy appends
//!   `-shadow` to the host, which breaks hosts that are told apart by name, and has a knob against it; nginx adds nothing. A field of
//!   ours would have to be taken from the clients of all routes, or each of them could pass for a copy. Who has to know it knows it
//!   from the address at which it was asked: a mirror has endpoints of its own.
//! - **How often**: once. No retry, no hedge, no place in a queue, no budget, no rate limit: a mirror that is not taken at once
//!   is dropped and counted.
//! - **How long**: as long as the first may take, and the response's body within `MOST_BODY` and `BODY_TIME`, so that its connection
//!   can be kept. A worker that drains begins none, and ends without waiting for those under way; a stop ends them.
//!
//! They make no access record of their own in this version; the counters of the mirror's endpoints have them, and failures are
//! told at debug level.

mod copied;
mod sending;

use tokio::task;

use crate::body::{Length, Source};
use crate::downstream::Downstream;
use crate::exchange::converse::Conversation;
use crate::exchange::draw::drop_one;
use crate::exchange::mirror::copied::Copied;
use crate::exchange::relay::{self, Relayed};
use crate::exchange::stage::Stage;
use crate::record::Record;
use crate::replay::NoCopy;
use crate::upstream::any::AnyUpstream;
use crate::upstream::{Answer, Upstream};

/// Relays the response to a request that is to be mirrored, and sends the copy on its way.
pub(crate) async fn relay<D: Downstream>(
    stage: &Stage<'_>,
    down: &mut D,
    up: &mut AnyUpstream,
    talk: &mut Conversation,
    record: &mut Record,
) -> Relayed {
    let at_once = talk.pump.done && !is_here(up, talk);
    if at_once {
        begin(stage, down, talk, record);
    }
    let relayed = relay::run(stage, down, up, talk, record).await;
    // An endpoint may have answered before it had the whole request, and have the rest of it now.
    if !at_once && talk.pump.done {
        begin(stage, down, talk, record);
    }
    relayed
}

/// Whether the response is here whole: it leaves in one write.
fn is_here(up: &mut AnyUpstream, talk: &Conversation) -> bool {
    match talk.answer {
        Answer::Final(Length::Empty) => true,
        Answer::Final(Length::Known(length)) => up.body().data().len() as u64 >= length,
        Answer::Final(Length::Unknown) | Answer::Interim | Answer::Tunnel => false,
    }
}

/// Copies the request and begins its exchange, or drops it.
fn begin<D: Downstream>(stage: &Stage<'_>, down: &D, talk: &mut Conversation, record: &Record) {
    if stage.scene.worker.is_draining() {
        return;
    }
    let has_body = !matches!(down.facts().length, Length::Empty | Length::Known(0));
    let body = match talk.replay.take() {
        None if has_body => return,
        None => None,
        Some(replay) => match replay.into_copy() {
            Ok(body) => Some(body),
            Err(NoCopy::Unwanted) => return,
            Err(NoCopy::NoRoom) => return drop_one(stage.scene),
        },
    };
    let worker = stage.scene.worker;
    let Some(copied) = Copied::of(stage, down, body, record) else {
        return drop_one(stage.scene);
    };
    match (worker.mirrors.begin(), worker.itself()) {
        (Some(place), Some(worker)) => {
            let snapshot = stage.scene.handle.clone();
            task::spawn_local(sending::run(worker, place, snapshot, copied));
        }
        _ => drop_one(stage.scene),
    }
}

#[cfg(test)]
mod tests;
