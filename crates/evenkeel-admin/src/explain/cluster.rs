//! The cluster that a request goes to: who picks, among whom, and who it would be.

use std::collections::HashSet;

use evenkeel_base::rules::{BalancerRules, HashRules, HashTable, KeyPart};
use evenkeel_base::{Address, Fault, Rng};
use evenkeel_config::model::{Route, UpstreamProtocol, UpstreamTls};
use evenkeel_http1::RequestBody;
use evenkeel_policy::{Tiers, Tried, Wanted};
use evenkeel_state::decide::again::{Again, Body};
use evenkeel_state::decide::pick::{self, Nowhere};
use evenkeel_state::decide::sticky;
use evenkeel_state::{ClusterSnapshot, Sticky};

use super::chance::{SAMPLES, SEED, part};
use super::key::parts;
use super::split::Chosen;
use super::{Asked, endpoint, message, nothing, terms};
use crate::view::explain as view;

/// So many endpoints are told of.
const ENDPOINTS: usize = 100;

/// Who would get the first attempt.
pub(super) struct Picked {
    /// Its name in the view.
    kind: &'static str,
    /// The one, or the next in a rotation; none: it depends, or nobody.
    pub(super) at: Option<usize>,
    why: String,
    /// How often each was picked in the rehearsal.
    hits: Vec<u32>,
    fault: Option<Fault>,
}

/// Tells of the cluster, what its endpoint is sent, and what is in force meanwhile.
pub(super) fn tell(of: &Asked<'_>, route: &Route, chosen: Chosen, told: &mut view::Explanation) {
    let snapshot = of.sight.snapshot;
    let Some(cluster) = snapshot.cluster(chosen.cluster) else {
        told.verdict = of.refused(Fault::Internal, None);
        return;
    };
    let body = match of.request.body {
        RequestBody::Empty => Body::None,
        RequestBody::Known(n) => Body::Known(n),
        RequestBody::Chunked => Body::Unknown,
    };
    let idempotent = of.view.method().is_idempotent();
    let again = Again::of(&route.retry, &cluster.config, (idempotent, of.call), body);
    let (tiers, key) = sticky::who_picks(cluster, &of.view, of.client);
    let tried = Tried::new();
    let wanted = pick::wanted(cluster, tiers, key, &tried, || of.sight.now_us);
    let picked = pick(of, cluster, (tiers, wanted), again.repeatable);
    told.verdict = verdict(of, cluster, &picked, chosen.certain);
    let certain = picked.at.or_else(|| likeliest(&picked.hits));
    (told.request, told.response) = message::tell(of, route, cluster, (certain, picked.at));
    told.terms
        .extend(terms::of_route(of, route, cluster, again));
    told.cluster = Some(shown(of, cluster, wanted, &picked));
}

fn verdict(
    of: &Asked<'_>,
    cluster: &ClusterSnapshot,
    picked: &Picked,
    certain: bool,
) -> view::Verdict {
    if let Some(fault) = picked.fault {
        return view::Verdict {
            cluster: Some(cluster.config.name.clone()),
            ..of.refused(fault, None)
        };
    }
    let name = &cluster.config.name;
    let endpoint = picked.at.and_then(|at| cluster.endpoints.list.get(at));
    let whether = if certain {
        ""
    } else {
        ", if the rotation between the clusters stays where it is"
    };
    let text = match endpoint {
        Some(one) => format!(
            "sent to {} of cluster {name}: {}{whether}",
            one.id, picked.why
        ),
        None => format!("sent to cluster {name}: {}{whether}", picked.why),
    };
    view::Verdict {
        kind: "forwarded".to_owned(),
        text,
        cluster: Some(name.clone()),
        endpoint: endpoint.map(|one| one.id.to_string()),
        ..nothing()
    }
}

/// Picks as the data plane would. Where a pick turns something, a copy of it is turned.
fn pick(
    of: &Asked<'_>,
    cluster: &ClusterSnapshot,
    (tiers, wanted): (&Tiers, Wanted<'_>),
    repeatable: bool,
) -> Picked {
    let (set, state) = (&cluster.endpoints, &cluster.state);
    let count = set.list.len();
    let claim = sticky::claim(cluster, &of.view).map(|claim| claim.at);
    let found = |kind, at, why: String, hits| Picked {
        kind,
        at,
        why,
        hits,
        fault: None,
    };
    if !state.limits.may_pass() || !state.limits.has_room() {
        return queued(cluster, vec![0; count]);
    }
    let mut rng = Rng::new(SEED);
    let keeps = |rng: &mut Rng| pick::own(set, claim, wanted, repeatable, rng);
    if let Some(own) = claim.filter(|_| (0..SAMPLES).all(|_| keeps(&mut rng).is_some())) {
        let mut hits = vec![0; count];
        hits[own] = SAMPLES;
        return found(
            "own",
            Some(own),
            "the client's cookie names it".to_owned(),
            hits,
        );
    }
    let by_key = wanted.key.is_some();
    let rehearsal = (!by_key).then(|| pick::rehearsal(cluster, of.sight.now_us));
    let who = rehearsal.as_ref().unwrap_or(tiers);
    let (mut first, mut hits) = (None, vec![0; count]);
    for _ in 0..SAMPLES {
        let others = |rng: &mut Rng| pick::pick(cluster, who, wanted, repeatable, rng);
        let Some(at) = keeps(&mut rng).or_else(|| others(&mut rng)) else {
            break;
        };
        first = first.or(Some(at));
        hits[at] += 1;
    }
    let Some(first) = first else {
        return match pick::none_picked(cluster, wanted.tried) {
            Nowhere::Full => queued(cluster, hits),
            Nowhere::Again | Nowhere::Nobody => Picked {
                kind: "nobody",
                at: None,
                why: "no endpoint has a weight, so that none may be tried".to_owned(),
                hits,
                fault: Some(Fault::NoEndpoint),
            },
        };
    };
    let lost = claim.map_or_else(String::new, |at| {
        let id = set.list.get(at).map_or("?", |one| &*one.id);
        format!("the client's cookie names {id}, which does not take it; ")
    });
    let alone = hits.iter().filter(|hits| **hits > 0).count() == 1;
    let (kind, at, why) = how(of, cluster, (by_key, alone), first);
    found(kind, at, format!("{lost}{why}"), hits)
}

/// How the pick is made, who it is if that can be said, and why.
fn how(
    of: &Asked<'_>,
    cluster: &ClusterSnapshot,
    (by_key, alone): (bool, bool),
    first: usize,
) -> (&'static str, Option<usize>, String) {
    let candidates = cluster.endpoints.list.len();
    if by_key {
        let parts = parts(of, key_parts(cluster)).join(", ");
        let why = if alone {
            format!("by {parts}: the same goes to the same endpoint")
        } else {
            format!("by {parts}; an endpoint in slow start has a part of its keys")
        };
        return ("key", alone.then_some(first), why);
    }
    match &cluster.config.balancer {
        _ if alone && candidates == 1 => ("only", Some(first), "the only endpoint".to_owned()),
        BalancerRules::FirstAvailable => (
            "first",
            Some(first),
            "the first that takes requests".to_owned(),
        ),
        BalancerRules::RoundRobin if !alone => {
            let why = "next in the rotation, if no other request comes first";
            ("turn", Some(first), why.to_owned())
        }
        _ if alone => (
            "only",
            Some(first),
            "no other would be picked now".to_owned(),
        ),
        BalancerRules::Prequal(_) => {
            let why = "what endpoints said of their load of late decides; the chances are those without it";
            ("chance", None, why.to_owned())
        }
        BalancerRules::Hash(_) => {
            let why = "the request has nothing that is hashed: by chance, by weight";
            ("chance", None, why.to_owned())
        }
        rules => ("chance", None, format!("by {}", rules.kind().name())),
    }
}

/// It waits for a place, or is turned away.
fn queued(cluster: &ClusterSnapshot, hits: Vec<u32>) -> Picked {
    let rules = &cluster.config.limits.queue;
    let waiting = cluster.state.limits.room.len();
    let full = waiting >= rules.size;
    let timeout = evenkeel_base::unit::format_duration(rules.timeout);
    Picked {
        kind: "queue",
        at: None,
        why: if full {
            format!(
                "all is at its limit, and {waiting} of {} wait already",
                rules.size
            )
        } else {
            format!(
                "all is at its limit: it waits in the queue, behind {waiting}, for {timeout} at most"
            )
        },
        hits,
        fault: full.then_some(Fault::QueueFull),
    }
}

fn likeliest(hits: &[u32]) -> Option<usize> {
    let most = hits.iter().max().filter(|most| **most > 0)?;
    hits.iter().position(|hits| hits == most)
}

/// What requests of a cluster are told apart by.
fn key_parts(cluster: &ClusterSnapshot) -> &[KeyPart] {
    match &cluster.endpoints.sticky {
        Sticky::Hashed(hashed) => &hashed.key,
        Sticky::Off | Sticky::Cookie(_) => cluster.config.balancer.key(),
    }
}

fn shown(
    of: &Asked<'_>,
    cluster: &ClusterSnapshot,
    wanted: Wanted<'_>,
    picked: &Picked,
) -> view::Cluster {
    let config = &cluster.config;
    let list = &cluster.endpoints.list;
    // Ranked before anything is told of them: of thousands, most are not.
    let mut ranked: Vec<usize> = (0..list.len()).collect();
    ranked.sort_by_cached_key(|at| {
        let is_candidate = endpoint::is_candidate(cluster, wanted, *at);
        (picked.at != Some(*at), !is_candidate)
    });
    let left_out = ranked.len().saturating_sub(ENDPOINTS);
    let endpoints = ranked
        .into_iter()
        .take(ENDPOINTS)
        .map(|at| {
            let mut one = endpoint::tell(of, cluster, wanted, at);
            one.chance = part(picked.hits.get(at).copied().unwrap_or_default(), SAMPLES);
            one.next = picked.at == Some(at);
            one
        })
        .collect();
    let hashed = matches!(cluster.endpoints.sticky, Sticky::Hashed(_)) && wanted.key.is_some();
    let kind = if hashed {
        BalancerRules::Hash(HashRules::of(HashTable::Rendezvous)).kind()
    } else {
        config.balancer.kind()
    };
    view::Cluster {
        name: config.name.clone(),
        balancer: kind.name().to_owned(),
        about: if hashed {
            "`sticky` by key: the same key goes to the same endpoint".to_owned()
        } else {
            kind.about().to_owned()
        },
        key: parts(of, key_parts(cluster)),
        panicking: cluster.state.is_panicking(),
        tiers: cluster
            .endpoints
            .tiers
            .several()
            .map(|tier| view::Tier {
                number: tier.number(),
                elsewhere: tier.is_elsewhere(),
                endpoints: tier.endpoints.len(),
                keeps: tier.keeps,
            })
            .collect(),
        endpoints,
        endpoints_left_out: left_out,
        absent: absent(cluster),
        pick: picked.kind.to_owned(),
        why: picked.why.clone(),
        protocol: protocol(cluster).to_owned(),
    }
}

fn protocol(cluster: &ClusterSnapshot) -> &'static str {
    match (cluster.config.protocol, &cluster.config.tls) {
        (UpstreamProtocol::Auto, UpstreamTls::On(_)) => {
            "HTTP/2 or HTTP/1.1, as the endpoint chooses, over TLS"
        }
        (UpstreamProtocol::Http2, UpstreamTls::On(_)) => "HTTP/2 over TLS",
        (UpstreamProtocol::Http1, UpstreamTls::On(_)) => "HTTP/1.1 over TLS",
        (UpstreamProtocol::Http2, UpstreamTls::Off) => "HTTP/2 without TLS",
        (UpstreamProtocol::Auto | UpstreamProtocol::Http1, UpstreamTls::Off) => "HTTP/1.1",
    }
}

/// Configured endpoints of which none is in the list.
fn absent(cluster: &ClusterSnapshot) -> Vec<String> {
    let mut listed = HashSet::new();
    for one in &cluster.endpoints.list {
        // Itself, and what it may be an address of.
        listed.insert(&*one.id);
        listed.extend(one.id.match_indices('/').map(|(at, _)| &one.id[..at]));
    }
    let all = cluster.config.endpoints.iter();
    all.filter(|one| !listed.contains(one.id.as_str()))
        .take(ENDPOINTS)
        .map(|one| match &one.address {
            Address::Ip(_) | Address::Unix(_) => format!("{}: not in this node's subset", one.id),
            Address::Name { .. } => format!(
                "{}: its name leads to no address, or not into this node's subset",
                one.id
            ),
            Address::Service(_) => {
                format!("{}: its service has no places, as far as is known", one.id)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use evenkeel_config::{Nowhere, check};
    use evenkeel_policy::overload::Level;
    use evenkeel_state::{Registry, Resolved};

    use super::*;
    use crate::explain::{Sight, explain};

    fn told(endpoints: &str) -> view::Cluster {
        let text = format!(
            "version = 1\n[listener.a]\nbind = \":80\"\n[[route]]\ncluster = \"c\"\n[cluster.c]\nendpoints = [{endpoints}]\n"
        );
        let config = check(&text, "test", &Nowhere).config.unwrap();
        let mut resolved = Resolved::new();
        let addresses = ["10.9.0.1:1", "10.9.0.2:1"].map(|one| one.parse().unwrap());
        resolved.insert(("x.test".to_owned(), 1), addresses.to_vec());
        let snapshot = Registry::new(1, &[0; 32]).compile(config, &resolved, 1);
        let sight = Sight {
            snapshot: &snapshot,
            now_us: 0,
            level: Level::Normal,
            live: true,
        };
        let ask = view::Ask {
            url: "http://a.test/".to_owned(),
            ..view::Ask::default()
        };
        explain(sight, &ask).unwrap().cluster.unwrap()
    }

    #[test]
    fn of_thousands_those_are_told_that_may_be_picked() {
        let drained = |n: u32| {
            format!(
                "{{ address = \"10.0.{}.{}:1\", admin = \"drain\" }}, ",
                n / 250,
                n % 250
            )
        };
        let all: String = (0..3_000).map(drained).collect();
        let cluster = told(&format!("{all} \"10.1.0.1:1\""));
        let first = &cluster.endpoints[0];
        assert_eq!(
            (&*first.id, first.next, first.candidate),
            ("10.1.0.1:1", true, true)
        );
        let ids = cluster.endpoints[1..].iter().map(|one| &*one.id);
        assert!(
            ids.eq((0..99).map(|n| format!("10.0.0.{n}:1"))),
            "in their order"
        );
        assert_eq!(cluster.endpoints_left_out, 3_001 - ENDPOINTS);
    }

    #[test]
    fn those_are_absent_whose_names_lead_nowhere() {
        let all =
            "\"x.test:1\", \"x.test:12\", { address = \"y.test:1\", id = \"x\" }, \"10.0.0.1:1\"";
        let cluster = told(all);
        assert_eq!(cluster.endpoints.len(), 3);
        let absent = cluster
            .absent
            .iter()
            .map(|one| one.split(": ").next().unwrap());
        assert_eq!(absent.collect::<Vec<_>>(), ["x.test:12", "x"]);
    }
}
