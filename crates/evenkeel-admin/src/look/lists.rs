//! Lists, part by part: listeners, routes, clusters, and the endpoints of one.

use std::time::Instant;

use evenkeel_base::matching::PathPattern;
use evenkeel_base::rules::AdminState;
use evenkeel_base::{ClusterId, ListenerId};
use evenkeel_config::model::{self, Action, Listed, Mirror};
use evenkeel_policy::{Candidate, Health, Phase};
use evenkeel_state::{ClusterSnapshot, Failing, NotThere, Snapshot};

use crate::query::Part;
use crate::{Office, look, view};

/// `GET /api/v1/listeners`.
pub(crate) fn listeners(office: &Office, part: Part) -> view::Listeners {
    let snapshot = office.publisher.current();
    let all: Vec<_> = snapshot
        .config
        .listeners
        .iter()
        .zip(snapshot.listeners())
        .collect();
    let (shown, next) = part.of_list(&all);
    view::Listeners {
        generation: snapshot.generation,
        total: all.len(),
        listeners: shown
            .map(|(_, (config, state))| look::listener(config, state))
            .collect(),
        next,
    }
}

/// `GET /api/v1/routes`.
pub(crate) fn routes(office: &Office, part: Part) -> view::Routes {
    let snapshot = office.publisher.current();
    let all = &snapshot.config.routes;
    let (shown, next) = part.of_list(all);
    view::Routes {
        generation: snapshot.generation,
        total: all.len(),
        routes: shown.map(|(at, one)| route(&snapshot, at, one)).collect(),
        next,
    }
}

fn route(snapshot: &Snapshot, at: usize, route: &model::Route) -> view::Route {
    let name_of = |id: ClusterId| {
        let cluster = snapshot.config.clusters.get(id.index());
        cluster.map_or_else(String::new, |cluster| cluster.name.clone())
    };
    let listener = |id: &ListenerId| {
        let listener = snapshot.listener(*id);
        listener.map(|listener| listener.name.clone())
    };
    let matching = &route.matching;
    let (path, path_is) = match &matching.path {
        PathPattern::Exact(path) => (path.as_str(), "exact"),
        PathPattern::Prefix(path) if path.is_empty() => ("/", "prefix"),
        PathPattern::Prefix(path) => (path.as_str(), "prefix"),
    };
    let (action, clusters, status) = match &route.action {
        Action::Forward { split, .. } => {
            let shares = split.shares.iter().map(|(id, weight)| view::Share {
                cluster: name_of(*id),
                weight: *weight,
            });
            ("forward", shares.collect(), None)
        }
        Action::Redirect(redirect) => ("redirect", Vec::new(), Some(redirect.status)),
        Action::Respond(respond) => ("respond", Vec::new(), Some(respond.status)),
    };
    let traffic = snapshot.routes_traffic().get(at);
    view::Route {
        name: route.name.clone(),
        listeners: matching.listeners.iter().filter_map(listener).collect(),
        hosts: matching.hosts.iter().map(ToString::to_string).collect(),
        path: path.to_owned(),
        path_is: path_is.to_owned(),
        methods: matching.methods.clone(),
        header_conditions: matching.headers.len(),
        query_conditions: matching.query.len(),
        action: action.to_owned(),
        clusters,
        mirror: match route.mirror {
            Mirror::Off => None,
            Mirror::To { cluster, .. } => Some(name_of(cluster)),
        },
        status,
        requests: traffic.map_or(0, |traffic| traffic.sum().exchanges()),
    }
}

/// `GET /api/v1/clusters`.
pub(crate) fn clusters(office: &Office, part: Part) -> view::Clusters {
    let snapshot = office.publisher.current();
    let all = snapshot.clusters();
    let (shown, next) = part.of_list(all);
    view::Clusters {
        generation: snapshot.generation,
        total: all.len(),
        clusters: shown
            .map(|(_, one)| summary(one, office.publisher.failing()))
            .collect(),
        next,
    }
}

/// `GET /api/v1/clusters/{cluster}`.
pub(crate) fn cluster(office: &Office, name: &str) -> Result<view::ClusterSummary, NotThere> {
    let snapshot = office.publisher.current();
    let found = snapshot.called(name)?;
    Ok(summary(found, office.publisher.failing()))
}

/// `GET /api/v1/clusters/{cluster}/endpoints`.
pub(crate) fn endpoints(
    office: &Office,
    name: &str,
    part: Part,
) -> Result<view::Endpoints, NotThere> {
    let snapshot = office.publisher.current();
    let now_ms = office.publisher.millis(Instant::now());
    let all = &snapshot.called(name)?.endpoints.list;
    let (shown, next) = part.of_list(all);
    Ok(view::Endpoints {
        generation: snapshot.generation,
        total: all.len(),
        endpoints: shown.map(|(_, one)| look::endpoint(one, now_ms)).collect(),
        next,
    })
}

/// `GET /api/v1/clusters/{cluster}/endpoints/{endpoint}`.
pub(crate) fn endpoint(
    office: &Office,
    cluster: &str,
    name: &str,
) -> Result<view::Endpoint, NotThere> {
    let snapshot = office.publisher.current();
    let now_ms = office.publisher.millis(Instant::now());
    let found = snapshot.called(cluster)?.called(name)?;
    Ok(look::endpoint(found, now_ms))
}

fn summary(cluster: &ClusterSnapshot, failing: &Failing) -> view::ClusterSummary {
    let mut summary = view::ClusterSummary {
        name: cluster.config.name.clone(),
        balancer: cluster.config.balancer.kind().to_string(),
        panicking: cluster.state.is_panicking(),
        tls: look::tls(&cluster.config),
        listed_in: match &cluster.config.listed {
            Listed::Here => None,
            Listed::File(path) => Some(path.display().to_string()),
        },
        probed: cluster.config.probe.rules().is_some(),
        endpoints: view::EndpointCounts::default(),
        unresolved: look::unresolved(cluster, failing),
        in_flight: 0,
        connections: 0,
        requests: 0,
        faults: 0,
    };
    for one in &cluster.endpoints.list {
        let (state, counts) = (&one.state, &mut summary.endpoints);
        let standing = &state.standing;
        let reading = state.reading(0);
        let health = standing.health();
        counts.total += 1;
        counts.taking += usize::from(one.weight > 0 && one.share() > 0);
        counts.down += usize::from(health == Health::Down);
        counts.waiting += usize::from(health == Health::Waiting);
        counts.ejected += usize::from(standing.phase() == Phase::Ejected);
        counts.drain += usize::from(one.admin == AdminState::Drain);
        counts.maint += usize::from(one.admin == AdminState::Maint);
        counts.added += usize::from(one.is_added);
        summary.in_flight += u64::from(state.in_flight());
        summary.connections += u64::from(state.connections());
        summary.requests += reading.requests;
        summary.faults += reading.faults;
    }
    summary
}
