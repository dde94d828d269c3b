//! A checked configuration as a file again: the shortest that means the same.

use crate::model::Config;
use crate::raw::At;
use crate::section::{cluster, listener, route, top};

/// The configuration as a file, with only those knobs that differ from their defaults. Checking it gives the same
/// configuration. Values that came from the environment or a file stand in it as they are.
#[must_use]
pub fn print(config: &Config) -> String {
    let process = top::Process {
        workers: config.workers,
        log: config.log,
        access_log: config.access_log.clone(),
        shutdown: config.shutdown,
        resolver: config.resolver.clone(),
        ceilings: config.ceilings,
        zone: (!config.zone.is_empty()).then(|| At {
            value: config.zone.clone(),
            span: 0..0,
        }),
        node: config.node.clone(),
        identity: config.identity.clone(),
    };
    let listeners: Vec<&str> = config.listeners.iter().map(|l| l.name.as_str()).collect();
    let mut out = top::print(&process);
    for listener in &config.listeners {
        out.push_str(&listener::print(listener));
    }
    for route in &config.routes {
        out.push_str(&route::print(route, &listeners, &config.clusters));
    }
    for cluster in &config.clusters {
        out.push_str(&cluster::print(cluster));
    }
    out
}
