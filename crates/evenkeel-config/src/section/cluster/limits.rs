//! `limits` of a cluster: how much at once, and who waits.

pub(crate) mod adaptive;
pub(crate) mod queue;

use evenkeel_base::rules::{EndpointLimit, LimitRules, QueueRules};
use serde_json::Value as Json;

use crate::knob::{Knob, Lines, Section, Table};
use crate::model::Cluster;
use crate::raw::{Cx, Node, Span};
use crate::section::cluster::limits::queue::QUEUE_TIMEOUT;
use crate::value::{Bounds, OrOff, Value};

/// `limits` of a cluster.
pub(crate) static LIMITS_KNOB: Knob<LimitRules> = Knob {
    key: "limits",
    about: "How many requests and connections its endpoints get at once, and the queue where the others wait.",
    default: LimitRules::DEFAULT,
    why: "no limits: only you know what an endpoint bears",
    bounds: None,
    required: false,
    example: "{ endpoint_requests = 100 }",
};

static REQUESTS: Knob<OrOff<u32>> = Knob {
    key: "requests",
    about: "Requests in flight to the whole cluster, from all workers together. Others wait in the queue.",
    default: OrOff::Off,
    why: "no limit: only you know what stands behind the endpoints",
    bounds: CAP,
    required: false,
    example: "1000",
};

static ENDPOINT_REQUESTS: Knob<EndpointLimit> = Knob {
    key: "endpoint_requests",
    about: "Requests in flight to one endpoint, from all workers together. The balancer goes past an endpoint at its limit; when all are, requests wait in the queue. \"adaptive\" finds the limit of each endpoint from its latency; a table says between which bounds.",
    default: EndpointLimit::Off,
    why: "no limit: only you know what an endpoint bears",
    bounds: CAP,
    required: false,
    example: "100",
};

static CONNECTIONS: Knob<OrOff<u32>> = Knob {
    key: "connections",
    about: "Open connections to the whole cluster, idle ones and tunnels included.",
    default: OrOff::Off,
    why: "there are as many as requests in flight, and `max_idle_connections` more",
    bounds: CAP,
    required: false,
    example: "2000",
};

static ENDPOINT_CONNECTIONS: Knob<OrOff<u32>> = Knob {
    key: "endpoint_connections",
    about: "Open connections to one endpoint, idle ones and tunnels included.",
    default: OrOff::Off,
    why: "there are as many as requests in flight, and `max_idle_connections` more",
    bounds: CAP,
    required: false,
    example: "200",
};

static QUEUE: Knob<QueueRules> = Knob {
    key: "queue",
    about: "Where requests wait that find every endpoint at its limit.",
    default: QueueRules::DEFAULT,
    why: "see [cluster.NAME.limits.queue]",
    bounds: None,
    required: false,
    example: "{ size = 100, timeout = \"500ms\" }",
};

/// No process has more open at once.
const CAP: Option<Bounds<u32>> = Some(Bounds {
    least: 1,
    greatest: 10_000_000,
});

/// `limits` of a cluster.
pub(crate) static LIMITS: Section = Section {
    name: "cluster.NAME.limits",
    about: "How much at once, counted for the whole process, and who waits. A request that finds no room waits in the queue of its cluster, and is answered 503 with `Retry-After` when that is full or has kept it for too long.",
    knobs: &[
        &REQUESTS,
        &ENDPOINT_REQUESTS,
        &CONNECTIONS,
        &ENDPOINT_CONNECTIONS,
        &QUEUE,
    ],
    sample: "version = 1\n[listener.a]\nbind = \":1\"\n[[route]]\ncluster = \"a\"\n[cluster.a]\nendpoints = [\":2\"]\n[cluster.a.limits]\nKNOB\n",
};

/// Where a cluster gives the longest wait in its queue, if it does.
pub(crate) fn queue_timeout_span(cluster: &Table<'_>) -> Option<Span> {
    cluster.find(&[LIMITS_KNOB.key, QUEUE.key, QUEUE_TIMEOUT.key])
}

/// Warns of a queue in which nothing ever waits: requests do where there is a limit, and for streams of HTTP/2.
pub(crate) fn check_queue(cluster: &Cluster, table: &Table<'_>, cx: &mut Cx<'_>) {
    let given = table.find(&[LIMITS_KNOB.key, QUEUE.key]);
    if let Some(span) = given.filter(|_| cluster.limits.is_off() && !cluster.may_multiplex()) {
        cx.warning(span, "nothing ever waits here: there is no limit")
            .help("add a limit, such as endpoint_requests = 100, or leave `queue` out");
    }
}

impl Value for LimitRules {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let table = LIMITS.open(node, cx)?;
        let before = cx.count();
        let rules = Self {
            requests: REQUESTS.read(&table, cx).unless(u32::MAX),
            endpoint_requests: ENDPOINT_REQUESTS.read(&table, cx),
            connections: CONNECTIONS.read(&table, cx).unless(u32::MAX),
            endpoint_connections: ENDPOINT_CONNECTIONS.read(&table, cx).unless(u32::MAX),
            queue: QUEUE.read(&table, cx),
        };
        if cx.count() == before {
            check(&rules, &table, cx);
        }
        Some(rules)
    }

    fn toml(&self) -> String {
        let cap = |limit: u32| OrOff::of(limit, &u32::MAX);
        let mut lines = Lines::default();
        lines.knob(&REQUESTS, &cap(self.requests));
        lines.knob(&ENDPOINT_REQUESTS, &self.endpoint_requests);
        lines.knob(&CONNECTIONS, &cap(self.connections));
        lines.knob(&ENDPOINT_CONNECTIONS, &cap(self.endpoint_connections));
        lines.knob(&QUEUE, &self.queue);
        lines.inline()
    }

    fn kind() -> String {
        "table".into()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        LIMITS.reference()
    }
}

/// Warns of limits that are never reached.
fn check(rules: &LimitRules, table: &Table<'_>, cx: &mut Cx<'_>) {
    let one = match rules.endpoint_requests {
        EndpointLimit::Off => u32::MAX,
        EndpointLimit::Fixed(limit) => limit,
        EndpointLimit::Adaptive(adaptive) => adaptive.min,
    };
    for (endpoint, one, cluster, all) in [
        (ENDPOINT_REQUESTS.key, one, REQUESTS.key, rules.requests),
        (
            ENDPOINT_CONNECTIONS.key,
            rules.endpoint_connections,
            CONNECTIONS.key,
            rules.connections,
        ),
    ] {
        if one < u32::MAX && one > all {
            cx.warning(
                table.span_of(endpoint),
                format!("no endpoint reaches {one}: the whole cluster may have {all}"),
            )
            .help(format!("raise `{cluster}` or leave `{endpoint}` out"));
        }
    }
}
