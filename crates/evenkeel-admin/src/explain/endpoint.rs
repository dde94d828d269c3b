//! One endpoint as a request meets it: whether it may be picked, and why or why not.

use std::time::{Duration, SystemTime};

use evenkeel_base::rules::AdminState;
use evenkeel_policy::{Candidate, Health, Phase, Standing, Wanted};
use evenkeel_state::{ClusterSnapshot, Endpoint, ProbeLog, ProbeResult, Sticky};

use super::{Asked, rough};
use crate::view::explain as view;

/// Whether the endpoint at that position may be picked.
pub(super) fn is_candidate(cluster: &ClusterSnapshot, wanted: Wanted<'_>, at: usize) -> bool {
    let list = &cluster.endpoints.list;
    // What an endpoint must have to be picked is what it must have to keep a client, and a weight.
    list[at].weight() > 0 && wanted.keeps(list, at)
}

/// Tells of the endpoint at that position.
pub(super) fn tell(
    of: &Asked<'_>,
    cluster: &ClusterSnapshot,
    wanted: Wanted<'_>,
    at: usize,
) -> view::Endpoint {
    let one = &cluster.endpoints.list[at];
    let candidate = is_candidate(cluster, wanted, at);
    view::Endpoint {
        id: one.id.to_string(),
        address: if of.sight.live {
            one.target.to_string()
        } else {
            one.authority.to_string()
        },
        candidate,
        why: why(of, cluster, one, candidate),
        chance: 0.0,
        next: false,
        tier: one.rank / 2,
        weight: one.weight,
        share: one.share(),
        in_flight: one.state.in_flight(),
    }
}

fn why(of: &Asked<'_>, cluster: &ClusterSnapshot, one: &Endpoint, candidate: bool) -> String {
    let state = &one.state;
    let mut all = Vec::new();
    match one.admin {
        AdminState::Maint => all.push(format!("in maintenance {}", by_whom(one))),
        AdminState::Drain => {
            let own = matches!(cluster.endpoints.sticky, Sticky::Cookie(_));
            let own = if own {
                "; it keeps the clients it has"
            } else {
                ""
            };
            all.push(format!("draining {}{own}", by_whom(one)));
        }
        AdminState::Ready if one.weight == 0 => {
            all.push(format!("weight 0 {}", by_weight(one)));
        }
        AdminState::Ready => {}
    }
    if !of.sight.live {
        return if all.is_empty() {
            "taken to be well".to_owned()
        } else {
            all.join("; ")
        };
    }
    let standing = &state.standing;
    match standing.health() {
        Health::Down => all.push(down(&state.probes.results())),
        Health::Waiting => all.push("its first probe has no result yet".to_owned()),
        Health::Unprobed | Health::Up => {}
    }
    match standing.phase() {
        Phase::Ejected => {
            let ejection = state.outlier.ejection(standing, of.sight.now_us / 1_000);
            all.push(ejection.map_or_else(
                || "ejected".to_owned(),
                |(cause, left)| format!("ejected for {} ({} more)", cause.name(), rough(left)),
            ));
        }
        Phase::Trial => all.push("on trial after an ejection".to_owned()),
        Phase::Admitting => {}
    }
    if !state.has_room() {
        let (taken, most) = (state.in_flight(), state.limit());
        all.push(format!(
            "at its limit, {taken} of {most} requests in flight"
        ));
    }
    if standing.ramp() < Standing::FULL && standing.health().admits() {
        all.push(format!(
            "in slow start, at {} % of its share",
            standing.ramp() / 10
        ));
    }
    if all.is_empty() {
        return match standing.health() {
            Health::Up => "up",
            _ => "not probed, and nothing is known against it",
        }
        .to_owned();
    }
    if candidate && one.share() == 0 {
        all.push("taken all the same: too few admit (panic)".to_owned());
    }
    all.join("; ")
}

/// Who put it where it is.
fn by_whom(one: &Endpoint) -> &'static str {
    if one.ordered.admin.is_some() {
        "by order"
    } else {
        "by the configuration"
    }
}

fn by_weight(one: &Endpoint) -> &'static str {
    if one.ordered.weight.is_some() {
        "by order"
    } else {
        "by the configuration"
    }
}

/// Since when, and what the last probe saw.
fn down(results: &[ProbeResult]) -> String {
    let bad = results.iter().rev().take_while(|one| !one.good);
    let (count, since) = bad.fold((0, None), |(count, _), one| (count + 1, Some(one)));
    let Some((last, since)) = results.last().zip(since) else {
        return "down".to_owned();
    };
    let ago = SystemTime::now().duration_since(since.at);
    let ago = rough(Duration::from_secs(ago.unwrap_or_default().as_secs()));
    let at_least = if count >= ProbeLog::LIMIT {
        "at least "
    } else {
        ""
    };
    format!("down: {} (probes fail for {at_least}{ago})", last.reason)
}
