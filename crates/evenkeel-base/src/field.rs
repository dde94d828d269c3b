//! Field names that a proxy treats by rule, and what names and values are made of.
//!
//! A codec classifies each name once, while it is in the cache; the pipeline then switches on a byte instead of comparing
//! names over and over. Names are case-insensitive (RFC 9110 §5.1).

/// A field name the pipeline knows; everything else is `Other` and passes as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Known {
    /// No rule of ours names it.
    #[default]
    Other,
    /// RFC 9110 §7.2.
    Host,
    /// RFC 9110 §8.6.
    ContentLength,
    /// RFC 9112 §6.1.
    TransferEncoding,
    /// RFC 9110 §7.6.1, removed on every hop.
    Connection,
    /// Removed on every hop.
    KeepAlive,
    /// Removed on every hop.
    ProxyConnection,
    /// RFC 9110 §10.1.4, removed on every hop.
    Te,
    /// RFC 9110 §6.6.2.
    Trailer,
    /// RFC 9110 §7.8, set again by us for the upgrades that pass.
    Upgrade,
    /// RFC 7540 §3.2.1, removed: h2c upgrades do not pass.
    Http2Settings,
    /// RFC 9110 §11.7.2, for the next proxy only.
    ProxyAuthorization,
    /// RFC 9110 §11.7.1.
    ProxyAuthenticate,
    /// RFC 9110 §10.1.1.
    Expect,
    /// Set by us.
    XForwardedFor,
    /// Set by us.
    XForwardedProto,
    /// Set by us.
    XForwardedHost,
    /// Dropped from untrusted clients.
    XForwardedPort,
    /// RFC 7239; dropped from untrusted clients.
    Forwarded,
    /// Dropped from untrusted clients.
    XRealIp,
    /// Kept, bounded, or made.
    XRequestId,
    /// For gRPC, whose trailers pass.
    ContentType,
    /// RFC 9110 §10.2.3, read on 503.
    RetryAfter,
    /// RFC 6455.
    SecWebSocketKey,
    /// RFC 6455.
    SecWebSocketAccept,
    /// RFC 9110 §7.6.2.
    MaxForwards,
    /// Asks for, and is, an explanation of ours; it is for one hop only.
    XEvenkeelExplain,
}

impl Known {
    /// Every known name in lower case.
    pub const ALL: [(&'static str, Self); 26] = [
        ("host", Self::Host),
        ("content-length", Self::ContentLength),
        ("transfer-encoding", Self::TransferEncoding),
        ("connection", Self::Connection),
        ("keep-alive", Self::KeepAlive),
        ("proxy-connection", Self::ProxyConnection),
        ("te", Self::Te),
        ("trailer", Self::Trailer),
        ("upgrade", Self::Upgrade),
        ("http2-settings", Self::Http2Settings),
        ("proxy-authorization", Self::ProxyAuthorization),
        ("proxy-authenticate", Self::ProxyAuthenticate),
        ("expect", Self::Expect),
        ("x-forwarded-for", Self::XForwardedFor),
        ("x-forwarded-proto", Self::XForwardedProto),
        ("x-forwarded-host", Self::XForwardedHost),
        ("x-forwarded-port", Self::XForwardedPort),
        ("forwarded", Self::Forwarded),
        ("x-real-ip", Self::XRealIp),
        ("x-request-id", Self::XRequestId),
        ("content-type", Self::ContentType),
        ("retry-after", Self::RetryAfter),
        ("sec-websocket-key", Self::SecWebSocketKey),
        ("sec-websocket-accept", Self::SecWebSocketAccept),
        ("max-forwards", Self::MaxForwards),
        ("x-evenkeel-explain", Self::XEvenkeelExplain),
    ];

    /// Which known name this is. The length picks at most four candidates, so most names cost one comparison or none.
    #[inline(always)]
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        match name.len() {
            2 => one(name, b"te", Self::Te),
            4 => one(name, b"host", Self::Host),
            6 => one(name, b"expect", Self::Expect),
            7 => match name[0] | 0x20 {
                b'u' => one(name, b"upgrade", Self::Upgrade),
                _ => one(name, b"trailer", Self::Trailer),
            },
            9 => match name[0] | 0x20 {
                b'f' => one(name, b"forwarded", Self::Forwarded),
                _ => one(name, b"x-real-ip", Self::XRealIp),
            },
            10 => match name[0] | 0x20 {
                b'c' => one(name, b"connection", Self::Connection),
                _ => one(name, b"keep-alive", Self::KeepAlive),
            },
            11 => one(name, b"retry-after", Self::RetryAfter),
            12 => match name[0] | 0x20 {
                b'c' => one(name, b"content-type", Self::ContentType),
                b'x' => one(name, b"x-request-id", Self::XRequestId),
                _ => one(name, b"max-forwards", Self::MaxForwards),
            },
            14 => match name[0] | 0x20 {
                b'c' => one(name, b"content-length", Self::ContentLength),
                _ => one(name, b"http2-settings", Self::Http2Settings),
            },
            15 => one(name, b"x-forwarded-for", Self::XForwardedFor),
            16 => match name[12] | 0x20 {
                b't' => one(name, b"proxy-connection", Self::ProxyConnection),
                b'h' => one(name, b"x-forwarded-host", Self::XForwardedHost),
                _ => one(name, b"x-forwarded-port", Self::XForwardedPort),
            },
            17 => match name[0] | 0x20 {
                b't' => one(name, b"transfer-encoding", Self::TransferEncoding),
                b'x' => one(name, b"x-forwarded-proto", Self::XForwardedProto),
                _ => one(name, b"sec-websocket-key", Self::SecWebSocketKey),
            },
            18 => match name[0] | 0x20 {
                b'p' => one(name, b"proxy-authenticate", Self::ProxyAuthenticate),
                _ => one(name, b"x-evenkeel-explain", Self::XEvenkeelExplain),
            },
            19 => one(name, b"proxy-authorization", Self::ProxyAuthorization),
            20 => one(name, b"sec-websocket-accept", Self::SecWebSocketAccept),
            _ => Self::Other,
        }
    }

    /// The known name an endpoint may read this as, when it turns `_` into `-` as CGI does: the twin that smuggles.
    #[must_use]
    pub fn underscore_twin(name: &[u8]) -> Self {
        if name.len() > 20 || !name.contains(&b'_') {
            return Self::Other;
        }
        let mut twin = [0_u8; 20];
        for (to, from) in twin.iter_mut().zip(name) {
            *to = if *from == b'_' { b'-' } else { *from };
        }
        Self::of(&twin[..name.len()])
    }

    /// Whether it concerns one hop only and is never passed on as it came (RFC 9110 §7.6.1).
    #[must_use]
    pub const fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::KeepAlive
                | Self::ProxyConnection
                | Self::Te
                | Self::TransferEncoding
                | Self::Upgrade
                | Self::Http2Settings
                | Self::ProxyAuthorization
                | Self::ProxyAuthenticate
        )
    }

    /// Whether a field may travel as a trailer: nothing that frames, routes or identifies (RFC 9110 §6.5.1).
    #[must_use]
    pub const fn may_be_trailer(self) -> bool {
        !(self.is_hop_by_hop()
            || self.is_forwarding()
            || matches!(
                self,
                Self::Host
                    | Self::ContentLength
                    | Self::Trailer
                    | Self::Expect
                    | Self::XRequestId
                    | Self::XEvenkeelExplain
            ))
    }

    /// Whether it says who the client is or how it came, so that a client must not be believed about it.
    #[must_use]
    pub const fn is_forwarding(self) -> bool {
        matches!(
            self,
            Self::XForwardedFor
                | Self::XForwardedProto
                | Self::XForwardedHost
                | Self::XForwardedPort
                | Self::Forwarded
                | Self::XRealIp
        )
    }
}

/// `known` when the name is `text` in any case. It is compared as words that overlap, whose constants the compiler
/// computes: a fifth of what comparing byte by byte takes.
#[inline(always)]
fn one<const N: usize>(name: &[u8], text: &[u8; N], known: Known) -> Known {
    let differs = match N {
        2..4 => differ::<2>(name, text, 0) | differ::<2>(name, text, N - 2),
        4..8 => differ::<4>(name, text, 0) | differ::<4>(name, text, N - 4),
        8..=16 => differ::<8>(name, text, 0) | differ::<8>(name, text, N - 8),
        _ => {
            let ends = differ::<8>(name, text, 0) | differ::<8>(name, text, N - 8);
            ends | differ::<8>(name, text, 8)
        }
    };
    if differs == 0 { known } else { Known::Other }
}

/// Not 0 when the `W` bytes from `at` on differ by more than the case of letters. Of what stands in known names, only
/// letters have the bit 0x40, and only those may differ in the bit below it.
#[inline(always)]
fn differ<const W: usize>(name: &[u8], text: &[u8], at: usize) -> u64 {
    let word = |bytes: &[u8]| {
        let mut word = [0; 8];
        match bytes.get(at..).and_then(|rest| rest.first_chunk::<W>()) {
            Some(chunk) => word[..W].copy_from_slice(chunk),
            None => word = [u8::MAX; 8],
        }
        u64::from_le_bytes(word)
    };
    let expected = word(text);
    let case = (expected & 0x4040_4040_4040_4040) >> 1;
    (word(name) | case) ^ expected
}

/// Whether an application may take two names for one: by letters in any case, and where it reads `_` as `-`, as CGI and what
/// came after it do. Whatever is set, removed or proven here is to be kept from clients by this, in the head and in trailers.
#[inline]
#[must_use]
pub fn reads_alike(one: &[u8], other: &[u8]) -> bool {
    let fold = |byte: u8| match byte {
        b'_' => b'-',
        byte => byte.to_ascii_lowercase(),
    };
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| fold(*a) == fold(*b))
}

/// Whether these bytes are a field name or another token (RFC 9110 §5.6.2).
#[must_use]
pub fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&b| is_tchar(b))
}

/// Whether this byte may stand in a token (RFC 9110 §5.6.2).
#[inline]
#[must_use]
pub const fn is_tchar(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'#'
            | b'$'
            | b'%'
            | b'&'
            | b'\''
            | b'*'
            | b'+'
            | b'-'
            | b'.'
            | b'^'
            | b'_'
            | b'`'
            | b'|'
            | b'~'
    ) || byte.is_ascii_alphanumeric()
}

/// Whether these bytes are a field value: no control byte but HTAB, no surrounding white space (RFC 9110 §5.5).
#[must_use]
pub fn is_field_value(value: &[u8]) -> bool {
    let space = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
    // Without a way out of the loop the compiler judges many bytes at once.
    let has_control = value.iter().fold(false, |has, &b| {
        has | ((b < 0x20) & (b != b'\t')) | (b == 0x7f)
    });
    !has_control && !space(value.first()) && !space(value.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_in_any_case_and_no_other() {
        for (name, known) in Known::ALL {
            assert_eq!(Known::of(name.as_bytes()), known, "{name}");
            assert_eq!(
                Known::of(name.to_ascii_uppercase().as_bytes()),
                known,
                "{name}"
            );
            assert_eq!(Known::of(format!("{name}x").as_bytes()), Known::Other);
            for position in 0..name.len() {
                for byte in 0..=u8::MAX {
                    let mut other = name.as_bytes().to_vec();
                    other[position] = byte;
                    let same = other.eq_ignore_ascii_case(name.as_bytes());
                    assert_eq!(Known::of(&other) == known, same, "{}", other.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn underscore_twins_are_seen_through() {
        assert_eq!(
            Known::underscore_twin(b"Content_Length"),
            Known::ContentLength
        );
        assert_eq!(
            Known::underscore_twin(b"x_forwarded-for"),
            Known::XForwardedFor
        );
        assert_eq!(Known::underscore_twin(b"content-length"), Known::Other);
        assert_eq!(Known::underscore_twin(b"my_field"), Known::Other);
        assert_eq!(Known::underscore_twin(&[b'_'; 200]), Known::Other);
    }

    #[test]
    fn values_and_tokens() {
        assert!(is_field_value(b"") && is_field_value(b"a \t b") && is_field_value(b"caf\xe9"));
        assert!(
            !is_field_value(b" a")
                && !is_field_value(b"a\t")
                && !is_field_value(b"a\r\nb")
                && !is_field_value(b"\0")
        );
        assert!(is_token(b"X-A") && !is_token(b"") && !is_token(b"a b") && !is_token(b"a:"));
    }
}
