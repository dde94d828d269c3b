//! What operators ordered for endpoints while evenkeel runs, over what the configuration says.
//!
//! It is kept by cluster and endpoint, not by snapshot: a reload does not forget that an endpoint is being drained. An order
//! goes when the operator takes it back, or when the file has not named its endpoint for two configurations in a row (after
//! one, a rollback may bring it again); those that list the same endpoints count as one. One for an address behind a name goes
//! some time after the address: whoever is given it later is somebody else. What was added to a cluster is kept beside that, in
//! [`Added`].

mod added;

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use evenkeel_base::rules::AdminState;
use evenkeel_config::model;

use crate::command::EndpointOrder;

pub use added::{Added, MOST_ADDED};

/// For so many endpoints something may be ordered; for one more it is refused.
pub const MOST_ORDERED: usize = 100_000;

/// An order for an address behind a name outlives the address by so long: names whose answers change in turn have it again by then.
const KEPT_WITHOUT: Duration = Duration::from_mins(10);

/// What was ordered for one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ordered {
    /// This admin state, in the place of the file's.
    pub admin: Option<AdminState>,
    /// This weight, in the place of the file's.
    pub weight: Option<u16>,
}

impl Ordered {
    /// Whether nothing is.
    #[must_use]
    pub const fn is_nothing(self) -> bool {
        self.admin.is_none() && self.weight.is_none()
    }

    /// This, and where it says nothing the other.
    const fn or(self, other: Self) -> Self {
        Self {
            admin: if self.admin.is_some() {
                self.admin
            } else {
                other.admin
            },
            weight: if self.weight.is_some() {
                self.weight
            } else {
                other.weight
            },
        }
    }
}

/// Everything that was ordered.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    orders: BTreeMap<(String, String), Entry>,
    added: Added,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    ordered: Ordered,
    /// The configuration that is served does not name it.
    is_absent: bool,
    /// Since when it is an address that its name does not lead to.
    gone: Option<Instant>,
}

impl Overlay {
    /// Whether there is room for what is ordered for that endpoint.
    pub(crate) fn has_room(&self, cluster: &str, endpoint: &str) -> bool {
        let key = || (cluster.to_owned(), endpoint.to_owned());
        self.orders.len() < MOST_ORDERED || self.orders.contains_key(&key())
    }

    /// Whether something was ordered for an endpoint of that cluster.
    pub(crate) fn concerns(&self, cluster: &str) -> bool {
        let first = (cluster.to_owned(), String::new());
        let mut from = self.orders.range(first..);
        from.next().is_some_and(|((of, _), _)| of == cluster)
    }

    /// A cluster names these endpoints, and its names lead to those. Forgets orders for addresses that none of its names has led to
    /// for a while. What it does not name at all is for [`Overlay::keep_up`].
    pub(crate) fn follow(
        &mut self,
        cluster: &str,
        named: &HashSet<&str>,
        found: &HashSet<String>,
        now: Instant,
    ) {
        self.orders.retain(|(of, id), entry| {
            if of != cluster {
                return true;
            }
            let mut parts = id.match_indices('/').map(|(at, _)| &id[..at]);
            let is_behind_a_name = parts.any(|name| named.contains(name));
            let is_there = named.contains(id.as_str()) || found.contains(id);
            if is_there || !is_behind_a_name {
                entry.gone = None;
                return true;
            }
            let gone = *entry.gone.get_or_insert(now);
            now.saturating_duration_since(gone) < KEPT_WITHOUT
        });
    }

    /// Takes an order for an endpoint, by its id: that of the file stands for all addresses behind a name.
    pub fn order(&mut self, cluster: &str, endpoint: &str, order: EndpointOrder) {
        let key = (cluster.to_owned(), endpoint.to_owned());
        match order {
            EndpointOrder::Admin(admin) => {
                self.orders.entry(key).or_default().ordered.admin = Some(admin);
            }
            EndpointOrder::Weight(weight) => {
                self.orders.entry(key).or_default().ordered.weight = Some(weight);
            }
            EndpointOrder::AsConfigured => {
                // What was ordered for one of its addresses is taken back as well.
                let below = format!("{endpoint}/");
                self.orders.retain(|(of, id), _| {
                    of != cluster || (id != endpoint && !id.starts_with(&below))
                });
            }
        }
    }

    /// What was ordered for an endpoint that the file calls `named` and the snapshot calls `id`.
    #[must_use]
    pub fn of(&self, cluster: &str, named: &str, id: &str) -> Ordered {
        if self.orders.is_empty() {
            return Ordered::default();
        }
        let get = |id: &str| {
            let entry = self.orders.get(&(cluster.to_owned(), id.to_owned()));
            entry.map_or_else(Ordered::default, |entry| entry.ordered)
        };
        if named == id {
            get(id)
        } else {
            get(id).or(get(named))
        }
    }

    /// All of it: cluster, endpoint, what was ordered.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str, Ordered)> {
        self.orders.iter().map(|((cluster, endpoint), entry)| {
            (cluster.as_str(), endpoint.as_str(), entry.ordered)
        })
    }

    /// Puts in what another process was ordered.
    pub fn restore(&mut self, cluster: String, endpoint: String, ordered: Ordered) {
        if !ordered.is_nothing() {
            let entry = Entry {
                ordered,
                ..Entry::default()
            };
            self.orders.insert((cluster, endpoint), entry);
        }
    }

    /// The endpoints that were added.
    #[must_use]
    pub const fn added(&self) -> &Added {
        &self.added
    }

    /// The same, to change them.
    pub const fn added_mut(&mut self) -> &mut Added {
        &mut self.added
    }

    /// Whether these clusters name the same endpoints as those before: then nothing is to be forgotten.
    pub(crate) fn sees_the_same(before: &[model::Cluster], now: &[model::Cluster]) -> bool {
        fn seen(cluster: &model::Cluster) -> (&str, &[model::Endpoint]) {
            (&cluster.name, &cluster.endpoints)
        }
        before.iter().map(seen).eq(now.iter().map(seen))
    }

    /// Forgets what these clusters do not name and those before did not either.
    pub(crate) fn keep_up(&mut self, clusters: &[model::Cluster]) {
        self.added.keep_up(clusters);
        let added = &self.added;
        self.orders.retain(|(cluster, endpoint), entry| {
            let is_absent = !names(clusters, cluster, endpoint) && !added.names(cluster, endpoint);
            let goes = entry.is_absent && is_absent;
            entry.is_absent = is_absent;
            !goes
        });
    }
}

fn names(clusters: &[model::Cluster], cluster: &str, endpoint: &str) -> bool {
    let mut of_name = clusters.iter().filter(|one| one.name == cluster);
    of_name.any(|cluster| {
        let mut endpoints = cluster.endpoints.iter();
        endpoints.any(|one| is_of(&one.id, endpoint))
    })
}

/// Whether the id of an endpoint is that one, or that of an address behind it.
fn is_of(named: &str, id: &str) -> bool {
    let rest = id.strip_prefix(named);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use evenkeel_config::{Nowhere, check};

    use super::*;

    fn clusters(endpoints: &[&str]) -> Vec<model::Cluster> {
        let text = format!(
            "version = 1\n[listener.a]\nbind = \":0\"\n[[route]]\ncluster = \"c\"\n[cluster.c]\nendpoints = {endpoints:?}\n"
        );
        check(&text, "test", &Nowhere).config.unwrap().clusters
    }

    #[test]
    fn the_last_order_stands_and_one_for_an_address_stands_over_that_for_its_name() {
        let drain = EndpointOrder::Admin(AdminState::Drain);
        let ready = EndpointOrder::Admin(AdminState::Ready);
        let (weight, reset) = (EndpointOrder::Weight(3), EndpointOrder::AsConfigured);
        for (orders, expected) in [
            (&[][..], (None, None)),
            (&[("x:1", drain)], (Some(AdminState::Drain), None)),
            (
                &[("x:1", drain), ("x:1", weight)],
                (Some(AdminState::Drain), Some(3)),
            ),
            (
                &[("x:1", drain), ("x:1", ready)],
                (Some(AdminState::Ready), None),
            ),
            (
                &[("x:1/10.0.0.1", ready), ("x:1", drain), ("x:1", weight)],
                (Some(AdminState::Ready), Some(3)),
            ),
            (&[("x:1/10.0.0.2", drain)], (None, None)),
            (&[("x:1", drain), ("x:1", reset)], (None, None)),
            (&[("x:1/10.0.0.1", drain), ("x:1", reset)], (None, None)),
        ] {
            let mut overlay = Overlay::default();
            for (endpoint, order) in orders {
                overlay.order("c", endpoint, *order);
            }
            let Ordered { admin, weight } = overlay.of("c", "x:1", "x:1/10.0.0.1");
            assert_eq!((admin, weight), expected, "{orders:?}");
            assert!(overlay.of("d", "x:1", "x:1").is_nothing());
        }
    }

    #[test]
    fn an_order_outlives_one_configuration_without_its_endpoint_and_not_two() {
        let (with, without) = (
            clusters(&["x.test:1", "10.0.0.1:1"]),
            clusters(&["10.0.0.1:1"]),
        );
        for (course, kept) in [
            (&[&with][..], true),
            (&[&without], true),
            (&[&without, &with, &without, &with], true),
            (&[&without, &without], false),
        ] {
            let mut overlay = Overlay::default();
            overlay.order("c", "x.test:1/10.0.0.9", EndpointOrder::Weight(1));
            for clusters in course {
                overlay.keep_up(clusters);
            }
            assert_eq!(overlay.entries().count() == 1, kept, "{}", course.len());
        }
    }

    #[test]
    fn an_order_for_an_address_goes_a_while_after_the_address() {
        let named = HashSet::from(["x.test:1", "unix:/a/b"]);
        let found = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        let (with, without): (HashSet<String>, HashSet<String>) =
            (found(&["x.test:1/10.0.0.9"]), found(&["x.test:1/10.0.0.8"]));
        let (most, half) = (KEPT_WITHOUT, KEPT_WITHOUT / 2);
        for (course, kept) in [
            (&[(&without, Duration::ZERO), (&without, half)][..], true),
            (&[(&without, Duration::ZERO), (&without, most)], false),
            (&[(&without, Duration::ZERO), (&with, most)], true),
            (
                &[(&without, Duration::ZERO), (&with, half), (&without, most)],
                true,
            ),
        ] {
            let mut overlay = Overlay::default();
            // Those that go, and those that stay: what the file names, what it does not name at all, another cluster's.
            overlay.order("c", "x.test:1/10.0.0.9", EndpointOrder::Weight(1));
            for (cluster, id) in [
                ("c", "x.test:1"),
                ("c", "unix:/a/b"),
                ("c", "10.0.0.1:1"),
                ("d", "x.test:1/10.0.0.9"),
            ] {
                overlay.order(cluster, id, EndpointOrder::Weight(1));
            }
            let began = Instant::now();
            for (found, at) in course {
                overlay.follow("c", &named, found, began + *at);
            }
            assert_eq!(
                overlay.entries().count(),
                4 + usize::from(kept),
                "{course:?}"
            );
            assert!(overlay.concerns("c") && !overlay.concerns("b"));
        }
    }
}
