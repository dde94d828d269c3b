//! Why an endpoint is ejected, which faults count for it, and what shows that it is well again.
//!
//! Only what the endpoint or the way to it did counts. What a client can bring about by itself must not: a client that
//! could make evenkeel eject endpoints could take a cluster down.

use evenkeel_base::{Fault, GrpcStatus};

/// Why traffic ejects an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Cause {
    /// No connection could be made, or no TLS on it.
    Connect,
    /// Connections ended before their responses did.
    Reset,
    /// It did not answer, or took nothing, in time.
    Timeout,
    /// It answered what is not HTTP.
    Malformed,
    /// It answered 502, 503 or 504.
    Status,
    /// Too large a part of its requests failed within the window.
    Percentage,
    /// It was much slower than the others within the window.
    Latency,
    /// It ended calls of gRPC as unavailable.
    GrpcStatus,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 8] = [
        Self::Connect,
        Self::Reset,
        Self::Timeout,
        Self::Malformed,
        Self::Status,
        Self::Percentage,
        Self::Latency,
        Self::GrpcStatus,
    ];

    /// The name in logs and status.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Malformed => "malformed",
            Self::Status => "status",
            Self::Percentage => "fault-percent",
            Self::Latency => "latency",
            Self::GrpcStatus => "grpc-status",
        }
    }

    /// The cause that a fault of an attempt counts as; `None` for one that says nothing about the endpoint.
    ///
    /// An idle connection that the endpoint had closed before the request reached it
    /// ([`Verdict::RetryFree`](crate::Verdict::RetryFree)) is no gateway fault whatever its name: do not ask.
    #[must_use]
    pub const fn of(fault: Fault) -> Option<Self> {
        match fault {
            Fault::ConnectRefused
            | Fault::ConnectFailed
            | Fault::ConnectTimeout
            | Fault::TlsHandshakeFailed
            | Fault::TlsCertificateRefused => Some(Self::Connect),
            // With TLS 1.3 an endpoint that refuses our certificate says so when the connection stands: that one can be made
            // shows nothing, as with an endpoint that closes what it accepts.
            Fault::TlsAlertReceived
            | Fault::EndpointClosed
            | Fault::EndpointReset
            | Fault::StreamRefused
            | Fault::ResponseCut => Some(Self::Reset),
            Fault::EndpointStalled
            | Fault::ConnectionDead
            | Fault::AttemptTimeout
            | Fault::ResponseHeaderTimeout => Some(Self::Timeout),
            Fault::ResponseMalformed
            | Fault::ResponseCodingUnsupported
            | Fault::TooManyInterim
            | Fault::UpgradeMismatch
            | Fault::ResponseBodyMalformed => Some(Self::Malformed),
            // How large a head is depends on what one client's cookies made the endpoint say, and a pause of both sides
            // may be the client's.
            Fault::ResponseHeadTooLarge
            | Fault::IdleTimeout
            // Everybody's calls end with the connection, and it may have been one of them that made the endpoint do it.
            | Fault::EndpointFlood
            // What it takes is a matter of its kind, not of its health.
            | Fault::UpgradeUnsupported
            | Fault::RequestMalformed
            | Fault::RequestPathRefused
            | Fault::RequestTargetRefused
            | Fault::RequestBodyMalformed
            | Fault::RequestDenied
            | Fault::MethodRefused
            | Fault::RequestHeaderTimeout
            | Fault::RequestBodyTimeout
            | Fault::RequestBodyTooLarge
            | Fault::Misdirected
            | Fault::ConnectionOutdated
            | Fault::ClientCertificateExpired
            | Fault::RateLimited
            | Fault::TooManyConnections
            | Fault::RequestLineTooLong
            | Fault::ExpectationFailed
            | Fault::RequestHeadTooLarge
            | Fault::ClientGone
            | Fault::ClientStalled
            | Fault::CodingUnsupported
            | Fault::VersionUnsupported
            | Fault::NoRoute
            | Fault::Internal
            | Fault::NoEndpoint
            | Fault::QueueFull
            | Fault::QueueTimeout
            | Fault::QueueDropped
            | Fault::Overloaded
            | Fault::NoDescriptors
            | Fault::Shutdown
            | Fault::TotalTimeout => None,
        }
    }

    /// The cause that a response of the endpoint's own counts as: 502, 503 and 504 say that it, or what stands behind it,
    /// is not there. 500 is an answer of an application that is.
    #[must_use]
    pub const fn of_status(status: u16) -> Option<Self> {
        match status {
            502..=504 => Some(Self::Status),
            _ => None,
        }
    }

    /// The same of a call of gRPC: unavailable is what 503 is, that the service is not there. A deadline is the client's, and one
    /// that sets none that can be kept could have endpoints ejected; and as 500 is, internal, unknown and lost data are answers of
    /// an application that is there. Envoy translates to statuses of HTTP and so counts the deadline as 504.
    #[must_use]
    pub const fn of_grpc(status: GrpcStatus) -> Option<Self> {
        match status {
            GrpcStatus::Unavailable => Some(Self::GrpcStatus),
            _ => None,
        }
    }

    /// The cause that a response counts as, with the status of the call when it was one.
    #[inline]
    #[must_use]
    pub const fn of_response(status: u16, grpc: Option<GrpcStatus>) -> Option<Self> {
        match (Self::of_status(status), grpc) {
            (None, Some(grpc)) => Self::of_grpc(grpc),
            (cause, _) => cause,
        }
    }

    /// Whether `sign` shows that what caused the ejection has passed, so that it need not last its whole time.
    ///
    /// - An endpoint that could not be connected to and now can be is back, whatever the rest of its history.
    /// - One that closed its connections may be a process that died and was started again, and a connection shows it once:
    ///   when the trial that followed failed (`misled`), the next ejection takes its time.
    /// - One that did not answer may be stopped, and the system accepts connections for a stopped process: only a probe that
    ///   was answered shows that it runs.
    /// - What the endpoint says and how fast is not shown by a connection or a probe, unless (`failed_since`) these failed as
    ///   well during the ejection: then it was gone and has come back.
    /// - A request that went well is what every run of faults lacked; a percentage and a median need more than one.
    #[must_use]
    pub(super) const fn refuted_by(self, sign: Sign, misled: bool, failed_since: bool) -> bool {
        match (self, sign) {
            (Self::Connect, _) => true,
            (Self::Reset, Sign::Connected | Sign::Probed) => !misled || failed_since,
            (Self::Timeout, Sign::Probed) => !misled || failed_since,
            (Self::Timeout, Sign::Connected)
            | (Self::Malformed | Self::Status | Self::GrpcStatus, Sign::Connected | Sign::Probed)
            | (Self::Percentage | Self::Latency, _) => failed_since,
            (
                Self::Reset | Self::Timeout | Self::Malformed | Self::Status | Self::GrpcStatus,
                Sign::Served,
            ) => true,
        }
    }

    /// The cause of that number.
    pub(super) const fn from_bits(bits: u32) -> Self {
        match bits {
            0 => Self::Connect,
            1 => Self::Reset,
            2 => Self::Timeout,
            3 => Self::Malformed,
            4 => Self::Status,
            5 => Self::Percentage,
            6 => Self::Latency,
            _ => Self::GrpcStatus,
        }
    }
}

/// What shows that an ejected endpoint may be well again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sign {
    /// A background connect succeeded.
    Connected,
    /// A probe was answered as it should be.
    Probed,
    /// A request it was given all the same, because no endpoint admitted, was answered.
    Served,
}

impl Sign {
    /// The name in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Probed => "probed",
            Self::Served => "served",
        }
    }
}

#[cfg(test)]
mod tests;
