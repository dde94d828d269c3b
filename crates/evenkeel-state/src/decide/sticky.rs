//! Clients that stay with their endpoint: who has a claim to which, and the cookie that says so.
//!
//! Whether an endpoint that is claimed will do for an attempt is the [pick](crate::decide::pick)'s business. The cookie passes on
//! to the endpoint as it came: taking it out would mean to write `Cookie` anew, with every request of every client.

use std::borrow::Cow;
use std::sync::Arc;

use crate::sticky::Cookie;
use crate::{ClusterSnapshot, Snapshot, Sticky};
use evenkeel_base::RequestView;
use evenkeel_base::rules::AdminState;
use evenkeel_policy::sticky::{MOST_TOKENS, tokens};
use evenkeel_policy::{Candidate, Tiers, Tried};

use crate::decide::client::Client;
use crate::decide::cookie::cookies;
use crate::decide::key::key;

/// So many tokens of a request are looked at; what stands behind them names nobody. We give no client more than a quarter of it in
/// one cookie, and a head has room for a thousand that somebody made up.
const LOOKED_AT: usize = 4 * MOST_TOKENS;

/// An endpoint that a client has a claim to.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// How many newer ones it has to endpoints of whatever cluster.
    pub age: usize,
    /// Which endpoint: a position in the cluster's list.
    pub at: usize,
}

/// The client's claim to an endpoint of the cluster: its cookie names it. Endpoints in maintenance are nobody's; those that drain
/// keep whom they have.
#[inline]
pub fn claim(cluster: &ClusterSnapshot, request: &RequestView<'_>) -> Option<Claim> {
    match &cluster.endpoints.sticky {
        Sticky::Cookie(cookie) => named(cluster, cookie, request),
        Sticky::Off | Sticky::Hashed(_) => None,
    }
}

/// Of several tokens the first that says anything: others may be of other clusters, left from elsewhere, or anybody's invention.
fn named(cluster: &ClusterSnapshot, cookie: &Cookie, request: &RequestView<'_>) -> Option<Claim> {
    let (age, at) = tokens_of(request, cookie)
        .enumerate()
        .find_map(|(age, token)| Some((age, cookie.endpoint(token)?)))?;
    let endpoint = cluster.endpoints.list.get(at)?;
    (endpoint.admin != AdminState::Maint).then_some(Claim { age, at })
}

/// What the request has as tokens under the cookie's name, as far as they are looked at.
fn tokens_of<'a>(request: &RequestView<'a>, cookie: &Cookie) -> impl Iterator<Item = &'a [u8]> {
    let all = cookies(request, cookie.name().as_bytes()).flat_map(tokens);
    all.take(LOOKED_AT)
}

/// Who picks for a request, and by which key: the hash that keeps clients, where the request has what is hashed, else the
/// cluster's balancer.
#[inline]
pub fn who_picks<'c>(
    cluster: &'c ClusterSnapshot,
    request: &RequestView<'_>,
    client: Client,
) -> (&'c Tiers, Option<u64>) {
    if let Sticky::Hashed(hashed) = &cluster.endpoints.sticky
        && let Some(found) = key(&hashed.key, request, client)
    {
        return (&hashed.tiers, Some(found));
    }
    let found = key(cluster.config.balancer.key(), request, client);
    (&cluster.endpoints.tiers, found)
}

/// The cookie that goes to the client with a response of the endpoint at `at`. It has a claim to `own` and has tried these; none
/// when it has nothing new to learn.
#[inline]
pub fn due<'c>(
    cluster: &'c ClusterSnapshot,
    at: usize,
    own: Option<usize>,
    tried: &Tried,
) -> Option<&'c Cookie> {
    match &cluster.endpoints.sticky {
        Sticky::Cookie(cookie) if own != Some(at) && !is_away(cluster, own, tried) => Some(cookie),
        Sticky::Cookie(_) | Sticky::Off | Sticky::Hashed(_) => None,
    }
}

/// What `Set-Cookie` says, when it is due. What the client has from other clusters under this name stays in it, as far as one of them
/// knows it.
#[inline]
pub fn set_cookie<'c>(
    snapshot: &Snapshot,
    due: Option<&'c Cookie>,
    at: usize,
    request: &RequestView<'_>,
) -> Option<Cow<'c, str>> {
    let cookie = due?;
    cookie.field(at, &others(snapshot, cookie, request))
}

fn others<'a>(snapshot: &Snapshot, own: &Cookie, request: &RequestView<'a>) -> Vec<&'a str> {
    let mut kept: Vec<&str> = Vec::new();
    for token in tokens_of(request, own) {
        let knows = |cluster: &Arc<ClusterSnapshot>| match &cluster.endpoints.sticky {
            Sticky::Cookie(one) => one.name() == own.name() && one.endpoint(token).is_some(),
            Sticky::Off | Sticky::Hashed(_) => false,
        };
        if kept.len() + 1 < MOST_TOKENS
            && own.endpoint(token).is_none()
            && snapshot.clusters().iter().any(knows)
            && let Ok(token) = std::str::from_utf8(token)
            && !kept.contains(&token)
        {
            kept.push(token);
        }
    }
    kept
}

/// Whether the client's own endpoint is well and just could not take this request: it has no room, or a second attempt at
/// another one was faster. The client goes back to it with the next.
fn is_away(cluster: &ClusterSnapshot, own: Option<usize>, tried: &Tried) -> bool {
    own.is_some_and(|own| {
        let regardless = cluster.state.is_panicking();
        !tried.contains(own) && (regardless || admits(cluster, own))
    })
}

/// Whether the endpoint at `at` takes requests, of clients that it has at least.
pub fn admits(cluster: &ClusterSnapshot, at: usize) -> bool {
    let endpoint = cluster.endpoints.list.get(at);
    endpoint.is_some_and(|one| one.share() > 0)
}
