//! One exchange, whatever protocol it came by: route, admit, try, relay, record.
//!
//! ```text
//!  request ─▶ admit ─▶ route ─┬─ respond, redirect ─────────────────────────────────▶ record
//!                             └─ forward: pick ─▶ obtain ─▶ converse ─▶ relay ───────▶ record
//!                                          ▲                   │ fault before the head
//!                                          └──── verdict ◀─────┘         └─ tunnel, outside of the scene
//! ```
//! This file is the road; each stage has a file of its own. It knows no codec: `Downstream` and `Upstream` do.

mod attempt;
mod call;
mod converse;
mod course;
mod debug;
mod draw;
mod explained;
mod forward;
mod mirror;
mod observe;
mod race;
mod rate;
mod reach;
mod relay;
mod reply;
mod seat;
mod stage;
pub(crate) mod tunnel;
mod way;

use std::time::{Duration, Instant};

use evenkeel_base::{Fault, RequestView, RouteId, grpc};
use evenkeel_config::model::{self, Action};
use evenkeel_state::decide::admit::{self, Asks, Door, Refusal};
use evenkeel_state::decide::{Client, health, side};
use evenkeel_state::{HeldNames, Names};

use crate::access_log;
use crate::body::Length;
use crate::downstream::{Downstream, Expect, Facts};
use crate::exchange::stage::Forward;
use crate::exchange::tunnel::Outcome;
use crate::record::Record;
use crate::scene::{After, Scene};
use crate::story;
use crate::trace::Traced;

/// Runs one exchange from its parsed head to its access record, and says when it ended; or to where it becomes a tunnel, which goes
/// on without the scene.
pub(crate) async fn run<D: Downstream>(
    scene: &Scene<'_>,
    down: &mut D,
) -> Outcome<(After, Instant)> {
    let mut record = Record::new(scene.began, scene.worker.make_request_id());
    scene.worker.counters().exchanges.add(1);
    match answer(scene, down, &mut record).await {
        Outcome::Over(after) => {
            finish(scene, down, &record);
            Outcome::Over((after, record.ended))
        }
        Outcome::Tunnel(tunnel) => Outcome::Tunnel(tunnel),
    }
}

/// A request that was refused before it could be understood gets its reply and its record as well.
pub(crate) async fn refuse<D: Downstream>(
    scene: &Scene<'_>,
    down: &mut D,
    fault: Fault,
    detail: Option<&'static str>,
) -> After {
    let mut record = Record::new(scene.began, scene.worker.make_request_id());
    record.client = scene.from.ip;
    record.detail = detail;
    scene.worker.counters().exchanges.add(1);
    let after = reply::fault(scene, down, None, fault, &mut record).await;
    finish(scene, down, &record);
    after
}

/// Counts the exchange where it belongs, and writes its record.
fn finish<D: Downstream>(scene: &Scene<'_>, down: &D, record: &Record) {
    // Once for both: taking instants from each other is not free.
    let took = record.ended.saturating_duration_since(record.began);
    count(scene, record, took);
    log(scene, down, record, took);
    if debug::is_on() {
        debug::ended(scene, &down.request(), record, took);
    }
    if let Some(traced) = &record.trace
        && traced.context.is_sampled()
    {
        let names = HeldNames::In(scene.handle.share());
        story::hand_over(
            scene.worker,
            scene.from,
            (names, scene.listener_id),
            &down.request(),
            *traced,
            record,
        );
    }
}

fn count(scene: &Scene<'_>, record: &Record, took: Duration) {
    let (snapshot, worker) = (scene.snapshot, scene.worker.id);
    let ended = record.counted(took);
    let listener = snapshot.listeners().get(scene.listener_id.index());
    if let Some(counters) = listener.and_then(|state| state.traffic.of(worker)) {
        counters.exchange(&ended);
    }
    let route = record.route.and_then(|id| snapshot.route_traffic(id));
    if let Some(counters) = route.and_then(|traffic| traffic.of(worker)) {
        counters.exchange(&ended);
    }
    let cluster = record.endpoint.and_then(|(id, _)| snapshot.cluster(id));
    if let Some(times) = cluster.and_then(|cluster| cluster.state.times.of(worker)) {
        times.exchange(&ended);
    }
}

fn log<D: Downstream>(scene: &Scene<'_>, down: &D, record: &Record, took: Duration) {
    let Some(stands_for) = scene.worker.draws_record(record) else {
        return;
    };
    scene.worker.log_access(&access_log::Exchange {
        names: Names::In(scene.snapshot),
        listener: &scene.listener.name,
        from: (scene.from.ip, &scene.from.text),
        proof: scene.from.proof.as_deref(),
        request: down.request(),
        record,
        took,
        stands_for,
    });
}

async fn answer<D: Downstream>(
    scene: &Scene<'_>,
    down: &mut D,
    record: &mut Record,
) -> Outcome<After> {
    if scene.listener.health
        && let Some(asked) = health::asked(&down.request())
    {
        record.client = scene.from.ip;
        let well = asked.is_well(scene.worker.is_ready());
        return Outcome::Over(Box::pin(reply::health(scene, down, well, record)).await);
    }
    if let Some(port) = scene.listener.redirect_to_https {
        record.client = scene.from.ip;
        return Outcome::Over(Box::pin(reply::to_https(scene, down, port, record)).await);
    }
    let request = down.request();
    let client = introduce(scene, &request, record);
    let admitted = admit(scene, &request, down.facts(), client).and_then(|(id, route)| {
        match rate::admit(scene, id, &request, client, record) {
            Ok(()) => Ok((id, route)),
            Err(fault) => Err((Some(id), fault)),
        }
    });
    let (route, outcome) = match admitted {
        Ok((id, route)) => {
            record.route = Some(id);
            let outcome = match &route.action {
                Action::Respond(respond) => Ok(Outcome::Over(
                    reply::fixed(scene, down, route, respond, record).await,
                )),
                Action::Redirect(redirect) => {
                    let after = reply::redirect(scene, down, route, redirect, record).await;
                    Ok(Outcome::Over(after))
                }
                Action::Forward { .. } if is_refused(scene, route) => Err(Fault::Overloaded),
                Action::Forward {
                    split,
                    rewrite,
                    host,
                } => {
                    let forward = Forward {
                        route,
                        cluster: side::choose(
                            scene.snapshot,
                            (id, split),
                            &request,
                            client,
                            || scene.worker.rng(),
                        ),
                        rewrite,
                        host,
                        client,
                        trace: record.trace,
                        call: grpc::is_call(&request),
                    };
                    forward::run(scene, down, &forward, record).await
                }
            };
            (Some(route), outcome)
        }
        Err((id, fault)) => {
            record.route = id;
            let route = id.and_then(|id| scene.snapshot.config.routes.get(id.index()));
            (route, Err(fault))
        }
    };
    match outcome {
        Ok(outcome) => outcome,
        Err(fault) => {
            Outcome::Over(Box::pin(reply::fault(scene, down, route, fault, record)).await)
        }
    }
}

/// Finds out who asks, and what else is remembered of it from the beginning.
#[inline]
fn introduce(scene: &Scene<'_>, request: &RequestView<'_>, record: &mut Record) -> Client {
    let client = Client::find(scene.from.ip, &scene.listener.trusted_proxies, request);
    record.client = client.ip;
    if !scene.listener.explain_to.is_empty() {
        record.explains = explained::is_asked(&scene.listener.explain_to, request, client);
    }
    let rules = &scene.snapshot.config.trace;
    if rules.is_on() {
        record.trace = Some(begin_trace(scene, rules, request, client));
    }
    client
}

/// The trace that a request belongs to. Not inlined: most configurations have none.
#[inline(never)]
fn begin_trace(
    scene: &Scene<'_>,
    rules: &model::Trace,
    request: &RequestView<'_>,
    client: Client,
) -> Traced {
    let mut rng = scene.worker.rng();
    Traced::begin(rules, request, client.behind_proxy, &mut rng)
}

/// Whether the process is short of something, and the request's priority too low for that. Replies of our own cost no more than
/// refusing does.
fn is_refused(scene: &Scene<'_>, route: &model::Route) -> bool {
    let refused = scene.worker.level().refuses(route.priority);
    if refused {
        scene.worker.counters().overloaded.add(1);
    }
    refused
}

/// Finds the route, and refuses what must not go further.
fn admit<'s>(
    scene: &Scene<'s>,
    request: &RequestView<'_>,
    facts: &Facts,
    client: Client,
) -> Result<(RouteId, &'s model::Route), Refusal> {
    let door = Door {
        id: scene.listener_id,
        listener: scene.listener,
        proof: scene.from.proof.as_deref(),
        expired: scene.from.has_expired(),
    };
    let asks = Asks {
        expects_unknown: facts.expect == Expect::Unknown,
        length: match facts.length {
            Length::Known(length) => Some(length),
            Length::Empty | Length::Unknown => None,
        },
    };
    admit::admit(scene.snapshot, door, request, client, asks)
}
