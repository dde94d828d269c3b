//! Why an exchange failed: one name that stands in the reply, the access log, the metric label and the docs.
//!
//! A fault is `Copy` and one byte long; what it means (whose side, which status, which RFC 9209 token) is one table.
//! Whether it may be tried again depends also on what was sent, and is decided by `evenkeel-policy`.

mod advice;

use std::fmt;

pub use advice::Advice;

/// Who caused a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The client.
    Downstream,
    /// evenkeel itself or its configuration.
    Local,
    /// The endpoint or the way to it.
    Upstream,
}

macro_rules! faults {
    ($($variant:ident $name:literal $side:ident $status:literal $token:literal $about:literal;)*) => {
        /// A fault. See [`Fault::about`] for each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Fault {
            $(#[doc = $about] $variant,)*
        }

        impl Fault {
            /// Every fault, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in logs, metrics, docs and `Proxy-Status` details.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Whose fault it is.
            #[must_use]
            pub const fn side(self) -> Side {
                match self { $(Self::$variant => Side::$side,)* }
            }

            /// The status of the reply that evenkeel makes; 499 stands in the log only.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// The registered `error` token of RFC 9209 §2.3.
            #[must_use]
            pub const fn proxy_status(self) -> &'static str {
                match self { $(Self::$variant => $token,)* }
            }

            /// What happened, in a sentence for people.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }
    };
}

faults! {
    RequestMalformed "request-malformed" Downstream 400 "http_request_error" "The request's head breaks the grammar of HTTP/1.1 or could be read in two ways.";
    RequestPathRefused "request-path-refused" Downstream 400 "http_request_error" "The path has dot segments, which this route does not allow, or may be read as one that another route guards.";
    RequestTargetRefused "request-target-refused" Downstream 400 "http_request_error" "The path or the query has a character that the grammar of URIs does not know, and the endpoint speaks HTTP/2, which does not carry it.";
    RequestBodyMalformed "request-body-malformed" Downstream 400 "http_request_error" "The request's body breaks the rules of its protocol: the grammar of chunks, or the length that its head announced.";
    RequestDenied "request-denied" Downstream 403 "http_request_denied" "The client's network is not allowed on this route.";
    MethodRefused "method-refused" Downstream 405 "http_request_denied" "CONNECT and TRACE are refused unless configured.";
    RequestHeaderTimeout "request-header-timeout" Downstream 408 "connection_read_timeout" "The client did not finish its request's head in time.";
    RequestBodyTimeout "request-body-timeout" Downstream 408 "connection_read_timeout" "The client stopped sending its request's body.";
    RequestBodyTooLarge "request-body-too-large" Downstream 413 "http_request_error" "The request's body is larger than the route allows.";
    Misdirected "misdirected" Downstream 421 "http_request_error" "The request is for a host that needs another TLS connection, for another certificate is for it.";
    ClientCertificateExpired "client-certificate-expired" Downstream 421 "http_request_error" "The client's certificate has expired since its connection began: a new one needs a certificate that is valid.";
    RateLimited "rate-limited" Downstream 429 "http_request_denied" "The client sent more requests than the route's rate limit allows.";
    TooManyConnections "too-many-connections" Downstream 429 "http_request_denied" "The client has more connections open than the listener allows.";
    RequestLineTooLong "request-line-too-long" Downstream 414 "http_request_error" "The request line is longer than the listener allows.";
    ExpectationFailed "expectation-failed" Downstream 417 "http_request_error" "The request expects something other than 100-continue.";
    RequestHeadTooLarge "request-head-too-large" Downstream 431 "http_request_error" "The request's head is larger, or has more fields, than the listener allows.";
    ClientGone "client-gone" Downstream 499 "connection_terminated" "The client closed its connection before it had the whole response.";
    ClientStalled "client-stalled" Downstream 499 "connection_write_timeout" "The client took no byte of the response for the write timeout.";
    CodingUnsupported "coding-unsupported" Downstream 501 "http_request_error" "The request's transfer coding is not chunked alone.";
    VersionUnsupported "version-unsupported" Downstream 505 "http_request_error" "The request's HTTP version is none that this listener speaks.";
    ConnectionOutdated "connection-outdated" Local 421 "http_request_error" "The listener asks something else of its clients than when the connection began: a new one is checked anew.";
    NoRoute "no-route" Local 404 "destination_not_found" "No route matches the request.";
    Internal "internal-error" Local 500 "proxy_internal_error" "A mistake of evenkeel's own; please report it.";
    NoEndpoint "no-endpoint" Local 503 "destination_unavailable" "The cluster has no endpoint that could be tried.";
    QueueFull "queue-full" Local 503 "connection_limit_reached" "Every endpoint of the cluster is at its limit, and the queue is full.";
    QueueTimeout "queue-timeout" Local 503 "connection_limit_reached" "Every endpoint of the cluster is at its limit, and the request waited as long as it may.";
    QueueDropped "queue-dropped" Local 503 "connection_limit_reached" "The cluster's queue has stood for too long, and the request was dropped so that others are served in time.";
    Overloaded "overloaded" Local 503 "proxy_internal_response" "evenkeel is near one of its limits and refuses what is worth least: new connections, and requests of low priority.";
    NoDescriptors "no-descriptors" Local 503 "proxy_internal_error" "The system gave evenkeel no descriptor or memory for a connection to the endpoint.";
    Shutdown "shutdown" Local 503 "proxy_internal_response" "evenkeel is stopping and its time to drain is over.";
    TotalTimeout "total-timeout" Local 504 "http_response_timeout" "The exchange took longer than the total timeout of its route.";
    ConnectRefused "connect-refused" Upstream 502 "connection_refused" "The endpoint refused the connection.";
    ConnectFailed "connect-failed" Upstream 502 "destination_ip_unroutable" "No connection to the endpoint could be made.";
    TlsHandshakeFailed "tls-handshake-failed" Upstream 502 "tls_protocol_error" "No TLS with the endpoint: it speaks something else, closed the connection during the handshake, or has no version, cipher or protocol that is wanted.";
    TlsCertificateRefused "tls-certificate-refused" Upstream 502 "tls_certificate_error" "The endpoint's certificate cannot be trusted, or is not for its name, or not for today.";
    TlsAlertReceived "tls-alert-received" Upstream 502 "tls_alert_received" "The endpoint ended TLS with an alert, as it does when it wants another certificate of us.";
    EndpointClosed "endpoint-closed" Upstream 502 "connection_terminated" "The endpoint closed the connection before it answered.";
    EndpointReset "endpoint-reset" Upstream 502 "connection_terminated" "The endpoint reset the connection before it answered.";
    StreamRefused "stream-refused" Upstream 502 "http_response_incomplete" "The endpoint refused the request's stream before it looked at it (HTTP/2).";
    ConnectionDead "connection-dead" Upstream 504 "connection_timeout" "The endpoint did not answer a PING in time, and its connection was given up (HTTP/2).";
    EndpointFlood "endpoint-flood" Upstream 502 "http_protocol_error" "The endpoint sent frames that nothing asked for, and its connection was ended with all that ran on it (HTTP/2).";
    UpgradeUnsupported "upgrade-unsupported" Upstream 502 "http_upgrade_failed" "The endpoint speaks HTTP/2 and does not take that protocol over it (RFC 8441).";
    ResponseMalformed "response-malformed" Upstream 502 "http_protocol_error" "The endpoint's response breaks the grammar of HTTP/1.1 or could be read in two ways.";
    ResponseHeadTooLarge "response-head-too-large" Upstream 502 "http_response_header_section_size" "The endpoint's response head is larger, or has more fields, than allowed.";
    ResponseCodingUnsupported "response-coding-unsupported" Upstream 502 "http_response_transfer_coding" "The endpoint's transfer coding is not chunked alone.";
    TooManyInterim "too-many-interim" Upstream 502 "http_protocol_error" "The endpoint sent more interim (1xx) responses than allowed.";
    UpgradeMismatch "upgrade-mismatch" Upstream 502 "http_upgrade_failed" "The endpoint switched protocols without or beside being asked.";
    ResponseCut "response-cut" Upstream 502 "http_response_incomplete" "The endpoint closed the connection before its response was complete.";
    ResponseBodyMalformed "response-body-malformed" Upstream 502 "http_protocol_error" "The endpoint's chunked body breaks the grammar of HTTP/1.1.";
    ConnectTimeout "connect-timeout" Upstream 504 "connection_timeout" "The endpoint did not accept the connection in time.";
    AttemptTimeout "attempt-timeout" Upstream 504 "http_response_timeout" "The attempt took longer than the route allows for one.";
    ResponseHeaderTimeout "response-header-timeout" Upstream 504 "http_response_timeout" "The endpoint did not begin its response in time.";
    EndpointStalled "endpoint-stalled" Upstream 504 "connection_write_timeout" "The endpoint took no byte of the request for the write timeout.";
    IdleTimeout "idle-timeout" Upstream 504 "connection_read_timeout" "No byte passed either way for the idle timeout.";
}

const _: () = assert!(size_of::<Fault>() == 1);

impl Fault {
    /// The fault of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.name() == name)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_statuses_are_errors() {
        for (i, fault) in Fault::ALL.iter().enumerate() {
            assert_eq!(Fault::from_name(fault.name()), Some(*fault));
            assert!(
                fault
                    .name()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'-'),
                "{fault}"
            );
            assert!((400..=599).contains(&fault.status()), "{fault}");
            assert!(fault.about().ends_with('.'), "{fault}");
            assert_eq!(*fault as usize, i);
        }
    }
}
