//! What is looked for, and what becomes of services and lists in a snapshot.

use std::net::SocketAddr;

use evenkeel_base::ClusterId;
use evenkeel_config::{Nowhere, Spoken, check, model};

use super::{MOST_LEFT, Resolved, Service, Sought};
use crate::compile::Registry;
use crate::snapshot::Snapshot;

/// One cluster with these endpoints.
fn config(endpoints: &str) -> model::Config {
    let text = format!(
        "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\nendpoints = [{endpoints}]\n"
    );
    let checked = check(&text, "test", &Nowhere);
    checked
        .config
        .unwrap_or_else(|| panic!("{:?}", checked.diagnostics))
}

fn addresses(text: &str) -> Vec<SocketAddr> {
    text.split(' ').map(|one| one.parse().unwrap()).collect()
}

fn service(tier: u8, host: &str, port: u16, weight: u16, found: &str) -> Service {
    Service {
        tier,
        host: host.into(),
        port,
        weight,
        addresses: addresses(found),
    }
}

fn known(name: &str, services: &[Service]) -> Resolved {
    let mut known = Resolved::new();
    known.insert_services(name.into(), services.to_vec());
    known
}

/// The endpoints of the one cluster: id, target, weight and rank.
fn shown(snapshot: &Snapshot) -> Vec<String> {
    let list = &snapshot.clusters()[0].endpoints.list;
    list.iter()
        .map(|one| {
            format!(
                "{} at {} × {} in {}",
                one.id, one.target, one.weight, one.rank
            )
        })
        .collect()
}

const A: ClusterId = ClusterId::new(0);

#[test]
fn what_is_looked_for() {
    let config = config(r#""10.0.0.1:80", "b.test:80", "srv:_http._tcp.c.test", "unix:/d.sock""#);
    let sought: Vec<Sought> = Sought::all(&config.clusters[0]).collect();
    let service = Sought::Service("_http._tcp.c.test".into());
    assert_eq!(sought, [Sought::Name("b.test".into(), 80), service]);
    let mut cluster = config.clusters[0].clone();
    cluster.listed = model::Listed::File("list.toml".into());
    assert_eq!(
        Sought::all(&cluster).next(),
        Some(Sought::List("list.toml".into(), Spoken::default()))
    );
}

#[test]
fn the_places_of_a_service_are_endpoints_with_its_tiers_and_weights() {
    let services = [
        service(0, "a.test", 80, 3, "10.0.0.1:80 10.0.0.2:80"),
        service(0, "b.test", 81, 1, "10.0.0.3:81"),
        // Another name of a place that is there already.
        service(0, "c.test", 81, 1, "10.0.0.3:81"),
        service(1, "d.test", 80, 5, "10.0.0.4:80"),
    ];
    let mut registry = Registry::new(1, &[0; 32]);
    let config = config(r#""srv:_http._tcp.app", "10.0.0.9:80""#);
    let mut known = known("_http._tcp.app", &services);
    let before = registry.compile(config, &known, 1);
    let rank = |at: usize| before.clusters()[0].endpoints.list[at].rank;
    let (first, second) = (rank(0), rank(4));
    assert!(first < second);
    assert_eq!(
        shown(&before),
        [
            format!("srv:_http._tcp.app/a.test:80/10.0.0.1 at 10.0.0.1:80 × 3 in {first}"),
            format!("srv:_http._tcp.app/a.test:80/10.0.0.2 at 10.0.0.2:80 × 3 in {first}"),
            format!("srv:_http._tcp.app/b.test:81 at 10.0.0.3:81 × 1 in {first}"),
            format!("10.0.0.9:80 at 10.0.0.9:80 × 1 in {first}"),
            format!("srv:_http._tcp.app/d.test:80 at 10.0.0.4:80 × 5 in {second}"),
        ]
    );
    let list = &before.clusters()[0].endpoints.list;
    assert_eq!(&*list[0].authority, "a.test:80");

    // Another weight is another snapshot, and the same endpoint.
    let mut services = services.to_vec();
    services[3].weight = 6;
    known.insert_services("_http._tcp.app".into(), services);
    let after = registry.with_resolved(&before, A, &known, 2).unwrap();
    let [old, new] = [&before, &after].map(|s| s.clusters()[0].endpoints.list[4].clone());
    assert_eq!((old.weight, new.weight), (5, 6));
    assert_eq!(old.state.serial, new.state.serial);
    assert!(registry.with_resolved(&after, A, &known, 3).is_none());
}

#[test]
fn another_list_keeps_what_is_known_of_those_that_stay() {
    let mut registry = Registry::new(1, &[0; 32]);
    let known = Resolved::new();
    let before = registry.compile(config(r#""10.0.0.1:80", "10.0.0.2:80""#), &known, 1);
    let list = |text| config(text).clusters[0].endpoints.clone();
    let other = list(r#""10.0.0.3:80", "10.0.0.2:80""#);
    let after = registry
        .with_list(&before, A, other.clone(), &known, 2)
        .unwrap();
    let ids: Vec<String> = shown(&after);
    assert!(ids[0].starts_with("10.0.0.3:80") && ids[1].starts_with("10.0.0.2:80"));
    let [old, new] = [&before, &after].map(|s| s.clusters()[0].endpoints.list[1].clone());
    assert_eq!(old.state.serial, new.state.serial);
    assert!(after.clusters()[0].endpoints.list[0].state.added_later);
    assert!(registry.with_list(&after, A, other, &known, 3).is_none());
}

#[test]
fn only_what_is_other_is_news() {
    let fresh = |found| known("s", &[service(0, "a.test", 80, 1, found)]);
    let mut known = Resolved::new();
    assert!(known.extend(fresh("10.0.0.1:80")));
    assert!(!known.extend(fresh("10.0.0.1:80")));
    assert!(known.extend(fresh("10.0.0.2:80")));
    let name = || Resolved::from([(("b".to_owned(), 1), addresses("10.0.0.1:1"))]);
    assert!(known.extend(name()));
    assert!(!known.extend(name()));
    assert_eq!(known.sought().count(), 2);
}

#[test]
fn what_nobody_looks_for_is_kept_and_the_longest_left_goes_first() {
    let mut known = known("s", &[service(0, "a.test", 80, 1, "10.0.0.1:80")]);
    let name = |at: usize| Sought::Name(format!("n{at}"), 1);
    for at in 0..=MOST_LEFT {
        known.insert((format!("n{at}"), 1), addresses("10.0.0.1:1"));
    }
    let service = Sought::Service("s".to_owned());
    known.follow(|sought| *sought != service);
    assert!(!known.is_current(&service));
    assert_eq!(known.services("s").len(), 1);
    known.follow(|sought| *sought == name(0));
    assert!(known.services("s").is_empty(), "it was left first");
    assert_eq!(known.sought().count(), 1 + MOST_LEFT);
    assert!(known.is_current(&name(0)) && !known.is_current(&name(1)));
    known.follow(|_| true);
    assert!(known.is_current(&name(1)), "it is looked for again");
    assert!(!known.is_current(&name(MOST_LEFT + 1)), "nobody knows it");
}

#[test]
fn another_port_of_a_name_is_at_the_same_addresses() {
    let mut known = Resolved::from([
        (("b".to_owned(), 2), addresses("10.0.0.2:2")),
        (("b".to_owned(), 1), addresses("10.0.0.1:1")),
    ]);
    let wanted = [("b", 3), ("b", 2), ("c", 3)].map(|(host, port)| Sought::Name(host.into(), port));
    known.lend_addresses(&wanted);
    for (host, port, expected) in [
        ("b", 3, &["10.0.0.1:3"][..]),
        ("b", 2, &["10.0.0.2:2"]),
        ("c", 3, &[]),
    ] {
        let found = known.addresses(host, port).iter().map(ToString::to_string);
        assert_eq!(found.collect::<Vec<_>>(), expected, "{host}:{port}");
    }
}
