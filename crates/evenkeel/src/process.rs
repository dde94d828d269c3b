//! The running process: both planes, the file that they serve, and how another configuration takes its place.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow, bail};
use evenkeel_admin::Console;
use evenkeel_base::unit::format_duration;
use evenkeel_config::model::{self, AccessLogTarget, Config, Listener, Workers};
use evenkeel_control::{Control, MAX_TRIAL};
use evenkeel_proxy::{AccessLog, DataPlane};
use evenkeel_state::command::{Command, Done, Refused};
use evenkeel_state::life::Stage;
use evenkeel_state::{Change, Life, ListenerState, Lists, Snapshot};
use tokio::task;

use crate::admin_address;
use crate::before::Before;
use crate::desk::Order;
use crate::disk::Disk;
use crate::listeners::Difference;
use crate::load::{Back, Earlier, Loaded, Reading, list_of, lists};
use crate::notify::Notify;
use crate::operator_log::Log;
use crate::parked::Parked;
use crate::renewal::reload;
use crate::stamp::Seen;
use crate::trial::{Trial, Verdict};
use crate::upgrade::{Farewell, Upgrade};
use crate::watched_files::WatchedFiles;

/// Where a configuration comes from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// A file, which may change.
    File(Box<FromFile>),
    /// The command line: there is nothing to read again.
    CommandLine,
}

/// A file that a configuration comes from.
#[derive(Clone, Debug)]
pub(crate) struct FromFile {
    pub(crate) path: PathBuf,
    /// Whether it is to be looked at for changes.
    pub(crate) watched: bool,
    /// What it and those that it names looked like when they were read.
    pub(crate) seen: Seen,
    /// What came of it.
    pub(crate) reading: Arc<Reading>,
    /// What it said that was gone back from, where the process before this one served something else.
    pub(crate) back: Option<Back>,
    /// What the process before this one served, to go back to.
    pub(crate) before: Option<Earlier>,
}

impl Origin {
    /// The file.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(from) => Some(&from.path),
            Self::CommandLine => None,
        }
    }

    /// What it said that was gone back from.
    pub(crate) fn back(&self) -> Option<&Back> {
        match self {
            Self::File(from) => from.back.as_ref(),
            Self::CommandLine => None,
        }
    }
}

/// Why nothing else may change while an upgrade is under way.
pub(crate) const UPGRADING: &str = "an upgrade is under way: try again when it is done";

/// Why there is no trial of what is served.
const NOTHING_TO_TRY: &str = "what the file says is served already, and a trial goes back from what is new: write another configuration \
                              first; `evenkeel rollback` goes back to the one before, when there is one";

/// What runs.
pub(crate) struct Process {
    pub(crate) plane: DataPlane,
    pub(crate) control: Arc<Control>,
    pub(crate) life: Arc<Life>,
    pub(crate) files: Option<WatchedFiles>,
    /// Files of TLS; none: none is named.
    pub(crate) certificates: Option<WatchedFiles>,
    /// What the configuration that is served was read from; none: the command line.
    pub(crate) reading: Option<Arc<Reading>>,
    /// What the file said when it was last found right, which is served unless it was gone back from; none: the command line.
    said: Option<Arc<Reading>>,
    pub(crate) trial: Option<Trial>,
    pub(crate) upgrade: Option<Upgrade>,
    /// What is told of an upgrade that went well.
    pub(crate) farewell: Option<Farewell>,
    /// Where operators are answered.
    pub(crate) console: Console,
    pub(crate) notify: Notify,
    /// What runs.
    pub(crate) program: PathBuf,
    origin: Origin,
    pub(crate) disk: Disk,
    /// Sockets of whoever started this process that no listener has.
    pub(crate) parked: Parked,
    pub(crate) log: Log,
    /// The configuration before the current one, to go back to.
    pub(crate) before: Option<Before>,
}

/// What was read, and what from.
type Read = (Arc<Config>, Arc<Reading>);

/// A configuration that is to take the place of the current one.
struct Next {
    config: Arc<Config>,
    reading: Option<Arc<Reading>>,
    /// Whether its lists of endpoints are of now.
    lists: Lists,
}

/// What has taken the place of what was served.
#[derive(Debug)]
pub(crate) struct Reloaded {
    /// The generation that is served now.
    generation: u64,
    /// Whether it is another configuration.
    is_another: bool,
    /// Why the same was gone back from before; none: it was not.
    again: Option<String>,
}

impl Reloaded {
    fn what(&self) -> String {
        match &self.again {
            Some(why) => format!("what was rolled back ({why}) was read again and is served"),
            None if self.is_another => "the configuration was read again and is served".to_owned(),
            None => "the configuration was read again and is what it was".to_owned(),
        }
    }
}

/// What an order leads to beside its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Take no new work, finish the old, end.
    Drain(&'static str),
    /// End now.
    Stop(&'static str),
    /// Another process accepts by now: finish what is left, end.
    Replaced,
}

/// What a process is made of beside its planes.
pub(crate) struct Parts {
    pub(crate) life: Arc<Life>,
    pub(crate) log: Log,
    pub(crate) origin: Origin,
    pub(crate) console: Console,
    pub(crate) notify: Notify,
    pub(crate) program: PathBuf,
    pub(crate) parked: Parked,
}

impl Process {
    /// Both planes, started.
    pub(crate) fn new(plane: DataPlane, control: Arc<Control>, parts: Parts) -> Self {
        let Parts {
            life,
            log,
            origin,
            console,
            notify,
            program,
            parked,
        } = parts;
        let (files, reading) = match &origin {
            Origin::File(from) => (
                from.watched.then(|| WatchedFiles::new(from.seen.clone())),
                Some(Arc::clone(&from.reading)),
            ),
            Origin::CommandLine => (None, None),
        };
        let left = origin.back().map(|back| Arc::clone(&back.left));
        let before = match &origin {
            Origin::File(from) => from.before.clone().map(Before::from),
            Origin::CommandLine => None,
        };
        Self {
            certificates: watch_certificates(reading.as_deref()),
            said: left.or_else(|| reading.clone()),
            reading,
            plane,
            control,
            life,
            files,
            trial: None,
            upgrade: None,
            farewell: None,
            console,
            notify,
            program,
            origin,
            disk: Disk::new(),
            parked,
            log,
            before,
        }
    }

    /// Carries out an order; what it leads to, when that is the end.
    pub(crate) async fn obey(&mut self, order: Order) -> Option<End> {
        let Order { command, answer } = order;
        let mut end = None;
        if self.upgrade.is_some() && !matches!(command, Command::Drain | Command::Stop) {
            let _ = answer.send(Err(Refused::Cannot(UPGRADING.to_owned())));
            return None;
        }
        let said = match command {
            Command::Reload { trial } if !trial.is_zero() => {
                match self.reload_on_trial(trial).await {
                    Ok((generation, before)) => {
                        let control = &self.control;
                        let trial = Trial::begin(control, generation, trial, before, answer);
                        self.life.on_trial(Some(trial.until()));
                        self.trial = Some(trial);
                        return None;
                    }
                    Err(error) => Err(error),
                }
            }
            Command::Reload { .. } => self.reload().await.map(|reloaded| Done {
                what: reloaded.what(),
                generation: reloaded.generation,
            }),
            Command::Rollback => self.rollback().await.map(|generation| Done {
                what: "the configuration before is served again".to_owned(),
                generation,
            }),
            Command::Drain => {
                end = Some(End::Drain("drain"));
                Ok(self.done("draining: what is under way is finished, then evenkeel ends"))
            }
            Command::Stop => {
                end = Some(End::Stop("stop"));
                Ok(self.done("stopping at once"))
            }
            Command::Endpoint {
                cluster,
                endpoint,
                order,
            } => {
                let _ = answer.send(self.order(&cluster, &endpoint, order));
                return None;
            }
            Command::AddEndpoint {
                cluster,
                endpoint,
                scheme,
            } => {
                let _ = answer.send(self.add(&cluster, &endpoint, scheme).await);
                return None;
            }
            Command::RemoveEndpoint { cluster, endpoint } => {
                let _ = answer.send(self.remove(&cluster, &endpoint));
                return None;
            }
            Command::LogLevel { level, time } => Ok(self.log_down_to(level, time)),
            Command::Upgrade { program } => {
                self.upgrade_to(&program, Some(answer));
                return None;
            }
        };
        let _ = answer.send(said.map_err(|error| Refused::Cannot(format!("{error:#}"))));
        end
    }

    /// What can still be ordered while it ends; true: to end at once.
    pub(crate) fn obey_while_ending(&self, order: Order) -> bool {
        let Order { command, answer } = order;
        let stops = command == Command::Stop;
        let said = match command {
            Command::Stop => Ok(self.done("stopping at once")),
            Command::Drain => Ok(self.done("it is draining already")),
            _ => Err(Refused::Cannot(
                "this evenkeel is about to end: it takes no orders but to stop at once".to_owned(),
            )),
        };
        let _ = answer.send(said);
        stops
    }

    pub(crate) fn done(&self, what: &str) -> Done {
        Done {
            what: what.to_owned(),
            generation: self.control.publisher().current().generation,
        }
    }

    /// Reads the file again and lets it take the place of what runs.
    ///
    /// # Errors
    /// What is wrong, with everything as it was. The log and the status have it by then.
    pub(crate) async fn reload(&mut self) -> anyhow::Result<Reloaded> {
        self.notify.reloading();
        let read = self.read().await;
        let reloaded = self.serve_what_was(read).await;
        self.notify.ready(self.plane.workers());
        reloaded
    }

    /// The same, because a file has changed: nobody has asked for what was gone back from.
    pub(crate) async fn reload_changed(&mut self) {
        tracing::info!("the configuration file, or one that it names, has changed");
        self.notify.reloading();
        let read = self.read().await;
        match &read {
            Ok((_, reading)) if self.left(reading).is_some() => tracing::warn!(
                "the configuration stays as it was: its file says what was rolled back; `evenkeel reload` serves it all the same"
            ),
            // What is wrong has been said.
            _ => drop(self.serve_what_was(read).await),
        }
        self.notify.ready(self.plane.workers());
    }

    async fn serve_what_was(&mut self, read: anyhow::Result<Read>) -> anyhow::Result<Reloaded> {
        let served = match read {
            Ok((config, reading)) => {
                let again = self.left(&reading);
                let next = Next {
                    config,
                    reading: Some(Arc::clone(&reading)),
                    lists: Lists::Read,
                };
                let replaced = self.replace(next).await;
                replaced.map(|replaced| (Reloaded { again, ..replaced }, reading))
            }
            Err(error) => Err(error),
        };
        match served {
            Ok((reloaded, reading)) => {
                self.said = Some(reading);
                self.life.loaded(SystemTime::now());
                if let Some(why) = &reloaded.again {
                    tracing::warn!("what is served now was rolled back before: {why}");
                }
                Ok(reloaded)
            }
            Err(error) => {
                // Who has read the line may ask for it.
                self.life.failed(format!("{error:#}"));
                tracing::error!("the configuration stays as it was: {error:#}");
                Err(error)
            }
        }
    }

    /// What is served, where that is a configuration from before, and what the file said that was gone back from.
    pub(crate) fn back(&self) -> Option<Back> {
        let (served, left) = self.reading.as_ref().zip(self.said.as_ref())?;
        if served.says_the_same(left) {
            return None;
        }
        let told = self.life.told();
        let (since, why) = told
            .went_back
            .unwrap_or_else(|| (SystemTime::now(), String::new()));
        Some(Back {
            served: Arc::clone(served),
            read: told.loaded,
            left: Arc::clone(left),
            since,
            why,
        })
    }

    /// Why that was gone back from; none: it was not.
    fn left(&self, reading: &Reading) -> Option<String> {
        let back = self.back()?;
        reading
            .is_still(&back.left, &back.served)
            .then_some(back.why)
    }

    fn refuse_while_upgrading(&self) -> anyhow::Result<()> {
        if self.upgrade.is_some() {
            bail!("{UPGRADING}");
        }
        Ok(())
    }

    async fn reload_on_trial(
        &mut self,
        length: Duration,
    ) -> anyhow::Result<(u64, evenkeel_policy::trial::Tally)> {
        if length > MAX_TRIAL {
            bail!(
                "a trial lasts {} at most: so far back is known what is normal",
                format_duration(MAX_TRIAL)
            );
        }
        let before = self.control.tally_before(length);
        self.notify.reloading();
        let read = self.read().await;
        let is_served = match &read {
            Ok((config, reading)) => self.serves(config, Some(reading)),
            Err(_) => false,
        };
        let reloaded = if is_served {
            Err(anyhow!(NOTHING_TO_TRY))
        } else {
            self.serve_what_was(read).await
        };
        self.notify.ready(self.plane.workers());
        let Reloaded { generation, .. } = reloaded?;
        tracing::info!(
            generation,
            "on trial for {}: it goes when more requests fail",
            format_duration(length)
        );
        Ok((generation, before))
    }

    /// What its trial came to: a configuration that makes things worse goes.
    pub(crate) async fn judged(&mut self, verdict: Verdict) {
        let Some(trial) = self.trial.take() else {
            return;
        };
        self.life.on_trial(None);
        let since = match verdict {
            Verdict::Stays => return trial.stands(&self.control),
            Verdict::Worse(since) => since,
        };
        let complaint = trial.complaint(since);
        let outcome = match self.go_back(&complaint).await {
            Ok(_) => format!("{complaint}; the one before is served again"),
            Err(error) => format!("{complaint}; the one before cannot be served: {error:#}"),
        };
        tracing::error!("{outcome}");
        self.life.failed_on_trial(outcome.clone());
        trial.fails(outcome);
    }

    /// Goes back to the configuration before the current one, which then is the one before: going back twice is going forth.
    ///
    /// # Errors
    /// When there is none, or it cannot take the place; everything is then as it was.
    pub(crate) async fn rollback(&mut self) -> anyhow::Result<u64> {
        let back = self.go_back("by order").await;
        back.inspect_err(|error| {
            tracing::error!("the configuration stays as it was, and is not rolled back: {error:#}");
        })
    }

    async fn go_back(&mut self, why: &str) -> anyhow::Result<u64> {
        let Some(before) = self.before.clone() else {
            bail!("there is no configuration before this one");
        };
        tracing::info!("going back to the configuration before");
        let read = before.read;
        let (config, reading) = match before.get(&self.disk).await? {
            (config, Some(reading)) => {
                let (config, reading) = self.with_certificates_of_now(config, reading).await;
                (config, Some(reading))
            }
            (config, None) => (config, None),
        };
        let next = Next {
            config,
            reading,
            lists: Lists::Served,
        };
        let Reloaded { generation, .. } = self.replace(next).await?;
        let from = self.back().map(|_| (SystemTime::now(), why.to_owned()));
        let is_another = from.is_some();
        self.life.went_back(read, from);
        if is_another {
            tracing::warn!("rolled back: {why}; {}", self.what_stands_in_the_file());
        }
        Ok(generation)
    }

    /// What becomes of a file that was gone back from.
    fn what_stands_in_the_file(&self) -> String {
        let path = self.origin.path().unwrap_or_else(|| Path::new("the file"));
        format!(
            "an upgrade keeps what is served, a reload or a restart serves what {} says",
            path.display()
        )
    }

    /// Reads and checks the file, in a thread that has time: a large one takes a while.
    async fn read(&mut self) -> anyhow::Result<Read> {
        // What was read counts as seen: a change must not get lost because nothing may change now.
        self.refuse_while_upgrading()?;
        let Some(path) = self.origin.path().map(Path::to_owned) else {
            bail!("this evenkeel was started without a file: there is nothing to reload");
        };
        let served = self.reading.clone();
        let config = Arc::clone(&self.control.publisher().current().config);
        let look = move || {
            let served = served.as_deref();
            reload(&path, served.map(|served| (served, &*config)))
        };
        let (loaded, seen) = self.disk.ask("reading the configuration", look).await?;
        if let Some(files) = &mut self.files {
            files.were_read(seen);
        }
        match loaded? {
            Loaded::Good {
                config,
                report,
                reading,
            } => {
                if !report.is_empty() {
                    tracing::warn!("{report}");
                }
                Ok((Arc::from(config), reading))
            }
            Loaded::Bad { report } => bail!("{report}"),
        }
    }

    /// Whether that is the configuration that is served, for all that its certificates and lists of endpoints say by now.
    fn serves(&self, config: &Config, reading: Option<&Arc<Reading>>) -> bool {
        let served = &self.control.publisher().current().config;
        let lists = lists(served);
        let read_alike = match (&self.reading, reading) {
            (Some(before), Some(now)) => before.is_as(now, &lists),
            _ => false,
        };
        read_alike || is_same_but_for_lists(served, config)
    }

    /// Lets a configuration take the place of the current one: everything that can go wrong first.
    async fn replace(&mut self, next: Next) -> anyhow::Result<Reloaded> {
        self.refuse_while_upgrading()?;
        let is_another = !self.serves(&next.config, next.reading.as_ref());
        let Next {
            config,
            reading,
            lists,
        } = next;
        let current = self.control.publisher().current();
        let Difference { new, gone } =
            Difference::bind(&current.config, &config, self.plane.workers(), &self.parked)?;
        let admin = admin_address::Change::bind(&current.config, &config, &self.parked)?;
        let log = self.changed_log(&current.config, &config).await?;
        if is_another {
            self.end_trial("another configuration took its place");
        }
        if count(config.workers) != self.plane.workers() {
            tracing::warn!(
                running = self.plane.workers(),
                "another number of workers takes effect with the next start or upgrade"
            );
        }
        if config.identity != current.config.identity {
            tracing::warn!("another user takes effect with the next start");
        }
        let (prepared, unresolved) = self.control.prepare(Arc::clone(&config), lists).await;
        for one in unresolved {
            tracing::warn!("{one}");
        }
        // First: their connections' last requests are served by what is current now.
        self.close_listeners(&current, gone).await;
        let generation = self.control.publish(prepared).await?;
        self.log.follow(&config.log);
        self.life.logs(self.log.logged());
        let next = self.control.publisher().current();
        self.open_listeners(&next, new).await;
        if let Some(log) = log {
            self.plane.change_log(log).await;
        }
        admin.park(&self.console, &current.config, &mut self.parked);
        admin.apply(&mut self.console, &next.config).await;
        if let Some(admin) = &next.config.admin {
            self.parked.has_back(&admin_address::place(admin.bind));
        }
        // From what its certificates looked like when they were read: those of a configuration from before may have changed since.
        self.certificates = watch_certificates(reading.as_deref());
        let reading = std::mem::replace(&mut self.reading, reading);
        // Read twice, or with renewed certificates, it is what it was, and what was before that is still the way back.
        if is_another {
            let (config_before, read) = (Arc::clone(&current.config), self.life.told().loaded);
            self.before = Some(Before::served(config_before, reading, read));
            self.tell_change(Arc::clone(&current.config), config, generation)
                .await;
            tracing::info!(generation, "a new configuration is served");
        } else {
            tracing::info!(generation, "the configuration is what it was");
        }
        Ok(Reloaded {
            generation,
            is_another,
            again: None,
        })
    }

    /// Closes those of the current snapshot that go.
    async fn close_listeners(&mut self, current: &Snapshot, gone: Vec<usize>) {
        for place in gone {
            if let Some((config, state)) = listener_at(current, place) {
                let sockets = self.plane.sockets(state.serial);
                self.parked
                    .keep(&config.name, config.bind.to_string(), sockets);
                self.plane.close(state.serial).await;
                tracing::info!(listener = config.name, "no longer listening");
            }
        }
    }

    /// Accepts by those of the next one that come.
    async fn open_listeners(&mut self, next: &Snapshot, new: Vec<(usize, evenkeel_net::Listener)>) {
        for (place, listener) in new {
            if let Some((config, state)) = listener_at(next, place) {
                let address = listener.address();
                self.plane.open(listener, state).await;
                self.parked.has_back(&config.bind.to_string());
                tracing::info!(listener = config.name, address, "listening");
            }
        }
    }

    /// Says what is other now, for whoever asks.
    async fn tell_change(&self, before: Arc<Config>, after: Arc<Config>, generation: u64) {
        let at = SystemTime::now();
        let compare = move || Change::between(&before, &after, generation, at);
        if let Ok(change) = task::spawn_blocking(compare).await {
            self.life.changed(change);
        }
    }

    /// A trial that runs ends without a verdict.
    fn end_trial(&mut self, why: &str) {
        if let Some(trial) = self.trial.take() {
            self.life.on_trial(None);
            trial.fails(format!("the trial ended without a verdict: {why}"));
        }
    }

    /// Opens the access log's file anew, which may have been moved away.
    pub(crate) async fn reopen_log(&self) {
        let config = self.control.publisher().current().config.access_log.clone();
        if !matches!(config.to, AccessLogTarget::File(_)) {
            return tracing::info!("the access log is no file: there is nothing to open anew");
        }
        match self.open_log(config).await {
            Ok(log) => {
                self.plane.change_log(log).await;
                tracing::info!("the access log was opened anew");
            }
            Err(error) => tracing::error!("the access log stays as it was: {error:#}"),
        }
    }

    /// The new access log, opened, when it is another; the inner none: there is none any more.
    async fn changed_log(
        &self,
        from: &Config,
        to: &Config,
    ) -> anyhow::Result<Option<Option<AccessLog>>> {
        if from.access_log == to.access_log {
            return Ok(None);
        }
        self.open_log(to.access_log.clone()).await.map(Some)
    }

    async fn open_log(&self, config: model::AccessLog) -> anyhow::Result<Option<AccessLog>> {
        let open = move || open_log(&config);
        self.disk.ask("opening the access log", open).await?
    }

    /// It is about to end: it takes no orders but to end sooner.
    pub(crate) fn begin_end(&mut self, end: End) {
        self.life.enter(Stage::Draining);
        // Dropped, an upgrade that is under way is given up.
        self.upgrade = None;
        if end != End::Replaced {
            self.plane.unready();
            self.notify.stopping();
            if let Some(back) = self.back() {
                tracing::warn!(
                    "the next start serves what was rolled back: {}; {}",
                    back.why,
                    self.what_stands_in_the_file()
                );
            }
        }
        self.end_trial("evenkeel ends");
    }
}

/// Looks at the files of TLS, where there are any.
fn watch_certificates(reading: Option<&Reading>) -> Option<WatchedFiles> {
    let seen = reading?.certificates();
    (!seen.is_empty()).then(|| WatchedFiles::of_tls(seen))
}

/// Opens the access log; none: there is none.
///
/// # Errors
/// When its file cannot be opened for appending.
pub(crate) fn open_log(config: &model::AccessLog) -> anyhow::Result<Option<AccessLog>> {
    AccessLog::open(config).with_context(|| match &config.to {
        AccessLogTarget::File(path) => format!("cannot open the access log {}", path.display()),
        _ => "cannot open the access log".to_owned(),
    })
}

/// Whether both say the same, for all that is in lists of their own.
fn is_same_but_for_lists(one: &Config, other: &Config) -> bool {
    let are_listed = one
        .clusters
        .iter()
        .any(|cluster| list_of(cluster).is_some());
    if !are_listed {
        return one == other;
    }
    let without = |config: &Config| {
        let mut config = config.clone();
        let listed = config
            .clusters
            .iter_mut()
            .filter(|cluster| list_of(cluster).is_some());
        listed.for_each(|cluster| cluster.endpoints.clear());
        config
    };
    without(one) == without(other)
}

fn listener_at(snapshot: &Snapshot, place: usize) -> Option<(&Listener, &Arc<ListenerState>)> {
    snapshot
        .config
        .listeners
        .get(place)
        .zip(snapshot.listeners().get(place))
}

/// One worker per core the process may use, unless the configuration says otherwise.
pub(crate) fn count(workers: Workers) -> usize {
    match workers {
        Workers::PerCore => thread::available_parallelism().map_or(1, NonZero::get),
        Workers::Count(n) => n.get().into(),
    }
}
