//! One exchange, whatever protocol it came by: route, admit, try, relay, record.
//!
//! ```text
//!  request ─▶ admit ─▶ route ─┬─ respond, redirect ─────────────────────────────────▶ record
//!                             └─ forward: pick ─▶ obtain ─▶ converse ─▶ relay ───────▶ record
//!                                          ▲                   │ fault before the head
//!                                          └──── verdict ◀─────┘
//! ```
//! This file is the road; each stage has a file of its own. It knows no codec: `Downstream` and `Upstream` do.

mod attempt;
mod call;
mod client;
mod converse;
mod cookie;
mod course;
mod draw;
mod fields;
mod forward;
mod health;
mod key;
mod mirror;
mod observe;
mod patience;
mod race;
mod rate;
mod reach;
mod relay;
mod reply;
mod seat;
mod side;
mod stage;
mod sticky;
mod way;

use std::time::Instant;

use evenkeel_base::{Fault, Method, RequestView, RouteId, grpc};
use evenkeel_config::model::{self, Action};
use evenkeel_http1::has_dot_segments;
use evenkeel_state::Ended;

use crate::access_log;
use crate::body::Length;
use crate::downstream::{Downstream, Expect};
use crate::exchange::client::Client;
use crate::exchange::reply::host_of;
use crate::exchange::stage::Forward;
use crate::record::Record;
use crate::scene::{After, Scene};

/// Runs one exchange from its parsed head to its access record; says when it ended.
pub(crate) async fn run<D: Downstream>(scene: &Scene<'_>, down: &mut D) -> (After, Instant) {
    let mut record = Record::new(scene.began, scene.worker.make_request_id());
    scene.worker.counters().exchanges.add(1);
    let after = answer(scene, down, &mut record).await;
    finish(scene, down, &record);
    (after, record.ended)
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
    count(scene, record);
    log(scene, down, record);
}

fn count(scene: &Scene<'_>, record: &Record) {
    let (snapshot, worker) = (scene.snapshot, scene.worker.id);
    let ended = Ended {
        status: record.status,
        fault: record.fault,
        bytes_in: record.bytes_in,
        bytes_out: record.bytes_out,
        queue: record.queued,
        connect: record.connect,
        first_byte: record.first_byte,
        total: record.ended.saturating_duration_since(record.began),
    };
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

fn log<D: Downstream>(scene: &Scene<'_>, down: &D, record: &Record) {
    scene.worker.log_access(&access_log::Exchange {
        snapshot: scene.snapshot,
        listener: &scene.listener.name,
        from: (scene.from.ip, &scene.from.text),
        proof: scene.from.proof.as_deref(),
        request: down.request(),
        record,
    });
}

async fn answer<D: Downstream>(scene: &Scene<'_>, down: &mut D, record: &mut Record) -> After {
    if scene.listener.health
        && let Some(asked) = health::asked(&down.request())
    {
        record.client = scene.from.ip;
        let well = asked.is_well(scene.worker.is_ready());
        return Box::pin(reply::health(scene, down, well, record)).await;
    }
    if let Some(port) = scene.listener.redirect_to_https {
        record.client = scene.from.ip;
        return Box::pin(reply::to_https(scene, down, port, record)).await;
    }
    let client = Client::find(
        scene.from.ip,
        &scene.listener.trusted_proxies,
        &down.request(),
    );
    record.client = client.ip;
    let admitted = admit(scene, down, client).and_then(|(id, route)| {
        match rate::admit(scene, id, &down.request(), client, record) {
            Ok(()) => Ok((id, route)),
            Err(fault) => Err((Some(id), fault)),
        }
    });
    let (route, outcome) = match admitted {
        Ok((id, route)) => {
            record.route = Some(id);
            let outcome = match &route.action {
                Action::Respond(respond) => {
                    Ok(reply::fixed(scene, down, route, respond, record).await)
                }
                Action::Redirect(redirect) => {
                    Ok(reply::redirect(scene, down, route, redirect, record).await)
                }
                Action::Forward { .. } if is_refused(scene, route) => Err(Fault::Overloaded),
                Action::Forward {
                    split,
                    rewrite,
                    host,
                } => {
                    let forward = Forward {
                        route,
                        cluster: side::choose(scene, id, split, &down.request(), client),
                        rewrite,
                        host,
                        client,
                        call: grpc::is_call(&down.request()),
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
        Ok(after) => after,
        Err(fault) => Box::pin(reply::fault(scene, down, route, fault, record)).await,
    }
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

/// Whether the request is for a host that needs another TLS connection than the one it came by (RFC 9110 §15.5.20).
#[inline]
fn is_misdirected(scene: &Scene<'_>, request: &RequestView<'_>) -> bool {
    let Some(proof) = &scene.from.proof else {
        // The connection may be older than the listener's TLS.
        return scene.listener.tls.is_some();
    };
    let Some(now) = scene.snapshot.tls(scene.listener_id) else {
        return true;
    };
    std::str::from_utf8(host_of(request.authority()))
        .is_ok_and(|host| proof.is_misdirected(host, now))
}

type Refusal = (Option<RouteId>, Fault);

/// Finds the route, and refuses what must not go further.
fn admit<'s, D: Downstream>(
    scene: &Scene<'s>,
    down: &D,
    client: Client,
) -> Result<(RouteId, &'s model::Route), Refusal> {
    let request = down.request();
    if matches!(request.method(), Method::Connect | Method::Trace) {
        return Err((None, Fault::MethodRefused));
    }
    if is_misdirected(scene, &request) {
        return Err((None, Fault::Misdirected));
    }
    let Some((id, route)) = scene.snapshot.route(scene.listener_id, &request) else {
        return Err((None, Fault::NoRoute));
    };
    let fault = if !client.may(&route.allow, &route.deny) {
        Fault::RequestDenied
    } else if !route.allow_dot_segments && has_dot_segments(request.path()) {
        Fault::RequestPathRefused
    } else if down.facts().expect == Expect::Unknown {
        Fault::ExpectationFailed
    } else if matches!(down.facts().length, Length::Known(n) if n > route.max_request_body.bytes())
    {
        Fault::RequestBodyTooLarge
    } else {
        return Ok((id, route));
    };
    Err((Some(id), fault))
}
