//! Client networks in CIDR form, for `allow`, `deny` and `trusted_proxies`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network such as `10.0.0.0/8` or `2001:db8::/32`; an address alone is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `ADDRESS` or `ADDRESS/PREFIX`.
    ///
    /// # Errors
    /// A sentence that says what is wrong: no address, a prefix too long, or bits set beyond the prefix.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (address, prefix) = text
            .split_once('/')
            .map_or((text, None), |(a, p)| (a, Some(p)));
        let base: IpAddr = address.parse().map_err(|_| {
            format!("\"{text}\" is not a network: write an address or ADDRESS/PREFIX, like \"10.0.0.0/8\"")
        })?;
        let longest = if base.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(digits) => digits
                .parse::<u8>()
                .ok()
                .filter(|&p| p <= longest)
                .ok_or_else(|| format!("\"{text}\": the prefix is a number from 0 to {longest}"))?,
        };
        let network = Self { base, prefix };
        let canonical = mask(base, prefix);
        if canonical != base {
            return Err(format!(
                "\"{text}\" has bits beyond its prefix: did you mean \"{canonical}/{prefix}\"?"
            ));
        }
        Ok(network)
    }

    /// Whether `address` lies in it; an IPv4 address in IPv6 clothes (`::ffff:a.b.c.d`) counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.base.is_ipv4() && mask(address, self.prefix) == self.base
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

fn mask(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let bits = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & bits))
        }
        IpAddr::V6(v6) => {
            let bits = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & bits))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contains_by_prefix_and_family() {
        let cases = [
            ("10.0.0.0/8", "10.255.1.2", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "::ffff:127.0.0.1", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("::/0", "1.2.3.4", false),
        ];
        for (network, address, expected) in cases {
            let network = Network::parse(network).unwrap();
            assert_eq!(
                network.contains(address.parse().unwrap()),
                expected,
                "{network} {address}"
            );
        }
    }

    #[test]
    fn refuses_with_a_remedy() {
        assert!(
            Network::parse("10.0.0.1/8")
                .unwrap_err()
                .contains("did you mean \"10.0.0.0/8\"")
        );
        for text in ["", "10.0.0.0/33", "10.0/8", "ten", "::/129", "1.2.3.4/-1"] {
            assert!(Network::parse(text).is_err(), "{text}");
        }
    }
}
