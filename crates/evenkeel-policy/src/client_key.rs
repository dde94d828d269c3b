//! What clients are told apart by: the address that one subscriber has, in a fixed number of bytes.

use std::net::IpAddr;

/// A client's address as far as it says who the client is: all of IPv4, the first 64 bits of IPv6 (RFC 6177 gives every
/// subscriber at least that much, so the rest is theirs to vary). An IPv4 address in IPv6 clothes counts as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientKey([u8; 9]);

impl ClientKey {
    /// The bytes, different for different clients.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<IpAddr> for ClientKey {
    fn from(address: IpAddr) -> Self {
        let mut bytes = [0; 9];
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                bytes[0] = 4;
                bytes[1..5].copy_from_slice(&v4.octets());
            }
            IpAddr::V6(v6) => {
                bytes[0] = 6;
                bytes[1..].copy_from_slice(&v6.octets()[..8]);
            }
        }
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_subscriber_is_one_client() {
        for (one, other, same) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("::ffff:10.0.0.1", "::ffff:10.0.0.2", false),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("::1", "::2", true),
            ("0.0.0.0", "::", false),
            ("10.0.0.1", "a00:1::", false),
        ] {
            let key = |text: &str| ClientKey::from(text.parse::<IpAddr>().unwrap());
            let (a, b) = (key(one), key(other));
            assert_eq!(a == b, same, "{one} {other}");
            assert_eq!(a.as_bytes() == b.as_bytes(), same);
        }
    }
}
