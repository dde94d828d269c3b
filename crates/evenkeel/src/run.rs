//! Running a checked configuration: bind, start the planes, wait for signals, drain.
//!
//! ```text
//!  bind ─▶ resolve, compile, publish ─▶ first probes ─▶ workers ─▶ "ready" ─▶ signal ─▶ delay ─▶ drain ─▶ timeout ─▶ stop
//! ```

use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use evenkeel_base::ListenerId;
use evenkeel_config::model::{Bind, Config, Shutdown, Workers};
use evenkeel_control::{Control, unreachable_endpoints};
use evenkeel_net::Listener;
use evenkeel_proxy::{AccessLog, DataPlane};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::{runtime, time};

use crate::operator_log;
use crate::startup::{self, say};

/// How often a drain looks whether it is over.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// Serves `config` until a signal ends it. `ready` is called with the bound listeners once traffic is served.
pub(crate) fn serve(config: Config, ready: impl FnOnce(&[String])) -> anyhow::Result<ExitCode> {
    operator_log::start(&config.log);
    raise_descriptor_limit();
    let workers = count(config.workers);
    let listeners = bind(&config, workers)?;
    let log = AccessLog::open(&config.access_log).context("cannot open the access log")?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::new()?;
        let shutdown = config.shutdown;
        say(startup::table(&config, &listeners, workers).trim_end());
        let addresses: Vec<String> = listeners.iter().map(Listener::address).collect();
        let (control, unresolved) = Control::start(config, workers).await;
        for one in unresolved {
            say(&format!("  warning   {one}"));
        }
        let numbered = listeners
            .into_iter()
            .zip(0..)
            .map(|(one, i)| (ListenerId::new(i), one))
            .collect();
        let plane = DataPlane::start(workers, control.publisher(), numbered, log)?;
        say("ready");
        ready(&addresses);
        let control = Arc::new(control);
        let _kept = control.keep_true();
        tokio::spawn(tell_unreachable(Arc::clone(&control)));
        drain(&plane, shutdown, &mut signals).await;
        plane.join();
        Ok(ExitCode::SUCCESS)
    });
    // A resolver that does not answer sits in a thread of the runtime: the end does not wait for it.
    runtime.shutdown_background();
    outcome
}

/// One worker per core the process may use, unless the configuration says otherwise.
pub(crate) fn count(workers: Workers) -> usize {
    match workers {
        Workers::PerCore => thread::available_parallelism().map_or(1, NonZero::get),
        Workers::Count(n) => n.get().into(),
    }
}

fn bind(config: &Config, workers: usize) -> anyhow::Result<Vec<Listener>> {
    let mut listeners = Vec::with_capacity(config.listeners.len());
    for listener in &config.listeners {
        let (bound, address) = match &listener.bind {
            Bind::Ip(address) => (Listener::bind_ip(*address, workers), address.to_string()),
            Bind::Unix(path) => (
                Listener::bind_unix(path),
                format!("unix:{}", path.display()),
            ),
        };
        match bound {
            Ok(bound) => listeners.push(bound),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                bail!(
                    "listener {}: {address} is taken by another process; stop it or choose another port",
                    listener.name
                )
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("listener {}: cannot listen on {address}", listener.name)
                });
            }
        }
    }
    Ok(listeners)
}

async fn tell_unreachable(control: Arc<Control>) {
    let snapshot = control.publisher().current();
    for one in unreachable_endpoints(&snapshot).await {
        tracing::warn!("{one}");
    }
}

/// Waits for the first signal, then lets exchanges finish; a second signal, or the end of the time, stops at once.
async fn drain(plane: &DataPlane, shutdown: Shutdown, signals: &mut Signals) {
    let name = signals.next().await;
    let connections = plane.connections();
    tracing::info!(
        signal = name,
        connections,
        "draining; a second signal stops at once"
    );
    tokio::select! {
        () = time::sleep(shutdown.delay) => {}
        _ = signals.next() => return plane.stop(),
    }
    plane.drain();
    let until = Instant::now().checked_add(shutdown.timeout);
    while !plane.is_finished() {
        if until.is_some_and(|until| Instant::now() >= until) {
            tracing::warn!(
                connections = plane.connections(),
                "the time to drain is over: stopping"
            );
            return plane.stop();
        }
        tokio::select! {
            () = time::sleep(DRAIN_LOOK) => {}
            _ = signals.next() => {
                tracing::warn!(connections = plane.connections(), "stopping at once");
                return plane.stop();
            }
        }
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen to signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
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
