//! Which cluster a request goes to, on a route where several share the requests.

use evenkeel_base::{ClusterId, RequestView, RouteId};
use evenkeel_config::model::Split;
use evenkeel_state::{RouteSplit, Side};

use crate::exchange::client::Client;
use crate::exchange::key::key;
use crate::exchange::sticky::{self, Claim};
use crate::scene::Scene;

/// The cluster: nearly always the only one.
#[inline]
pub(crate) fn choose(
    scene: &Scene<'_>,
    route: RouteId,
    split: &Split,
    request: &RequestView<'_>,
    client: Client,
) -> ClusterId {
    let shared = scene.snapshot.split(route);
    shared
        .and_then(|shared| among(scene, shared, split, request, client))
        .or_else(|| split.clusters().next())
        // There is one; that cluster 0 is there is asked for anyway.
        .unwrap_or(ClusterId::new(0))
}

/// One of several. Whoever has an endpoint in one of them stays with that cluster while it takes requests, also when it gets no new
/// clients. The newest claim counts.
#[inline(never)]
fn among(
    scene: &Scene<'_>,
    shared: &RouteSplit,
    split: &Split,
    request: &RequestView<'_>,
    client: Client,
) -> Option<ClusterId> {
    let sides = &shared.sides;
    let claims = (0..).zip(sides).filter_map(|(side, one)| {
        let claim = sticky::claim(&one.cluster, request)?;
        takes(one, claim, sides).then_some((claim, side))
    });
    let at = match claims.min_by_key(|(claim, side)| (claim.age, *side)) {
        Some((_, own)) => own,
        None => {
            let key = key(&split.by, request, client);
            shared.split.pick(sides, key, &mut scene.worker.rng())?
        }
    };
    Some(sides.get(at)?.cluster.id)
}

/// Whether the client's endpoint in that cluster takes the request, or another one there, or nobody anywhere.
fn takes(side: &Side, claim: Claim, sides: &[Side]) -> bool {
    sticky::admits(&side.cluster, claim.at) || side.is_open() || !sides.iter().any(Side::is_open)
}
