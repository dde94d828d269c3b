//! What a new generation shares with the one before, and what it forgets.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_base::rules::{AdminState, ProbeRules};
use evenkeel_base::{ClusterId, Rng};
use evenkeel_config::{Nowhere, check, model};
use evenkeel_policy::slow_start::Entry;
use evenkeel_policy::{Candidate, Health, Standing, Tried, Wanted};

use super::places::MAX_ADDRESSES_PER_NAME;
use super::{Registry, Resolved, Unfit};
use crate::command::EndpointOrder;
use crate::endpoint::Endpoint;
use crate::snapshot::{ClusterSnapshot, Snapshot};

/// A registry and the snapshots made from configurations whose clusters are given as lines of TOML.
struct Setting {
    registry: Registry,
    resolved: Resolved,
    generation: u64,
}

impl Setting {
    fn new() -> Self {
        Self {
            registry: Registry::new(2, &[0; 32]),
            resolved: Resolved::new(),
            generation: 0,
        }
    }

    /// `a: "10.0.0.1:1", "10.0.0.2:1"` is a cluster `a` with these endpoints; other knobs follow behind `]; `.
    fn compile(&mut self, clusters: &[&str]) -> Snapshot {
        self.compile_with(clusters, |_| {})
    }

    /// The same, with a change to the first cluster.
    fn compile_with(
        &mut self,
        clusters: &[&str],
        change: impl FnOnce(&mut model::Cluster),
    ) -> Snapshot {
        let mut config = check_clusters(clusters);
        change(&mut config.clusters[0]);
        self.generation += 1;
        self.registry
            .compile(config, &self.resolved, self.generation)
    }
    /// From now on the name has these addresses.
    fn resolve(&mut self, name: &str, addresses: &[&str]) {
        let (host, port) = name.split_once(':').unwrap();
        let port: u16 = port.parse().unwrap();
        let address = |ip: &&str| SocketAddr::new(ip.parse().unwrap(), port);
        let addresses = addresses.iter().map(address).collect();
        self.resolved.insert((host.to_owned(), port), addresses);
    }

    /// The first cluster's endpoints resolved anew.
    fn again(&mut self, snapshot: &Snapshot) -> Option<Snapshot> {
        self.generation += 1;
        let (resolved, generation) = (&self.resolved, self.generation);
        self.registry
            .with_resolved(snapshot, ClusterId::new(0), resolved, generation)
    }

    /// How many endpoints it remembers.
    fn remembered(&self) -> usize {
        self.registry.endpoints.len()
    }
}

/// See [`Setting::compile`].
fn check_clusters(clusters: &[&str]) -> model::Config {
    let mut text = "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n".to_owned();
    for cluster in clusters {
        let (name, endpoints) = cluster.split_once(": ").unwrap();
        let (endpoints, knobs) = endpoints.split_once("]; ").unwrap_or((endpoints, ""));
        text.push_str(&format!(
                "[[route]]\npath = \"/{name}\"\ncluster = \"{name}\"\n[cluster.{name}]\nendpoints = [{endpoints}]\n{knobs}\n"
            ));
    }
    let checked = check(&text, "test", &Nowhere);
    checked
        .config
        .unwrap_or_else(|| panic!("{:?}", checked.diagnostics))
}

fn cluster(snapshot: &Snapshot, index: u32) -> &Arc<ClusterSnapshot> {
    snapshot.cluster(ClusterId::new(index)).unwrap()
}

fn endpoint(snapshot: &Snapshot, cluster: u32, index: usize) -> &Endpoint {
    &self::cluster(snapshot, cluster).endpoints.list[index]
}

/// The endpoints of the first cluster: id → target.
fn listed(snapshot: &Snapshot) -> Vec<String> {
    cluster(snapshot, 0)
        .endpoints
        .list
        .iter()
        .map(|endpoint| format!("{} → {}", endpoint.id, endpoint.target))
        .collect()
}

fn same_state(a: &Endpoint, b: &Endpoint) -> bool {
    Arc::ptr_eq(&a.state, &b.state)
}

#[test]
fn addresses_ranges_and_sockets_are_endpoints_as_they_stand() {
    let snapshot = Setting::new().compile(&[
        r#"a: "127.0.0.1:9001", "[::1]:9002-9003", "unix:/run/a.sock", { address = "10.0.0.1:80", id = "x", weight = 0 }"#,
    ]);
    assert_eq!(
        listed(&snapshot),
        [
            "127.0.0.1:9001 → 127.0.0.1:9001",
            "[::1]:9002 → [::1]:9002",
            "[::1]:9003 → [::1]:9003",
            "unix:/run/a.sock → unix:/run/a.sock",
            "x → 10.0.0.1:80",
        ]
    );
    let authorities: Vec<_> = cluster(&snapshot, 0)
        .endpoints
        .list
        .iter()
        .map(|endpoint| (&*endpoint.authority, endpoint.weight))
        .collect();
    assert_eq!(
        authorities,
        [
            ("127.0.0.1:9001", 1),
            ("[::1]:9002", 1),
            ("[::1]:9003", 1),
            ("localhost", 1),
            ("10.0.0.1:80", 0),
        ]
    );
}

#[test]
fn a_name_is_as_many_endpoints_as_it_has_addresses() {
    let mut setting = Setting::new();
    let names = [r#"a: "app.test:80", "10.0.0.9:80""#];
    assert_eq!(
        listed(&setting.compile(&names)),
        ["10.0.0.9:80 → 10.0.0.9:80"],
        "none while it does not resolve"
    );
    setting.resolve("app.test:80", &["10.0.0.1"]);
    let one = setting.compile(&names);
    assert_eq!(listed(&one)[0], "app.test:80 → 10.0.0.1:80");
    assert_eq!(&*endpoint(&one, 0, 0).authority, "app.test:80");
    setting.resolve("app.test:80", &["10.0.0.1", "::1"]);
    setting.resolve("app.test:81", &["10.0.0.3"]);
    let two = setting.compile(&names);
    assert_eq!(
        listed(&two),
        [
            "app.test:80/10.0.0.1 → 10.0.0.1:80",
            "app.test:80/::1 → [::1]:80",
            "10.0.0.9:80 → 10.0.0.9:80",
        ]
    );
    assert_eq!(&*endpoint(&two, 0, 1).authority, "app.test:80");
}

#[test]
fn a_name_with_thousands_of_addresses_does_not_decide_over_our_memory() {
    let mut setting = Setting::new();
    let many: Vec<String> = (0..5_000_u32)
        .map(|n| std::net::Ipv4Addr::from_bits(n + 1).to_string())
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    setting.resolve("app.test:80", &many);
    let snapshot = setting.compile(&[r#"a: "app.test:80""#]);
    assert_eq!(listed(&snapshot).len(), MAX_ADDRESSES_PER_NAME);
    assert_eq!(setting.remembered(), MAX_ADDRESSES_PER_NAME);
}

#[test]
fn state_is_kept_from_generation_to_generation() {
    let mut setting = Setting::new();
    let before = setting.compile(&[r#"a: "10.0.0.1:1", "10.0.0.2:1""#]);
    let after = setting.compile(&[
        r#"b: "10.0.0.1:1""#,
        r#"a: { address = "10.0.0.2:1", weight = 7 }, "10.0.0.3:1""#,
    ]);
    assert!(same_state(endpoint(&after, 1, 0), endpoint(&before, 0, 1)));
    assert!(Arc::ptr_eq(
        &cluster(&after, 1).state,
        &cluster(&before, 0).state
    ));
    // The same address in another cluster is another endpoint, and so is another address.
    let serials: BTreeSet<u32> = [
        endpoint(&before, 0, 0),
        endpoint(&before, 0, 1),
        endpoint(&after, 0, 0),
        endpoint(&after, 1, 1),
    ]
    .map(|endpoint| endpoint.state.serial)
    .into();
    assert_eq!(serials.len(), 4);
    assert!(!Arc::ptr_eq(
        &cluster(&after, 0).state,
        &cluster(&before, 0).state
    ));
}

#[test]
fn an_id_keeps_the_state_while_its_place_in_the_file_changes() {
    let mut setting = Setting::new();
    let before = setting.compile(&[r#"a: "10.0.0.2:1", { address = "10.0.0.1:1", id = "one" }"#]);
    let after = setting.compile(&[r#"a: { address = "10.0.0.1:1", id = "one" }"#]);
    assert!(same_state(endpoint(&after, 0, 0), endpoint(&before, 0, 1)));
}

#[test]
fn what_goes_is_forgotten_once_nothing_refers_to_it() {
    let mut setting = Setting::new();
    let first = setting.compile(&[r#"a: "10.0.0.1:1", "10.0.0.2:1""#, r#"b: "10.0.0.1:1""#]);
    assert_eq!(
        (setting.remembered(), setting.registry.clusters.len()),
        (3, 2)
    );
    let second = setting.compile(&[r#"a: "10.0.0.1:1""#]);
    assert_eq!(
        (setting.remembered(), setting.registry.clusters.len()),
        (3, 2),
        "an exchange may still hold the old generation"
    );
    let gone = endpoint(&first, 0, 1).state.serial;
    drop(first);
    let third = setting.compile(&[r#"a: "10.0.0.1:1""#]);
    assert_eq!(
        (setting.remembered(), setting.registry.clusters.len()),
        (1, 1)
    );
    assert!(same_state(endpoint(&third, 0, 0), endpoint(&second, 0, 0)));
    let back = setting.compile(&[r#"a: "10.0.0.2:1""#]);
    assert_ne!(endpoint(&back, 0, 0).state.serial, gone, "it starts afresh");
}

#[test]
fn endpoints_that_come_and_go_by_their_name_do_not_add_up() {
    let mut setting = Setting::new();
    setting.resolve("app.test:80", &["10.0.0.1", "10.0.0.2"]);
    let mut snapshot = setting.compile(&[r#"a: "app.test:80""#]);
    for n in 3..50 {
        let next = [format!("10.0.0.{n}"), format!("10.0.1.{n}")];
        setting.resolve("app.test:80", &next.each_ref().map(String::as_str));
        snapshot = setting.again(&snapshot).unwrap();
        assert!(setting.remembered() <= 4, "these two and those before");
    }
}

#[test]
fn a_name_that_moves_is_another_endpoint() {
    // Idle connections are kept by the state's serial number: they lead to the old address.
    let mut setting = Setting::new();
    setting.resolve("app.test:80", &["10.0.0.1"]);
    let before = setting.compile(&[r#"a: "app.test:80""#]);
    setting.resolve("app.test:80", &["10.0.0.2"]);
    let after = setting.again(&before).unwrap();
    let (old, new) = (endpoint(&before, 0, 0), endpoint(&after, 0, 0));
    assert_eq!((&*old.id, &*new.id), ("app.test:80", "app.test:80"));
    assert_ne!(old.state.serial, new.state.serial);

    let before = setting.compile(&[r#"a: { address = "10.0.0.1:1", id = "one" }"#]);
    let after = setting.compile(&[r#"a: { address = "10.0.0.2:1", id = "one" }"#]);
    assert_ne!(
        endpoint(&before, 0, 0).state.serial,
        endpoint(&after, 0, 0).state.serial
    );
}

#[test]
fn an_address_stays_the_same_endpoint_when_others_join_it() {
    let mut setting = Setting::new();
    setting.resolve("app.test:80", &["10.0.0.1"]);
    let one = setting.compile(&[r#"a: "app.test:80""#]);
    setting.resolve("app.test:80", &["10.0.0.1", "10.0.0.2"]);
    let two = setting.again(&one).unwrap();
    assert!(same_state(endpoint(&two, 0, 0), endpoint(&one, 0, 0)));
    setting.resolve("app.test:80", &["10.0.0.2"]);
    let other = setting.again(&two).unwrap();
    assert!(same_state(endpoint(&other, 0, 0), endpoint(&two, 0, 1)));
}

#[test]
fn resolving_anew_swaps_one_cluster_and_shares_the_rest() {
    let mut setting = Setting::new();
    setting.resolve("app.test:80", &["10.0.0.1"]);
    let before = setting.compile(&[r#"a: "app.test:80", "10.0.0.9:1""#, r#"b: "10.0.0.1:1""#]);
    setting.resolve("app.test:80", &["10.0.0.1", "10.0.0.2"]);
    let after = setting.again(&before).unwrap();
    assert_eq!((before.generation, after.generation), (1, 2));
    assert!(Arc::ptr_eq(&after.config, &before.config));
    assert!(Arc::ptr_eq(&after.table, &before.table));
    assert!(Arc::ptr_eq(cluster(&after, 1), cluster(&before, 1)));
    let (new, old) = (cluster(&after, 0), cluster(&before, 0));
    assert!(!Arc::ptr_eq(new, old) && new.id == old.id);
    assert!(Arc::ptr_eq(&new.config, &old.config) && Arc::ptr_eq(&new.state, &old.state));
    assert_eq!((listed(&before).len(), listed(&after).len()), (2, 3));
    assert!(same_state(endpoint(&after, 0, 2), endpoint(&before, 0, 1)));
}

#[test]
fn resolving_to_the_same_addresses_changes_nothing() {
    let mut setting = Setting::new();
    setting.resolve("app.test:80", &["10.0.0.1", "10.0.0.2"]);
    let snapshot = setting.compile(&[r#"a: "app.test:80""#]);
    assert!(setting.again(&snapshot).is_none());
    setting.resolve("other.test:80", &["10.0.0.3"]);
    assert!(setting.again(&snapshot).is_none());
    assert!(
        setting
            .registry
            .with_resolved(&snapshot, ClusterId::new(9), &setting.resolved, 2)
            .is_none(),
        "there is no such cluster"
    );
}

#[test]
fn the_rotation_goes_on_where_it_was() {
    let mut setting = Setting::new();
    setting.resolve("app.test:80", &["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    let before = setting.compile(&[r#"a: "app.test:80"]; balancer = "round-robin""#]);
    let pick = |snapshot: &Snapshot| {
        let set = &cluster(snapshot, 0).endpoints;
        let picked = set
            .tiers
            .pick(&set.list, Wanted::new(&Tried::default()), &mut Rng::new(1));
        set.list[picked.unwrap()].target.to_string()
    };
    assert_eq!(
        [pick(&before), pick(&before)],
        ["10.0.0.1:80", "10.0.0.2:80"]
    );
    setting.resolve("app.test:80", &["10.0.0.1", "10.0.0.2", "10.0.0.4"]);
    let after = setting.again(&before).unwrap();
    // The new one would begin with a tenth of its share.
    let standing = &endpoint(&after, 0, 2).state.standing;
    assert_eq!(standing.climb(Duration::ZERO, 1), Some(Standing::FULL));
    assert_eq!([pick(&after), pick(&after)], ["10.0.0.4:80", "10.0.0.1:80"]);
}

#[test]
fn the_rotation_of_a_node_with_a_name_begins_at_its_own_place() {
    let first = |node: &str| {
        let list: Vec<String> = (1..=100).map(|n| format!("\"10.0.0.{n}:1\"")).collect();
        let list = list.join(", ");
        let mut config = check_clusters(&[&format!("a: {list}]; balancer = \"round-robin\"")]);
        config.node = node.into();
        let snapshot = Registry::new(1, &[0; 32]).compile(config, &Resolved::new(), 1);
        let set = &cluster(&snapshot, 0).endpoints;
        let none = Tried::default();
        set.tiers
            .pick(&set.list, Wanted::new(&none), &mut Rng::new(1))
            .unwrap()
    };
    assert_eq!(first(""), 0, "the first endpoint of the file");
    assert_eq!(first("lb-1"), first("lb-1"));
    assert_ne!(first("lb-1"), first("lb-2"));
}

/// The endpoints of the first cluster of a node in that zone, as it sees them: zone, tier and rank, in the order in which they are
/// picked from. They are given as `zone tier`.
fn ranked(zone: &str, prefer_zone: bool, endpoints: &[(&str, u8)]) -> Vec<String> {
    let list: Vec<String> = (1..=endpoints.len())
        .map(|n| format!("\"10.0.0.{n}:1\""))
        .collect();
    let mut config = check_clusters(&[&format!("a: {}", list.join(", "))]);
    config.zone = zone.into();
    let cluster = &mut config.clusters[0];
    cluster.tiers.prefer_zone = prefer_zone;
    for (endpoint, (zone, tier)) in cluster.endpoints.iter_mut().zip(endpoints) {
        (endpoint.zone, endpoint.tier) = ((*zone).into(), *tier);
    }
    let snapshot = Registry::new(1, &[0; 32]).compile(config, &Resolved::new(), 1);
    let of = |endpoint: &Endpoint| format!("{} {}", endpoint.id, endpoint.rank);
    let list = &self::cluster(&snapshot, 0).endpoints.list;
    list.iter().map(of).collect()
}

#[test]
fn endpoints_stand_in_the_order_of_their_tiers_and_zones() {
    let endpoints = [("b", 0), ("a", 1), ("", 0), ("a", 0), ("b", 1), ("a", 0)];
    assert_eq!(
        ranked("a", true, &endpoints),
        [
            "10.0.0.4:1 0",
            "10.0.0.6:1 0",
            "10.0.0.1:1 1",
            "10.0.0.3:1 1",
            "10.0.0.2:1 2",
            "10.0.0.5:1 3",
        ]
    );
    let by_tier = [
        "10.0.0.1:1 0",
        "10.0.0.3:1 0",
        "10.0.0.4:1 0",
        "10.0.0.6:1 0",
        "10.0.0.2:1 2",
        "10.0.0.5:1 2",
    ];
    assert_eq!(ranked("a", false, &endpoints), by_tier);
    assert_eq!(ranked("", true, &endpoints), by_tier, "a node without zone");
}

#[test]
fn a_node_makes_use_of_so_many_endpoints_of_each_tier() {
    let seen = |node: &str, subset: u32| -> Vec<String> {
        let list: Vec<String> = (1..=12).map(|n| format!("\"10.0.0.{n}:1\"")).collect();
        let mut config = check_clusters(&[&format!("a: {}", list.join(", "))]);
        config.node = node.into();
        config.clusters[0].subset = subset;
        for reserve in &mut config.clusters[0].endpoints[10..] {
            reserve.tier = 1;
        }
        let mut registry = Registry::new(1, &[0; 32]);
        let snapshot = registry.compile(config, &Resolved::new(), 1);
        let list = &cluster(&snapshot, 0).endpoints.list;
        assert_eq!(registry.endpoints.len(), list.len(), "others are not there");
        list.iter()
            .map(|endpoint| endpoint.id.to_string())
            .collect()
    };
    let all = seen("one", 0);
    assert_eq!(all.len(), 12);
    assert_eq!(seen("one", 12), all);
    let four = seen("one", 4);
    assert_eq!(four.len(), 6);
    assert_eq!(four[4..], all[10..], "the whole reserve");
    assert!(four.is_sorted_by_key(|id| all.iter().position(|one| one == id)));
    assert_eq!(seen("one", 4), four);
    let others = ["two", "three", "four"].map(|node| seen(node, 4));
    assert!(others.iter().any(|other| *other != four));
}

#[test]
fn what_tiers_keep_is_found_out_before_the_first_pick() {
    let mut setting = Setting::new();
    setting.resolve("app.test:80", &["10.0.0.1"]);
    let two_tiers = [r#"a: "app.test:80", "10.0.0.9:80""#];
    let before = setting.compile_with(&two_tiers, |cluster| {
        probed(cluster);
        cluster.endpoints[1].tier = 1;
    });
    let kept = |snapshot: &Snapshot| {
        let tiers = &cluster(snapshot, 0).endpoints.tiers;
        tiers.several().map(|tier| tier.keeps).collect::<Vec<_>>()
    };
    set_health(endpoint(&before, 0, 0), Health::Down);
    set_health(endpoint(&before, 0, 1), Health::Up);
    setting.resolve("app.test:80", &["10.0.0.1", "10.0.0.2"]);
    let after = setting.again(&before).unwrap();
    assert_eq!(kept(&after), [0.0, 1.0]);
}

fn probed(cluster: &mut model::Cluster) {
    cluster.probe = model::Probe::Tcp {
        rules: ProbeRules::DEFAULT,
        at: model::ProbeAddress::Endpoint,
        send: Vec::new(),
        expect: Vec::new(),
    };
}

fn standing(endpoint: &Endpoint) -> (Health, u16) {
    let standing = &endpoint.state.standing;
    (standing.health(), standing.share())
}

fn set_health(endpoint: &Endpoint, to: Health) {
    let before = endpoint.state.standing.set_health(to, Entry::Full, 1);
    assert!(before.is_some());
}

#[test]
fn an_order_of_the_operator_is_a_weight_of_none() {
    let mut setting = Setting::new();
    let three = [r#"a: "10.0.0.1:1", "10.0.0.2:1", { address = "10.0.0.3:1", weight = 7 }"#];
    let snapshot = setting.compile_with(&three, |cluster| {
        cluster.endpoints[1].admin = AdminState::Drain;
        cluster.endpoints[2].admin = AdminState::Maint;
    });
    let seen = [0, 1, 2].map(|at| {
        let endpoint = endpoint(&snapshot, 0, at);
        (
            endpoint.weight(),
            endpoint.configured_weight,
            endpoint.admin,
        )
    });
    assert_eq!(
        seen,
        [
            (1, 1, AdminState::Ready),
            (0, 1, AdminState::Drain),
            (0, 7, AdminState::Maint),
        ]
    );
    let ready = setting.compile(&three);
    assert_eq!(endpoint(&ready, 0, 2).weight(), 7);
    assert!(same_state(
        endpoint(&ready, 0, 2),
        endpoint(&snapshot, 0, 2)
    ));
}

#[test]
fn who_begins_with_its_cluster_has_its_share_and_who_joins_it_a_ramp() {
    let mut setting = Setting::new();
    let one = setting.compile(&[r#"a: "10.0.0.1:1""#]);
    assert_eq!(standing(endpoint(&one, 0, 0)), (Health::Unprobed, 1_000));
    let two = setting.compile(&[r#"a: "10.0.0.1:1", "10.0.0.2:1""#, r#"b: "10.0.0.2:1""#]);
    for (cluster, at, expected, added) in [
        (0, 0, 1_000, false),
        (0, 1, 100, true),
        (1, 0, 1_000, false),
    ] {
        let endpoint = endpoint(&two, cluster, at);
        assert_eq!(standing(endpoint), (Health::Unprobed, expected));
        assert_eq!(endpoint.state.added_later, added);
    }
    let three = setting.compile_with(&[r#"a: "10.0.0.1:1", "10.0.0.3:1""#], |cluster| {
        cluster.slow_start = Duration::ZERO;
    });
    assert_eq!(standing(endpoint(&three, 0, 1)), (Health::Unprobed, 1_000));
}

#[test]
fn an_endpoint_with_probes_waits_for_them() {
    let mut setting = Setting::new();
    let one = setting.compile_with(&[r#"a: "10.0.0.1:1""#], probed);
    assert_eq!(standing(endpoint(&one, 0, 0)), (Health::Waiting, 0));
    set_health(endpoint(&one, 0, 0), Health::Up);
    let two = setting.compile_with(&[r#"a: "10.0.0.1:1", "10.0.0.2:1""#], probed);
    assert_eq!(standing(endpoint(&two, 0, 0)), (Health::Up, 1_000));
    let joined = endpoint(&two, 0, 1);
    assert_eq!(standing(joined), (Health::Waiting, 0));
    assert!(joined.state.added_later);
}

#[test]
fn probes_that_are_switched_on_take_nobody_out_before_they_have_failed() {
    let mut setting = Setting::new();
    let cluster = [r#"a: "10.0.0.1:1", "10.0.0.2:1""#];
    setting.compile(&cluster);
    let on = setting.compile_with(&cluster, probed);
    assert_eq!(standing(endpoint(&on, 0, 0)), (Health::Unprobed, 1_000));
    set_health(endpoint(&on, 0, 0), Health::Up);
    set_health(endpoint(&on, 0, 1), Health::Down);
    let off = setting.compile(&cluster);
    for at in [0, 1] {
        assert_eq!(standing(endpoint(&off, 0, at)), (Health::Unprobed, 1_000));
    }
}

#[test]
fn who_comes_back_from_maintenance_is_probed_first() {
    let mut setting = Setting::new();
    let cluster = [r#"a: "10.0.0.1:1", "10.0.0.2:1""#];
    let before = setting.compile_with(&cluster, probed);
    set_health(endpoint(&before, 0, 0), Health::Up);
    setting.compile_with(&cluster, |cluster| {
        probed(cluster);
        cluster.endpoints[0].admin = AdminState::Maint;
    });
    let back = setting.compile_with(&cluster, probed);
    assert_eq!(standing(endpoint(&back, 0, 0)), (Health::Waiting, 0));
    set_health(endpoint(&back, 0, 0), Health::Up);
    let drained = setting.compile_with(&cluster, |cluster| {
        probed(cluster);
        cluster.endpoints[0].admin = AdminState::Drain;
    });
    assert_eq!(standing(endpoint(&drained, 0, 0)), (Health::Up, 1_000));
}

/// What the endpoints of the first cluster show of what was ordered: weight and admin state.
fn shown(snapshot: &Snapshot) -> Vec<(u16, AdminState)> {
    let list = &snapshot.clusters()[0].endpoints.list;
    list.iter().map(|one| (one.weight, one.admin)).collect()
}

#[test]
fn an_order_at_run_time_stands_over_the_file_and_over_every_generation() {
    use AdminState::{Drain, Ready};
    let mut setting = Setting::new();
    setting.resolve("x.test:1", &["10.0.0.1", "10.0.0.2"]);
    let file = [r#"a: { id = "one", address = "10.0.0.9:1", weight = 5 }, "x.test:1""#];
    let mut snapshot = setting.compile(&file);
    for (endpoint, order, expected) in [
        (
            "one",
            EndpointOrder::Admin(Drain),
            [(0, Drain), (1, Ready), (1, Ready)],
        ),
        (
            "x.test:1/10.0.0.2",
            EndpointOrder::Weight(9),
            [(0, Drain), (1, Ready), (9, Ready)],
        ),
        (
            "x.test:1",
            EndpointOrder::Admin(Drain),
            [(0, Drain), (0, Drain), (0, Drain)],
        ),
        (
            "10.0.0.9:1",
            EndpointOrder::Admin(Ready),
            [(5, Ready), (0, Drain), (0, Drain)],
        ),
        (
            "x.test:1",
            EndpointOrder::AsConfigured,
            [(5, Ready), (1, Ready), (1, Ready)],
        ),
        (
            "one",
            EndpointOrder::Weight(2),
            [(2, Ready), (1, Ready), (1, Ready)],
        ),
    ] {
        let registry = &mut setting.registry;
        let id = registry.order(&snapshot, "a", endpoint, order).unwrap();
        setting.generation += 1;
        snapshot = registry
            .with_resolved(&snapshot, id, &setting.resolved, setting.generation)
            .unwrap();
        assert_eq!(shown(&snapshot), expected, "{endpoint}: {order:?}");
        snapshot = setting.compile(&file);
        assert_eq!(shown(&snapshot), expected, "compiled anew");
    }
    assert_eq!(endpoint(&snapshot, 0, 0).configured_weight, 5);
}

#[test]
fn an_order_for_what_is_not_there_names_what_is() {
    let mut setting = Setting::new();
    let snapshot = setting.compile(&[r#"api: "10.0.0.1:1", "10.0.0.2:1""#]);
    for (cluster, endpoint, expected) in [
        (
            "apy",
            "10.0.0.1:1",
            r#"no cluster is called "apy": did you mean "api"?"#,
        ),
        (
            "web",
            "10.0.0.1:1",
            r#"no cluster is called "web": there are api"#,
        ),
        (
            "api",
            "10.0.0.1:2",
            r#"no endpoint is called "10.0.0.1:2": did you mean "10.0.0.1:1"?"#,
        ),
        (
            "api",
            "x",
            r#"no endpoint is called "x": there are 10.0.0.1:1, 10.0.0.2:1"#,
        ),
    ] {
        let order = EndpointOrder::Weight(0);
        let refused = setting.registry.order(&snapshot, cluster, endpoint, order);
        let Err(Unfit::NotThere(what)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(what.to_string(), expected);
    }
}
