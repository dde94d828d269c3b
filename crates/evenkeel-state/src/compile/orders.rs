//! What operators order of a cluster's endpoints: which one is meant, and whether it may be.

use std::fmt;

use evenkeel_base::{ClusterId, Scheme};
use evenkeel_config::model;
use evenkeel_config::{MOST_ENDPOINTS, Spoken};

use super::Registry;
use crate::command::EndpointOrder;
use crate::endpoint::Endpoint;
use crate::overlay::{MOST_ADDED, MOST_ORDERED};
use crate::snapshot::{ClusterSnapshot, Snapshot};

impl Registry {
    /// Takes an operator's order for an endpoint, called by its id or its address; gives where it now applies. It shows in the
    /// next snapshot that has the endpoint: [`Registry::with_resolved`] makes one.
    ///
    /// # Errors
    /// When the snapshot has no such cluster or endpoint, or orders stand for too many.
    pub fn order(
        &mut self,
        snapshot: &Snapshot,
        cluster: &str,
        endpoint: &str,
        order: EndpointOrder,
    ) -> Result<ClusterId, Unfit> {
        let found = snapshot.called(cluster)?;
        let id = id_of(found, endpoint).ok_or_else(|| NotThere::endpoint(endpoint, found))?;
        if order != EndpointOrder::AsConfigured && !self.overlay.has_room(cluster, &id) {
            let text = format!(
                "orders stand for {MOST_ORDERED} endpoints, as many as may be: reset some, or put them into the configuration"
            );
            return Err(Unfit::Cannot(text));
        }
        self.overlay.order(cluster, &id, order);
        Ok(found.id)
    }

    /// Takes an endpoint that an operator adds to a cluster; what stands before its address has to be what the cluster speaks.
    /// Gives where it is, in the next snapshot that is made of this one.
    ///
    /// # Errors
    /// When the snapshot has no such cluster, or the cluster no place for it.
    pub fn add(
        &mut self,
        snapshot: &Snapshot,
        cluster: &str,
        endpoint: &model::Endpoint,
        scheme: Option<Scheme>,
    ) -> Result<ClusterId, Unfit> {
        let id = self.may_add(snapshot, cluster, endpoint, scheme)?;
        self.overlay
            .added_mut()
            .add(cluster.to_owned(), endpoint.clone());
        Ok(id)
    }

    /// Whether it would be taken.
    ///
    /// # Errors
    /// Why not.
    pub fn may_add(
        &self,
        snapshot: &Snapshot,
        cluster: &str,
        endpoint: &model::Endpoint,
        scheme: Option<Scheme>,
    ) -> Result<ClusterId, Unfit> {
        let found = snapshot.called(cluster)?;
        let spoken = Spoken::of(&found.config);
        spoken.admits(scheme).map_err(Unfit::Cannot)?;
        let (id, address) = (&endpoint.id, &endpoint.address);
        let (listed, added) = (&found.config.endpoints, &found.added);
        for one in listed.iter().chain(added.iter()) {
            let whose = format!("{cluster} has {}", one.id);
            if one.address == *address {
                let text = format!("{whose}, which is at {address}: it is there already");
                return Err(Unfit::Cannot(text));
            }
            if one.id == *id {
                let text = format!("{whose} already, at {}: give it another id", one.address);
                return Err(Unfit::Cannot(text));
            }
        }
        if found.endpoints.list.iter().any(|one| *one.id == **id) {
            let text =
                format!("{id} is an address of one of {cluster}'s names: it is there already");
            return Err(Unfit::Cannot(text));
        }
        let all = listed.len() + added.len();
        if all >= MOST_ENDPOINTS {
            let text = format!("a cluster has at most {MOST_ENDPOINTS} endpoints");
            return Err(Unfit::Cannot(text));
        }
        if self.overlay.added().count() >= MOST_ADDED {
            let text = format!(
                "at most {MOST_ADDED} endpoints can be added: put them into the configuration"
            );
            return Err(Unfit::Cannot(text));
        }
        Ok(found.id)
    }

    /// Takes an endpoint away that an operator added, called by its id or its address, and what was ordered for it. Gives where it
    /// was, and its id.
    ///
    /// # Errors
    /// When the snapshot has no such cluster or endpoint, or the endpoint was not added.
    pub fn remove(
        &mut self,
        snapshot: &Snapshot,
        cluster: &str,
        endpoint: &str,
    ) -> Result<(ClusterId, String), Unfit> {
        let found = snapshot.called(cluster)?;
        let mut added = found.added.iter();
        let is_it =
            |one: &&model::Endpoint| one.id == endpoint || one.address.to_string() == endpoint;
        let Some(id) = added.find(is_it).map(|one| one.id.clone()) else {
            let id = id_of(found, endpoint).ok_or_else(|| NotThere::endpoint(endpoint, found))?;
            let whole = found.added.iter().find(|one| {
                let rest = id.strip_prefix(one.id.as_str());
                rest.is_some_and(|rest| rest.starts_with('/'))
            });
            return Err(Unfit::Cannot(match whole {
                Some(one) => format!(
                    "{id} is one of the addresses of {}: remove that, or drain this one",
                    one.id
                ),
                None => format!(
                    "{id} is in the configuration of {cluster}: drain or maint it instead, or take it out there"
                ),
            }));
        };
        self.overlay.added_mut().remove(cluster, &id);
        self.overlay
            .order(cluster, &id, EndpointOrder::AsConfigured);
        Ok((found.id, id))
    }
}

impl Snapshot {
    /// The cluster of that name.
    ///
    /// # Errors
    /// When there is none; that says which there are.
    pub fn called(&self, name: &str) -> Result<&ClusterSnapshot, NotThere> {
        let mut clusters = self.clusters().iter();
        let found = clusters.find(|one| one.config.name == name);
        found
            .map(|one| &**one)
            .ok_or_else(|| NotThere::cluster(name, self))
    }
}

impl ClusterSnapshot {
    /// The endpoint with that id, or at that address.
    ///
    /// # Errors
    /// When there is none; that says which there are.
    pub fn called(&self, name: &str) -> Result<&Endpoint, NotThere> {
        let list = &self.endpoints.list;
        let by_id = list.iter().find(|one| &*one.id == name);
        by_id
            .or_else(|| list.iter().find(|one| one.target.to_string() == name))
            .ok_or_else(|| NotThere::endpoint(name, self))
    }
}

/// Why an order for the list of a cluster's endpoints is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// What it names is not there.
    NotThere(NotThere),
    /// It cannot be, for this reason.
    Cannot(String),
}

impl From<NotThere> for Unfit {
    fn from(not_there: NotThere) -> Self {
        Self::NotThere(not_there)
    }
}

/// A cluster or endpoint that an order names and nobody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotThere {
    what: &'static str,
    wanted: String,
    near: Option<String>,
    /// Some of those that there are.
    others: Vec<String>,
}

impl NotThere {
    /// So many of those that there are, are named.
    const NAMED: usize = 8;

    fn cluster(wanted: &str, snapshot: &Snapshot) -> Self {
        let names = snapshot.clusters().iter();
        let names: Vec<&str> = names.map(|one| one.config.name.as_str()).collect();
        Self::among("cluster", wanted, &names)
    }

    fn endpoint(wanted: &str, cluster: &ClusterSnapshot) -> Self {
        let list = cluster.endpoints.list.iter();
        let names: Vec<&str> = list.map(|one| &*one.id).collect();
        Self::among("endpoint", wanted, &names)
    }

    fn among(what: &'static str, wanted: &str, names: &[&str]) -> Self {
        let near = evenkeel_config::nearest(wanted, names.iter().copied());
        let named = names.iter().take(Self::NAMED);
        Self {
            what,
            wanted: wanted.to_owned(),
            near: near.map(str::to_owned),
            others: named.map(|name| (*name).to_owned()).collect(),
        }
    }
}

impl fmt::Display for NotThere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no {} is called \"{}\"", self.what, self.wanted)?;
        match &self.near {
            Some(near) => write!(f, ": did you mean \"{near}\"?"),
            None if self.others.is_empty() => write!(f, ": there is none at all"),
            None => write!(f, ": there are {}", self.others.join(", ")),
        }
    }
}

/// The id by which orders for that endpoint are kept: the file's, or that of one address behind a name.
fn id_of(cluster: &ClusterSnapshot, wanted: &str) -> Option<String> {
    let list = &cluster.endpoints.list;
    let named = || cluster.config.endpoints.iter().chain(cluster.added.iter());
    let by_id = named().find(|one| one.id == wanted);
    let by_id = by_id.map(|one| one.id.clone());
    let resolved = || list.iter().find(|one| &*one.id == wanted);
    let written = || named().find(|one| one.address.to_string() == wanted);
    let target = || list.iter().find(|one| one.target.to_string() == wanted);
    by_id
        .or_else(|| resolved().map(|one| one.id.to_string()))
        .or_else(|| written().map(|one| one.id.clone()))
        .or_else(|| target().map(|one| one.id.to_string()))
}

#[cfg(test)]
mod tests;
