//! Which route a request takes, which others match as well, and which nearly do.

use std::cmp::Reverse;
use std::collections::HashSet;

use evenkeel_base::matching::{HostPattern, PathPattern, ValuePattern, host_of};
use evenkeel_base::path::canonical;
use evenkeel_base::{RequestView, RouteId};
use evenkeel_config::model::{Action, Config, Mirror, Redirect, Route};
use evenkeel_config::{shown_text, shown_value};
use evenkeel_route::{Asked as Condition, asked};

use super::{Asked, shown};
use crate::view::explain as view;

/// So many other routes are told of.
const OTHERS: usize = 8;

/// So many values of a field or parameter are told of.
const VALUES: usize = 4;

/// Tells of the route that was found, and of those that were not. Of a request that was refused before it had a route the table is
/// asked all the same.
pub(super) fn tell(of: &Asked<'_>, taken: Option<RouteId>, told: &mut view::Explanation) {
    let snapshot = of.sight.snapshot;
    let considered = snapshot.considered(of.door.id, &of.view);
    let matching: Vec<RouteId> = considered
        .iter()
        .filter(|one| one.holds)
        .map(|one| one.route)
        .collect();
    let routes = &snapshot.config.routes;
    let one = |id: RouteId, place: &str, why: &str| {
        let route = routes.get(id.index())?;
        Some(view::Route {
            name: route.name.clone(),
            place: place.to_owned(),
            why: why.to_owned(),
            action: action(&snapshot.config, route),
            conditions: conditions(of, route),
        })
    };
    let most = match matching.len() {
        0 | 1 => "the only one that matches".to_owned(),
        n => format!("the most specific of {n} that match"),
    };
    told.route = taken.and_then(|id| one(id, "taken", &most));
    let mut others: Vec<view::Route> = matching
        .iter()
        .filter(|id| Some(**id) != taken)
        .filter_map(|id| {
            let other = "it matches as well, and is less specific";
            one(*id, "less-specific", other)
        })
        .take(OTHERS)
        .collect();
    let known: HashSet<RouteId> = matching.iter().copied().chain(taken).collect();
    let mut near: Vec<(usize, usize, Reverse<usize>, RouteId)> = (0..)
        .map(RouteId::new)
        .zip(routes)
        .filter(|(id, _)| !known.contains(id))
        .map(|(id, route)| {
            let (misses, place) = distance(of, route);
            (misses, place, Reverse(same_start(route, &of.view)), id)
        })
        .collect();
    near.sort_unstable();
    let room = OTHERS.saturating_sub(others.len());
    others.extend(near.iter().take(room).filter_map(|(.., id)| {
        let route = routes.get(id.index())?;
        one(*id, "near", &misses(of, route))
    }));
    told.others_left_out = (matching.len().saturating_sub(usize::from(taken.is_some()))
        + near.len())
    .saturating_sub(others.len());
    told.others = others;
}

/// How many conditions a request misses, and how much it matters where: a route for another host is further away than one for
/// another path, and that further than one for another method.
fn distance(of: &Asked<'_>, route: &Route) -> (usize, usize) {
    let missed = asked(&route.matching).filter(|one| !one.holds(of.door.id, &of.view));
    missed.fold((0, 0), |(count, worst), one| {
        let place = match one {
            Condition::Method(_) => 0,
            Condition::Header(..) | Condition::Query(..) => 1,
            Condition::Listener(_) => 2,
            Condition::Path(_) => 3,
            Condition::Host(_) => 4,
        };
        (count + 1, worst.max(place))
    })
}

/// How many bytes path and pattern begin with in common.
fn same_start(route: &Route, view: &RequestView<'_>) -> usize {
    let (PathPattern::Exact(path) | PathPattern::Prefix(path)) = &route.matching.path;
    let asked = canonical(view.path());
    let both = path.bytes().zip(asked.iter());
    both.take_while(|(a, b)| a == *b).count()
}

/// What keeps a request from a route, and what does not: `path /api matches; method is GET, asks for POST`.
fn misses(of: &Asked<'_>, route: &Route) -> String {
    let all = conditions(of, route);
    let (holds, missed): (Vec<_>, Vec<_>) = all.iter().partition(|one| one.holds);
    let named: Vec<&str> = holds.iter().map(|one| one.of.as_str()).collect();
    let missed: Vec<String> = missed
        .iter()
        .map(|one| format!("{} is {}, not {}", one.of, one.has, one.asks))
        .collect();
    let missed = missed.join("; ");
    match named.as_slice() {
        [] => missed,
        [one] => format!("{one} matches; {missed}"),
        several => format!("{} match; {missed}", several.join(", ")),
    }
}

fn conditions(of: &Asked<'_>, route: &Route) -> Vec<view::Condition> {
    let one = |condition: Condition<'_>| {
        let (what, asks, has) = words(of, condition);
        view::Condition {
            of: what,
            asks,
            has,
            holds: condition.holds(of.door.id, &of.view),
        }
    };
    asked(&route.matching).map(one).collect()
}

/// What a condition looks at, what it wants, and what there is.
fn words(of: &Asked<'_>, condition: Condition<'_>) -> (String, String, String) {
    let config = &of.sight.snapshot.config;
    let (what, asks, has) = match condition {
        Condition::Listener(ids) => {
            let listeners = &config.listeners;
            let names = ids.iter().filter_map(|id| listeners.get(id.index()));
            let names: Vec<&str> = names.map(|one| one.name.as_str()).collect();
            (
                "listener".to_owned(),
                names.join(" or "),
                of.door.listener.name.clone(),
            )
        }
        Condition::Host(hosts) => {
            let names: Vec<String> = hosts.iter().map(HostPattern::to_string).collect();
            (
                "host".to_owned(),
                names.join(" or "),
                shown(host_of(of.view.authority())),
            )
        }
        Condition::Path(path) => {
            let asks = match path {
                PathPattern::Exact(path) => format!("exactly {}", shown_text(config, path)),
                PathPattern::Prefix(path) if path.is_empty() => "anything".to_owned(),
                PathPattern::Prefix(path) => format!("{} or below it", shown_text(config, path)),
            };
            ("path".to_owned(), asks, shown(&canonical(of.view.path())))
        }
        Condition::Method(methods) => (
            "method".to_owned(),
            methods.join(" or "),
            shown(of.view.method_name()),
        ),
        Condition::Header(name, pattern) => {
            let has = listed(&condition.values(&of.view));
            (format!("header {name}"), wish(config, name, pattern), has)
        }
        Condition::Query(name, pattern) => {
            let has = listed(&condition.values(&of.view));
            (format!("query {name}"), wish(config, name, pattern), has)
        }
    };
    (what, asks, has)
}

fn listed(values: &[&[u8]]) -> String {
    let all: Vec<String> = values
        .iter()
        .take(VALUES)
        .map(|value| format!("\"{}\"", shown(value)))
        .collect();
    if all.is_empty() {
        "absent".to_owned()
    } else {
        all.join(", ")
    }
}

/// A value is shown as the configuration is: it may be what lets a client in.
fn wish(config: &Config, name: &str, pattern: &ValuePattern) -> String {
    match pattern {
        ValuePattern::Present => "present".to_owned(),
        ValuePattern::Absent => "absent".to_owned(),
        ValuePattern::Exact(value) => match shown_value(config, name, value) {
            open if open == *value => format!("\"{value}\""),
            hidden => hidden,
        },
    }
}

/// What a route does, in short.
fn action(config: &Config, route: &Route) -> String {
    let name = |id: evenkeel_base::ClusterId| {
        let cluster = config.clusters.get(id.index());
        cluster.map_or("?", |cluster| cluster.name.as_str())
    };
    match &route.action {
        Action::Respond(respond) => format!("responds {}", respond.status),
        Action::Redirect(Redirect { status, .. }) => format!("redirects with {status}"),
        Action::Forward { split, .. } => {
            let names: Vec<&str> = split.clusters().map(name).collect();
            let mirrored = match route.mirror {
                Mirror::Off => String::new(),
                Mirror::To { cluster, .. } => format!(", mirrored to {}", name(cluster)),
            };
            format!("forwards to {}{mirrored}", names.join(" or "))
        }
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_config::{Nowhere, check};

    use super::*;

    #[test]
    fn a_value_that_lets_a_client_in_is_not_told() {
        let text = "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\nrespond.body = \"x\"\n";
        let config = check(text, "test", &Nowhere).config.unwrap();
        for (name, pattern, expected) in [
            (
                "x-api-key",
                ValuePattern::Exact("s".to_owned()),
                "(left out)",
            ),
            ("x-api-key", ValuePattern::Present, "present"),
            ("x-tenant", ValuePattern::Exact("s".to_owned()), "\"s\""),
        ] {
            assert_eq!(wish(&config, name, &pattern), expected, "{name}");
        }
    }
}
