//! What a client that may ask is told of how its request was dealt with: one field of the response.
//!
//! It is made of what the record has by then. What would become of other requests, and why, `evenkeel explain` says.

use std::fmt::Write as _;

use evenkeel_base::{Known, Network, RequestView};
use evenkeel_policy::Failure;
use evenkeel_state::ClusterSnapshot;
use evenkeel_state::decide::{Client, request_id, sticky};

use crate::attempted::Fate;
use crate::record::Record;
use crate::scene::Scene;

/// The field, in the request and in the response.
pub(crate) const NAME: &[u8] = b"X-Evenkeel-Explain";

/// The longest value; what would make it longer is left out.
const LONGEST: usize = 1_024;

/// The longest text in it.
const LONGEST_TEXT: usize = 128;

/// So many attempts that failed are told of.
const TRIED: usize = 8;

/// Whether the request asks, and its client may.
#[cold]
pub(crate) fn is_asked(to: &[Network], request: &RequestView<'_>, client: Client) -> bool {
    let asks = request.known(Known::XEvenkeelExplain) == Some(b"1");
    // An empty list of those who may would be everybody.
    asks && !to.is_empty() && client.may(to, &[])
}

/// What is told of it; none: nothing is.
#[inline]
pub(crate) fn of<'r>(
    scene: &Scene<'_>,
    request: impl FnOnce() -> RequestView<'r>,
    record: &Record,
) -> Option<String> {
    // The view is not made for nothing: nearly nobody asks.
    record.explains.then(|| explain(scene, &request(), record))
}

#[cold]
fn explain(scene: &Scene<'_>, request: &RequestView<'_>, record: &Record) -> String {
    let mut told = Told::default();
    told.text("listener", &scene.listener.name);
    let routes = &scene.snapshot.config.routes;
    if let Some(route) = record.route.and_then(|id| routes.get(id.index())) {
        told.text("route", &route.name);
    }
    let cluster = record
        .endpoint
        .and_then(|(id, at)| Some((scene.snapshot.cluster(id)?, at)));
    if let Some((cluster, at)) = cluster {
        told.text("cluster", &cluster.config.name);
        told.text("endpoint", id(cluster, at));
        let client = Client {
            ip: record.client,
            behind_proxy: false,
        };
        let (_, key) = sticky::who_picks(cluster, request, client);
        let claim = sticky::claim(cluster, request);
        told.text(
            "pick",
            match (claim.is_some_and(|own| own.at == at), key) {
                (true, _) => "own",
                (false, Some(_)) => "key",
                (false, None) => cluster.config.balancer.kind().name(),
            },
        );
        told.number("attempts", record.attempts);
        let failed = record.tried.iter().take(TRIED);
        let failed: Vec<String> = failed
            .map(|one| format!("{} {}", id(cluster, one.endpoint), fate(one.fate)))
            .collect();
        if !failed.is_empty() {
            told.text("tried", &failed.join(", "));
        }
    }
    if let Some(fault) = record.fault {
        told.text("fault", fault.name());
    }
    if let Some(detail) = record.detail {
        told.text("detail", detail);
    }
    let request_id = request_id::kept(request).unwrap_or(&record.made_id);
    told.text("request_id", &String::from_utf8_lossy(request_id));
    if let Some(trace) = record.trace {
        let digits = trace.context.trace.digits();
        told.text("trace_id", &String::from_utf8_lossy(&digits));
    }
    told.0
}

fn id(cluster: &ClusterSnapshot, at: usize) -> &str {
    cluster.endpoints.list.get(at).map_or("?", |one| &*one.id)
}

/// What became of an attempt, in one word.
pub(super) fn fate(fate: Fate) -> String {
    match fate {
        Fate::Failed(Failure::Fault(fault)) | Fate::Cut(_, fault) => fault.name().to_owned(),
        Fate::Failed(Failure::Status(status)) | Fate::Answered(status) => status.to_string(),
        Fate::Failed(Failure::Grpc(status)) => status.name().to_owned(),
        Fate::Cancelled => "cancelled".to_owned(),
    }
}

/// A dictionary of RFC 9651: `route="api", attempts=1`.
#[derive(Default)]
struct Told(String);

impl Told {
    fn text(&mut self, name: &str, value: &str) {
        let mut quoted = String::from("\"");
        for one in value.chars().take(LONGEST_TEXT) {
            match one {
                '"' | '\\' => quoted.extend(['\\', one]),
                ' '..='~' => quoted.push(one),
                // Strings of structured fields are ASCII (§3.3.3).
                _ => quoted.push('?'),
            }
        }
        quoted.push('"');
        self.put(name, &quoted);
    }

    fn number(&mut self, name: &str, value: u16) {
        self.put(name, &value.to_string());
    }

    /// Writing to a string does not fail.
    fn put(&mut self, name: &str, value: &str) {
        let between = if self.0.is_empty() { "" } else { ", " };
        if self.0.len() + between.len() + name.len() + 1 + value.len() <= LONGEST {
            let _ = write!(self.0, "{between}{name}={value}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig;

    fn asks(fields: &str, to: &[&str], ip: Option<&str>) -> bool {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let head = rig::parse(bytes.as_bytes()).unwrap();
        let to: Vec<Network> = to.iter().map(|one| Network::parse(one).unwrap()).collect();
        let client = Client {
            ip: ip.map(|ip| ip.parse().unwrap()),
            behind_proxy: false,
        };
        is_asked(&to, &head.view(bytes.as_bytes()), client)
    }

    #[test]
    fn only_who_may_and_asks_is_told() {
        let field = "x-evenkeel-explain: 1\r\n";
        for (fields, to, ip, expected) in [
            (field, vec!["10.0.0.0/8"], Some("10.1.1.1"), true),
            (field, vec!["::1", "10.0.0.0/8"], Some("10.1.1.1"), true),
            (field, vec!["10.0.0.0/8"], Some("11.1.1.1"), false),
            (field, vec!["10.0.0.0/8"], None, false),
            (
                "X-Evenkeel-Explain: 0\r\n",
                vec!["10.0.0.0/8"],
                Some("10.1.1.1"),
                false,
            ),
            (
                "X-Evenkeel-Explain:\r\n",
                vec!["10.0.0.0/8"],
                Some("10.1.1.1"),
                false,
            ),
            ("", vec!["10.0.0.0/8"], Some("10.1.1.1"), false),
            (field, vec![], Some("10.1.1.1"), false),
        ] {
            assert_eq!(asks(fields, &to, ip), expected, "{fields} {to:?} {ip:?}");
        }
    }

    #[test]
    fn no_name_breaks_out_of_its_quotes_and_nothing_is_longer_than_it_may_be() {
        let mut told = Told::default();
        told.text("route", "a\"b\\c\r\nd\u{fc}");
        told.number("attempts", 2);
        assert_eq!(told.0, "route=\"a\\\"b\\\\c??d?\", attempts=2");
        for _ in 0..20 {
            told.text("long", &"x".repeat(10_000));
        }
        assert!(told.0.len() <= LONGEST, "{}", told.0.len());
        told.number("last", 1);
        assert!(
            told.0.ends_with("last=1"),
            "what is short still fits: {}",
            told.0
        );
    }
}
