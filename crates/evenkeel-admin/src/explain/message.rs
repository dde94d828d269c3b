//! What an endpoint is sent: the line and the fields of the request, before and after.

use evenkeel_base::unit::format_duration;
use evenkeel_base::{grpc, trace};
use evenkeel_config::model::{Action, HostRewrite, PathRewrite, Route};
use evenkeel_http1::Expect;
use evenkeel_policy::Tried;
use evenkeel_state::decide::fields::{RequestRules, Trace, pass_trailers};
use evenkeel_state::decide::{patience, sticky, target};
use evenkeel_state::{ClusterSnapshot, Endpoint};

use super::{Asked, fields, shown};
use crate::view::explain as view;

/// Tells of both directions; of an endpoint that is only likely the cookie is left out.
pub(super) fn tell(
    of: &Asked<'_>,
    route: &Route,
    cluster: &ClusterSnapshot,
    (likely, certain): (Option<usize>, Option<usize>),
) -> (Option<view::Message>, Vec<view::Field>) {
    let list = &cluster.endpoints.list;
    let endpoint = likely.and_then(|at| list.get(at)).or_else(|| list.first());
    let request = endpoint.and_then(|endpoint| request(of, route, endpoint));
    let claim = sticky::claim(cluster, &of.view).map(|claim| claim.at);
    let due = certain.and_then(|at| {
        let cookie = sticky::due(cluster, at, claim, &Tried::new())?;
        let id = list.get(at).map(|one| one.id.to_string())?;
        Some((cookie.name().to_owned(), id))
    });
    let config = &of.sight.snapshot.config;
    (
        request,
        fields::response(config, &route.response_headers, due),
    )
}

fn request(of: &Asked<'_>, route: &Route, endpoint: &Endpoint) -> Option<view::Message> {
    let Action::Forward { rewrite, host, .. } = &route.action else {
        return None;
    };
    let mut buffer = Vec::new();
    let path = target::rewrite(of.view.path(), rewrite, &mut buffer);
    let mut sent = format!("{} {}", shown(of.view.method_name()), shown(path));
    if let Some(query) = of.view.query() {
        sent.push('?');
        sent.push_str(&shown(query));
    }
    let told = of.door.listener.tls.as_ref();
    let told = told
        .and_then(|tls| tls.client.as_ref())
        .map(|one| &one.headers);
    let from = of
        .question
        .from
        .map_or_else(String::new, |ip| ip.to_string());
    let allowed = patience::allowed(route, &of.view, of.call);
    let trace = of.trace();
    let rules = RequestRules {
        client: of.client,
        from: of.question.from,
        from_text: &from,
        host: target::host(&of.view, host, endpoint),
        request_id: fields::MADE.as_bytes(),
        expect: of.request.expect == Expect::Continue,
        trailers: pass_trailers(route, of.call),
        grpc_timeout: (of.call && allowed != std::time::Duration::MAX)
            .then_some(grpc::Timeout(allowed)),
        trace: trace.as_ref(),
        edits: &route.request_headers,
        proof: of.door.proof,
        told,
        proven: of.sight.snapshot.proven(),
    };
    let mut all = fields::request(&of.sight.snapshot.config, &of.view, &rules);
    // These two are written by whoever writes the message, and not by the rules for fields.
    if let Some(upgrade) = of.request.upgrade {
        let value = shown(of.view.span(upgrade));
        all.push(fields::ours(
            "Connection",
            "upgrade",
            "the protocol may be switched",
        ));
        all.push(fields::ours(
            "Upgrade",
            &value,
            "the protocol may be switched",
        ));
    }
    let host_is = match host {
        HostRewrite::Keep => "the client's (`host_header` keeps it)",
        HostRewrite::Set(_) => "the route sets it (`host_header`)",
        HostRewrite::Endpoint => "the endpoint's own (`host_header`)",
    };
    if let Some(first) = all
        .iter_mut()
        .find(|one| one.name.eq_ignore_ascii_case("host"))
    {
        first.why = host_is.to_owned();
    }
    Some(view::Message {
        came: shown(of.question.line.as_bytes()),
        sent,
        fields: all,
    })
}

impl Asked<'_> {
    fn is_traced(&self) -> bool {
        self.sight.snapshot.config.trace.is_on()
    }

    /// What endpoints are told of the trace; its numbers are made for each request.
    fn trace(&self) -> Option<Trace> {
        self.is_traced().then(|| Trace {
            parent: [b'0'; trace::LENGTH],
            is_kept: trace::Context::of(&self.view).is_some(),
        })
    }
}

/// What a rewrite does, in words; none: nothing.
pub(super) fn rewritten(rewrite: &PathRewrite) -> Option<String> {
    match rewrite {
        PathRewrite::Keep => None,
        PathRewrite::ReplacePrefix { with, .. } if with.is_empty() => {
            Some("the route's prefix is stripped".to_owned())
        }
        PathRewrite::ReplacePrefix { with, .. } => {
            Some(format!("the route's prefix becomes {with}"))
        }
    }
}

/// A time, or that there is none.
pub(super) fn time(duration: std::time::Duration) -> String {
    if duration == std::time::Duration::MAX {
        "off".to_owned()
    } else {
        format_duration(duration)
    }
}
