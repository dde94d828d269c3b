//! Whether the cookies that clusters set get in each other's way. It reads no file; it compares what was read.

use std::collections::HashMap;

use evenkeel_base::ClusterId;
use evenkeel_base::matching::HostPattern;
use evenkeel_base::rules::MOST_TOKENS;

use crate::model::{Action, Route, Sticky, StickyCookie};
use crate::raw::Cx;
use crate::section::cluster::Draft;

/// What a browser tells cookies apart by, as far as a route knows it.
type Jar<'a> = (Option<&'a HostPattern>, &'a str, &'a str);

/// Warns of a cookie that more clusters set for one host than it holds endpoints of: a client that uses all of them loses some.
/// Of the clusters that share the requests of a route a client stays with one, so these count as one.
pub(crate) fn check(routes: &[&Route], clusters: &[Option<Draft>], cx: &mut Cx<'_>) {
    let mut jars: HashMap<Jar<'_>, Vec<ClusterId>> = HashMap::new();
    for route in routes {
        let all = clusters_of(route);
        for &cluster in &all {
            let Some(cookie) = cookie_of(cluster, clusters) else {
                continue;
            };
            for host in hosts_of(route) {
                let jar = (host, cookie.name.as_str(), cookie.path.as_str());
                let known = jars.entry(jar).or_default();
                if known.iter().any(|one| all.contains(one)) {
                    continue;
                }
                known.push(cluster);
                if known.len() == MOST_TOKENS + 1 {
                    report(cluster, cookie, clusters, cx);
                }
            }
        }
    }
}

fn clusters_of(route: &Route) -> Vec<ClusterId> {
    match &route.action {
        Action::Forward { split, .. } => split.clusters().collect(),
        Action::Redirect(_) | Action::Respond(_) => Vec::new(),
    }
}

fn hosts_of(route: &Route) -> Vec<Option<&HostPattern>> {
    let hosts = &route.matching.hosts;
    if hosts.is_empty() {
        return vec![None];
    }
    hosts.iter().map(Some).collect()
}

fn cookie_of(cluster: ClusterId, clusters: &[Option<Draft>]) -> Option<&StickyCookie> {
    match &clusters.get(cluster.index())?.as_ref()?.cluster.sticky {
        Sticky::Cookie(cookie) => Some(cookie),
        Sticky::Off | Sticky::Hashed(_) => None,
    }
}

fn report(cluster: ClusterId, cookie: &StickyCookie, clusters: &[Option<Draft>], cx: &mut Cx<'_>) {
    let Some(draft) = clusters.get(cluster.index()).and_then(Option::as_ref) else {
        return;
    };
    cx.warning(
        draft.sticky.clone(),
        format!(
            "more than {MOST_TOKENS} clusters set the cookie \"{}\" for one host, and it holds the endpoints of {MOST_TOKENS}",
            cookie.name
        ),
    )
    .help("give some of them another name or path: sticky = { cookie = \"NAME\" }");
}
