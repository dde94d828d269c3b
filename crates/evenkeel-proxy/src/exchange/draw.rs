//! Which requests are mirrored. What that means stands in [`crate::exchange::mirror`].

use evenkeel_config::model::Mirror;

use crate::downstream::{Downstream, shape};
use crate::replay::Wish;
use crate::scene::Scene;

/// Whether a request is to be mirrored: it can be, and it is one of the fraction.
pub(crate) fn is_drawn<D: Downstream>(scene: &Scene<'_>, mirror: Mirror, down: &D) -> bool {
    let Mirror::To {
        per_mille,
        max_body,
        ..
    } = mirror
    else {
        return false;
    };
    let can_be = shape(down).may_be_mirrored(max_body);
    let worker = scene.worker;
    if !can_be || worker.is_draining() || !draw(per_mille, |bound| worker.rng().below(bound)) {
        return false;
    }
    // Before anything is kept for it.
    if !worker.mirrors.has_room() {
        drop_one(scene);
        return false;
    }
    true
}

/// Tosses the coin; for all or none there is none.
fn draw(per_mille: u16, below: impl FnOnce(u32) -> u32) -> bool {
    per_mille >= 1000 || (per_mille > 0 && below(1000) < u32::from(per_mille))
}

/// What is wanted of the body of a request that is to be mirrored.
pub(crate) fn wish(scene: &Scene<'_>, mirror: Mirror) -> Option<Wish> {
    let Mirror::To { max_body, .. } = mirror else {
        return None;
    };
    Some(Wish {
        most: usize::try_from(max_body.bytes()).unwrap_or(usize::MAX),
        kept: scene.worker.mirrors.kept.clone(),
    })
}

/// Whether one that was drawn may be sent: near a limit of the process nobody's request is worth more than its answer.
pub(crate) fn is_affordable(scene: &Scene<'_>) -> bool {
    let short = scene.worker.level().is_short();
    if short {
        drop_one(scene);
    }
    !short
}

/// One that was drawn is not sent.
#[cold]
pub(crate) fn drop_one(scene: &Scene<'_>) {
    scene.worker.counters().mirrors_dropped.add(1);
}

#[cfg(test)]
mod tests {
    use evenkeel_base::Rng;

    use super::*;

    #[test]
    fn the_coin_falls_as_often_as_the_route_says() {
        let mut rng = Rng::new(7);
        for per_mille in [1_u16, 10, 250, 500, 999] {
            let drawn = (0..100_000)
                .filter(|_| draw(per_mille, |bound| rng.below(bound)))
                .count();
            let (p, n) = (f64::from(per_mille) / 1000.0, 100_000.0);
            let off = (drawn as f64 - n * p).abs() / (n * p * (1.0 - p)).sqrt();
            assert!(off < 4.0, "{drawn} of 100,000 at {per_mille}: {off} sigma");
        }
    }

    #[test]
    fn for_all_and_for_none_no_coin_is_tossed() {
        let toss = |bound| panic!("there is nothing to decide below {bound}");
        assert!(draw(1000, toss) && !draw(0, toss));
    }
}
