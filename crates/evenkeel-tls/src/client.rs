//! The side that connects: what we are to endpoints, and what they have to prove.
//!
//! [`ClientTls`] is what a cluster's configuration says, checked and ready, without a name of anybody. [`EndpointTls`] is the
//! same for one endpoint under one name, with the sessions that may be resumed there. Who moves the bytes of a handshake is
//! `evenkeel-net`.
//!
//! Sessions are kept for each endpoint and name, shared by the workers. Their lock costs 55 ns, and 0.5 µs where four threads do nothing
//! else; a handshake takes it four times and lasts 50 µs at least, while stores of each worker would resume the less often the
//! more workers there are. Of each endpoint, because two endpoints behind one name need not know each
//! other's tickets, and offering the wrong one costs a full handshake. rustls resumes a session only with the very verifier and
//! credentials that it was made with, so a session never outlives its [`ClientTls`]; nor does it outlive the certificates that
//! it was begun with (`resumption.rs`).

mod resumption;
mod roots;
mod unverified;
mod verified;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};

use crate::believed::{self, EVER};
use crate::client::resumption::Remembered;
pub use crate::client::roots::Roots;
use crate::client::unverified::Unverified;
use crate::client::verified::Verified;
use crate::connection::Connection;
use crate::failure::{Failure, Reason};
use crate::identity::Identity;
use crate::provider::{provider, sha256};
use crate::terms::{Version, spelt};

/// What a cluster says of TLS.
#[derive(Clone, Debug)]
pub struct ClientTerms {
    /// Who vouches for endpoints; `None`: nobody has to.
    pub roots: Option<Roots>,
    /// What we show when an endpoint asks who we are.
    pub identity: Option<Identity>,
    /// The oldest version that will do.
    pub min_version: Version,
    /// What is spoken.
    pub alpn: Alpn,
}

/// Which protocols an endpoint may choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// HTTP/2, or HTTP/1.1 when it has no other; who chooses none speaks HTTP/1.1.
    Either,
    /// HTTP/1.1, whether or not it says so.
    Http1,
    /// HTTP/2, and nothing else (RFC 9113 §3.3).
    Http2,
}

impl Alpn {
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Either => &["h2", "http/1.1"],
            Self::Http1 => &["http/1.1"],
            Self::Http2 => &["h2"],
        }
    }
}

/// What tells two identities apart: it is the same when both would treat every endpoint alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in &self.0[..8] {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// How a cluster speaks TLS to its endpoints: whom it trusts, what it shows of itself, what it offers to speak. Cheap to clone.
#[derive(Clone)]
pub struct ClientTls(Arc<Inner>);

struct Inner {
    fingerprint: Fingerprint,
    alpn: Alpn,
    verifies: bool,
    config: ClientConfig,
}

impl ClientTls {
    /// Makes it ready.
    ///
    /// # Errors
    /// When the cryptography does not do what it always does, in words for the operator.
    pub fn new(terms: &ClientTerms) -> Result<Self, String> {
        Self::by(terms, Arc::new(DefaultTimeProvider))
    }

    /// The same by that clock.
    fn by(terms: &ClientTerms, time: Arc<dyn TimeProvider>) -> Result<Self, String> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(provider()))
            .with_protocol_versions(terms.min_version.and_later())
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier(terms.roots.as_ref())?);
        let mut config = match &terms.identity {
            Some(identity) => {
                let shown = SingleCertAndKey::from(CertifiedKey::clone(identity.key()));
                builder.with_client_cert_resolver(Arc::new(shown))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = spelt(terms.alpn.names());
        config.time_provider = time;
        config.resumption = Resumption::disabled();
        Ok(Self(Arc::new(Inner {
            fingerprint: fingerprint(terms),
            alpn: terms.alpn,
            verifies: terms.roots.is_some(),
            config,
        })))
    }

    /// What tells it from others.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    /// Whether endpoints have to prove who they are.
    #[must_use]
    pub fn verifies(&self) -> bool {
        self.0.verifies
    }

    /// The same towards an endpoint that has to prove that name, a host name or an IP address, without any session so far. What
    /// can be no name in a certificate, as a record of DNS may have it, nobody can prove.
    #[must_use]
    pub fn towards(&self, name: &str) -> EndpointTls {
        let mut config = self.0.config.clone();
        let remembered = Remembered::new(&config.time_provider);
        config.resumption = Resumption::store(Arc::new(remembered));
        let name = ServerName::try_from(name.to_owned());
        EndpointTls(Arc::new(Named {
            // An address that is nobody's (RFC 6890 §2.2.2).
            name: name.unwrap_or_else(|_| IpAddr::V4(Ipv4Addr::UNSPECIFIED).into()),
            alpn: self.0.alpn,
            client: self.clone(),
            config: Arc::new(config),
            told: AtomicU64::new(0),
        }))
    }
}

impl PartialEq for ClientTls {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint() == other.fingerprint()
    }
}

impl Eq for ClientTls {}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientTls")
            .field(&self.fingerprint())
            .finish()
    }
}

/// Whether a certificate can be for that name, a host name or an IP address.
#[must_use]
pub fn is_name(name: &str) -> bool {
    ServerName::try_from(name).is_ok()
}

/// TLS towards one endpoint under one name, with the sessions that may be resumed there. Cheap to clone.
#[derive(Clone)]
pub struct EndpointTls(Arc<Named>);

struct Named {
    client: ClientTls,
    name: ServerName<'static>,
    alpn: Alpn,
    config: Arc<ClientConfig>,
    /// When a failure was told last; 0: never.
    told: AtomicU64,
}

impl EndpointTls {
    /// The same for somebody who speaks HTTP/1.1 alone, as probes do, with the same sessions.
    #[must_use]
    pub fn for_http1(&self) -> Self {
        self.offering(Alpn::Http1)
    }

    /// The same for somebody who speaks HTTP/2 alone, as probes of gRPC do.
    #[must_use]
    pub fn for_http2(&self) -> Self {
        self.offering(Alpn::Http2)
    }

    fn offering(&self, alpn: Alpn) -> Self {
        let mut config = ClientConfig::clone(&self.0.config);
        config.alpn_protocols = spelt(alpn.names());
        Self(Arc::new(Named {
            client: self.0.client.clone(),
            name: self.0.name.clone(),
            alpn,
            config: Arc::new(config),
            told: AtomicU64::new(0),
        }))
    }

    /// What it has in common with the other endpoints of its cluster.
    #[must_use]
    pub fn client(&self) -> &ClientTls {
        &self.0.client
    }

    /// The name that the endpoint has to prove: a host name or an IP address.
    #[must_use]
    pub fn name(&self) -> String {
        self.0.name.to_str().into_owned()
    }

    /// Whether a failure is worth a line in the log: one in ten seconds is, of each endpoint. `now_ms` counts from any moment.
    pub fn may_tell(&self, now_ms: u64) -> bool {
        let last = self.0.told.load(Ordering::Relaxed);
        let due = last == 0 || now_ms >= last.saturating_add(QUIET_MS);
        let told = &self.0.told;
        due && told
            .compare_exchange(last, now_ms.max(1), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// Whether somebody else has it as well.
    #[must_use]
    pub fn is_held(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// A connection that has said nothing yet.
    ///
    /// # Errors
    /// See [`Failure`]: when there is no randomness.
    pub fn connect(&self) -> Result<Connection, Failure> {
        let config = Arc::clone(&self.0.config);
        let (name, mut until) = (self.0.name.clone(), EVER);
        let made = believed::carry(&mut until, || UnbufferedClientConnection::new(config, name));
        made.map(|made| Connection::of_client(made, until))
            .map_err(Failure::of)
    }

    /// Looks at what an endpoint chose, after the handshake.
    ///
    /// # Errors
    /// When only HTTP/2 will do and it did not choose that: rustls lets an endpoint pass that ignores ALPN.
    pub fn check(&self, connection: &Connection) -> Result<(), Failure> {
        if self.0.alpn == Alpn::Http2 && connection.alpn() != Some(b"h2") {
            return Err(Failure::new(
                Reason::NoAgreement,
                "it does not choose HTTP/2 (ALPN \"h2\")",
            ));
        }
        Ok(())
    }
}

impl fmt::Debug for EndpointTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EndpointTls")
            .field(&self.0.name)
            .field(&self.0.client.fingerprint())
            .finish()
    }
}

/// From one line about an endpoint's failures to the next.
const QUIET_MS: u64 = 10_000;

fn verifier(roots: Option<&Roots>) -> Result<Arc<dyn ServerCertVerifier>, String> {
    Ok(match roots {
        Some(roots) => Arc::new(Verified::new(roots)?),
        None => Arc::new(Unverified::new(provider())),
    })
}

fn fingerprint(terms: &ClientTerms) -> Fingerprint {
    let none = [0; 32];
    let roots = terms.roots.as_ref().map_or(none, Roots::digest);
    let identity = terms
        .identity
        .as_ref()
        .map_or(none, |identity| *identity.digest());
    let shape = [
        u8::from(terms.roots.is_some()),
        u8::from(terms.identity.is_some()),
        u8::from(terms.min_version == Version::Tls13),
        match terms.alpn {
            Alpn::Either => 0,
            Alpn::Http1 => 1,
            Alpn::Http2 => 2,
        },
    ];
    Fingerprint(sha256([&roots[..], &identity[..], &shape[..]]))
}

#[cfg(test)]
mod tests;
