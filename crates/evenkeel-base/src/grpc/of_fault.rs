//! Which status a fault is to whoever calls.
//!
//! By what the statuses mean, and where that leaves a choice by "HTTP to gRPC status code mapping". Clients repeat calls that ended
//! with UNAVAILABLE and few others, so that is what passes in a moment, elsewhere or by itself.

use crate::Fault;
use crate::grpc::GrpcStatus;

impl GrpcStatus {
    /// The status that a call ends with when evenkeel has to end it.
    #[must_use]
    pub const fn of_fault(fault: Fault) -> Self {
        match fault {
            // What breaks HTTP on either side: the mapping says so of 400.
            Fault::RequestMalformed
            | Fault::RequestPathRefused
            | Fault::RequestTargetRefused
            | Fault::RequestBodyMalformed
            | Fault::ExpectationFailed
            | Fault::CodingUnsupported
            | Fault::VersionUnsupported
            | Fault::Internal
            | Fault::ResponseMalformed
            | Fault::ResponseCodingUnsupported
            | Fault::TooManyInterim
            | Fault::UpgradeMismatch
            | Fault::UpgradeUnsupported
            | Fault::ResponseBodyMalformed => Self::Internal,
            Fault::RequestDenied => Self::PermissionDenied,
            // To the client a route that is not there is a method that is not there; the mapping says so of 404.
            Fault::NoRoute | Fault::MethodRefused => Self::Unimplemented,
            // The client's connection is the wrong one, and so it is when it tries again.
            Fault::Misdirected => Self::FailedPrecondition,
            // This connection ends with it, and on the next one the call may go through: nobody has received it.
            Fault::ConnectionOutdated => Self::Unavailable,
            // On the next one it has to show another certificate.
            Fault::ClientCertificateExpired => Self::Unauthenticated,
            Fault::RequestBodyTooLarge
            | Fault::RateLimited
            | Fault::TooManyConnections
            | Fault::RequestLineTooLong
            | Fault::RequestHeadTooLarge
            | Fault::ResponseHeadTooLarge => Self::ResourceExhausted,
            Fault::ClientGone | Fault::ClientStalled => Self::Cancelled,
            // The call may have been received, and its time is over.
            Fault::RequestHeaderTimeout
            | Fault::RequestBodyTimeout
            | Fault::TotalTimeout
            | Fault::AttemptTimeout
            | Fault::ResponseHeaderTimeout
            | Fault::EndpointStalled
            | Fault::IdleTimeout => Self::DeadlineExceeded,
            // No connection in time is no connection: nobody has received the call. One that is dead is as good as closed.
            Fault::ConnectTimeout
            | Fault::ConnectRefused
            | Fault::ConnectFailed
            | Fault::TlsHandshakeFailed
            | Fault::TlsCertificateRefused
            | Fault::TlsAlertReceived
            | Fault::EndpointClosed
            | Fault::EndpointReset
            | Fault::StreamRefused
            | Fault::ConnectionDead
            | Fault::EndpointFlood
            | Fault::ResponseCut
            | Fault::NoEndpoint
            | Fault::QueueFull
            | Fault::QueueTimeout
            | Fault::QueueDropped
            | Fault::Overloaded
            | Fault::NoDescriptors
            | Fault::Shutdown => Self::Unavailable,
        }
    }
}
