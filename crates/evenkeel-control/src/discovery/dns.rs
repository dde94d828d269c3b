//! Questions to name servers, and to the table of hosts before them.
//!
//! The table of hosts and the system's configuration are read again when they change, so that nobody has to be restarted for
//! that. Nothing is cached here: whoever asks has the time to live. A name of the table is compared whole, before any search
//! domain is put behind it, as the system's own resolver does it.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evenkeel_config::model;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use hickory_resolver::{Hosts, TokioResolver};
use tokio::time;

use super::stamp::Stamp;

const HOSTS: &str = "/etc/hosts";
const SYSTEM: &str = "/etc/resolv.conf";

/// So many times a question is put to each name server of ours, within the time of one look-up.
const TRIES: u32 = 2;

/// An answer, and how long it is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer<T> {
    pub(super) records: Vec<T>,
    pub(super) good_for: Duration,
}

/// One SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    /// In lower case, without the final dot; empty: the service is not there (RFC 2782, "Target").
    pub(super) host: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// The name servers say that there is none.
    Nothing,
    /// They said nothing, or that they cannot tell.
    Failed(String),
}

/// Name servers, and the table of hosts.
#[derive(Debug)]
pub(crate) struct Dns {
    settings: model::Resolver,
    system: Mutex<Option<Arc<System>>>,
}

/// What is read of the system, and the resolver that is made of it.
struct System {
    stamps: [Option<Stamp>; 2],
    hosts: Hosts,
    resolver: Result<TokioResolver, String>,
}

impl std::fmt::Debug for System {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("System").finish_non_exhaustive()
    }
}

impl Dns {
    pub(crate) const fn new(settings: model::Resolver) -> Self {
        Self {
            settings,
            system: Mutex::new(None),
        }
    }

    /// What it was made with.
    pub(crate) const fn settings(&self) -> &model::Resolver {
        &self.settings
    }

    /// The addresses that the table of hosts has for a name, or that it has by its own meaning (RFC 6761 §6.3); `None`: none.
    pub(super) fn known_here(&self, host: &str) -> Option<Vec<IpAddr>> {
        let mut found = self.system().addresses(host);
        if found.is_empty() && (host == "localhost" || host.ends_with(".localhost")) {
            found = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        }
        (!found.is_empty()).then_some(found)
    }

    /// The addresses of a name in one of the two families.
    pub(super) async fn addresses(
        &self,
        host: &str,
        kind: RecordType,
    ) -> Result<Answer<IpAddr>, NoAnswer> {
        self.ask(host, kind, |data| data.ip_addr()).await
    }

    /// The SRV records of a name.
    pub(super) async fn services(&self, name: &str) -> Result<Answer<Record>, NoAnswer> {
        let record = |data: &RData| match data {
            RData::SRV(srv) => {
                let host = srv.target.to_ascii().to_ascii_lowercase();
                Some(Record {
                    priority: srv.priority,
                    weight: srv.weight,
                    port: srv.port,
                    host: host.trim_end_matches('.').to_owned(),
                })
            }
            _ => None,
        };
        self.ask(name, RecordType::SRV, record).await
    }

    async fn ask<T>(
        &self,
        name: &str,
        kind: RecordType,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Result<Answer<T>, NoAnswer> {
        let system = self.system();
        let failed = |why: &dyn ToString| NoAnswer::Failed(why.to_string());
        let resolver = system.resolver.as_ref().map_err(|why| failed(why))?;
        let name = Name::from_str(name).map_err(|why| failed(&why))?;
        // The cache has no size, but what it drops it drops later.
        resolver.clear_cache();
        let asked = time::timeout(self.settings.timeout, resolver.lookup(name, kind));
        let found = asked
            .await
            .map_err(|_| failed(&"the name servers did not answer in time"))?;
        let found = found.map_err(|error| no_answer(&error))?;
        answer(&found, kind, read)
    }

    /// What the system says now.
    fn system(&self) -> Arc<System> {
        let stamps = [HOSTS, SYSTEM].map(|path| Stamp::of(Path::new(path)).ok());
        let mut known = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some(system) if system.stamps == stamps => Arc::clone(system),
            _ => {
                let system = Arc::new(System::read(stamps, &self.settings));
                *known = Some(Arc::clone(&system));
                system
            }
        }
    }
}

impl System {
    fn read(stamps: [Option<Stamp>; 2], settings: &model::Resolver) -> Self {
        let mut hosts = Hosts::default();
        // A system without the table, or with one that is half read, has what it has.
        if let Ok(file) = File::open(HOSTS) {
            drop(hosts.read_hosts_conf(file));
        }
        let settled = |stamp: Option<Stamp>| {
            stamp.filter(|stamp| stamp.is_settled(std::time::SystemTime::now()))
        };
        Self {
            stamps: stamps.map(settled),
            hosts,
            resolver: resolver(settings),
        }
    }

    fn addresses(&self, host: &str) -> Vec<IpAddr> {
        let Ok(name) = Name::from_str(host) else {
            return Vec::new();
        };
        let of = |kind| {
            self.hosts
                .lookup_static_host(&Query::query(name.clone(), kind))
        };
        let found = [RecordType::A, RecordType::AAAA].into_iter().filter_map(of);
        let records = found.flat_map(|lookup| lookup.answers().to_vec());
        records.filter_map(|record| record.data.ip_addr()).collect()
    }
}

/// A resolver by the system's configuration, with the servers of ours when there are any.
fn resolver(settings: &model::Resolver) -> Result<TokioResolver, String> {
    let (mut config, mut options) = match read_system_conf() {
        Ok(system) => system,
        Err(error) if settings.servers.is_empty() => {
            return Err(format!("{SYSTEM} names no name server: {error}"));
        }
        Err(_) => (
            ResolverConfig::from_parts(None, Vec::new(), Vec::new()),
            ResolverOpts::default(),
        ),
    };
    let patience = settings.timeout / TRIES;
    if settings.servers.is_empty() {
        options.timeout = options.timeout.min(patience);
    } else {
        config.name_servers = settings.servers.iter().map(server).collect();
        options.timeout = patience;
        options.attempts = TRIES as usize;
    }
    options.use_hosts_file = ResolveHosts::Never;
    options.cache_size = 0;
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
        .build()
        .map_err(|error| error.to_string())
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    server
}

fn no_answer(error: &NetError) -> NoAnswer {
    if !error.is_no_records_found() {
        return NoAnswer::Failed(error.to_string());
    }
    // Other reasons to have no record, such as that the server has a failure of its own, say nothing about the name.
    match error {
        error if error.is_nx_domain() || says_none(error) => NoAnswer::Nothing,
        error => NoAnswer::Failed(error.to_string()),
    }
}

/// Whether the name is there, without such a record.
fn says_none(error: &NetError) -> bool {
    use hickory_resolver::net::DnsError;
    use hickory_resolver::proto::op::ResponseCode;
    matches!(error, NetError::Dns(DnsError::NoRecordsFound(none)) if none.response_code == ResponseCode::NoError)
}

fn answer<T>(
    found: &Lookup,
    kind: RecordType,
    read: impl Fn(&RData) -> Option<T>,
) -> Result<Answer<T>, NoAnswer> {
    let good_for = found.answers().iter().map(|record| record.ttl).min();
    let of_kind = found.answers().iter();
    let records: Vec<T> = of_kind
        .filter(|record| record.record_type() == kind)
        .filter_map(|record| read(&record.data))
        .collect();
    if records.is_empty() {
        return Err(NoAnswer::Nothing);
    }
    let good_for = Duration::from_secs(good_for.unwrap_or(0).into());
    Ok(Answer { records, good_for })
}
