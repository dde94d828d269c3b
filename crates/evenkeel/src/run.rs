//! Running a checked configuration: bind, start the planes, wait for signals, drain.
//!
//! ```text
//!  bind, or take over ─▶ drop privileges ─▶ resolve, compile, publish ─▶ first probes ─▶ workers ─▶ "ready"
//!       ─▶ signal ─▶ delay ─▶ drain ─▶ timeout ─▶ stop
//!       ─▶ another process serves ─▶ drain ─▶ timeout ─▶ stop
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use evenkeel_admin::{Console, Office};
use evenkeel_config::model::{Admin, Config};
use evenkeel_control::{Control, unreachable_endpoints};
use evenkeel_net::Listener;
use evenkeel_proxy::{AccessLog, DataPlane};
use evenkeel_state::Life;
use evenkeel_state::life::Stage;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::rand::{GetRandomFlags, getrandom};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::{runtime, time};

use crate::admin_address;
use crate::certificates::{Days, tell_of_soon};
use crate::cli::ControlArgs;
use crate::control_socket;
use crate::desk::{Counter, Order};
use crate::handover::{self, Handover, Taken};
use crate::listeners::{Bound, bind_all};
use crate::notify::Notify;
use crate::operator_log;
use crate::privileges;
use crate::process::{End, Origin, Parts, Process, count};
use crate::startup::{self, say};
use crate::trial::{Trial, Verdict};
use crate::upgrade::Upgrade;
use crate::watched_files::WatchedFiles;

/// How often a drain looks whether it is over.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// Serves `config` until a signal ends it; its admin address may be bound already. `ready` is called with the bound listeners once traffic is served.
pub(crate) fn serve(
    config: Config,
    origin: Origin,
    control: &ControlArgs,
    handover: &mut Handover,
    admin: Option<Listener>,
    ready: impl FnOnce(&[String]),
) -> anyhow::Result<ExitCode> {
    let program = handover::program();
    let operator_log = operator_log::start(&config.log);
    raise_descriptor_limit();
    let workers = count(config.workers);
    let Bound { listeners, admin } = bind_all(&config, workers, handover, admin)?;
    let socket = control_socket::find(control, handover)?;
    privileges::shed(&config, socket.path())?;
    let log = AccessLog::open(&config.access_log).context("cannot open the access log")?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::new()?;
        say(startup::table(&config, &listeners, workers).trim_end());
        let addresses: Vec<String> = listeners.iter().map(Listener::address).collect();
        let admin = admin.zip(config.admin.clone());
        let before = handover.inheritance();
        let (control, unresolved) = Control::start_after(before, config, workers, &chance()?).await;
        for one in unresolved {
            say(&format!("  warning   {one}"));
        }
        let plane = DataPlane::start(workers, control.publisher(), listeners, log)?;
        let (desk, mut orders) = Counter::new();
        let life = Arc::new(Life::new(origin.path().map(absolute)));
        let office = Office {
            publisher: Arc::clone(control.publisher()),
            counters: plane.counters(),
            life: Arc::clone(&life),
            events: Arc::clone(&operator_log.events),
            desk: Arc::new(desk.clone()),
        };
        let console = open_console(office, socket, admin).await?;
        life.logs(operator_log.logged());
        life.enter(Stage::Serving);
        let notify = tell_ready(handover, workers);
        ready(&addresses);
        let control = Arc::new(control);
        let _kept = control.keep_true();
        tokio::spawn(tell_unreachable(Arc::clone(&control)));
        let parts = Parts {
            life,
            log: operator_log,
            origin,
            console,
            notify,
            program,
        };
        let mut process = Process::new(plane, control, parts);
        let end = serve_until_end(&mut process, &mut signals, &mut orders).await;
        finish(&mut process, end, &mut signals, &mut orders).await;
        process.plane.join();
        // Kept until here: without anybody who could give orders there would be nothing to wait for.
        drop(desk);
        Ok(ExitCode::SUCCESS)
    });
    // A resolver that does not answer sits in a thread of the runtime: the end does not wait for it.
    runtime.shutdown_background();
    outcome
}

/// Answers operators from now on.
async fn open_console(
    office: Office,
    socket: control_socket::Found,
    admin: Option<(Listener, Admin)>,
) -> anyhow::Result<Console> {
    let mut console = Console::start(office)?;
    if let Some((listener, config)) = admin {
        say(&admin_address::line(&config, &listener.address()));
        let socket = evenkeel_admin::only(listener)?;
        console.open_address(socket, &config).await?;
    }
    let path = socket.path().map(Path::to_owned);
    if let Some(socket) = socket.open()? {
        console.open_socket(socket)?;
    }
    if let Some(path) = path {
        say(&format!("  control   {}", path.display()));
    }
    Ok(console)
}

/// Finishes what is under way. Operators are answered to its end, or until another process answers them.
async fn finish(
    process: &mut Process,
    end: End,
    signals: &mut Signals,
    orders: &mut mpsc::Receiver<Order>,
) {
    process.begin_end(end);
    if let Some(farewell) = process.farewell.take() {
        // First: whoever hears that it is done and asks again, asks the other process.
        process.console.leave().await;
        farewell.say();
        process.console.close().await;
    }
    drain(process, end, signals, orders).await;
    until_finished(&process.plane).await;
    process.control.finish_traces().await;
    process.console.close().await;
}

async fn tell_unreachable(control: Arc<Control>) {
    let snapshot = control.publisher().current();
    for one in unreachable_endpoints(&snapshot).await {
        tracing::warn!("{one}");
    }
}

/// Tells whoever waits for it that traffic is served.
fn tell_ready(handover: &mut Handover, workers: usize) -> Notify {
    if let Some((version, pid)) = handover.ready() {
        tracing::info!(version, pid, "took the place of another process");
    }
    let notify = Notify::begin();
    notify.ready(workers);
    say("ready");
    notify
}

/// As whoever asks from another folder has to call it.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Carries out what signals and operators order, and what follows from time, until one of them orders the end.
async fn serve_until_end(
    process: &mut Process,
    signals: &mut Signals,
    orders: &mut mpsc::Receiver<Order>,
) -> End {
    let mut days = Days::begin();
    loop {
        let Process {
            files,
            certificates,
            trial,
            upgrade,
            control,
            log,
            ..
        } = &mut *process;
        tokio::select! {
            wish = signals.any() => match wish {
                Wish::End(name) => return End::Drain(name),
                // What is wrong has been said.
                Wish::Reload => drop(process.reload().await),
                Wish::Reopen => process.reopen_log().await,
                Wish::Upgrade => process.upgrade_to(Path::new(""), None),
            },
            Some(order) = orders.recv() => {
                if let Some(end) = process.obey(order).await {
                    return end;
                }
            }
            () = changed(files.as_mut()) => {
                tracing::info!("the configuration file, or one that it names, has changed");
                drop(process.reload().await);
            }
            // A trial is of one configuration, and an upgrade has its own.
            () = changed(certificates.as_mut()), if trial.is_none() && upgrade.is_none() => {
                process.renew_certificates().await;
            }
            () = days.next() => tell_of_soon(&control.publisher().current().config),
            () = log.over() => process.log_as_configured(),
            verdict = judged(trial.as_mut(), control) => process.judged(verdict).await,
            outcome = upgraded(upgrade.as_mut()) => {
                if let Some(end) = process.upgraded(outcome) {
                    return end;
                }
            }
        }
    }
}

async fn changed(files: Option<&mut WatchedFiles>) {
    match files {
        Some(files) => files.changed().await,
        None => std::future::pending().await,
    }
}

async fn judged(trial: Option<&mut Trial>, control: &Control) -> Verdict {
    match trial {
        Some(trial) => trial.verdict(control).await,
        None => std::future::pending().await,
    }
}

async fn upgraded(upgrade: Option<&mut Upgrade>) -> anyhow::Result<Taken> {
    match upgrade {
        Some(upgrade) => upgrade.outcome().await,
        None => std::future::pending().await,
    }
}

/// Lets exchanges finish; a second signal, an order, or the end of the time, stops at once.
async fn drain(
    process: &Process,
    end: End,
    signals: &mut Signals,
    orders: &mut mpsc::Receiver<Order>,
) {
    let plane = &process.plane;
    let connections = plane.connections();
    let by = match end {
        End::Stop(by) => {
            tracing::warn!(by, connections, "stopping at once");
            return plane.stop();
        }
        End::Drain(by) => by,
        End::Replaced => "upgrade",
    };
    tracing::info!(by, connections, "draining; a second signal stops at once");
    let shutdown = process.control.publisher().current().config.shutdown;
    let delay = match end {
        // The address stays where it is: nobody has to be told.
        End::Replaced => Duration::ZERO,
        End::Drain(_) | End::Stop(_) => shutdown.delay,
    };
    tokio::select! {
        () = time::sleep(delay) => {}
        () = told_to_stop(process, signals, orders) => return plane.stop(),
    }
    plane.drain();
    tokio::select! {
        () = until_finished(plane) => {}
        () = time::sleep(shutdown.timeout) => {
            tracing::warn!(
                connections = plane.connections(),
                "the time to drain is over: stopping"
            );
            plane.stop();
        }
        () = told_to_stop(process, signals, orders) => {
            tracing::warn!(connections = plane.connections(), "stopping at once");
            plane.stop();
        }
    }
}

/// Waits until every worker has ended.
async fn until_finished(plane: &DataPlane) {
    while !plane.is_finished() {
        time::sleep(DRAIN_LOOK).await;
    }
}

/// Waits for a second signal or the order to stop, and refuses all others.
async fn told_to_stop(
    process: &Process,
    signals: &mut Signals,
    orders: &mut mpsc::Receiver<Order>,
) {
    loop {
        let order = tokio::select! {
            _ = signals.next() => return,
            Some(order) = orders.recv() => order,
        };
        if process.obey_while_ending(order) {
            return;
        }
    }
}

/// What a signal asks for.
enum Wish {
    End(&'static str),
    Reload,
    Reopen,
    Upgrade,
}

/// SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGUSR2.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user1: Signal,
    user2: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen to signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
            user1: listen(SignalKind::user_defined1())?,
            user2: listen(SignalKind::user_defined2())?,
        })
    }

    /// The next signal.
    async fn any(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::End("SIGTERM"),
            _ = self.interrupt.recv() => Wish::End("SIGINT"),
            _ = self.hangup.recv() => Wish::Reload,
            _ = self.user1.recv() => Wish::Reopen,
            _ = self.user2.recv() => Wish::Upgrade,
        }
    }

    /// The next signal that ends the process.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Bytes that nobody can guess. Asked for at the start, before a client comes, so the wait for a system that has just booted is
/// no client's.
fn chance() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    let mut filled = 0;
    while filled < bytes.len() {
        match getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("the system gives no random bytes"),
        }
    }
    Ok(bytes)
}

/// A connection costs a descriptor or two, and the usual soft limit of 1,024 is meant for programs that use `select`.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum && setrlimit(Resource::Nofile, raised).is_err() {
        tracing::warn!("the limit of open descriptors could not be raised");
    }
}
