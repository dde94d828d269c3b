//! `GET /metrics`: every number that is counted, for Prometheus.
//!
//! Labels come from the configuration and from tables of ours (status classes, faults, states), never from what a client sent:
//! the number of series is bounded by the configuration. What left it is left out. A fault that never happened has no series yet.
//! Reading takes no lock and stops nobody: workers count on meanwhile.

mod certificates;
mod endpoints;
mod process;
mod text;
mod traces;

use std::collections::HashSet;

use evenkeel_base::Fault;
use evenkeel_http2::Abuse;
use evenkeel_policy::Candidate;
use evenkeel_state::counters::Counter;
use evenkeel_state::histogram::{Counts, Histogram};
use evenkeel_state::life::Stage;
use evenkeel_state::traffic::{PhaseTimes, TrafficSum};
use evenkeel_state::{ClusterSnapshot, Failing, Snapshot, WorkerCounters};

use crate::Office;
use crate::gate::Refusal;
use crate::metrics::text::{Buckets, Kind, Text};
use crate::refusals::Refusals;

pub(crate) use crate::metrics::text::Format;

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The whole page.
pub(crate) fn page(office: &Office, refusals: &Refusals, format: Format) -> String {
    let snapshot = office.publisher.current();
    let mut text = Text::new(format);
    of_process(&mut text, office, &snapshot);
    of_workers(&mut text, office);
    of_address(&mut text, refusals);
    traces::write(&mut text, office.publisher.traces());
    let listeners: Vec<(&str, TrafficSum)> = snapshot
        .config
        .listeners
        .iter()
        .zip(snapshot.listeners())
        .map(|(listener, state)| (listener.name.as_str(), state.traffic.sum()))
        .collect();
    of_traffic(&mut text, &LISTENER, &listeners);
    certificates::write(&mut text, &snapshot);
    of_traffic(&mut text, &ROUTE, &routes(&snapshot));
    of_clusters(&mut text, &snapshot, office.publisher.failing());
    endpoints::write(&mut text, &snapshot);
    text.finish()
}

fn of_process(text: &mut Text, office: &Office, snapshot: &Snapshot) {
    let told = office.life.told();
    text.family(
        "evenkeel_info",
        Kind::Gauge,
        "Which evenkeel this is; always 1.",
    );
    text.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    let gauges = [
        (
            "evenkeel_uptime_seconds",
            "How long the process runs.",
            office.life.uptime().as_secs(),
        ),
        (
            "evenkeel_workers",
            "How many workers it has.",
            office.counters.len() as u64,
        ),
        (
            "evenkeel_ready",
            "Whether it takes traffic.",
            u64::from(told.stage == Stage::Serving),
        ),
        (
            "evenkeel_config_generation",
            "Counts up with every change of what is served.",
            snapshot.generation,
        ),
        (
            "evenkeel_config_held",
            "Configurations of before that are kept in memory, because exchanges that began under them are under way.",
            office.publisher.held(),
        ),
        (
            "evenkeel_config_last_reload_successful",
            "0: the last reload changed nothing, status says why.",
            u64::from(told.failed.is_none()),
        ),
        (
            "evenkeel_config_rolled_back",
            "1: a configuration from before is served, and not what the file said last; status says why.",
            u64::from(told.went_back.is_some()),
        ),
        (
            "evenkeel_config_loaded_timestamp_seconds",
            "When the configuration that is served was read.",
            crate::look::seconds(told.loaded),
        ),
        (
            "evenkeel_overload_level",
            "0 normal, 1 high, 2 critical, 3 extreme.",
            office.publisher.pressure().level() as u64,
        ),
    ];
    for (name, help, value) in gauges {
        text.family(name, Kind::Gauge, help);
        text.sample(&[], value);
    }
    process::write(text);
}

/// Of a process without an admin address as well, so that an alert has its series from the beginning.
fn of_address(text: &mut Text, refusals: &Refusals) {
    text.family(
        "evenkeel_admin_refused_total",
        Kind::Counter,
        "Requests that the admin address refused, by the name in the answer.",
    );
    for why in Refusal::ALL {
        text.sample(&[("reason", why.name())], refusals.count(why));
    }
}

/// A number of a worker's own: family, what kind, what it says, where it is counted.
type OfWorker = (
    &'static str,
    Kind,
    &'static str,
    fn(&WorkerCounters) -> &Counter,
);

const OF_WORKERS: [OfWorker; 15] = [
    (
        "evenkeel_client_connections_open",
        Kind::Gauge,
        "Client connections that are open.",
        |c| &c.connections,
    ),
    (
        "evenkeel_client_connections_total",
        Kind::Counter,
        "Client connections that were accepted.",
        |c| &c.accepted,
    ),
    (
        "evenkeel_clients_turned_away_total",
        Kind::Counter,
        "Connections of clients that had too many.",
        |c| &c.turned_away,
    ),
    (
        "evenkeel_connections_shed_total",
        Kind::Counter,
        "Connections turned away because evenkeel was near a limit.",
        |c| &c.shed,
    ),
    (
        "evenkeel_tls_handshakes_total",
        Kind::Counter,
        "Handshakes of clients that went well.",
        |c| &c.handshakes,
    ),
    (
        "evenkeel_tls_handshakes_resumed_total",
        Kind::Counter,
        "Those of them that went on from an earlier connection.",
        |c| &c.resumed,
    ),
    (
        "evenkeel_tls_handshakes_failed_total",
        Kind::Counter,
        "Handshakes of clients that failed or took too long.",
        |c| &c.handshakes_failed,
    ),
    (
        "evenkeel_requests_refused_total",
        Kind::Counter,
        "Requests of low priority refused because evenkeel was near a limit.",
        |c| &c.overloaded,
    ),
    (
        "evenkeel_idle_clients_closed_total",
        Kind::Counter,
        "Idle client connections closed to make room.",
        |c| &c.idle_closed,
    ),
    (
        "evenkeel_idle_upstream_connections",
        Kind::Gauge,
        "Idle connections to endpoints.",
        |c| &c.idle_upstream,
    ),
    (
        "evenkeel_idle_upstream_closed_total",
        Kind::Counter,
        "Idle connections to endpoints closed to make room.",
        |c| &c.idle_trimmed,
    ),
    (
        "evenkeel_requests_total",
        Kind::Counter,
        "Requests that came.",
        |c| &c.exchanges,
    ),
    (
        "evenkeel_requests_mirrored_total",
        Kind::Counter,
        "Requests that were sent to a mirror as well.",
        |c| &c.mirrored,
    ),
    (
        "evenkeel_access_records_dropped_total",
        Kind::Counter,
        "Access records that the log's disk or pipe was too slow for.",
        |c| &c.log_dropped,
    ),
    (
        "evenkeel_panics_total",
        Kind::Counter,
        "Mistakes of evenkeel's own, each of which cost one connection.",
        |c| &c.panics,
    ),
];

fn of_workers(text: &mut Text, office: &Office) {
    for (name, kind, help, of) in OF_WORKERS {
        text.family(name, kind, help);
        let values = office.counters.iter().map(|counters| of(counters).read());
        text.sample(&[], values.sum::<u64>());
    }
    text.family(
        "evenkeel_http2_abuses_total",
        Kind::Counter,
        "Connections of HTTP/2 that were ended because their clients, or endpoints, made work that nobody asked for.",
    );
    for abuse in Abuse::ALL {
        let of = |counters: &WorkerCounters| counters.abuses[abuse.index()].read();
        let sum: u64 = office.counters.iter().map(of).sum();
        if sum > 0 {
            text.sample(&[("abuse", abuse.name())], sum);
        }
    }
}

/// The families of listeners or of routes.
struct Families {
    label: &'static str,
    responses: &'static str,
    faults: &'static str,
    bytes_in: &'static str,
    bytes_out: &'static str,
    seconds: &'static str,
}

const LISTENER: Families = Families {
    label: "listener",
    responses: "evenkeel_listener_responses_total",
    faults: "evenkeel_listener_faults_total",
    bytes_in: "evenkeel_listener_bytes_in_total",
    bytes_out: "evenkeel_listener_bytes_out_total",
    seconds: "evenkeel_listener_request_seconds",
};

const ROUTE: Families = Families {
    label: "route",
    responses: "evenkeel_route_responses_total",
    faults: "evenkeel_route_faults_total",
    bytes_in: "evenkeel_route_bytes_in_total",
    bytes_out: "evenkeel_route_bytes_out_total",
    seconds: "evenkeel_route_request_seconds",
};

/// The routes that were asked, by name; routes of one name count as one. Of a hundred thousand most are not.
fn routes(snapshot: &Snapshot) -> Vec<(&str, TrafficSum)> {
    let mut seen = HashSet::new();
    let routes = snapshot.config.routes.iter().zip(snapshot.routes_traffic());
    routes
        .filter(|(route, traffic)| traffic.made().next().is_some() && seen.insert(&route.name))
        .map(|(route, traffic)| (route.name.as_str(), traffic.sum()))
        .collect()
}

/// A number of a listener or a route: family, what it says, what it is.
type OfTraffic = (&'static str, &'static str, fn(&TrafficSum) -> u64);

fn of_traffic(text: &mut Text, families: &Families, all: &[(&str, TrafficSum)]) {
    let label = families.label;
    text.family(
        families.responses,
        Kind::Counter,
        "Answers to clients, by the class of their status; 499 is who left before.",
    );
    for (name, sum) in all {
        for (class, count) in CLASSES.iter().zip(sum.responses) {
            text.sample(&[(label, name), ("class", class)], count);
        }
    }
    text.family(
        families.faults,
        Kind::Counter,
        "Exchanges that failed, by fault (docs/faults).",
    );
    for (name, sum) in all {
        for (fault, count) in Fault::ALL
            .iter()
            .zip(sum.faults)
            .filter(|(_, count)| *count > 0)
        {
            text.sample(&[(label, name), ("fault", fault.name())], count);
        }
    }
    let bytes: [OfTraffic; 2] = [
        (families.bytes_in, "Payload bytes from clients.", |sum| {
            sum.bytes_in
        }),
        (families.bytes_out, "Payload bytes to clients.", |sum| {
            sum.bytes_out
        }),
    ];
    for (family, help, of) in bytes {
        text.family(family, Kind::Counter, help);
        for (name, sum) in all {
            text.sample(&[(label, name)], of(sum));
        }
    }
    text.family(
        families.seconds,
        Kind::Histogram,
        "From a request's first byte to the end of its exchange.",
    );
    for (name, sum) in all {
        text.histogram(&[(label, name)], &Buckets::from(&sum.total));
    }
}

/// A histogram of a cluster: family, what it says, where it is counted.
type OfPhase = (&'static str, &'static str, fn(&PhaseTimes) -> &Histogram);

const OF_PHASES: [OfPhase; 4] = [
    (
        "evenkeel_cluster_queue_seconds",
        "Waiting for a place at an endpoint, of requests that waited.",
        |t| &t.queue,
    ),
    (
        "evenkeel_cluster_connect_seconds",
        "Connecting, of requests that found no idle connection.",
        |t| &t.connect,
    ),
    (
        "evenkeel_cluster_first_byte_seconds",
        "From a request's first byte to the response's head.",
        |t| &t.first_byte,
    ),
    (
        "evenkeel_cluster_request_seconds",
        "From a request's first byte to the end of its exchange.",
        |t| &t.total,
    ),
];

/// A number of a cluster: family, what it says, what it is.
type OfCluster = (&'static str, &'static str, fn(&ClusterSnapshot) -> u64);

fn of_clusters(text: &mut Text, snapshot: &Snapshot, failing: &Failing) {
    let gauges: [OfCluster; 5] = [
        (
            "evenkeel_cluster_endpoints",
            "How many endpoints it has.",
            |c| c.endpoints.list.len() as u64,
        ),
        (
            "evenkeel_cluster_endpoints_admitting",
            "How many of them may take requests.",
            |c| {
                c.endpoints
                    .list
                    .iter()
                    .filter(|one| one.weight > 0 && one.share() > 0)
                    .count() as u64
            },
        ),
        (
            "evenkeel_cluster_panicking",
            "Whether too few endpoints admit, so that all are used.",
            |c| u64::from(c.state.is_panicking()),
        ),
        (
            "evenkeel_cluster_connections",
            "Connections to it, as far as limits count them.",
            |c| u64::from(c.state.limits.connections()),
        ),
        (
            "evenkeel_cluster_retry_tokens",
            "What second attempts may still cost, in tokens.",
            |c| c.state.budget.tokens(),
        ),
    ];
    for (name, help, of) in gauges {
        text.family(name, Kind::Gauge, help);
        for cluster in snapshot.clusters() {
            text.sample(&[("cluster", &cluster.config.name)], of(cluster));
        }
    }
    text.family(
        "evenkeel_cluster_unresolved",
        Kind::Gauge,
        "How many names, services and lists of its endpoints could not be looked up the last time.",
    );
    for cluster in snapshot.clusters() {
        let unknown = failing.of(cluster).len() as u64;
        text.sample(&[("cluster", &cluster.config.name)], unknown);
    }
    for (name, help, of) in OF_PHASES {
        text.family(name, Kind::Histogram, help);
        for cluster in snapshot.clusters() {
            let mut counts = Counts::default();
            for times in cluster.state.times.made() {
                of(times).add_to(&mut counts);
            }
            text.histogram(
                &[("cluster", &cluster.config.name)],
                &Buckets::from(&counts),
            );
        }
    }
}
