//! The configuration that `evenkeel proxy --listen … --to …` stands for.

use std::collections::HashSet;
use std::slice;

use evenkeel_base::matching::RouteMatch;
use evenkeel_base::rules::{AdminState, BalancerRules};
use evenkeel_base::{Address, BalancerKind, ClusterId, Scheme};

use crate::circle;
use crate::elsewhere;
use crate::model::{
    Action, Config, Elsewhere, Endpoint, HostRewrite, PathRewrite, Split, UpstreamProtocol,
    UpstreamTls,
};
use crate::section::cluster::tls::TlsKeys;
use crate::section::{cluster, listener, route, top};
use crate::source::Source;
use crate::spelling::nearest;
use crate::value::net::parse_bind;

/// The balancer of that name, for a command line.
///
/// # Errors
/// What to write instead: ours for the word of another proxy, or the names there are.
pub fn parse_balancer(name: &str) -> Result<BalancerKind, String> {
    let all = || BalancerKind::ALL.iter().map(|kind| kind.name());
    BalancerKind::from_name(name).ok_or_else(|| {
        if let Some(ours) = elsewhere::our_balancer(name) {
            return ours.to_owned();
        }
        match nearest(name, all()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the balancers are {}", all().collect::<Vec<_>>().join(", ")),
        }
    })
}

/// One listener, one route for everything, one cluster: the configuration of a proxy that needs no file.
///
/// `listen` is what a listener binds, so `:8080` is every address of this host; each of `to` is what `endpoints` of a
/// cluster takes, so `:9001` is this host and `host:9002-9004` three endpoints. `source` says which authorities the system trusts,
/// when endpoints begin with `https://`.
///
/// # Errors
/// A sentence that names the address that is wrong and says what is accepted.
pub fn proxy(
    listen: &str,
    to: &[String],
    balancer: Option<BalancerKind>,
    source: &dyn Source,
) -> Result<Config, String> {
    let bind = parse_bind(listen)?;
    let mut endpoints = Vec::new();
    let mut seen = HashSet::new();
    let mut schemes = Vec::new();
    for text in to {
        let (scheme, addresses) = Address::parse_endpoints(text)?;
        schemes.push(scheme.unwrap_or(Scheme::Http));
        for address in addresses {
            let id = address.to_string();
            if !seen.insert(id.clone()) {
                return Err(format!("{id} is given twice"));
            }
            endpoints.push(Endpoint {
                id,
                address,
                weight: 1,
                admin: AdminState::Ready,
                zone: String::new(),
                tier: 0,
            });
        }
    }
    if endpoints.is_empty() {
        return Err("there is no endpoint to proxy to".to_owned());
    }
    let process = top::defaults();
    let mut cluster = cluster::with_defaults("app", endpoints);
    (cluster.protocol, cluster.tls) = spoken(&schemes, source)?;
    if let Some(balancer) = balancer {
        cluster.balancer = BalancerRules::of(balancer);
    }
    let action = Action::Forward {
        split: Split::one(ClusterId::new(0)),
        rewrite: PathRewrite::Keep,
        host: HostRewrite::Keep,
    };
    let listener = listener::with_defaults("web", bind);
    let route = route::with_defaults(RouteMatch::default(), action);
    if let Some(circle) = circle::of(&route, slice::from_ref(&listener), |_| Some(&cluster)) {
        return Err(circle.complaint());
    }
    Ok(Config {
        workers: process.workers,
        log: process.log,
        access_log: process.access_log,
        trace: process.trace,
        shutdown: process.shutdown,
        resolver: process.resolver,
        identity: process.identity,
        ceilings: process.ceilings,
        zone: String::new(),
        node: String::new(),
        admin: None,
        listeners: vec![listener],
        routes: vec![route],
        clusters: vec![cluster],
        elsewhere: Elsewhere::default(),
    })
}

/// What is spoken with endpoints of these schemes.
fn spoken(
    schemes: &[Scheme],
    source: &dyn Source,
) -> Result<(UpstreamProtocol, UpstreamTls), String> {
    let first = schemes.first().copied().unwrap_or(Scheme::Http);
    if let Some(other) = schemes.iter().find(|scheme| **scheme != first) {
        return Err(format!(
            "one endpoint has {first}:// and another one {other}://, and all must be spoken to alike"
        ));
    }
    let auto = UpstreamProtocol::Auto;
    Ok(match first {
        Scheme::Http => (auto, UpstreamTls::Off),
        Scheme::H2c => (UpstreamProtocol::Http2, UpstreamTls::Off),
        Scheme::Https => {
            let rules = TlsKeys::DEFAULT.ready(auto, source)?;
            (auto, UpstreamTls::On(Box::new(rules)))
        }
    })
}
