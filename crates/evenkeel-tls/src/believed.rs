//! Until when the certificates of the other side are good: on its way from who verifies them to who keeps the sessions that rest on
//! them. rustls calls both, hands nothing from one to the other, and looks at no date when a session goes on.

use std::cell::Cell;

use rustls::pki_types::{CertificateDer, UnixTime};

use crate::certificate::not_after;

/// No certificate is concerned.
pub(crate) const EVER: i64 = i64::MAX;

thread_local! {
    /// The last second of what the connection rests on whose call of rustls is under way.
    static UNTIL: Cell<i64> = const { Cell::new(EVER) };
}

/// Calls rustls for a connection that rests on what is good until then, and learns what it rests on now.
pub(crate) fn carry<T>(until: &mut i64, call: impl FnOnce() -> T) -> T {
    UNTIL.set(*until);
    let result = call();
    *until = UNTIL.replace(EVER);
    result
}

/// The last second of what the connection rests on, counted from 1970.
pub(crate) fn until() -> i64 {
    UNTIL.get()
}

/// From now on the connection rests on this.
pub(crate) fn rest_on(until: i64) {
    UNTIL.set(until);
}

/// The last second of a chain that was just verified. Those of it that are over already led nowhere: an endpoint may send such a one
/// along for clients that know no better way.
pub(crate) fn of_chain(
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    now: UnixTime,
) -> i64 {
    let now = seconds(now);
    let ends = std::iter::once(end_entity).chain(intermediates);
    let ends = ends
        .filter_map(|der| not_after(der))
        .filter(|end| *end >= now);
    // Nothing of it can be read: it is good for now.
    ends.min().unwrap_or(now)
}

/// A moment in seconds from 1970.
pub(crate) fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(EVER)
}
