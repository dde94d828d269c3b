//! Routes in the picture. Of a hundred thousand those are shown that fail, then those that are asked, then the first ones.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use evenkeel_config::model::{Action, Config, Route};
use evenkeel_state::{Snapshot, Traffic};

use crate::live::bounds::BOUNDS;
use crate::live::count::Seen;
use crate::view::live::{self, Share};

/// Routes as they were a second ago, by name.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// How many exchanges there were, and how many of them failed, of all that were ever asked.
    asked: HashMap<String, (u64, u64)>,
    /// Everything, of those that are shown.
    seen: HashMap<String, Seen>,
}

impl Routes {
    /// Nobody watches any more.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Those that a picture shows, in the order of the configuration.
    pub(super) fn look(&mut self, snapshot: &Snapshot, span: Duration) -> Vec<live::Route> {
        let config = &snapshot.config;
        let mut known = std::mem::take(&mut self.seen);
        let mut shown = Vec::new();
        for at in self.choose(snapshot) {
            let (route, traffic) = (&config.routes[at], &snapshot.routes_traffic()[at]);
            let sum = traffic.sum();
            let mut seen = known
                .remove(&route.name)
                .unwrap_or_else(|| Seen::new(sum.clone()));
            let traffic = seen.look(sum, span);
            self.seen.insert(route.name.clone(), seen);
            shown.push(view(route, config, traffic));
        }
        shown
    }

    /// The positions of those to show. Routes of one name count as one.
    fn choose(&mut self, snapshot: &Snapshot) -> Vec<usize> {
        let before = std::mem::take(&mut self.asked);
        let mut names = HashSet::new();
        let routes = snapshot.config.routes.iter().zip(snapshot.routes_traffic());
        let mut ranks = Vec::new();
        for (at, (route, traffic)) in routes.enumerate() {
            if !names.insert(&route.name) {
                continue;
            }
            let Some(now) = asked(traffic) else {
                ranks.push((0, 0, at));
                continue;
            };
            let then = before.get(&route.name).copied().unwrap_or(now);
            ranks.push((
                now.1.saturating_sub(then.1),
                now.0.saturating_sub(then.0),
                at,
            ));
            self.asked.insert(route.name.clone(), now);
        }
        ranks.sort_by_key(|(failed, asked, at)| (std::cmp::Reverse((*failed, *asked)), *at));
        let mut chosen: Vec<usize> = ranks
            .iter()
            .map(|(.., at)| *at)
            .take(BOUNDS.routes)
            .collect();
        chosen.sort_unstable();
        chosen
    }
}

/// Exchanges, and those of them that failed; none: it was never asked.
fn asked(traffic: &Traffic) -> Option<(u64, u64)> {
    let mut made = traffic.made().peekable();
    made.peek()?;
    Some(made.fold((0, 0), |(all, failed), counters| {
        let responses = counters.responses.each_ref().map(|one| one.read());
        (all + responses.iter().sum::<u64>(), failed + responses[4])
    }))
}

fn view(route: &Route, config: &Config, traffic: live::Traffic) -> live::Route {
    let (to, answers) = action(route, config);
    let listeners = route.matching.listeners.iter();
    live::Route {
        name: route.name.clone(),
        matches: matches(route),
        listeners: listeners
            .filter_map(|id| config.listeners.get(id.index()))
            .map(|listener| listener.name.clone())
            .collect(),
        to,
        answers,
        traffic,
    }
}

fn action(route: &Route, config: &Config) -> (Vec<Share>, String) {
    match &route.action {
        Action::Forward { split, .. } => {
            let share = |(id, weight): &(evenkeel_base::ClusterId, u16)| {
                let cluster = config.clusters.get(id.index())?;
                Some(Share {
                    cluster: cluster.name.clone(),
                    weight: *weight,
                })
            };
            (
                split.shares.iter().filter_map(share).collect(),
                String::new(),
            )
        }
        Action::Redirect(redirect) => (Vec::new(), format!("redirect {}", redirect.status)),
        Action::Respond(respond) => (Vec::new(), format!("answer {}", respond.status)),
    }
}

/// `GET, HEAD example.com/api`, with a mark where there are more conditions.
fn matches(route: &Route) -> String {
    let matching = &route.matching;
    let mut text = String::new();
    if !matching.methods.is_empty() {
        text.push_str(&matching.methods.join(", "));
        text.push(' ');
    }
    let hosts: Vec<String> = matching
        .hosts
        .iter()
        .take(3)
        .map(ToString::to_string)
        .collect();
    text.push_str(&hosts.join(", "));
    if matching.hosts.len() > hosts.len() {
        text.push_str(", …");
    }
    text.push_str(&matching.path.to_string());
    let conditions = matching.headers.len() + matching.query.len();
    if conditions > 0 {
        text.push_str(&format!(" and {conditions} more"));
    }
    text
}
