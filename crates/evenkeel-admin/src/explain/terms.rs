//! Timeouts, retries, hedging and limits that are in force for a request.

use std::time::Duration;

use evenkeel_base::ByteSize;
use evenkeel_base::rules::{EndpointLimit, HedgeRules, RetryOn};
use evenkeel_base::unit::format_duration;
use evenkeel_config::model::{Action, Listener, Mirror, Route};
use evenkeel_state::ClusterSnapshot;
use evenkeel_state::decide::again::Again;
use evenkeel_state::decide::patience;
use evenkeel_state::decide::twice::Shape;

use super::message::{rewritten, time};
use super::{Asked, rough};
use crate::view::explain as view;

/// The least severe of the numbers is not told where there is none.
fn term(name: &str, value: impl Into<String>, about: impl Into<String>) -> view::Term {
    view::Term {
        name: name.to_owned(),
        value: value.into(),
        about: about.into(),
    }
}

/// Those of the listener.
pub(super) fn of_listener(listener: &Listener) -> Vec<view::Term> {
    let head = listener.head;
    let size = |bytes: usize| ByteSize(bytes as u64).to_string();
    vec![
        term(
            "request_header_timeout",
            format_duration(listener.request_header_timeout),
            "for the whole head, else 408",
        ),
        term(
            "request_body_idle_timeout",
            format_duration(listener.request_body_idle_timeout),
            "between two parts of the body, else 408",
        ),
        term(
            "write_timeout",
            format_duration(listener.write_timeout),
            "for a client that takes nothing",
        ),
        term(
            "max_head",
            format!("{}, {} fields", size(head.bytes), head.fields),
            "else 431",
        ),
        term("max_request_line", size(head.line), "else 414"),
    ]
}

/// Those of the route and its cluster.
pub(super) fn of_route(
    of: &Asked<'_>,
    route: &Route,
    cluster: &ClusterSnapshot,
    again: Again,
) -> Vec<view::Term> {
    let mut all = timeouts(of, route, cluster);
    retries(of, route, cluster, again, &mut all);
    limits(of, route, cluster, &mut all);
    if let Action::Forward { rewrite, .. } = &route.action
        && let Some(how) = rewritten(rewrite)
    {
        all.push(term("path", how, "as endpoints see it"));
    }
    if let Mirror::To {
        cluster,
        per_mille,
        max_body,
    } = route.mirror
    {
        let name = of.sight.snapshot.config.clusters.get(cluster.index());
        let name = name.map_or("?", |one| one.name.as_str());
        let part = f64::from(per_mille) / 10.0;
        let about = if of.shape().may_be_mirrored(max_body) {
            "a copy; its answer is thrown away"
        } else {
            "not this one: its body is too long, or it expects leave to send it, or asks for another protocol"
        };
        all.push(term(
            "mirror",
            format!("{name}, {part} % of requests"),
            about,
        ));
    }
    let trace = &of.sight.snapshot.config.trace;
    if trace.is_on() {
        let believed = trace.trust || of.client.behind_proxy;
        let came = evenkeel_base::trace::Context::of(&of.view).filter(|_| believed);
        let (value, about) = match came {
            Some(came) if came.is_sampled() => (
                "sampled".to_owned(),
                "its traceparent says so, and is believed",
            ),
            Some(_) => (
                "not sampled".to_owned(),
                "its traceparent says so, and is believed",
            ),
            None => (
                format!("{} % sampled", f64::from(trace.sample) / 1_000.0),
                "by chance",
            ),
        };
        all.push(term("trace", value, about));
    }
    if of.call {
        all.push(term("gRPC", "a call", "a fault is told by grpc-status in a response 200; trailers pass both ways; the body has the cluster's idle_timeout"));
    }
    all
}

fn timeouts(of: &Asked<'_>, route: &Route, cluster: &ClusterSnapshot) -> Vec<view::Term> {
    let times = &cluster.config.timeouts;
    let allowed = patience::allowed(route, &of.view, of.call);
    let by_client = allowed < route.total_timeout;
    let about = if by_client {
        "for everything: the client says so"
    } else {
        "for everything, queue and all attempts, else 504"
    };
    let mut all = vec![
        term("total_timeout", time(allowed), about),
        term(
            "attempt_timeout",
            time(route.retry.attempt_timeout),
            "for one attempt up to its response's head",
        ),
        term(
            "connect_timeout",
            format_duration(times.connect),
            "for a connection and its handshake",
        ),
        term(
            "response_header_timeout",
            format_duration(times.response_header),
            "from the end of the request to the response's head",
        ),
        term(
            "idle_timeout",
            format_duration(times.idle),
            "without a byte either way",
        ),
    ];
    if of.request.upgrade.is_some() {
        all.push(term(
            "tunnel_timeout",
            format_duration(times.tunnel),
            "without a byte either way, once the protocol is switched",
        ));
    }
    all
}

fn retries(
    of: &Asked<'_>,
    route: &Route,
    cluster: &ClusterSnapshot,
    again: Again,
    all: &mut Vec<view::Term>,
) {
    let (rules, budget) = (&route.retry, &cluster.state.budget);
    let kinds = kinds(rules.on);
    let how = if rules.attempts == 0 {
        "a failed attempt is not repeated".to_owned()
    } else if again.repeatable {
        format!("after: {kinds}; never the same endpoint while another is left")
    } else {
        format!(
            "after: {kinds}; once something of the request was written it is not repeated, as its method is not idempotent or its body is not kept"
        )
    };
    all.push(term(
        "retry.attempts",
        format!("{} more", rules.attempts),
        how,
    ));
    if !rules.statuses.is_empty() {
        let statuses: Vec<String> = rules.statuses.iter().map(|one| one.to_string()).collect();
        all.push(term(
            "retry.statuses",
            statuses.join(", "),
            "are tried again as well",
        ));
    }
    if !rules.grpc_statuses.is_empty() && of.call {
        let statuses: Vec<&str> = rules
            .grpc_statuses
            .iter()
            .map(evenkeel_base::GrpcStatus::name)
            .collect();
        all.push(term(
            "retry.grpc_statuses",
            statuses.join(", "),
            "are tried again as well",
        ));
    }
    if let Some(most) = again.keeps {
        all.push(term(
            "retry.replay_buffer",
            format!("{most} bytes"),
            "of the body are kept for another attempt",
        ));
    }
    let rate = cluster.config.budget.ratio;
    let left = if of.sight.live {
        format!("{} left", budget.tokens())
    } else {
        format!("{} to begin with", budget.tokens())
    };
    all.push(term(
        "budget",
        left,
        format!("a request brings {rate}, a retry or hedge takes 1"),
    ));
    all.extend(hedge(rules.hedge, cluster, of.shape()));
}

/// A second attempt beside the first; none where the route has none.
fn hedge(hedge: HedgeRules, cluster: &ClusterSnapshot, shape: Shape) -> Option<view::Term> {
    if hedge.percentile == 0 {
        return None;
    }
    let now = match cluster.state.hedge_delay(hedge.percentile) {
        Some(delay) => format!("after {}", rough(delay.max(hedge.min_delay))),
        None => "not yet: too little is known".to_owned(),
    };
    let about = if shape.may_race(&hedge) {
        format!(
            "a second attempt when the first takes longer than {} % of requests",
            hedge.percentile
        )
    } else {
        "not for this one: only what is idempotent, has no body and asks for no other protocol is sent twice at once"
            .to_owned()
    };
    Some(term("hedge", now, about))
}

fn kinds(on: RetryOn) -> String {
    let kinds = [
        (on.connect, "no connection"),
        (on.reset, "a connection that ended"),
        (on.timeout, "no answer in time"),
        (on.malformed, "an answer that is not HTTP"),
    ];
    let named: Vec<&str> = kinds
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, name)| *name)
        .collect();
    if named.is_empty() {
        "nothing".to_owned()
    } else {
        named.join(", ")
    }
}

fn limits(of: &Asked<'_>, route: &Route, cluster: &ClusterSnapshot, all: &mut Vec<view::Term>) {
    let (rules, state) = (&cluster.config.limits, &cluster.state.limits);
    let used = |now: u32, most: u32| {
        if of.sight.live {
            format!("{now} of {most}")
        } else {
            most.to_string()
        }
    };
    if rules.requests != u32::MAX {
        all.push(term(
            "limits.requests",
            used(state.requests(), rules.requests),
            "in flight to the cluster",
        ));
    }
    if rules.connections != u32::MAX {
        all.push(term(
            "limits.connections",
            used(state.connections(), rules.connections),
            "open to the cluster",
        ));
    }
    match rules.endpoint_requests {
        EndpointLimit::Off => {}
        EndpointLimit::Fixed(most) => all.push(term(
            "limits.endpoint_requests",
            most.to_string(),
            "in flight to one endpoint",
        )),
        EndpointLimit::Adaptive(rules) => all.push(term(
            "limits.endpoint_requests",
            format!("{} to {}", rules.min, rules.max),
            "in flight to one endpoint, as its latency allows",
        )),
    }
    if rules.endpoint_connections != u32::MAX {
        all.push(term(
            "limits.endpoint_connections",
            rules.endpoint_connections.to_string(),
            "open to one endpoint",
        ));
    }
    if !rules.is_off() {
        let queue = &rules.queue;
        let timeout: Duration = queue.timeout;
        let about = format!("wait for {} at most", format_duration(timeout));
        all.push(term(
            "limits.queue",
            used(state.room.len(), queue.size),
            about,
        ));
    }
    all.push(term(
        "priority",
        route.priority.name(),
        "who waits in front, and who is refused first when the process is short",
    ));
}
