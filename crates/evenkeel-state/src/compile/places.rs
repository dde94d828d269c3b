//! Which endpoints a cluster has for this node, at which addresses, and in which order: names become as many endpoints as they
//! have addresses, services as many as their places have, tiers and zones become ranks, and of a very large cluster a part is left.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use evenkeel_base::{Address, Target};
use evenkeel_config::model;
use evenkeel_policy::subset::subset;
use evenkeel_policy::tiers::rank;

use crate::discovery::{Resolved, Service};

/// The most addresses of one name that become endpoints; more are left out. A name that answers with thousands would
/// otherwise decide how much memory we use.
pub(super) const MAX_ADDRESSES_PER_NAME: usize = 256;

/// What a cluster's endpoints are seen from.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    zone: &'a str,
    pub(super) name: &'a str,
}

impl<'a> Node<'a> {
    pub(super) fn of(config: &'a model::Config) -> Self {
        Self {
            zone: &config.zone,
            name: &config.node,
        }
    }
}

/// An endpoint that is to be: one of the configuration's, at one of its addresses.
pub(super) struct Place<'a> {
    pub(super) from: Cow<'a, model::Endpoint>,
    /// An operator added it, and the configuration has none like it.
    pub(super) is_added: bool,
    /// The configured id, with the place of a service behind it, and the address when a name has several.
    pub(super) id: String,
    pub(super) target: Target,
    pub(super) rank: u16,
}

/// The endpoints of a cluster that the node makes use of, in the order of their ranks, in which those of one rank keep the file's.
pub(super) fn places<'a>(
    cluster: &'a model::Cluster,
    added: &'a [model::Endpoint],
    node: Node<'_>,
    resolved: &Resolved,
) -> Vec<Place<'a>> {
    let mut places = all(cluster, added, node, resolved);
    places.sort_by_key(|place| place.rank);
    in_subset(places, node, cluster.subset)
}

/// The ids by which something may be ordered for what a cluster's names lead to, whether the node makes use of it or not. The only
/// address of a name has none of its own, but may have had one.
pub(super) fn ids(
    cluster: &model::Cluster,
    added: &[model::Endpoint],
    resolved: &Resolved,
) -> HashSet<String> {
    let nowhere = Node { zone: "", name: "" };
    let mut ids = HashSet::new();
    for place in all(cluster, added, nowhere, resolved) {
        if let Target::Ip(address) = &place.target {
            ids.insert(format!("{}/{}", place.id, address.ip()));
        }
        ids.insert(place.id);
    }
    ids
}

/// The endpoints of a cluster at all their addresses, in the file's order, and behind those what was added.
fn all<'a>(
    cluster: &'a model::Cluster,
    added: &'a [model::Endpoint],
    node: Node<'_>,
    resolved: &Resolved,
) -> Vec<Place<'a>> {
    let prefers = cluster.tiers.prefer_zone && !node.zone.is_empty();
    let listed = cluster.endpoints.iter().map(|from| (from, false));
    let all = listed.chain(added.iter().map(|from| (from, true)));
    let found = all.flat_map(|(from, is_added)| {
        let found = found(from, resolved).into_iter();
        found.map(move |spot| (spot, is_added))
    });
    let place = |((from, target, behind), is_added): (Spot<'a>, bool)| Place {
        is_added,
        id: format!("{}{behind}", from.id),
        // Whoever does not say where it is counts as elsewhere: it costs what is far away may cost.
        rank: rank(from.tier, prefers && from.zone != node.zone),
        from,
        target,
    };
    found.map(place).collect()
}

/// What is listed, where it is, and what tells it from others that are listed as one.
type Spot<'a> = (Cow<'a, model::Endpoint>, Target, String);

/// One endpoint of the file at all its addresses.
fn found<'a>(from: &'a model::Endpoint, resolved: &Resolved) -> Vec<Spot<'a>> {
    let here = |target| vec![(Cow::Borrowed(from), target, String::new())];
    match &from.address {
        Address::Ip(address) => here(Target::Ip(*address)),
        Address::Unix(path) => here(Target::Unix(Arc::new(path.clone()))),
        Address::Name { host, port } => {
            let found = at_addresses(resolved.addresses(host, *port)).into_iter();
            found
                .map(|(target, behind)| (Cow::Borrowed(from), target, behind))
                .collect()
        }
        Address::Service(name) => {
            let services = resolved.services(name).iter();
            let found = services.flat_map(|service| at_service(from, service));
            let mut seen = HashSet::new();
            // Two records may lead to one address, which is one endpoint all the same.
            let found = found.filter(|(_, target, _)| seen.insert(target.clone()));
            found.take(MAX_ADDRESSES_PER_NAME).collect()
        }
    }
}

/// The addresses of a name, each with what tells it from the others of the same name.
fn at_addresses(known: &[SocketAddr]) -> Vec<(Target, String)> {
    let several = known.len() > 1;
    let found = known.iter().take(MAX_ADDRESSES_PER_NAME);
    let behind = |address: &SocketAddr| match several {
        true => format!("/{}", address.ip()),
        false => String::new(),
    };
    found
        .map(|address| (Target::Ip(*address), behind(address)))
        .collect()
}

/// The endpoints at one place of a service: what stands in the file, with what the record says.
fn at_service<'a>(
    listed: &model::Endpoint,
    service: &Service,
) -> impl Iterator<Item = Spot<'a>> + use<'a> {
    let address = Address::Name {
        host: service.host.clone(),
        port: service.port,
    };
    let prefix = format!("/{address}");
    let from = model::Endpoint {
        address,
        tier: listed.tier.saturating_add(service.tier),
        weight: service.weight,
        ..listed.clone()
    };
    let found = at_addresses(&service.addresses).into_iter();
    found.map(move |(target, behind)| {
        let from = Cow::Owned(from.clone());
        (from, target, format!("{prefix}{behind}"))
    })
}

/// Those that the node makes use of: so many of each rank, all when `most` is 0. Of each, and not of all together: a reserve of two
/// endpoints behind thousands would nearly always be left out.
fn in_subset<'a>(places: Vec<Place<'a>>, node: Node<'_>, most: u32) -> Vec<Place<'a>> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if most == 0 || most >= places.len() {
        return places;
    }
    let mut chosen = Vec::new();
    let mut first = 0;
    for rank in places.chunk_by(|a, b| a.rank == b.rank) {
        let ids: Vec<&str> = rank.iter().map(|place| &*place.id).collect();
        let within = subset(node.name, &ids, most);
        chosen.extend(within.into_iter().map(|at| first + at));
        first += rank.len();
    }
    let mut chosen = chosen.into_iter().peekable();
    let places = places.into_iter().enumerate();
    places
        .filter_map(|(at, place)| chosen.next_if_eq(&at).map(|_| place))
        .collect()
}
