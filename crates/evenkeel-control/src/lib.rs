//! Floor 3: the control plane. Keeps the snapshot and the endpoints' standing true; never sees a request.
//!
//! It finds endpoints by names, services and lists and publishes what changed (`discovery`); it probes endpoints (`probe`, one
//! probe; `watch`, one endpoint; `steward`, all of them), connects to those that traffic ejected (`knock`), asks those whose balancer wants it for their load (`load_probe`), applies
//! what time alone changes (`ticker`), exports traces (`export`), and counts what the process uses of what it may (`overload`). What follows from a result, a count or a time is decided in `evenkeel_policy`. It
//! and the data plane meet only in the snapshot.

mod adapt;
mod again;
mod clock;
mod discovery;
mod export;
mod history;
mod judge;
mod knock;
mod latency;
mod load_probe;
mod orders;
mod overload;
mod probe;
mod reach;
mod retired;
#[cfg(test)]
mod rig;
mod spill;
mod steward;
mod ticker;
mod told;
mod turns;
mod watch;

use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evenkeel_config::model::{Config, Endpoint};
use evenkeel_state::{
    Inheritance, Lists, Publisher, Registry, Resolved, Snapshot, Sought, served_lists,
};
use tokio::task::{self, JoinError, JoinSet};

use crate::again::again;
use crate::clock::Clock;
use crate::discovery::{Discovery, Dns, Looked};
use crate::export::Export;
use crate::retired::Retired;
use crate::steward::{FirstRound, Steward};
use crate::turns::Turns;

pub use discovery::Unresolved;
pub use history::MAX_TRIAL;
pub use orders::AddedEndpoint;
pub use reach::{Unreachable, unreachable_endpoints};

/// A configuration whose names were looked up, ready to be published.
#[derive(Debug)]
pub struct Prepared {
    config: Arc<Config>,
    lists: Lists,
    dns: Arc<Dns>,
    looked: Vec<Looked>,
}

impl Prepared {
    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// The control plane of a process.
#[derive(Debug)]
pub struct Control {
    registry: Mutex<Registry>,
    resolved: Mutex<Resolved>,
    discovery: Discovery,
    publisher: Arc<Publisher>,
    steward: Mutex<Steward>,
    turns: Turns,
    history: history::Shared,
    retired: Arc<Retired>,
    export: Export,
}

impl Control {
    /// Compiles and publishes the first snapshot, with the names that resolve; the others are told and tried again
    /// later. A name that does not resolve does not stop the start. Then every endpoint that has probes is probed once,
    /// so that the data plane starts with verdicts; that takes no longer than a probe may. Probing goes on until the
    /// control plane is dropped. `chance` is from the operating system and nobody's to guess.
    pub async fn start(
        config: Config,
        workers: usize,
        chance: &[u8; 32],
    ) -> (Self, Vec<Unresolved>) {
        Self::start_after(None, config, workers, chance).await
    }

    /// The same in the place of another process, going on from what that one learnt.
    pub async fn start_after(
        before: Option<Inheritance>,
        config: Config,
        workers: usize,
        chance: &[u8; 32],
    ) -> (Self, Vec<Unresolved>) {
        let dns = Arc::new(Dns::new(config.resolver.clone()));
        // What was found last holds where nobody answers, also over processes.
        let inherited = before.as_ref().map(|before| before.resolved.clone());
        let mut resolved = inherited.unwrap_or_default();
        let mut registry = Registry::new(workers, chance);
        if let Some(before) = &before {
            orders::restore(registry.overlay_mut(), before);
        }
        let mut names = discovery::names_of(&config);
        names.extend(registry.overlay().added().sought());
        resolved.lend_addresses(&names);
        let (looked, unresolved) = discovery::look_up(names.clone(), &dns, &resolved).await;
        for one in &looked {
            discovery::learn(&mut resolved, one);
        }
        resolved.follow(|sought| names.contains(sought));
        let publisher = match before {
            None => Publisher::new(Arc::new(registry.compile(config, &resolved, 1))),
            Some(before) => {
                let generation = before.generation.saturating_add(1);
                let snapshot = registry.compile(config, &resolved, generation);
                snapshot.inherit(&before.endpoints);
                Publisher::since(before.began, Arc::new(snapshot))
            }
        };
        let turns = Turns::new();
        let steward = Steward::new(Clock::of(&publisher), turns.clone());
        let control = Self {
            registry: Mutex::new(registry),
            resolved: Mutex::new(resolved),
            discovery: Discovery::new(Arc::clone(&dns), Arc::clone(&publisher)),
            publisher,
            steward: Mutex::new(steward),
            turns,
            history: history::Shared::default(),
            retired: Arc::default(),
            export: Export::default(),
        };
        control
            .discovery
            .begin(dns, looked, &control.publisher.current());
        control.reconcile().over().await;
        // So that the first request already finds a cluster in panic whose endpoints are all down, and tiers that spill over.
        let (snapshot, clock) = (control.publisher.current(), Clock::of(&control.publisher));
        ticker::look_at_all(&snapshot, clock.millis());
        spill::tick_all(&snapshot, clock.micros());
        (control, unresolved)
    }

    /// Where the snapshot is published.
    #[must_use]
    pub const fn publisher(&self) -> &Arc<Publisher> {
        &self.publisher
    }

    /// What another process has to know to take the place of this one.
    #[must_use]
    pub fn bequeath(&self) -> Inheritance {
        let resolved = self.known().clone();
        let registry = self.registry();
        let current = self.publisher.current();
        let overlay = registry.overlay();
        let ordered = overlay.entries();
        let added = overlay.added().entries();
        Inheritance {
            began: self.publisher.began(),
            generation: current.generation,
            overlay: ordered
                .map(|(cluster, endpoint, ordered)| {
                    (cluster.to_owned(), endpoint.to_owned(), ordered)
                })
                .collect(),
            added: added
                .map(|(cluster, endpoint)| (cluster.to_owned(), endpoint.clone()))
                .collect(),
            endpoints: current.legacies(),
            resolved,
        }
    }

    /// Keeps everything true that changes while traffic flows, until the set of tasks is dropped: endpoints are looked for
    /// again, ejected endpoints tried, ramps and ejections brought to where the clock says, and the level of the process.
    /// To be called when the data plane has started.
    #[must_use]
    pub fn keep_true(self: &Arc<Self>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let control = Arc::clone(self);
        tasks.spawn(again(move || discovery::run(Arc::clone(&control))));
        let publisher = Arc::clone(&self.publisher);
        tasks.spawn(again(move || ticker::run(Arc::clone(&publisher))));
        let publisher = Arc::clone(&self.publisher);
        // Seeded by the system: whom to ask is all the chance that probes for load need.
        let chance = RandomState::new();
        tasks.spawn(again(move || {
            load_probe::run(Arc::clone(&publisher), chance.hash_one("load"))
        }));
        let publisher = Arc::clone(&self.publisher);
        let own = overload::own_descriptors(&publisher);
        tasks.spawn(again(move || overload::run(Arc::clone(&publisher), own)));
        let (publisher, turns) = (Arc::clone(&self.publisher), self.turns.clone());
        tasks.spawn(again(move || {
            knock::run(Arc::clone(&publisher), turns.clone())
        }));
        let control = Arc::clone(self);
        tasks.spawn(again(move || history::run(Arc::clone(&control))));
        let (retired, publisher) = (Arc::clone(&self.retired), Arc::clone(&self.publisher));
        tasks.spawn(again(move || {
            retired::run(Arc::clone(&retired), Arc::clone(&publisher))
        }));
        let control = Arc::clone(self);
        tasks.spawn(again(move || export::gather(Arc::clone(&control))));
        let control = Arc::clone(self);
        tasks.spawn(again(move || export::send(Arc::clone(&control))));
        tasks
    }

    /// Has those endpoints probed that the current snapshot names. To be called whenever one was published.
    fn reconcile(&self) -> FirstRound {
        let mut steward = self.steward.lock().unwrap_or_else(PoisonError::into_inner);
        steward.reconcile(&self.publisher.current())
    }

    /// Resolves the names of a configuration that is to take the place of the current one. A name that does not resolve keeps
    /// the addresses that it had last; `lists` says whose endpoints count where they are in a list of their own.
    pub async fn prepare(&self, config: Arc<Config>, lists: Lists) -> (Prepared, Vec<Unresolved>) {
        let dns = self.discovery.dns(&config.resolver);
        let names = self.names_of(&config, lists);
        let mut known = self.known().clone();
        known.lend_addresses(&names);
        let (looked, unresolved) = discovery::look_up(names, &dns, &known).await;
        let prepared = Prepared {
            config,
            lists,
            dns,
            looked,
        };
        (prepared, unresolved)
    }

    /// Publishes a configuration in the place of the current one, and gives its generation. What its clusters, endpoints and
    /// listeners have in common with those before keeps all that is known of it.
    ///
    /// It is compiled by a thread that has time: a hundred thousand routes take a good part of a second, and probes and
    /// ejections go on meanwhile.
    ///
    /// # Errors
    /// When compiling it panicked: then nothing has changed.
    pub async fn publish(self: &Arc<Self>, prepared: Prepared) -> Result<u64, JoinError> {
        let control = Arc::clone(self);
        let compiled = task::spawn_blocking(move || control.compile_and_swap(prepared)).await;
        // New endpoints get no request before they have shown that they are well, so nobody waits for them.
        self.follow();
        compiled
    }

    /// The names and services of a configuration, and those in the lists that it shares with what is served.
    fn names_of(&self, config: &Config, lists: Lists) -> BTreeSet<Sought> {
        let mut names = discovery::names_of(config);
        if lists == Lists::Served {
            let current = self.publisher.current();
            let served = served_lists(&current);
            let shared = config.clusters.iter().filter_map(Sought::list_of);
            let shared = shared.filter_map(|list| served.get(&list));
            names.extend(shared.flat_map(|endpoints| Sought::behind(endpoints)));
        }
        names
    }

    fn compile_and_swap(&self, prepared: Prepared) -> u64 {
        let Prepared {
            config,
            lists,
            dns,
            looked,
        } = prepared;
        let mut resolved = self.known();
        for one in &looked {
            discovery::learn(&mut resolved, one);
        }
        // Whoever changes what is published holds the registry. It is compiled beside the publisher, which workers ask.
        let mut registry = self.registry();
        let mut names = self.names_of(&config, lists);
        names.extend(registry.overlay().added().sought());
        resolved.lend_addresses(&names);
        resolved.follow(|sought| names.contains(sought));
        let current = self.publisher.current();
        let generation = current.generation + 1;
        let next = registry.compile_after(Some(&current), config, lists, &resolved, generation);
        self.swap(|_, _| Some(next));
        drop((registry, resolved));
        self.discovery.begin(dns, looked, &self.publisher.current());
        generation
    }

    /// Publishes what was found: addresses of names and services, or the endpoints of a list with the addresses of new names
    /// among them. What is no news changes nothing.
    fn publish_found(&self, sought: &Sought, fresh: Resolved, list: Option<&[Endpoint]>) {
        let mut all: HashSet<Sought> = fresh.sought().collect();
        all.insert(sought.clone());
        let mut resolved = self.known();
        if !resolved.extend(fresh) && list.is_none() {
            return;
        }
        // Whoever changes what is published holds the registry. It is compiled beside the publisher, which workers ask.
        let mut registry = self.registry();
        for cluster in self.publisher.current().clusters() {
            let mut wanted = cluster.sought();
            if !wanted.any(|one| all.contains(&one)) {
                continue;
            }
            let (current, id) = (self.publisher.current(), cluster.id);
            let generation = current.generation + 1;
            let is_its = sought.is_list_of(&cluster.config);
            let next = match list.filter(|_| is_its) {
                Some(list) => {
                    registry.with_list(&current, id, list.to_vec(), &resolved, generation)
                }
                None => registry.with_resolved(&current, id, &resolved, generation),
            };
            let Some(next) = next else {
                continue;
            };
            let endpoints = next.cluster(id).map_or(0, |new| new.endpoints.list.len());
            self.swap(|_, _| Some(next));
            let cluster = &cluster.config.name;
            tracing::info!(cluster, generation, endpoints, "other endpoints were found");
        }
        drop((registry, resolved));
        // Nobody waits for the endpoints that are new: they get no request before they have shown that they are well.
        drop(self.reconcile());
    }

    /// Lets another snapshot take the place of the current one. To be called by who holds the registry.
    fn swap(&self, change: impl FnOnce(&Arc<Snapshot>, u64) -> Option<Snapshot>) {
        let before = self.publisher.current();
        self.publisher.update(change);
        if before.generation != self.publisher.current().generation {
            self.retired.push(before);
        }
    }

    /// Brings probes, and what the clock changes, in line with a snapshot that was just published.
    fn follow(&self) {
        drop(self.reconcile());
        ticker::look_at_all(
            &self.publisher.current(),
            Clock::of(&self.publisher).millis(),
        );
    }

    /// Looks for what the current snapshot needs, and forgets what it does not.
    fn look_for_what_is_needed(&self) {
        let wanted = self.discovery.follow(&self.publisher.current());
        self.known().follow(|sought| wanted.contains_key(sought));
    }

    /// Sends the last spans, for a while. To be called when the data plane has ended, while everything is still kept true.
    pub async fn finish_traces(&self) {
        self.export.finish(&self.publisher).await;
    }

    const fn export(&self) -> &Export {
        &self.export
    }

    const fn discovery(&self) -> &Discovery {
        &self.discovery
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of names and services.
    fn known(&self) -> MutexGuard<'_, Resolved> {
        self.resolved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
