//! From snapshot and counters to the picture, once a second. It remembers what was counted the second before.
//!
//! What history needs is read whether anybody watches or not: of listeners and clusters all, of endpoints a few counters now and then. The rest
//! (routes, faults and latencies of endpoints, why they are what they are) only for a picture, and of what it shows alone.

use std::process;
use std::time::{Instant, SystemTime};

use evenkeel_state::Snapshot;

use crate::live::bounds::BOUNDS;
use crate::live::clusters::{self, Cluster, Clusters};
use crate::live::history::{History, Point};
use crate::live::listeners::Listeners;
use crate::live::problems::{self, Case};
use crate::live::routes::Routes;
use crate::live::state::Now;
use crate::look::millis;
use crate::view::live::{Picture, Process, Traffic};
use crate::{Office, look};

/// What is remembered from second to second.
#[derive(Debug)]
pub(super) struct Sampler {
    at: Instant,
    event: u64,
    lost: u64,
    listeners: Listeners,
    routes: Routes,
    clusters: Clusters,
    is_watched: bool,
}

impl Sampler {
    /// Nothing is remembered yet: the first look only begins.
    pub(super) fn new(office: &Office) -> Self {
        Self {
            at: Instant::now(),
            event: office.events.last(),
            lost: lost(office),
            listeners: Listeners::default(),
            routes: Routes::default(),
            clusters: Clusters::default(),
            is_watched: false,
        }
    }

    /// Whether the look before was for a picture as well: all rates are known then.
    pub(super) const fn is_warm(&self) -> bool {
        self.is_watched
    }

    /// Looks at everything. A picture when somebody watches.
    pub(super) fn look(
        &mut self,
        office: &Office,
        history: &mut History,
        is_watched: bool,
    ) -> Option<Picture> {
        let (now, at) = (Instant::now(), SystemTime::now());
        let span = now.saturating_duration_since(self.at);
        self.at = now;
        let snapshot = office.publisher.current();
        let (total, second, listeners) = self.listeners.look(&snapshot, span);
        let rest = (!is_watched).then(|| clusters::rest(&snapshot, office.counters.len()));
        let clusters = self.clusters.look(&snapshot, now, rest);
        let points: Vec<(&str, Point)> = clusters.iter().map(Cluster::point).collect();
        history.push(millis(at), point(&total, second), &points);
        self.is_watched = is_watched;
        if !is_watched {
            self.routes.forget();
            self.clusters.forget();
            self.event = office.events.last();
            return None;
        }
        let routes = self.routes.look(&snapshot, span);
        let moment = Now {
            at,
            ms: office.publisher.millis(now),
        };
        let mut picture = Picture {
            at_ms: millis(at),
            span_ms: u64::try_from(span.as_millis()).unwrap_or(u64::MAX),
            process: of_process(office, &snapshot),
            total,
            routes_left_out: snapshot.config.routes.len().saturating_sub(routes.len()),
            routes,
            listeners,
            clusters_left_out: clusters.len().saturating_sub(BOUNDS.clusters),
            clusters: self
                .clusters
                .show(clusters, office.publisher.failing(), moment, span),
            bounds: BOUNDS,
            ..Picture::default()
        };
        self.tell_events(office, &mut picture);
        let lost = lost(office);
        let case = Case {
            office,
            snapshot: &snapshot,
            lately: history.lately(problems::LATELY),
            log_loses: lost > std::mem::replace(&mut self.lost, lost),
        };
        problems::find(&mut picture, &case);
        Some(picture)
    }

    /// The events since the picture before, the newest when there are too many.
    fn tell_events(&mut self, office: &Office, picture: &mut Picture) {
        let mut events = look::events(office, self.event);
        let more = events.events.len().saturating_sub(BOUNDS.events);
        events.events.drain(..more);
        self.event = events.last;
        picture.last_event = events.last;
        picture.events = events.events;
    }
}

fn lost(office: &Office) -> u64 {
    let lost = office.counters.iter().map(|one| one.log_dropped.read());
    lost.sum()
}

fn point(total: &Traffic, second: (Option<u64>, Option<u64>)) -> Point {
    clusters::point_of(total.rate, total.errors, second)
}

fn of_process(office: &Office, snapshot: &Snapshot) -> Process {
    let told = office.life.told();
    let connections = office.counters.iter().map(|one| one.connections.read());
    Process {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: process::id(),
        uptime_ms: u64::try_from(office.life.uptime().as_millis()).unwrap_or(u64::MAX),
        stage: told.stage.name().to_owned(),
        generation: snapshot.generation,
        level: office.publisher.pressure().level().name().to_owned(),
        workers: office.counters.len(),
        connections: connections.sum(),
        in_flight: look::in_flight(snapshot),
        file: told.file.map(|path| path.display().to_string()),
        loaded_ms: millis(told.loaded),
    }
}
