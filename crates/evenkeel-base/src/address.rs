//! Where an endpoint is, as the operator wrote it: an IP address, a name or a service to look up, or a Unix socket. What is
//! spoken there, the scheme before it, belongs to the cluster and is read apart.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The address of an endpoint or of a listener.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// `10.0.0.1:8080`, `[::1]:8080`.
    Ip(SocketAddr),
    /// `app.internal:8080`: resolved at start and again from time to time.
    Name {
        /// The name to resolve, lower case.
        host: String,
        /// The port that goes with every address it resolves to.
        port: u16,
    },
    /// `srv:_http._tcp.app.internal`: the SRV records of that name (RFC 2782), in lower case and without its final dot. They
    /// say which names and ports, with which weights, and which of them come first. `srv:` stands before it as `unix:` does
    /// before a path: what follows is no host, and a port after it would be a mistake.
    Service(String),
    /// `unix:/run/app.sock`.
    Unix(PathBuf),
}

/// What an endpoint's address begins with: what is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http://`: without TLS.
    Http,
    /// `https://`: through TLS.
    Https,
    /// `h2c://`: HTTP/2 without TLS, and without asking first.
    H2c,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 3] = [Self::Http, Self::Https, Self::H2c];

    /// As it is written, without `://`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::H2c => "h2c",
        }
    }

    /// The one that an endpoint's address begins with, if it does.
    #[must_use]
    pub fn before(text: &str) -> Option<Self> {
        let (name, _) = text.split_once("://")?;
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// The port when none is written.
    const fn port(self) -> &'static str {
        match self {
            Self::Http | Self::H2c => "80",
            Self::Https => "443",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Address {
    /// The longest DNS name (RFC 1035 §2.3.4), without its final dot.
    const MAX_NAME: usize = 253;

    /// Reads an address: `host:port`, `:port` (this host), `http://host[:port]`, `unix:/path`, `srv:name`. A host may be an
    /// IPv4 address, an IPv6 address in brackets or a name. Ranges of ports and other schemes are read by
    /// [`Address::parse_endpoints`].
    ///
    /// # Errors
    /// A sentence that says what is wrong and what is accepted.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, mut all) = Self::parse_endpoints(text)?;
        if let Some(scheme @ (Scheme::Https | Scheme::H2c)) = scheme {
            return Err(format!(
                "\"{text}\": what is spoken here is what the cluster speaks; leave out {scheme}://"
            ));
        }
        match (all.pop(), all.is_empty()) {
            (Some(only), true) => Ok(only),
            _ => Err(format!(
                "\"{text}\" is a range of ports, and one address is wanted here"
            )),
        }
    }

    /// Reads an endpoint's address: what [`Address::parse`] reads, `host:9001-9004` as four addresses, `https://host[:port]` and
    /// `h2c://host[:port]`; with the scheme, if there is one.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what is accepted.
    pub fn parse_endpoints(text: &str) -> Result<(Option<Scheme>, Vec<Self>), String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return parse_unix(text, path).map(|address| (None, vec![address]));
        }
        if let Some(name) = text.strip_prefix("srv:") {
            return parse_service(text, name).map(|address| (None, vec![address]));
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((name, rest)) => {
                let scheme = Scheme::before(text).ok_or_else(|| {
                    format!(
                        "\"{text}\": the scheme \"{name}\" is not known; write http://, https:// or h2c:// before host:port"
                    )
                })?;
                (Some(scheme), rest.strip_suffix('/').unwrap_or(rest))
            }
            None => (None, text),
        };
        if rest.contains('/') {
            return Err(format!(
                "\"{text}\" has a path: an endpoint is only an address; use replace_prefix on the route to change paths"
            ));
        }
        // Nothing at all is a slip, and not this host.
        let default_port = scheme.map(Scheme::port).filter(|_| !rest.is_empty());
        let (host, ports) = split_host_port(rest, default_port).ok_or_else(|| help(text))?;
        let (first, last) = parse_ports(text, ports)?;
        let host = if host.is_empty() { "127.0.0.1" } else { host };
        let all: Result<Vec<Self>, String> = (first..=last)
            .map(|port| from_parts(text, host, port))
            .collect();
        Ok((scheme, all?))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
            Self::Service(name) => write!(f, "srv:{name}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Where a connection goes: an [`Address`] whose name has been resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// An IP address and port.
    Ip(SocketAddr),
    /// The path of a Unix socket.
    Unix(Arc<PathBuf>),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The longest path a Unix socket may have on Linux: `sun_path` is 108 bytes with its NUL.
pub const MAX_UNIX_PATH: usize = 107;

fn parse_unix(text: &str, path: &str) -> Result<Address, String> {
    if path.is_empty() || path.contains('\0') {
        return Err(format!(
            "\"{text}\" names no socket: write unix:/path/to.sock"
        ));
    }
    if path.len() > MAX_UNIX_PATH {
        return Err(format!(
            "\"{text}\": a Unix socket's path has at most {MAX_UNIX_PATH} bytes, this one has {}",
            path.len()
        ));
    }
    Ok(Address::Unix(Path::new(path).to_path_buf()))
}

fn parse_service(text: &str, name: &str) -> Result<Address, String> {
    if let Some((name, port)) = name.rsplit_once(':')
        && port.bytes().all(|b| b.is_ascii_digit())
    {
        return Err(format!(
            "\"{text}\" has a port, and a service's records say its ports: write srv:{name}"
        ));
    }
    if name.parse::<IpAddr>().is_ok() {
        return Err(format!(
            "\"{text}\" names an address, and srv: is for the name of SRV records"
        ));
    }
    read_name(name).map(Address::Service).ok_or_else(|| {
        format!(
            "\"{text}\" names no service: write srv:_service._proto.domain, as in srv:_http._tcp.app.internal"
        )
    })
}

/// Splits at the last colon outside of brackets; an IPv6 address needs its brackets.
fn split_host_port<'a>(text: &'a str, default_port: Option<&'a str>) -> Option<(&'a str, &'a str)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, port)),
            None if after.is_empty() => Some((host, default_port?)),
            None => None,
        };
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => Some((host, port)),
        Some(_) => None,
        None => Some((text, default_port?)),
    }
}

fn parse_ports(text: &str, ports: &str) -> Result<(u16, u16), String> {
    let port = |digits: &str| {
        digits
            .parse::<u16>()
            .ok()
            .filter(|&port| port != 0 && digits.bytes().all(|b| b.is_ascii_digit()))
            .ok_or_else(|| format!("\"{text}\": a port is a number from 1 to 65535"))
    };
    let (first, last) = match ports.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(ports)?, port(ports)?),
    };
    if first > last {
        return Err(format!(
            "\"{text}\": the range of ports ends before it begins"
        ));
    }
    Ok((first, last))
}

fn from_parts(text: &str, host: &str, port: u16) -> Result<Address, String> {
    if let Ok(ip) = host.parse() {
        return Ok(Address::Ip(SocketAddr::new(ip, port)));
    }
    let host = read_name(host).ok_or_else(|| help(text))?;
    Ok(Address::Name { host, port })
}

/// A DNS name in lower case, without its final dot.
fn read_name(text: &str) -> Option<String> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    let numeric = name
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    if name.is_empty() || name.len() > Address::MAX_NAME || numeric || !name.split('.').all(label) {
        return None;
    }
    Some(name.to_ascii_lowercase())
}

fn help(text: &str) -> String {
    format!(
        "\"{text}\" is not an address: write host:port, [ipv6]:port, http://host:port, https://host, host:9001-9004, srv:name or unix:/path"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_forms() {
        let cases = [
            ("127.0.0.1:9001", "127.0.0.1:9001"),
            (":9001", "127.0.0.1:9001"),
            ("[::1]:80", "[::1]:80"),
            ("http://127.0.0.1:9001", "127.0.0.1:9001"),
            ("http://127.0.0.1:9001/", "127.0.0.1:9001"),
            ("http://app.internal", "app.internal:80"),
            ("http://[::1]", "[::1]:80"),
            ("App.Internal.:8080", "app.internal:8080"),
            ("my_service:8080", "my_service:8080"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
            (
                "srv:_http._tcp.App.internal.",
                "srv:_http._tcp.app.internal",
            ),
            ("srv:web.service.consul", "srv:web.service.consul"),
        ];
        for (text, expected) in cases {
            assert_eq!(
                Address::parse(text).unwrap().to_string(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_range_of_ports_is_that_many_endpoints() {
        let (_, all) = Address::parse_endpoints("10.0.0.1:9002-9004").unwrap();
        let ports: Vec<_> = all.iter().map(Address::to_string).collect();
        assert_eq!(ports, ["10.0.0.1:9002", "10.0.0.1:9003", "10.0.0.1:9004"]);
        Address::parse("10.0.0.1:9002-9004").unwrap_err();
    }

    #[test]
    fn a_scheme_says_what_is_spoken_and_which_port_it_is() {
        for (text, scheme, address) in [
            ("10.0.0.1:9001", None, "10.0.0.1:9001"),
            ("http://a", Some(Scheme::Http), "a:80"),
            ("https://a", Some(Scheme::Https), "a:443"),
            ("https://[::1]", Some(Scheme::Https), "[::1]:443"),
            ("https://a:8443/", Some(Scheme::Https), "a:8443"),
            ("h2c://a", Some(Scheme::H2c), "a:80"),
            ("h2c://10.0.0.1:50051", Some(Scheme::H2c), "10.0.0.1:50051"),
            ("unix:/a", None, "unix:/a"),
            ("srv:a.b", None, "srv:a.b"),
        ] {
            let (read, addresses) = Address::parse_endpoints(text).unwrap();
            assert_eq!(read, scheme, "{text}");
            assert_eq!(addresses[0].to_string(), address);
        }
        let (_, several) = Address::parse_endpoints("https://a:1-3").unwrap();
        assert_eq!(several.len(), 3);
        for text in ["https://a", "h2c://a:1"] {
            let why = Address::parse(text).unwrap_err();
            assert!(why.contains("leave out"), "{why}");
        }
    }

    #[test]
    fn refused_forms() {
        for text in [
            "",
            "localhost",
            "::1:80",
            "[::1",
            "1.2.3.4:0",
            "1.2.3.4:65536",
            "1.2.3.4:+1",
            "a:9-8",
            "a b:80",
            "1.2.3:80",
            "ftp://a:1",
            "https://",
            "https://:",
            "HTTPS://a:1",
            "https://unix:/a",
            "https://srv:a",
            "http://a/path",
            "https://a/path",
            "h2c://a/path",
            "unix:",
            "srv:",
            "srv:_http._tcp.app:80",
            "srv:a..b",
            "srv:10.0.0.1",
            "srv:::1",
            "-a:80",
            "256.1.1.1:80",
            "a..b:80",
            "a:1-",
            "a:-1",
        ] {
            assert!(Address::parse_endpoints(text).is_err(), "{text}");
        }
    }
}
