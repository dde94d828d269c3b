//! Cookies as a client gets them, over generations and processes.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_base::{ClusterId, Rng};
use evenkeel_config::model::StickyKey;
use evenkeel_config::{Nowhere, check};
use evenkeel_policy::{Tried, Wanted};

use super::*;
use crate::compile::{Registry, Resolved};
use crate::snapshot::{EndpointSet, Snapshot};

fn rules() -> StickyCookie {
    StickyCookie {
        name: "at".into(),
        path: "/".into(),
        lifetime: Duration::ZERO,
        same_site: SameSite::Lax,
        secure: false,
        keys: Vec::new(),
    }
}

/// A process whose chance was this byte.
fn process(chance: u8) -> Registry {
    Registry::new(1, &[chance; 32])
}

/// A cluster `app` with these endpoints, of which the first stands behind a name, and those keys.
fn compile(registry: &mut Registry, endpoints: &[&str], keys: &[&str]) -> Snapshot {
    let rules = StickyCookie {
        keys: keys
            .iter()
            .map(|key| StickyKey(key.as_bytes().into()))
            .collect(),
        ..rules()
    };
    compile_as(registry, endpoints, model::Sticky::Cookie(rules))
}

fn compile_as(registry: &mut Registry, endpoints: &[&str], sticky: model::Sticky) -> Snapshot {
    let text = format!(
        "version = 1\n[listener.web]\nbind = \"127.0.0.1:0\"\n[[route]]\ncluster = \"app\"\n[cluster.app]\nendpoints = {endpoints:?}\n"
    );
    let checked = check(&text, "test", &Nowhere);
    let mut config = checked
        .config
        .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    config.clusters[0].sticky = sticky;
    registry.compile(config, &resolved(&["10.0.0.9"]), 1)
}

/// The addresses of the name.
fn resolved(addresses: &[&str]) -> Resolved {
    let address = |ip: &&str| SocketAddr::new(ip.parse().unwrap(), 80);
    let addresses = addresses.iter().map(address).collect();
    Resolved::from([(("a.test".to_owned(), 80), addresses)])
}

fn set(snapshot: &Snapshot) -> &EndpointSet {
    &snapshot.cluster(ClusterId::new(0)).unwrap().endpoints
}

fn cookie(snapshot: &Snapshot) -> &Cookie {
    match &set(snapshot).sticky {
        Sticky::Cookie(cookie) => cookie,
        other => panic!("a cookie, not {other:?}"),
    }
}

/// The ids of the endpoints that `other` takes the clients of each endpoint to.
fn led(snapshot: &Snapshot, other: &Snapshot) -> Vec<String> {
    let given = (0..).map_while(|at| cookie(snapshot).field(at, &[]));
    let lead = |field: Cow<'_, str>| {
        let pair = field.split(';').next().unwrap();
        let value = pair.strip_prefix("at=").unwrap();
        match cookie(other).endpoint(value.as_bytes()) {
            None => "-".into(),
            Some(at) => set(other).list[at].id.to_string(),
        }
    };
    given.map(lead).collect()
}

const TWO: [&str; 2] = ["10.0.0.1:1", "10.0.0.2:1"];

#[test]
fn attributes_are_those_of_the_configuration() {
    assert_eq!(attributes(&rules()), "; Path=/; SameSite=Lax; HttpOnly");
    let all = StickyCookie {
        path: "/shop".into(),
        lifetime: Duration::from_hours(1),
        same_site: SameSite::None,
        secure: true,
        ..rules()
    };
    let expected = "; Path=/shop; Max-Age=3600; SameSite=None; Secure; HttpOnly";
    assert_eq!(attributes(&all), expected);
    let short = StickyCookie {
        lifetime: Duration::from_millis(10),
        same_site: SameSite::Strict,
        ..rules()
    };
    let expected = "; Path=/; Max-Age=1; SameSite=Strict; HttpOnly";
    assert_eq!(attributes(&short), expected);
}

#[test]
fn a_field_is_a_name_a_token_and_its_attributes() {
    let snapshot = compile(&mut process(1), &TWO, &["key"]);
    let cookie = cookie(&snapshot);
    assert_eq!(cookie.name(), "at");
    let field = cookie.field(1, &[]).unwrap();
    let value = field.strip_prefix("at=").unwrap();
    let value = value
        .strip_suffix("; Path=/; SameSite=Lax; HttpOnly")
        .unwrap();
    assert_eq!(value.len(), 22, "{field}");
    assert_eq!(cookie.endpoint(value.as_bytes()), Some(1));
    assert_eq!(cookie.field(2, &[]), None);
    let with_others = cookie.field(1, &["b", "c"]).unwrap();
    assert_eq!(with_others, field.replace(value, &format!("{value}.b.c")));
}

#[test]
fn without_keys_cookies_live_as_long_as_the_process() {
    let mut one = process(1);
    let before = compile(&mut one, &TWO, &[]);
    let after = compile(&mut one, &["10.0.0.2:1", "10.0.0.3:1"], &[]);
    assert_eq!(led(&before, &before), TWO);
    assert_eq!(led(&before, &after), ["-", "10.0.0.2:1"]);
    let restarted = compile(&mut process(2), &TWO, &[]);
    assert_eq!(led(&before, &restarted), ["-", "-"]);
}

#[test]
fn with_keys_they_are_those_of_every_process_that_has_one() {
    let here = compile(&mut process(1), &TWO, &["new", "old"]);
    let there = compile(&mut process(2), &TWO, &["new"]);
    let behind = compile(&mut process(3), &TWO, &["old"]);
    assert_eq!(
        (led(&here, &there), led(&behind, &here)),
        (
            TWO.map(String::from).to_vec(),
            TWO.map(String::from).to_vec()
        )
    );
    assert_eq!(led(&here, &behind), ["-", "-"]);
}

#[test]
fn names_resolved_anew_keep_the_clients_of_what_is_still_there() {
    let mut registry = process(1);
    let one = compile(&mut registry, &["a.test:80", "10.0.0.1:1"], &[]);
    let mut again = |addresses: &[&str]| {
        let resolved = resolved(addresses);
        registry
            .with_resolved(&one, ClusterId::new(0), &resolved, 2)
            .unwrap()
    };
    // A name with one address is its endpoint, wherever it moves; with several, each address is one.
    assert_eq!(
        led(&one, &again(&["10.0.0.8"])),
        ["a.test:80", "10.0.0.1:1"]
    );
    let two = again(&["10.0.0.9", "10.0.0.8"]);
    assert_eq!(led(&one, &two), ["-", "10.0.0.1:1"]);
    assert_eq!(
        led(&two, &again(&["10.0.0.8", "10.0.0.7"])),
        ["-", "a.test:80/10.0.0.8", "10.0.0.1:1"]
    );
}

#[test]
fn what_is_hashed_has_a_table_of_its_own() {
    let endpoints = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"];
    let by = vec![KeyPart::Cookie("sid".into())];
    let picks = |chance, order: &[&str]| {
        let sticky = model::Sticky::Hashed(by.clone());
        let snapshot = compile_as(&mut process(chance), order, sticky);
        let set = set(&snapshot);
        let Sticky::Hashed(hashed) = &set.sticky else {
            panic!("a hash, not {:?}", set.sticky);
        };
        assert_eq!(hashed.key, by);
        let (tried, mut rng) = (Tried::new(), Rng::new(u64::from(chance)));
        let mut pick = |key| {
            let wanted = Wanted {
                key: Some(key),
                ..Wanted::new(&tried)
            };
            let at = hashed.tiers.pick(&set.list, wanted, &mut rng).unwrap();
            set.list[at].id.to_string()
        };
        (0..50).map(|key| pick(key << 40)).collect::<Vec<_>>()
    };
    let mut reversed = endpoints;
    reversed.reverse();
    assert_eq!(picks(1, &endpoints), picks(2, &reversed));
}

#[test]
fn clients_stay_when_a_name_is_down_to_one_address_and_when_it_has_two_again() {
    let mut registry = process(1);
    let one = compile(&mut registry, &["a.test:80", "10.0.0.2:80"], &[]);
    let mut resolve = |snapshot: &Snapshot, addresses: &[&str]| {
        let resolved = resolved(addresses);
        let anew = registry.with_resolved(snapshot, ClusterId::new(0), &resolved, 2);
        anew.unwrap()
    };
    let two = resolve(&one, &["10.0.0.8", "10.0.0.7"]);
    let down = resolve(&two, &["10.0.0.7"]);
    assert_eq!(led(&two, &down), ["-", "a.test:80", "10.0.0.2:80"]);
    let again = resolve(&down, &["10.0.0.7", "10.0.0.6"]);
    assert_eq!(
        led(&two, &again),
        ["-", "a.test:80/10.0.0.7", "10.0.0.2:80"]
    );
    // Who came meanwhile holds what the name's only endpoint is called, which may be any of the two.
    assert_eq!(led(&down, &again), ["-", "10.0.0.2:80"]);
}
