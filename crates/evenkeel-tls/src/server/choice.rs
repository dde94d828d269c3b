//! Which identity a client is shown: by the name that it asks for, then by the signatures that it can check.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};

use crate::identity::Identity;
use crate::shown::Shown;

/// The identities of a listener and who is shown which.
#[derive(Debug)]
pub(crate) struct Choice {
    identities: Vec<Identity>,
    /// Places of identities by a name; the cheap signatures first.
    exact: HashMap<String, Vec<usize>>,
    /// By what follows `*.` in a wildcard.
    wild: HashMap<String, Vec<usize>>,
    /// Those for everybody else: the first, and those that are for the same names, in whatever order they have them.
    others: Vec<usize>,
}

impl Choice {
    pub(crate) fn new(identities: &[Identity]) -> Self {
        let mut order: Vec<usize> = (0..identities.len()).collect();
        // An ECDSA signature costs a tenth of an RSA one, and all but the oldest clients can check it.
        order.sort_by_key(|at| identities.get(*at).is_some_and(is_rsa));
        let mut choice = Self {
            identities: identities.to_vec(),
            exact: HashMap::new(),
            wild: HashMap::new(),
            others: Vec::new(),
        };
        let sorted = |identity: &Identity| {
            let mut names = identity.certificate().hosts.clone();
            names.sort_unstable();
            names
        };
        let first = identities.first().map(sorted);
        for at in order {
            let Some(identity) = identities.get(at) else {
                continue;
            };
            let names = &identity.certificate().hosts;
            for name in names {
                let (map, key) = match name.strip_prefix("*.") {
                    Some(rest) => (&mut choice.wild, rest),
                    None => (&mut choice.exact, name.as_str()),
                };
                map.entry(key.to_owned()).or_default().push(at);
            }
            if at == 0 || Some(sorted(identity)) == first {
                choice.others.push(at);
            }
        }
        choice
    }

    /// Places of the identities for a name in lower case; none for nobody's.
    pub(crate) fn find(&self, name: &str) -> Option<&[usize]> {
        let exact = self.exact.get(name);
        let found = exact.or_else(|| self.wild.get(name.split_once('.')?.1));
        found.map(Vec::as_slice)
    }

    /// Whether `host`, in lower case, is for another identity than the one that was shown, and not for that one.
    pub(crate) fn is_for_another(&self, host: &str, shown: usize) -> bool {
        let others = self.find(host).unwrap_or_default();
        let shown = self.identities.get(shown);
        !others.is_empty() && !shown.is_some_and(|one| one.certificate().is_for(host))
    }

    /// Whether there are several to choose from.
    pub(crate) const fn has_several(&self) -> bool {
        self.identities.len() > 1
    }

    /// The place of the identity that is shown to somebody who asks for `name` and can check `schemes`. What is for that very name
    /// comes first; to who cannot check it a wildcard that covers the name is as good.
    pub(crate) fn place(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> usize {
        let exact = name.and_then(|name| self.exact.get(name));
        let wild = name.and_then(|name| self.wild.get(name.split_once('.')?.1));
        let mut named = exact.into_iter().chain(wild).flatten().peekable();
        let is_named = named.peek().is_some();
        let others = self.others.iter().filter(|_| !is_named);
        let mut places = named.chain(others).copied().peekable();
        let first = places.peek().copied();
        let can_check = |at: &usize| {
            let identity = self.identities.get(*at);
            identity.is_some_and(|one| one.key().key.choose_scheme(schemes).is_some())
        };
        // With none that it can check the handshake fails, and says why.
        places.find(can_check).or(first).unwrap_or_default()
    }
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let identity = self.place(name.as_deref(), hello.signature_schemes());
        let key = self.identities.get(identity)?.key();
        let name = name.map(String::into_boxed_str);
        Shown { name, identity }.leave();
        Some(Arc::clone(key))
    }
}

fn is_rsa(identity: &Identity) -> bool {
    let key: &dyn SigningKey = &*identity.key().key;
    key.algorithm() == SignatureAlgorithm::RSA
}
