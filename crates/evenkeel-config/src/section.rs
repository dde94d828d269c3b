//! The tables of the file: for each its knobs, and how it becomes a part of the checked configuration and text again.

pub(crate) mod access_log;
pub(crate) mod action;
pub(crate) mod admin;
pub(crate) mod cluster;
pub(crate) mod edits;
pub(crate) mod listener;
pub(crate) mod matching;
pub(crate) mod resolver;
pub(crate) mod retry;
pub(crate) mod route;
pub(crate) mod top;
pub(crate) mod trace;

use std::collections::HashMap;
use std::time::Duration;

use crate::knob::Section;
use crate::raw::{At, Cx};
use crate::value::Bounds;

/// Every table, in the order of the manual.
pub(crate) static ALL: [&Section; 39] = [
    &top::TOP,
    &top::LOG,
    &access_log::ACCESS_LOG,
    &trace::TRACE,
    &resolver::RESOLVER,
    &admin::ADMIN,
    &admin::TLS,
    &listener::LISTENER,
    &listener::http2::HTTP2,
    &listener::tls::TLS,
    &listener::tls::CERTIFICATE_OF,
    &listener::client::CLIENT,
    &listener::client::HEADERS,
    &route::ROUTE,
    &action::redirect::REDIRECT,
    &action::respond::RESPOND,
    &edits::EDITS,
    &action::error_page::ERROR_PAGE,
    &route::retry::RETRY,
    &route::rate_limit::RATE_LIMIT,
    &route::mirror::MIRROR,
    &cluster::CLUSTER,
    &cluster::balancer::BALANCER,
    &cluster::tls::TLS,
    &cluster::sticky::STICKY,
    &cluster::endpoint::ENDPOINT,
    &cluster::retry::RETRY,
    &retry::hedge::HEDGE,
    &cluster::probe::PROBE,
    &cluster::probe::http::HTTP,
    &cluster::probe::grpc::GRPC,
    &cluster::probe::tcp::TCP,
    &cluster::outlier::OUTLIER,
    &cluster::limits::LIMITS,
    &cluster::http2::HTTP2,
    &cluster::limits::adaptive::ADAPTIVE,
    &cluster::limits::queue::QUEUE,
    &matching::path::PATH,
    &matching::condition::CONDITION,
];

/// Where a key belongs that was found in a table that does not have it.
pub(crate) fn home_of(key: &str) -> Option<String> {
    let homes: Vec<String> = ALL
        .iter()
        .filter(|section| section.knobs.iter().any(|knob| knob.key() == key))
        .map(|section| {
            if section.name.is_empty() {
                "at the top of the file, above the first [table]".to_owned()
            } else {
                section.title()
            }
        })
        .collect();
    (!homes.is_empty()).then(|| format!("`{key}` stands {}", homes.join(" or ")))
}

/// The bounds of a timeout: zero would be over before it begins, and longer than a month is a slip.
pub(crate) const TIMEOUT: Option<Bounds<Duration>> = Some(Bounds {
    least: Duration::from_millis(1),
    greatest: Duration::from_hours(1000),
});

/// Reports a name that cannot stand in logs and commands.
pub fn check_name(name: &At<&str>, cx: &mut Cx<'_>) {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let text = name.value;
    if text.is_empty() || text.len() > 64 || !text.bytes().all(plain) {
        cx.error(name.span.clone(), format!("\"{text}\" cannot be a name"))
            .help("a name has 1 to 64 letters, digits, `-`, `_` and `.`");
    }
}

/// Names that others refer to, in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) all: Vec<At<String>>,
    positions: HashMap<String, u32>,
}

impl Names {
    pub(crate) fn add(&mut self, name: &At<&str>) {
        let position = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.positions.insert(name.value.to_owned(), position);
        self.all.push(At {
            value: name.value.to_owned(),
            span: name.span.clone(),
        });
    }
}

/// The position of the thing called so, or a report with the nearest name.
pub(crate) fn resolve(
    what: &str,
    wanted: &At<String>,
    names: &Names,
    cx: &mut Cx<'_>,
) -> Option<u32> {
    if let Some(position) = names.positions.get(&wanted.value) {
        return Some(*position);
    }
    if cx.may_be_hidden() {
        return None;
    }
    let near = crate::spelling::nearest(&wanted.value, names.all.iter().map(|n| n.value.as_str()));
    let help = match (near, names.all.is_empty()) {
        (Some(near), _) => format!("did you mean \"{near}\"?"),
        (None, true) => format!("add a [{what}.{}]", crate::value::text::key(&wanted.value)),
        (None, false) => {
            let all: Vec<&str> = names
                .all
                .iter()
                .take(20)
                .map(|n| n.value.as_str())
                .collect();
            format!("there are: {}", all.join(", "))
        }
    };
    cx.error(
        wanted.span.clone(),
        format!("there is no {what} \"{}\"", wanted.value),
    )
    .help(help);
    None
}
