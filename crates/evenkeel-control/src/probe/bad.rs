//! Why a probe's result was bad, in a sentence for people.

use std::fmt;
use std::time::Duration;

use evenkeel_base::GrpcStatus;
use evenkeel_base::unit::format_duration;
use evenkeel_http1::Refusal;

/// A bad result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// The name of the probe's address does not resolve: name and what the resolver said.
    Unresolved(String, String),
    /// Nobody listens.
    Refused,
    /// No connection, for another reason.
    NoConnection(String),
    /// No TLS on it: why.
    Tls(String),
    /// This did not come in time.
    Late(Awaited, Duration),
    /// The endpoint closed before this had come whole.
    Closed(Awaited),
    /// The connection broke before this had come whole.
    Broken(Awaited, String),
    /// What came is no strict HTTP/1.1.
    Malformed(Refusal),
    /// One interim response after the other, and no final one.
    OnlyInterim,
    /// Another status than those that are good.
    Status {
        /// What came.
        status: u16,
        /// The ranges that are good.
        expected: Vec<(u16, u16)>,
    },
    /// What came is no HTTP/2, or the stream was reset: what the codec says.
    Http2(String),
    /// The response is none to a call of gRPC: what is wrong with it.
    NoCall(&'static str),
    /// The call ended with another status than that it went well, and what the endpoint said of it.
    Call(GrpcStatus, String),
    /// The health service said something else than that it serves.
    Health(&'static str),
    /// The answer to a probe for load says nothing of load.
    NoReport,
    /// The body, or what was read of it, is not as wanted: how it must be.
    Body {
        /// What it does not do, as `contain "x"`.
        wanted: String,
        /// How many bytes were read when it goes on behind them.
        cut_at: Option<usize>,
    },
    /// What was to come back did not.
    Answer {
        /// What was expected.
        wanted: String,
        /// How many bytes came.
        after: usize,
    },
}

/// What a probe waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// That the endpoint accepts.
    Connection,
    /// That it takes what is sent.
    Sending,
    /// What it says to a TCP probe.
    Answer,
    /// The head of its response.
    Response,
    /// The body of its response.
    Body,
    /// What its health service says.
    Health,
}

impl Bad {
    /// Whether it was a connection that could not be made: one that can be made is news then.
    pub(crate) const fn is_connect(&self) -> bool {
        matches!(
            self,
            Self::Refused
                | Self::NoConnection(_)
                | Self::Tls(_)
                | Self::Unresolved(..)
                | Self::Late(Awaited::Connection, _)
        )
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved(host, why) => write!(f, "{host} does not resolve: {why}"),
            Self::Refused => f.write_str("connection refused"),
            Self::NoConnection(why) => write!(f, "cannot connect: {why}"),
            Self::Tls(why) => write!(f, "no TLS: {why}"),
            Self::Late(Awaited::Sending, time) => {
                write!(f, "took no request within {}", format_duration(*time))
            }
            Self::Late(awaited, time) => {
                write!(f, "no {awaited} within {}", format_duration(*time))
            }
            Self::Closed(awaited) => write!(f, "closed the connection before the {awaited}"),
            Self::Broken(awaited, why) => {
                write!(f, "the connection failed before the {awaited}: {why}")
            }
            Self::Malformed(refusal) => {
                let about = refusal.about().trim_end_matches('.');
                write!(f, "malformed response: {about}")
            }
            Self::Http2(why) => write!(f, "HTTP/2 failed: {why}"),
            Self::NoCall(why) => write!(f, "the response is not gRPC's: {why}"),
            Self::Call(GrpcStatus::Unimplemented, _) => f.write_str(
                "it has no health service: the call of grpc.health.v1.Health ended with unimplemented",
            ),
            Self::Call(GrpcStatus::NotFound, _) => {
                f.write_str("its health service does not know the service")
            }
            Self::Call(status, message) if message.is_empty() => {
                write!(f, "the call ended with {status}")
            }
            Self::Call(status, message) => write!(f, "the call ended with {status}: {message}"),
            Self::Health(status) => f.write_str(status),
            Self::NoReport => f.write_str(
                "no report of in_flight or latency: answer with a line like in_flight=3, latency_ms=12.5",
            ),
            Self::OnlyInterim => f.write_str("interim (1xx) responses and no final one"),
            Self::Status { status, expected } => {
                write!(f, "status {status}, expected ")?;
                for (i, (first, last)) in expected.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    if first == last {
                        write!(f, "{comma}{first}")?;
                    } else {
                        write!(f, "{comma}{first}-{last}")?;
                    }
                }
                Ok(())
            }
            Self::Body {
                wanted,
                cut_at: None,
            } => write!(f, "body does not {wanted}"),
            Self::Body {
                wanted,
                cut_at: Some(bytes),
            } => write!(f, "the first {bytes} bytes of the body do not {wanted}"),
            Self::Answer { wanted, after } => {
                write!(f, "the first {after} bytes do not contain {wanted}")
            }
        }
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "connection",
            Self::Sending => "request was sent",
            Self::Answer => "answer",
            Self::Response => "response",
            Self::Body => "end of the body",
            Self::Health => "answer of its health service",
        })
    }
}

/// Bytes quoted for a sentence, no longer than a line can bear.
pub(super) fn quoted(bytes: &[u8]) -> String {
    const MOST: usize = 40;
    let text = String::from_utf8_lossy(bytes);
    let mut short: String = text.chars().take(MOST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}
