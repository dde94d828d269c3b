//! One turn of one contestant: a warm-up that does not count, then the load between two looks at what it cost.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::load;
use super::measure::{Report, Turn};
use super::perf::Count;
use super::proc::{self, Core};
use super::process::PROXY_CORE;
use super::scenario::{Drive, Scenario};
use super::start::{Contestant, Ground};
use super::strangers;

/// The load of a warm-up, in seconds: pools and caches are full after a few thousand requests.
const WARM_UP: f64 = 0.3;

/// How long connections must have been idle: a proxy may keep at hand for a second what the next request would need.
const IDLE: Duration = Duration::from_millis(1_500);

/// How long a proxy may take to come to rest when all its connections are idle.
const REST: Duration = Duration::from_secs(10);

/// How often we look whether it has.
const LOOK: Duration = Duration::from_millis(100);

/// Idle connections, and who holds them.
enum Held {
    Ours(load::Held),
    Strange(strangers::Held),
}

/// How a turn is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) seconds: f64,
    /// Requests a second, where the scenario fixes them.
    pub(super) rate: Option<f64>,
    /// Whether instructions can be counted.
    pub(super) perf: bool,
}

/// Takes a turn of a contestant that may have had others.
pub(super) fn take(
    ground: &Ground,
    contestant: &Contestant,
    scenario: &Scenario,
    manner: Manner,
) -> Result<Turn> {
    let warm_up = Manner {
        seconds: WARM_UP,
        ..manner
    };
    drive(ground, contestant, scenario, warm_up, None)?;
    let family = contestant.process.family()?;
    let core_before = Core::now(&format!("cpu{PROXY_CORE}"))?;
    let before = proc::cpu(&family)?;
    let count = Count::new(&family, ground.scratch.path("perf"));
    let count = manner.perf.then_some(count);
    let mut report = drive(ground, contestant, scenario, manner, count.as_ref())?;
    if report.bytes < 1.0 {
        report.errors.insert("no response".to_owned(), 1);
    }
    let instructions = count.as_ref().map(Count::read).transpose()?.flatten();
    let cpu = proc::cpu(&family)?.saturating_sub(before);
    let core = Core::now(&format!("cpu{PROXY_CORE}"))?;
    let (core_busy, stolen) = core.shares_since(core_before);
    Ok(Turn {
        report,
        cpu_micros: cpu.as_secs_f64() * 1e6,
        instructions,
        peak: proc::peak(&family)? as f64,
        core_busy,
        stolen,
        idle_bytes: None,
    })
}

/// What a contestant answers at most to this load, in requests a second.
pub(super) fn saturation(
    ground: &Ground,
    contestant: &Contestant,
    scenario: &Scenario,
    seconds: f64,
) -> Result<f64> {
    let mut report = Report::default();
    for seconds in [WARM_UP, seconds] {
        let manner = Manner {
            seconds,
            rate: None,
            perf: false,
        };
        report = drive(ground, contestant, scenario, manner, None)?;
    }
    Ok(report.requests / report.seconds)
}

/// Holds idle connections to a contestant that has just been started, and sees what it needs for them.
pub(super) fn hold(ground: &Ground, contestant: &Contestant, scenario: &Scenario) -> Result<Turn> {
    // Code is paged in and tables are made by the first requests; they are not what a connection costs.
    let mut few = *scenario;
    few.load.connections = 16;
    saturation(ground, contestant, &few, WARM_UP)?;
    let family = contestant.process.family()?;
    rest(&family)?;
    let before = proc::resident(&family)?;
    let held = match scenario.drive {
        Drive::Idle { asked } => {
            let mut words = load::arguments("idle", &scenario.load, contestant.port, &ground.paths);
            if !asked {
                words.push("--fresh".to_owned());
            }
            Held::Ours(load::Held::open(&ground.programs.load, &words)?)
        }
        Drive::IdleStrange(speech) => Held::Strange(strangers::Held::open(
            &scenario.load,
            speech,
            contestant.port,
        )?),
        _ => bail!("scenario {} holds nothing", scenario.name),
    };
    std::thread::sleep(IDLE);
    rest(&family)?;
    let after = proc::resident(&family)?;
    let wanted = u64::from(scenario.load.connections);
    let left = match held {
        Held::Ours(held) => held.release()?,
        Held::Strange(held) => held.release()?,
    };
    let lost = wanted.saturating_sub(left);
    let mut report = Report::default();
    if lost > 0 {
        report.errors.insert("closed".to_owned(), lost);
    }
    Ok(Turn {
        report,
        peak: proc::peak(&family)? as f64,
        idle_bytes: Some(after.saturating_sub(before) as f64 / wanted as f64),
        ..Turn::default()
    })
}

/// Waits until these processes do nothing, so that every connection has been accepted and is idle.
fn rest(pids: &[u32]) -> Result<()> {
    let deadline = Instant::now() + REST;
    let mut before = proc::cpu(pids)?;
    while Instant::now() < deadline {
        std::thread::sleep(LOOK);
        let now = proc::cpu(pids)?;
        // A proxy's own timers run even so, for some microseconds.
        if now.saturating_sub(before) < LOOK / 100 {
            return Ok(());
        }
        before = now;
    }
    bail!("still busy {} s after the last request", REST.as_secs())
}

fn drive(
    ground: &Ground,
    contestant: &Contestant,
    scenario: &Scenario,
    manner: Manner,
    count: Option<&Count>,
) -> Result<Report> {
    let (asked, port) = (&scenario.load, contestant.port);
    let seconds = manner.seconds;
    match scenario.drive {
        Drive::Wrk => return load::wrk(asked, port, seconds, count),
        Drive::Strange(speech) | Drive::IdleStrange(speech) => {
            return strangers::h2load(asked, speech, port, seconds, count);
        }
        Drive::Handshakes { resumed } => {
            return strangers::handshakes(asked, resumed, port, seconds, count);
        }
        Drive::Closed | Drive::Open | Drive::Idle { .. } => {}
    }
    let mode = match manner.rate {
        Some(_) => "open",
        None => "closed",
    };
    let mut words = load::arguments(mode, asked, port, &ground.paths);
    words.extend(["--seconds".to_owned(), seconds.to_string()]);
    if let Some(rate) = manner.rate {
        words.extend(["--rate".to_owned(), format!("{rate:.0}")]);
    }
    load::run(&ground.programs.load, &words, count)
}
