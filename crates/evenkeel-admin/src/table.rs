//! Which request asks for what: one line for each page.

use evenkeel_state::command::Command;

use crate::page::{
    Needs, Page, clusters, config, dashboard, endpoints, events, explain, fault, listeners, live,
    log, numbers, openapi, probe, routes, snapshot, status,
};
use crate::{order, percent};

/// A line of the table: method, path (`*` stands for a name), what is asked of whoever asks, the page.
type Line = (&'static str, &'static str, Needs, Page);

#[rustfmt::skip]
static TABLE: [Line; 29] = [
    ("GET", "/", Needs::Name, Page::Quick(dashboard::show)),
    ("GET", "/dashboard/*", Needs::Name, Page::Quick(dashboard::file)),
    ("GET", "/live", Needs::Nothing, Page::Quick(probe::live)),
    ("GET", "/ready", Needs::Nothing, Page::Quick(probe::ready)),
    ("GET", "/metrics", Needs::Read, Page::Slow(numbers::show)),
    ("GET", "/api/v1/events", Needs::Read, Page::Quick(events::show)),
    ("POST", "/api/v1/explain", Needs::Read, Page::Slow(explain::show)),
    ("GET", "/api/v1/faults/*", Needs::Read, Page::Quick(fault::show)),
    ("GET", "/api/v1/live", Needs::Read, Page::Quick(live::show)),
    ("GET", "/api/v1/status", Needs::Read, Page::Slow(status::show)),
    ("GET", "/api/v1/snapshot", Needs::Read, Page::Slow(snapshot::show)),
    ("GET", "/api/v1/config", Needs::Read, Page::Slow(config::show)),
    ("GET", "/api/v1/listeners", Needs::Read, Page::Slow(listeners::show)),
    ("GET", "/api/v1/routes", Needs::Read, Page::Slow(routes::show)),
    ("GET", "/api/v1/clusters", Needs::Read, Page::Slow(clusters::all)),
    ("GET", "/api/v1/clusters/*", Needs::Read, Page::Slow(clusters::one)),
    ("GET", "/api/v1/clusters/*/endpoints", Needs::Read, Page::Slow(endpoints::all)),
    ("GET", "/api/v1/clusters/*/endpoints/*", Needs::Read, Page::Slow(endpoints::one)),
    ("GET", "/api/v1/log", Needs::Read, Page::Quick(log::show)),
    ("GET", "/api/v1/openapi.json", Needs::Read, Page::Slow(openapi::show)),
    ("POST", "/api/v1/reload", Needs::Write, Page::Order(order::reload)),
    ("POST", "/api/v1/rollback", Needs::Write, Page::Order(|_, _| Ok(Command::Rollback))),
    ("POST", "/api/v1/drain", Needs::Write, Page::Order(|_, _| Ok(Command::Drain))),
    ("POST", "/api/v1/stop", Needs::Write, Page::Order(|_, _| Ok(Command::Stop))),
    ("POST", "/api/v1/upgrade", Needs::Write, Page::Order(order::upgrade)),
    ("POST", "/api/v1/log", Needs::Write, Page::Order(order::log)),
    ("POST", "/api/v1/clusters/*/endpoints", Needs::Write, Page::Order(order::add)),
    ("POST", "/api/v1/clusters/*/endpoints/*", Needs::Write, Page::Order(order::endpoint)),
    ("DELETE", "/api/v1/clusters/*/endpoints/*", Needs::Write, Page::Order(order::remove)),
];

/// What came of looking into the table.
#[derive(Debug)]
pub(crate) enum Found {
    /// The page, what it needs, and the names in its path.
    Page(Page, Needs, Vec<String>),
    /// It is asked for by these methods.
    Methods(String),
    /// There is none.
    Nothing,
}

/// Looks a request up.
pub(crate) fn find(method: &str, path: &str) -> Found {
    let mut methods = Vec::new();
    for (of, pattern, needs, page) in &TABLE {
        if let Some(names) = names(pattern, path) {
            // Whoever asks for the head gets what GET gives, without its body.
            if *of == method || (*of == "GET" && method == "HEAD") {
                return Found::Page(*page, *needs, names);
            }
            methods.push(*of);
        }
    }
    if methods.is_empty() {
        return Found::Nothing;
    }
    Found::Methods(methods.join(", "))
}

/// Every line: its method and its path.
#[cfg(test)]
pub(crate) fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.iter().map(|(method, path, ..)| (*method, *path))
}

/// What a line asks of whoever asks.
pub(crate) fn needs(method: &str, path: &str) -> Option<Needs> {
    let mut lines = TABLE.iter();
    let line = lines.find(|line| line.0 == method && line.1 == path);
    line.map(|(_, _, needs, _)| *needs)
}

/// The names in a path of that pattern.
fn names(pattern: &str, path: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut segments = path.split('/');
    for expected in pattern.split('/') {
        let segment = segments.next()?;
        if expected == "*" {
            names.push(percent::decode(segment).filter(|name| !name.is_empty())?);
        } else if expected != segment {
            return None;
        }
    }
    segments.next().is_none().then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_find_their_page() {
        for (request, expected) in [
            ("GET /live", "Nothing []"),
            ("HEAD /ready", "Nothing []"),
            ("GET /", "Name []"),
            ("GET /dashboard/style.css", "Name [\"style.css\"]"),
            ("GET /dashboard/", "nothing"),
            ("GET /api/v1/live", "Read []"),
            ("GET /api/v1/status", "Read []"),
            ("GET /metrics", "Read []"),
            ("GET /api/v1/events", "Read []"),
            ("POST /api/v1/stop", "Stop []"),
            (
                "POST /api/v1/clusters/a/endpoints/x:1%2F10.0.0.1",
                "Order [\"a\", \"x:1/10.0.0.1\"]",
            ),
            ("POST /live", "by GET"),
            ("GET /api/v1/stop", "by POST"),
            ("HEAD /api/v1/stop", "by POST"),
            ("OPTIONS /api/v1/stop", "by POST"),
            ("GET /live/", "nothing"),
            ("GET //live", "nothing"),
            ("GET /./live", "nothing"),
            ("GET /x/../live", "nothing"),
            ("GET /%6cive", "nothing"),
            ("GET /LIVE", "nothing"),
            ("GET *", "nothing"),
            ("get /live", "by GET"),
            ("POST /api/v1/clusters//endpoints/x", "nothing"),
            ("POST /api/v1/clusters/a/endpoints/x/y", "nothing"),
            ("POST /api/v1/clusters/a/endpoints/%zz", "nothing"),
        ] {
            let (method, path) = request.split_once(' ').unwrap();
            let seen = match find(method, path) {
                Found::Page(Page::Order(read), _, names) => match read(&names, b"") {
                    Ok(command) => format!("{command:?} {names:?}"),
                    Err(_) => format!("Order {names:?}"),
                },
                Found::Page(_, needs, names) => format!("{needs:?} {names:?}"),
                Found::Methods(methods) => format!("by {methods}"),
                Found::Nothing => "nothing".to_owned(),
            };
            assert_eq!(seen, expected, "{request}");
        }
    }

    #[test]
    fn whatever_changes_something_needs_leave_to() {
        for (method, path, needs, page) in &TABLE {
            let changes = *method != "GET" || matches!(page, Page::Order(_));
            // What is asked by POST because the question is long.
            let asks = ["/api/v1/explain"].contains(path);
            assert_eq!(changes && !asks, *needs == Needs::Write, "{method} {path}");
        }
    }
}
