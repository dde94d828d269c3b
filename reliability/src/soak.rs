//! The soak: everything that changes and everybody who is slow, mixed, for as long as one likes; nothing may be lost and nothing grow.
//!
//! ```text
//! each round:  slow heads and slow readers come ─▶ tunnels open ─▶ reload ─▶ an endpoint dies ─▶ other endpoints are found
//!              ─▶ the endpoint is back ─▶ upgrade (in the first quarter one that succeeds, later programs that crash)
//!              ─▶ the slow ones go ─▶ a moment of rest ─▶ memory and descriptors are looked at
//! ```
//! The process that serves after the first quarter stays to the end, so that what it leaks shows.

mod fit;
mod page;

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

pub use fit::Fit;
pub use page::{SECTION, section, with_section};

use crate::claim::{Claim, Measured, describe};
use crate::client::{Load, Pace};
use crate::crowd::{self, Crowd, Head, Reader, SlowHead, SlowReader};
use crate::exchange::Exchange;
use crate::origin::{Manner, errand};
use crate::run::{Run, Sample, millis};
use crate::scenario::{Act, Beginning, Needs, Scenario};
use crate::scenarios::parts;
use crate::service;
use crate::stage::Stage;

/// Clients that never finish a head, each round.
const HEADS: usize = 100;

/// Clients that stop reading, each round.
const READERS: usize = 40;

/// How long a head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// What the process that serves is let before it is looked at: longer than the allocator keeps what is free.
const REST: Duration = Duration::from_secs(3);

/// The endpoints that are killed and found; one more is aside.
const ENDPOINTS: usize = 3;

/// A rise that is none: the system gives memory in pieces of 2 MiB.
const NO_MEMORY: f64 = 4.0 * 1024.0 * 1024.0;

/// A connection that is open at one look and not at another.
const NO_DESCRIPTORS: f64 = 4.0;

/// Marks of the deaths, by endpoint.
const DEATHS: [&str; ENDPOINTS] = ["killed 0", "killed 1", "killed 2"];

/// A mark of the instant from which on the same process serves.
const SETTLED: &str = "the process stays";

/// The soak, for so long.
#[must_use]
pub fn soak(length: Duration) -> Scenario {
    let lost = "nothing that changes takes a request with it; a death takes only POSTs that were at that endpoint";
    Scenario::new(
        "soak",
        "reloads, upgrades, crashing upgrades, deaths of endpoints, other endpoints by DNS, slow heads, slow readers, tunnels, kept and new clients",
    )
    .beginning(Beginning::Line)
    .needs(Needs::Service)
    .top("shutdown_timeout = \"60s\"")
    .listener("request_header_timeout = \"5s\"")
    .cluster("resolve_interval = \"1s\"")
    .aside(Manner::good(Duration::ZERO))
    .loads([
        Load::rate(32, 80),
        Load {
            pace: Pace::Rate(40),
            ..Load::fresh(16)
        },
    ])
    .requests(300)
    .mark("the first round")
    .deed(move |stage| rounds(stage, length))
    .claim(Claim::no_idempotent_failure(lost))
    .claim(posts_fail_only_at_deaths(lost))
    .claim(Claim::new(
        "every slow head is told 408 and gone within a second of its timeout",
        "they are told so, whatever happens meanwhile",
        |run| {
            let (told, all) = (run.note("told 408"), run.note("heads"));
            let last = Duration::from_millis(run.note("last gone"));
            let found = format!("{told} of {all}, the last after {}", millis(last));
            let in_time = last <= HEAD_TIMEOUT + Duration::from_secs(1) + run.held_up;
            Measured::new(told == all && in_time, found)
        },
    ))
    .claim(Claim::new(
        "every tunnel lives until its round is over, and every body that is read on in the end is whole",
        "what is under way ends under the configuration, and in the process, in which it began",
        |run| {
            let tunnels = (run.note("tunnels"), run.note("all tunnels"));
            let bodies = (run.note("whole"), run.note("wanted"));
            let found = format!(
                "{} of {} tunnels, {} of {} bodies",
                tunnels.0, tunnels.1, bodies.0, bodies.1
            );
            Measured::new(tunnels.0 == tunnels.1 && bodies.0 == bodies.1, found)
        },
    ))
    .claim(is_flat("memory", "MiB", 1024.0 * 1024.0, NO_MEMORY, |sample| sample.memory))
    .claim(is_flat("descriptors", "", 1.0, NO_DESCRIPTORS, |sample| sample.descriptors))
}

/// That a number does not grow in the last three quarters.
fn is_flat(
    what: &'static str,
    unit: &'static str,
    of_unit: f64,
    nothing: f64,
    of: fn(&Sample) -> u64,
) -> Claim {
    let bound = format!("{what} of the process that serves in the last three quarters: flat");
    let why = "a straight line through the samples rises by less than three times the error of its slope, or by less than 4 MiB or 4 descriptors";
    Claim::new(bound, why, move |run| {
        settled(run, of).map_or_else(
            || Measured::new(false, "too few samples"),
            |fit| {
                let (mean, rise, error) =
                    (fit.mean / of_unit, fit.rise / of_unit, fit.error / of_unit);
                let found = format!("{mean:.1} {unit}, rising by {rise:.1} ± {error:.1}");
                Measured::new(fit.is_flat(nothing), found)
            },
        )
    })
}

/// The line through the samples of the process that stays.
#[expect(
    clippy::cast_precision_loss,
    reason = "bytes of memory are far below 2^52"
)]
fn settled(run: &Run, of: fn(&Sample) -> u64) -> Option<Fit> {
    let from = run.mark(SETTLED);
    let samples = run.samples.iter().filter(|sample| sample.at >= from);
    let points: Vec<_> = samples
        .map(|sample| (sample.at.as_secs_f64(), of(sample) as f64))
        .collect();
    Fit::through(&points)
}

/// What was at an endpoint when it was killed may be lost, when it must not be sent twice.
fn posts_fail_only_at_deaths(why: &'static str) -> Claim {
    let within = Duration::from_millis(50);
    Claim::new(
        "no POST fails but at an endpoint that is killed",
        why,
        move |run| {
            let excused = |one: &Exchange| {
                run.marks.iter().any(|&(mark, at)| {
                    let endpoint = DEATHS.iter().position(|death| *death == mark);
                    endpoint.is_some_and(|endpoint| {
                        one.overlaps(at, at + within + run.held_up)
                            && run.pages.only_at(one.id, endpoint)
                            && one.by.is_none_or(|by| by.endpoint == endpoint)
                    })
                })
            };
            let failed = run.failures(|one| !one.kind.is_idempotent());
            let (there, others): (Vec<_>, Vec<_>) =
                failed.into_iter().partition(|one| excused(one));
            let found = format!("{} there, others: {}", there.len(), describe(&others));
            Measured::new(others.is_empty(), found)
        },
    )
}

fn rounds(stage: &mut Stage, length: Duration) -> Result<()> {
    let began = Instant::now();
    let mut is_settled = false;
    for turn in 1.. {
        if !is_settled && began.elapsed() >= length / 4 {
            is_settled = true;
            stage.mark(SETTLED);
        }
        round(stage, turn, is_settled).with_context(|| format!("round {turn}"))?;
        stage.note("rounds", turn as u64);
        if began.elapsed() >= length {
            break;
        }
    }
    // What came of all that can be taken over as well.
    stage.line()?.upgrade();
    stage.add("upgrades", 1);
    stage.let_pass(300)?;
    stage.line()?.wait_predecessors();
    Ok(())
}

fn round(stage: &mut Stage, turn: usize, is_settled: bool) -> Result<()> {
    let to = stage.line()?.listener("web");
    let heads = crowd::slow_heads(
        to,
        HEADS,
        SlowHead {
            first: 0,
            pause: Duration::from_millis(500),
            again: 0,
            apart: Duration::ZERO,
        },
    );
    let readers = crowd::slow_readers(
        to,
        READERS,
        SlowReader {
            path: [errand::LARGE, errand::LARGE_CHUNKED][turn % 2],
            finishing: READERS / 4,
        },
    );
    heads.wait_ready(HEADS)?;
    readers.wait_ready(READERS)?;
    parts::open_tunnels(stage)?;
    parts::reload(stage, turn)?;
    stage.add("reloads", 1);
    die_and_be_found(stage, turn)?;
    if is_settled {
        crash(stage)?;
        stage.add("crashed upgrades", 1);
    } else {
        stage.line()?.upgrade();
        stage.add("upgrades", 1);
    }
    stage.let_pass(100)?;
    let tunnels = stage
        .tunnels
        .take()
        .context("tunnels are open")?
        .disperse()?;
    stage.add("all tunnels", tunnels.len() as u64);
    let alive = tunnels.iter().filter(|tunnel| tunnel.is_alive).count();
    stage.add("tunnels", alive as u64);
    account(stage, heads, readers)?;
    if !is_settled {
        stage.line()?.wait_predecessors();
    }
    thread::sleep(REST);
    stage.sample()
}

/// An endpoint dies, others are found in the meantime, and it is back.
fn die_and_be_found(stage: &mut Stage, turn: usize) -> Result<()> {
    let dying = turn % ENDPOINTS;
    stage.mark(DEATHS[dying]);
    stage.act(dying, &Act::Kill)?;
    stage.add("deaths", 1);
    stage.let_pass(100)?;
    let without = (0..ENDPOINTS).filter(|one| *one != (turn + 1) % ENDPOINTS);
    let server = stage.name_server.as_ref().context("a name server")?;
    service::announce(server, &stage.endpoints, without);
    stage.let_pass(150)?;
    stage.act(dying, &Act::Begin(None))?;
    let server = stage.name_server.as_ref().context("a name server")?;
    service::announce(server, &stage.endpoints, 0..ENDPOINTS);
    stage.add("DNS changes", 2);
    stage.let_pass(150)
}

fn crash(stage: &mut Stage) -> Result<()> {
    let line = stage.line()?;
    line.script("crashes", "kill -SEGV $$");
    let said = line.upgrade_in_vain("./crashes");
    ensure!(said.contains("everything stays as it was"), "{said}");
    Ok(())
}

/// Lets those that are slow go, and writes down what came of them.
fn account(stage: &mut Stage, heads: Crowd<Head>, readers: Crowd<Reader>) -> Result<()> {
    let heads = heads.wait()?;
    stage.add("heads", heads.len() as u64);
    let told = heads.iter().filter(|head| head.status == Some(408)).count();
    stage.add("told 408", told as u64);
    let last = heads.iter().filter_map(|head| head.gone).max();
    stage.most(
        "last gone",
        u64::try_from(last.unwrap_or_default().as_millis())?,
    );
    let readers = readers.disperse()?;
    stage.add("readers", readers.len() as u64);
    let wanted = readers.iter().filter(|reader| reader.wanted).count();
    stage.add("wanted", wanted as u64);
    let whole = readers.iter().filter(|reader| reader.is_whole).count();
    stage.add("whole", whole as u64);
    Ok(())
}
