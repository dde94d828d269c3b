//! What both sides of a handshake agree on, in words of the configuration.

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

/// A version of TLS. Older ones are broken, and not offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// TLS 1.2 (RFC 5246).
    #[default]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl Version {
    /// This one and those after it.
    pub(crate) fn and_later(self) -> &'static [&'static SupportedProtocolVersion] {
        static BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
        match self {
            Self::Tls12 => BOTH,
            Self::Tls13 => BOTH.split_at(1).0,
        }
    }
}

/// The names of protocols as ALPN spells them.
pub(crate) fn spelt(protocols: &[&str]) -> Vec<Vec<u8>> {
    let bytes = |name: &&str| name.as_bytes().to_vec();
    protocols.iter().map(bytes).collect()
}
