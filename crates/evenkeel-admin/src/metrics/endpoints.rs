//! The families of endpoints: by far the most series, five thousand endpoints have a hundred each.

use evenkeel_base::rules::AdminState;
use evenkeel_base::{Fault, GrpcStatus};
use evenkeel_policy::{Candidate, Health, Phase};
use evenkeel_state::{Endpoint, EndpointCounters, Snapshot};

use crate::metrics::CLASSES;
use crate::metrics::text::{Buckets, Kind, Text};

/// A number of an endpoint: family, kind, what it says, what it is.
type OfEndpoint = (&'static str, Kind, &'static str, fn(&Endpoint) -> u64);

const OF_ENDPOINTS: [OfEndpoint; 10] = [
    (
        "evenkeel_endpoint_in_flight",
        Kind::Gauge,
        "Requests in flight to it.",
        |e| u64::from(e.state.in_flight()),
    ),
    (
        "evenkeel_endpoint_connections",
        Kind::Gauge,
        "Connections to it, idle ones included.",
        |e| u64::from(e.state.connections()),
    ),
    (
        "evenkeel_endpoint_weight",
        Kind::Gauge,
        "Its weight as it counts now.",
        |e| u64::from(e.weight),
    ),
    (
        "evenkeel_endpoint_share",
        Kind::Gauge,
        "How much of its part it gets, in thousandths.",
        |e| u64::from(e.share()),
    ),
    (
        "evenkeel_endpoint_attempts_total",
        Kind::Counter,
        "Attempts sent to it, second ones and hedges included.",
        |e| of_each(e, |c| c.attempts.read()),
    ),
    (
        "evenkeel_endpoint_connects_total",
        Kind::Counter,
        "Connections made to it.",
        |e| of_each(e, |c| c.connects.read()),
    ),
    (
        "evenkeel_endpoint_reuses_total",
        Kind::Counter,
        "Attempts that took an idle connection.",
        |e| of_each(e, |c| c.reuses.read()),
    ),
    (
        "evenkeel_endpoint_gateway_faults_total",
        Kind::Counter,
        "Attempts that count against it: faults of its own, and 502, 503 and 504.",
        |e| of_each(e, EndpointCounters::gateway_faults),
    ),
    (
        "evenkeel_endpoint_bytes_sent_total",
        Kind::Counter,
        "Payload bytes sent to it.",
        |e| of_each(e, |c| c.bytes_sent.read()),
    ),
    (
        "evenkeel_endpoint_bytes_received_total",
        Kind::Counter,
        "Payload bytes received from it.",
        |e| of_each(e, |c| c.bytes_received.read()),
    ),
];

fn of_each(endpoint: &Endpoint, of: impl Fn(&EndpointCounters) -> u64) -> u64 {
    endpoint.state.all_counters().iter().map(of).sum()
}

/// An endpoint with the labels that name it.
type Row<'a> = (&'a str, &'a Endpoint);

/// Writes the families of endpoints.
pub(super) fn write(text: &mut Text, snapshot: &Snapshot) {
    let clusters = snapshot.clusters().iter();
    let rows: Vec<Row<'_>> = clusters
        .flat_map(|cluster| {
            let name = cluster.config.name.as_str();
            cluster.endpoints.list.iter().map(move |one| (name, one))
        })
        .collect();
    for (name, kind, help, of) in OF_ENDPOINTS {
        text.family(name, kind, help);
        for (cluster, endpoint) in &rows {
            text.sample(
                &[("cluster", cluster), ("endpoint", &endpoint.id)],
                of(endpoint),
            );
        }
    }
    states(text, &rows);
    outcomes(text, &rows);
    text.family(
        "evenkeel_endpoint_response_seconds",
        Kind::Histogram,
        "From sending it a request to its response's head.",
    );
    for (cluster, endpoint) in &rows {
        let counts = endpoint.state.latencies();
        if counts.count() > 0 {
            text.histogram(
                &[("cluster", cluster), ("endpoint", &endpoint.id)],
                &Buckets::from(&counts),
            );
        }
    }
}

/// What an endpoint is, one series for each state there is: 1 where it is in it.
fn states(text: &mut Text, rows: &[Row<'_>]) {
    text.family(
        "evenkeel_endpoint_health",
        Kind::Gauge,
        "What its probes say: 1 at the state it is in.",
    );
    for (cluster, endpoint) in rows {
        for health in [Health::Unprobed, Health::Waiting, Health::Up, Health::Down] {
            let is = u8::from(endpoint.state.standing.health() == health);
            text.sample(
                &[
                    ("cluster", cluster),
                    ("endpoint", &endpoint.id),
                    ("health", health.name()),
                ],
                is,
            );
        }
    }
    text.family(
        "evenkeel_endpoint_phase",
        Kind::Gauge,
        "What traffic showed of it: 1 at the phase it is in.",
    );
    for (cluster, endpoint) in rows {
        for phase in [Phase::Admitting, Phase::Ejected, Phase::Trial] {
            let is = u8::from(endpoint.state.standing.phase() == phase);
            text.sample(
                &[
                    ("cluster", cluster),
                    ("endpoint", &endpoint.id),
                    ("phase", phase.name()),
                ],
                is,
            );
        }
    }
    text.family(
        "evenkeel_endpoint_admin",
        Kind::Gauge,
        "What operators ordered: 1 at the state it is in.",
    );
    for (cluster, endpoint) in rows {
        for admin in AdminState::ALL {
            let is = u8::from(endpoint.admin == admin);
            text.sample(
                &[
                    ("cluster", cluster),
                    ("endpoint", &endpoint.id),
                    ("admin", admin.name()),
                ],
                is,
            );
        }
    }
}

/// What its attempts came to.
fn outcomes(text: &mut Text, rows: &[Row<'_>]) {
    text.family(
        "evenkeel_endpoint_responses_total",
        Kind::Counter,
        "Its responses, by the class of their status.",
    );
    for (cluster, endpoint) in rows {
        for (place, class) in CLASSES.iter().enumerate() {
            let count = of_each(endpoint, |counters| counters.responses[place].read());
            text.sample(
                &[
                    ("cluster", cluster),
                    ("endpoint", &endpoint.id),
                    ("class", class),
                ],
                count,
            );
        }
    }
    text.family(
        "evenkeel_endpoint_faults_total",
        Kind::Counter,
        "Attempts at it that failed, by fault (docs/faults).",
    );
    for (cluster, endpoint) in rows {
        for fault in Fault::ALL {
            let count = of_each(endpoint, |counters| counters.faults(*fault));
            if count > 0 {
                text.sample(
                    &[
                        ("cluster", cluster),
                        ("endpoint", &endpoint.id),
                        ("fault", fault.name()),
                    ],
                    count,
                );
            }
        }
    }
    calls(text, rows);
}

/// How its calls of gRPC ended; a status that never came has no series.
fn calls(text: &mut Text, rows: &[Row<'_>]) {
    text.family(
        "evenkeel_endpoint_grpc_calls_total",
        Kind::Counter,
        "Its calls of gRPC that ended with a status, by that (docs/grpc.md).",
    );
    for (cluster, endpoint) in rows {
        for status in GrpcStatus::ALL {
            let count = of_each(endpoint, |counters| counters.calls(status));
            if count > 0 {
                text.sample(
                    &[
                        ("cluster", cluster),
                        ("endpoint", &endpoint.id),
                        ("status", status.name()),
                    ],
                    count,
                );
            }
        }
    }
}
