//! What the table promises, as tables of routes and requests; then the same against an oracle that knows no tree.

use evenkeel_base::matching::ValuePattern;

use super::*;
use crate::fuzzing::Request;

mod cost;
mod oracle;

/// `route("*.a.example b.example = /x")`: hosts, then a path prefix, or `=` and a whole path.
fn route(text: &str) -> RouteMatch {
    let mut matching = RouteMatch::default();
    let mut words = text.split(' ').peekable();
    while let Some(host) = words.next_if(|word| !word.starts_with(['/', '='])) {
        matching.hosts.push(match host.strip_prefix('*') {
            Some(suffix) => HostPattern::Suffix(suffix.into()),
            None => HostPattern::Exact(host.into()),
        });
    }
    matching.path = match (words.next(), words.next()) {
        (Some("="), Some(path)) => PathPattern::Exact(path.into()),
        (Some("/") | None, None) => PathPattern::default(),
        (Some(prefix), None) => PathPattern::Prefix(prefix.into()),
        other => panic!("a route in a test: {other:?}"),
    };
    matching
}

fn compile(routes: &[RouteMatch]) -> RouteTable {
    let ids = (0..).map(RouteId::new);
    RouteTable::compile(ids.zip(routes.iter().cloned()))
}

/// Compiles the routes in both orders and asserts that each request gets the route written beside it; `-` is none.
fn check(routes: &[&str], requests: &[(&str, &str)]) {
    let forth: Vec<RouteMatch> = routes.iter().map(|text| route(text)).collect();
    let back: Vec<RouteMatch> = forth.iter().rev().cloned().collect();
    let (forth, back) = (compile(&forth), compile(&back));
    for (target, expected) in requests {
        let request = Request::get(target);
        let name = |at: Option<usize>| at.map_or("-", |at| routes[at]);
        assert_eq!(name(request.find(&forth)), *expected, "{target}");
        let mirrored = request.find(&back).map(|at| routes.len() - 1 - at);
        assert_eq!(name(mirrored), *expected, "{target}, routes reversed");
    }
}

#[test]
fn prefixes_reach_segment_bounds_and_the_longest_wins() {
    check(
        &["/", "/api", "/api/v1", "/api/v1/users", "/apple"],
        &[
            ("h/", "/"),
            ("h/ap", "/"),
            ("h/api", "/api"),
            ("h/api/", "/api"),
            ("h/apix", "/"),
            ("h/api/v", "/api"),
            ("h/api/v1/user", "/api/v1"),
            ("h/api/v1/users/7", "/api/v1/users"),
            ("h/api/v1/users//", "/api/v1/users"),
            ("h/api//v1", "/api/v1"),
            ("h/apple", "/apple"),
            ("h/API", "/"),
            ("h/%61pi", "/api"),
            ("h/%61pi%2fv1", "/"),
        ],
    );
}

#[test]
fn an_exact_path_comes_before_the_prefix_of_the_same_text() {
    check(
        &["/a", "= /a", "= /a/", "/a/b", "= /a/b/c"],
        &[
            ("h/a", "= /a"),
            ("h/a/", "= /a/"),
            ("h/a/x", "/a"),
            ("h/a/b", "/a/b"),
            ("h/a/b/c", "= /a/b/c"),
            ("h/a/b/c/", "/a/b"),
            ("h/", "-"),
        ],
    );
}

#[test]
fn hosts_in_any_case_without_port_and_final_dot() {
    check(
        &["a.example /", "[::1] /"],
        &[
            ("a.example/", "a.example /"),
            ("A.Example/", "a.example /"),
            ("a.example:8080/", "a.example /"),
            ("a.example.:8080/", "a.example /"),
            ("a.example../", "-"),
            ("b.a.example/", "-"),
            ("[::1]:80/", "[::1] /"),
            ("/", "-"),
        ],
    );
}

#[test]
fn an_exact_host_comes_before_longer_and_shorter_suffixes_and_any_host() {
    check(
        &[
            "/",
            "*.com /",
            "*.a.com /",
            "x.a.com /",
            "a.com /",
            "*.b.a.com /",
        ],
        &[
            ("x.a.com/", "x.a.com /"),
            ("y.a.com/", "*.a.com /"),
            ("a.com/", "a.com /"),
            ("b.com/", "*.com /"),
            ("b.a.com/", "*.a.com /"),
            ("c.b.a.com/", "*.b.a.com /"),
            ("xa.com/", "*.com /"),
            (".a.com/", "*.com /"),
            ("com/", "/"),
            ("x.org/", "/"),
            ("/", "/"),
        ],
    );
}

#[test]
fn a_host_without_a_route_for_the_path_falls_through_to_less_specific_hosts() {
    check(
        &["x.a.com /a", "*.a.com /b", "*.com /c", "/d"],
        &[
            ("x.a.com/a", "x.a.com /a"),
            ("x.a.com/b", "*.a.com /b"),
            ("x.a.com/c", "*.com /c"),
            ("x.a.com/d", "/d"),
            ("x.a.com/e", "-"),
            ("com/c", "-"),
        ],
    );
}

#[test]
fn one_route_may_name_several_hosts() {
    check(
        &["a.com *.b.com /", "x.b.com /", "/"],
        &[
            ("a.com/", "a.com *.b.com /"),
            ("y.b.com/", "a.com *.b.com /"),
            ("x.b.com/", "x.b.com /"),
            ("b.com/", "/"),
        ],
    );
}

#[test]
fn names_that_collide_in_the_map_are_found_all_the_same() {
    let names = crate::names::colliding(100);
    let mut routes: Vec<String> = names.iter().map(|name| format!("{name} /a")).collect();
    routes.push(format!("*.{} /a", names[0]));
    routes.push(format!("*.{} /a", names[99]));
    routes.push("*.example /".into());
    let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
    let mut requests: Vec<(String, &str)> = Vec::new();
    for (name, route) in names.iter().zip(&routes) {
        requests.push((format!("{}/a/b", name.to_uppercase()), *route));
        requests.push((format!("{name}/b"), "*.example /"));
        requests.push((format!("x{name}/a"), "*.example /"));
    }
    requests.push((format!("x.{}/a", names[0]), routes[100]));
    requests.push((format!("x.{}/a", names[99]), routes[101]));
    requests.push((format!("x.{}/a", names[50]), "*.example /"));
    let requests: Vec<(&str, &str)> = requests
        .iter()
        .map(|(target, route)| (target.as_str(), *route))
        .collect();
    check(&routes, &requests);
}

#[test]
fn nodes_with_a_child_for_every_letter() {
    let letters = || {
        (b'!'..=b'~')
            .filter(|&b| !b"*/=?%".contains(&b))
            .map(char::from)
    };
    let routes: Vec<String> = letters().map(|c| format!("/a/{c}")).collect();
    let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
    let requests: Vec<(String, &str)> = routes
        .iter()
        .map(|route| (format!("h{route}/x"), *route))
        .collect();
    let requests: Vec<(&str, &str)> = requests
        .iter()
        .map(|(target, route)| (target.as_str(), *route))
        .collect();
    assert!(routes.len() > 80);
    check(&routes, &requests);
    check(
        &routes,
        &[
            ("h/a/", "-"),
            ("h/a/*", "-"),
            ("h/a/\u{80}", "-"),
            ("h/a/\0", "-"),
        ],
    );
}

#[test]
fn paths_that_are_no_paths_reach_only_routes_for_everything() {
    check(&["/", "/a"], &[("h", "/")]);
    let table = compile(&[route("/"), route("/a")]);
    assert_eq!(Request::of(b"h", b"*", None).find(&table), Some(0));
    assert_eq!(Request::of(b"h", b"", None).find(&table), Some(0));
    assert_eq!(Request::get("h/a").find(&compile(&[])), None);
}

#[test]
fn more_demanding_routes_come_first_and_fall_back_when_a_condition_fails() {
    let name = |name: &str, pattern| (name.to_owned(), pattern);
    let exact = |value: &str| ValuePattern::Exact(value.into());
    let any = || route("/a");
    let routes = [
        RouteMatch {
            methods: vec!["POST".into(), "PUT".into()],
            ..any()
        },
        RouteMatch {
            query: vec![name("v", exact("2"))],
            ..any()
        },
        RouteMatch {
            headers: vec![name("x-tenant", exact("t1"))],
            ..any()
        },
        RouteMatch {
            headers: vec![
                name("x-tenant", exact("t1")),
                name("x-beta", ValuePattern::Present),
            ],
            ..any()
        },
        RouteMatch {
            listeners: vec![ListenerId::new(1), ListenerId::new(2)],
            ..any()
        },
        any(),
        RouteMatch {
            headers: vec![name("x-old", ValuePattern::Absent)],
            ..route("/b")
        },
    ];
    let tenant = |value| Request::get("h/a").header("X-Tenant", value);
    let cases = [
        (Request::get("h/a"), Some(5)),
        (Request::get("h/a").method("POST"), Some(0)),
        (Request::get("h/a").method("PUT"), Some(0)),
        (Request::get("h/a").method("post"), Some(5)),
        (Request::get("h/a?v=2").method("POST"), Some(1)),
        (Request::get("h/a?w=1&v=3&v=2"), Some(1)),
        (Request::get("h/a?vv=2&v=2x&v"), Some(5)),
        (Request::get("h/a?v=%32"), Some(5)),
        (tenant("t1"), Some(2)),
        (tenant("t2").header("x-tenant", "t1"), Some(2)),
        (tenant("T1"), Some(5)),
        (tenant("t1").header("x-beta", ""), Some(3)),
        (tenant("t1").header("x-beta", "").on(2), Some(4)),
        (Request::get("h/b"), Some(6)),
        (Request::get("h/b").header("X-OLD", ""), None),
    ];
    let table = compile(&routes);
    for (request, expected) in cases {
        assert_eq!(request.find(&table), expected, "{request:?}");
    }
}

#[test]
fn query_parameters_are_compared_as_they_were_sent() {
    let with = |pattern| {
        compile(&[RouteMatch {
            query: vec![("a".into(), pattern)],
            ..route("/")
        }])
    };
    let empty = with(ValuePattern::Exact(String::new()));
    let (present, absent) = (with(ValuePattern::Present), with(ValuePattern::Absent));
    for (target, is_present, is_empty) in [
        ("h/", false, false),
        ("h/?", false, false),
        ("h/?&", false, false),
        ("h/?a", true, true),
        ("h/?a=", true, true),
        ("h/?b&a=&c", true, true),
        ("h/?a==", true, false),
        ("h/?ab=1", false, false),
        ("h/?A", false, false),
        ("h/?=a", false, false),
        ("h/?%61", false, false),
    ] {
        let request = Request::get(target);
        assert_eq!(request.find(&present).is_some(), is_present, "{target}");
        assert_eq!(request.find(&absent).is_some(), !is_present, "{target}");
        assert_eq!(request.find(&empty).is_some(), is_empty, "{target}");
    }
}

#[test]
fn of_two_equal_routes_the_lower_id_wins() {
    let table = RouteTable::compile([
        (RouteId::new(7), route("/a")),
        (RouteId::new(3), route("/a")),
        (RouteId::new(5), route("a.com b.com /")),
        (RouteId::new(4), route("a.com /")),
    ]);
    assert_eq!(Request::get("h/a").find(&table), Some(3));
    assert_eq!(Request::get("a.com/").find(&table), Some(4));
    assert_eq!(Request::get("b.com/").find(&table), Some(5));
}
