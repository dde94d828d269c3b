//! How much a picture shows at most.

use crate::view::live::Bounds;

/// How much a picture shows. 500 endpoints are 200 KB of text, which a browser reads in a few milliseconds.
pub(super) const BOUNDS: Bounds = Bounds {
    listeners: 50,
    routes: 200,
    clusters: 100,
    cluster_endpoints: 100,
    endpoints: 500,
    unresolved: 10,
    events: 100,
    problems: 20,
};
