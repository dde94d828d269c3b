//! What finding a route costs: counted in bytes and steps, not in time, so that it is the same on every machine.

use std::cell::Cell;

use super::{Request, compile, route};
use crate::radix::{Host, Key, Path};
use crate::table::{Candidate, ListenerId, RouteMatch, RouteTable};

/// A key that counts how many bytes of it are read: one per step and those of the labels.
#[derive(Clone, Copy)]
struct Counted<'a, K> {
    key: K,
    read: &'a Cell<usize>,
}

impl<K: Key> Key for Counted<'_, K> {
    fn len(self) -> usize {
        self.key.len()
    }

    fn at(self, pos: usize) -> u8 {
        self.read.set(self.read.get() + 1);
        self.key.at(pos)
    }

    fn goes_on(self, pos: usize, label: &[u8]) -> bool {
        self.read.set(self.read.get() + label.len());
        self.key.goes_on(pos, label)
    }

    fn bound(pos: usize, next: Option<u8>) -> bool {
        K::bound(pos, next)
    }
}

/// Bytes read and candidates asked until a route is found, or all are asked when none `holds`.
fn cost(table: &RouteTable, host: &str, path: &str, holds: bool) -> (usize, usize) {
    let (read, asked) = (Cell::new(0), Cell::new(0));
    let read = &read;
    let key = |text| Counted { key: text, read };
    let (host, path) = (
        host.as_bytes(),
        Counted {
            key: Path(path.as_bytes()),
            read,
        },
    );
    let mut ask = |_: &Candidate| {
        asked.set(asked.get() + 1);
        holds
    };
    let named = table
        .hosts
        .as_ref()
        .and_then(|hosts| table.walk_hosts(hosts, host, key(Host(host)), path, &mut ask));
    if named.is_none() {
        table.walk_paths(table.any_host, path, &mut ask);
    }
    (read.get(), asked.get())
}

fn ten_thousand(text: impl Fn(u32) -> String) -> Vec<RouteMatch> {
    (0..10_000).map(|n| route(&text(n))).collect()
}

#[test]
fn ten_thousand_paths_cost_no_more_reading_than_the_path_itself() {
    let table = compile(&ten_thousand(|n| format!("/api/v1/thing-{n}/parts")));
    for n in [0, 9, 10, 4_321, 9_999] {
        let path = format!("/api/v1/thing-{n}/parts/17");
        let (read, asked) = cost(&table, "h", &path, true);
        assert!(
            read <= path.len() && asked == 1,
            "{path}: {read} bytes, {asked} routes"
        );
        assert_eq!(Request::get(&format!("h{path}")).find(&table), Some(n));
    }
}

#[test]
fn ten_thousand_hosts_cost_no_more_reading_than_host_and_path() {
    let mut routes = ten_thousand(|n| format!("tenant-{n}.example.com /app"));
    routes.extend(ten_thousand(|n| format!("*.zone-{n}.example.com /app")));
    let table = compile(&routes);
    for (host, at) in [
        ("tenant-4321.example.com", 4_321),
        ("a.b.zone-99.example.com", 10_099),
    ] {
        let (read, asked) = cost(&table, host, "/app/x", true);
        assert!(
            read <= host.len() + 6 && asked == 1,
            "{host}: {read} bytes, {asked} routes"
        );
        assert_eq!(
            Request::get(&format!("{host}/app/x")).find(&table),
            Some(at)
        );
    }
}

#[test]
fn thousands_of_slashes_and_dots_are_read_once_at_most() {
    let deep = "/a".repeat(1_000);
    let table = compile(&[
        route("/"),
        route(&deep),
        route("//"),
        route(&format!("*{} /", ".a".repeat(100))),
        route("*.a /"),
    ]);
    let (slashes, segments) = ("/".repeat(60_000), "/a".repeat(30_000));
    let labels = format!("x{}", ".a".repeat(30_000));
    for path in [&slashes, &segments] {
        let (read, asked) = cost(&table, "h", path, false);
        assert!(
            read <= deep.len() + 8 && asked <= 2,
            "{read} bytes, {asked} routes"
        );
    }
    // Two suffixes match and each has a tree of paths, which is empty but for its root.
    let (read, asked) = cost(&table, &labels, "/", false);
    assert!(
        read <= 200 + 8 && asked == 3,
        "{read} bytes, {asked} routes"
    );
}

#[test]
fn nested_prefixes_are_asked_once_each() {
    let routes: Vec<RouteMatch> = (0..1_000)
        .map(|n| route(&format!("/{}", "a/".repeat(n))))
        .collect();
    let routes: Vec<RouteMatch> = routes
        .into_iter()
        .map(|mut route| {
            if let crate::table::PathPattern::Prefix(prefix) = &mut route.path {
                prefix.truncate(prefix.trim_end_matches('/').len());
            }
            route
        })
        .collect();
    let path = format!("/{}", "a/".repeat(2_000));
    let (read, asked) = cost(&compile(&routes), "h", &path, false);
    assert!(
        read <= path.len() && asked == 1_000,
        "{read} bytes, {asked} routes"
    );
}

#[test]
fn finding_a_route_allocates_nothing() {
    let mut routes =
        ten_thousand(|n| format!("tenant-{n}.example.com *.zone-{n}.example.com /app"));
    for route in &mut routes {
        route.methods.push("GET".into());
        route
            .headers
            .push(("x-a".into(), crate::table::tests::ValuePattern::Present));
        route.query.push((
            "v".into(),
            crate::table::tests::ValuePattern::Exact("2".into()),
        ));
    }
    routes.push(route("/"));
    let table = compile(&routes);
    let hit = Request::get("A.zone-77.Example.com:80/app/x?w=1&v=2").header("X-A", "1");
    let miss = Request::get("tenant-5.example.com/app");
    let (hit_view, miss_view) = (hit.view(), miss.view());
    let count = allocation_counter::measure(|| {
        let listener = ListenerId::new(0);
        let found = table
            .find(listener, hit_view.path(), &hit_view)
            .map(|route| route.index());
        let missed = table
            .find(listener, miss_view.path(), &miss_view)
            .map(|route| route.index());
        assert!(found == Some(77) && missed == Some(10_000));
    });
    assert_eq!(count.count_total, 0);
    assert!(allocation_counter::measure(|| drop(std::hint::black_box(vec![1_u8]))).count_total > 0);
}
