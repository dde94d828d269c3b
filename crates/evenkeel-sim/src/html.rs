//! Outcomes as a page: one file without anything from elsewhere, for people who want to see what happened and to show it to others.
//!
//! It says what was simulated, puts the balancers side by side in a table, and has a plot of each view with its numbers beside it,
//! so that it can be read without seeing the plots. Colors follow what the reader's system asks for; on a phone tables and plots
//! scroll sideways in their boxes. The same outcomes give the same bytes.

mod about;
mod part;

use std::time::Duration;

use part::{Table, figure, list};

use crate::figures::{asked, errors, load, over_time, quantiles, spread};
use crate::plot::{self, escape};
use crate::record::{Outcome, Sample};
use crate::scenario::Scenario;
use crate::table::{HEAD, failures, milliseconds, row};

/// A table over time has about so many rows.
const ROWS: usize = 20;

/// A table of endpoints has at most so many.
const MOST_ENDPOINTS: usize = 200;

/// The page.
#[must_use]
pub fn html(scenario: &Scenario, seed: u64, outcomes: &[Outcome]) -> String {
    let name = escape(&scenario.name);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{name} - evenkeel simulate</title>\n\
         <style>\n{}{}</style>\n</head>\n<body>\n<main>\n<h1>{name}</h1>\n",
        include_str!("html/page.css"),
        plot::STYLE
    );
    for paragraph in scenario.about.trim().split("\nLook at:").enumerate() {
        let (at, text) = paragraph;
        let lead = if at == 0 {
            ""
        } else {
            "<strong>Look at:</strong>"
        };
        out += &format!("<p>{lead}{}</p>\n", with_code(text));
    }
    out += &result(outcomes);
    out += "<h2>What was simulated</h2>\n";
    out += &list(&about::about(scenario, seed, outcomes));
    out += &command(scenario, seed, outcomes);
    out += &figures(outcomes);
    out += "<p class=\"note\">Made by <code>evenkeel simulate</code>: real policies, modelled endpoints and clients.</p>\n\
            </main>\n</body>\n</html>\n";
    out
}

/// The table that a terminal shows, and what failed.
fn result(outcomes: &[Outcome]) -> String {
    let table = Table {
        caption:
            "Balancers side by side. A percentile is \"failed\" when that many requests failed."
                .to_owned(),
        head: HEAD.map(str::to_owned).to_vec(),
        rows: outcomes.iter().map(row).collect(),
    };
    let failed = failures(outcomes);
    let mut out = format!("<h2>Result</h2>\n{}", table.html());
    if !failed.is_empty() {
        out += &format!(
            "<details><summary>Why requests failed</summary><pre>{}</pre></details>\n",
            escape(failed.trim())
        );
    }
    out
}

/// Text in which what stands in backticks is code.
fn with_code(text: &str) -> String {
    let escaped = escape(text);
    let mut out = String::with_capacity(escaped.len());
    for (at, part) in escaped.split('`').enumerate() {
        match at {
            0 => {}
            _ if at % 2 == 1 => out += "<code>",
            _ => out += "</code>",
        }
        out += part;
    }
    if escaped.matches('`').count() % 2 == 1 {
        out += "</code>";
    }
    out
}

/// How to get the same again.
fn command(scenario: &Scenario, seed: u64, outcomes: &[Outcome]) -> String {
    let names: Vec<&str> = outcomes.iter().map(|one| one.balancer.as_str()).collect();
    format!(
        "<pre>evenkeel simulate --scenario {} --compare {} --seed {seed} --html FILE</pre>\n",
        escape(&scenario.name),
        escape(&names.join(","))
    )
}

fn figures(outcomes: &[Outcome]) -> String {
    let p50: fn(&Sample) -> Option<Duration> = |sample| sample.p50;
    let p99: fn(&Sample) -> Option<Duration> = |sample| sample.p99;
    let failed = |sample: &Sample| {
        let ended = (sample.answered + sample.failed).max(1);
        format!("{:.2} %", 100.0 * sample.failed as f64 / ended as f64)
    };
    let mut out = figure("latency", &quantiles(outcomes), &[quantile_table(outcomes)]);
    for (id, name, of) in [("p50", "p50", p50), ("p99", "p99", p99)] {
        let cell = |sample: &Sample| of(sample).map_or_else(|| "failed".to_owned(), milliseconds);
        let numbers = [timed(name, outcomes, cell)];
        out += &figure(id, &over_time(name, outcomes, of), &numbers);
    }
    match errors(outcomes) {
        Some(plot) => out += &figure("errors", &plot, &[timed("Errors", outcomes, failed)]),
        None => out += "<h2 id=\"errors\">Errors over time</h2>\n<p>No request failed.</p>\n",
    }
    out += &figure("spread", &spread(outcomes), &[endpoint_table(outcomes)]);
    out += "<h2 id=\"load\">Load over time</h2>\n<p class=\"note\">The allocation that endpoints used: all of them, those from the \
            tenth to the ninetieth of a hundred, and the median. The scale is the same for all.</p>\n";
    for (at, outcome) in outcomes.iter().enumerate() {
        let plot = load(outcome, outcomes);
        out += &format!(
            "<h3>{}</h3>\n<figure><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n{}</div></figure>\n",
            escape(&outcome.balancer),
            escape(&plot.title),
            plot.svg(&format!("load-{at}"), false)
        );
    }
    out
}

fn quantile_table(outcomes: &[Outcome]) -> Table {
    const SHARES: [(&str, f64); 9] = [
        ("10 %", 0.1),
        ("25 %", 0.25),
        ("50 %", 0.5),
        ("75 %", 0.75),
        ("90 %", 0.9),
        ("95 %", 0.95),
        ("99 %", 0.99),
        ("99.9 %", 0.999),
        ("99.99 %", 0.9999),
    ];
    let row = |(name, share): &(&str, f64)| {
        let cell = |one: &Outcome| {
            let latency = one.latency.quantile(*share);
            latency.map_or_else(|| "failed".to_owned(), milliseconds)
        };
        with_head(*name, outcomes.iter().map(cell))
    };
    Table {
        caption: "What so many of the requests did not exceed".to_owned(),
        head: head("share", outcomes),
        rows: SHARES.iter().map(row).collect(),
    }
}

/// A value over time for each balancer, in so few rows that they can be read.
fn timed(name: &str, outcomes: &[Outcome], cell: impl Fn(&Sample) -> String) -> Table {
    let lengths = outcomes.iter().map(|one| asked(one).count());
    let length = lengths.max().unwrap_or(0);
    let step = length.div_ceil(ROWS).max(1);
    let row = |at: usize| {
        let when = outcomes.iter().find_map(|one| one.series.get(at));
        let when = when.map_or(0.0, |sample| sample.at);
        let cells = outcomes.iter().map(|one| {
            let sample = one.series.get(at);
            sample.map_or_else(String::new, &cell)
        });
        with_head(format!("{when:.0} s"), cells)
    };
    Table {
        caption: format!("{name} over time, every {step} intervals"),
        head: head("until", outcomes),
        rows: (0..length).step_by(step).map(row).collect(),
    }
}

fn endpoint_table(outcomes: &[Outcome]) -> Table {
    let first = outcomes.first().map_or(&[][..], |one| &one.endpoints);
    let row = |(at, endpoint): (usize, &crate::record::EndpointOutcome)| {
        let cells = outcomes.iter().map(|one| {
            let used = one.endpoints.get(at).map_or(0.0, |one| one.utilization);
            format!("{:.1} %", 100.0 * used)
        });
        with_head(endpoint.id.clone(), cells)
    };
    let caption = if first.len() > MOST_ENDPOINTS {
        format!(
            "Used of the allocation: the first {MOST_ENDPOINTS} of {} endpoints",
            first.len()
        )
    } else {
        "Used of the allocation".to_owned()
    };
    Table {
        caption,
        head: head("endpoint", outcomes),
        rows: first
            .iter()
            .enumerate()
            .take(MOST_ENDPOINTS)
            .map(row)
            .collect(),
    }
}

fn head(first: &str, outcomes: &[Outcome]) -> Vec<String> {
    with_head(first, outcomes.iter().map(|one| one.balancer.clone()))
}

fn with_head(first: impl Into<String>, cells: impl Iterator<Item = String>) -> Vec<String> {
    std::iter::once(first.into()).chain(cells).collect()
}
