//! What lies over the table when it is asked for: all about one line, and what keys mean.

use std::collections::BTreeMap;

use evenkeel_admin::view::live::{Endpoint, Traffic};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line as Text;

use super::super::figures::{bytes, clean, latency, rate, span};
use super::super::screen::{Line, Screen};

const KEYS: [(&str, &str); 13] = [
    (
        "Up k, Down j",
        "another line; PageUp, PageDown, Home g, End G",
    ),
    ("Enter", "all about the line; Esc or Enter goes back"),
    (
        "d",
        "drain the endpoint: no new requests, what is under way is finished",
    ),
    ("m", "maint: no new requests, and no probes"),
    ("r", "ready: it takes requests again"),
    (
        "",
        "each asks; y does it. It stays over reloads, until `evenkeel endpoint reset`",
    ),
    ("Tab", "listeners and routes, or clusters and endpoints"),
    ("s", "sort: worst first, by name, by rate, by p99"),
    ("/", "filter by name, state or reason; Esc takes it away"),
    ("q", "quit"),
    (
        "marks",
        "- ordered or passing   ! wrong, but clients are served   X clients notice",
    ),
    ("ACTIVE", "requests under way; CONNS: connections"),
    (
        "P50, P99",
        "of clusters: whole exchanges; of endpoints: to the head of the response",
    ),
];

/// What keys mean.
pub(super) fn help() -> Vec<Text<'static>> {
    let keys = KEYS.iter();
    let lines = keys.map(|(key, what)| Text::raw(format!("  {key:<14}{what}")));
    std::iter::once(head("KEYS")).chain(lines).collect()
}

/// All about the chosen line.
pub(super) fn of(screen: &Screen, now_ms: u64) -> Vec<Text<'static>> {
    let lines = screen.lines();
    let Some(line) = lines.get(screen.chosen(&lines)) else {
        return Vec::new();
    };
    let (title, mut rows, traffic) = match line {
        Line::Listener(one) => (
            format!("LISTENER {}", one.name),
            vec![("address", one.address.clone())],
            &one.traffic,
        ),
        Line::Route(one) => (
            format!("ROUTE {}", one.name),
            vec![
                ("matches", one.matches.clone()),
                ("answers", one.answers.clone()),
            ],
            &one.traffic,
        ),
        Line::Cluster(one) => (
            format!("CLUSTER {}", one.name),
            vec![
                ("balancer", one.balancer.clone()),
                ("endpoints", states(&one.states)),
                ("queue", one.queue.to_string()),
                ("retries", format!("{}/s", rate(one.retries))),
            ],
            &one.traffic,
        ),
        Line::Endpoint(cluster, one) => (
            format!("ENDPOINT {}/{}", cluster.name, one.id),
            endpoint(one, now_ms),
            &one.traffic,
        ),
    };
    rows.extend(figures(traffic));
    let rows = rows.into_iter().filter(|(_, text)| !text.is_empty());
    let rows = rows.map(|(name, text)| Text::raw(format!("  {name:<14}{}", clean(&text))));
    std::iter::once(head(&title)).chain(rows).collect()
}

fn endpoint(one: &Endpoint, now_ms: u64) -> Vec<(&'static str, String)> {
    let limit = one
        .limit
        .map_or_else(String::new, |limit| format!(" of {limit}"));
    let added = if one.added { "by an operator" } else { "" };
    let ordered = one.ordered_weight.map_or("", |_| " (ordered)");
    vec![
        ("address", one.address.clone()),
        ("added", added.to_owned()),
        ("state", one.state.clone()),
        ("why", one.reason.clone()),
        (
            "since",
            one.since_ms.map_or_else(String::new, |since| {
                format!("{} ago", span(now_ms.saturating_sub(since)))
            }),
        ),
        (
            "admin state",
            format!("{} (configured: {})", one.admin, one.configured_admin),
        ),
        (
            "weight",
            format!("{}{ordered}, share {} of 1000", one.weight, one.share),
        ),
        (
            "under way",
            format!("{}{limit}, {} connections", one.in_flight, one.connections),
        ),
    ]
}

fn figures(traffic: &Traffic) -> Vec<(&'static str, String)> {
    let map = |map: &BTreeMap<String, f64>| {
        let parts = map.iter().map(|(name, n)| format!("{name} {}", rate(*n)));
        parts.collect::<Vec<_>>().join(", ")
    };
    vec![
        (
            "per second",
            format!("{:.1} requests, {:.1} failed", traffic.rate, traffic.errors),
        ),
        ("statuses", map(&traffic.responses)),
        ("faults", map(&traffic.faults)),
        (
            "payload",
            format!(
                "in {}, out {}",
                bytes(traffic.bytes_in),
                bytes(traffic.bytes_out)
            ),
        ),
        ("p50, p99", {
            let (p50, p99) = (latency(traffic.p50_us), latency(traffic.p99_us));
            if p50.is_empty() {
                p99
            } else {
                format!("{p50}, {p99}")
            }
        }),
    ]
}

fn states(states: &BTreeMap<String, usize>) -> String {
    let parts = states.iter().map(|(state, n)| format!("{n} {state}"));
    parts.collect::<Vec<_>>().join(", ")
}

fn head(text: &str) -> Text<'static> {
    let style = Style::default().add_modifier(Modifier::BOLD | Modifier::UNDERLINED);
    Text::styled(clean(text), style)
}
