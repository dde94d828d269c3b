//! Which request asks for what: one line for each page.

use evenkeel_state::command::Command;

use crate::{order, percent};

/// What a request asks for.
#[derive(Debug)]
pub(crate) enum Page {
    /// Everything there is to see.
    Status,
    /// What happened of late.
    Events,
    /// Every number that is counted.
    Metrics,
    /// Whether the process runs.
    Live,
    /// Whether it takes traffic.
    Ready,
    /// To do something; the body says the rest.
    Order(Ordering),
}

/// How an order is read: from the names in the path and the body.
type Ordering = fn(&[String], &[u8]) -> Result<Command, String>;

/// A line of the table: `*` stands for a name.
type Line = (&'static str, &'static str, Page);

static TABLE: [Line; 11] = [
    ("GET", "/live", Page::Live),
    ("GET", "/ready", Page::Ready),
    ("GET", "/metrics", Page::Metrics),
    ("GET", "/api/v1/events", Page::Events),
    ("GET", "/api/v1/status", Page::Status),
    (
        "POST",
        "/api/v1/reload",
        Page::Order(|_, body| order::reload(body)),
    ),
    (
        "POST",
        "/api/v1/rollback",
        Page::Order(|_, _| Ok(Command::Rollback)),
    ),
    (
        "POST",
        "/api/v1/drain",
        Page::Order(|_, _| Ok(Command::Drain)),
    ),
    (
        "POST",
        "/api/v1/stop",
        Page::Order(|_, _| Ok(Command::Stop)),
    ),
    (
        "POST",
        "/api/v1/upgrade",
        Page::Order(|_, body| order::upgrade(body)),
    ),
    (
        "POST",
        "/api/v1/clusters/*/endpoints/*",
        Page::Order(|names, body| match names {
            [cluster, endpoint] => order::endpoint(cluster, endpoint, body),
            _ => Err("a cluster and an endpoint are needed".to_owned()),
        }),
    ),
];

/// What came of looking into the table.
#[derive(Debug)]
pub(crate) enum Found {
    /// The page, with the names in its path.
    Page(&'static Page, Vec<String>),
    /// It is asked for by another method.
    Method(&'static str),
    /// There is none.
    Nothing,
}

/// Looks a request up.
pub(crate) fn find(method: &str, path: &str) -> Found {
    let mut found = Found::Nothing;
    for (of, pattern, page) in &TABLE {
        if let Some(names) = names(pattern, path) {
            // Whoever asks for the head gets what GET gives, without its body.
            if *of == method || (*of == "GET" && method == "HEAD") {
                return Found::Page(page, names);
            }
            found = Found::Method(of);
        }
    }
    found
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
            ("GET /live", "Live []"),
            ("HEAD /ready", "Ready []"),
            ("GET /api/v1/status", "Status []"),
            ("GET /metrics", "Metrics []"),
            ("GET /api/v1/events", "Events []"),
            ("POST /api/v1/stop", "Stop []"),
            (
                "POST /api/v1/clusters/a/endpoints/x:1%2F10.0.0.1",
                "Order [\"a\", \"x:1/10.0.0.1\"]",
            ),
            ("POST /live", "by GET"),
            ("GET /api/v1/stop", "by POST"),
            ("HEAD /api/v1/stop", "by POST"),
            ("GET /", "nothing"),
            ("GET /live/", "nothing"),
            ("GET /LIVE", "nothing"),
            ("POST /api/v1/clusters//endpoints/x", "nothing"),
            ("POST /api/v1/clusters/a/endpoints/x/y", "nothing"),
            ("POST /api/v1/clusters/a/endpoints/%zz", "nothing"),
        ] {
            let (method, path) = request.split_once(' ').unwrap();
            let seen = match find(method, path) {
                Found::Page(Page::Order(read), names) => match read(&names, b"") {
                    Ok(command) => format!("{command:?} {names:?}"),
                    Err(_) => format!("Order {names:?}"),
                },
                Found::Page(page, names) => format!("{page:?} {names:?}"),
                Found::Method(method) => format!("by {method}"),
                Found::Nothing => "nothing".to_owned(),
            };
            assert_eq!(seen, expected, "{request}");
        }
    }
}
