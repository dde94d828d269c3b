//! Endpoints that are added and removed, from snapshot to snapshot.

use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_base::{ClusterId, Scheme};
use evenkeel_config::{EndpointSaid, Nowhere, check, check_endpoint, model};

use super::Unfit;
use crate::command::EndpointOrder;
use crate::compile::{Lists, Registry, Resolved};
use crate::overlay::MOST_ORDERED;
use crate::snapshot::Snapshot;

struct Setting {
    registry: Registry,
    resolved: Resolved,
    now: Arc<Snapshot>,
}

/// A configuration with one cluster `c` of these.
fn config(cluster: &str) -> model::Config {
    let text = format!(
        "version = 1\n[listener.a]\nbind = \":0\"\n[[route]]\ncluster = \"c\"\n[cluster.c]\n{cluster}\n"
    );
    check(&text, "test", &Nowhere).config.unwrap()
}

impl Setting {
    fn new(cluster: &str) -> Self {
        let mut registry = Registry::new(1, &[0; 32]);
        let resolved = Resolved::new();
        let now = Arc::new(registry.compile(config(cluster), &resolved, 1));
        Self {
            registry,
            resolved,
            now,
        }
    }

    fn reload(&mut self, cluster: &str) {
        let generation = self.now.generation + 1;
        let next = self.registry.compile_after(
            Some(&self.now),
            config(cluster),
            Lists::Read,
            &self.resolved,
            generation,
        );
        self.now = Arc::new(next);
    }

    /// Adds it; with what is said to be spoken before its address.
    fn add(&mut self, address: &str, id: Option<&str>) -> Result<(), String> {
        let said = EndpointSaid {
            address,
            id,
            ..EndpointSaid::default()
        };
        let (scheme, endpoint) = check_endpoint(&said)?;
        self.add_of(scheme, &endpoint)
    }

    fn add_of(&mut self, scheme: Option<Scheme>, endpoint: &model::Endpoint) -> Result<(), String> {
        let added = self.registry.add(&self.now, "c", endpoint, scheme);
        added.map(|id| self.swap(id)).map_err(said)
    }

    fn remove(&mut self, id: &str) -> Result<String, String> {
        let removed = self.registry.remove(&self.now, "c", id);
        let (at, id) = removed.map_err(said)?;
        self.swap(at);
        Ok(id)
    }

    fn swap(&mut self, id: ClusterId) {
        let generation = self.now.generation + 1;
        let next = self
            .registry
            .with_resolved(&self.now, id, &self.resolved, generation);
        self.now = Arc::new(next.unwrap());
    }

    /// Its endpoints: ids, a `+` before those that were added.
    fn listed(&self) -> String {
        let list = self.now.clusters()[0].endpoints.list.iter();
        let shown = list.map(|one| format!("{}{}", if one.is_added { "+" } else { "" }, one.id));
        shown.collect::<Vec<_>>().join(" ")
    }

    fn serial(&self, id: &str) -> u32 {
        let mut list = self.now.clusters()[0].endpoints.list.iter();
        list.find(|one| *one.id == *id).unwrap().state.serial
    }
}

fn said(unfit: Unfit) -> String {
    match unfit {
        Unfit::NotThere(what) => what.to_string(),
        Unfit::Cannot(why) => why,
    }
}

const ONE: &str = "endpoints = [\"10.0.0.1:1\"]";
const BOTH: &str = "endpoints = [\"10.0.0.1:1\", \"10.0.0.2:1\"]";

#[test]
fn what_is_added_stays_over_reloads_until_it_is_removed() {
    let mut setting = Setting::new(ONE);
    setting.add("10.0.0.2:1", Some("b")).unwrap();
    assert_eq!(setting.listed(), "10.0.0.1:1 +b");
    let serial = setting.serial("b");
    for _ in 0..3 {
        setting.reload(ONE);
        assert_eq!(setting.listed(), "10.0.0.1:1 +b");
        assert_eq!(setting.serial("b"), serial, "what is known of it stays");
    }
    assert_eq!(*setting.now.config, config(ONE), "it is kept apart");
    // By its id or by its address.
    assert_eq!(setting.remove("10.0.0.2:1").unwrap(), "b");
    assert_eq!(setting.listed(), "10.0.0.1:1");
    setting.reload(ONE);
    assert_eq!(setting.listed(), "10.0.0.1:1");
}

#[test]
fn what_the_file_names_later_is_the_files_and_goes_on_as_it_was() {
    let mut setting = Setting::new(ONE);
    setting.add("10.0.0.2:1", None).unwrap();
    let serial = setting.serial("10.0.0.2:1");
    setting.reload(BOTH);
    assert_eq!(setting.listed(), "10.0.0.1:1 10.0.0.2:1");
    assert_eq!(setting.serial("10.0.0.2:1"), serial);
    let error = setting.remove("10.0.0.2:1").unwrap_err();
    assert!(error.contains("drain or maint it instead"), "{error}");
    setting.reload(ONE);
    assert_eq!(setting.listed(), "10.0.0.1:1 +10.0.0.2:1", "a rollback");
    setting.reload(BOTH);
    setting.reload("endpoints = [\"10.0.0.2:1\", \"10.0.0.1:1\"]");
    setting.reload(ONE);
    assert_eq!(setting.listed(), "10.0.0.1:1", "the file has taken it out");
    // Under another address, the id is the file's as well.
    setting.add("10.0.0.2:1", Some("b")).unwrap();
    setting.reload("endpoints = [\"10.0.0.1:1\", { address = \"10.0.0.9:1\", id = \"b\" }]");
    assert_eq!(setting.listed(), "10.0.0.1:1 b");
}

#[test]
fn renewed_certificates_and_the_same_file_again_forget_no_order() {
    let order = EndpointOrder::Weight(7);
    let mut setting = Setting::new(BOTH);
    let Setting { registry, now, .. } = &mut setting;
    let id = registry.order(now, "c", "10.0.0.2:1", order).unwrap();
    setting.swap(id);
    setting.add("10.0.0.3:1", None).unwrap();
    let other = "endpoints = [\"10.0.0.1:1\", \"10.0.0.3:1\"]";
    for _ in 0..3 {
        setting.reload(other);
        assert_eq!(setting.listed(), "10.0.0.1:1 10.0.0.3:1");
    }
    setting.reload(&format!("{other}\nconnect_timeout = \"1s\""));
    setting.reload(BOTH);
    assert_eq!(setting.listed(), "10.0.0.1:1 10.0.0.2:1 +10.0.0.3:1");
    assert_eq!(setting.now.clusters()[0].endpoints.list[1].weight, 7);
}

#[test]
fn a_list_that_is_read_anew_keeps_what_was_added_beside_it() {
    let mut setting = Setting::new(ONE);
    setting.add("10.0.0.2:1", None).unwrap();
    for (list, expected) in [
        (
            "endpoints = [\"10.0.0.5:1\"]",
            Some("10.0.0.5:1 +10.0.0.2:1"),
        ),
        ("endpoints = [\"10.0.0.5:1\"]", None),
        (BOTH, Some("10.0.0.1:1 10.0.0.2:1")),
        (ONE, Some("10.0.0.1:1")),
    ] {
        let list = config(list).clusters[0].endpoints.clone();
        let (id, generation) = (ClusterId::new(0), setting.now.generation + 1);
        let next =
            setting
                .registry
                .with_list(&setting.now, id, list, &setting.resolved, generation);
        assert_eq!(next.is_some(), expected.is_some());
        if let (Some(next), Some(expected)) = (next, expected) {
            setting.now = Arc::new(next);
            assert_eq!(setting.listed(), expected);
        }
    }
}

#[test]
fn a_name_that_is_added_is_looked_for_and_is_as_many_as_it_has_addresses() {
    let mut setting = Setting::new(ONE);
    setting.add("app.test:80", None).unwrap();
    assert_eq!(setting.listed(), "10.0.0.1:1", "it does not resolve yet");
    let sought = setting.now.clusters()[0].sought();
    assert!(
        sought
            .map(|one| one.to_string())
            .any(|one| one == "app.test")
    );
    let addresses = ["10.0.0.8:80", "10.0.0.9:80"].map(|one| one.parse().unwrap());
    setting
        .resolved
        .insert(("app.test".to_owned(), 80), addresses.to_vec());
    setting.swap(ClusterId::new(0));
    let all = "10.0.0.1:1 +app.test:80/10.0.0.8 +app.test:80/10.0.0.9";
    assert_eq!(setting.listed(), all);
    let error = setting.remove("app.test:80/10.0.0.8").unwrap_err();
    assert!(error.contains("addresses of app.test:80"), "{error}");
    setting.remove("app.test:80").unwrap();
    assert_eq!(setting.listed(), "10.0.0.1:1");
}

#[test]
fn what_is_ordered_of_it_goes_with_it() {
    let mut setting = Setting::new(ONE);
    setting.add("10.0.0.2:1", None).unwrap();
    let order = EndpointOrder::Weight(7);
    let Setting { registry, now, .. } = &mut setting;
    let id = registry.order(now, "c", "10.0.0.2:1", order).unwrap();
    setting.swap(id);
    for _ in 0..3 {
        setting.reload(ONE);
        assert_eq!(setting.now.clusters()[0].endpoints.list[1].weight, 7);
    }
    setting.remove("10.0.0.2:1").unwrap();
    setting.add("10.0.0.2:1", None).unwrap();
    assert_eq!(setting.now.clusters()[0].endpoints.list[1].weight, 1);
}

#[test]
fn what_cannot_be_is_refused_with_a_reason_and_changes_nothing() {
    let mut setting = Setting::new(BOTH);
    setting.add("10.0.0.3:1", Some("c")).unwrap();
    for (address, id, part) in [
        ("10.0.0.1:1", None, "it is there already"),
        ("10.0.0.1:1", Some("x"), "it is there already"),
        ("10.0.0.3:1", Some("x"), "it is there already"),
        ("10.0.0.9:1", Some("c"), "give it another id"),
        ("10.0.0.9:1", Some("10.0.0.1:1"), "give it another id"),
        ("https://10.0.0.9:1", None, "add tls = {} to the cluster"),
        ("h2c://10.0.0.9:1", None, "add protocol"),
    ] {
        let error = setting.add(address, id).unwrap_err();
        assert!(error.contains(part), "{address}: {error}");
    }
    setting.add("http://10.0.0.4:1", None).unwrap();
    assert_eq!(setting.listed(), "10.0.0.1:1 10.0.0.2:1 +c +10.0.0.4:1");
    for (id, part) in [
        ("10.0.0.1:1", "drain or maint it instead"),
        ("d", "no endpoint is called \"d\""),
    ] {
        let error = setting.remove(id).unwrap_err();
        assert!(error.contains(part), "{id}: {error}");
    }
    let other = setting.registry.remove(&setting.now, "d", "c");
    assert!(matches!(other, Err(Unfit::NotThere(_))));
}

#[test]
fn whoever_gets_an_address_later_is_not_bound_by_what_was_ordered_of_another() {
    let mut setting = Setting::new("endpoints = [\"app.test:80\"]");
    let lead = |setting: &mut Setting, addresses: &[&str]| {
        let addresses = addresses.iter().map(|one| one.parse().unwrap()).collect();
        let name = ("app.test".to_owned(), 80);
        setting.resolved.insert(name, addresses);
        setting.swap(ClusterId::new(0));
    };
    let weights = |setting: &Setting| {
        let list = setting.now.clusters()[0].endpoints.list.iter();
        list.map(|one| one.weight).collect::<Vec<_>>()
    };
    lead(&mut setting, &["10.0.0.7:80", "10.0.0.8:80"]);
    let Setting { registry, now, .. } = &mut setting;
    let order = EndpointOrder::Weight(7);
    let id = registry.order(now, "c", "app.test:80/10.0.0.7", order);
    setting.swap(id.unwrap());
    lead(&mut setting, &["10.0.0.8:80", "10.0.0.9:80"]);
    lead(&mut setting, &["10.0.0.7:80", "10.0.0.8:80"]);
    assert_eq!(weights(&setting), [7, 1], "it was away for a moment");
    lead(&mut setting, &["10.0.0.7:80"]);
    later(&mut setting);
    lead(&mut setting, &["10.0.0.7:80", "10.0.0.8:80"]);
    assert_eq!(weights(&setting), [7, 1], "it was alone");
    lead(&mut setting, &["10.0.0.8:80", "10.0.0.9:80"]);
    later(&mut setting);
    lead(&mut setting, &["10.0.0.7:80", "10.0.0.8:80"]);
    assert_eq!(weights(&setting), [1, 1]);
    assert_eq!(setting.registry.overlay().entries().count(), 0);
}

/// An hour goes by, and the name is looked up.
fn later(setting: &mut Setting) {
    let Setting {
        registry,
        resolved,
        now,
    } = setting;
    let at = Instant::now() + Duration::from_hours(1);
    registry.follow_names(&now.clusters()[0].config, &[], resolved, at);
}

#[test]
fn orders_beyond_so_many_are_refused_and_may_still_be_taken_back() {
    let mut setting = Setting::new(BOTH);
    let Setting { registry, now, .. } = &mut setting;
    let mut order = |id, order| registry.order(now, "c", id, order);
    let weight = EndpointOrder::Weight(7);
    order("10.0.0.1:1", weight).unwrap();
    let ordered = registry.overlay().of("c", "10.0.0.1:1", "10.0.0.1:1");
    for n in 1..MOST_ORDERED {
        let overlay = registry.overlay_mut();
        overlay.restore("d".to_owned(), n.to_string(), ordered);
    }
    let mut order = |id, order| registry.order(now, "c", id, order);
    let refused = order("10.0.0.2:1", weight);
    assert!(matches!(refused, Err(Unfit::Cannot(_))), "{refused:?}");
    order("10.0.0.1:1", EndpointOrder::Weight(8)).unwrap();
    order("10.0.0.1:1", EndpointOrder::AsConfigured).unwrap();
    order("10.0.0.2:1", weight).unwrap();
}
