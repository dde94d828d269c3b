//! Which cluster a request goes to, on a route where several share the requests.

use std::ops::DerefMut;

use evenkeel_base::{ClusterId, RequestView, Rng, RouteId};
use evenkeel_config::model;
use evenkeel_policy::Split;

use crate::decide::client::Client;
use crate::decide::key::key;
use crate::decide::sticky::{self, Claim};
use crate::snapshot::{RouteSplit, Side, Snapshot};

/// The cluster: nearly always the only one. Chance is asked for where it is needed.
#[inline]
pub fn choose<R: DerefMut<Target = Rng>>(
    snapshot: &Snapshot,
    (route, split): (RouteId, &model::Split),
    request: &RequestView<'_>,
    client: Client,
    chance: impl FnOnce() -> R,
) -> ClusterId {
    let shared = snapshot.split(route);
    shared
        .and_then(|shared| among(shared, split, request, client, chance))
        .or_else(|| split.clusters().next())
        // There is one; that cluster 0 is there is asked for anyway.
        .unwrap_or(ClusterId::new(0))
}

/// One of several.
#[inline(never)]
fn among<R: DerefMut<Target = Rng>>(
    shared: &RouteSplit,
    split: &model::Split,
    request: &RequestView<'_>,
    client: Client,
    chance: impl FnOnce() -> R,
) -> Option<ClusterId> {
    let at = match own(shared, request) {
        Some(own) => own,
        None => {
            let key = key(&split.by, request, client);
            by_share(shared, &shared.split, key, &mut chance())?
        }
    };
    Some(shared.sides.get(at)?.cluster.id)
}

/// The side of a client that has an endpoint in one of them: it stays with that cluster while it takes requests, also when it gets
/// no new clients. The newest claim counts.
#[must_use]
pub fn own(shared: &RouteSplit, request: &RequestView<'_>) -> Option<usize> {
    let sides = &shared.sides;
    let claims = (0..).zip(sides).filter_map(|(side, one)| {
        let claim = sticky::claim(&one.cluster, request)?;
        takes(one, claim, sides).then_some((claim, side))
    });
    let newest = claims.min_by_key(|(claim, side)| (claim.age, *side));
    newest.map(|(_, own)| own)
}

/// The side that shares and key say: by the route's own rotation, or by a rehearsal of it.
pub fn by_share(
    shared: &RouteSplit,
    split: &Split,
    key: Option<u64>,
    rng: &mut Rng,
) -> Option<usize> {
    split.pick(&shared.sides, key, rng)
}

/// Whether the client's endpoint in that cluster takes the request, or another one there, or nobody anywhere.
fn takes(side: &Side, claim: Claim, sides: &[Side]) -> bool {
    sticky::admits(&side.cluster, claim.at) || side.is_open() || !sides.iter().any(Side::is_open)
}
