//! Request methods and the two properties a proxy decides by (RFC 9110 §9.2).

/// A method; names are case-sensitive, so `get` is `Other`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// RFC 9110 §9.3.8 is `Trace`; these are in the order of the RFC.
    #[default]
    Get,
    /// Like GET, but the response has no body.
    Head,
    /// Not idempotent: an endpoint must never see it twice.
    Post,
    /// Idempotent.
    Put,
    /// Idempotent.
    Delete,
    /// Begins a tunnel; refused unless configured.
    Connect,
    /// Safe.
    Options,
    /// Safe by the RFC, refused by default because it reflects credentials.
    Trace,
    /// RFC 5789: not idempotent.
    Patch,
    /// Any other token; nothing is assumed about it.
    Other,
}

impl Method {
    /// The method named by these bytes, which the codec has found to be a token.
    #[inline]
    #[must_use]
    pub const fn from_bytes(name: &[u8]) -> Self {
        match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"CONNECT" => Self::Connect,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }

    /// Whether sending it twice is the same as sending it once (RFC 9110 §9.2.2).
    #[must_use]
    pub const fn is_idempotent(self) -> bool {
        matches!(
            self,
            Self::Get | Self::Head | Self::Put | Self::Delete | Self::Options | Self::Trace
        )
    }
}
