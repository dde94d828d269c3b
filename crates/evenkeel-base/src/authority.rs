//! Host and optional port, as they stand in Host fields and targets. Names are not resolved here.

use std::net::Ipv6Addr;

/// An authority without user information, split and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// A name, an IPv4 address, or an IPv6 address with its brackets.
    pub host: &'a [u8],
    /// The port, when there is one.
    pub port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads `host[:port]`; `None` when it is anything else.
    ///
    /// Narrower than RFC 3986 where readers differ: the host is not empty and has no comma (a list to some), a colon is
    /// followed by a port from 1 to 65535 without leading zeros.
    #[inline]
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let host_end = match text.first()? {
            b'[' => ip_literal_end(text)?,
            _ => name_end(text)?,
        };
        let (host, rest) = text.split_at_checked(host_end)?;
        let port = match rest {
            [] => None,
            [b':', digits @ ..] => Some(port(digits)?),
            _ => return None,
        };
        Some(Self { host, port })
    }

    /// Whether both name the same place for a scheme with this default port; hosts are case-insensitive.
    #[must_use]
    pub fn agrees(&self, other: &Self, default_port: u16) -> bool {
        self.host.eq_ignore_ascii_case(other.host)
            && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }
}

/// Where a name or an IPv4 address ends: at the colon or at the end.
fn name_end(text: &[u8]) -> Option<usize> {
    let mut at = host_end(text, 0);
    while text.get(at) == Some(&b'%') {
        let hex = text.get(at + 1..at + 3)?;
        if !hex.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        at = host_end(text, at + 3);
    }
    (at > 0 && matches!(text.get(at), None | Some(b':'))).then_some(at)
}

/// Where a bracketed IPv6 address ends. Zones and later address versions (RFC 3986 `IPvFuture`) are not used in HTTP.
fn ip_literal_end(text: &[u8]) -> Option<usize> {
    let close = text.iter().position(|&byte| byte == b']')?;
    let address = str::from_utf8(text.get(1..close)?).ok()?;
    address.parse::<Ipv6Addr>().ok()?;
    Some(close + 1)
}

/// The first byte from `at` on that no registered name may have (RFC 3986 §3.2.2), or the end. Percent-encoding ends it, and
/// so does the comma, which makes a list of it to some. Eight bytes are looked up without asking for the end; most hosts
/// are shorter than what vectors pay for.
#[inline]
fn host_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        for (offset, &byte) in eight.iter().enumerate() {
            if !HOST[usize::from(byte)] {
                return at + offset;
            }
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if !HOST[usize::from(byte)] {
            break;
        }
        at += 1;
    }
    at
}

const fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b';'
                | b'='
        )
}

/// The bytes of which [`is_host_byte`] holds, made when compiling.
static HOST: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = is_host_byte(byte);
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

fn port(digits: &[u8]) -> Option<u16> {
    if digits.len() > 5 || matches!(digits.first()?, b'0') {
        return None;
    }
    let mut port = 0_u32;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        port = port * 10 + u32::from(digit - b'0');
    }
    u16::try_from(port).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_where_a_plain_loop_finds_their_end() {
        for length in 0..35 {
            for position in 0..length {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'a'; length];
                    bytes[position] = byte;
                    let end = bytes.iter().position(|&b| !is_host_byte(b));
                    assert_eq!(host_end(&bytes, 0), end.unwrap_or(length), "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn hosts_with_and_without_port() {
        for (text, host, port) in [
            ("a", "a", None),
            ("A.example:80", "A.example", Some(80)),
            ("127.0.0.1:65535", "127.0.0.1", Some(65535)),
            ("[::1]", "[::1]", None),
            ("[2001:db8::1]:8080", "[2001:db8::1]", Some(8080)),
            ("my_service:1", "my_service", Some(1)),
            ("caf%C3%A9", "caf%C3%A9", None),
            ("a.", "a.", None),
        ] {
            let authority = Authority::parse(text.as_bytes());
            let host = host.as_bytes();
            assert_eq!(authority, Some(Authority { host, port }), "{text}");
        }
    }

    #[test]
    fn what_is_no_authority() {
        for text in [
            "",
            ":80",
            "a:",
            "a:0",
            "a:080",
            "a:65536",
            "a:99999",
            "a:100000",
            "a:+1",
            "a:8x",
            "a b",
            "a,b",
            "u@a",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "[::1",
            "::1",
            "[1.2.3.4]",
            "[::1%25eth0]",
            "[::1]x",
            "[v1.a]",
            "[]",
            "a%4",
            "a%zz",
            "a:1:2",
            "a\0",
            "caf\u{e9}",
            "\"a\"",
            "<a>",
        ] {
            assert_eq!(Authority::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn agreement_knows_case_and_the_default_port() {
        let agrees = |a: &str, b: &str| {
            let parse = |text| Authority::parse(text).unwrap();
            parse(a.as_bytes()).agrees(&parse(b.as_bytes()), 80)
        };
        assert!(agrees("A.example", "a.EXAMPLE:80"));
        assert!(agrees("a:81", "a:81"));
        assert!(!agrees("a", "a:81"));
        assert!(!agrees("a", "b"));
    }
}
