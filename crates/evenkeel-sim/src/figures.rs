//! The figures of a report, made of outcomes: latency by quantile, latency and errors over time, load over endpoints.
//!
//! Those over time end when clients stop asking: what ends later is what was slow, and says nothing of that time.

use std::time::Duration;

use crate::chance;
use crate::plot::{Axis, Band, Line, Plot};
use crate::record::{Outcome, Sample};

/// Points of a latency curve for each nine.
const PER_NINE: u32 = 30;

/// The first of them: below, at 7 %, there is only what needed next to nothing.
const FIRST: u32 = 1;

/// Latency by the share of requests that took no longer. Where a line leaves at the top, the rest of the requests failed.
#[must_use]
pub fn quantiles(outcomes: &[Outcome]) -> Plot {
    let most = outcomes.iter().map(|one| one.requests).min().unwrap_or(0);
    let nines = match most {
        100_000.. => 4,
        10_000.. => 3,
        _ => 2,
    };
    let shares = || (FIRST..=nines * PER_NINE).map(share);
    let lines: Vec<Line> = named(outcomes, |outcome| {
        let point = |share| (share, outcome.latency.quantile(share).map(ms));
        let mut points = Vec::new();
        for (share, latency) in shares().map(point) {
            // The first that failed stands at the top edge.
            points.push(Some((share, latency.unwrap_or(f64::INFINITY))));
            if latency.is_none() {
                break;
            }
        }
        points
    });
    Plot {
        title: "Latency by quantile".to_owned(),
        about: "How long requests took, from the fastest to the slowest, failed ones last."
            .to_owned(),
        x: Axis::nines(
            "share of the requests that took no longer",
            share(nines * PER_NINE),
        ),
        y: latency_axis(&lines),
        bands: Vec::new(),
        lines,
        height: 340.0,
    }
}

/// A latency over time: `of` says which. One that stands at the top edge stands for requests that failed.
#[must_use]
pub fn over_time(name: &str, outcomes: &[Outcome], of: fn(&Sample) -> Option<Duration>) -> Plot {
    let lines: Vec<Line> = named(outcomes, |outcome| {
        let point = |sample: &Sample| {
            let ended = sample.answered + sample.failed;
            (ended > 0).then(|| (sample.at, of(sample).map_or(f64::INFINITY, ms)))
        };
        asked(outcome).map(point).collect()
    });
    Plot {
        title: format!("{name} over time"),
        about: format!(
            "{name} of the requests that ended in each interval, failed ones counted as endless."
        ),
        x: time_axis(outcomes),
        y: latency_axis(&lines),
        bands: Vec::new(),
        lines,
        height: 260.0,
    }
}

/// The part of the requests that failed, over time; none when none did.
#[must_use]
pub fn errors(outcomes: &[Outcome]) -> Option<Plot> {
    let lines: Vec<Line> = named(outcomes, |outcome| {
        let point = |sample: &Sample| {
            let ended = sample.answered + sample.failed;
            (ended > 0).then(|| (sample.at, 100.0 * sample.failed as f64 / ended as f64))
        };
        asked(outcome).map(point).collect()
    });
    let most = heights(&lines).fold(0.0, f64::max);
    (most > 0.0).then(|| Plot {
        title: "Errors over time".to_owned(),
        about: "The percentage of the requests that ended in each interval with a failure."
            .to_owned(),
        x: time_axis(outcomes),
        y: Axis::linear("requests that failed", 0.0, most.max(0.1), " %"),
        bands: Vec::new(),
        lines,
        height: 220.0,
    })
}

/// How much of its allocation each endpoint used, endpoints in order of that.
#[must_use]
pub fn spread(outcomes: &[Outcome]) -> Plot {
    let lines = named(outcomes, |outcome| {
        let all = outcome.endpoints.iter().map(|one| 100.0 * one.utilization);
        let mut all: Vec<f64> = all.collect();
        all.sort_by(|one, other| other.total_cmp(one));
        (1..)
            .zip(all)
            .map(|(at, used)| Some((f64::from(at), used)))
            .collect()
    });
    let endpoints = outcomes.first().map_or(0, |one| one.endpoints.len());
    let most = heights(&lines).fold(0.0, f64::max);
    Plot {
        title: "Load of the endpoints".to_owned(),
        about: "How much of its allocation each endpoint used on average, the busiest first."
            .to_owned(),
        x: Axis::linear(
            "endpoints, the busiest first",
            1.0,
            endpoints.max(2) as f64,
            "",
        ),
        y: Axis::linear("used of the allocation", 0.0, most, " %"),
        bands: Vec::new(),
        lines,
        height: 240.0,
    }
}

/// The load of all endpoints over time as bands, with the same scale for all outcomes.
#[must_use]
pub fn load(outcome: &Outcome, outcomes: &[Outcome]) -> Plot {
    let sorted: Vec<(f64, Vec<f64>)> = asked(outcome).map(|one| (one.at, in_order(one))).collect();
    let band = |name: &str, depth, low, high| Band {
        name: name.to_owned(),
        depth,
        points: sorted
            .iter()
            .map(|(at, all)| (*at, rank(all, low), rank(all, high)))
            .collect(),
    };
    let median = |(at, all): &(f64, Vec<f64>)| Some((*at, rank(all, 0.5)));
    let every = outcomes.iter().flat_map(asked);
    let most = every
        .map(|one| rank(&in_order(one), 1.0))
        .fold(0.0, f64::max);
    Plot {
        title: format!("Load over time with {}", outcome.balancer),
        about: "The allocation that endpoints used: from the least to the most used one, from the tenth to the ninetieth of a hundred, and the median.".to_owned(),
        x: time_axis(outcomes),
        y: Axis::linear("used of the allocation", 0.0, most, " %"),
        bands: vec![
            band("least to most", 0, 0.0, 1.0),
            band("10 % to 90 %", 1, 0.1, 0.9),
        ],
        lines: vec![Line {
            name: "median".to_owned(),
            style: 0,
            points: sorted.iter().map(median).collect(),
        }],
        height: 150.0,
    }
}

/// The series while clients asked.
pub fn asked(outcome: &Outcome) -> impl Iterator<Item = &Sample> {
    let end = outcome.asked_for.as_secs_f64() + 1e-3;
    outcome.series.iter().take_while(move |one| one.at <= end)
}

/// A line for each outcome.
fn named(outcomes: &[Outcome], points: impl Fn(&Outcome) -> Vec<Option<(f64, f64)>>) -> Vec<Line> {
    let line = |(style, outcome): (usize, &Outcome)| Line {
        name: outcome.balancer.clone(),
        style,
        points: points(outcome),
    };
    outcomes.iter().enumerate().map(line).collect()
}

fn heights(lines: &[Line]) -> impl Iterator<Item = f64> {
    let all = lines.iter().flat_map(|line| line.points.iter().flatten());
    all.map(|(_, height)| *height)
        .filter(|height| height.is_finite())
}

fn latency_axis(lines: &[Line]) -> Axis {
    let low = heights(lines).fold(f64::INFINITY, f64::min);
    let high = heights(lines).fold(0.0, f64::max);
    let low = if low.is_finite() { low } else { 1.0 };
    // What took next to nothing is not what such a plot is about: four decades are enough.
    Axis::milliseconds("latency", low.max(high / 1e4), high * 1.1)
}

fn time_axis(outcomes: &[Outcome]) -> Axis {
    let ends = outcomes.iter().filter_map(|one| asked(one).last());
    let end = ends.map(|sample| sample.at).fold(0.0, f64::max);
    Axis::linear("time", 0.0, end, " s")
}

fn in_order(sample: &Sample) -> Vec<f64> {
    let all = sample
        .utilization
        .iter()
        .map(|used| 100.0 * f64::from(*used));
    let mut all: Vec<f64> = all.collect();
    all.sort_by(f64::total_cmp);
    all
}

/// The value at that part of the way through a sorted list; 0 of an empty one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a list"
)]
fn rank(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1) as f64;
    sorted
        .get((last * part).round() as usize)
        .copied()
        .unwrap_or(0.0)
}

/// The share of requests at so many parts of a nine.
fn share(parts: u32) -> f64 {
    let nines = f64::from(parts) / f64::from(PER_NINE);
    1.0 - chance::exp(-nines * chance::ln(10.0))
}

fn ms(latency: Duration) -> f64 {
    latency.as_secs_f64() * 1e3
}
