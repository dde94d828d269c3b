//! What is served, and what changed last.

use evenkeel_state::change;

use crate::{Office, look, view};

/// `GET /api/v1/snapshot`.
pub(crate) fn snapshot(office: &Office) -> view::Snapshot {
    let snapshot = office.publisher.current();
    let told = office.life.told();
    let change = told.change.clone();
    let lists = snapshot.clusters().iter();
    view::Snapshot {
        generation: snapshot.generation,
        config: look::config(told),
        listeners: snapshot.config.listeners.len(),
        routes: snapshot.config.routes.len(),
        clusters: snapshot.clusters().len(),
        endpoints: lists.map(|one| one.endpoints.list.len()).sum(),
        change: change.map(|change| view::Change {
            at: look::seconds(change.at),
            generation: change.generation,
            settings: change.settings,
            listeners: difference(&change.listeners),
            routes: difference(&change.routes),
            clusters: difference(&change.clusters),
        }),
    }
}

fn difference(difference: &change::Difference) -> view::Difference {
    let names = |names: &change::Names| view::Names {
        total: names.total,
        first: names.first.clone(),
    };
    view::Difference {
        added: names(&difference.added),
        removed: names(&difference.removed),
        changed: names(&difference.changed),
    }
}
