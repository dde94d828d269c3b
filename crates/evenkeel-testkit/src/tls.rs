//! TLS on either side of a test: what a client wants, what an origin offers, and what came of it.
//!
//! These are terms, not connections: [`crate::Client::tls`] and [`crate::h2::Client::tls`] connect by them, and
//! [`crate::Speech`] makes origins by them. rustls does the work here as it does in the binary under test; what a test must
//! not share with it (which certificate, which verdict) is said by the terms.

pub(crate) mod pipe;
pub(crate) mod posing;
pub(crate) mod socket;

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ClientConnection, Connection, HandshakeKind, ProtocolVersion, RootCertStore,
    ServerConfig, ServerConnection, SupportedProtocolVersion, version,
};

use crate::pki::{Authority, Leaf};

/// What a client wants of TLS. Clones share what they remember for resumption, until one is changed.
#[derive(Clone, Debug)]
pub struct TlsClient {
    trusted: Vec<Authority>,
    name: String,
    alpn: Option<Vec<String>>,
    versions: Versions,
    identity: Option<Leaf>,
    sni: bool,
    config: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl TlsClient {
    /// Trusts this authority, and wants a certificate for `a.example`.
    #[must_use]
    pub fn trusting(authority: &Authority) -> Self {
        Self {
            trusted: vec![authority.clone()],
            name: "a.example".to_owned(),
            alpn: None,
            versions: Versions::default(),
            identity: None,
            sni: true,
            config: Arc::default(),
        }
    }

    /// Trusts one more authority.
    #[must_use]
    pub fn and(mut self, authority: &Authority) -> Self {
        self.trusted.push(authority.clone());
        self.changed()
    }

    /// Asks for this name (SNI), and wants a certificate for it; an address is not sent.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Sends no name.
    #[must_use]
    pub fn without_sni(mut self) -> Self {
        self.sni = false;
        self.changed()
    }

    /// Offers these protocols (ALPN). Without it a client offers what it speaks: `http/1.1`, or `h2`.
    #[must_use]
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.alpn = Some(protocols.iter().map(|&name| name.to_owned()).collect());
        self.changed()
    }

    /// Speaks TLS 1.2 only.
    #[must_use]
    pub fn only_1_2(mut self) -> Self {
        self.versions = Versions::Only12;
        self.changed()
    }

    /// Speaks TLS 1.3 only.
    #[must_use]
    pub fn only_1_3(mut self) -> Self {
        self.versions = Versions::Only13;
        self.changed()
    }

    /// Shows this certificate when it is asked for one.
    #[must_use]
    pub fn identity(mut self, leaf: &Leaf) -> Self {
        self.identity = Some(leaf.clone());
        self.changed()
    }

    /// Remembers nothing of what clones before saw.
    #[must_use]
    pub fn forgetful(self) -> Self {
        self.changed()
    }

    fn changed(mut self) -> Self {
        self.config = Arc::default();
        self
    }

    /// A connection that speaks `default` unless it was told what to offer.
    pub(crate) fn connection(&self, default: &str) -> Connection {
        let config = self.config.get_or_init(|| Arc::new(self.config()));
        let mut config = Arc::clone(config);
        if self.alpn.is_none() {
            // Verifier, identity and store stay the same ones, so sessions are shared by both protocols.
            let mut with = ClientConfig::clone(&config);
            with.alpn_protocols = vec![default.as_bytes().to_vec()];
            config = Arc::new(with);
        }
        let name = ServerName::try_from(self.name.clone()).expect("a name or an address");
        ClientConnection::new(config, name)
            .expect("terms that rustls takes")
            .into()
    }

    fn config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        for authority in &self.trusted {
            roots
                .add(authority.certificate())
                .expect("an authority's own certificate");
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .expect("there is an authority");
        let builder = ClientConfig::builder_with_provider(posing::provider())
            .with_protocol_versions(self.versions.list())
            .expect("versions that rustls has")
            .with_webpki_verifier(verifier);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(leaf) => builder
                .with_client_auth_cert(leaf.chain(), leaf.key())
                .expect("the key is the certificate's"),
        };
        config.enable_sni = self.sni;
        for name in self.alpn.iter().flatten() {
            config.alpn_protocols.push(name.as_bytes().to_vec());
        }
        config
    }
}

/// What an origin offers.
#[derive(Clone, Debug)]
pub struct TlsOrigin {
    leaf: Leaf,
    alpn: Option<Vec<String>>,
    versions: Versions,
    clients: Option<Authority>,
    resumption: bool,
}

impl TlsOrigin {
    /// This certificate.
    #[must_use]
    pub fn with(leaf: &Leaf) -> Self {
        Self {
            leaf: leaf.clone(),
            alpn: None,
            versions: Versions::default(),
            clients: None,
            resumption: true,
        }
    }

    /// Agrees to these protocols (ALPN). Without it an origin agrees to what it speaks: `http/1.1`, or `h2`.
    #[must_use]
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.alpn = Some(protocols.iter().map(|&name| name.to_owned()).collect());
        self
    }

    /// Speaks TLS 1.2 only.
    #[must_use]
    pub fn only_1_2(mut self) -> Self {
        self.versions = Versions::Only12;
        self
    }

    /// Speaks TLS 1.3 only.
    #[must_use]
    pub fn only_1_3(mut self) -> Self {
        self.versions = Versions::Only13;
        self
    }

    /// Wants to be shown a certificate of this authority.
    #[must_use]
    pub fn clients_of(mut self, authority: &Authority) -> Self {
        self.clients = Some(authority.clone());
        self
    }

    /// Resumes nothing.
    #[must_use]
    pub fn without_resumption(mut self) -> Self {
        self.resumption = false;
        self
    }

    /// For an origin that speaks `default` unless it was told what to agree to.
    pub(crate) fn config(&self, default: &str) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(self.versions.list())
            .expect("versions that rustls has");
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots
                    .add(authority.certificate())
                    .expect("an authority's own certificate");
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
                        .build()
                        .expect("there is an authority");
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = CertifiedKey::from_der(self.leaf.chain(), self.leaf.key(), &provider())
            .expect("the key is the certificate's");
        let mut config = builder.with_cert_resolver(Arc::new(Always(Arc::new(key))));
        match &self.alpn {
            None => config.alpn_protocols.push(default.as_bytes().to_vec()),
            Some(names) => {
                let names = names.iter().map(|name| name.as_bytes().to_vec());
                config.alpn_protocols.extend(names);
            }
        }
        if !self.resumption {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Arc::new(config)
    }
}

pub(crate) fn accept(config: &Arc<ServerConfig>) -> Connection {
    ServerConnection::new(Arc::clone(config))
        .expect("terms that rustls takes")
        .into()
}

/// One certificate, whatever name is asked for.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// What two sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// `"1.2"` or `"1.3"`.
    pub version: &'static str,
    /// The protocol (ALPN).
    pub alpn: Option<String>,
    /// Whether it resumed an earlier one.
    pub resumed: bool,
    /// The name that the client asked for (SNI); known to the origin's side alone.
    pub sni: Option<String>,
    /// The certificate that the other side showed, DER; of a client only when it was asked.
    pub certificate: Option<Vec<u8>>,
    /// The cipher suite as rustls names it.
    pub suite: String,
}

impl Handshake {
    /// What is known of a connection; none before its handshake is done.
    pub(crate) fn of(connection: &Connection) -> Option<Self> {
        if connection.is_handshaking() {
            return None;
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some(Self {
            version: match connection.protocol_version()? {
                ProtocolVersion::TLSv1_2 => "1.2",
                ProtocolVersion::TLSv1_3 => "1.3",
                other => panic!("no test asked for {other:?}"),
            },
            alpn: connection.alpn_protocol().map(text),
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            sni: match connection {
                Connection::Client(_) => None,
                Connection::Server(server) => server.server_name().map(str::to_owned),
            },
            certificate: connection
                .peer_certificates()
                .and_then(|chain| Some(chain.first()?.to_vec())),
            suite: format!("{:?}", connection.negotiated_cipher_suite()?.suite()),
        })
    }
}

#[derive(Clone, Copy, Debug, Default)]
enum Versions {
    #[default]
    Both,
    Only12,
    Only13,
}

static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

impl Versions {
    fn list(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::Both => &BOTH,
            Self::Only12 => &BOTH[1..],
            Self::Only13 => &BOTH[..1],
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())))
}
