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
use evenkeel_proxy::DataPlane;
use evenkeel_state::Life;
use evenkeel_state::life::Stage;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::rand::{GetRandomFlags, getrandom};
use tokio::{runtime, time};

use crate::admin_address;
use crate::certificates::Days;
use crate::cli::ControlArgs;
use crate::control_socket;
use crate::desk::Counter;
use crate::event::Event;
use crate::handover::{self, Handover, Taken};
use crate::inbox::{Inbox, Wish};
use crate::listeners::{Bound, bind_all};
use crate::notify::Notify;
use crate::operator_log;
use crate::parked::Parked;
use crate::privileges;
use crate::process::{End, Origin, Parts, Process, count, open_log};
use crate::startup::Teller;
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
    let teller = Teller::of(&config.log);
    match serve_to_the_end(config, origin, control, handover, admin, ready) {
        Err(error) if teller.is_json() => {
            let why = format!("{error:#}");
            handover.refuse(&why);
            teller.tell(String::new, || tracing::error!("{why}"));
            Ok(ExitCode::FAILURE)
        }
        outcome => outcome,
    }
}

fn serve_to_the_end(
    config: Config,
    origin: Origin,
    control: &ControlArgs,
    handover: &mut Handover,
    admin: Option<Listener>,
    ready: impl FnOnce(&[String]),
) -> anyhow::Result<ExitCode> {
    let teller = Teller::of(&config.log);
    let program = handover::program();
    let operator_log = operator_log::start(&config.log);
    raise_descriptor_limit();
    let workers = count(config.workers);
    let Bound { listeners, admin } = bind_all(&config, workers, handover, admin)?;
    let parked = Parked::left(handover).context("sockets that no listener has cannot be kept")?;
    let socket = control_socket::find(control, handover, teller)?;
    privileges::shed(&config, socket.path())?;
    let log = open_log(&config.access_log)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let (desk, orders) = Counter::new();
        let mut inbox = Inbox::open(orders)?;
        teller.tell_start(&config, &listeners, workers);
        let addresses: Vec<String> = listeners.iter().map(Listener::address).collect();
        let admin = admin.zip(config.admin.clone());
        let before = handover.inheritance();
        let (control, unresolved) = Control::start_after(before, config, workers, &chance()?).await;
        for one in unresolved {
            tracing::warn!("{one}");
        }
        let plane = DataPlane::start(workers, control.publisher(), listeners, log)?;
        let life = begin_life(&origin, teller);
        let office = Office {
            publisher: Arc::clone(control.publisher()),
            counters: plane.counters(),
            life: Arc::clone(&life),
            events: Arc::clone(&operator_log.events),
            desk: Arc::new(desk.clone()),
        };
        let console = open_console(office, socket, admin, teller).await?;
        life.logs(operator_log.logged());
        life.enter(Stage::Serving);
        let notify = tell_ready(handover, workers, teller, &addresses);
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
            parked,
        };
        let mut process = Process::new(plane, control, parts);
        let end = serve_until_end(&mut process, &mut inbox).await;
        finish(&mut process, end, &mut inbox).await;
        process.plane.join();
        // Kept until here: without anybody who could give orders there would be nothing to wait for.
        drop(desk);
        Ok(ExitCode::SUCCESS)
    });
    // A resolver that does not answer sits in a thread of the runtime: the end does not wait for it.
    runtime.shutdown_background();
    outcome
}

/// What is told of a process that begins: that it goes on with what was rolled back to, where it does.
fn begin_life(origin: &Origin, teller: Teller) -> Arc<Life> {
    let life = Life::new(origin.path().map(absolute));
    if let Some(back) = origin.back() {
        let what = format!(
            "the configuration was rolled back ({}) and is handed over: its file is not read",
            back.why
        );
        teller.tell(
            || format!("  warning   {what}"),
            || tracing::warn!("{what}"),
        );
        life.went_back(back.read, Some((back.since, back.why.clone())));
    }
    Arc::new(life)
}

/// Answers operators from now on.
async fn open_console(
    office: Office,
    socket: control_socket::Found,
    admin: Option<(Listener, Admin)>,
    teller: Teller,
) -> anyhow::Result<Console> {
    let mut console = Console::start(office)?;
    if let Some((listener, config)) = admin {
        admin_address::tell(teller, &config, &listener.address());
        let socket = evenkeel_admin::only(listener)?;
        console.open_address(socket, &config).await?;
    }
    let path = socket.path().map(Path::to_owned);
    if let Some(socket) = socket.open()? {
        console.open_socket(socket)?;
    }
    if let Some(path) = path {
        let path = path.display().to_string();
        teller.tell(
            || format!("  control   {path}"),
            || tracing::info!(path, "control socket"),
        );
    }
    Ok(console)
}

/// Finishes what is under way. Operators are answered to its end, or until another process answers them.
async fn finish(process: &mut Process, end: End, inbox: &mut Inbox) {
    process.begin_end(end);
    if let Some(farewell) = process.farewell.take() {
        // First: whoever hears that it is done and asks again, asks the other process.
        process.console.leave().await;
        farewell.say();
        process.console.close().await;
    }
    drain(process, end, inbox).await;
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
fn tell_ready(
    handover: &mut Handover,
    workers: usize,
    teller: Teller,
    addresses: &[String],
) -> Notify {
    if let Some((version, pid)) = handover.ready() {
        tracing::info!(version, pid, "took the place of another process");
    }
    let notify = Notify::begin();
    notify.ready(workers);
    teller.tell(
        || "ready".to_owned(),
        || tracing::info!(addresses = addresses.join(", "), "ready"),
    );
    notify
}

/// As whoever asks from another folder has to call it.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Carries out what signals and operators order, and what follows from time, until one of them orders the end: one after the other,
/// but for the end, which waits for nothing.
async fn serve_until_end(process: &mut Process, inbox: &mut Inbox) -> End {
    let mut days = Days::begin();
    loop {
        let event = next_event(process, inbox, &mut days).await;
        let end = match inbox.unless_ended(process.follow(event)).await {
            Ok(end) => end,
            Err(wish) => process.follow(Event::Wish(wish)).await,
        };
        if let Some(end) = end {
            return end;
        }
    }
}

/// What is to be carried out next. While an upgrade is under way nothing changes by itself: the other process has what is served,
/// and when nothing comes of it, all of this is still there to be seen.
async fn next_event(process: &mut Process, inbox: &mut Inbox, days: &mut Days) -> Event {
    let Process {
        files,
        certificates,
        trial,
        upgrade,
        control,
        log,
        ..
    } = process;
    let may_change = upgrade.is_none();
    tokio::select! {
        wish = inbox.next() => Event::Wish(wish),
        () = changed(files.as_mut()), if may_change => Event::FileChanged,
        // A trial is of one configuration.
        () = changed(certificates.as_mut()), if may_change && trial.is_none() => Event::CertificatesChanged,
        () = days.next() => Event::Day,
        () = log.over() => Event::LogLevelOver,
        verdict = judged(trial.as_mut(), control), if may_change => Event::Judged(verdict),
        outcome = upgraded(upgrade.as_mut()) => Event::Upgraded(outcome),
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
async fn drain(process: &Process, end: End, inbox: &mut Inbox) {
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
        () = told_to_stop(process, inbox) => return plane.stop(),
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
        () = told_to_stop(process, inbox) => {
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
async fn told_to_stop(process: &Process, inbox: &mut Inbox) {
    loop {
        match inbox.next().await {
            Wish::End(_) => return,
            Wish::Order(order) => {
                if process.obey_while_ending(order) {
                    return;
                }
            }
            Wish::Reload | Wish::Reopen | Wish::Upgrade => {}
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
