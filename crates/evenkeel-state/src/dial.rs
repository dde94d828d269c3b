//! How connections to an endpoint are made: plain or through TLS, as whom, under which name, for which protocol.
//!
//! Pools ask for its number before they hand out a connection: one that was made otherwise, before a reload changed whom
//! the cluster trusts, is not used again. What is remembered beyond snapshots are the sessions of TLS: after a reload that changes
//! nothing of it, they are resumed.

use std::collections::HashMap;

use evenkeel_base::{Address, Target};
use evenkeel_config::model::{self, UpstreamProtocol};
use evenkeel_tls::client::{EndpointTls, Fingerprint};

/// How connections to one endpoint are made.
#[derive(Clone, Debug)]
pub struct Dial {
    /// A number for it: connections of two dials with the same number may stand in for one another.
    pub serial: u32,
    /// What is spoken.
    pub protocol: UpstreamProtocol,
    /// Through which TLS; `None`: plain.
    pub tls: Option<EndpointTls>,
}

impl Dial {
    /// Plain HTTP/1.1.
    pub const PLAIN: Self = Self {
        serial: 0,
        protocol: UpstreamProtocol::Auto,
        tls: None,
    };

    /// Whether HTTP/2 may be spoken, and with it many requests at once on one connection.
    #[inline]
    #[must_use]
    pub const fn may_multiplex(&self) -> bool {
        match self.protocol {
            UpstreamProtocol::Auto => self.tls.is_some(),
            UpstreamProtocol::Http1 => false,
            UpstreamProtocol::Http2 => true,
        }
    }
}

/// Identity, name and place. The place belongs to it, for endpoints behind one name need not know each other's tickets; the
/// protocol is part of the identity (ALPN).
type Key = (Fingerprint, String, Target);

/// The dials of TLS that snapshots use.
#[derive(Debug, Default)]
pub(crate) struct Dials {
    last: u32,
    known: HashMap<Key, Dial>,
}

impl Dials {
    /// How connections to an endpoint of that cluster are made, which has that address and is at that place.
    pub(crate) fn of(
        &mut self,
        cluster: &model::Cluster,
        address: &Address,
        target: &Target,
    ) -> Dial {
        let protocol = cluster.protocol;
        let Some(rules) = cluster.tls.rules() else {
            let serial = match protocol {
                UpstreamProtocol::Auto | UpstreamProtocol::Http1 => Dial::PLAIN.serial,
                UpstreamProtocol::Http2 => PLAIN_H2,
            };
            return Dial {
                serial,
                protocol,
                tls: None,
            };
        };
        let name = match rules.server_name.as_str() {
            "" => own_name(address),
            name => name.to_owned(),
        };
        let key = (rules.client.fingerprint(), name, target.clone());
        let last = &mut self.last;
        let known = self.known.entry(key).or_insert_with_key(|(_, name, _)| {
            *last = last.wrapping_add(1).max(PLAIN_H2 + 1);
            Dial {
                serial: *last,
                protocol,
                tls: Some(rules.client.towards(name)),
            }
        });
        known.clone()
    }

    /// Forgets what no snapshot refers to.
    pub(crate) fn forget_unused(&mut self) {
        self.known
            .retain(|_, dial| dial.tls.as_ref().is_some_and(EndpointTls::is_held));
    }
}

/// The number of HTTP/2 without TLS.
const PLAIN_H2: u32 = 1;

/// The name that an endpoint has to prove when its cluster names none. A Unix socket has no other than `Host` says of it.
fn own_name(address: &Address) -> String {
    match address {
        Address::Ip(address) => address.ip().to_string(),
        Address::Name { host, .. } | Address::Service(host) => host.clone(),
        Address::Unix(_) => "localhost".to_owned(),
    }
}

#[cfg(test)]
mod tests;
