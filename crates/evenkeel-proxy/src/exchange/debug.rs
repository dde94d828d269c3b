//! What the log says of an exchange at `debug`: each attempt as it begins, those that fail, and the end.
//!
//! Whether anybody wants to hear it is asked before anything is made of it, which costs a load and a compare ([`is_on`]); the rest
//! is off the road. It tells the same as the access record and what that does not: whom the attempt passed over, and why.

use std::borrow::Cow;
use std::time::Duration;

use evenkeel_base::RequestView;
use evenkeel_base::rules::AdminState;
use evenkeel_policy::{Candidate, Health, Phase, Sent, Tried};
use evenkeel_state::Endpoint;
use evenkeel_state::decide::request_id;
use tracing::Level;
use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};

use crate::attempted::Fate;
use crate::exchange::attempt::Failed;
use crate::exchange::explained;
use crate::exchange::stage::Stage;
use crate::exchange::way::Way;
use crate::record::Record;
use crate::scene::Scene;

/// So many of those that were passed over are named.
const PASSED_OVER: usize = 8;

/// So much of a path is told.
const LONGEST_PATH: usize = 256;

/// Whether anybody wants to hear of it.
#[inline(always)]
pub(super) fn is_on() -> bool {
    Level::DEBUG <= STATIC_MAX_LEVEL && Level::DEBUG <= LevelFilter::current()
}

/// An attempt begins: at which endpoint, picked by what, and what is against the others.
#[cold]
#[inline(never)]
pub(super) fn attempt(
    stage: &Stage<'_>,
    (pick, tried): (&'static str, &Tried),
    way: Option<&Way>,
    request: &RequestView<'_>,
    number: u16,
) {
    let connection = match way {
        Some(Way::Idle(..) | Way::Place(..)) => "reused",
        Some(Way::Fresh(_)) => "new",
        Some(Way::Shared(_)) => "awaited",
        None => "none",
    };
    tracing::debug!(
        request_id = &*id(request, stage.request_id),
        listener = stage.scene.listener.name,
        route = stage.forward.route.name,
        cluster = stage.cluster.config.name,
        endpoint = &*stage.endpoint.id,
        attempt = number,
        pick,
        connection,
        passed_over = passed_over(stage, tried),
        "attempt"
    );
}

/// An attempt failed, or its response is not passed on, and this follows.
#[cold]
#[inline(never)]
pub(super) fn failed(
    stage: &Stage<'_>,
    failed: &Failed,
    request: &RequestView<'_>,
    verdict: &'static str,
) {
    tracing::debug!(
        request_id = &*id(request, stage.request_id),
        listener = stage.scene.listener.name,
        route = stage.forward.route.name,
        cluster = stage.cluster.config.name,
        endpoint = &*stage.endpoint.id,
        why = explained::fate(Fate::Failed(failed.failure)),
        verdict,
        was_sent = failed.sent == Sent::Some,
        idle_ms = failed.idle.map(millis),
        connect_ms = millis(failed.connect.took),
        total_ms = millis(stage.began.elapsed()),
        "attempt failed"
    );
}

/// An exchange is over.
#[cold]
#[inline(never)]
pub(super) fn ended(scene: &Scene<'_>, request: &RequestView<'_>, record: &Record, took: Duration) {
    let routes = &scene.snapshot.config.routes;
    let route = record.route.and_then(|id| routes.get(id.index()));
    let endpoint = record.endpoint.and_then(|(id, at)| {
        let cluster = scene.snapshot.cluster(id)?;
        Some((cluster, cluster.endpoints.list.get(at)?))
    });
    let path = String::from_utf8_lossy(request.path());
    let path: String = path.chars().take(LONGEST_PATH).collect();
    tracing::debug!(
        request_id = &*id(request, &record.made_id),
        listener = scene.listener.name,
        route = route.map(|route| route.name.as_str()),
        cluster = endpoint.map(|(cluster, _)| cluster.config.name.as_str()),
        endpoint = endpoint.map(|(_, one)| &*one.id),
        client = record.client.map(tracing::field::display),
        method = &*String::from_utf8_lossy(request.method_name()),
        path,
        status = record.status,
        fault = record.fault.map(|fault| fault.name()),
        detail = record.detail,
        attempts = record.attempts,
        queued_ms = millis(record.queued),
        connect_ms = millis(record.connect),
        first_byte_ms = record.first_byte.map(millis),
        total_ms = millis(took),
        bytes_in = record.bytes_in,
        bytes_out = record.bytes_out,
        "exchange"
    );
}

/// The id that the endpoint sees.
fn id<'a>(request: &RequestView<'a>, made: &'a [u8; 32]) -> Cow<'a, str> {
    String::from_utf8_lossy(request_id::kept(request).unwrap_or(made))
}

/// Those that have something against them: the first, with what it is; none: there are none.
fn passed_over(stage: &Stage<'_>, tried: &Tried) -> Option<String> {
    let list = stage.cluster.endpoints.list.iter().enumerate();
    let named: Vec<String> = list
        .filter(|(at, _)| *at != stage.index)
        .filter_map(|(at, one)| {
            let why = against(one, tried.contains(at))?;
            Some(format!("{} {why}", one.id))
        })
        .take(PASSED_OVER)
        .collect();
    (!named.is_empty()).then(|| named.join(", "))
}

/// What speaks against an endpoint, in one word.
fn against(one: &Endpoint, was_tried: bool) -> Option<&'static str> {
    let standing = &one.state.standing;
    let word = match (one.admin, standing.health(), standing.phase()) {
        _ if was_tried => "tried",
        (admin @ (AdminState::Maint | AdminState::Drain), ..) => admin.name(),
        _ if one.weight() == 0 => "weightless",
        (_, health @ (Health::Down | Health::Waiting), _) => health.name(),
        (_, _, phase @ (Phase::Ejected | Phase::Trial)) => phase.name(),
        _ if !one.has_room() => "full",
        _ => return None,
    };
    Some(word)
}

/// Milliseconds with microseconds behind the point.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
