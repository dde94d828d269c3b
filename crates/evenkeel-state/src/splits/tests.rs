//! What a split keeps over generations, and which clusters take anybody.

use std::net::SocketAddr;

use evenkeel_base::rules::KeyPart;
use evenkeel_base::{Rng, RouteId};
use evenkeel_config::{Nowhere, check};
use evenkeel_policy::Health;
use evenkeel_policy::slow_start::Entry;

use super::*;
use crate::compile::{Registry, Resolved};
use crate::snapshot::Snapshot;

/// Clusters `a` (with two endpoints), `b` (with a name) and `c`, and a route whose requests they share.
struct Setting {
    registry: Registry,
    resolved: Resolved,
    weights: Vec<u16>,
    by: Vec<KeyPart>,
}

impl Setting {
    fn new(weights: &[u16]) -> Self {
        let mut setting = Self {
            registry: Registry::new(1, &[0; 32]),
            resolved: Resolved::new(),
            weights: weights.to_vec(),
            by: Vec::new(),
        };
        setting.resolve("10.0.1.1");
        setting
    }

    /// From now on the name has this address; with an empty one it has none.
    fn resolve(&mut self, address: &str) {
        let addresses = address.parse().map(|ip| SocketAddr::new(ip, 80));
        let key = ("b.test".to_owned(), 80);
        self.resolved.insert(key, addresses.into_iter().collect());
    }

    fn compile(&mut self) -> Snapshot {
        let text = "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n\
            [[route]]\npath = \"/one\"\ncluster = \"a\"\n\
            [[route]]\nname = \"shared\"\npath = \"/shared\"\ncluster = \"a\"\n\
            [[route]]\npath = \"/b\"\ncluster = \"b\"\n[[route]]\npath = \"/c\"\ncluster = \"c\"\n\
            [cluster.a]\nendpoints = [\"10.0.0.1:1\", \"10.0.0.2:1\"]\n\
            [cluster.b]\nendpoints = [\"b.test:80\"]\n\
            [cluster.c]\nendpoints = [\"10.0.2.1:1\"]\n";
        let checked = check(text, "test", &Nowhere);
        let mut config = checked
            .config
            .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
        config.clusters[2].endpoints[0].weight = 0;
        let Action::Forward { split, .. } = &mut config.routes[1].action else {
            panic!("the route forwards");
        };
        let ids = (0..).map(ClusterId::new);
        split.shares = ids.zip(self.weights.iter().copied()).collect();
        split.by = self.by.clone();
        self.registry.compile(config, &self.resolved, 1)
    }
}

/// The names of the clusters that the next requests go to.
fn next(snapshot: &Snapshot, count: usize) -> String {
    let shared = snapshot.split(RouteId::new(1)).unwrap();
    let mut rng = Rng::new(1);
    let mut pick = || {
        let at = shared.split.pick(&shared.sides, None, &mut rng).unwrap();
        shared.sides[at].cluster.config.name.clone()
    };
    (0..count).map(|_| pick()).collect()
}

/// The same, whatever their order.
fn parts(snapshot: &Snapshot, count: usize) -> String {
    let mut names: Vec<char> = next(snapshot, count).chars().collect();
    names.sort_unstable();
    names.into_iter().collect()
}

/// What the control plane finds out: every endpoint of a cluster up or down, and what follows.
fn set(snapshot: &Snapshot, cluster: u32, ups: &[bool], panicking: bool) {
    let cluster = snapshot.cluster(ClusterId::new(cluster)).unwrap();
    for (endpoint, up) in cluster.endpoints.list.iter().zip(ups) {
        let health = if *up { Health::Up } else { Health::Down };
        let _ = endpoint.state.standing.set_health(health, Entry::Full, 0);
    }
    let _ = cluster.state.set_panicking(panicking);
}

#[test]
fn only_routes_with_several_clusters_have_a_split() {
    let snapshot = Setting::new(&[3, 1]).compile();
    let has = |route| snapshot.split(RouteId::new(route)).is_some();
    assert_eq!([0, 1, 2, 3, 9].map(has), [false, true, false, false, false]);
    assert_eq!(next(&snapshot, 8), "aaabaaab");
    assert!(
        Setting::new(&[1])
            .compile()
            .split(RouteId::new(1))
            .is_none()
    );
}

#[test]
fn a_rotation_goes_on_over_generations() {
    let mut setting = Setting::new(&[1, 1]);
    let first = setting.compile();
    assert_eq!(next(&first, 1), "a");
    let same = setting.compile();
    assert_eq!((next(&same, 1), next(&first, 1)), ("b".into(), "a".into()));
    setting.weights = vec![2, 2];
    let other = setting.compile();
    assert_eq!(next(&other, 2), "ba");
    assert_eq!(next(&same, 1), "b", "no longer the same");
}

#[test]
fn a_cluster_with_nobody_gives_its_part_away_and_gets_it_back() {
    let mut setting = Setting::new(&[1, 1, 1]);
    setting.resolve("");
    let snapshot = setting.compile();
    assert_eq!(parts(&snapshot, 3), "aaa", "no address, and no weight");
    setting.resolve("10.0.1.2");
    let again = setting
        .registry
        .with_resolved(&snapshot, ClusterId::new(1), &setting.resolved, 2)
        .unwrap();
    assert_eq!(parts(&again, 4), "aabb");
    assert_eq!(
        parts(&snapshot, 2),
        "aa",
        "an old snapshot stays what it is"
    );
    set(&again, 0, &[false, false], true);
    assert_eq!(parts(&again, 3), "bbb");
    set(&again, 0, &[false, true], true);
    assert_eq!(parts(&again, 4), "aabb", "in panic, but one admits");
    set(&again, 0, &[true, true], false);
    set(&again, 1, &[false], true);
    assert_eq!(parts(&again, 2), "aa");
    set(&again, 0, &[false, false], true);
    assert_eq!(parts(&again, 3), "abc", "nobody anywhere");
}

#[test]
fn other_clusters_resolved_anew_leave_a_split_alone() {
    let mut setting = Setting::new(&[1]);
    setting.weights = vec![1, 0, 1];
    let first = setting.compile();
    setting.resolve("10.0.1.2");
    let id = ClusterId::new(1);
    let second = setting
        .registry
        .with_resolved(&first, id, &setting.resolved, 2)
        .unwrap();
    assert!(
        !Arc::ptr_eq(&first.splits, &second.splits),
        "one of the three"
    );
    let unshared = Setting::new(&[1]).compile();
    let cluster = unshared.cluster(id).unwrap();
    assert!(Arc::ptr_eq(
        &with_cluster(&unshared.splits, cluster),
        &unshared.splits
    ));
}
