//! What was simulated, in words.

use std::time::Duration;

use evenkeel_config::model::Cluster;

use crate::plot::axis::short;
use crate::record::Outcome;
use crate::scenario::{Asks, Clients, Discipline, Failure, FailureKind, Group, Rate, Scenario};
use crate::table::milliseconds;

/// Pairs of what and how.
pub(super) fn about(scenario: &Scenario, seed: u64, outcomes: &[Outcome]) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut say = |what: &str, how: String| out.push((what.to_owned(), how));
    let nodes = match scenario.endpoints_per_node {
        0 => format!("{}, each with all endpoints", scenario.nodes),
        some => format!("{}, each with {some} of the endpoints", scenario.nodes),
    };
    say("nodes", nodes);
    for group in &scenario.endpoints {
        say(&format!("endpoints {}", group.name), endpoints(group));
    }
    for one in &scenario.clients {
        say(&format!("clients {}", one.name), clients(one, scenario));
    }
    say("rules", rules(&scenario.cluster));
    let mut network = format!("{} each way", milliseconds(scenario.network.delay));
    if !scenario.network.jitter.is_zero() {
        network += &format!(" and up to {} more", milliseconds(scenario.network.jitter));
    }
    say("network", network);
    let warm_up = time(scenario.warm_up);
    say(
        "time",
        format!(
            "{}, the first {warm_up} not counted",
            time(scenario.duration)
        ),
    );
    let requests = outcomes.first().map_or(0, |one| one.requests);
    say("requests", format!("{requests} counted"));
    say("seed", seed.to_string());
    out
}

fn endpoints(group: &Group) -> String {
    let works = match group.discipline {
        Discipline::Shares => "shared by all its requests",
        Discipline::Queues => "one request each, the others wait",
    };
    let mut out = format!(
        "{} with {} cores {works}; a request takes {} of a core on average",
        group.count,
        short(group.cores),
        milliseconds(Duration::from_secs_f64(group.service.mean() / group.speed)),
    );
    if group.machine > group.cores {
        out += &format!("; on machines of {} cores", short(group.machine));
    }
    if let Some(others) = group.antagonist {
        out += &format!(
            ", of which others take {} to {} %, ± {} %, another part every {}",
            short(100.0 * others.least),
            short(100.0 * others.most),
            short(100.0 * others.swing),
            time(others.every)
        );
    }
    if let Some(cold) = group.cold {
        out += &format!("; cold, a request is {} times the work", short(cold.factor));
    }
    for failure in &group.failures {
        out += &format!("; {}", fails(failure));
    }
    out
}

fn fails(failure: &Failure) -> String {
    let what = match failure.kind {
        FailureKind::Refuse => "refuses connections".to_owned(),
        FailureKind::Freeze => "freezes".to_owned(),
        FailureKind::Error(part) => {
            format!("answers 503 to {} % of the requests", short(100.0 * part))
        }
        FailureKind::Slow(factor) => format!("is {} times as slow", short(factor)),
        FailureKind::Restart => "restarts".to_owned(),
    };
    let from = time(failure.at);
    let mut out = if failure.lasts == Duration::MAX {
        format!("{what} from {from} on")
    } else {
        format!("{what} at {from} for {}", time(failure.lasts))
    };
    if !failure.stagger.is_zero() {
        out += &format!(", each {} after the one before", time(failure.stagger));
    }
    out
}

fn clients(clients: &Clients, scenario: &Scenario) -> String {
    let mut out = match &clients.asks {
        Asks::Open { rate, steps } => {
            let rate = match rate {
                Rate::Load(part) => format!(
                    "requests for {} % of what the endpoints are allocated, {} a second",
                    short(100.0 * part),
                    short(rate.per_second(scenario.capacity()).round())
                ),
                Rate::PerSecond(rate) => format!("{} requests a second", short(*rate)),
            };
            let step = |one: &crate::scenario::Step| {
                format!(
                    "; from {} on {} times that",
                    time(one.at),
                    short(one.factor)
                )
            };
            rate + &steps.iter().map(step).collect::<String>()
        }
        Asks::Closed { clients, .. } => format!("{clients} that ask again when they were answered"),
    };
    if clients.timeout < Duration::MAX {
        out += &format!("; they give up after {}", time(clients.timeout));
    }
    if clients.keys.count > 0 {
        out += &format!(
            "; {} keys, skew {}",
            clients.keys.count,
            short(clients.keys.skew)
        );
    }
    out
}

fn rules(cluster: &Cluster) -> String {
    let on = |is: bool| if is { "on" } else { "off" };
    let has_limits = !cluster.limits.is_off();
    format!(
        "{} more attempts; ejections {}; limits {}; probes {}",
        cluster.retry.attempts,
        on(cluster.outlier.consecutive_faults > 0),
        on(has_limits),
        on(cluster.probe.rules().is_some()),
    )
}

/// A time as people write it.
pub(super) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds >= 1.0 {
        format!("{} s", short(seconds))
    } else {
        milliseconds(time)
    }
}
