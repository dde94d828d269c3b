//! Which of several clusters gets a request, on a route that shares its requests out.

use evenkeel_base::{ClusterId, Rng, RouteId};
use evenkeel_config::model;
use evenkeel_policy::{Candidate, Split};
use evenkeel_state::decide::key::key;
use evenkeel_state::decide::side;
use evenkeel_state::{RouteSplit, Side};

use super::Asked;
use super::chance::{SAMPLES, SEED, part};
use super::key::parts;
use crate::view::explain as view;

/// A cluster, and whether it is certain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen {
    pub(super) cluster: ClusterId,
    pub(super) certain: bool,
}

/// Chooses as the data plane does; a rotation is rehearsed with a copy.
pub(super) fn choose(
    of: &Asked<'_>,
    route: RouteId,
    split: &model::Split,
    told: &mut view::Explanation,
) -> Chosen {
    let certain = |cluster| Chosen {
        cluster,
        certain: true,
    };
    let only = split.clusters().next().unwrap_or(ClusterId::new(0));
    let Some(shared) = of.sight.snapshot.split(route) else {
        return certain(only);
    };
    let mut rng = Rng::new(SEED);
    let key = key(&split.by, &of.view, of.client);
    let mut hits = vec![0_u32; shared.sides.len()];
    let (next, why, is_certain) = if let Some(own) = side::own(shared, &of.view) {
        count(&mut hits, own);
        (
            Some(own),
            "the client's cookie names an endpoint of it".to_owned(),
            true,
        )
    } else if key.is_some() {
        // By key nothing turns, so that the route's own may be asked.
        let at = side::by_share(shared, &shared.split, key, &mut rng);
        at.into_iter().for_each(|at| count(&mut hits, at));
        let parts = parts(of, &split.by).join(", ");
        (
            at,
            format!("by {parts}: the same goes to the same cluster"),
            true,
        )
    } else {
        let copy = rehearsal(shared, !split.by.is_empty());
        let mut first = None;
        for _ in 0..SAMPLES {
            if let Some(at) = side::by_share(shared, &copy, None, &mut rng) {
                first = first.or(Some(at));
                count(&mut hits, at);
            }
        }
        (
            first,
            "next in the rotation, if no other request comes first".to_owned(),
            false,
        )
    };
    told.split = shared
        .sides
        .iter()
        .enumerate()
        .zip(chances(&hits))
        .map(|((at, one), chance)| share(one, chance, next == Some(at), &why))
        .collect();
    let chosen = next.and_then(|at| shared.sides.get(at));
    let alone = hits.iter().filter(|hits| **hits > 0).count() == 1;
    Chosen {
        cluster: chosen.map_or(only, |side| side.cluster.id),
        certain: is_certain || alone,
    }
}

fn count(hits: &mut [u32], at: usize) {
    if let Some(one) = hits.get_mut(at) {
        *one += 1;
    }
}

/// What part of all picks each had: of one, or of as many as were rehearsed.
fn chances(hits: &[u32]) -> Vec<f64> {
    let all = hits.iter().sum();
    hits.iter().map(|hits| part(*hits, all)).collect()
}

fn rehearsal(shared: &RouteSplit, by_key: bool) -> Split {
    let named: Vec<(&str, u16)> = shared
        .sides
        .iter()
        .map(|side| (side.cluster.config.name.as_str(), side.weight()))
        .collect();
    Split::new(&named, by_key, Some(&shared.split))
}

fn share(side: &Side, chance: f64, taken: bool, why: &str) -> view::Share {
    let open = side.is_open();
    view::Share {
        cluster: side.cluster.config.name.clone(),
        weight: side.weight(),
        open,
        chance,
        taken,
        why: match (taken, open) {
            (true, _) => why.to_owned(),
            (false, false) => "none of its endpoints takes requests".to_owned(),
            (false, true) => String::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_of_one_in_a_thousand_is_not_certain() {
        for (hits, expected) in [
            (&[1, 999][..], &[0.001, 0.999][..]),
            (&[1, 0], &[1.0, 0.0]),
            (&[1_000, 0], &[1.0, 0.0]),
            (&[0, 0], &[0.0, 0.0]),
            (&[250, 750], &[0.25, 0.75]),
        ] {
            assert_eq!(chances(hits), expected, "{hits:?}");
        }
    }
}
