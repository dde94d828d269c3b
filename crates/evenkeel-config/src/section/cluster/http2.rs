//! `http2` of a cluster: how connections that carry many requests at once are used.

use std::time::Duration;

use evenkeel_base::rules::MultiplexRules;
use evenkeel_base::unit::format_duration;
use serde_json::Value as Json;

use crate::knob::{Knob, Lines, Section, Table};
use crate::raw::{Cx, Node};
use crate::section::TIMEOUT;
use crate::value::{Bounds, OrOff, Value};

/// `http2` of a cluster.
pub(crate) static HTTP2_KNOB: Knob<MultiplexRules> = Knob {
    key: "http2",
    about: "How HTTP/2 is spoken with its endpoints, where it is.",
    default: MultiplexRules::DEFAULT,
    why: "see [cluster.NAME.http2]",
    bounds: None,
    required: false,
    example: "{ max_connections = 2 }",
};

static MAX_CONNECTIONS: Knob<u32> = Knob {
    key: "max_connections",
    about: "HTTP/2 connections to one endpoint in each worker. Another one is made when every stream of those that are there is taken. With all of them full other endpoints get the request; when those are full as well it waits, as many as `limits.queue.size` for as long as `limits.queue.timeout`.",
    default: MultiplexRules::DEFAULT.max_connections,
    why: "800 requests at once for each worker and endpoint",
    bounds: Some(Bounds {
        least: 1,
        greatest: 1_024,
    }),
    required: false,
    example: "2",
};

static MAX_CONCURRENT_STREAMS: Knob<u32> = Knob {
    key: "max_concurrent_streams",
    about: "Requests at once on one HTTP/2 connection. An endpoint that allows fewer gets fewer.",
    default: MultiplexRules::DEFAULT.max_concurrent_streams,
    why: "what most endpoints allow, and RFC 9113 recommends; packets that are lost hold up no more than these",
    bounds: Some(Bounds {
        least: 1,
        greatest: 10_000,
    }),
    required: false,
    example: "250",
};

static PING_INTERVAL: Knob<OrOff<Duration>> = Knob {
    key: "ping_interval",
    about: "An HTTP/2 connection over which nothing came for this long, idle or with requests on it, is sent a PING. While nothing else comes, the next ones follow after 5 minutes, or this time when it is longer.",
    default: OrOff::Is(MultiplexRules::DEFAULT.ping_interval),
    why: "a connection that a firewall has forgotten is found before the next request meets it; servers that count idle pings take more than one in 5 minutes for a flood",
    bounds: TIMEOUT,
    required: false,
    example: "\"10s\"",
};

static PING_TIMEOUT: Knob<Duration> = Knob {
    key: "ping_timeout",
    about: "A connection over which nothing comes for this long after a PING is closed, and the requests on it fail.",
    default: MultiplexRules::DEFAULT.ping_timeout,
    why: "an endpoint answers a PING at once, and a lost packet is sent again within a second or two",
    bounds: TIMEOUT,
    required: false,
    example: "\"2s\"",
};

/// `http2` of a cluster.
pub(crate) static HTTP2: Section = Section {
    name: "cluster.NAME.http2",
    about: "How HTTP/2 is spoken with endpoints: few connections, each with many requests at once. Which protocol that is says `protocol`.",
    knobs: &[
        &MAX_CONNECTIONS,
        &MAX_CONCURRENT_STREAMS,
        &PING_INTERVAL,
        &PING_TIMEOUT,
    ],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\nendpoints = [\":2\"]\n[cluster.a.http2]\nKNOB\n",
};

impl Value for MultiplexRules {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = HTTP2.open(node, cx)?;
        let rules = Self {
            max_connections: MAX_CONNECTIONS.read(&table, cx),
            max_concurrent_streams: MAX_CONCURRENT_STREAMS.read(&table, cx),
            ping_interval: PING_INTERVAL.read(&table, cx).unless(Duration::MAX),
            ping_timeout: PING_TIMEOUT.read(&table, cx),
        };
        check(&rules, &table, cx);
        Some(rules)
    }

    fn toml(&self) -> String {
        let mut lines = Lines::default();
        lines.knob(&MAX_CONNECTIONS, &self.max_connections);
        lines.knob(&MAX_CONCURRENT_STREAMS, &self.max_concurrent_streams);
        let interval = OrOff::of(self.ping_interval, &Duration::MAX);
        lines.knob(&PING_INTERVAL, &interval);
        lines.knob(&PING_TIMEOUT, &self.ping_timeout);
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        HTTP2.reference()
    }
}

fn check(rules: &MultiplexRules, table: &Table<'_>, cx: &mut Cx<'_>) {
    if rules.ping_interval == Duration::MAX && PING_TIMEOUT.given(table) {
        let timeout = format_duration(rules.ping_timeout);
        cx.warning(
            PING_TIMEOUT.span(table),
            format!("no PING is sent, so none is waited for, for {timeout} or any other time"),
        )
        .help("leave it out, or give `ping_interval` a time");
    }
}
