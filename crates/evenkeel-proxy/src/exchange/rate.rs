//! The rate limits of a route: what a request is counted by, and what becomes of one that is over a limit.
//!
//! How much is too much is `evenkeel-policy`'s to say. All limits of a route are looked at before any counts the request: one
//! that is refused by the last of them has used up nothing of the others.

use std::sync::Arc;
use std::time::Instant;

use evenkeel_base::{Fault, RequestView, RouteId};

use crate::record::{Limited, Record};
use crate::scene::Scene;
use evenkeel_state::decide::Client;
use evenkeel_state::decide::rate::key as by;

/// The detail in the access record of a request that a limit on trial would have refused.
const DRY_RUN: &str = "rate-limit-dry-run";

/// Asks the route's limits.
pub(crate) fn admit(
    scene: &Scene<'_>,
    route: RouteId,
    request: &RequestView<'_>,
    client: Client,
    record: &mut Record,
) -> Result<(), Fault> {
    let limiters = scene.snapshot.rate_limits(route);
    if limiters.is_empty() {
        return Ok(());
    }
    let now = scene.worker.micros(Instant::now());
    let several = limiters.len() > 1;
    for counts in [false, true] {
        if !counts && !several {
            continue;
        }
        for (position, limiter) in limiters.iter().enumerate() {
            let rules = limiter.rules();
            let key = by(&rules.key, request, client);
            let decision = if counts {
                limiter.admit(&key, now)
            } else {
                limiter.look(&key, now)
            };
            if decision.admitted {
                continue;
            }
            if rules.dry_run {
                record.detail = Some(DRY_RUN);
                continue;
            }
            record.rate = Some(Box::new(Limited {
                limiter: Arc::clone(limiter),
                position,
                decision,
            }));
            return Err(Fault::RateLimited);
        }
    }
    Ok(())
}
