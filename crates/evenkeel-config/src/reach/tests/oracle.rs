//! Ties and hidden routes against brute force: every request of a small world is matched with every route.

use evenkeel_base::ListenerId;
use evenkeel_base::matching::{HostPattern, PathPattern, RouteMatch, Specificity, ValuePattern};
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::sample::{select, subsequence};
use proptest::{prop_assert, prop_assert_eq, proptest};

use crate::Nowhere;
use crate::raw::Cx;
use crate::reach::{Candidate, check};

/// A request, as far as routes look at it. A field is there once or not at all.
#[derive(Clone, Copy, Debug)]
struct Request {
    listener: u32,
    host: &'static str,
    path: &'static str,
    method: &'static str,
    x: Option<&'static str>,
    y: Option<&'static str>,
    query: Option<&'static str>,
}

/// Every request of the small world. It has one value more of each kind than the routes name.
fn requests() -> impl Iterator<Item = Request> {
    let pick = |n: &mut usize, from: usize| {
        let digit = *n % from;
        *n /= from;
        digit
    };
    let value = |digit: usize| [None, Some("1"), Some("2"), Some("3")][digit];
    (0..2 * 4 * 3 * 3 * 4 * 4 * 4).map(move |mut n| Request {
        listener: [0, 1][pick(&mut n, 2)],
        host: ["a", "n.a", "m.n.a", "b"][pick(&mut n, 4)],
        path: ["/", "/p", "/p/q"][pick(&mut n, 3)],
        method: ["GET", "PUT", "POST"][pick(&mut n, 3)],
        x: value(pick(&mut n, 4)),
        y: value(pick(&mut n, 4)),
        query: value(pick(&mut n, 4)),
    })
}

/// How specific a route is for a request; `None` when it does not match.
fn rank(route: &RouteMatch, request: &Request) -> Option<Specificity> {
    let holds = |pattern: &ValuePattern, value: Option<&str>| match pattern {
        ValuePattern::Present => value.is_some(),
        ValuePattern::Absent => value.is_none(),
        ValuePattern::Exact(exact) => value == Some(exact),
    };
    let any_or = |empty: bool, found: bool| empty || found;
    let matches = route.path.matches(request.path.as_bytes())
        && any_or(
            route.listeners.is_empty(),
            route.listeners.contains(&ListenerId::new(request.listener)),
        )
        && any_or(
            route.methods.is_empty(),
            route.methods.iter().any(|m| m == request.method),
        )
        && route
            .headers
            .iter()
            .all(|(name, pattern)| holds(pattern, if name == "x" { request.x } else { request.y }))
        && route
            .query
            .iter()
            .all(|(_, pattern)| holds(pattern, request.query));
    if !matches {
        return None;
    }
    if route.hosts.is_empty() {
        return Some(route.specificity(None));
    }
    let hosts = route
        .hosts
        .iter()
        .filter(|host| host.matches(request.host.as_bytes()));
    hosts.map(|host| route.specificity(Some(host))).max()
}

fn a_condition() -> impl Strategy<Value = Option<ValuePattern>> {
    prop_oneof![
        3 => Just(None),
        1 => Just(Some(ValuePattern::Present)),
        1 => Just(Some(ValuePattern::Absent)),
        1 => Just(Some(ValuePattern::Exact("1".into()))),
        1 => Just(Some(ValuePattern::Exact("2".into()))),
    ]
}

fn a_route() -> impl Strategy<Value = RouteMatch> {
    let hosts = vec![
        HostPattern::Exact("a".into()),
        HostPattern::Suffix(".a".into()),
        HostPattern::Suffix(".n.a".into()),
    ];
    let paths = vec![
        PathPattern::default(),
        PathPattern::Prefix("/p".into()),
        PathPattern::Exact("/p".into()),
    ];
    let listeners = vec![ListenerId::new(0), ListenerId::new(1)];
    let methods = vec!["GET".to_owned(), "PUT".to_owned()];
    (
        subsequence(listeners, 0..=2),
        subsequence(hosts, 0..=2),
        select(paths),
        subsequence(methods, 0..=2),
        (a_condition(), a_condition(), a_condition()),
    )
        .prop_map(|(listeners, hosts, path, methods, (x, y, query))| {
            let named =
                |name: &str, pattern: Option<ValuePattern>| pattern.map(|p| (name.to_owned(), p));
            RouteMatch {
                listeners,
                hosts,
                path,
                methods,
                headers: named("x", x).into_iter().chain(named("y", y)).collect(),
                query: named("q", query).into_iter().collect(),
            }
        })
}

/// What is reported about these routes: how many tie with an earlier one, and which can never match.
fn reported(routes: &[RouteMatch]) -> (usize, Vec<usize>) {
    // The place of a report says which route it is about.
    let text = " ".repeat(routes.len());
    let mut cx = Cx::new(&text, "t", &Nowhere, |_| None);
    let candidates: Vec<Candidate<'_>> = routes
        .iter()
        .enumerate()
        .map(|(i, matching)| Candidate {
            name: "",
            matching,
            span: i..i + 1,
        })
        .collect();
    check(&candidates, 2, &mut cx);
    let found = cx.finish();
    let (hidden, ties): (Vec<_>, Vec<_>) = found
        .iter()
        .partition(|d| d.message.contains("never match"));
    let places = hidden.iter().map(|d| d.place.bytes.start).collect();
    (ties.len(), places)
}

proptest! {
    #[test]
    fn two_routes_tie_exactly_when_some_request_cannot_choose(a in a_route(), b in a_route()) {
        let tied = requests().any(|request| {
            let (a, b) = (rank(&a, &request), rank(&b, &request));
            a.is_some() && a == b
        });
        prop_assert_eq!(reported(&[a, b]).0 > 0, tied);
    }

    #[test]
    fn a_route_that_is_reported_as_hidden_wins_no_request(
        routes in proptest::collection::vec(a_route(), 2..5),
    ) {
        let (_, hidden) = reported(&routes);
        for request in requests() {
            let ranks: Vec<_> = routes.iter().map(|route| rank(route, &request)).collect();
            for &route in &hidden {
                let beaten = ranks[route] < ranks.iter().copied().max().flatten();
                prop_assert!(ranks[route].is_none() || beaten, "{:?} reaches {}", request, route);
            }
        }
    }

    #[test]
    fn an_unbound_route_that_bound_twins_always_come_before_is_reported(a in a_route()) {
        let unbound = RouteMatch { listeners: Vec::new(), ..a.clone() };
        let bound = |id| RouteMatch { listeners: vec![ListenerId::new(id)], ..a.clone() };
        prop_assert_eq!(reported(&[bound(0), unbound.clone(), bound(1)]), (0, vec![1]));
        prop_assert_eq!(reported(&[bound(0), unbound]), (0, Vec::new()));
    }
}
