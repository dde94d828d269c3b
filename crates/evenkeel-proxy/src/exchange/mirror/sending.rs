//! The exchange of a copied request, from its seat to the end of a response that nobody gets.

use std::time::{Duration, Instant};

use std::rc::Rc;

use evenkeel_base::{Fault, grpc};
use evenkeel_config::model::{Action, Mirror, Route};
use evenkeel_state::Handle;

use crate::downstream::Downstream;
use crate::exchange::attempt::Failed;
use crate::exchange::course::Course;
use crate::exchange::draw::drop_one;
use crate::exchange::mirror::copied::Copied;
use crate::exchange::relay::Left;
use crate::exchange::seat::{self, Choice};
use crate::exchange::stage::{Forward, Stage, earliest};
use crate::exchange::{converse, relay};
use crate::mirror::UnderWay;
use crate::record::Record;
use crate::scene::Scene;
use crate::worker::Worker;

/// So long after its head the body of a response is read: a stream of events would hold its place for ever.
const BODY_TIME: Duration = Duration::from_secs(30);

/// Sends a copy by the configuration that its original was sent by.
pub(super) async fn run(
    worker: Rc<Worker>,
    _place: UnderWay,
    snapshot: Handle,
    mut copied: Box<Copied>,
) {
    let worker = &*worker;
    let _watched = Watched(worker);
    let route = snapshot.config.routes.get(copied.route.index());
    let listener = snapshot.listener(copied.listener);
    let (Some(route), Some(listener)) = (route, listener) else {
        return;
    };
    let deadline = worker.deadlines.slot();
    let from = copied.from.clone();
    let now = Instant::now();
    let scene = Scene {
        worker,
        snapshot: &snapshot,
        handle: &snapshot,
        listener_id: copied.listener,
        leaving: false,
        listener,
        from: &from,
        deadline: &deadline,
        began: now,
        asked: now,
    };
    send(&scene, route, &mut copied).await;
}

async fn send(scene: &Scene<'_>, route: &Route, copied: &mut Copied) {
    let (Mirror::To { cluster: id, .. }, Action::Forward { rewrite, host, .. }) =
        (route.mirror, &route.action)
    else {
        return;
    };
    let Some(cluster) = scene.snapshot.cluster(id) else {
        return;
    };
    let forward = Forward {
        route,
        cluster: id,
        rewrite,
        host,
        client: copied.client,
        trace: copied.trace,
        call: grpc::is_call(&copied.request()),
    };
    let total_at = forward.ends_at(scene, copied);
    let mut course = Course::once(&forward, cluster, copied, total_at);
    let Choice::Seat(mut seat) = seat::choose(scene, &course) else {
        return drop_one(scene);
    };
    scene.worker.counters().mirrored.add(1);
    let made_id = copied.made_id;
    let mut record = Record::new(scene.began, made_id);
    let stage = seat.stage(scene, &forward, &course, &made_id);
    let way = seat.way.take();
    let fault = match stage.obtain_here(copied, way, course.repeatable).await {
        Ok(link) => {
            record.connected(link.connect);
            let idle = link.idle;
            let mut up = link.up;
            let mut talk = stage.ask(copied, &mut up, link.at, None);
            match converse::run(&stage, copied, &mut up, &mut talk).await {
                Ok(()) => {
                    stage.reached(idle);
                    let body_at = Instant::now().checked_add(BODY_TIME);
                    let stage = Stage {
                        total_at: earliest(stage.total_at, body_at),
                        ..stage
                    };
                    let relayed = relay::run(&stage, copied, &mut up, &mut talk, &mut record).await;
                    if let Left::Free(since) = relayed.left {
                        relay::give_back(&stage, up, since);
                    }
                    record.fault.filter(|_| !copied.has_had_enough())
                }
                Err(fault) => {
                    let failed = Failed::on(&up, &talk, (idle, record.connect()), fault);
                    course.lost(&stage, &failed, &copied.request(), &mut record);
                    Some(fault)
                }
            }
        }
        Err(why) => {
            let fault = why.fault;
            let failed = Failed::unconnected(&stage, why);
            course.lost(&stage, &failed, &copied.request(), &mut record);
            Some(fault)
        }
    };
    if let Some(fault) = fault {
        tell(&stage, fault);
    }
}

/// Counts a panic.
struct Watched<'a>(&'a Worker);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.counters().panics.add(1);
        }
    }
}

/// Says what went wrong, to whoever looks for it.
fn tell(stage: &Stage<'_>, fault: Fault) {
    tracing::debug!(
        route = stage.forward.route.name,
        cluster = stage.cluster.config.name,
        endpoint = &*stage.endpoint.id,
        "a mirrored request failed: {fault}"
    );
}
