//! The compiled table against a scan of all routes, on random routes and requests over a small alphabet.

use evenkeel_base::matching::ValuePattern;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::compile;
use crate::fuzzing::{Request, check};
use crate::table::{HostPattern, ListenerId, PathPattern, RouteMatch};

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// And what people are told is what happens: the first of those considered that holds is the one that is found, and what is
    /// told of each route's conditions agrees with whether it was considered.
    #[test]
    fn the_table_finds_what_a_scan_finds(
        routes in prop::collection::vec(routes(), 0..24),
        requests in prop::collection::vec(requests(), 1..24),
    ) {
        let table = compile(&routes);
        for request in &requests {
            check(&routes, &table, request);
        }
    }

    #[test]
    fn any_bytes_are_routed_without_a_panic(
        routes in prop::collection::vec(routes(), 0..24),
        authority in prop::collection::vec(any::<u8>(), 0..40),
        path in prop::collection::vec(any::<u8>(), 0..40),
        query in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
    ) {
        let request = Request::of(&authority, &path, query.as_deref());
        check(&routes, &compile(&routes), &request);
    }
}

/// Few letters, so that patterns share beginnings, nest, and are met by requests.
fn path_text() -> impl Strategy<Value = String> {
    prop::collection::vec(select(vec!["/", "/a", "/b", "/ab", "a", "b", "//"]), 0..5)
        .prop_map(|parts| parts.concat())
}

fn name_text() -> impl Strategy<Value = String> {
    prop::collection::vec(select(vec!["a", "b", "ab", "com"]), 1..4)
        .prop_map(|labels| labels.join("."))
}

fn patterns() -> impl Strategy<Value = Vec<(String, ValuePattern)>> {
    let value = prop_oneof![
        Just(ValuePattern::Present),
        Just(ValuePattern::Absent),
        select(vec!["", "1", "2"]).prop_map(|value| ValuePattern::Exact(value.into())),
    ];
    let name = select(vec!["p", "q", ""]).prop_map(str::to_owned);
    prop::collection::vec((name, value), 0..3)
}

fn routes() -> impl Strategy<Value = RouteMatch> {
    let host = prop_oneof![
        name_text().prop_map(HostPattern::Exact),
        name_text().prop_map(|name| HostPattern::Suffix(format!(".{name}"))),
    ];
    let path = prop_oneof![
        path_text().prop_map(PathPattern::Exact),
        path_text().prop_map(|path| PathPattern::Prefix(path.trim_end_matches('/').into())),
    ];
    (
        subsequence(vec![0, 1, 2], 0..3),
        prop::collection::vec(host, 0..3),
        path,
        subsequence(vec!["GET", "POST", "X"], 0..3),
        patterns(),
        patterns(),
    )
        .prop_map(
            |(listeners, hosts, path, methods, headers, query)| RouteMatch {
                listeners: listeners.into_iter().map(ListenerId::new).collect(),
                hosts,
                path,
                methods: methods.into_iter().map(str::to_owned).collect(),
                headers,
                query,
            },
        )
}

fn requests() -> impl Strategy<Value = Request> {
    let authority = (
        name_text(),
        select(vec!["", ".", ":80", ".:80"]),
        any::<bool>(),
    )
        .prop_map(|(name, end, upper)| {
            let name = if upper { name.to_uppercase() } else { name };
            format!("{name}{end}")
        });
    let query = prop::collection::vec(
        select(vec!["p", "p=1", "p=2", "q=", "q=1", "", "pq=1"]),
        0..4,
    )
    .prop_map(|parts| parts.join("&"));
    let field = (select(vec!["P", "p", "Q", "r"]), select(vec!["", "1", "2"]));
    (
        (authority, path_text(), prop::option::of(query)),
        select(vec!["GET", "POST", "DELETE"]),
        prop::collection::vec(field, 0..3),
        0..3_u32,
    )
        .prop_map(|((authority, path, query), method, fields, listener)| {
            let query = query.as_ref().map(String::as_bytes);
            let request = Request::of(authority.as_bytes(), path.as_bytes(), query);
            fields
                .into_iter()
                .fold(request, |request, (name, value)| {
                    request.header(name, value)
                })
                .method(method)
                .on(listener)
        })
}
