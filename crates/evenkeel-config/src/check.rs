//! From the text of a file to the checked configuration, or to everything that is wrong with it.

use std::collections::HashSet;

use evenkeel_base::{ClusterId, ListenerId};

use crate::circle;
use crate::cookies;
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{Config, Listener, Route};
use crate::raw::{Cx, Node, with_root};
use crate::reach::{self, Candidate};
use crate::section::cluster::tier;
use crate::section::listener::tls::check_hosts;
use crate::section::{self, Names, admin, cluster, listener, route, top};
use crate::source::Source;

/// What checking found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The configuration; `None` when there is an error.
    pub config: Option<Config>,
    /// The mistakes in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads and checks a whole configuration and reports every mistake in one go.
///
/// `name` is the file's name for messages; `source` gives values from elsewhere. Nothing is opened, resolved or
/// connected to: a name that has no address yet is no mistake.
#[must_use]
pub fn check(text: &str, name: &str, source: &dyn Source) -> Checked {
    let mut cx = Cx::new(text, name, source, section::home_of);
    let mut config = None;
    with_root(&mut cx, |root, cx| config = read(&root, cx));
    let diagnostics = cx.finish();
    let usable = diagnostics.iter().all(|d| d.severity != Severity::Error);
    Checked {
        config: config.filter(|_| usable),
        diagnostics,
    }
}

fn read(root: &Node<'_>, cx: &mut Cx<'_>) -> Option<Config> {
    let table = top::TOP.open(root, cx)?;
    let before = cx.count();
    let process = top::read(&table, cx);
    let named = cx.count() == before && !cx.may_be_hidden();
    let before = cx.count();
    let entries = top::LISTENERS.named(&table, cx);
    let nodes = top::ROUTES.list(&table, cx);
    let complete = cx.count() == before && !cx.may_be_hidden();
    let (listeners, listener_names) = listener::read(&entries, cx);
    let entries = top::CLUSTERS.named(&table, cx);
    let (clusters, cluster_names) = cluster::read(&entries, cx);
    let sound = cx.count() == before;
    let admin = admin::read(&table, &listeners, cx);
    if named {
        tier::check_node(&process.node, &clusters, cx);
    }
    if named && sound {
        tier::check_zone(process.zone.as_ref(), &clusters, cx);
    }
    let names = route::Targets {
        listeners: &listener_names,
        clusters: &cluster_names,
        drafts: &clusters,
    };
    let drafts = route::read(&nodes, &names, cx);
    let routes: Vec<&Route> = drafts.iter().map(|draft| &draft.route).collect();
    cookies::check(&routes, &clusters, cx);
    let sound: Vec<Candidate<'_>> = drafts
        .iter()
        .filter(|draft| draft.sound)
        .map(|draft| Candidate {
            name: &draft.route.name,
            matching: &draft.route.matching,
            span: draft.span.clone(),
        })
        .collect();
    reach::check(&sound, listener_names.all.len(), cx);
    if complete {
        report_uncertified(&listeners, &drafts, cx);
        report_circles(&drafts, &listeners, &clusters, cx);
        report_absent(&listener_names, nodes.is_empty(), cx);
        report_unused(&drafts, &nodes, &names, &listeners, cx);
    }
    Some(Config {
        workers: process.workers,
        log: process.log,
        access_log: process.access_log,
        trace: process.trace,
        shutdown: process.shutdown,
        identity: process.identity,
        resolver: process.resolver,
        ceilings: process.ceilings,
        zone: process.zone.map(|zone| zone.value).unwrap_or_default(),
        node: process.node,
        admin,
        listeners,
        routes: drafts.into_iter().map(|draft| draft.route).collect(),
        clusters: clusters
            .into_iter()
            .flatten()
            .map(|draft| draft.cluster)
            .collect(),
        elsewhere: cx.take_elsewhere(),
    })
}

/// Reports routes that lead back to the listener that a request came by.
fn report_circles(
    drafts: &[route::Draft],
    listeners: &[Listener],
    clusters: &[Option<cluster::Draft>],
    cx: &mut Cx<'_>,
) {
    let cluster = |id: ClusterId| Some(&clusters.get(id.index())?.as_ref()?.cluster);
    for draft in drafts.iter().filter(|draft| draft.sound) {
        if let Some(circle) = circle::of(&draft.route, listeners, cluster) {
            cx.error(draft.span.clone(), circle.complaint()).help(
                "name the address of what is to answer; where that is another route of this file, name its cluster or its listener",
            );
        }
    }
}

/// Warns of hosts that routes are for, and no certificate of their listener.
fn report_uncertified(listeners: &[Listener], drafts: &[route::Draft], cx: &mut Cx<'_>) {
    let is_only = listeners.len() == 1;
    for (listener, id) in listeners.iter().zip(0..) {
        let Some(tls) = &listener.tls else {
            continue;
        };
        let bound = |draft: &&route::Draft| {
            let listeners = &draft.route.matching.listeners;
            // A route that names none, beside several, may be meant for others.
            listeners.contains(&ListenerId::new(id)) || (listeners.is_empty() && is_only)
        };
        let hosts = drafts.iter().filter(bound).flat_map(|draft| {
            let hosts = draft.route.matching.hosts.iter();
            hosts.map(|host| (host.to_string(), draft.span.clone()))
        });
        check_hosts(tls, &listener.name, hosts, cx);
    }
}

/// Reports a file that listens nowhere or leads nowhere.
fn report_absent(listeners: &Names, no_routes: bool, cx: &mut Cx<'_>) {
    if listeners.all.is_empty() {
        cx.error(0..0, "nothing to listen on: there is no listener")
            .help("add one:\n[listener.web]\nbind = \"127.0.0.1:5000\"");
    }
    if no_routes {
        cx.warning(
            0..0,
            "there is no route, so every request would be answered 404",
        )
        .help("add one:\n[[route]]\npath = \"/\"\ncluster = \"app\"");
    }
}

/// Warns of clusters that no route leads to and listeners that no route is for.
fn report_unused(
    drafts: &[route::Draft],
    nodes: &[Node<'_>],
    names: &route::Targets<'_>,
    bound: &[Listener],
    cx: &mut Cx<'_>,
) {
    // A route that could not be read may be the one that uses it.
    if drafts.len() < nodes.len() || drafts.iter().any(|draft| !draft.sound) {
        return;
    }
    let clusters: HashSet<u32> = drafts
        .iter()
        .flat_map(|draft| draft.clusters.iter().copied())
        .collect();
    for (named, id) in names.clusters.all.iter().zip(0..) {
        if !clusters.contains(&id) {
            cx.warning(
                named.span.clone(),
                format!("no route leads to cluster \"{}\"", named.value),
            )
            .help("name it in a route, or leave it out");
        }
    }
    let of = |draft: &route::Draft| draft.route.matching.listeners.clone();
    if drafts.is_empty() || drafts.iter().any(|draft| of(draft).is_empty()) {
        return;
    }
    let listeners: HashSet<ListenerId> = drafts.iter().flat_map(of).collect();
    for (named, id) in names.listeners.all.iter().zip(0..) {
        let needs_none =
            |one: &Listener| one.name == named.value && one.redirect_to_https.is_some();
        if bound.iter().any(needs_none) {
            continue;
        }
        if !listeners.contains(&ListenerId::new(id)) {
            cx.warning(
                named.span.clone(),
                format!(
                    "no route is for listener \"{}\": it would answer 404 to everything",
                    named.value
                ),
            )
            .help("name it in the `listener` of a route");
        }
    }
}
