//! What operators ordered for endpoints while evenkeel runs, over what the configuration says.
//!
//! It is kept by cluster and endpoint, not by snapshot: a reload does not forget that an endpoint is being drained. An order
//! goes when the operator takes it back, or when the file has not named its endpoint for two configurations in a row (after
//! one, a rollback may bring it again).

use std::collections::BTreeMap;

use evenkeel_base::rules::AdminState;
use evenkeel_config::model;

use crate::command::EndpointOrder;

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

/// Everything that was ordered. Only endpoints that exist get an entry, so it is no larger than the configuration.
#[derive(Clone, Debug, Default)]
pub struct Overlay(BTreeMap<(String, String), Entry>);

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    ordered: Ordered,
    /// The configuration that is served does not name it.
    is_absent: bool,
}

impl Overlay {
    /// Takes an order for an endpoint, by its id: that of the file stands for all addresses behind a name.
    pub fn order(&mut self, cluster: &str, endpoint: &str, order: EndpointOrder) {
        let key = (cluster.to_owned(), endpoint.to_owned());
        match order {
            EndpointOrder::Admin(admin) => {
                self.0.entry(key).or_default().ordered.admin = Some(admin);
            }
            EndpointOrder::Weight(weight) => {
                self.0.entry(key).or_default().ordered.weight = Some(weight);
            }
            EndpointOrder::AsConfigured => {
                // What was ordered for one of its addresses is taken back as well.
                let below = format!("{endpoint}/");
                self.0.retain(|(of, id), _| {
                    of != cluster || (id != endpoint && !id.starts_with(&below))
                });
            }
        }
    }

    /// What was ordered for an endpoint that the file calls `named` and the snapshot calls `id`.
    #[must_use]
    pub fn of(&self, cluster: &str, named: &str, id: &str) -> Ordered {
        if self.0.is_empty() {
            return Ordered::default();
        }
        let get = |id: &str| {
            let entry = self.0.get(&(cluster.to_owned(), id.to_owned()));
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
        self.0.iter().map(|((cluster, endpoint), entry)| {
            (cluster.as_str(), endpoint.as_str(), entry.ordered)
        })
    }

    /// Puts in what another process was ordered.
    pub fn restore(&mut self, cluster: String, endpoint: String, ordered: Ordered) {
        if !ordered.is_nothing() {
            let entry = Entry {
                ordered,
                is_absent: false,
            };
            self.0.insert((cluster, endpoint), entry);
        }
    }

    /// Forgets what these clusters do not name and those before did not either.
    pub(crate) fn keep_up(&mut self, clusters: &[model::Cluster]) {
        self.0.retain(|(cluster, endpoint), entry| {
            let is_absent = !names(clusters, cluster, endpoint);
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
        endpoints.any(|one| {
            let rest = endpoint.strip_prefix(one.id.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    })
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
}
