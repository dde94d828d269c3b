//! What a start prints: listeners, routes and clusters in a few aligned lines, on stderr.

use std::fmt::Write as _;
use std::io::Write as _;

use evenkeel_config::model::{Action, Bind, Config, Route};
use evenkeel_net::Listener;

/// At most so many lines of one kind; the rest is counted.
const MOST_LINES: usize = 12;

/// Writes a line for people. When stderr is gone there is nobody to tell.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// The lines that tell what listens where and what goes whither.
pub(crate) fn table(config: &Config, bound: &[Listener], workers: usize) -> String {
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
        let mut endpoints: Vec<String> = cluster
            .endpoints
            .iter()
            .map(|one| one.address.to_string())
            .collect();
        let more = endpoints.len().saturating_sub(4);
        endpoints.truncate(4);
        let tls = match cluster.tls.rules() {
            None => "",
            Some(rules) if rules.verify => ", TLS",
            Some(_) => ", TLS UNVERIFIED",
        };
        let balancer = cluster.balancer.kind();
        let mut text = format!("{balancer}{tls}: {}", endpoints.join(", "));
        if more > 0 {
            let _ = write!(text, " and {more} more");
        }
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
