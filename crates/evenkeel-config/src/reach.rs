//! How routes stand to each other: which two tie, and which one no request can reach.
//!
//! The most specific match wins, whatever the order in the file; [`evenkeel_base::matching::Specificity`] says what that
//! is, here and for the table that `evenkeel-route` compiles. It reads no file; it compares what was read.

use std::collections::HashMap;

use evenkeel_base::matching::{HostPattern, PathPattern, RouteMatch, ValuePattern};

use crate::raw::{Cx, Span};

/// A route as it is compared.
pub(crate) struct Candidate<'a> {
    pub(crate) name: &'a str,
    pub(crate) matching: &'a RouteMatch,
    pub(crate) span: Span,
}

/// Reports ties and routes that another one always comes before. `listeners` is how many there are.
pub(crate) fn check(routes: &[Candidate<'_>], listeners: usize, cx: &mut Cx<'_>) {
    let mut places: HashMap<Place<'_>, Vec<usize>> = HashMap::new();
    for (index, route) in routes.iter().enumerate() {
        for place in places_of(route.matching) {
            places.entry(place).or_default().push(index);
        }
    }
    for (index, route) in routes.iter().enumerate() {
        report_tie(index, routes, &places, cx);
        let first = places_of(route.matching).next();
        let alike = first.and_then(|place| places.get(&place));
        report_hidden(
            route,
            routes,
            alike.map_or(&[], Vec::as_slice),
            listeners,
            cx,
        );
    }
}

/// Two routes can only tie, or one hide the other, at the same path and host pattern: else one is more specific.
/// With 10,000 hosts and the path `/` this keeps checking from being quadratic.
type Place<'a> = (&'a PathPattern, Option<&'a HostPattern>);

fn places_of(matching: &RouteMatch) -> impl Iterator<Item = Place<'_>> {
    let any = matching.hosts.is_empty().then_some(None);
    let hosts = matching.hosts.iter().map(Some);
    any.into_iter()
        .chain(hosts)
        .map(|host| (&matching.path, host))
}

fn report_tie(
    index: usize,
    routes: &[Candidate<'_>],
    places: &HashMap<Place<'_>, Vec<usize>>,
    cx: &mut Cx<'_>,
) {
    let Some(route) = routes.get(index) else {
        return;
    };
    let earlier = places_of(route.matching).find_map(|place| {
        let alike = places
            .get(&place)?
            .iter()
            .take_while(|&&other| other < index);
        alike
            .filter_map(|&other| routes.get(other))
            .find(|other| tie(other.matching, route.matching, place.1))
    });
    let Some(other) = earlier else {
        return;
    };
    let (message, help) = if other.matching == route.matching {
        (
            "this route matches the same requests as another one",
            "the order of routes says nothing, so neither can win: join the two, or give one a condition more",
        )
    } else {
        (
            "this route and another one can match the same request, and neither is more specific",
            "give one of them the other's conditions too, so that it is the more specific one",
        )
    };
    cx.error(route.span.clone(), format!("{message}: \"{}\"", other.name))
        .note(other.span.clone(), "the other one is here")
        .help(help);
}

/// Whether some request for this host, which both name, matches both, and neither outranks the other on it.
fn tie(a: &RouteMatch, b: &RouteMatch, host: Option<&HostPattern>) -> bool {
    a.specificity(host) == b.specificity(host)
        && share(&a.listeners, &b.listeners)
        && share(&a.methods, &b.methods)
        && together(&a.headers, &b.headers)
        && together(&a.query, &b.query)
}

/// Whether both are "any" or have one in common. One that is "any" has another rank than one that is not.
fn share<T: PartialEq>(a: &[T], b: &[T]) -> bool {
    (a.is_empty() && b.is_empty()) || a.iter().any(|item| b.contains(item))
}

type Conditions = [(String, ValuePattern)];

/// Whether one request can meet both. Two values of one name count as exclusive, as they are meant, though a field
/// may be repeated.
fn together(a: &Conditions, b: &Conditions) -> bool {
    let clash = |x: &ValuePattern, y: &ValuePattern| match (x, y) {
        (ValuePattern::Exact(x), ValuePattern::Exact(y)) => x != y,
        (ValuePattern::Absent, other) | (other, ValuePattern::Absent) => {
            *other != ValuePattern::Absent
        }
        _ => false,
    };
    !a.iter()
        .any(|(name, x)| b.iter().any(|(other, y)| name == other && clash(x, y)))
}

/// Reports a route for every listener when on each of them a bound one always comes before it.
fn report_hidden(
    route: &Candidate<'_>,
    routes: &[Candidate<'_>],
    alike: &[usize],
    listeners: usize,
    cx: &mut Cx<'_>,
) {
    if !route.matching.listeners.is_empty() || listeners == 0 {
        return;
    }
    let mut covered = vec![false; listeners];
    let mut by: Vec<&Candidate<'_>> = Vec::new();
    for other in alike.iter().filter_map(|&index| routes.get(index)) {
        if other.matching.listeners.is_empty() || !hides(other.matching, route.matching) {
            continue;
        }
        by.push(other);
        for id in &other.matching.listeners {
            if let Some(covered) = covered.get_mut(id.index()) {
                *covered = true;
            }
        }
    }
    if covered.contains(&false) {
        return;
    }
    let mut said = cx.error(
        route.span.clone(),
        "this route can never match: on every listener a bound route comes before it",
    );
    for other in by.iter().take(3) {
        said = said.note(
            other.span.clone(),
            format!("\"{}\" comes before it", other.name),
        );
    }
    said.help("give this route another path, host or listener, or leave it out");
}

/// Whether the bound route `a` matches everything that the unbound route `b` with the same path does, at no lower
/// host rank. Being bound then decides before any condition is counted.
fn hides(a: &RouteMatch, b: &RouteMatch) -> bool {
    let hosts = if b.hosts.is_empty() {
        a.hosts.is_empty()
    } else {
        b.hosts.iter().all(|host| a.hosts.contains(host))
    };
    let methods = a.methods.is_empty()
        || (!b.methods.is_empty() && b.methods.iter().all(|method| a.methods.contains(method)));
    hosts && methods && implied(&a.headers, &b.headers) && implied(&a.query, &b.query)
}

/// Whether every condition of `weaker` holds whenever those of `stronger` do.
fn implied(weaker: &Conditions, stronger: &Conditions) -> bool {
    weaker.iter().all(|(name, want)| {
        stronger.iter().any(|(other, have)| {
            name == other
                && (want == have
                    || (*want == ValuePattern::Present && matches!(have, ValuePattern::Exact(_))))
        })
    })
}

#[cfg(test)]
mod tests;
