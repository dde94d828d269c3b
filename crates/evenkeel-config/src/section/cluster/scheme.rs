//! What is spoken with the endpoints of a cluster: what `protocol`, `tls` and the schemes of the addresses say together.
//!
//! A cluster speaks one way to all its endpoints: one identity, one protocol, one kind of pool. So the scheme before an address
//! is the cluster's word, not the endpoint's, and whoever says two things is told.

use evenkeel_base::Scheme;

use crate::knob::{Knob, Table};
use crate::model::{Cluster, UpstreamProtocol, UpstreamTls};
use crate::raw::{At, Cx, Span};
use crate::section::cluster::tls::{TLS_KNOB, TlsKeys};
use crate::value::scalar::Choice;

/// `protocol` of a cluster.
pub(crate) static PROTOCOL: Knob<UpstreamProtocol> = Knob {
    key: "protocol",
    about: "What is spoken with the endpoints. \"auto\": over TLS what an endpoint chooses of HTTP/2 and HTTP/1.1 (ALPN), without TLS HTTP/1.1. \"http/1.1\" and \"h2\" are that and nothing else; HTTP/2 without TLS is spoken without asking first, which addresses say as well that begin with `h2c://`.",
    default: UpstreamProtocol::Auto,
    why: "an endpoint knows best what it can do",
    bounds: None,
    required: false,
    example: "\"http/1.1\"",
};

impl Choice for UpstreamProtocol {
    fn all() -> Vec<(&'static str, Self)> {
        vec![
            ("auto", Self::Auto),
            ("http/1.1", Self::Http1),
            ("h2", Self::Http2),
        ]
    }

    fn ours(name: &str) -> Option<&'static str> {
        match name.to_ascii_lowercase().as_str() {
            "http/2" | "http2" | "h2c" | "grpc" => Some("it is \"h2\""),
            "http1" | "http1.1" | "h1" | "http" => Some("it is \"http/1.1\""),
            "https" | "tls" => {
                Some("TLS is turned on by `tls = {}`, or by https:// before addresses")
            }
            _ => None,
        }
    }
}

/// What the table of a cluster says.
pub(crate) struct Said {
    protocol: UpstreamProtocol,
    names_protocol: bool,
    tls: Option<TlsKeys>,
    /// Also when it is wrong.
    has_tls: bool,
    at: Span,
}

impl Said {
    pub(crate) fn read(table: &Table<'_>, cx: &mut Cx<'_>) -> Self {
        Self {
            protocol: PROTOCOL.read(table, cx),
            names_protocol: PROTOCOL.given(table),
            tls: TLS_KNOB.read(table, cx),
            has_tls: TLS_KNOB.given(table),
            at: TLS_KNOB.span(table),
        }
    }

    /// What that is for a list of endpoints in a file of its own.
    pub(crate) fn spoken(&self) -> Spoken {
        Spoken {
            tls: self.has_tls,
            h2: self.protocol == UpstreamProtocol::Http2,
        }
    }

    /// Reports addresses that do not agree with each other or with the table; their scheme, if they have one.
    pub(crate) fn agree(&self, all: &[At<Option<Scheme>>], cx: &mut Cx<'_>) -> Option<Scheme> {
        let schemes = all.iter().filter_map(|one| Some((one.value?, &one.span)));
        let (scheme, first) = schemes.clone().next()?;
        if let Some((other, at)) = schemes.clone().find(|(other, _)| *other != scheme) {
            cx.error(
                at.clone(),
                format!("this endpoint has {other}://, and another one of the cluster {scheme}://"),
            )
            .note(first.clone(), "it is this one")
            .help("a cluster speaks one way to all its endpoints: make two clusters of them");
            return None;
        }
        let (missing, remedy) = match scheme {
            Scheme::Http => (false, ""),
            Scheme::Https => (!self.has_tls, "tls = {}"),
            Scheme::H2c => (!self.names_protocol, "protocol = \"h2\""),
        };
        if let Some(bare) = all.iter().find(|one| missing && one.value.is_none()) {
            cx.error(
                bare.span.clone(),
                format!("this endpoint has no scheme, and another one of the cluster {scheme}://"),
            )
            .note(first.clone(), "it is this one")
            .help(format!(
                "write {scheme}:// before each, or before none and {remedy} in the cluster"
            ));
            return None;
        }
        self.contradict(scheme, first, cx)
            .is_none()
            .then_some(scheme)
    }

    /// Reports a table that says something else than the addresses.
    fn contradict(&self, scheme: Scheme, at: &Span, cx: &mut Cx<'_>) -> Option<()> {
        let (message, help) = match scheme {
            Scheme::Http if self.has_tls => (
                "this endpoint has http://, and its cluster `tls`",
                "write https://, or take out `tls`",
            ),
            Scheme::H2c if self.has_tls => (
                "h2c:// is HTTP/2 without TLS, and its cluster has `tls`",
                "write https://, and protocol = \"h2\" in the cluster",
            ),
            Scheme::H2c if self.protocol == UpstreamProtocol::Http1 => (
                "h2c:// is HTTP/2, and the protocol of its cluster is \"http/1.1\"",
                "write http://, or take out `protocol`",
            ),
            Scheme::Http | Scheme::Https | Scheme::H2c => return None,
        };
        let said = cx.error(at.clone(), message);
        if self.has_tls {
            said.note(self.at.clone(), "it is here").help(help);
        } else {
            said.help(help);
        }
        Some(())
    }

    /// Everything together. `at` is the address of an endpoint of that scheme, or of a service.
    pub(crate) fn together(
        self,
        scheme: Option<Scheme>,
        service: Option<Span>,
        cx: &mut Cx<'_>,
    ) -> (UpstreamProtocol, UpstreamTls) {
        let protocol = match scheme {
            Some(Scheme::H2c) => UpstreamProtocol::Http2,
            Some(Scheme::Http | Scheme::Https) | None => self.protocol,
        };
        let keys = match self.tls {
            None if scheme == Some(Scheme::Https) && !self.has_tls => Some(TlsKeys::DEFAULT),
            keys => keys,
        };
        let Some(keys) = keys else {
            return (protocol, UpstreamTls::Off);
        };
        let Some(rules) = keys.rules(protocol, &self.at, cx) else {
            return (protocol, UpstreamTls::Off);
        };
        if let Some(at) = service
            && rules.verify
            && rules.ca.is_none()
            && rules.server_name.is_empty()
        {
            cx.warning(
                at,
                "the names that these endpoints have to prove come from DNS, which anybody in between can change",
            )
            .help("say which name it has to be: tls = { server_name = \"…\" }, or name an authority of your own: tls = { ca = \"ca.pem\" }");
        }
        (protocol, UpstreamTls::On(rules))
    }
}

/// What a cluster speaks with its endpoints, for a list of them in a file of its own: the schemes in it have to agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spoken {
    tls: bool,
    h2: bool,
}

impl Spoken {
    /// What that cluster speaks.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Self {
        Self {
            tls: cluster.tls.rules().is_some(),
            h2: cluster.protocol == UpstreamProtocol::Http2,
        }
    }

    /// Reports addresses in a list that do not agree with the cluster.
    pub(crate) fn check(self, all: &[At<Option<Scheme>>], cx: &mut Cx<'_>) {
        for one in all {
            if let Err(help) = self.agrees(one.value) {
                cx.error(
                    one.span.clone(),
                    "this is not what the cluster of this list speaks",
                )
                .help(help);
                return;
            }
        }
    }

    /// Whether an endpoint whose address begins so is one for the cluster.
    ///
    /// # Errors
    /// A sentence that says what to do.
    pub fn admits(self, scheme: Option<Scheme>) -> Result<(), String> {
        self.agrees(scheme)
            .map_err(|help| format!("this is not what the cluster speaks: {help}"))
    }

    const fn agrees(self, scheme: Option<Scheme>) -> Result<(), &'static str> {
        Err(match scheme {
            Some(Scheme::Https) if !self.tls => "add tls = {} to the cluster",
            Some(Scheme::Http) if self.tls => "write https://, or no scheme",
            Some(Scheme::H2c) if self.tls => "write https://, or no scheme: the cluster has `tls`",
            Some(Scheme::H2c) if !self.h2 => "add protocol = \"h2\" to the cluster",
            Some(Scheme::Http | Scheme::Https | Scheme::H2c) | None => return Ok(()),
        })
    }
}
