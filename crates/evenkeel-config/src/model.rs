//! The checked configuration: what is left once every mistake has been reported.
//!
//! No `Option` for "not set", no strings for choices, no serde: a value of this module is ready to be compiled into a
//! snapshot. It is not the file; [`crate::check()`] turns that into this.

mod access_log;
mod admin;
mod pair;
mod probe;
mod trace;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use evenkeel_base::edits::Edits;
use evenkeel_base::matching::RouteMatch;
use evenkeel_base::rules::{
    AdminState, BalancerRules, BudgetRules, KeyPart, LimitRules, MultiplexRules, OutlierRules,
    Priority, RateRules, RetryRules, TierRules,
};
use evenkeel_base::{Address, ByteSize, ClusterId, Fault, Network};
use evenkeel_tls::client::{ClientTls, Roots};
use evenkeel_tls::{ClientCheck, Version};

pub use access_log::{
    ALL_RECORDS, AccessFormat, AccessLog, AccessLogTarget, LogField, Piece, Stands,
};
pub use admin::{Admin, AdminTls, AdminToken};
pub use pair::{Holder, Pair};
pub use probe::{BodyMatch, Probe, ProbeAddress, ProbeRequest};
pub use trace::{Collector, Trace, TraceTarget};

/// A whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// How many workers run.
    pub workers: Workers,
    /// Where evenkeel's own log goes and in which form.
    pub log: OperatorLog,
    /// Where access records go.
    pub access_log: AccessLog,
    /// Which requests are traced, and where that goes.
    pub trace: Trace,
    /// What happens between SIGTERM and the end.
    pub shutdown: Shutdown,
    /// Who is asked about names.
    pub resolver: Resolver,
    /// Whom the process becomes once everything is bound; none: it stays who it is.
    pub identity: Option<Identity>,
    /// What the process may use.
    pub ceilings: Ceilings,
    /// The zone that this node is in; empty: none.
    pub zone: String,
    /// What tells this node from others with the same configuration; empty: nothing.
    pub node: String,
    /// Where operators are answered beside the control socket; none: nowhere.
    pub admin: Option<Admin>,
    /// The listeners; [`evenkeel_base::ListenerId`] is a position in this list.
    pub listeners: Vec<Listener>,
    /// The routes in the file's order; [`evenkeel_base::RouteId`] is a position in this list.
    pub routes: Vec<Route>,
    /// The clusters; [`ClusterId`] is a position in this list.
    pub clusters: Vec<Cluster>,
    /// Which values came from elsewhere.
    pub elsewhere: Elsewhere,
}

/// Texts that stand in the configuration and came from the environment or a file, with where from: whoever shows the
/// configuration shows that instead. It makes no difference between configurations, and does not show itself.
#[derive(Clone, Default)]
pub struct Elsewhere(pub BTreeMap<String, Reference>);

impl PartialEq for Elsewhere {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Elsewhere(…)")
    }
}

/// Where a text came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// `env` or `file`.
    pub place: &'static str,
    /// The variable's name, or the file's as it was written.
    pub name: String,
}

/// A user of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user's name, or number.
    pub user: String,
    /// The group's name, or number; none: the user's own.
    pub group: Option<String>,
}

/// What the whole process may use; near it, it gives up what is worth least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceilings {
    /// How many client connections may be open at once; 0: as many as the limit of descriptors has room for.
    pub connections: u32,
    /// How much memory may be resident; the greatest value: only a limit of the system's counts.
    pub memory: ByteSize,
}

/// The number of workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// One per core the process may use.
    PerCore,
    /// Exactly so many.
    Count(NonZeroU16),
}

/// evenkeel's own log, on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorLog {
    /// What is written.
    pub level: LogLevel,
    /// In which form.
    pub format: LogFormat,
}

/// The least severe level that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Only what needs a person.
    Error,
    /// Also what may need one.
    Warn,
    /// Also what happened.
    Info,
    /// Also why.
    Debug,
}

impl LogLevel {
    /// All of them, the most severe first.
    pub const ALL: [Self; 4] = [Self::Error, Self::Warn, Self::Info, Self::Debug];

    /// Its name, in the file and in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// The one with that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// The form of a line of evenkeel's own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// Shutdown on SIGTERM and SIGINT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// How long connections are still accepted.
    pub delay: Duration,
    /// How long exchanges may take to finish after that.
    pub timeout: Duration,
}

/// A bound address and what is spoken on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Its name in the file.
    pub name: String,
    /// Where it listens.
    pub bind: Bind,
    /// The versions of HTTP that are spoken there.
    pub protocols: Protocols,
    /// What one connection of HTTP/2 may ask for at a time.
    pub http2: ListenerHttp2,
    /// The networks whose forwarding fields are believed.
    pub trusted_proxies: Vec<Network>,
    /// The networks of clients that are told, when they ask, how their request was dealt with; empty: nobody.
    pub explain_to: Vec<Network>,
    /// Limits on a request's head.
    pub head: HeadLimits,
    /// The whole head must arrive in this time.
    pub request_header_timeout: Duration,
    /// The longest pause within a request's body.
    pub request_body_idle_timeout: Duration,
    /// How long an idle kept-alive connection is kept.
    pub keepalive_timeout: Duration,
    /// How long a client may take no byte of a response.
    pub write_timeout: Duration,
    /// Whether a client that closed its sending side still gets its response.
    pub half_close: bool,
    /// Whether replies of evenkeel's own carry `Proxy-Status`.
    pub proxy_status: bool,
    /// How many connections one client address (of IPv6 the first 64 bits) may have open; [`u32::MAX`] when not limited.
    pub max_connections_per_client: u32,
    /// Whether `/live` and `/ready` are answered here, before any route.
    pub health: bool,
    /// The port by `https` that every request is sent to; none: requests are served.
    pub redirect_to_https: Option<u16>,
    /// What it speaks TLS by; none: it speaks without.
    pub tls: Option<ListenerTls>,
}

/// TLS of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTls {
    /// At least one; the first is shown to whoever asks for no name.
    pub certificates: Vec<ListenerCertificate>,
    /// The oldest version that is spoken.
    pub min_version: Version,
    /// A connection must be through its handshake in this time.
    pub handshake_timeout: Duration,
    /// What clients have to show; none: nothing.
    pub client: Option<ListenerClients>,
}

/// A certificate of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerCertificate {
    /// The file that it stood in.
    pub certificate: PathBuf,
    /// The file of its key.
    pub key: PathBuf,
    /// What they were when they were read.
    pub identity: evenkeel_tls::Identity,
}

/// Certificates of a listener's clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerClients {
    /// The file with the authorities.
    pub ca: PathBuf,
    /// Whether a client has to show one.
    pub verify: Verify,
    /// The files with the revocation lists.
    pub crl: Vec<PathBuf>,
    /// What endpoints are told.
    pub headers: ClientHeaders,
    /// The content of the files when they were read.
    pub check: ClientCheck,
}

/// Whether a client has to show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Yes.
    Required,
    /// Only if it has one.
    Optional,
}

/// The names of the fields by which endpoints are told of a client's certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHeaders {
    /// Whom it is about.
    pub subject: Option<String>,
    /// Its alternative names.
    pub san: Option<String>,
    /// Its SHA-256.
    pub fingerprint: Option<String>,
}

impl ClientHeaders {
    /// Those that are configured.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        [&self.subject, &self.san, &self.fingerprint]
            .into_iter()
            .filter_map(Option::as_deref)
    }
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, and with it HTTP/1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

/// The versions of HTTP that a listener speaks: one at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocols {
    /// HTTP/1.1, and with it HTTP/1.0.
    pub http1: bool,
    /// HTTP/2.
    pub http2: bool,
}

impl Protocols {
    /// All of them.
    pub const ALL: Self = Self {
        http1: true,
        http2: true,
    };
}

/// What one connection of HTTP/2 may ask a listener for at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerHttp2 {
    /// How many requests it may have under way.
    pub max_concurrent_streams: u32,
}

impl ListenerHttp2 {
    /// What holds where nothing is said.
    pub const DEFAULT: Self = Self {
        max_concurrent_streams: 100,
    };
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Bind {
    /// An IP address and port; port 0 lets the system choose.
    Ip(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Bind {
    /// As a system would say it: `[::]:80`, `unix:/path`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Limits on a message's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head → 431. At most 65,535 ([`evenkeel_base::head::MAX_HEAD_BYTES`]).
    pub bytes: usize,
    /// Number of fields → 431.
    pub fields: usize,
    /// Bytes of the request line → 414.
    pub line: usize,
}

/// A match and the action it leads to.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its name in logs and metrics: the file's, or one made from the match.
    pub name: String,
    /// When it applies.
    pub matching: RouteMatch,
    /// Client networks that may use it; empty: all.
    pub allow: Vec<Network>,
    /// Client networks that may not, also where `allow` names them.
    pub deny: Vec<Network>,
    /// What it does.
    pub action: Action,
    /// Edits of the request's fields on the way to the endpoint.
    pub request_headers: Edits,
    /// Edits of the response's fields on the way to the client.
    pub response_headers: Edits,
    /// The largest request body → 413; `u64::MAX` when not limited.
    pub max_request_body: ByteSize,
    /// The time for everything, queue and attempts included; [`Duration::MAX`] when off.
    pub total_timeout: Duration,
    /// How failed attempts are repeated: what the route says, and its cluster's for the rest.
    pub retry: RetryRules,
    /// Who waits in the cluster's queue in front of whom.
    pub priority: Priority,
    /// Rate limits; all of them must admit a request.
    pub rate_limits: Vec<RateRules>,
    /// The field in which a client says how long it will wait, in lower case; it shortens `total_timeout`. Empty: none.
    pub deadline_header: String,
    /// Whether `.` and `..` segments pass.
    pub allow_dot_segments: bool,
    /// Whether trailers of requests pass (those of gRPC always do).
    pub request_trailers: bool,
    /// Who else sees its requests.
    pub mirror: Mirror,
    /// What a reply of evenkeel's own says instead of its own text, by status.
    pub error_pages: Vec<ErrorPage>,
}

/// The page for one status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPage {
    /// The status it stands for.
    pub status: u16,
    /// Its `Content-Type`.
    pub content_type: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// What a route does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Sends the request to an endpoint of a cluster.
    Forward {
        /// The cluster, or the clusters that share the requests.
        split: Split,
        /// How the path changes.
        rewrite: PathRewrite,
        /// What `Host` says.
        host: HostRewrite,
    },
    /// Sends the client elsewhere.
    Redirect(Redirect),
    /// Answers with a fixed response.
    Respond(Respond),
}

/// The clusters that share a route's requests; nearly always one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The clusters and their weights, 0 to 1,000, in the file's order. At least one, and one with a weight.
    pub shares: Vec<(ClusterId, u16)>,
    /// What clients are told apart by, each of whom stays with one cluster; empty: every request goes by itself, in rotation.
    pub by: Vec<KeyPart>,
}

impl Split {
    /// One cluster for all requests.
    #[must_use]
    pub fn one(cluster: ClusterId) -> Self {
        Self {
            shares: vec![(cluster, 1)],
            by: Vec::new(),
        }
    }

    /// The clusters.
    pub fn clusters(&self) -> impl Iterator<Item = ClusterId> {
        self.shares.iter().map(|(cluster, _)| *cluster)
    }
}

/// A second cluster that sees what a route's first one sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mirror {
    /// None.
    Off,
    /// This one. Its responses are thrown away.
    To {
        /// The cluster.
        cluster: ClusterId,
        /// How many of a thousand requests.
        per_mille: u16,
        /// Requests with larger bodies are not mirrored.
        max_body: ByteSize,
    },
}

/// How the path of a forwarded request changes. The matched prefix is the route's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRewrite {
    /// Not at all.
    Keep,
    /// The first `matched` bytes, the route's prefix, are replaced; empty strips it. Never yields an empty path.
    ReplacePrefix {
        /// How many bytes of the path the route's prefix has.
        matched: usize,
        /// What stands there instead, without a trailing slash.
        with: String,
    },
}

/// What `Host` says to the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRewrite {
    /// What the client said.
    Keep,
    /// This.
    Set(String),
    /// The endpoint's address as it is configured.
    Endpoint,
}

/// A redirect. Parts that are `None` are those of the request: the only `Option`s here, for a part may be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// `http` or `https`; kept when `None`.
    pub scheme: Option<String>,
    /// Host and optional port; kept when `None`.
    pub host: Option<String>,
    /// Path (and query, when it has one); path and query are kept when `None`.
    pub path: Option<String>,
}

/// A fixed response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Respond {
    /// 200 to 599.
    pub status: u16,
    /// Its `Content-Type`; empty: none.
    pub content_type: String,
    /// Its body.
    pub body: Vec<u8>,
    /// Another page for clients whose `Accept` names `text/html`; empty: none.
    pub html: Vec<u8>,
}

/// A named group of endpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Its name in the file.
    pub name: String,
    /// Its endpoints, in the file's order, port ranges expanded.
    pub endpoints: Vec<Endpoint>,
    /// Where they are listed.
    pub listed: Listed,
    /// What is spoken with them.
    pub protocol: UpstreamProtocol,
    /// Whether that goes through TLS.
    pub tls: UpstreamTls,
    /// Who picks.
    pub balancer: BalancerRules,
    /// When requests go to another tier, or leave the own zone.
    pub tiers: TierRules,
    /// Whether a client stays with its endpoint.
    pub sticky: Sticky,
    /// Of how many of the endpoints this node makes use; 0: of all.
    pub subset: u32,
    /// Timeouts of an attempt.
    pub timeouts: UpstreamTimeouts,
    /// How failed attempts are repeated, for routes that do not say otherwise.
    pub retry: RetryRules,
    /// What retries and hedges may cost.
    pub budget: BudgetRules,
    /// How endpoints are probed.
    pub probe: Probe,
    /// When real traffic ejects an endpoint.
    pub outlier: OutlierRules,
    /// With less than this percentage of the cluster's weight admitting, health and ejections are ignored; 0: only when no
    /// endpoint admits.
    pub panic_below_percent: u8,
    /// How long an endpoint that recovered or was added takes to get its full share; zero: none.
    pub slow_start: Duration,
    /// Caps, and the queue behind them.
    pub limits: LimitRules,
    /// How HTTP/2 is spoken with them, where it is.
    pub http2: MultiplexRules,
    /// How long an answer about a name among the endpoints' addresses is believed at most, and how long after a failure it
    /// is looked up again.
    pub resolve_interval: Duration,
    /// Idle connections kept per endpoint and worker.
    pub max_idle_connections: usize,
}

impl Cluster {
    /// Whether HTTP/2 may be spoken with its endpoints, and with it many requests at once on one connection.
    #[must_use]
    pub const fn may_multiplex(&self) -> bool {
        match self.protocol {
            UpstreamProtocol::Auto => matches!(self.tls, UpstreamTls::On(_)),
            UpstreamProtocol::Http1 => false,
            UpstreamProtocol::Http2 => true,
        }
    }
}

/// What is spoken with the endpoints of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamProtocol {
    /// What the endpoint chooses of HTTP/2 and HTTP/1.1 when it is asked by ALPN; without TLS, HTTP/1.1.
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; without TLS with prior knowledge, as `h2c://` says.
    Http2,
}

/// Whether connections to the endpoints of a cluster are made through TLS.
#[derive(Clone, Debug, PartialEq)]
pub enum UpstreamTls {
    /// They are plain.
    Off,
    /// They are, so.
    On(Box<UpstreamTlsRules>),
}

impl UpstreamTls {
    /// How; `None` when connections are plain.
    #[must_use]
    pub fn rules(&self) -> Option<&UpstreamTlsRules> {
        match self {
            Self::Off => None,
            Self::On(rules) => Some(rules),
        }
    }
}

/// How TLS is spoken to endpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamTlsRules {
    /// Who vouches for them, with the file that says so; none: the authorities that the system trusts.
    pub ca: Option<(PathBuf, Roots)>,
    /// The name that every endpoint has to prove; empty: each its own.
    pub server_name: String,
    /// What they are shown of us when they ask.
    pub certificate: Option<ClientFiles>,
    /// Whether they have to prove who they are.
    pub verify: bool,
    /// The oldest version that will do.
    pub min_version: Version,
    /// All of it but the name, ready for use.
    pub client: ClientTls,
}

/// A certificate with its key, and the files they are in.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientFiles {
    /// Where the certificate is.
    pub certificate: PathBuf,
    /// Where its key is.
    pub key: PathBuf,
    /// Both.
    pub identity: evenkeel_tls::Identity,
}

/// Where the endpoints of a cluster are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// In the configuration.
    Here,
    /// In a file of their own, which may change while the configuration stays.
    File(PathBuf),
}

/// Who is asked about names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolver {
    /// The name servers; empty: those of `/etc/resolv.conf`.
    pub servers: Vec<SocketAddr>,
    /// How long one look-up may take.
    pub timeout: Duration,
}

/// One address in a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its stable identity: the file's `id`, or the address.
    pub id: String,
    /// Where it is.
    pub address: Address,
    /// Its share, 0 to 1,000; 0 gets no new requests.
    pub weight: u16,
    /// What the operator ordered.
    pub admin: AdminState,
    /// The zone it is in; empty: none.
    pub zone: String,
    /// Its tier: those of a lower number are used first.
    pub tier: u8,
}

/// Whether, and how, the requests of a client stay with one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sticky {
    /// They do not.
    Off,
    /// By a cookie that evenkeel sets, and that names the endpoint to nobody but us.
    Cookie(StickyCookie),
    /// By a hash of this; a request that has none of it goes by the balancer.
    Hashed(Vec<KeyPart>),
}

/// The cookie that a client is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StickyCookie {
    /// Its name.
    pub name: String,
    /// The paths it is sent with.
    pub path: String,
    /// How long a browser keeps it; zero: until it is closed.
    pub lifetime: Duration,
    /// Whether it is sent with requests from other sites.
    pub same_site: SameSite,
    /// Whether it is sent over TLS only.
    pub secure: bool,
    /// The secrets it is sealed with: the first seals, all open. Empty: one that is made at the start.
    pub keys: Vec<StickyKey>,
}

/// A secret that cookies are sealed with. It does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct StickyKey(pub Box<[u8]>);

impl fmt::Debug for StickyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StickyKey(…)")
    }
}

/// `SameSite` of a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Only with requests from the site itself.
    Strict,
    /// Also when a link leads there.
    Lax,
    /// With all.
    None,
}

/// Timeouts on the way to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamTimeouts {
    /// For one connect.
    pub connect: Duration,
    /// From the end of the request to the response's head, per attempt.
    pub response_header: Duration,
    /// No byte either way during an exchange.
    pub idle: Duration,
    /// No byte either way in a tunnel.
    pub tunnel: Duration,
    /// The longest an idle connection is kept.
    pub keepalive: Duration,
}

impl Config {
    /// The fault statuses an error page can stand for.
    #[must_use]
    pub fn error_page_statuses() -> Vec<u16> {
        let mut statuses: Vec<u16> = Fault::ALL
            .iter()
            .map(|fault| fault.status())
            .filter(|&s| s != 499)
            .collect();
        statuses.sort_unstable();
        statuses.dedup();
        statuses
    }
}
