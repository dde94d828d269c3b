//! Discovery: where endpoints come from while the process runs, and what is known from there.
//!
//! A [`Source`] looks once and says what it found and for how long that is good; when it is asked again, that the last good
//! answer holds when it fails, and what then changes, is the same for all of them and stands in the control plane. What the
//! configuration itself lists needs no source. How a source looks is its own business: this module opens nothing.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use evenkeel_base::Address;
use evenkeel_config::Spoken;
use evenkeel_config::model::{Cluster, Endpoint, Listed};

/// What a source looks for: the key under which its answer is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sought {
    /// The addresses of a name, each with this port.
    Name(String, u16),
    /// The SRV records of a name.
    Service(String),
    /// The list of endpoints in a file, for clusters that speak that with them.
    List(PathBuf, Spoken),
}

impl Sought {
    /// What has to be looked for behind an address; `None` when it says where it is.
    #[must_use]
    pub fn of(address: &Address) -> Option<Self> {
        match address {
            Address::Name { host, port } => Some(Self::Name(host.clone(), *port)),
            Address::Service(name) => Some(Self::Service(name.clone())),
            Address::Ip(_) | Address::Unix(_) => None,
        }
    }

    /// All that has to be looked for to know the endpoints of a cluster. Some may be given twice.
    pub fn all(cluster: &Cluster) -> impl Iterator<Item = Self> {
        let list = Self::list_of(cluster);
        list.into_iter().chain(Self::behind(&cluster.endpoints))
    }

    /// The list of a cluster's endpoints, where that is a file of its own.
    #[must_use]
    pub fn list_of(cluster: &Cluster) -> Option<Self> {
        match &cluster.listed {
            Listed::File(path) => Some(Self::List(path.clone(), Spoken::of(cluster))),
            Listed::Here => None,
        }
    }

    /// Whether it is the list of this cluster's endpoints.
    #[must_use]
    pub fn is_list_of(&self, cluster: &Cluster) -> bool {
        match (self, &cluster.listed) {
            (Self::List(path, spoken), Listed::File(listed)) => {
                path == listed && *spoken == Spoken::of(cluster)
            }
            _ => false,
        }
    }

    /// What has to be looked for behind these endpoints' addresses.
    pub fn behind(endpoints: &[Endpoint]) -> impl Iterator<Item = Self> {
        let addresses = endpoints.iter().map(|endpoint| &endpoint.address);
        addresses.filter_map(Self::of)
    }
}

impl fmt::Display for Sought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(host, _) => f.write_str(host),
            Self::Service(name) => write!(f, "srv:{name}"),
            Self::List(path, _) => path.display().fmt(f),
        }
    }
}

/// A source of endpoints.
pub trait Source: fmt::Debug + Send {
    /// Looks once, for as long as it takes: a source that can wait for changes does so here. An error is a sentence for
    /// people; what was found before holds.
    fn look(&mut self) -> Pin<Box<dyn Future<Output = Result<Look, String>> + Send + '_>>;
}

/// What came of a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// What was found.
    pub found: Found,
    /// How long it is good for, as far as the source knows.
    pub good_for: Duration,
}

/// What a source found: never nothing at all, which would be an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// What it found the last time.
    Same,
    /// The addresses of a name, sorted.
    Addresses(Vec<SocketAddr>),
    /// The places of a service, sorted.
    Services(Vec<Service>),
    /// A list of endpoints.
    Endpoints(Vec<Endpoint>),
}

/// One place of a service: an SRV record as endpoints have it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    /// Its tier: 0 for the records of the lowest priority, and so on.
    pub tier: u8,
    /// The name of where it is.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its weight, 1 to 1,000.
    pub weight: u16,
    /// The addresses behind the name, with the port, sorted.
    pub addresses: Vec<SocketAddr>,
}

/// What is known of names and services that nobody looks for any more is kept for so many of them, the last ones: a configuration
/// may come back while no name server answers.
pub const MOST_LEFT: usize = 1_000;

/// What is known of the names and services among the endpoints' addresses.
///
/// It outlives configurations and processes: what was found last is better than nothing, whenever nobody answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    names: HashMap<(String, u16), Vec<SocketAddr>>,
    services: HashMap<String, Vec<Service>>,
    /// Those among them that nobody looks for, the first that was left first.
    left: VecDeque<Sought>,
}

impl Resolved {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The addresses of a name; none as long as it is not known.
    #[must_use]
    pub fn addresses(&self, host: &str, port: u16) -> &[SocketAddr] {
        self.names
            .get(&(host.to_owned(), port))
            .map_or(&[], Vec::as_slice)
    }

    /// The places of a service; none as long as it is not known.
    #[must_use]
    pub fn services(&self, name: &str) -> &[Service] {
        self.services.get(name).map_or(&[], Vec::as_slice)
    }

    /// From now on a name has these addresses.
    pub fn insert(&mut self, name: (String, u16), addresses: Vec<SocketAddr>) {
        self.names.insert(name, addresses);
    }

    /// From now on a service has these places.
    pub fn insert_services(&mut self, name: String, services: Vec<Service>) {
        self.services.insert(name, services);
    }

    /// What it knows something of.
    pub fn sought(&self) -> impl Iterator<Item = Sought> {
        let names = self.names.keys();
        let names = names.map(|(host, port)| Sought::Name(host.clone(), *port));
        names.chain(self.services.keys().cloned().map(Sought::Service))
    }

    /// Takes over what another knows; where both know, that. Says whether any of it is news.
    pub fn extend(&mut self, newer: Self) -> bool {
        let mut news = false;
        for (name, addresses) in newer.names {
            news |= self.names.get(&name) != Some(&addresses);
            self.names.insert(name, addresses);
        }
        for (name, services) in newer.services {
            news |= self.services.get(&name) != Some(&services);
            self.services.insert(name, services);
        }
        news
    }

    /// From now on these are looked for. What is known of others is kept, of the last [`MOST_LEFT`].
    pub fn follow(&mut self, wanted: impl Fn(&Sought) -> bool) {
        self.left.retain(|sought| !wanted(sought));
        let known: HashSet<Sought> = self.left.iter().cloned().collect();
        let mut leaving: Vec<Sought> = self
            .sought()
            .filter(|sought| !wanted(sought) && !known.contains(sought))
            .collect();
        leaving.sort_unstable();
        self.left.extend(leaving);
        while self.left.len() > MOST_LEFT {
            match self.left.pop_front() {
                Some(Sought::Name(host, port)) => drop(self.names.remove(&(host, port))),
                Some(Sought::Service(name)) => drop(self.services.remove(&name)),
                Some(Sought::List(..)) | None => {}
            }
        }
    }

    /// Whether it is known because somebody looks for it, and not from before.
    #[must_use]
    pub fn is_current(&self, sought: &Sought) -> bool {
        let is_known = match sought {
            Sought::Name(host, port) => !self.addresses(host, *port).is_empty(),
            Sought::Service(name) => !self.services(name).is_empty(),
            Sought::List(..) => true,
        };
        is_known && !self.left.contains(sought)
    }

    /// Gives names that are not known the addresses that they have with another port.
    pub fn lend_addresses<'a>(&mut self, wanted: impl IntoIterator<Item = &'a Sought>) {
        for sought in wanted {
            let Sought::Name(host, port) = sought else {
                continue;
            };
            if !self.addresses(host, *port).is_empty() {
                continue;
            }
            let others = self.names.iter().filter(|((other, _), _)| other == host);
            // The lowest port: the same each time.
            let Some((_, there)) = others.min_by_key(|((_, port), _)| *port) else {
                continue;
            };
            let here = there
                .iter()
                .map(|address| SocketAddr::new(address.ip(), *port));
            let here = here.collect();
            self.insert((host.clone(), *port), here);
        }
    }

    /// The names that are known, with their addresses.
    pub fn names(&self) -> impl Iterator<Item = (&str, u16, &[SocketAddr])> {
        let names = self.names.iter();
        names.map(|((host, port), addresses)| (host.as_str(), *port, addresses.as_slice()))
    }

    /// The services that are known, with their places.
    pub fn all_services(&self) -> impl Iterator<Item = (&str, &[Service])> {
        let services = self.services.iter();
        services.map(|(name, places)| (name.as_str(), places.as_slice()))
    }
}

impl<const N: usize> From<[((String, u16), Vec<SocketAddr>); N]> for Resolved {
    fn from(names: [((String, u16), Vec<SocketAddr>); N]) -> Self {
        Self {
            names: HashMap::from(names),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests;
