//! The accepting side: which certificate a client is shown, whose certificates are believed, and the keys of tickets by which
//! clients go on where they left off.

mod choice;
mod clients;
pub mod proof;
mod tickets;

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, UnbufferedServerConnection};

use crate::certificate::Certificate;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::identity::Identity;
use crate::provider::provider;
use crate::shown::Shown;
use crate::terms::{Version, spelt};
use choice::Choice;
pub use clients::{ClientCheck, Unusable};
pub use proof::Proof;
pub use tickets::TicketKeys;

/// What a listener speaks TLS by. Cheap to clone.
#[derive(Clone)]
pub struct ServerTls(Arc<Inner>);

struct Inner {
    config: Arc<ServerConfig>,
    choice: Arc<Choice>,
    clients: Option<ClientCheck>,
}

/// What it is made of.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The identities; the first is shown to whoever names none, or none that is known.
    pub identities: &'a [Identity],
    /// The oldest version that is spoken.
    pub least: Version,
    /// The protocols that are offered, the preferred one first (ALPN).
    pub protocols: &'a [&'a str],
    /// Whose certificates are believed; none: clients are not asked for one.
    pub clients: Option<&'a ClientCheck>,
    /// What tickets are sealed with. Only listeners that check clients alike may share them: a ticket brings the certificate of
    /// its client along, which is not checked again.
    pub tickets: &'a TicketKeys,
}

impl ServerTls {
    /// Puts it together.
    ///
    /// # Errors
    /// What rustls does not take.
    pub fn new(terms: &Terms<'_>) -> Result<Self, String> {
        let choice = Arc::new(Choice::new(terms.identities));
        let builder = ServerConfig::builder_with_provider(Arc::clone(provider()))
            .with_protocol_versions(terms.least.and_later())
            .map_err(|error| error.to_string())?;
        let builder = match terms.clients {
            None => builder.with_no_client_auth(),
            Some(check) => builder.with_client_cert_verifier(check.verifier()),
        };
        let mut config = builder.with_cert_resolver(Arc::clone(&choice) as _);
        config.alpn_protocols = spelt(terms.protocols);
        config.ticketer = terms.tickets.ticketer();
        // Tickets say everything: nothing is kept of clients.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.max_early_data_size = 0;
        // Ours is an order of strong ones by cost; a client's may have any reason.
        config.ignore_client_order = true;
        Ok(Self(Arc::new(Inner {
            config: Arc::new(config),
            choice,
            clients: terms.clients.cloned(),
        })))
    }

    /// Whether a client whose connection was accepted by `other` would have had to prove the same here.
    #[must_use]
    pub fn checks_clients_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.clients == other.0.clients
    }

    /// A connection that was just accepted.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn accept(&self) -> Result<Connection, Failure> {
        let config = Arc::clone(&self.0.config);
        let connection = UnbufferedServerConnection::new(config).map_err(Failure::of)?;
        Ok(Connection::of_server(connection))
    }

    /// What a handshake would have proven of a client that asks for `name` and shows no certificate. For people, and for nothing
    /// that is decided about a client that is there.
    #[must_use]
    pub fn supposed(&self, name: Option<&str>) -> Proof {
        let name = name.map(str::to_ascii_lowercase);
        let identity = self.0.choice.place(name.as_deref(), &[]);
        Proof {
            tls: self.clone(),
            shown: Shown {
                name: name.map(String::into_boxed_str),
                identity,
            },
            version: "TLSv1.3",
            certificate: None,
        }
    }

    /// What the handshake of a connection that was accepted here has proven, once.
    pub fn proof(&self, connection: &mut Connection) -> Option<Proof> {
        let shown = connection.take_shown()?;
        // It was verified, so it can be read.
        let certificate = connection.shown_certificate().map(Certificate::of);
        Some(Proof {
            tls: self.clone(),
            shown,
            version: connection.version(),
            certificate: certificate.and_then(Result::ok).map(Box::new),
        })
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerTls").field(&self.0.choice).finish()
    }
}

#[cfg(test)]
mod tests;
