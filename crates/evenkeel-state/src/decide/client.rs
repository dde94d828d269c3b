//! Who the client is: the connection's other end, or, behind trusted proxies, the rightmost hop that is not one of them.

use std::net::IpAddr;

use evenkeel_base::{Known, Network, RequestView};

/// The client of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address; none for a Unix socket whose process is not trusted to name one.
    pub ip: Option<IpAddr>,
    /// Whether the connection's other end is a trusted proxy, whose forwarding fields are believed and kept.
    pub behind_proxy: bool,
}

impl Client {
    /// Finds the client of a request that came from `from` (none: a Unix socket, which no network contains).
    pub fn find(from: Option<IpAddr>, trusted: &[Network], request: &RequestView<'_>) -> Self {
        let is_trusted = |ip: IpAddr| trusted.iter().any(|network| network.contains(ip));
        let Some(from) = from
            .filter(|_| !trusted.is_empty())
            .filter(|ip| is_trusted(*ip))
        else {
            return Self {
                ip: from,
                behind_proxy: false,
            };
        };
        let chain: Vec<&[u8]> = request
            .fields()
            .filter(|field| field.known == Known::XForwardedFor)
            .map(|field| field.value)
            .collect();
        let mut client = from;
        // Several fields are one list (RFC 9110 §5.3), so the rightmost hop is the last of the last field.
        for hop in chain
            .iter()
            .rev()
            .flat_map(|value| value.rsplit(|b| *b == b','))
        {
            let Some(ip) = parse_hop(hop) else { break };
            client = ip;
            if !is_trusted(ip) {
                break;
            }
        }
        Self {
            ip: Some(client),
            behind_proxy: true,
        }
    }

    /// Whether it may use a route with these lists: `deny` wins, and an empty `allow` is everybody.
    #[inline]
    pub fn may(&self, allow: &[Network], deny: &[Network]) -> bool {
        let within = |list: &[Network]| {
            self.ip
                .is_some_and(|ip| list.iter().any(|network| network.contains(ip)))
        };
        (allow.is_empty() || within(allow)) && !within(deny)
    }
}

/// One hop of `X-Forwarded-For`: an address, which some proxies write with a port.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim_matches([' ', '\t']);
    let bare = hop
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map(|(ip, _)| ip);
    let ip = bare.unwrap_or(hop);
    ip.parse::<IpAddr>()
        .ok()
        .or_else(|| ip.split_once(':').and_then(|(ip, _)| ip.parse().ok()))
        .map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_base::RequestHead;
    use evenkeel_http1::{Limits, RequestParser};

    fn client(from: &str, trusted: &[&str], fields: &str) -> (String, bool) {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut head = RequestHead::default();
        RequestParser::default()
            .parse(bytes.as_bytes(), &Limits::default(), &mut head)
            .unwrap()
            .unwrap();
        let trusted: Vec<Network> = trusted
            .iter()
            .map(|text| Network::parse(text).unwrap())
            .collect();
        let client = Client::find(
            Some(from.parse().unwrap()),
            &trusted,
            &head.view(bytes.as_bytes()),
        );
        (client.ip.unwrap().to_string(), client.behind_proxy)
    }

    #[test]
    fn a_stranger_is_who_it_is() {
        let spoof = "X-Forwarded-For: 1.1.1.1\r\n";
        assert_eq!(client("9.9.9.9", &[], spoof), ("9.9.9.9".into(), false));
        assert_eq!(
            client("9.9.9.9", &["10.0.0.0/8"], spoof),
            ("9.9.9.9".into(), false)
        );
    }

    #[test]
    fn behind_proxies_the_rightmost_untrusted_hop_counts() {
        let trusted = &["10.0.0.0/8"];
        let cases = [
            ("", "10.0.0.1"),
            ("X-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1"),
            ("X-Forwarded-For: 6.6.6.6, 1.1.1.1, 10.0.0.2\r\n", "1.1.1.1"),
            (
                "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.1.1.1\r\n",
                "1.1.1.1",
            ),
            ("X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n", "10.0.0.3"),
            (
                "X-Forwarded-For: 6.6.6.6, garbage, 10.0.0.2\r\n",
                "10.0.0.2",
            ),
            ("X-Forwarded-For: ::ffff:1.1.1.1\r\n", "1.1.1.1"),
            ("X-Forwarded-For: 1.1.1.1:4711\r\n", "1.1.1.1"),
            ("X-Forwarded-For: [2001:db8::1]:4711\r\n", "2001:db8::1"),
        ];
        for (fields, expected) in cases {
            assert_eq!(
                client("10.0.0.1", trusted, fields),
                (expected.into(), true),
                "{fields}"
            );
        }
    }

    #[test]
    fn deny_wins_over_allow() {
        let list = |text: &str| vec![Network::parse(text).unwrap()];
        let client = Client {
            ip: Some("10.1.2.3".parse().unwrap()),
            behind_proxy: false,
        };
        assert!(client.may(&[], &[]) && client.may(&list("10.0.0.0/8"), &[]));
        assert!(
            !client.may(&list("11.0.0.0/8"), &[])
                && !client.may(&list("10.0.0.0/8"), &list("10.1.0.0/16"))
        );
        let nobody = Client {
            ip: None,
            behind_proxy: false,
        };
        assert!(nobody.may(&[], &list("0.0.0.0/0")) && !nobody.may(&list("0.0.0.0/0"), &[]));
    }
}
