//! What operators order of endpoints: over what the configuration says, and beside what it lists.

use std::collections::BTreeSet;

use evenkeel_base::Scheme;
use evenkeel_config::model::Endpoint;
use evenkeel_state::command::EndpointOrder;
use evenkeel_state::{Inheritance, Overlay, Sought, Unfit};

use crate::Control;
use crate::discovery::{self, Unresolved};

/// What came of adding an endpoint.
#[derive(Debug)]
pub struct AddedEndpoint {
    /// The generation that has it.
    pub generation: u64,
    /// Why it is at no address yet: its name is looked up again.
    pub unresolved: Option<Unresolved>,
    /// Whether this node makes use of it; of a cluster with a `subset` it may not.
    pub is_used: bool,
}

impl Control {
    /// Takes an operator's order for an endpoint, over what the configuration says; gives the generation that has it.
    ///
    /// # Errors
    /// When there is no such cluster or endpoint, or orders stand for too many.
    pub fn order(&self, cluster: &str, endpoint: &str, order: EndpointOrder) -> Result<u64, Unfit> {
        let resolved = self.known();
        let mut registry = self.registry();
        let current = self.publisher.current();
        let id = registry.order(&current, cluster, endpoint, order)?;
        self.swap(|current, generation| registry.with_resolved(current, id, &resolved, generation));
        drop((registry, resolved));
        self.follow();
        Ok(self.publisher.current().generation)
    }

    /// Adds an endpoint to a cluster, beside those of the configuration. A name is looked up first, for as long as at a reload; one
    /// that does not resolve is looked up again later. It gets no request before its probes say that it is well, where it has any,
    /// and then slowly more.
    ///
    /// # Errors
    /// When there is no such cluster, or the cluster has no place for it: nothing has changed then.
    pub async fn add(
        &self,
        cluster: &str,
        endpoint: &Endpoint,
        scheme: Option<Scheme>,
    ) -> Result<AddedEndpoint, Unfit> {
        let current = self.publisher.current();
        // Asked before anybody waits for a name.
        self.registry()
            .may_add(&current, cluster, endpoint, scheme)?;
        let dns = self.discovery.dns(&current.config.resolver);
        let names: BTreeSet<Sought> = Sought::of(&endpoint.address).into_iter().collect();
        let known = self.known().clone();
        let (looked, mut unresolved) = discovery::look_up(names, &dns, &known).await;
        let mut resolved = self.known();
        let mut registry = self.registry();
        let current = self.publisher.current();
        let id = registry.add(&current, cluster, endpoint, scheme)?;
        for one in &looked {
            discovery::learn(&mut resolved, one);
        }
        self.swap(|current, generation| registry.with_resolved(current, id, &resolved, generation));
        drop((registry, resolved));
        self.follow();
        self.look_for_what_is_needed();
        self.discovery.keep(looked);
        let now = self.publisher.current();
        let mut list = now
            .cluster(id)
            .into_iter()
            .flat_map(|one| &one.endpoints.list);
        Ok(AddedEndpoint {
            generation: now.generation,
            unresolved: unresolved.pop(),
            is_used: list.any(|one| one.is_added && is_of(&endpoint.id, &one.id)),
        })
    }

    /// Takes an endpoint away that was added; exchanges that are under way with it are finished. Gives its id and the generation
    /// that does not have it.
    ///
    /// # Errors
    /// When there is no such cluster or endpoint, or the endpoint is one of the configuration.
    pub fn remove(&self, cluster: &str, endpoint: &str) -> Result<(String, u64), Unfit> {
        let resolved = self.known();
        let mut registry = self.registry();
        let current = self.publisher.current();
        let (at, id) = registry.remove(&current, cluster, endpoint)?;
        self.swap(|current, generation| registry.with_resolved(current, at, &resolved, generation));
        drop((registry, resolved));
        self.follow();
        self.look_for_what_is_needed();
        Ok((id, self.publisher.current().generation))
    }
}

/// Whether the id of an endpoint is that one, or that of an address behind it.
fn is_of(named: &str, id: &str) -> bool {
    let rest = id.strip_prefix(named);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Puts in what another process was ordered.
pub(crate) fn restore(overlay: &mut Overlay, before: &Inheritance) {
    for (cluster, endpoint) in &before.added {
        overlay.added_mut().add(cluster.clone(), endpoint.clone());
    }
    for (cluster, endpoint, ordered) in &before.overlay {
        overlay.restore(cluster.clone(), endpoint.clone(), *ordered);
    }
}
