//! `cargo xtask bench`: evenkeel beside nginx, HAProxy and two bare relays, on this machine, in turns of one run.
//!
//! One core for whoever's turn it is, the other for the load and the origins. `bench/README.md` says how to read what
//! comes out. This file only goes through scenarios and rounds; what is measured and how is in the files below it.

mod contestant;
mod load;
pub(crate) mod machine;
mod measure;
mod options;
mod outcome;
mod perf;
mod proc;
pub(crate) mod process;
mod results;
mod scenario;
mod spread;
mod start;
mod strangers;
mod summary;
mod table;
mod target;
mod template;
mod turn;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::disable_transparent_huge_pages;

use crate::setup::{self, Package};
use crate::step::cargo;
use crate::tree;
use contestant::{Entrant, Who};
use machine::Machine;
use measure::Turn;
use options::Options;
use outcome::Outcome;
use results::Book;
use scenario::{Drive, SCENARIOS, Scenario};
use start::{Contestant, Ground, Programs};
use turn::Manner;

/// What is compared with, and what the run needs.
const PACKAGES: &[Package] = &[
    Package {
        name: "nginx-light",
        probe: &["sh", "-c", "PATH=$PATH:/usr/sbin command -v nginx"],
        reason: "a rival",
    },
    Package {
        name: "haproxy",
        probe: &["sh", "-c", "PATH=$PATH:/usr/sbin command -v haproxy"],
        reason: "a rival",
    },
    Package {
        name: "wrk",
        probe: &["sh", "-c", "command -v wrk"],
        reason: "a client that is not ours",
    },
    Package {
        name: "nghttp2-client",
        probe: &["sh", "-c", "command -v h2load"],
        reason: "a client that speaks HTTP/2 and TLS",
    },
    Package {
        name: "openssl",
        probe: &["openssl", "version"],
        reason: "a certificate, and a client that does handshakes",
    },
    Package {
        name: "util-linux",
        probe: &["sh", "-c", "command -v taskset && command -v setpriv"],
        reason: "programs are bound to cores and end with us",
    },
];

/// Runs the verb.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let options = Options::parse(arguments)?;
    if options.list {
        for scenario in SCENARIOS {
            println!("{:<3} {}", scenario.name, scenario.title);
        }
        return Ok(());
    }
    if std::thread::available_parallelism()?.get() < 2 {
        bail!("this needs two cores: one for the proxy, one for what drives it");
    }
    setup::ensure(PACKAGES)?;
    let programs = programs(&options)?;
    let versions = versions(&programs)?;
    raise_open_files()?;
    let start = Instant::now();
    let mut book = Book {
        machine: Machine::look()?,
        versions,
        date: machine::now(),
        rounds: options.rounds,
        seconds: options.seconds,
        perf: perf::is_supported(),
        outcomes: Vec::new(),
    };
    println!("{}", book.head());
    let mut ground = Ground::new(programs)?;
    for scenario in &options.scenarios {
        let outcome = play(&mut ground, scenario, &options, book.perf);
        println!("{}", table::scenario(&outcome));
        book.outcomes.push(outcome);
    }
    if book.outcomes.len() > 1 {
        println!("{}", summary::targets(&book.outcomes));
    }
    if options.write {
        println!("written to {}", book.write()?);
    } else {
        println!("not written: only a whole run is (bench/results/)");
    }
    println!("took {:.0} s", start.elapsed().as_secs_f64());
    let failed = book.outcomes.iter().filter(|outcome| !outcome.is_result());
    let failed: Vec<&str> = failed.map(|outcome| outcome.scenario.name).collect();
    if !failed.is_empty() {
        bail!("no result in {}: see the errors above", failed.join(", "));
    }
    Ok(())
}

/// All rounds of one scenario. What breaks it ends this scenario, not the run.
fn play(
    ground: &mut Ground,
    scenario: &'static Scenario,
    options: &Options,
    perf: bool,
) -> Outcome {
    let entrants = entrants(scenario, options);
    let mut outcome = Outcome {
        scenario,
        rate: None,
        turns: entrants.iter().map(|one| (*one, Vec::new())).collect(),
        broken: None,
    };
    if let Err(error) = rounds(ground, options, perf, &mut outcome) {
        outcome.broken = Some(format!("{error:#}"));
    }
    outcome
}

/// Who takes part: whom the scenario names and the command line allows.
fn entrants(scenario: &Scenario, options: &Options) -> Vec<Entrant> {
    let mut entrants = scenario.entrants();
    if options.against.is_some() {
        entrants.insert(1, Entrant::new(Who::Against, scenario.setting));
    }
    let only = options.only.as_ref();
    entrants.retain(|one| only.is_none_or(|only| only.contains(&one.who)));
    entrants
}

fn rounds(ground: &mut Ground, options: &Options, perf: bool, outcome: &mut Outcome) -> Result<()> {
    let scenario = outcome.scenario;
    let idle = scenario.drive.is_idle();
    let entrants: Vec<Entrant> = outcome.turns.iter().map(|(one, _)| *one).collect();
    // What idle connections cost shows only in a process that has not had as many before.
    let mut running = Vec::new();
    if !idle {
        for entrant in &entrants {
            running.push(ground.start(*entrant)?);
        }
    }
    if scenario.drive == Drive::Open {
        outcome.rate = Some(half_of_the_slowest(
            ground,
            &running,
            scenario,
            options.seconds,
        )?);
    }
    let manner = Manner {
        seconds: options.seconds * scenario.stretch,
        rate: outcome.rate,
        perf,
    };
    for round in 0..options.rounds {
        for place in 0..entrants.len() {
            // Another one begins in each round, so that nobody always follows the same.
            let at = (place + round) % entrants.len();
            let turn: Result<Turn> = if idle {
                let fresh = without_huge_pages(|| ground.start(entrants[at]))?;
                turn::hold(ground, &fresh, scenario)
            } else {
                turn::take(ground, &running[at], scenario, manner)
            };
            let turn = turn.with_context(|| entrants[at].label())?;
            outcome.turns[at].1.push(turn);
        }
    }
    Ok(())
}

/// Starts something whose memory comes in pages of 4 KiB. In pages of 2 MiB, which some allocators ask for, 5,000
/// connections of 1 KB cost two pages or three, and the figure would be made of that.
fn without_huge_pages<T>(start: impl FnOnce() -> Result<T>) -> Result<T> {
    disable_transparent_huge_pages(true)?;
    let started = start();
    disable_transparent_huge_pages(false)?;
    started
}

/// The fixed rate: half of what the slowest rival can do, or of what the slowest of all can where no rival runs.
fn half_of_the_slowest(
    ground: &Ground,
    running: &[Contestant],
    scenario: &Scenario,
    seconds: f64,
) -> Result<f64> {
    let rivals = running.iter().any(|one| one.entrant.who.is_rival());
    let mut slowest = f64::INFINITY;
    for contestant in running {
        if contestant.entrant.who.is_rival() || !rivals {
            slowest = slowest.min(turn::saturation(ground, contestant, scenario, seconds)?);
        }
    }
    Ok((slowest / 2.0).floor())
}

/// Builds what is ours and finds what is not.
fn programs(options: &Options) -> Result<Programs> {
    let mut arguments = vec!["build", "--profile", "dist", "--package", "evenkeel-bench"];
    if options.binary.is_none() {
        arguments.extend(["--package", "evenkeel"]);
    }
    if !cargo().args(arguments).status()?.success() {
        bail!("what is to be measured does not build");
    }
    let built = |name: &str| tree::target().join("dist").join(name);
    let given = |path: &PathBuf| {
        path.canonicalize()
            .with_context(|| path.display().to_string())
    };
    let evenkeel = options.binary.as_ref().map(given).transpose()?;
    Ok(Programs {
        evenkeel: evenkeel.unwrap_or_else(|| built("evenkeel")),
        against: options.against.as_ref().map(given).transpose()?,
        nginx: process::find("nginx")?,
        haproxy: process::find("haproxy")?,
        origin: built("bench-origin"),
        load: built("bench-load"),
        epoll: built("bench-relay-epoll"),
        tokio: built("bench-relay-tokio"),
    })
}

fn versions(programs: &Programs) -> Result<Vec<String>> {
    Ok(vec![
        process::version(&programs.evenkeel, "--version")?,
        process::version(&programs.nginx, "-v")?,
        process::version(&programs.haproxy, "-v")?,
        process::version(&process::find("wrk")?, "--version")?,
    ])
}

/// Thousands of connections are as many open files, for us and for all that we start.
fn raise_open_files() -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?;
    Ok(())
}
