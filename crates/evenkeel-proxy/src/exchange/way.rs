//! The way to an endpoint: a connection that waits there, a place on one that others use as well, or what is needed to make one.
//!
//! Decided without waiting, when an attempt gets its seat. An endpoint that may speak HTTP/2 is asked for a place on a trunk
//! first; where several have to wait for a connection, one is made for all of them.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_base::rules::MultiplexRules;
use evenkeel_config::model::UpstreamProtocol;
use evenkeel_state::{ClusterSnapshot, Endpoint, Full, OpenConnection};

use crate::exchange::reach;
use crate::h1::Boundary;
use crate::pool::Want;
use crate::scene::Scene;
use crate::trunks::{Place, Shelf, Waiter};

/// The way to an endpoint.
pub(crate) enum Way {
    /// A connection that was idle for so long.
    Idle(Boundary, Duration),
    /// One that is still to be made, within the limits.
    Fresh(OpenConnection),
    /// A place on a trunk, which was idle for so long.
    Place(Place, Duration),
    /// A wait for one.
    Shared(Waiter),
}

/// Why there is no way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoWay {
    /// Something is at its limit.
    Full(Full),
    /// Every stream of every trunk is taken, and there may be no more trunks. Another endpoint may have room.
    Busy,
}

/// Whose way it is, and to which cluster.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) cluster: &'a Arc<ClusterSnapshot>,
    /// Whether the request may be sent again when its connection turns out to be dead.
    pub(crate) repeatable: bool,
    /// Whether it asks for another protocol.
    pub(crate) upgrade: bool,
}

/// Finds the way to an endpoint; with `waits` also one that is long, behind others that wait for a stream.
#[inline]
pub(crate) fn find(
    scene: &Scene<'_>,
    asked: Asked<'_>,
    index: usize,
    (at, waits): (Instant, bool),
) -> Result<Way, NoWay> {
    let endpoint = &asked.cluster.endpoints.list[index];
    if endpoint.dial.may_multiplex() {
        return multiplexed(scene, asked, index, (at, waits));
    }
    alone(scene, asked, index, at).map_err(NoWay::Full)
}

/// The way by a connection that nobody else uses.
#[inline]
fn alone(scene: &Scene<'_>, asked: Asked<'_>, index: usize, at: Instant) -> Result<Way, Full> {
    let cluster = asked.cluster;
    let endpoint = &cluster.endpoints.list[index];
    // A request that must not be sent twice takes an idle connection only when it was used a moment ago.
    let want = if asked.repeatable {
        Want::Any
    } else {
        Want::JustUsed
    };
    let pool = &scene.worker.pool;
    if let Some((connection, idle)) = pool.take(&endpoint.state, endpoint.dial.serial, want, at) {
        return Ok(Way::Idle(connection, idle));
    }
    connect(scene, cluster, index).map(Way::Fresh)
}

/// The way by a connection that others use as well, where the endpoint speaks HTTP/2.
fn multiplexed(
    scene: &Scene<'_>,
    asked: Asked<'_>,
    index: usize,
    (at, waits): (Instant, bool),
) -> Result<Way, NoWay> {
    let cluster = asked.cluster;
    let endpoint = &cluster.endpoints.list[index];
    let trunks = &scene.worker.trunks;
    let shelf = trunks.shelf(endpoint.state.serial, endpoint.dial.serial);
    if is_for_h1(&shelf, endpoint, asked) {
        return alone(scene, asked, index, at).map_err(NoWay::Full);
    }
    if let Some((place, idle)) = shelf.take(at) {
        return Ok(Way::Place(place, idle));
    }
    let rules = cluster.config.http2;
    if shelf.wants_connection(&rules) {
        match connect(scene, cluster, index) {
            Ok(open) => reach::for_all(scene, cluster, index, open, shelf.connect(rules)),
            // What runs there will end, and its place is waited for; where nothing does, the limit's own queue is.
            Err(full) if shelf.is_empty() => return Err(NoWay::Full(full)),
            Err(_) => {}
        }
    }
    if !shelf.is_connecting() && !waits {
        return Err(NoWay::Busy);
    }
    let queue = usize::try_from(cluster.config.limits.queue.size).unwrap_or(usize::MAX);
    if shelf.waiting() >= queue.saturating_add(shelf.expected(&rules)) {
        return Err(NoWay::Full(Full::Endpoint));
    }
    Ok(Way::Shared(shelf.wait()))
}

/// Has a connection made for those that wait at a shelf, one of whom was asked to. When there may be none and nothing is there that
/// could serve them, all look anew: they come to the queue of the limit that is in the way.
pub(crate) fn connect_for_all(
    scene: &Scene<'_>,
    cluster: &Arc<ClusterSnapshot>,
    index: usize,
    (shelf, rules): (&Rc<Shelf>, MultiplexRules),
) {
    match connect(scene, cluster, index) {
        Ok(open) => reach::for_all(scene, cluster, index, open, shelf.connect(rules)),
        Err(_) if shelf.is_bare() => shelf.call_again(),
        Err(_) => {}
    }
}

/// Whether the endpoint is spoken HTTP/1.1 with for that request. Endpoints that speak both mostly take WebSockets by HTTP/1.1 only.
fn is_for_h1(shelf: &Shelf, endpoint: &Endpoint, asked: Asked<'_>) -> bool {
    endpoint.dial.protocol == UpstreamProtocol::Auto
        && (shelf.speaks_h1() || (asked.upgrade && !shelf.takes_upgrades()))
}

/// A place within the limits for a connection to the endpoint.
fn connect(
    scene: &Scene<'_>,
    cluster: &ClusterSnapshot,
    index: usize,
) -> Result<OpenConnection, Full> {
    let endpoint = &cluster.endpoints.list[index];
    match cluster.connect(endpoint) {
        Err(full) if reclaim(scene, cluster, index, full) => cluster.connect(endpoint),
        done => done,
    }
}

/// Makes room for a connection by closing an idle one that takes its place; true when that was done at once. What other workers
/// hold they are asked for, and whoever waits is called in when they have closed it.
#[cold]
fn reclaim(scene: &Scene<'_>, cluster: &ClusterSnapshot, index: usize, full: Full) -> bool {
    let list = &cluster.endpoints.list;
    match full {
        Full::Endpoint => scene.worker.reclaim(&[list[index].state.serial]),
        Full::Cluster => {
            let serials: Vec<u32> = list.iter().map(|one| one.state.serial).collect();
            scene.worker.reclaim(&serials)
        }
    }
}
