//! `[cluster.NAME]`: a named group of endpoints, who picks among them, and how long an attempt may take.
//!
//! Attempts, probes, ejections and limits are tables with files of their own.

pub(crate) mod added;
pub(crate) mod balancer;
pub(crate) mod endpoint;
pub(crate) mod http2;
pub(crate) mod limits;
pub(crate) mod list;
pub(crate) mod outlier;
pub(crate) mod probe;
pub(crate) mod retry;
pub(crate) mod scheme;
pub(crate) mod sticky;
pub(crate) mod tier;
pub(crate) mod tls;

use std::time::Duration;

use evenkeel_base::rules::TierRules;

use crate::knob::{Knob, Lines, Section, Table};
use crate::model::{Cluster, Endpoint, Listed, UpstreamTimeouts, UpstreamTls};
use crate::raw::{At, Cx, Entry, Node, Span};
use crate::section::cluster::balancer::BALANCER_KNOB;
use crate::section::cluster::endpoint::EndpointEntry;
use crate::section::cluster::http2::HTTP2_KNOB;
use crate::section::cluster::limits::LIMITS_KNOB;
use crate::section::cluster::list::check_list;
use crate::section::cluster::outlier::OUTLIER_KNOB;
use crate::section::cluster::probe::PROBE_KNOB;
use crate::section::cluster::retry::Retry;
use crate::section::cluster::scheme::{PROTOCOL, Said, Spoken};
use crate::section::cluster::sticky::STICKY_KNOB;
use crate::section::cluster::tier::{PREFER_ZONE, SPILL_BELOW, SUBSET};
use crate::section::cluster::tls::{TLS_KNOB, TlsKeys};
use crate::section::{Names, TIMEOUT, check_name};
use crate::value::text::key;
use crate::value::{Bounds, OrOff};

/// `endpoints` of a cluster, and of a list of endpoints.
pub(crate) static ENDPOINTS: Knob<Vec<EndpointEntry>> = Knob {
    key: "endpoints",
    about: "The endpoints: each an address, or a table with `address`, `weight`, `id`, `admin`, `zone` and `tier`. An address is `host:port`, `[ipv6]:port`, `:port` (this host), `http://host`, `https://host` (TLS, see `tls`), `h2c://host` (HTTP/2 without TLS, see `protocol`), `host:9001-9004` for four endpoints, `srv:_http._tcp.app.internal` for what the SRV records of that name say (RFC 2782), or `unix:/path`. A name stands for as many endpoints as it has addresses, 256 at most. A service's records say names, ports and weights; those with the lowest priority are its first tier, the next ones the tier behind it, and so on, and a weight of 0 is a small one.",
    default: Vec::new(),
    why: "they must be given, here or in `endpoints_file`",
    bounds: None,
    required: false,
    example: "[\"10.0.0.1:8080\", { address = \"10.0.0.2:8080\", weight = 2 }]",
};

static ENDPOINTS_FILE: Knob<Option<At<String>>> = Knob {
    key: "endpoints_file",
    about: "A TOML file with the endpoints, instead of `endpoints`: its one key is `endpoints`, with the same items. It is read at the start, and again when it changes, which is looked for once a second. A mistake in it stops the start; later it changes nothing, and the log says where it is. Endpoints that come are probed first and start slowly, those that go finish what they have. In that file relative paths count from its own folder, and there are no values from elsewhere. Put a new file in the place of the old one (write it beside it, then rename it), so that no half of it is ever read.",
    default: None,
    why: "none: the endpoints stand in `endpoints`",
    bounds: None,
    required: false,
    example: "\"endpoints.toml\"",
};

/// The keys of which one must be given.
pub(crate) static LISTED: [&str; 2] = [ENDPOINTS.key, ENDPOINTS_FILE.key];

static CONNECT_TIMEOUT: Knob<Duration> = Knob {
    key: "connect_timeout",
    about: "How long one connect to an endpoint may take, else the next endpoint is tried, or 504.",
    default: Duration::from_secs(2),
    why: "a connect within a data center takes milliseconds; one lost packet is sent again after 1 s",
    bounds: TIMEOUT,
    required: false,
    example: "\"500ms\"",
};

static RESPONSE_HEADER_TIMEOUT: Knob<Duration> = Knob {
    key: "response_header_timeout",
    about: "How long an endpoint may take from the end of the request to the head of its response, for each attempt. A call of gRPC has `idle_timeout` for it: a server may begin its response with the first message.",
    default: Duration::from_secs(30),
    why: "a frozen endpoint still accepts connections",
    bounds: TIMEOUT,
    required: false,
    example: "\"2m\"",
};

static IDLE_TIMEOUT: Knob<Duration> = Knob {
    key: "idle_timeout",
    about: "How long no byte may pass either way during an exchange.",
    default: Duration::from_mins(5),
    why: "server-sent events and long calls pause for minutes",
    bounds: TIMEOUT,
    required: false,
    example: "\"1h\"",
};

static TUNNEL_TIMEOUT: Knob<Duration> = Knob {
    key: "tunnel_timeout",
    about: "How long no byte may pass either way in a tunnel, such as a WebSocket.",
    default: Duration::from_hours(1),
    why: "a quiet chat is not a dead one",
    bounds: TIMEOUT,
    required: false,
    example: "\"24h\"",
};

static KEEPALIVE_TIMEOUT: Knob<Duration> = Knob {
    key: "keepalive_timeout",
    about: "The longest an idle connection to an endpoint is kept. What the endpoint announced or was seen to use shortens it.",
    default: Duration::from_secs(55),
    why: "just below the 60 s at which many endpoints close, so that they do not close under a request",
    bounds: TIMEOUT,
    required: false,
    example: "\"20s\"",
};

static RESOLVE_INTERVAL: Knob<Duration> = Knob {
    key: "resolve_interval",
    about: "How long an answer about a name or service among the addresses is believed at most. It is looked up again when its time to live is over, though never within a second, and after this time when that is shorter, when nothing came, or when the name stands in `/etc/hosts`. Until there is another answer the last one holds.",
    default: Duration::from_secs(30),
    why: "what most name servers of orchestrators let an answer live",
    bounds: Some(Bounds {
        least: Duration::from_secs(1),
        greatest: Duration::from_hours(24),
    }),
    required: false,
    example: "\"5s\"",
};

static MAX_IDLE_CONNECTIONS: Knob<u64> = Knob {
    key: "max_idle_connections",
    about: "How many idle connections are kept for each endpoint in each worker. 0 keeps none.",
    default: 512,
    why: "what a worker needs at once it will need again: with 512 clients of three endpoints, 128 left 2 to 4 % of the requests to connect anew",
    bounds: Some(Bounds {
        least: 0,
        greatest: 65_536,
    }),
    required: false,
    example: "32",
};

static PANIC_BELOW: Knob<u8> = Knob {
    key: "panic_below",
    about: "With less than this percentage of the cluster's weight able to take requests, all endpoints get them, well or not, and the log says so. At 0 that is so only when none is able.",
    default: 0,
    why: "some endpoint is better than none; with two of three down, most requests would go to dead ones",
    bounds: Some(Bounds {
        least: 0,
        greatest: 100,
    }),
    required: false,
    example: "30",
};

static SLOW_START: Knob<OrOff<Duration>> = Knob {
    key: "slow_start",
    about: "How long an endpoint that has recovered, or was added, takes to get its full share of requests. Not at the start of evenkeel itself.",
    default: OrOff::Is(Duration::from_secs(10)),
    why: "caches and pools of a fresh process are cold, and `least-request` would send it most of what comes",
    bounds: TIMEOUT,
    required: false,
    example: "\"1m\"",
};

static RETRY_KNOB: Knob<Retry> = Knob {
    key: "retry",
    about: "Second attempts: only before anything of the response was passed on, only when that is safe, and never at the same endpoint while another is left.",
    default: Retry::DEFAULT,
    why: "see [cluster.NAME.retry]",
    bounds: None,
    required: false,
    example: "{ attempts = 1 }",
};

/// `[cluster.NAME]`.
pub(crate) static CLUSTER: Section = Section {
    name: "cluster.NAME",
    about: "A cluster is a named group of endpoints. Routes send requests to it, and its balancer picks the endpoint.",
    knobs: &[
        &BALANCER_KNOB,
        &ENDPOINTS,
        &ENDPOINTS_FILE,
        &PROTOCOL,
        &TLS_KNOB,
        &STICKY_KNOB,
        &SPILL_BELOW,
        &PREFER_ZONE,
        &SUBSET,
        &CONNECT_TIMEOUT,
        &RESPONSE_HEADER_TIMEOUT,
        &IDLE_TIMEOUT,
        &TUNNEL_TIMEOUT,
        &KEEPALIVE_TIMEOUT,
        &RESOLVE_INTERVAL,
        &MAX_IDLE_CONNECTIONS,
        &RETRY_KNOB,
        &PROBE_KNOB,
        &OUTLIER_KNOB,
        &PANIC_BELOW,
        &SLOW_START,
        &LIMITS_KNOB,
        &HTTP2_KNOB,
    ],
    sample: "version = 1\nONLY subset: node = \"n1\"\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\nUNLESS endpoints endpoints_file: endpoints = [\":2\"]\nKNOB\n",
};

/// A cluster that was read, with what later checks need.
pub(crate) struct Draft {
    pub(crate) cluster: Cluster,
    /// Where the time that requests may wait in its queue is given, if requests can wait and it is.
    pub(crate) queue_timeout: Option<Span>,
    /// Where its subset is given, if it has one.
    pub(crate) subset: Option<Span>,
    /// Where it says that clients stay with their endpoint, or else the cluster.
    pub(crate) sticky: Span,
}

/// Reads the clusters, each `None` that is no table, and their names.
pub(crate) fn read(entries: &[Entry<'_>], cx: &mut Cx<'_>) -> (Vec<Option<Draft>>, Names) {
    let mut names = Names::default();
    let mut drafts = Vec::new();
    for entry in entries {
        check_name(&entry.key, cx);
        names.add(&entry.key);
        let table = CLUSTER.open(&entry.node, cx);
        drafts.push(table.map(|table| read_one(entry.key.value, &table, cx)));
    }
    (drafts, names)
}

/// Reads a cluster whose endpoints are modelled elsewhere.
pub(crate) fn read_part(name: &str, node: &Node<'_>, cx: &mut Cx<'_>) -> Option<Cluster> {
    let table = CLUSTER.open(node, cx)?;
    if let Some(entry) = LISTED.iter().find_map(|key| table.get(key)) {
        cx.error(
            entry.key.span.clone(),
            "this cluster's endpoints are not given here: they are modelled",
        )
        .help(format!("leave `{}` out", entry.key.value));
    }
    let spoken = Said::read(&table, cx).together(None, None, cx);
    let mut cluster = read_policies(name, Vec::new(), &table, cx).cluster;
    (cluster.protocol, cluster.tls) = spoken;
    Some(cluster)
}

/// A cluster of these endpoints with every default.
pub(crate) fn with_defaults(name: &str, endpoints: Vec<Endpoint>) -> Cluster {
    Cluster {
        name: name.to_owned(),
        endpoints,
        listed: Listed::Here,
        protocol: PROTOCOL.default,
        tls: UpstreamTls::Off,
        balancer: BALANCER_KNOB.default.clone(),
        tiers: TierRules::DEFAULT,
        sticky: STICKY_KNOB.default.clone(),
        subset: SUBSET.default.unless(0),
        timeouts: UpstreamTimeouts {
            connect: CONNECT_TIMEOUT.default,
            response_header: RESPONSE_HEADER_TIMEOUT.default,
            idle: IDLE_TIMEOUT.default,
            tunnel: TUNNEL_TIMEOUT.default,
            keepalive: KEEPALIVE_TIMEOUT.default,
        },
        retry: RETRY_KNOB.default.rules,
        budget: RETRY_KNOB.default.budget,
        probe: PROBE_KNOB.default.clone(),
        outlier: OUTLIER_KNOB.default,
        panic_below_percent: PANIC_BELOW.default,
        slow_start: SLOW_START.default.unless(Duration::ZERO),
        limits: LIMITS_KNOB.default,
        http2: HTTP2_KNOB.default,
        resolve_interval: RESOLVE_INTERVAL.default,
        max_idle_connections: to_usize(MAX_IDLE_CONNECTIONS.default),
    }
}

/// Writes it.
pub(crate) fn print(cluster: &Cluster) -> String {
    let mut lines = Lines::default();
    let entries: Vec<EndpointEntry> = cluster.endpoints.iter().map(EndpointEntry::of).collect();
    lines.knob(&BALANCER_KNOB, &cluster.balancer);
    match &cluster.listed {
        Listed::Here => lines.knob(&ENDPOINTS, &entries),
        Listed::File(path) => {
            let path = At {
                value: path.to_string_lossy().into_owned(),
                span: 0..0,
            };
            lines.knob(&ENDPOINTS_FILE, &Some(path));
        }
    }
    lines.knob(&PROTOCOL, &cluster.protocol);
    let tls = cluster.tls.rules().map(TlsKeys::of);
    lines.knob(&TLS_KNOB, &tls);
    lines.knob(&STICKY_KNOB, &cluster.sticky);
    tier::print(cluster.tiers, &mut lines);
    lines.knob(&SUBSET, &OrOff::of(cluster.subset, &0));
    lines.knob(&CONNECT_TIMEOUT, &cluster.timeouts.connect);
    lines.knob(&RESPONSE_HEADER_TIMEOUT, &cluster.timeouts.response_header);
    lines.knob(&IDLE_TIMEOUT, &cluster.timeouts.idle);
    lines.knob(&TUNNEL_TIMEOUT, &cluster.timeouts.tunnel);
    lines.knob(&KEEPALIVE_TIMEOUT, &cluster.timeouts.keepalive);
    lines.knob(&RESOLVE_INTERVAL, &cluster.resolve_interval);
    lines.knob(
        &MAX_IDLE_CONNECTIONS,
        &(cluster.max_idle_connections as u64),
    );
    let retry = Retry {
        rules: cluster.retry,
        budget: cluster.budget,
    };
    lines.knob(&RETRY_KNOB, &retry);
    lines.knob(&PROBE_KNOB, &cluster.probe);
    lines.knob(&OUTLIER_KNOB, &cluster.outlier);
    lines.knob(&PANIC_BELOW, &cluster.panic_below_percent);
    let slow_start = OrOff::of(cluster.slow_start, &Duration::ZERO);
    lines.knob(&SLOW_START, &slow_start);
    lines.knob(&LIMITS_KNOB, &cluster.limits);
    lines.knob(&HTTP2_KNOB, &cluster.http2);
    lines.table(&format!("[cluster.{}]", key(&cluster.name)), true)
}

fn read_one(name: &str, table: &Table<'_>, cx: &mut Cx<'_>) -> Draft {
    let said = Said::read(table, cx);
    let (endpoints, listed, (protocol, tls)) = match ENDPOINTS_FILE.read(table, cx) {
        Some(path) => {
            let (endpoints, listed) = read_file(&path, said.spoken(), table, cx);
            (endpoints, listed, said.together(None, None, cx))
        }
        None => {
            let entries = read_list(table, cx);
            let schemes: Vec<_> = entries.iter().map(EndpointEntry::scheme).collect();
            let scheme = said.agree(&schemes, cx);
            let service = entries.iter().find_map(EndpointEntry::service);
            let spoken = said.together(scheme, service, cx);
            (expand(entries, table, cx), Listed::Here, spoken)
        }
    };
    let mut draft = read_policies(name, endpoints, table, cx);
    draft.cluster.listed = listed;
    (draft.cluster.protocol, draft.cluster.tls) = (protocol, tls);
    limits::check_queue(&draft.cluster, table, cx);
    draft
}

/// Reads the items of `endpoints` in a table that has them in itself.
pub(crate) fn read_list(table: &Table<'_>, cx: &mut Cx<'_>) -> Vec<EndpointEntry> {
    if !ENDPOINTS.given(table) {
        if !cx.may_be_hidden() && !table.has_unknown && !ENDPOINTS_FILE.given(table) {
            cx.error(
                table.span.clone(),
                format!("`{}` is missing", ENDPOINTS.key),
            )
            .help(format!("add {} = {}", ENDPOINTS.key, ENDPOINTS.example));
        }
        return Vec::new();
    }
    let before = cx.count();
    let entries = ENDPOINTS.read(table, cx);
    if cx.count() > before {
        return Vec::new();
    }
    entries
}

/// The endpoints that those items stand for.
pub(crate) fn expand(
    entries: Vec<EndpointEntry>,
    table: &Table<'_>,
    cx: &mut Cx<'_>,
) -> Vec<Endpoint> {
    if entries.is_empty() && cx.count() > 0 {
        return Vec::new();
    }
    endpoint::expand(entries, ENDPOINTS.span(table), cx)
}

/// Reads the endpoints of a file beside the configuration.
fn read_file(
    path: &At<String>,
    spoken: Spoken,
    table: &Table<'_>,
    cx: &mut Cx<'_>,
) -> (Vec<Endpoint>, Listed) {
    let whole = cx.source.resolve(&path.value);
    let listed = Listed::File(whole.clone());
    if let Some(entry) = table.get(ENDPOINTS.key) {
        cx.error(
            entry.key.span.clone(),
            "the endpoints stand here and in a file",
        )
        .note(path.span.clone(), "the file is named here")
        .help("leave one of them out");
        return (Vec::new(), listed);
    }
    let bytes = cx.source.file(&path.value);
    let text = bytes
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned()));
    let endpoints = match text {
        Ok(text) => {
            let checked = check_list(&text, &whole, spoken);
            cx.adopt(checked.diagnostics);
            checked.endpoints.unwrap_or_default()
        }
        Err(why) => {
            let message = format!("cannot read {}: {why}", path.value);
            cx.error(path.span.clone(), message).help(format!(
                "write the endpoints into it: {} = {}",
                ENDPOINTS.key, ENDPOINTS.example
            ));
            Vec::new()
        }
    };
    (endpoints, listed)
}

/// Reads everything but the endpoints.
fn read_policies(
    name: &str,
    endpoints: Vec<Endpoint>,
    table: &Table<'_>,
    cx: &mut Cx<'_>,
) -> Draft {
    let tiers = tier::read(table, cx);
    let (subset, subset_span) = tier::read_subset(&endpoints, table, cx);
    let max_idle = MAX_IDLE_CONNECTIONS.read(table, cx);
    let retry = RETRY_KNOB.read(table, cx);
    let probe = PROBE_KNOB.read(table, cx);
    probe::check_port(&endpoints, &probe, table, cx);
    let limits = LIMITS_KNOB.read(table, cx);
    let can_wait = !limits.is_off() && limits.queue.size > 0;
    let queue_timeout = limits::queue_timeout_span(table).filter(|_| can_wait);
    let cluster = Cluster {
        balancer: BALANCER_KNOB.read(table, cx),
        tiers,
        sticky: STICKY_KNOB.read(table, cx),
        subset,
        timeouts: UpstreamTimeouts {
            connect: CONNECT_TIMEOUT.read(table, cx),
            response_header: RESPONSE_HEADER_TIMEOUT.read(table, cx),
            idle: IDLE_TIMEOUT.read(table, cx),
            tunnel: TUNNEL_TIMEOUT.read(table, cx),
            keepalive: KEEPALIVE_TIMEOUT.read(table, cx),
        },
        retry: retry.rules,
        budget: retry.budget,
        probe,
        outlier: OUTLIER_KNOB.read(table, cx),
        panic_below_percent: PANIC_BELOW.read(table, cx),
        slow_start: SLOW_START.read(table, cx).unless(Duration::ZERO),
        limits,
        http2: HTTP2_KNOB.read(table, cx),
        resolve_interval: RESOLVE_INTERVAL.read(table, cx),
        max_idle_connections: to_usize(max_idle),
        ..with_defaults(name, endpoints)
    };
    tier::check_subset(&cluster, subset_span.as_ref(), cx);
    Draft {
        cluster,
        queue_timeout,
        subset: subset_span,
        sticky: STICKY_KNOB.span(table),
    }
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
