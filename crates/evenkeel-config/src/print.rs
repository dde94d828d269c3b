//! A checked configuration as a file again: the shortest that means the same.

use crate::model::Config;
use crate::raw::At;
use crate::section::{admin, cluster, listener, route, top};

/// The configuration as a file, with only those knobs that differ from their defaults. Checking it gives the same
/// configuration. Values that came from the environment or a file stand in it as they are.
#[must_use]
pub fn print(config: &Config) -> String {
    let listeners: Vec<&str> = config.listeners.iter().map(|l| l.name.as_str()).collect();
    let mut out = print_settings(config);
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

/// The part of it that stands above listeners, routes and clusters: what is set for the whole process.
#[must_use]
pub fn print_settings(config: &Config) -> String {
    let process = top::Process {
        workers: config.workers,
        log: config.log,
        access_log: config.access_log.clone(),
        trace: config.trace.clone(),
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
    let mut out = top::print(&process);
    if let Some(one) = &config.admin {
        out.push_str(&admin::print(one));
    }
    out
}
