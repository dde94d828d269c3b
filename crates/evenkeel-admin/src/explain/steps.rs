//! What a request is asked between its route and what that does: lists, limits, and how near the process is to its own.

use std::net::IpAddr;

use evenkeel_base::rules::RateKey;
use evenkeel_base::unit::format_duration;
use evenkeel_base::{Fault, Network, RouteId};
use evenkeel_config::model::Route;
use evenkeel_state::decide::rate::key;

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
            "allow_dot_segments",
            route.map_or_else(String::new, dots),
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
                Fault::RequestPathRefused => {
                    "the path has `.` or `..` segments, and the route does not allow them"
                        .to_owned()
                }
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

fn dots(route: &Route) -> String {
    if route.allow_dot_segments {
        "`.` and `..` pass as they are".to_owned()
    } else {
        "the path has no `.` or `..` segments".to_owned()
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
