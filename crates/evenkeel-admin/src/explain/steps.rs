//! What a request is asked between its route and what that does: lists, limits, and how near the process is to its own.

use std::borrow::Cow;
use std::net::IpAddr;

use evenkeel_base::path::canonical;
use evenkeel_base::rules::RateKey;
use evenkeel_base::unit::format_duration;
use evenkeel_base::{Fault, Network, RouteId};
use evenkeel_config::model::Route;
use evenkeel_state::decide::rate::key;
use evenkeel_state::decide::spelling::{Refused, refused};

use super::{Asked, shown};
use crate::view::explain as view;

fn step(what: &str, passes: bool, why: impl Into<String>) -> view::Step {
    view::Step {
        what: what.to_owned(),
        passes,
        why: why.into(),
    }
}

/// What is asked before limits; `fault` is what the data plane's own function says of it. What stands behind the first that does not
/// pass is not asked.
pub(super) fn admission(
    of: &Asked<'_>,
    route: Option<&Route>,
    fault: Option<Fault>,
    told: &mut view::Explanation,
) {
    let steps = [
        (Fault::MethodRefused, "method", method(of)),
        (Fault::Misdirected, "certificate", certificate(of)),
        (Fault::NoRoute, "route", "one matches".to_owned()),
        (
            Fault::RequestDenied,
            "allow, deny",
            route.map_or_else(String::new, |route| lists(of, route)),
        ),
        (
            Fault::RequestPathRefused,
            "path",
            route.map_or_else(String::new, |route| path(of, route)),
        ),
        (
            Fault::ExpectationFailed,
            "Expect",
            "nothing, or 100-continue".to_owned(),
        ),
        (
            Fault::RequestBodyTooLarge,
            "max_request_body",
            route.map_or_else(String::new, |route| size(of, route)),
        ),
    ];
    for (refused_by, what, why) in steps {
        if fault == Some(refused_by) {
            let why = match refused_by {
                Fault::NoRoute => "none matches".to_owned(),
                Fault::ExpectationFailed => "it expects something that nobody knows".to_owned(),
                _ => why,
            };
            told.steps.push(step(what, false, why));
            return;
        }
        if !why.is_empty() {
            told.steps.push(step(what, true, why));
        }
    }
}

fn method(of: &Asked<'_>) -> String {
    format!(
        "{}: all but CONNECT and TRACE pass",
        shown(of.view.method_name())
    )
}

fn certificate(of: &Asked<'_>) -> String {
    if of.door.proof.is_none() {
        return String::new();
    }
    format!(
        "whether the connection, made for {}, is one for host {}",
        of.question.host,
        shown(of.view.authority())
    )
}

/// What is said of how the path is spelt, by the data plane's own function. Nothing of the usual one.
fn path(of: &Asked<'_>, route: &Route) -> String {
    let came = of.view.path();
    let snapshot = of.sight.snapshot;
    let Cow::Owned(path) = canonical(came) else {
        return String::new();
    };
    let taken = snapshot.route(of.door.id, &path, &of.view);
    let refused = taken.and_then(|taken| refused(snapshot, of.door.id, &of.view, &path, taken));
    match refused {
        None if path != came => format!("routes are compared with {}", shown(&path)),
        None if route.allow_dot_segments => "`.` and `..` pass as they are".to_owned(),
        None => "however an endpoint reads it, no other route guards it more".to_owned(),
        Some(Refused::Dots) => {
            "it has `.` or `..` segments, and the route does not allow them (`allow_dot_segments`)"
                .to_owned()
        }
        Some(Refused::Zero) => "it has a zero byte".to_owned(),
        Some(Refused::Reading { path, route }) => {
            let routes = &snapshot.config.routes;
            let name = routes
                .get(route.index())
                .map_or("?", |one| one.name.as_str());
            format!(
                "an endpoint may read it as {}, and route \"{name}\" guards that",
                shown(&path)
            )
        }
    }
}

fn size(of: &Asked<'_>, route: &Route) -> String {
    let most = match route.max_request_body.bytes() {
        u64::MAX => "any length is allowed".to_owned(),
        _ => format!("at most {} are allowed", route.max_request_body),
    };
    match of.asks().length {
        Some(0) => format!("no body; {most}"),
        Some(length) => format!("{length} bytes; {most}"),
        None => format!("a body of unknown length, counted as it comes; {most}"),
    }
}

/// The entry of the lists that decides. Whether it may pass is said by whoever asks.
fn lists(of: &Asked<'_>, route: &Route) -> String {
    if route.allow.is_empty() && route.deny.is_empty() {
        return "no lists: everybody may".to_owned();
    }
    let Some(ip) = of.client.ip else {
        return "a client without an address is in no list".to_owned();
    };
    if let Some(entry) = entry(&route.deny, ip) {
        return format!("{ip} is in `deny` {entry}");
    }
    match entry(&route.allow, ip) {
        Some(entry) => format!("{ip} is in `allow` {entry}"),
        None if route.allow.is_empty() => format!("{ip} is not in `deny`"),
        None => format!("{ip} is in none of `allow`"),
    }
}

fn entry(list: &[Network], ip: IpAddr) -> Option<&Network> {
    list.iter().find(|network| network.contains(ip))
}

/// The route's rate limits; whether all admit it. They are looked at, and count nothing.
pub(super) fn rates(of: &Asked<'_>, id: RouteId, told: &mut view::Explanation) -> bool {
    for limiter in of.sight.snapshot.rate_limits(id) {
        let rules = limiter.rules();
        let key = key(&rules.key, &of.view, of.client);
        let decision = limiter.look(&key, of.sight.now_us);
        let by = match &rules.key {
            RateKey::Route => "all clients together".to_owned(),
            RateKey::Client => format!(
                "client {}",
                of.client
                    .ip
                    .map_or_else(|| "without an address".to_owned(), |ip| ip.to_string())
            ),
            RateKey::Path => format!("path {}", shown(&key)),
            RateKey::Header(name) => format!("header {name} \"{}\"", shown(&key)),
            RateKey::Cookie(name) => format!("cookie {name} \"{}\"", shown(&key)),
        };
        let limit = format!(
            "{} per {}, {} at once",
            rules.requests,
            format_duration(rules.per),
            rules.burst
        );
        let passes = decision.admitted || rules.dry_run;
        let why = if decision.admitted {
            format!("{by}: {limit}; {} more after this one", decision.remaining)
        } else if rules.dry_run {
            format!("{by}: {limit}; used up, but the limit is on trial (`dry_run`)")
        } else {
            format!(
                "{by}: {limit}; used up, the next one passes in {}",
                super::rough(decision.retry_after)
            )
        };
        told.steps.push(step("rate_limit", passes, why));
        if !passes {
            return false;
        }
    }
    true
}

/// Whether the process has room for a request of that priority.
pub(super) fn level(of: &Asked<'_>, route: &Route, told: &mut view::Explanation) -> bool {
    let (level, priority) = (of.sight.level, route.priority);
    let refused = level.refuses(priority);
    if of.sight.live {
        let why = format!("the process is at level {level}; the route's priority is {priority}");
        told.steps.push(step("overload", !refused, why));
    }
    !refused
}
