//! Networks, hosts and the addresses listeners bind.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use evenkeel_base::Network;
use evenkeel_base::address::MAX_UNIX_PATH;
use evenkeel_base::matching::HostPattern;
use serde_json::{Value as Json, json};

use crate::model::Bind;
use crate::raw::{Cx, Node, Span};
use crate::value::text::{quote, read_text};
use crate::value::{Bounds, Value};

impl Value for Network {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let text = read_text(node, "a network like \"10.0.0.0/8\"", cx)?;
        let read = Self::parse(&text);
        read.map_err(|why| cx.error(node.span.clone(), why)).ok()
    }

    fn toml(&self) -> String {
        quote(&self.to_string())
    }

    fn kind() -> String {
        "network".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "$ref": "#/$defs/string" })
    }
}

impl Value for Bind {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let text = read_text(node, "an address like \"127.0.0.1:5000\"", cx)?;
        let bind = parse_bind(&text)
            .map_err(|why| cx.error(node.span.clone(), why))
            .ok()?;
        match bind {
            Self::Unix(path) => socket_path(&path, node.span.clone(), cx).map(Self::Unix),
            ip @ Self::Ip(_) => Some(ip),
        }
    }

    fn toml(&self) -> String {
        quote(&format_bind(self))
    }

    fn kind() -> String {
        "address".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "$ref": "#/$defs/string" })
    }
}

/// The path of a Unix socket, counted from the folder of the configuration file, which may make it too long.
pub(crate) fn socket_path(path: &Path, span: Span, cx: &mut Cx<'_>) -> Option<PathBuf> {
    let whole = cx.source.resolve(&path.to_string_lossy());
    if whole.as_os_str().len() > MAX_UNIX_PATH {
        cx.error(
            span,
            format!("this socket is {}, which is too long", whole.display()),
        )
        .help(format!(
            "a Unix socket's path has at most {MAX_UNIX_PATH} bytes"
        ));
        return None;
    }
    Some(whole)
}

/// Reads what a listener binds: `127.0.0.1:5000`, `[::1]:5000`, `:5000` for every address of the host, port 0 for a
/// port of the system's choice, `unix:/path`.
///
/// `:5000` is `[::]:5000`, which takes IPv4 too where the system allows it, as all Linux does unless it is told
/// otherwise: one socket instead of two.
///
/// # Errors
/// A sentence that says what is wrong and what is accepted.
pub fn parse_bind(text: &str) -> Result<Bind, String> {
    if let Some(path) = text.strip_prefix("unix:") {
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
        return Ok(Bind::Unix(PathBuf::from(path)));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(Bind::Ip(address));
    }
    let digits = |port: &str| {
        let plain = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| port.parse::<u16>().ok()).flatten()
    };
    if let Some(port) = text.strip_prefix(':').and_then(digits) {
        return Ok(Bind::Ip(SocketAddr::new(
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            port,
        )));
    }
    let instead = match text.rsplit_once(':') {
        Some(("*", port)) if digits(port).is_some() => {
            format!(", so \":{port}\" for all addresses")
        }
        Some(("localhost", port)) if digits(port).is_some() => {
            format!(", so \"127.0.0.1:{port}\" for this host")
        }
        None if digits(text).is_some() => format!(", so \":{text}\" for all addresses"),
        _ if text.parse::<IpAddr>().is_ok() => " and a port".to_owned(),
        _ => String::new(),
    };
    Err(format!(
        "\"{text}\" is not an address to listen on: write ip:port, [ipv6]:port, :port or unix:/path{instead}"
    ))
}

/// What [`parse_bind`] reads.
pub(crate) fn format_bind(bind: &Bind) -> String {
    match bind {
        Bind::Ip(address) => address.to_string(),
        Bind::Unix(path) => format!("unix:{}", path.display()),
    }
}

impl Value for HostPattern {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let text = read_text(node, "a host like \"a.example\"", cx)?;
        match parse_host(&text) {
            Ok(host) => Some(host),
            Err((why, help)) => {
                cx.error(node.span.clone(), why).help(help);
                None
            }
        }
    }

    fn toml(&self) -> String {
        quote(&self.to_string())
    }

    fn kind() -> String {
        "host".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "$ref": "#/$defs/string" })
    }
}

fn parse_host(text: &str) -> Result<HostPattern, (String, String)> {
    let help =
        "write a name like \"a.example\", an address, or \"*.example.com\" for all names below it";
    let no = |why: &str| Err((format!("\"{text}\" {why}"), help.to_owned()));
    let lower = text.to_ascii_lowercase();
    if lower == "*" {
        return Err((
            "\"*\" is no host".to_owned(),
            "a route without `host` matches every host; leave it out".to_owned(),
        ));
    }
    if !text.is_ascii() {
        return Err((
            format!("\"{text}\" is not how this name is sent"),
            "clients send the name's ASCII form, which begins with xn--".to_owned(),
        ));
    }
    if let Some(bare) = lower.strip_suffix('.') {
        return Err((
            format!("\"{text}\" ends with a dot"),
            format!("write \"{bare}\": a final dot of a request's host is ignored"),
        ));
    }
    if let Some((host, port)) = lower.rsplit_once(':')
        && !lower.ends_with(']')
        && port.bytes().all(|b| b.is_ascii_digit())
        && (!host.contains(':') || host.ends_with(']'))
    {
        return Err((
            format!("\"{text}\" has a port, and hosts are compared without it"),
            format!("write \"{host}\", and `listener` to bind the route to a port's listener"),
        ));
    }
    if let Some(rest) = lower.strip_prefix("*.") {
        return if is_name(rest) {
            Ok(HostPattern::Suffix(format!(".{rest}")))
        } else {
            no("has more than `*.` that is no name")
        };
    }
    if lower.contains('*') {
        return no("has its star in the wrong place");
    }
    if is_host(&lower) {
        return Ok(HostPattern::Exact(lower));
    }
    if lower.parse::<Ipv6Addr>().is_ok() {
        return Err((
            format!("\"{text}\" has no brackets"),
            format!("write \"[{lower}]\""),
        ));
    }
    no("is not a host")
}

/// Whether this is a name or an address as `Host` carries it, without a port.
pub(crate) fn is_host(text: &str) -> bool {
    match text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => is_name(text),
    }
}

/// Whether this is a host with or without a port.
pub(crate) fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let plain = |port: &str| {
        !port.is_empty()
            && port.bytes().all(|b| b.is_ascii_digit())
            && !port.starts_with('0')
            && port.parse::<u16>().is_ok()
    };
    is_host(host) && port.is_none_or(plain)
}

fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_read_and_write_back() {
        for (text, expected) in [
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            (":8080", "[::]:8080"),
            ("0.0.0.0:0", "0.0.0.0:0"),
            ("[::1]:80", "[::1]:80"),
            ("unix:/run/e.sock", "unix:/run/e.sock"),
        ] {
            let bind = parse_bind(text).unwrap();
            assert_eq!(format_bind(&bind), expected, "{text}");
            assert_eq!(parse_bind(expected).unwrap(), bind);
        }
    }

    #[test]
    fn wrong_binds_say_what_to_write() {
        for (text, part) in [
            ("8080", "\":8080\" for all"),
            ("*:80", "\":80\" for all"),
            ("localhost:80", "\"127.0.0.1:80\""),
            ("127.0.0.1", "and a port"),
            (":+80", "ip:port"),
            ("1.2.3.4:65536", "ip:port"),
            ("unix:", "names no socket"),
            ("", "ip:port"),
        ] {
            let why = parse_bind(text).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        }
        let long = parse_bind(&format!("unix:/{}", "x".repeat(MAX_UNIX_PATH)));
        assert!(long.unwrap_err().contains("107 bytes"));
    }

    #[test]
    fn hosts() {
        let exact = |h: &str| HostPattern::Exact(h.to_owned());
        assert_eq!(parse_host("A.Example"), Ok(exact("a.example")));
        assert_eq!(parse_host("[::1]"), Ok(exact("[::1]")));
        assert_eq!(parse_host("10.0.0.1"), Ok(exact("10.0.0.1")));
        let suffix = HostPattern::Suffix(".example.com".to_owned());
        assert_eq!(parse_host("*.Example.com"), Ok(suffix));
        for (text, part) in [
            ("*", "leave it out"),
            ("a.example:80", "\"a.example\""),
            ("[::1]:80", "\"[::1]\""),
            ("::1", "\"[::1]\""),
            ("a.example.", "\"a.example\""),
            ("a.*.example", "*.example.com"),
            ("*.*.example", "*.example.com"),
            ("*a.example", "*.example.com"),
            ("bücher.example", "xn--"),
            ("a..b", "a.example"),
            ("", "a.example"),
            ("a b", "a.example"),
        ] {
            let (_, help) = parse_host(text).unwrap_err();
            assert!(help.contains(part), "{text}: {help}");
        }
    }

    #[test]
    fn authorities() {
        for good in ["a", "a:80", "[::1]", "[::1]:8080", "10.0.0.1:1"] {
            assert!(is_authority(good), "{good}");
        }
        for bad in [
            "", ":80", "a:", "a:0", "a:x", "::1", "a/b", "a:80:80", "u@a", "[::1]x",
        ] {
            assert!(!is_authority(bad), "{bad}");
        }
    }
}
