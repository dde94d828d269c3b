//! `[resolver]`: who is asked about the names and services among endpoints' addresses.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::knob::{Branch, Knob, Lines, Section, Shape, Table};
use crate::model::Resolver;
use crate::raw::{Cx, Node};
use crate::value::text::{quote, read_text};
use crate::value::{Bounds, Value};

static SERVERS: Knob<Vec<NameServer>> = Knob {
    key: "servers",
    about: "The name servers, instead of those in `/etc/resolv.conf`: `ip`, `ip:port` or `[ipv6]:port`, with port 53 where none is given. `/etc/hosts` comes first all the same, and the `search` and `ndots` of `/etc/resolv.conf` apply.",
    default: Vec::new(),
    why: "none here, so those that the whole system asks; that file is read again when it changes",
    bounds: None,
    required: false,
    example: "[\"10.0.0.53\", \"10.0.1.53:5353\"]",
};

static TIMEOUT: Knob<Duration> = Knob {
    key: "timeout",
    about: "How long one look-up may take in all, with a second try in the middle of it. What takes longer counts as failed.",
    default: Duration::from_secs(5),
    why: "a resolver that has to ask others needs a second or two; nobody waits, for the last answer holds meanwhile",
    bounds: Some(Bounds {
        least: Duration::from_millis(10),
        greatest: Duration::from_mins(1),
    }),
    required: false,
    example: "\"2s\"",
};

/// `[resolver]`.
pub(crate) static RESOLVER: Section = Section {
    name: "resolver",
    about: "Who is asked about the names and services among endpoints' addresses. Without it that is the system's own choice: `/etc/hosts`, then the name servers of `/etc/resolv.conf`. (Other sources of `/etc/nsswitch.conf` are not asked.)",
    knobs: &[&SERVERS, &TIMEOUT],
    sample: "version = 1\n[resolver]\nKNOB\n[listener.a]\nbind = \":1\"\n[[route]]\nrespond.body = \"a\"\n",
};

/// Its key at the top of the file.
pub(crate) static BRANCH: Branch = Branch {
    key: "resolver",
    about: "Who is asked about names.",
    shape: Shape::Once,
    section: || &RESOLVER,
};

/// What holds when nothing is said.
pub(crate) fn defaults() -> Resolver {
    Resolver {
        servers: Vec::new(),
        timeout: TIMEOUT.default,
    }
}

/// Reads it.
pub(crate) fn read(top: &Table<'_>, cx: &mut Cx<'_>) -> Resolver {
    let table = top
        .get(BRANCH.key)
        .and_then(|entry| RESOLVER.open(&entry.node, cx));
    table.map_or_else(defaults, |table| Resolver {
        servers: SERVERS.read(&table, cx).into_iter().map(|s| s.0).collect(),
        timeout: TIMEOUT.read(&table, cx),
    })
}

/// Writes it.
pub(crate) fn print(resolver: &Resolver) -> String {
    let mut lines = Lines::default();
    let servers: Vec<NameServer> = resolver.servers.iter().copied().map(NameServer).collect();
    lines.knob(&SERVERS, &servers);
    lines.knob(&TIMEOUT, &resolver.timeout);
    lines.table("[resolver]", false)
}

/// The address of a name server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NameServer(SocketAddr);

/// Where name servers listen: RFC 1035 §4.2.
const PORT: u16 = 53;

impl NameServer {
    fn parse(text: &str) -> Option<Self> {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Some(Self(SocketAddr::new(ip, PORT)));
        }
        let address: SocketAddr = text.parse().ok()?;
        (address.port() != 0).then_some(Self(address))
    }
}

impl Value for NameServer {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let text = read_text(node, "an address like \"10.0.0.53\"", cx)?;
        let server = Self::parse(&text);
        if server.is_none() {
            cx.error(
                node.span.clone(),
                format!("\"{text}\" is not the address of a name server"),
            )
            .help("write ip, ip:port or [ipv6]:port; a name would have to be looked up first");
        }
        server
    }

    fn toml(&self) -> String {
        quote(&self.0.to_string())
    }

    fn kind() -> String {
        "address".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        json!({ "$ref": "#/$defs/string" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers() {
        let read = |text| NameServer::parse(text).map(|server| server.0.to_string());
        for (text, expected) in [
            ("10.0.0.53", "10.0.0.53:53"),
            ("10.0.0.53:5353", "10.0.0.53:5353"),
            ("::1", "[::1]:53"),
            ("[::1]", "[::1]:53"),
            ("[::1]:5353", "[::1]:5353"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "dns.internal", "10.0.0.53:0", "10.0.0.53:", "10.0.0"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
