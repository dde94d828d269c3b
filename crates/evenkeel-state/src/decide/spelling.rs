//! Which spellings of a path go no further: those that an endpoint could take for another path, whose route would not have let the
//! request through like this.
//!
//! Routes are compared with the canonical form, so `//admin` and `/%61dmin` take the route of `/admin`. What endpoints disagree about
//! ([`evenkeel_base::path`]) is forwarded as long as it makes no difference: `/files/a%2Fb;v=1` is, where every reading of it takes
//! the same route, or one that asks for nothing more.

use evenkeel_base::path::{has_dot_segments, has_zero, readings};
use evenkeel_base::{ListenerId, RequestView, RouteId};
use evenkeel_config::model::{Action, Route};

use crate::snapshot::Snapshot;

/// Why a path is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It has dot segments, and its route does not allow them.
    Dots,
    /// It has a byte of zero.
    Zero,
    /// It may be read as a path whose route guards more than the one it has taken.
    Reading {
        /// That path.
        path: Vec<u8>,
        /// Its route.
        route: RouteId,
    },
}

/// Why a path that is unusual is refused on the route that it has taken; none: it is not.
#[cold]
#[must_use]
pub fn refused(
    snapshot: &Snapshot,
    listener: ListenerId,
    request: &RequestView<'_>,
    canonical: &[u8],
    (id, route): (RouteId, &Route),
) -> Option<Refused> {
    if !route.allow_dot_segments && has_dot_segments(canonical) {
        return Some(Refused::Dots);
    }
    if has_zero(canonical) {
        return Some(Refused::Zero);
    }
    // What evenkeel answers itself no endpoint reads.
    if !matches!(route.action, Action::Forward { .. }) {
        return None;
    }
    readings(canonical).into_iter().find_map(|path| {
        let (other, guard) = snapshot.route(listener, &path, request)?;
        (other != id && guards_more(guard, route))
            .then_some(Refused::Reading { path, route: other })
    })
}

/// Whether `other` asks for what `route` does not, or leads elsewhere.
fn guards_more(other: &Route, route: &Route) -> bool {
    let has_lists = !other.allow.is_empty() || !other.deny.is_empty();
    let edits = &other.request_headers;
    (has_lists && (&other.allow, &other.deny) != (&route.allow, &route.deny))
        || (!other.rate_limits.is_empty() && other.rate_limits != route.rate_limits)
        || other.max_request_body < route.max_request_body
        || (!edits.is_empty() && *edits != route.request_headers)
        || leads_elsewhere(&other.action, &route.action)
}

/// Whether requests go to clusters of their own there, or to none.
fn leads_elsewhere(other: &Action, action: &Action) -> bool {
    match (other, action) {
        (Action::Forward { split: other, .. }, Action::Forward { split, .. }) => {
            other.clusters().ne(split.clusters())
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests;
