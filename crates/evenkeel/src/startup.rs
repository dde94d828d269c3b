//! What a start says on stderr: listeners, routes and clusters in a few aligned lines, or a JSON object for each where the log has that
//! form. Whatever its level is: a start that is not told of cannot be waited for.

use std::fmt::Write as _;
use std::io::Write as _;

use evenkeel_config::model::{Action, Bind, Cluster, Config, LogFormat, OperatorLog, Route};
use evenkeel_net::Listener;
use tracing::{callsite, subscriber};

use crate::operator_log;

/// At most so many lines of one kind; the rest is counted.
const MOST_LINES: usize = 12;

/// Writes a line for people. When stderr is gone there is nobody to tell.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Says what belongs to a start, in the form of the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Teller(LogFormat);

impl Teller {
    /// For people.
    pub(crate) const TEXT: Self = Self(LogFormat::Text);

    /// As this log is written.
    pub(crate) const fn of(log: &OperatorLog) -> Self {
        Self(log.format)
    }

    /// Whether who reads it takes nothing but JSON.
    pub(crate) fn is_json(self) -> bool {
        self.0 == LogFormat::Json
    }

    /// Says it as text for people, or as what `event` says to the log.
    pub(crate) fn tell(self, text: impl FnOnce() -> String, event: impl FnOnce()) {
        match self.0 {
            LogFormat::Text => say(text().trim_end()),
            LogFormat::Json => {
                subscriber::with_default(operator_log::all_as_json(), event);
                // It is gone: nobody asks it any more what it wants to hear.
                callsite::rebuild_interest_cache();
            }
        }
    }

    /// Says what listens where and what goes whither.
    pub(crate) fn tell_start(self, config: &Config, bound: &[Listener], workers: usize) {
        self.tell(
            || table(config, bound, workers),
            || events(config, bound, workers),
        );
    }
}

/// The same as the table, each line with its fields.
fn events(config: &Config, bound: &[Listener], workers: usize) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        workers,
        listeners = config.listeners.len(),
        routes = config.routes.len(),
        clusters = config.clusters.len(),
        "starting"
    );
    for (listener, bound) in config.listeners.iter().zip(bound) {
        let (address, tls) = (bound.address(), listener.tls.is_some());
        tracing::info!(listener = listener.name, address, tls, "listening");
    }
    for route in config.routes.iter().take(MOST_LINES) {
        let does = describe(route, config);
        tracing::info!(route = route.name, does, "route");
    }
    for cluster in config.clusters.iter().take(MOST_LINES) {
        let balancer = cluster.balancer.kind().to_string();
        tracing::info!(
            cluster = cluster.name,
            balancer,
            tls = tls_of(cluster),
            endpoints = endpoints_of(cluster),
            "cluster"
        );
    }
}

/// The lines that tell what listens where and what goes whither.
fn table(config: &Config, bound: &[Listener], workers: usize) -> String {
    let listeners = config.listeners.iter().zip(bound);
    let listeners: Vec<[String; 3]> = listeners
        .map(|(listener, bound)| {
            let scheme = match (&listener.bind, &listener.tls) {
                (Bind::Ip(_), None) => "http://",
                (Bind::Ip(_), Some(_)) => "https://",
                (Bind::Unix(_), _) => "",
            };
            [
                "listener".into(),
                listener.name.clone(),
                format!("{scheme}{}", bound.address()),
            ]
        })
        .collect();
    let routes = config
        .routes
        .iter()
        .map(|route| ["route".into(), route.name.clone(), describe(route, config)]);
    let clusters = config.clusters.iter().map(|cluster| {
        let tls = match tls_of(cluster) {
            "off" => "",
            "verified" => ", TLS",
            _ => ", TLS UNVERIFIED",
        };
        let balancer = cluster.balancer.kind();
        let text = format!("{balancer}{tls}: {}", endpoints_of(cluster));
        ["cluster".into(), cluster.name.clone(), text]
    });
    let rows = [listeners, routes.collect(), clusters.collect()];
    let name_width = rows
        .iter()
        .flatten()
        .map(|row| row[1].chars().count())
        .max()
        .unwrap_or(0)
        .min(32);
    let plural = if workers == 1 { "" } else { "s" };
    let mut out = format!(
        "evenkeel {} with {workers} worker{plural}\n",
        env!("CARGO_PKG_VERSION")
    );
    for kind in &rows {
        for [word, name, text] in kind.iter().take(MOST_LINES) {
            let _ = writeln!(out, "  {word:<8}  {name:<name_width$}  {text}");
        }
        if let (Some([word, ..]), more @ 1..) =
            (kind.first(), kind.len().saturating_sub(MOST_LINES))
        {
            let _ = writeln!(out, "  {word:<8}  and {more} more");
        }
    }
    out
}

/// Whether its endpoints are spoken to by TLS.
fn tls_of(cluster: &Cluster) -> &'static str {
    match cluster.tls.rules() {
        None => "off",
        Some(rules) if rules.verify => "verified",
        Some(_) => "unverified",
    }
}

/// Its endpoints: the first, and how many more.
fn endpoints_of(cluster: &Cluster) -> String {
    const MOST: usize = 4;
    let all = &cluster.endpoints;
    let first: Vec<String> = all
        .iter()
        .take(MOST)
        .map(|one| one.address.to_string())
        .collect();
    let mut text = first.join(", ");
    if let more @ 1.. = all.len().saturating_sub(MOST) {
        let _ = write!(text, " and {more} more");
    }
    text
}

fn describe(route: &Route, config: &Config) -> String {
    let hosts: Vec<String> = route
        .matching
        .hosts
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut text = format!("{}{}", hosts.join(","), route.matching.path);
    let conditions =
        route.matching.headers.len() + route.matching.query.len() + route.matching.methods.len();
    if conditions > 0 {
        text.push_str(" …");
    }
    text.push_str(" -> ");
    match &route.action {
        Action::Forward { split, .. } => {
            let names: Vec<&str> = split
                .clusters()
                .map(|id| {
                    let cluster = config.clusters.get(id.index());
                    cluster.map_or("?", |cluster| cluster.name.as_str())
                })
                .collect();
            text.push_str(&names.join(", "));
        }
        Action::Redirect(redirect) => {
            let _ = write!(text, "redirect {}", redirect.status);
        }
        Action::Respond(respond) => {
            let _ = write!(text, "respond {}", respond.status);
        }
    }
    text
}
