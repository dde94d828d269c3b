//! Endpoints that operators added while evenkeel runs, beside those that the configuration lists.
//!
//! The file is the operator's word that lasts: one that it names, by id or by address, is the file's from then on, and what was
//! added like it waits for another configuration to be forgotten (a rollback may take the file's away again). A list of its own
//! ([`model::Listed::File`]) has no rollback: what it names is forgotten at once.

use std::collections::{BTreeMap, HashSet};

use evenkeel_base::Address;
use evenkeel_config::model;

use super::is_of;
use crate::discovery::Sought;

/// So many may be added in all; one more is refused. What is added by hand, or by a program that does so for each machine that it
/// starts, is far less.
pub const MOST_ADDED: usize = 10_000;

/// The endpoints that were added, by cluster.
#[derive(Clone, Debug, Default)]
pub struct Added(BTreeMap<String, Vec<Entry>>);

#[derive(Clone, Debug)]
struct Entry {
    endpoint: model::Endpoint,
    /// The configuration that is served has one like it, or no such cluster.
    is_idle: bool,
}

impl Added {
    /// Adds one to a cluster, in the place of what may be left of one like it.
    pub fn add(&mut self, cluster: String, endpoint: model::Endpoint) {
        let like = [endpoint.clone()];
        self.give_up(&cluster, &like);
        self.0.entry(cluster).or_default().push(Entry {
            endpoint,
            is_idle: false,
        });
    }

    /// Takes the one with that id away again.
    pub(crate) fn remove(&mut self, cluster: &str, id: &str) {
        self.retain(|of, entry| of != cluster || entry.endpoint.id != id);
    }

    /// All of them: cluster, endpoint.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &model::Endpoint)> {
        self.0.iter().flat_map(|(cluster, entries)| {
            let endpoints = entries.iter().map(|entry| &entry.endpoint);
            endpoints.map(|endpoint| (cluster.as_str(), endpoint))
        })
    }

    /// What has to be looked for to know where they are.
    pub fn sought(&self) -> impl Iterator<Item = Sought> {
        self.entries()
            .filter_map(|(_, endpoint)| Sought::of(&endpoint.address))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Those of a cluster that lists these itself, and nothing like them.
    pub(crate) fn beside(&self, cluster: &str, listed: &[model::Endpoint]) -> Vec<model::Endpoint> {
        let Some(entries) = self.0.get(cluster) else {
            return Vec::new();
        };
        let listed = Listed::new(listed);
        let endpoints = entries.iter().map(|entry| &entry.endpoint);
        endpoints.filter(|one| !listed.has(one)).cloned().collect()
    }

    /// Whether an endpoint with that id, or one of its addresses, was added.
    pub(super) fn names(&self, cluster: &str, id: &str) -> bool {
        let entries = self.0.get(cluster).map_or(&[][..], Vec::as_slice);
        entries.iter().any(|entry| is_of(&entry.endpoint.id, id))
    }

    /// Forgets what these clusters have themselves, or have no place for, if that was so before.
    pub(super) fn keep_up(&mut self, clusters: &[model::Cluster]) {
        if self.0.is_empty() {
            return;
        }
        let wanted: BTreeMap<&str, Listed<'_>> = clusters
            .iter()
            .filter(|cluster| self.0.contains_key(&cluster.name))
            .map(|cluster| (cluster.name.as_str(), Listed::new(&cluster.endpoints)))
            .collect();
        self.retain(|cluster, entry| {
            let listed = wanted.get(cluster);
            let is_idle = listed.is_none_or(|listed| listed.has(&entry.endpoint));
            let goes = entry.is_idle && is_idle;
            entry.is_idle = is_idle;
            !goes
        });
    }

    /// The list of a cluster has these now, which are no longer anybody's who added them.
    pub(crate) fn give_up(&mut self, cluster: &str, list: &[model::Endpoint]) {
        if self.0.contains_key(cluster) {
            let listed = Listed::new(list);
            self.retain(|of, entry| of != cluster || !listed.has(&entry.endpoint));
        }
    }

    fn retain(&mut self, mut stays: impl FnMut(&str, &mut Entry) -> bool) {
        self.0.retain(|cluster, entries| {
            entries.retain_mut(|entry| stays(cluster, entry));
            !entries.is_empty()
        });
    }
}

/// What a cluster lists itself.
struct Listed<'a> {
    ids: HashSet<&'a str>,
    addresses: HashSet<&'a Address>,
}

impl<'a> Listed<'a> {
    fn new(endpoints: &'a [model::Endpoint]) -> Self {
        Self {
            ids: endpoints.iter().map(|one| one.id.as_str()).collect(),
            addresses: endpoints.iter().map(|one| &one.address).collect(),
        }
    }

    fn has(&self, endpoint: &model::Endpoint) -> bool {
        self.ids.contains(endpoint.id.as_str()) || self.addresses.contains(&endpoint.address)
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_config::{EndpointSaid, Nowhere, check, check_endpoint};

    use super::*;

    fn endpoint(address: &str, id: Option<&str>) -> model::Endpoint {
        let said = EndpointSaid {
            address,
            id,
            ..EndpointSaid::default()
        };
        check_endpoint(&said).unwrap().1
    }

    fn clusters(endpoints: &str) -> Vec<model::Cluster> {
        let text = format!(
            "version = 1\n[listener.a]\nbind = \":0\"\n[[route]]\ncluster = \"c\"\n[cluster.c]\nendpoints = [{endpoints}]\n"
        );
        check(&text, "test", &Nowhere).config.unwrap().clusters
    }

    #[test]
    fn what_the_file_names_is_the_files() {
        let mut added = Added::default();
        added.add("c".to_owned(), endpoint("10.0.0.2:1", Some("b")));
        for (listed, beside) in [
            ("\"10.0.0.1:1\"", true),
            ("\"10.0.0.2:1\"", false),
            ("{ address = \"10.0.0.9:1\", id = \"b\" }", false),
            ("{ address = \"10.0.0.2:1\", id = \"b\" }", false),
        ] {
            let clusters = clusters(listed);
            let found = added.beside("c", &clusters[0].endpoints);
            assert_eq!(!found.is_empty(), beside, "{listed}");
        }
        assert!(added.beside("d", &[]).is_empty());
    }

    #[test]
    fn one_configuration_without_use_for_it_is_forgiven_and_two_are_not() {
        let (without, with) = (
            clusters("\"10.0.0.1:1\""),
            clusters("\"10.0.0.1:1\", \"10.0.0.2:1\""),
        );
        let other = Vec::new();
        for (course, kept) in [
            (&[&without, &without][..], true),
            (&[&with], true),
            (&[&with, &without, &with, &without], true),
            (&[&with, &with], false),
            (&[&other, &with], false),
            (&[&other, &without], true),
        ] {
            let mut added = Added::default();
            added.add("c".to_owned(), endpoint("10.0.0.2:1", None));
            for clusters in course {
                added.keep_up(clusters);
            }
            assert_eq!(added.count() == 1, kept, "{}", course.len());
        }
        let mut added = Added::default();
        added.add("c".to_owned(), endpoint("10.0.0.2:1", None));
        added.give_up("c", &without[0].endpoints);
        assert_eq!(added.count(), 1);
        added.give_up("c", &with[0].endpoints);
        assert_eq!(added.count(), 0, "a list has no rollback");
    }
}
