//! Discovery: where endpoints come from while the process runs, and what is known from there.
//!
//! A [`Source`] looks once and says what it found and for how long that is good; when it is asked again, that the last good
//! answer holds when it fails, and what then changes, is the same for all of them and stands in the control plane. What the
//! configuration itself lists needs no source. How a source looks is its own business: this module opens nothing.

use std::collections::HashMap;
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
        let list = match &cluster.listed {
            Listed::File(path) => Some(Self::List(path.clone(), Spoken::of(cluster))),
            Listed::Here => None,
        };
        list.into_iter().chain(Self::behind(&cluster.endpoints))
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

/// What is known of the names and services among the endpoints' addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    names: HashMap<(String, u16), Vec<SocketAddr>>,
    services: HashMap<String, Vec<Service>>,
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

    /// Forgets what nobody looks for any more.
    pub fn retain(&mut self, wanted: impl Fn(&Sought) -> bool) {
        self.names
            .retain(|(host, port), _| wanted(&Sought::Name(host.clone(), *port)));
        self.services
            .retain(|name, _| wanted(&Sought::Service(name.clone())));
    }
}

impl<const N: usize> From<[((String, u16), Vec<SocketAddr>); N]> for Resolved {
    fn from(names: [((String, u16), Vec<SocketAddr>); N]) -> Self {
        Self {
            names: HashMap::from(names),
            services: HashMap::new(),
        }
    }
}

#[cfg(test)]
mod tests;
