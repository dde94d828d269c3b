//! `[listener.NAME]`: a bound address and what is spoken on it.

pub(crate) mod client;
pub(crate) mod file;
pub(crate) mod http2;
pub(crate) mod redirect;
pub(crate) mod tls;

use std::net::IpAddr;
use std::time::Duration;

use evenkeel_base::head::MAX_HEAD_BYTES;
use evenkeel_base::{ByteSize, Network};

use crate::knob::{Knob, Lines, Section, Table};
use crate::model::{Bind, HeadLimits, Listener};
use crate::raw::{At, Cx, Entry};
use crate::section::listener::http2::{HTTP2_KNOB, PROTOCOLS};
use crate::section::listener::redirect::{REDIRECT_TO_HTTPS, ToHttps};
use crate::section::listener::tls::TLS_KNOB;
use crate::section::{Names, TIMEOUT, check_name};
use crate::value::net::format_bind;
use crate::value::text::key;
use crate::value::{Bounds, OrOff};

static BIND: Knob<Option<At<Bind>>> = Knob {
    key: "bind",
    about: "Where it listens: `ip:port`, `[ipv6]:port`, `:port` for every address of the host, or `unix:/path`. Port 0 lets the system choose.",
    default: None,
    why: "it must be given",
    bounds: None,
    required: true,
    example: "\"127.0.0.1:5000\"",
};

static TRUSTED_PROXIES: Knob<Vec<Network>> = Knob {
    key: "trusted_proxies",
    about: "Networks of proxies in front of this one whose `X-Forwarded-*` fields are believed. The client is then the rightmost hop that is in none of them.",
    default: Vec::new(),
    why: "nobody's word about who the client is counts until you say so",
    bounds: None,
    required: false,
    example: "[\"10.0.0.0/8\"]",
};

static EXPLAIN_TO: Knob<Vec<Network>> = Knob {
    key: "explain_to",
    about: "Networks of clients that may ask how their request was dealt with: one with `X-Evenkeel-Explain: 1` gets a response with a field of that name, at most 1 KiB, which says route, cluster, endpoint, attempts and ids. It is the client's address that counts: behind `trusted_proxies` that of the first hop that is none of them. The request's field reaches no endpoint, whoever sends it.",
    default: Vec::new(),
    why: "names and addresses of endpoints are nobody else's business",
    bounds: None,
    required: false,
    example: "[\"10.0.0.0/8\", \"::1\"]",
};

static MAX_HEAD: Knob<ByteSize> = Knob {
    key: "max_head",
    about: "The most bytes a request's head may have; more is answered 431.",
    default: ByteSize::kib(32),
    why: "large cookies fit, and a connection that sends its head slowly holds no more than this",
    bounds: Some(Bounds {
        least: ByteSize(256),
        greatest: ByteSize(MAX_HEAD_BYTES as u64),
    }),
    required: false,
    example: "\"16KiB\"",
};

static MAX_FIELDS: Knob<u64> = Knob {
    key: "max_fields",
    about: "The most fields a request's head may have; more is answered 431.",
    default: 100,
    why: "browsers send about 20; endpoints commonly stop at 100",
    bounds: Some(Bounds {
        least: 1,
        greatest: 10_000,
    }),
    required: false,
    example: "64",
};

static MAX_REQUEST_LINE: Knob<ByteSize> = Knob {
    key: "max_request_line",
    about: "The most bytes the request line may have, so method, target and version; more is answered 414. Never more than `max_head`.",
    default: ByteSize::kib(8),
    why: "the least that RFC 9112 §3 asks for",
    bounds: Some(Bounds {
        least: ByteSize(64),
        greatest: ByteSize(MAX_HEAD_BYTES as u64),
    }),
    required: false,
    example: "\"4KiB\"",
};

static REQUEST_HEADER_TIMEOUT: Knob<Duration> = Knob {
    key: "request_header_timeout",
    about: "The whole head of a request must arrive in this time, else 408.",
    default: Duration::from_secs(10),
    why: "a client that sends a byte now and then must not hold a connection",
    bounds: TIMEOUT,
    required: false,
    example: "\"5s\"",
};

static REQUEST_BODY_IDLE_TIMEOUT: Knob<Duration> = Knob {
    key: "request_body_idle_timeout",
    about: "The longest pause within a request's body, else 408. A call of gRPC has the `idle_timeout` of its cluster instead.",
    default: Duration::from_secs(30),
    why: "longer than a mobile network's hand-over, shorter than a person's patience",
    bounds: TIMEOUT,
    required: false,
    example: "\"10s\"",
};

static KEEPALIVE_TIMEOUT: Knob<Duration> = Knob {
    key: "keepalive_timeout",
    about: "How long a connection without a request is kept.",
    default: Duration::from_secs(60),
    why: "an idle connection holds no buffer, and a new one costs the client a round trip",
    bounds: TIMEOUT,
    required: false,
    example: "\"75s\"",
};

static WRITE_TIMEOUT: Knob<Duration> = Knob {
    key: "write_timeout",
    about: "How long a client may take no byte of a response before its connection is cut.",
    default: Duration::from_secs(60),
    why: "a reader that has stopped must not hold the endpoint's connection",
    bounds: TIMEOUT,
    required: false,
    example: "\"30s\"",
};

static HALF_CLOSE: Knob<bool> = Knob {
    key: "half_close",
    about: "Whether a client that closed its sending side still gets its response.",
    default: false,
    why: "with HTTP/1.1 it nearly always means that the client has gone, and the endpoint's work is then for nothing",
    bounds: None,
    required: false,
    example: "true",
};

static PROXY_STATUS: Knob<bool> = Knob {
    key: "proxy_status",
    about: "Whether replies of evenkeel's own carry `Proxy-Status` (RFC 9209) with the name of the fault.",
    default: true,
    why: "nobody should have to ask twice why it is a 502",
    bounds: None,
    required: false,
    example: "false",
};

static MAX_CONNECTIONS_PER_CLIENT: Knob<OrOff<u32>> = Knob {
    key: "max_connections_per_client",
    about: "How many connections one client address may have open to this listener; one more is answered 429 and closed. All IPv6 addresses with the same first 64 bits count as one. It is the address that connects: behind another proxy, that proxy's.",
    default: OrOff::Off,
    why: "many people may share one address, and an idle connection holds no buffer",
    bounds: Some(Bounds {
        least: 1,
        greatest: 1_000_000,
    }),
    required: false,
    example: "100",
};

static HEALTH: Knob<bool> = Knob {
    key: "health",
    about: "Whether `GET /live` and `GET /ready` are answered here by evenkeel itself, before any route: 200 while it lives, and 200 while it is ready for traffic, 503 from the order to end on, so that `shutdown_delay` is seen. Over an upgrade it stays ready.",
    default: false,
    why: "these paths may be your application's; the control socket answers both",
    bounds: None,
    required: false,
    example: "true",
};

/// `[listener.NAME]`.
pub(crate) static LISTENER: Section = Section {
    name: "listener.NAME",
    about: "A listener is a bound address and what is spoken on it. Its name stands in the logs, and in the `listener` of routes.",
    knobs: &[
        &BIND,
        &PROTOCOLS,
        &HTTP2_KNOB,
        &TRUSTED_PROXIES,
        &EXPLAIN_TO,
        &MAX_HEAD,
        &MAX_FIELDS,
        &MAX_REQUEST_LINE,
        &REQUEST_HEADER_TIMEOUT,
        &REQUEST_BODY_IDLE_TIMEOUT,
        &KEEPALIVE_TIMEOUT,
        &WRITE_TIMEOUT,
        &HALF_CLOSE,
        &PROXY_STATUS,
        &MAX_CONNECTIONS_PER_CLIENT,
        &HEALTH,
        &REDIRECT_TO_HTTPS,
        &TLS_KNOB,
    ],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\nKNOB\n[[route]]\nrespond.body = \"a\"\n",
};

/// Reads the listeners; the names are those of all tables, also of those that are wrong.
pub(crate) fn read(entries: &[Entry<'_>], cx: &mut Cx<'_>) -> (Vec<Listener>, Names) {
    let mut names = Names::default();
    let mut listeners = Vec::new();
    let mut bound: Vec<(At<Bind>, String)> = Vec::new();
    for entry in entries {
        check_name(&entry.key, cx);
        names.add(&entry.key);
        let Some(table) = LISTENER.open(&entry.node, cx) else {
            continue;
        };
        let Some((listener, bind)) = read_one(entry.key.value, &table, cx) else {
            continue;
        };
        check_overlap(&bind, &bound, cx);
        bound.push((bind, listener.name.clone()));
        listeners.push(listener);
    }
    (listeners, names)
}

/// A listener of that name and address with every default.
pub(crate) fn with_defaults(name: &str, bind: Bind) -> Listener {
    Listener {
        name: name.to_owned(),
        bind,
        protocols: PROTOCOLS.default,
        http2: HTTP2_KNOB.default,
        trusted_proxies: TRUSTED_PROXIES.default.clone(),
        explain_to: EXPLAIN_TO.default.clone(),
        head: HeadLimits {
            bytes: to_usize(MAX_HEAD.default.bytes()),
            fields: to_usize(MAX_FIELDS.default),
            line: to_usize(MAX_REQUEST_LINE.default.bytes()),
        },
        request_header_timeout: REQUEST_HEADER_TIMEOUT.default,
        request_body_idle_timeout: REQUEST_BODY_IDLE_TIMEOUT.default,
        keepalive_timeout: KEEPALIVE_TIMEOUT.default,
        write_timeout: WRITE_TIMEOUT.default,
        half_close: HALF_CLOSE.default,
        proxy_status: PROXY_STATUS.default,
        max_connections_per_client: MAX_CONNECTIONS_PER_CLIENT.default.unless(u32::MAX),
        health: HEALTH.default,
        redirect_to_https: REDIRECT_TO_HTTPS.default.0,
        tls: TLS_KNOB.default.clone(),
    }
}

/// Writes it.
pub(crate) fn print(listener: &Listener) -> String {
    let size = |bytes: usize| ByteSize(bytes as u64);
    let mut lines = Lines::default();
    let bind = At {
        value: listener.bind.clone(),
        span: 0..0,
    };
    lines.knob(&BIND, &Some(bind));
    lines.knob(&PROTOCOLS, &listener.protocols);
    lines.knob(&HTTP2_KNOB, &listener.http2);
    lines.knob(&TRUSTED_PROXIES, &listener.trusted_proxies);
    lines.knob(&EXPLAIN_TO, &listener.explain_to);
    lines.knob(&MAX_HEAD, &size(listener.head.bytes));
    lines.knob(&MAX_FIELDS, &(listener.head.fields as u64));
    lines.knob_unless(
        &MAX_REQUEST_LINE,
        &size(listener.head.line),
        &size(default_line(listener.head.bytes)),
    );
    lines.knob(&REQUEST_HEADER_TIMEOUT, &listener.request_header_timeout);
    lines.knob(
        &REQUEST_BODY_IDLE_TIMEOUT,
        &listener.request_body_idle_timeout,
    );
    lines.knob(&KEEPALIVE_TIMEOUT, &listener.keepalive_timeout);
    lines.knob(&WRITE_TIMEOUT, &listener.write_timeout);
    lines.knob(&HALF_CLOSE, &listener.half_close);
    lines.knob(&PROXY_STATUS, &listener.proxy_status);
    lines.knob(
        &MAX_CONNECTIONS_PER_CLIENT,
        &OrOff::of(listener.max_connections_per_client, &u32::MAX),
    );
    lines.knob(&HEALTH, &listener.health);
    lines.knob(&REDIRECT_TO_HTTPS, &ToHttps(listener.redirect_to_https));
    lines.knob(&TLS_KNOB, &listener.tls);
    lines.table(&format!("[listener.{}]", key(&listener.name)), true)
}

fn read_one(name: &str, table: &Table<'_>, cx: &mut Cx<'_>) -> Option<(Listener, At<Bind>)> {
    let bind = BIND.read(table, cx);
    let trusted_proxies = TRUSTED_PROXIES.read(table, cx);
    if let Some(all) = trusted_proxies
        .iter()
        .find(|n| n.to_string().ends_with("/0"))
    {
        cx.warning(
            TRUSTED_PROXIES.span(table),
            format!("{all} is everybody: any client can then say who it is"),
        )
        .help("name the networks of the proxies in front of this one");
    }
    let explain_to = EXPLAIN_TO.read(table, cx);
    if let Some(all) = explain_to.iter().find(|n| n.to_string().ends_with("/0")) {
        cx.warning(
            EXPLAIN_TO.span(table),
            format!("{all} is everybody: any client can then ask which endpoints there are"),
        )
        .help("name the networks that you ask from yourself");
    }
    let bytes = to_usize(MAX_HEAD.read(table, cx).bytes());
    let line = if MAX_REQUEST_LINE.given(table) {
        to_usize(MAX_REQUEST_LINE.read(table, cx).bytes())
    } else {
        default_line(bytes)
    };
    if line > bytes {
        cx.error(
            MAX_REQUEST_LINE.span(table),
            format!("a request line of {line} bytes cannot fit into a head of {bytes}"),
        )
        .help(format!("raise `{}` or lower this", MAX_HEAD.key));
    }
    let (protocols, http2) = http2::read(table, cx);
    let listener = Listener {
        protocols,
        http2,
        trusted_proxies,
        explain_to,
        head: HeadLimits {
            bytes,
            fields: to_usize(MAX_FIELDS.read(table, cx)),
            line,
        },
        request_header_timeout: REQUEST_HEADER_TIMEOUT.read(table, cx),
        request_body_idle_timeout: REQUEST_BODY_IDLE_TIMEOUT.read(table, cx),
        keepalive_timeout: KEEPALIVE_TIMEOUT.read(table, cx),
        write_timeout: WRITE_TIMEOUT.read(table, cx),
        half_close: HALF_CLOSE.read(table, cx),
        proxy_status: PROXY_STATUS.read(table, cx),
        max_connections_per_client: read_client_limit(bind.as_ref(), table, cx),
        health: HEALTH.read(table, cx),
        redirect_to_https: REDIRECT_TO_HTTPS.read(table, cx).0,
        tls: TLS_KNOB.read(table, cx),
        ..with_defaults(name, bind.as_ref()?.value.clone())
    };
    if listener.redirect_to_https.is_some() && TLS_KNOB.given(table) {
        cx.error(
            REDIRECT_TO_HTTPS.span(table),
            "this listener speaks TLS: it would lead its clients in a circle",
        )
        .help("redirect from a listener of its own, such as [listener.plain] with bind = \":80\"");
    }
    Some((listener, bind?))
}

fn read_client_limit(bind: Option<&At<Bind>>, table: &Table<'_>, cx: &mut Cx<'_>) -> u32 {
    let limit = MAX_CONNECTIONS_PER_CLIENT.read(table, cx).unless(u32::MAX);
    if limit < u32::MAX && bind.is_some_and(|bind| matches!(bind.value, Bind::Unix(_))) {
        cx.warning(
            MAX_CONNECTIONS_PER_CLIENT.span(table),
            "this does nothing here: clients of a Unix socket have no address",
        )
        .help("leave it out");
    }
    limit
}

/// The default of `max_request_line` under a `max_head` of so many bytes.
fn default_line(head: usize) -> usize {
    to_usize(MAX_REQUEST_LINE.default.bytes()).min(head)
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Reports an address that an earlier listener already takes, wholly or in part.
fn check_overlap(bind: &At<Bind>, earlier: &[(At<Bind>, String)], cx: &mut Cx<'_>) {
    let found = earlier
        .iter()
        .find_map(|(other, name)| overlap(&bind.value, &other.value).map(|why| (other, name, why)));
    if let Some((other, name, why)) = found {
        let shown = format_bind(&bind.value);
        let message = match why {
            Overlap::Same => format!("{shown} is already taken by listener \"{name}\""),
            Overlap::Part => format!(
                "{shown} overlaps {} of listener \"{name}\": both would take the same connections",
                format_bind(&other.value)
            ),
        };
        cx.error(bind.span.clone(), message)
            .note(other.span.clone(), "it is taken here")
            .help("give each listener an address of its own; routes tell hosts and paths apart");
    }
}

/// Whether two addresses would take the same connections.
pub(crate) fn overlaps(a: &Bind, b: &Bind) -> bool {
    overlap(a, b).is_some()
}

enum Overlap {
    Same,
    Part,
}

fn overlap(a: &Bind, b: &Bind) -> Option<Overlap> {
    match (a, b) {
        (Bind::Unix(a), Bind::Unix(b)) => (a == b).then_some(Overlap::Same),
        (Bind::Ip(a), Bind::Ip(b)) => {
            if a.port() != b.port() || a.port() == 0 {
                return None;
            }
            if a == b {
                return Some(Overlap::Same);
            }
            let covers = |all: IpAddr, other: IpAddr| {
                all.is_unspecified() && (all.is_ipv6() || other.is_ipv4())
            };
            (covers(a.ip(), b.ip()) || covers(b.ip(), a.ip())).then_some(Overlap::Part)
        }
        _ => None,
    }
}
