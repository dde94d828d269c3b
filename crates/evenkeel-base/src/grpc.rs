//! gRPC over HTTP as far as a proxy has to understand it: what a call is, the status it ended with, and the words for both.
//!
//! Here, on floor 0, because the configuration names statuses, policies judge by them, and the data plane and probes read and write
//! them. It reads no message: what is inside a body is nobody's business but the two ends'. gRPC-Web (`application/grpc-web`) is
//! another protocol, whose status stands in the body: it passes as any other HTTP. Source: "gRPC over HTTP2" (PROTOCOL-HTTP2), "gRPC
//! status codes" and "HTTP to gRPC status code mapping" of the gRPC project.

pub mod health;
mod message;
mod of_fault;
mod statuses;
mod timeout;

pub use message::encode_message;
pub use statuses::GrpcStatuses;
pub use timeout::{Timeout, parse_timeout};

use std::fmt;

use crate::head::Field;
use crate::{Known, Method, RequestView};

/// The field and trailer with the status.
pub const STATUS: &[u8] = b"grpc-status";
/// The field and trailer with a sentence about it.
pub const MESSAGE: &[u8] = b"grpc-message";
/// The field in which a client says how long it waits.
pub const TIMEOUT: &str = "grpc-timeout";
/// The media type of requests and responses.
pub const CONTENT_TYPE: &str = "application/grpc";

/// Whether a request is a call: a POST whose content type is gRPC's.
#[must_use]
pub fn is_call(request: &RequestView<'_>) -> bool {
    request.method() == Method::Post
        && request
            .known(Known::ContentType)
            .is_some_and(is_content_type)
}

/// Whether a content type is `application/grpc`, alone or followed by the format of its messages (`+proto`) or a parameter. Names
/// of media types are case-insensitive (RFC 9110 §8.3.1).
#[must_use]
pub fn is_content_type(value: &[u8]) -> bool {
    let name = CONTENT_TYPE.as_bytes();
    value
        .split_at_checked(name.len())
        .is_some_and(|(start, rest)| {
            start.eq_ignore_ascii_case(name)
                && matches!(rest.trim_ascii_start(), [] | [b'+' | b';', ..])
        })
}

/// The status among fields or trailers; none when there is none, more than one, or one that is no number as the protocol writes it.
pub fn status_in<'a>(fields: impl Iterator<Item = Field<'a>>) -> Option<GrpcStatus> {
    let mut found = fields.filter(|field| field.name.eq_ignore_ascii_case(STATUS));
    let status = GrpcStatus::parse(found.next()?.value);
    status.filter(|_| found.next().is_none())
}

macro_rules! statuses {
    ($($variant:ident $number:literal $name:literal $about:literal;)*) => {
        /// How a call ended.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum GrpcStatus {
            $(#[doc = $about] $variant = $number,)*
        }

        impl GrpcStatus {
            /// Every status, by its number.
            pub const ALL: [Self; 17] = [$(Self::$variant,)*];

            /// The name in configuration, logs and docs: gRPC's own, in small letters.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What stands in `grpc-status`.
            #[must_use]
            pub const fn digits(self) -> &'static str {
                match self { $(Self::$variant => stringify!($number),)* }
            }
        }
    };
}

statuses! {
    Ok 0 "ok" "The call went well.";
    Cancelled 1 "cancelled" "The client gave it up.";
    Unknown 2 "unknown" "An error of which no more is known; also any number that is not in this table.";
    InvalidArgument 3 "invalid-argument" "The request makes no sense, whatever the state of the system.";
    DeadlineExceeded 4 "deadline-exceeded" "The time was over.";
    NotFound 5 "not-found" "What was asked for is not there.";
    AlreadyExists 6 "already-exists" "What was to be made is there already.";
    PermissionDenied 7 "permission-denied" "The caller is known and may not.";
    ResourceExhausted 8 "resource-exhausted" "A quota, a limit or a size.";
    FailedPrecondition 9 "failed-precondition" "The system is not in the state that the call needs.";
    Aborted 10 "aborted" "The call met another one and lost.";
    OutOfRange 11 "out-of-range" "Past the valid range.";
    Unimplemented 12 "unimplemented" "No such method, or it is switched off.";
    Internal 13 "internal" "Something that holds always did not hold; also a message that breaks the protocol.";
    Unavailable 14 "unavailable" "The service is not there now, and may be in a moment.";
    DataLoss 15 "data-loss" "Data are lost or broken for good.";
    Unauthenticated 16 "unauthenticated" "The caller has not shown who it is.";
}

impl GrpcStatus {
    /// Reads what stands in `grpc-status`: digits, without a sign or zeros in front. A number that gRPC does not know means
    /// [`GrpcStatus::Unknown`].
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        match value {
            [digit @ b'0'..=b'9'] => Some(Self::ALL[usize::from(digit - b'0')]),
            [b'1'..=b'9', rest @ ..]
                if rest.len() < MOST_DIGITS && rest.iter().all(u8::is_ascii_digit) =>
            {
                let text = std::str::from_utf8(value).ok()?;
                let number: usize = text.parse().ok()?;
                Some(Self::ALL.get(number).copied().unwrap_or(Self::Unknown))
            }
            _ => None,
        }
    }

    /// The status of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// No status has more digits, and a longer one is not read.
const MOST_DIGITS: usize = 5;

impl fmt::Display for GrpcStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
