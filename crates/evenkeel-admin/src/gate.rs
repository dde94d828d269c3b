//! What the admin address asks of whoever comes, before anything of a request but its head is read. Pure: a head goes in, a
//! refusal or nothing comes out.
//!
//! Browsers are what makes this needed: a page of any site that an operator looks at can have the operator's browser ask this
//! address. What keeps it out:
//!
//! ```text
//!   a page of another site asks 127.0.0.1     Sec-Fetch-Site, Origin; its answers it may not read anyway (no CORS)
//!   … by a form, which needs no leave         an order has a kind or a field that no form can send
//!   … by a name of its own that leads to us   the name in Host has to be ours (DNS rebinding)
//!   … in a frame, to have a button clicked    frame-ancestors 'none'
//! ```

use evenkeel_config::model::Admin;
use evenkeel_tls::server::Terms;
use evenkeel_tls::{ClientCheck, Identity, Secret, ServerTls, TicketKeys, Version};
use hyper::StatusCode;
use hyper::header::{
    AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
};
use hyper::http::request::Parts;

use crate::needs::Needs;

/// The field that says of an order that no form of a browser sent it.
const MARK: HeaderName = HeaderName::from_static("x-evenkeel");

/// What a browser says of who asks: a page of the same origin, the person at it, or somebody else.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What an address asks of whoever comes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    /// Names that lead here, in lower case, beside `localhost` and all literal addresses.
    hosts: Vec<String>,
    /// What has to be known; none: nothing.
    secret: Option<Secret>,
    /// TLS that is spoken; none: HTTP as it is.
    tls: Option<ServerTls>,
    tickets: Option<TicketKeys>,
    /// Who has to show a certificate, and whose are believed; none: nobody has to.
    clients: Option<ClientCheck>,
    /// The certificates that are shown: their names lead here as well.
    identities: Vec<Identity>,
    /// Whether nothing can be ordered here.
    read_only: bool,
}

/// Why a request goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its target is a whole address, or none.
    Target,
    /// It names no host, or several.
    NoHost,
    /// It names a host that this is not.
    ForeignName,
    /// A browser asks on behalf of a page of another site.
    ForeignSite,
    /// The same, by the page's origin.
    ForeignOrigin,
    /// Its connection has shown less than is asked for by now.
    Stale,
    /// It has no token.
    NoToken,
    /// It has another token.
    WrongToken,
    /// It is an order.
    ReadOnly,
    /// It is an order that a form could have sent.
    Unmarked,
    /// It says which program is to run.
    Program,
    /// It adds an endpoint at a Unix socket.
    Socket,
}

impl Refusal {
    /// Every one, in the order of their numbers.
    pub(crate) const ALL: [Self; 12] = [
        Self::Target,
        Self::NoHost,
        Self::ForeignName,
        Self::ForeignSite,
        Self::ForeignOrigin,
        Self::Stale,
        Self::NoToken,
        Self::WrongToken,
        Self::ReadOnly,
        Self::Unmarked,
        Self::Program,
        Self::Socket,
    ];

    /// Its name in the answer.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Target => "bad-target",
            Self::NoHost => "no-host",
            Self::ForeignName => "foreign-name",
            Self::ForeignSite => "foreign-site",
            Self::ForeignOrigin => "foreign-origin",
            Self::Stale => "stale-connection",
            Self::NoToken => "no-token",
            Self::WrongToken => "wrong-token",
            Self::ReadOnly => "read-only",
            Self::Unmarked => "unmarked-order",
            Self::Program => "program-by-network",
            Self::Socket => "socket-by-network",
        }
    }

    /// The status of the answer.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Target | Self::NoHost => StatusCode::BAD_REQUEST,
            // Both are for another connection than this one.
            Self::ForeignName | Self::Stale => StatusCode::MISDIRECTED_REQUEST,
            Self::NoToken | Self::WrongToken => StatusCode::UNAUTHORIZED,
            Self::ForeignSite
            | Self::ForeignOrigin
            | Self::ReadOnly
            | Self::Unmarked
            | Self::Program
            | Self::Socket => StatusCode::FORBIDDEN,
        }
    }

    /// What the answer says, with the remedy.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Target => "the target of a request is a path",
            Self::NoHost => "a request names the host that it is for, once",
            Self::ForeignName => {
                "the host that this request names is not this one: ask by an IP address or by localhost, or put the name into \
                 `hosts` of [admin]"
            }
            Self::ForeignSite => "a page of another site may not ask for this",
            Self::ForeignOrigin => "a page of another origin may not ask for this",
            Self::Stale => {
                "this address asks for TLS or a certificate by now, which this connection began without: connect again"
            }
            Self::NoToken => "a token is needed: send `Authorization: Bearer TOKEN`",
            Self::WrongToken => "this is not the token",
            Self::ReadOnly => {
                "this address only shows (`read_only` of [admin]): orders are taken on the control socket"
            }
            Self::Unmarked => {
                "an order says `Content-Type: application/json` or `X-Evenkeel: 1`, which no form of another site can"
            }
            Self::Program => {
                "which program runs is said on the control socket: who may give orders here could run any as this user"
            }
            Self::Socket => {
                "an endpoint at a Unix socket is added on the control socket: who may give orders here could reach every socket of this user"
            }
        }
    }
}

impl Gate {
    /// What the configuration asks for, in the place of `before`.
    ///
    /// # Errors
    /// What TLS does not take.
    pub(crate) fn new(config: &Admin, before: Option<&Self>) -> Result<Self, String> {
        let tls = config.tls.as_ref();
        let identities: Vec<Identity> = tls
            .map(|tls| tls.certificate.identity.clone())
            .into_iter()
            .collect();
        let clients = tls.and_then(|tls| tls.clients.as_ref());
        let clients = clients.map(|(_, check)| check.clone());
        // Tickets bring the proof of a client along: who would have to show something else now must not come by an old one.
        let kept = before.filter(|before| before.clients == clients);
        let tickets = match kept.and_then(|before| before.tickets.clone()) {
            Some(tickets) => tickets,
            None => TicketKeys::new()?,
        };
        let terms = Terms {
            identities: &identities,
            least: Version::Tls12,
            protocols: &["http/1.1"],
            clients: clients.as_ref(),
            tickets: &tickets,
        };
        Ok(Self {
            hosts: config.hosts.clone(),
            secret: config.token.as_ref().map(|token| token.secret),
            tls: tls.map(|_| ServerTls::new(&terms)).transpose()?,
            tickets: tls.map(|_| tickets),
            identities,
            clients,
            read_only: config.read_only,
        })
    }

    /// Whether a request may go on to a page that needs this.
    pub(crate) fn admit(&self, head: &Parts, needs: Needs) -> Result<(), Refusal> {
        if needs == Needs::Nothing {
            return Ok(());
        }
        if head.uri.authority().is_some() || !head.uri.path().starts_with('/') {
            return Err(Refusal::Target);
        }
        let fields = &head.headers;
        let host = only(fields, &HOST).ok_or(Refusal::NoHost)?;
        if !self.is_ours(host) {
            return Err(Refusal::ForeignName);
        }
        if needs == Needs::Name {
            return Ok(());
        }
        self.check_browser(fields, host)?;
        self.check_token(fields)?;
        if needs == Needs::Write {
            if self.read_only {
                return Err(Refusal::ReadOnly);
            }
            if !is_marked(fields) {
                return Err(Refusal::Unmarked);
            }
        }
        Ok(())
    }

    /// Whether whoever was let in by `before` has proven what has to be proven here.
    pub(crate) fn asks_as(&self, before: &Self) -> bool {
        self.shakes_as(before) && self.secret == before.secret
    }

    /// Whether a connection that was made as `before` asked could have been made so now.
    pub(crate) fn shakes_as(&self, before: &Self) -> bool {
        (self.clients.is_none() || self.clients == before.clients)
            && (self.tls.is_none() || before.tls.is_some())
    }

    /// TLS that is spoken here, if it is.
    pub(crate) const fn tls(&self) -> Option<&ServerTls> {
        self.tls.as_ref()
    }

    /// Whether a name leads here. A name that another site's owner gives this address is none of ours.
    fn is_ours(&self, host: &str) -> bool {
        let Some(name) = without_port(host) else {
            return false;
        };
        if is_literal(name) {
            return true;
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let shown = |identity: &Identity| identity.certificate().is_for(&name);
        name == "localhost" || self.hosts.contains(&name) || self.identities.iter().any(shown)
    }

    /// Browsers say who asks, and no page can make them say otherwise.
    fn check_browser(&self, fields: &HeaderMap, host: &str) -> Result<(), Refusal> {
        let is_own = |site: &HeaderValue| matches!(site.as_bytes(), b"same-origin" | b"none");
        if !fields.get_all(SITE).iter().all(is_own) {
            return Err(Refusal::ForeignSite);
        }
        let is_own = |origin: &HeaderValue| {
            let origin = origin.to_str().unwrap_or_default();
            let of_tls = origin.strip_prefix("https://");
            // In front of a plain address something that speaks TLS may stand.
            let plain = origin
                .strip_prefix("http://")
                .filter(|_| self.tls.is_none());
            of_tls
                .or(plain)
                .is_some_and(|own| own.eq_ignore_ascii_case(host))
        };
        if !fields.get_all(ORIGIN).iter().all(is_own) {
            return Err(Refusal::ForeignOrigin);
        }
        Ok(())
    }

    fn check_token(&self, fields: &HeaderMap) -> Result<(), Refusal> {
        let Some(secret) = &self.secret else {
            return Ok(());
        };
        if !fields.contains_key(AUTHORIZATION) {
            return Err(Refusal::NoToken);
        }
        let token = only(fields, &AUTHORIZATION).and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme
                .eq_ignore_ascii_case("bearer")
                .then_some(token.trim())
        });
        match token {
            Some(token) if secret.is(token.as_bytes()) => Ok(()),
            _ => Err(Refusal::WrongToken),
        }
    }
}

/// The value of a field that stands there once.
fn only<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut all = fields.get_all(name).iter();
    let first = all.next()?;
    all.next().is_none().then(|| first.to_str().ok()).flatten()
}

/// A host without its port; none when it is no host.
fn without_port(host: &str) -> Option<&str> {
    let end = if host.starts_with('[') {
        host.find(']')? + 1
    } else {
        host.find(':').unwrap_or(host.len())
    };
    let (name, port) = host.split_at(end);
    let digits = port.strip_prefix(':').unwrap_or(port);
    let is_port = digits.len() <= 5 && digits.bytes().all(|digit| digit.is_ascii_digit());
    (is_port && !name.is_empty()).then_some(name)
}

/// Whether it is an address and no name: nobody else's name leads to such a host.
fn is_literal(name: &str) -> bool {
    let six = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    six.map_or_else(
        || name.parse::<std::net::Ipv4Addr>().is_ok(),
        |six| six.parse::<std::net::Ipv6Addr>().is_ok(),
    )
}

/// Whether no form of a browser can have sent it: forms send three kinds of bodies and no fields of their own, and everything
/// else a browser asks leave for first, which nobody here gives.
fn is_marked(fields: &HeaderMap) -> bool {
    let is_json = |kind: &str| {
        let essence = kind.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/json")
    };
    only(fields, &CONTENT_TYPE).is_some_and(is_json) || fields.contains_key(MARK)
}

#[cfg(test)]
mod tests;
