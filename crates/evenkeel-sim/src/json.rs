//! Outcomes for programs: everything that was measured, in an order that never changes.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::record::{Outcome, Sample};
use crate::scenario::Scenario;

/// The percentiles that are written.
const PERCENTILES: [(&str, f64); 6] = [
    ("p50", 0.5),
    ("p75", 0.75),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p99.9", 0.999),
];

/// The outcomes as one document, with a newline at its end. Latencies are in milliseconds; one that is null stands for
/// requests that failed.
#[must_use]
pub fn json(scenario: &Scenario, seed: u64, outcomes: &[Outcome]) -> String {
    let all: Vec<Json> = outcomes.iter().map(outcome).collect();
    let document = json!({
        "scenario": scenario.name,
        "about": scenario.about,
        "seed": seed,
        "nodes": scenario.nodes,
        "endpoints": scenario.endpoint_count(),
        "outcomes": all,
    });
    format!("{document:#}\n")
}

fn outcome(outcome: &Outcome) -> Json {
    let latency = PERCENTILES.map(|(name, share)| (name, ms(outcome.latency.quantile(share))));
    let answered = PERCENTILES.map(|(name, share)| {
        let latency = outcome.latency.answered_quantile(share);
        (name, ms(latency))
    });
    let endpoints: Vec<Json> = outcome
        .endpoints
        .iter()
        .map(
            |one| json!({ "id": one.id, "utilization": one.utilization, "attempts": one.attempts }),
        )
        .collect();
    let series: Vec<Json> = outcome.series.iter().map(sample).collect();
    json!({
        "balancer": outcome.balancer,
        "requests": outcome.requests,
        "answered": outcome.latency.answered(),
        "failed": outcome.latency.failed(),
        "failures": outcome.failed,
        "error_rate": outcome.error_rate(),
        "attempts": outcome.attempts,
        "attempts_per_request": outcome.attempts_per_request(),
        "hedges": outcome.hedges,
        "ejections": outcome.ejections,
        "panics": outcome.panics,
        "mean_ms": ms(Some(outcome.latency.mean())),
        "latency_ms": Json::Object(latency.into_iter().map(named).collect()),
        "answered_latency_ms": Json::Object(answered.into_iter().map(named).collect()),
        "utilization": outcome.mean_utilization(),
        "busiest": outcome.busiest(),
        "variation": outcome.variation(),
        "seconds": outcome.asked_for.as_secs_f64(),
        "endpoints": endpoints,
        "interval_seconds": outcome.interval.as_secs_f64(),
        "series": series,
    })
}

fn sample(sample: &Sample) -> Json {
    json!({
        "at": sample.at,
        "requests": sample.requests,
        "answered": sample.answered,
        "failed": sample.failed,
        "attempts": sample.attempts,
        "p50_ms": ms(sample.p50),
        "p99_ms": ms(sample.p99),
        "utilization": sample.utilization,
        "in_flight": sample.in_flight,
    })
}

fn named((name, value): (&str, Json)) -> (String, Json) {
    (name.to_owned(), value)
}

fn ms(latency: Option<Duration>) -> Json {
    latency.map_or(Json::Null, |latency| (latency.as_secs_f64() * 1e3).into())
}
