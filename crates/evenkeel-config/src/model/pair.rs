//! Every certificate with its key that a configuration has somebody shown, whoever shows it.

use std::fmt;
use std::path::Path;

use evenkeel_tls::Identity;

use crate::model::{Config, ListenerCertificate};

/// A certificate and its key.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// Who shows it.
    pub holder: Holder<'a>,
    /// The file that it stands in.
    pub certificate: &'a Path,
    /// The file of its key.
    pub key: &'a Path,
    /// What they were when they were read.
    pub identity: &'a Identity,
}

/// Who shows a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder<'a> {
    /// A listener of that name, to clients.
    Listener(&'a str),
    /// The admin address, to operators.
    Admin,
    /// A cluster of that name, to its endpoints.
    Cluster(&'a str),
}

impl fmt::Display for Holder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listener(name) => write!(f, "listener {name}"),
            Self::Admin => f.write_str("the admin address"),
            Self::Cluster(name) => write!(f, "cluster {name}"),
        }
    }
}

impl Config {
    /// All of them: those of listeners, of the admin address, of clusters.
    pub fn pairs(&self) -> impl Iterator<Item = Pair<'_>> {
        let listeners = self.listeners.iter().flat_map(|listener| {
            let all = listener.tls.iter().flat_map(|tls| &tls.certificates);
            all.map(|one| one.held_by(Holder::Listener(&listener.name)))
        });
        let admin = self.admin.iter().filter_map(|admin| admin.tls.as_ref());
        let admin = admin.map(|tls| tls.certificate.held_by(Holder::Admin));
        let clusters = self.clusters.iter().filter_map(|cluster| {
            let files = cluster.tls.rules()?.certificate.as_ref()?;
            Some(Pair {
                holder: Holder::Cluster(&cluster.name),
                certificate: &files.certificate,
                key: &files.key,
                identity: &files.identity,
            })
        });
        listeners.chain(admin).chain(clusters)
    }
}

impl ListenerCertificate {
    fn held_by<'a>(&'a self, holder: Holder<'a>) -> Pair<'a> {
        Pair {
            holder,
            certificate: &self.certificate,
            key: &self.key,
            identity: &self.identity,
        }
    }
}
