//! The running process: both planes, the file that they serve, and how another configuration takes its place.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow, bail};
use evenkeel_admin::Console;
use evenkeel_base::unit::format_duration;
use evenkeel_config::model::{AccessLogTarget, Config, Listener, Workers};
use evenkeel_control::{Control, MAX_TRIAL};
use evenkeel_net::Lease;
use evenkeel_proxy::{AccessLog, DataPlane};
use evenkeel_state::command::{Command, Done, Refused};
use evenkeel_state::life::Stage;
use evenkeel_state::{Change, Life, ListenerState, Snapshot};
use tokio::task;

use crate::admin_address;
use crate::desk::Order;
use crate::handover::{Estate, Taken};
use crate::listeners::Difference;
use crate::load::{Loaded, Reading, load};
use crate::notify::Notify;
use crate::operator_log::Log;
use crate::stamp::Seen;
use crate::trial::{Trial, Verdict};
use crate::upgrade::{self, Asker, Farewell, Upgrade};
use crate::watched_files::WatchedFiles;

/// Where a configuration comes from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// A file, which may change; whether it is to be looked at for that, what it and those that it names looked like when they
    /// were read, and what came of it.
    File(PathBuf, bool, Seen, Arc<Reading>),
    /// The command line: there is nothing to read again.
    CommandLine,
}

impl Origin {
    /// The file.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path, ..) => Some(path),
            Self::CommandLine => None,
        }
    }
}

/// Why nothing else may change while an upgrade is under way.
const UPGRADING: &str = "an upgrade is under way: try again when it is done";

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
    pub(crate) log: Log,
    /// The configuration before the current one, and when it was read, to go back to.
    before: Option<Before>,
}

/// A configuration to go back to.
#[derive(Clone)]
struct Before {
    config: Arc<Config>,
    read: SystemTime,
    reading: Option<Arc<Reading>>,
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
        } = parts;
        let (files, reading) = match &origin {
            Origin::File(_, watched, read, reading) => (
                watched.then(|| WatchedFiles::new(read.clone())),
                Some(Arc::clone(reading)),
            ),
            Origin::CommandLine => (None, None),
        };
        Self {
            certificates: watch_certificates(reading.as_deref()),
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
            log,
            before: None,
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
            Command::Reload { .. } => self.reload().await.map(|generation| Done {
                what: "the configuration was read again and is served".to_owned(),
                generation,
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

    /// Reads the file again and lets it take the place of what runs; the generation that then runs.
    ///
    /// # Errors
    /// What is wrong, with everything as it was. The log and the status have it by then.
    pub(crate) async fn reload(&mut self) -> anyhow::Result<u64> {
        self.notify.reloading();
        let reloaded = match self.read().await {
            Ok((config, reading)) => self.replace(config, Some(reading)).await,
            Err(error) => Err(error),
        };
        self.notify.ready(self.plane.workers());
        match &reloaded {
            Ok(_) => self.life.loaded(SystemTime::now()),
            Err(error) => {
                tracing::error!("the configuration stays as it was: {error:#}");
                self.life.failed(format!("{error:#}"));
            }
        }
        reloaded
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
        let generation = self.reload().await?;
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
        let outcome = match self.go_back().await {
            Ok(_) => format!("{complaint}; the one before is served again"),
            Err(error) => format!("{complaint}; the one before cannot be served: {error:#}"),
        };
        tracing::error!("{outcome}");
        self.life.failed(outcome.clone());
        trial.fails(outcome);
    }

    /// Goes back to the configuration before the current one, which then is the one before: going back twice is going forth.
    ///
    /// # Errors
    /// When there is none, or it cannot take the place; everything is then as it was.
    pub(crate) async fn rollback(&mut self) -> anyhow::Result<u64> {
        self.go_back().await
    }

    async fn go_back(&mut self) -> anyhow::Result<u64> {
        let Some(Before {
            config,
            read,
            reading,
        }) = self.before.clone()
        else {
            bail!("there is no configuration before this one");
        };
        tracing::info!("going back to the configuration before");
        let generation = self.replace(config, reading).await?;
        self.life.loaded(read);
        Ok(generation)
    }

    /// Reads and checks the file, in a thread that has time: a large one takes a while.
    async fn read(&mut self) -> anyhow::Result<(Arc<Config>, Arc<Reading>)> {
        let Some(path) = self.origin.path().map(Path::to_owned) else {
            bail!("this evenkeel was started without a file: there is nothing to reload");
        };
        let look = move || load(&path, false);
        let (loaded, seen) = task::spawn_blocking(look)
            .await
            .context("reading the file panicked")?;
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

    /// Lets a configuration take the place of the current one: everything that can go wrong first.
    async fn replace(
        &mut self,
        config: Arc<Config>,
        reading: Option<Arc<Reading>>,
    ) -> anyhow::Result<u64> {
        if self.upgrade.is_some() {
            bail!("{UPGRADING}");
        }
        let current = self.control.publisher().current();
        let Difference { new, gone } =
            Difference::bind(&current.config, &config, self.plane.workers())?;
        let admin = admin_address::Change::bind(&current.config, &config)?;
        let log = changed_log(&current.config, &config)?;
        self.end_trial("another configuration took its place");
        if count(config.workers) != self.plane.workers() {
            tracing::warn!(
                running = self.plane.workers(),
                "another number of workers takes effect with the next start or upgrade"
            );
        }
        if config.identity != current.config.identity {
            tracing::warn!("another user takes effect with the next start");
        }
        let (prepared, unresolved) = self.control.prepare(Arc::clone(&config)).await;
        for one in unresolved {
            tracing::warn!("{one}");
        }
        // First: their connections' last requests are served by what is current now.
        for place in gone {
            if let Some((config, state)) = listener_at(&current, place) {
                self.plane.close(state.serial).await;
                tracing::info!(listener = config.name, "no longer listening");
            }
        }
        let generation = self.control.publish(prepared).await?;
        self.log.follow(&config.log);
        self.life.logs(self.log.logged());
        let next = self.control.publisher().current();
        for (place, listener) in new {
            if let Some((config, state)) = listener_at(&next, place) {
                let address = listener.address();
                self.plane.open(listener, state).await;
                tracing::info!(listener = config.name, address, "listening");
            }
        }
        if let Some(log) = log {
            self.plane.change_log(log).await;
        }
        admin.apply(&mut self.console, &next.config).await;
        // From what its certificates looked like when they were read: those of a configuration from before may have changed since.
        self.certificates = watch_certificates(reading.as_deref());
        self.before = Some(Before {
            config: Arc::clone(&current.config),
            read: self.life.told().loaded,
            reading: std::mem::replace(&mut self.reading, reading),
        });
        self.tell_change(Arc::clone(&current.config), config, generation)
            .await;
        tracing::info!(generation, "a new configuration is served");
        Ok(generation)
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
        let config = &self.control.publisher().current().config.access_log;
        if !matches!(config.to, AccessLogTarget::File(_)) {
            return tracing::info!("the access log is no file: there is nothing to open anew");
        }
        match AccessLog::open(config) {
            Ok(log) => {
                self.plane.change_log(log).await;
                tracing::info!("the access log was opened anew");
            }
            Err(error) => tracing::error!(%error, "the access log cannot be opened anew; it stays"),
        }
    }

    /// Begins an upgrade to that program; empty: the one that runs, as it is on disk by now.
    pub(crate) fn upgrade_to(&mut self, program: &Path, asker: Asker) {
        if self.upgrade.is_some() {
            return upgrade::refuse(asker, &anyhow!(UPGRADING));
        }
        let snapshot = self.control.publisher().current();
        let listeners = snapshot.config.listeners.iter().zip(snapshot.listeners());
        let listeners = listeners.map(|(config, state)| {
            let sockets = self.plane.sockets(state.serial);
            (config.name.clone(), config.bind.to_string(), sockets)
        });
        let address = self.console.address().and_then(Lease::get);
        let admin = snapshot.config.admin.as_ref().zip(address);
        let admin = admin.map(|(config, loan)| {
            let place = admin_address::place(config.bind);
            (admin_address::NAME.to_owned(), place, vec![loan])
        });
        let estate = Estate {
            inheritance: self.control.bequeath(),
            listeners: listeners.chain(admin).collect(),
            control: self.console.socket().and_then(Lease::get),
        };
        let is_same = program.as_os_str().is_empty();
        let program = if is_same { &self.program } else { program };
        self.upgrade = Upgrade::begin(program, estate, asker);
    }

    /// What came of the upgrade; what it leads to, when that is the end of this process.
    pub(crate) fn upgraded(&mut self, outcome: anyhow::Result<Taken>) -> Option<End> {
        let asker = self.upgrade.take().and_then(|upgrade| upgrade.asker);
        let taken = match outcome {
            Ok(taken) => taken,
            Err(error) => {
                upgrade::refuse(asker, &error);
                return None;
            }
        };
        self.notify.replaced(taken.pid);
        let (old, pid) = (env!("CARGO_PKG_VERSION"), std::process::id());
        let what = format!(
            "evenkeel {} (process {}) has taken the place of {old} (process {pid}), which finishes what it has",
            taken.version, taken.pid
        );
        tracing::info!("{what}");
        let done = self.done(&what);
        self.farewell = Some(Farewell { asker, done });
        Some(End::Replaced)
    }

    /// It is about to end: it takes no orders but to end sooner.
    pub(crate) fn begin_end(&mut self, end: End) {
        self.life.enter(Stage::Draining);
        // Dropped, an upgrade that is under way is given up.
        self.upgrade = None;
        if end != End::Replaced {
            self.plane.unready();
            self.notify.stopping();
        }
        self.end_trial("evenkeel ends");
    }
}

/// Looks at the files of TLS, where there are any.
fn watch_certificates(reading: Option<&Reading>) -> Option<WatchedFiles> {
    let seen = reading?.certificates();
    (!seen.is_empty()).then(|| WatchedFiles::of_tls(seen))
}

/// The new access log, opened, when it is another; the inner none: there is none any more.
fn changed_log(from: &Config, to: &Config) -> anyhow::Result<Option<Option<AccessLog>>> {
    if from.access_log == to.access_log {
        return Ok(None);
    }
    let log = AccessLog::open(&to.access_log).context("cannot open the access log")?;
    Ok(Some(log))
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
