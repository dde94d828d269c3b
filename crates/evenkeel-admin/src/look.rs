//! A look at the process: from snapshot and counters to what the API shows.

pub(crate) mod lists;
pub(crate) mod snapshot;

use std::process;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use evenkeel_config::model::{self, Listener, ListenerCertificate};
use evenkeel_policy::Candidate;
use evenkeel_state::counters::Counter;
use evenkeel_state::life::Told;
use evenkeel_state::{
    ClusterSnapshot, Endpoint, Failing, ListenerState, Snapshot, Sought, WorkerCounters,
};

use crate::Office;
use crate::view;

/// Everything that `GET /api/v1/status` shows.
pub(crate) fn status(office: &Office) -> view::Status {
    let snapshot = office.publisher.current();
    let told = office.life.told();
    let now_ms = office.publisher.millis(Instant::now());
    let sum = |of: fn(&WorkerCounters) -> &Counter| {
        let counters = office.counters.iter();
        counters.map(|counters| of(counters).read()).sum()
    };
    view::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: process::id(),
        uptime: office.life.uptime().as_secs(),
        state: told.stage.name().to_owned(),
        generation: snapshot.generation,
        workers: office.counters.len(),
        connections: sum(|counters| &counters.connections),
        active: in_flight(&snapshot),
        requests: sum(|counters| &counters.exchanges),
        access_records_lost: sum(|counters| &counters.log_dropped),
        config: config(told),
        certificates_out_of_time: out_of_time(&snapshot.config),
        listeners: listeners(&snapshot),
        clusters: snapshot
            .clusters()
            .iter()
            .map(|one| cluster(one, office.publisher.failing(), now_ms))
            .collect(),
    }
}

/// Requests that are under way to endpoints.
pub(crate) fn in_flight(snapshot: &Snapshot) -> u64 {
    let lists = snapshot.clusters().iter();
    let endpoints = lists.flat_map(|cluster| &cluster.endpoints.list);
    endpoints.map(|one| u64::from(one.state.in_flight())).sum()
}

pub(crate) fn config(told: Told) -> view::Config {
    let failure = |failed: Option<(SystemTime, String)>| {
        failed.map(|(at, text)| view::Failure {
            at: seconds(at),
            text,
        })
    };
    let left = |until: Instant| until.saturating_duration_since(Instant::now()).as_secs();
    view::Config {
        file: told.file.map(|path| path.display().to_string()),
        loaded_at: seconds(told.loaded),
        error: failure(told.failed),
        rolled_back: failure(told.went_back),
        certificates_error: failure(told.certificates),
        trial_left: told.trial.map(left),
    }
}

fn listeners(snapshot: &Snapshot) -> Vec<view::Listener> {
    let configured = snapshot.config.listeners.iter();
    let pairs = configured.zip(snapshot.listeners());
    pairs
        .map(|(config, state)| listener(config, state))
        .collect()
}

/// A listener.
pub(crate) fn listener(config: &Listener, state: &ListenerState) -> view::Listener {
    view::Listener {
        name: config.name.clone(),
        address: address(config, state),
        certificates: config
            .tls
            .iter()
            .flat_map(|tls| &tls.certificates)
            .map(certificate)
            .collect(),
    }
}

/// Where a listener is bound; as it is configured until it is.
pub(crate) fn address(config: &Listener, state: &ListenerState) -> String {
    let known = state.address();
    known.unwrap_or_else(|| config.bind.to_string())
}

fn certificate(one: &ListenerCertificate) -> view::Certificate {
    const DAY: i64 = 86_400;
    let certificate = one.identity.certificate();
    let now = i64::try_from(seconds(SystemTime::now())).unwrap_or(i64::MAX);
    view::Certificate {
        file: one.certificate.display().to_string(),
        hosts: certificate.hosts.clone(),
        fingerprint: certificate.fingerprint.clone(),
        expires_at: certificate.not_after,
        days_left: (certificate.not_after - now).div_euclid(DAY),
    }
}

fn out_of_time(config: &model::Config) -> Vec<view::OutOfTime> {
    let now = i64::try_from(seconds(SystemTime::now())).unwrap_or(i64::MAX);
    let pairs = config.pairs();
    let bad = pairs.filter(|pair| !pair.identity.certificate().is_in_time(now));
    bad.map(|pair| view::OutOfTime {
        of: pair.holder.to_string(),
        file: pair.certificate.display().to_string(),
        valid_from: pair.identity.certificate().not_before,
        expires_at: pair.identity.certificate().not_after,
    })
    .collect()
}

fn cluster(cluster: &ClusterSnapshot, failing: &Failing, now_ms: u64) -> view::Cluster {
    let list = cluster.endpoints.list.iter();
    view::Cluster {
        name: cluster.config.name.clone(),
        balancer: cluster.config.balancer.kind().to_string(),
        panicking: cluster.state.is_panicking(),
        tls: tls(&cluster.config),
        endpoints: list.map(|one| endpoint(one, now_ms)).collect(),
        unresolved: unresolved(cluster, failing),
    }
}

/// What of a cluster's endpoints is not found.
pub(crate) fn unresolved(cluster: &ClusterSnapshot, failing: &Failing) -> Vec<view::Unresolved> {
    let unknown = failing.of(cluster).into_iter();
    unknown
        .map(|one| view::Unresolved {
            name: match &one.sought {
                Sought::Name(host, port) => format!("{host}:{port}"),
                other => other.to_string(),
            },
            since: one.failure.as_ref().map(|failure| seconds(failure.since)),
            reason: one.failure.map_or_else(
                || "nobody has answered yet".to_owned(),
                |failure| failure.why,
            ),
        })
        .collect()
}

/// How connections to a cluster's endpoints are made safe, in a word; none: they are plain.
pub(crate) fn tls(cluster: &model::Cluster) -> Option<String> {
    let rules = cluster.tls.rules()?;
    let word = if rules.verify {
        "verified"
    } else {
        "unverified"
    };
    Some(word.to_owned())
}

/// An endpoint.
pub(crate) fn endpoint(endpoint: &Endpoint, now_ms: u64) -> view::Endpoint {
    let Endpoint { state, ordered, .. } = endpoint;
    let standing = &state.standing;
    let reading = state.reading(0);
    let ejection = state.outlier.ejection(standing, now_ms);
    view::Endpoint {
        id: endpoint.id.to_string(),
        address: endpoint.target.to_string(),
        weight: endpoint.weight,
        admin: endpoint.admin.name().to_owned(),
        configured: view::Configured {
            weight: endpoint.configured_weight,
            admin: endpoint.configured_admin.name().to_owned(),
        },
        ordered: (!ordered.is_nothing()).then(|| view::Ordered {
            weight: ordered.weight,
            admin: ordered.admin.map(|admin| admin.name().to_owned()),
        }),
        added: endpoint.is_added,
        health: standing.health().name().to_owned(),
        probe: state.probes.results().pop().map(|last| view::Probe {
            at: seconds(last.at),
            good: last.good,
            reason: last.reason,
        }),
        phase: standing.phase().name().to_owned(),
        ejection: ejection.map(|(cause, left)| view::Ejection {
            cause: cause.name().to_owned(),
            left: left.as_secs_f64(),
        }),
        share: endpoint.share(),
        in_flight: state.in_flight(),
        connections: state.connections(),
        requests: reading.requests,
        faults: reading.faults,
    }
}

/// Down to where evenkeel's own log is written.
pub(crate) fn log(office: &Office) -> view::Log {
    let logged = office.life.told().logged;
    let until = logged.ordered.and_then(|(_, until)| until);
    view::Log {
        level: logged.level().name().to_owned(),
        configured: logged.configured.name().to_owned(),
        ordered: logged.ordered.map(|(level, _)| level.name().to_owned()),
        left: until.map(|until| until.saturating_duration_since(Instant::now()).as_secs()),
    }
}

/// What happened after that event.
pub(crate) fn events(office: &Office, after: u64) -> view::Events {
    let events = office.events.after(after);
    view::Events {
        last: office.events.last(),
        events: events
            .into_iter()
            .map(|event| view::Event {
                number: event.number,
                at_ms: millis(event.at),
                severity: event.severity.name().to_owned(),
                text: event.text,
                fields: event
                    .fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
            })
            .collect(),
    }
}

/// Milliseconds since 1970.
pub(crate) fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds since 1970.
pub(crate) fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
