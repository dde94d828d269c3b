//! How endpoints are probed: what is asked, where, and what makes the answer good.

use std::num::NonZeroU16;

use evenkeel_base::Address;
use evenkeel_base::rules::ProbeRules;

/// How the endpoints of a cluster are probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Not at all: traffic alone shows who is well.
    Off,
    /// By a TCP connection, which may say something and expect something back.
    Tcp {
        /// How often, and what its results mean.
        rules: ProbeRules,
        /// Where, instead of the endpoint's own address.
        at: ProbeAddress,
        /// What is sent, at most [`Probe::TALK_LIMIT`] bytes; empty: nothing.
        send: Vec<u8>,
        /// What must come back, somewhere in the first [`Probe::TALK_LIMIT`] bytes; empty: the connection alone is enough.
        expect: Vec<u8>,
    },
    /// By an HTTP request.
    Http {
        /// How often, and what its results mean.
        rules: ProbeRules,
        /// Where, instead of the endpoint's own address.
        at: ProbeAddress,
        /// What is asked and what must be answered.
        request: ProbeRequest,
    },
    /// By gRPC's health service, over HTTP/2 with prior knowledge or through the cluster's TLS.
    Grpc {
        /// How often, and what its results mean.
        rules: ProbeRules,
        /// Where, instead of the endpoint's own address.
        at: ProbeAddress,
        /// The service that is asked for, at most [`Probe::SERVICE_LIMIT`] bytes; empty: the whole program.
        service: String,
    },
}

impl Probe {
    /// A probe by TCP says and reads at most so many bytes.
    pub const TALK_LIMIT: usize = 4 * 1024;
    /// The name of a service that a probe asks for has at most so many bytes.
    pub const SERVICE_LIMIT: usize = 255;

    /// How often, and what the results mean; `None` without probes.
    #[must_use]
    pub const fn rules(&self) -> Option<&ProbeRules> {
        match self {
            Self::Off => None,
            Self::Tcp { rules, .. } | Self::Http { rules, .. } | Self::Grpc { rules, .. } => {
                Some(rules)
            }
        }
    }
}

/// Where an endpoint is probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeAddress {
    /// Where it takes requests.
    Endpoint,
    /// At another port of the same host.
    Port(NonZeroU16),
    /// At this address, for all endpoints of the cluster.
    Fixed(Address),
}

/// A probe's request, and the response that makes it good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeRequest {
    /// `GET`, `HEAD`, `OPTIONS` or `POST`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// `Host`; empty: the endpoint's address.
    pub host: String,
    /// Fields beside those.
    pub headers: Vec<(String, String)>,
    /// Ranges of statuses that are good, both ends included.
    pub statuses: Vec<(u16, u16)>,
    /// What the body must hold, within its first [`ProbeRequest::BODY_LIMIT`] bytes.
    pub body: BodyMatch,
}

impl ProbeRequest {
    /// So much of a body is looked at.
    pub const BODY_LIMIT: usize = 64 * 1024;
}

/// What a body must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyMatch {
    /// Anything.
    Any,
    /// This text.
    Contains(String),
    /// A match of this regular expression, which [`crate::body_regex`] compiles (syntax of the `regex` crate; linear in
    /// the length of the body).
    Regex(String),
}
