//! Endpoints that are found while the process runs: names and services that are looked up, lists that are read again.
//!
//! ```text
//!  snapshot ─▶ what is looked for ─▶ agenda ─▶ sources look ─▶ what they found ─▶ registry ─▶ snapshot
//!                                      ▲                            │
//!                                      └── good for how long, or failed
//! ```
//!
//! One loop follows whatever snapshot is current. Sources differ only in how they look (`name`, `service`, `list`); when they
//! look stands in `agenda`. A source that fails changes nothing: what it found last holds, for an answer that fails says nothing
//! about the endpoints. What the configuration itself lists is no source's.

mod agenda;
mod dns;
mod list;
mod name;
mod service;
mod stamp;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use evenkeel_config::model;
use evenkeel_state::{Found, Look, Publisher, Resolved, Snapshot, Sought, Source};
use tokio::sync::Notify;
use tokio::task::{Id, JoinSet};
use tokio::time::{self, Instant};

use crate::Control;
use agenda::{Agenda, Word};
pub(crate) use dns::Dns;

/// How long a start or a new configuration waits for names: a dead resolver must not keep the other clusters from serving.
const PATIENCE: Duration = Duration::from_secs(3);

/// So many looks are under way at the same time; the others wait their turn. Each is a few packets on the network.
const AT_ONCE: usize = 32;

/// A name or service that did not resolve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// The name.
    pub host: String,
    /// What the resolver said.
    pub why: String,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} does not resolve: {}", self.host, self.why)
    }
}

/// What came of one look, and who looked.
#[derive(Debug)]
pub(crate) struct Looked {
    sought: Sought,
    source: Box<dyn Source>,
    outcome: Result<Look, String>,
    at: Instant,
    /// The names and services behind a list that was found, if nobody knew them.
    behind: Vec<Self>,
}

/// What is looked for, and who looks.
#[derive(Debug)]
pub(crate) struct Discovery {
    state: Mutex<State>,
    /// Wakes the loop when there is more to look for, or less.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    dns: Arc<Dns>,
    agenda: Agenda,
    sources: HashMap<Sought, Box<dyn Source>>,
    /// Where operators read what fails.
    publisher: Arc<Publisher>,
    /// Counts configurations: who began to look under another one found nothing.
    epoch: u64,
}

impl Discovery {
    /// Nothing is looked for yet; names are asked of `dns`, and what fails is told by way of `publisher`.
    pub(crate) fn new(dns: Arc<Dns>, publisher: Arc<Publisher>) -> Self {
        let state = State {
            dns,
            agenda: Agenda::default(),
            sources: HashMap::new(),
            publisher,
            epoch: 0,
        };
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
        }
    }

    /// Who is asked about names by a configuration with these settings.
    pub(crate) fn dns(&self, settings: &model::Resolver) -> Arc<Dns> {
        let state = self.state();
        if state.dns.settings() == settings {
            return Arc::clone(&state.dns);
        }
        Arc::new(Dns::new(settings.clone()))
    }

    /// Looks from now on as another configuration says, which is served already and whose names were just looked up.
    pub(crate) fn begin(&self, dns: Arc<Dns>, looked: Vec<Looked>, snapshot: &Snapshot) {
        let (wanted, now) = (wanted(snapshot), Instant::now());
        let mut state = self.state();
        state.dns = dns;
        state.epoch += 1;
        state.sources.clear();
        state.follow(&wanted, now);
        // What was not looked up in time, and lists, which were read before this moment, is looked for at once.
        state.agenda.renew(now);
        for one in looked {
            state.keep(one);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Looks for what this snapshot needs and for nothing else; says what that is.
    pub(crate) fn follow(&self, snapshot: &Snapshot) -> BTreeMap<Sought, Duration> {
        let wanted = wanted(snapshot);
        let mut state = self.state();
        state.follow(&wanted, Instant::now());
        state
            .sources
            .retain(|sought, _| wanted.contains_key(sought));
        drop(state);
        wanted
    }

    /// Keeps who looked, of what is still looked for.
    pub(crate) fn keep(&self, looked: Vec<Looked>) {
        let mut state = self.state();
        for one in looked {
            state.keep(one);
        }
        drop(state);
        self.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is due, with who looks and under which configuration.
    fn take_due(&mut self, most: usize, known: &Resolved) -> Vec<(Sought, Box<dyn Source>)> {
        let due = self.agenda.take_due(Instant::now(), most);
        due.into_iter()
            .map(|sought| {
                let source = self.sources.remove(&sought);
                let source = source.unwrap_or_else(|| source_of(&sought, &self.dns, known));
                (sought, source)
            })
            .collect()
    }

    fn follow(&mut self, wanted: &BTreeMap<Sought, Duration>, now: Instant) {
        self.agenda.follow(wanted, now);
        let failing = self.publisher.failing();
        failing.retain(|sought| wanted.contains_key(sought));
    }

    /// A look ended: when the next one is due; says what is worth a word.
    fn looked(&mut self, sought: &Sought, outcome: Result<Duration, &str>, at: Instant) -> Word {
        if self.agenda.has(sought) {
            let failing = self.publisher.failing();
            failing.looked(sought, outcome.map(drop), SystemTime::now());
        }
        self.agenda.looked(sought, outcome, at)
    }

    /// Keeps who looked, and when the next look is due; says what is worth a word.
    fn keep(&mut self, looked: Looked) -> Word {
        let outcome = match &looked.outcome {
            Ok(look) => Ok(look.good_for),
            Err(why) => Err(why.as_str()),
        };
        let word = self.looked(&looked.sought, outcome, looked.at);
        if self.agenda.has(&looked.sought) {
            self.sources.insert(looked.sought, looked.source);
        }
        word
    }
}

/// What a snapshot's endpoints are found by, each with the longest time that an answer is believed.
fn wanted(snapshot: &Snapshot) -> BTreeMap<Sought, Duration> {
    let mut wanted = BTreeMap::new();
    for cluster in snapshot.clusters() {
        for sought in cluster.sought() {
            let ceiling = match sought {
                Sought::List(..) => list::INTERVAL,
                Sought::Name(..) | Sought::Service(_) => cluster.config.resolve_interval,
            };
            let known = wanted.entry(sought).or_insert(ceiling);
            *known = ceiling.min(*known);
        }
    }
    wanted
}

/// Who looks for it, with what is known of it.
fn source_of(sought: &Sought, dns: &Arc<Dns>, known: &Resolved) -> Box<dyn Source> {
    let dns = Arc::clone(dns);
    match sought {
        Sought::Name(host, port) => {
            let known = known.addresses(host, *port);
            Box::new(name::Named::new(dns, host, *port, known))
        }
        Sought::Service(name) => Box::new(service::Records::new(dns, name, known.services(name))),
        Sought::List(path, spoken) => Box::new(list::List::new(path.clone(), *spoken)),
    }
}

/// The names and services of a configuration.
pub(crate) fn names_of(config: &model::Config) -> BTreeSet<Sought> {
    let endpoints = config.clusters.iter().map(|one| &one.endpoints);
    endpoints.flat_map(|all| Sought::behind(all)).collect()
}

/// Looks all of these up at once, for a while; says what was found, and of what there is no answer.
pub(crate) async fn look_up(
    names: BTreeSet<Sought>,
    dns: &Arc<Dns>,
    known: &Resolved,
) -> (Vec<Looked>, Vec<Unresolved>) {
    let mut missing = names.clone();
    let mut waiting = names.into_iter();
    let (mut found, mut unresolved) = (Vec::new(), Vec::new());
    let mut looks = JoinSet::new();
    let all = async {
        loop {
            while looks.len() < AT_ONCE
                && let Some(sought) = waiting.next()
            {
                let source = source_of(&sought, dns, known);
                looks.spawn(look(sought, source));
            }
            match looks.join_next().await {
                Some(Ok(looked)) => {
                    missing.remove(&looked.sought);
                    if let Err(why) = &looked.outcome {
                        unresolved.push(Unresolved {
                            host: looked.sought.to_string(),
                            why: why.clone(),
                        });
                    }
                    found.push(looked);
                }
                Some(Err(_)) => {}
                None => break,
            }
        }
    };
    if time::timeout(PATIENCE, all).await.is_err() {
        unresolved.extend(missing.into_iter().map(|sought| Unresolved {
            host: sought.to_string(),
            why: "the resolver did not answer in time".into(),
        }));
    }
    unresolved.sort_by(|a, b| a.host.cmp(&b.host));
    (found, unresolved)
}

async fn look(sought: Sought, mut source: Box<dyn Source>) -> Looked {
    let outcome = source.look().await;
    Looked {
        sought,
        source,
        outcome,
        at: Instant::now(),
        behind: Vec::new(),
    }
}

/// Takes what was found over into what is known.
pub(crate) fn learn(resolved: &mut Resolved, looked: &Looked) {
    let Ok(look) = &looked.outcome else {
        return;
    };
    match (&looked.sought, &look.found) {
        (Sought::Name(host, port), Found::Addresses(addresses)) => {
            resolved.insert((host.clone(), *port), addresses.clone());
        }
        (Sought::Service(name), Found::Services(services)) => {
            resolved.insert_services(name.clone(), services.clone());
        }
        _ => {}
    }
}

/// Looks for what the current snapshot needs, again and again.
pub(crate) async fn run(control: Arc<Control>) {
    // Whoever looked when a mistake of ours ended this loop looks no more.
    control.discovery().state().agenda.renew(Instant::now());
    let mut looks: JoinSet<(u64, Looked)> = JoinSet::new();
    let mut under_way: HashMap<Id, Sought> = HashMap::new();
    loop {
        begin_looks(&control, &mut looks, &mut under_way);
        let next = control.discovery().state().agenda.next();
        let next = next.filter(|_| looks.len() < AT_ONCE);
        let due = async {
            match next {
                Some(next) => time::sleep_until(next).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = control.discovery().changed.notified() => {}
            () = due => {}
            Some(joined) = looks.join_next_with_id() => match joined {
                Ok((id, (epoch, looked))) => {
                    under_way.remove(&id);
                    found(&control, epoch, looked);
                }
                // A mistake of ours, which the log tells: it counts as a look that came to nothing.
                Err(error) => if let Some(sought) = under_way.remove(&error.id()) {
                    let mut state = control.discovery().state();
                    state.looked(&sought, Err("a mistake of evenkeel's own"), Instant::now());
                },
            },
        }
    }
}

fn begin_looks(
    control: &Arc<Control>,
    looks: &mut JoinSet<(u64, Looked)>,
    under_way: &mut HashMap<Id, Sought>,
) {
    let room = AT_ONCE.saturating_sub(looks.len());
    let known = control.known();
    let mut state = control.discovery().state();
    let due = state.take_due(room, &known);
    drop(known);
    for (sought, source) in due {
        let (epoch, dns) = (state.epoch, Arc::clone(&state.dns));
        let key = sought.clone();
        let control = Arc::clone(control);
        let task = looks.spawn(async move {
            let mut looked = look(sought, source).await;
            if list_of(&looked).is_some() {
                let known = control.known().clone();
                let names = unknown(&looked.outcome, &known);
                looked.behind = look_behind(names, &dns, &known).await;
            }
            (epoch, looked)
        });
        under_way.insert(task.id(), key);
    }
}

/// The names that stand in a new list and nobody knows yet.
fn unknown(outcome: &Result<Look, String>, known: &Resolved) -> BTreeSet<Sought> {
    let Ok(Look {
        found: Found::Endpoints(endpoints),
        ..
    }) = outcome
    else {
        return BTreeSet::new();
    };
    Sought::behind(endpoints)
        .filter(|sought| !known.is_current(sought))
        .collect()
}

/// Looks up what stands in a new list: its endpoints must not come without their addresses, in the place of others.
async fn look_behind(names: BTreeSet<Sought>, dns: &Arc<Dns>, known: &Resolved) -> Vec<Looked> {
    let (behind, unresolved) = look_up(names, dns, known).await;
    for one in unresolved {
        tracing::warn!("{one}");
    }
    behind
}

/// A look ended: what it found is published, and what it did not find is told.
fn found(control: &Control, epoch: u64, mut looked: Looked) {
    let mut state = control.discovery().state();
    if epoch != state.epoch || !state.agenda.has(&looked.sought) {
        return;
    }
    let behind = std::mem::take(&mut looked.behind);
    let mut fresh = Resolved::new();
    for one in behind.iter().chain([&looked]) {
        learn(&mut fresh, one);
    }
    let list = list_of(&looked);
    let sought = looked.sought.clone();
    let why = looked.outcome.as_ref().err().cloned();
    let word = state.keep(looked);
    drop(state);
    tell(word, &sought, why.as_ref());
    let is_list = list.is_some();
    control.publish_found(&sought, fresh, list.as_deref());
    if is_list {
        control.look_for_what_is_needed();
        let mut state = control.discovery().state();
        for one in behind {
            state.keep(one);
        }
    }
}

/// The endpoints of a list that was read anew.
fn list_of(looked: &Looked) -> Option<Vec<model::Endpoint>> {
    match &looked.outcome {
        Ok(Look {
            found: Found::Endpoints(endpoints),
            ..
        }) => Some(endpoints.clone()),
        _ => None,
    }
}

fn tell(word: Word, sought: &Sought, why: Option<&String>) {
    let why = why.map_or("", String::as_str);
    match (word, sought) {
        (Word::None, _) => {}
        (Word::Failing, Sought::List(path, _)) => tracing::error!(
            list = %path.display(),
            "the list of endpoints stays as it was: {why}"
        ),
        (Word::Failing, name) => tracing::warn!(
            %name,
            error = why,
            "a name does not resolve; its last addresses are kept"
        ),
        (Word::Again, Sought::List(path, _)) => {
            tracing::info!(list = %path.display(), "the list of endpoints can be read again");
        }
        (Word::Again, name) => tracing::info!(%name, "a name resolves again"),
    }
}

#[cfg(test)]
mod tests;
