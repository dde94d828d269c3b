//! Clients of HTTP/2 that make work and nothing else, beside those that ask.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use evenkeel_testkit::floods::{FLOODS, Flood, PROVOCATIONS};
use evenkeel_testkit::frames::code::ENHANCE_YOUR_CALM;

use super::{Length, ms};
use crate::claim::{Claim, Measured};
use crate::client::Load;
use crate::crowd::{self, Flooding};
use crate::process::{self, Usage};
use crate::run::{Run, millis, quantile};
use crate::scenario::{Beginning, Needs, Scenario};
use crate::stage::Stage;

/// How many flood at once, when it is the turn of one flood. An address that makes new connections faster than these five is for
/// `max_connections_per_client`, or a firewall, to see.
const FLOODERS: usize = 5;

/// So much more memory evenkeel may use beside a flood.
const GROWTH: u64 = 10 << 20;

/// Or so much for each worker, where there are many: each has a heap of its own, and keeps for a second what it has freed. Heads that
/// are as large as they may be are what takes most: three copies of a hundred from each connection.
const EACH: u64 = 8 << 20;

/// Requests that a connection may have at once.
const STREAMS: u32 = 100;

/// The mark of each pause.
const CALM: &str = "calm";

/// An attack may take so long to be ended.
const SOON: Duration = Duration::from_secs(1);

/// How long the memory that is measured against may take to be in use.
const PATIENCE: Duration = Duration::from_secs(20);

/// Some who flood at the same time.
#[derive(Clone, Copy, Debug)]
struct Wave {
    /// The mark at which it begins.
    name: &'static str,
    floods: &'static [Flood],
    number: usize,
    /// From one connection of each to its next one.
    every: Duration,
    /// So much more memory may be used than honest clients use; or `each` for each worker, which is more for many of them.
    memory: u64,
    each: u64,
}

/// One wave for each flood, and one of all of them.
fn waves(length: Length) -> Vec<Wave> {
    // Each connection costs evenkeel some milliseconds at most; in a debug build ten times that.
    let every = ms(length.of(500, 100) as u64);
    // What a debug build takes for the same is twice as much.
    let times = length.of(2, 1) as u64;
    let wave = |name, floods| Wave {
        name,
        floods,
        number: FLOODERS,
        every,
        memory: times * GROWTH,
        each: times * EACH,
    };
    let same = FLOODS.chunk_by(|one, next| one.names == next.names);
    let mut waves: Vec<Wave> = same
        .filter_map(|same| Some(wave(same.first()?.name(), same)))
        .collect();
    waves.push(wave("provoked-reset", PROVOCATIONS));
    waves.push(Wave {
        number: 100,
        every: ms(1_000),
        // Each that is under way may hold a window of its own, and its output.
        memory: 40 << 20,
        ..wave("all at once", FLOODS)
    });
    waves
}

/// Every flood in turn.
pub(super) fn h2_floods(length: Length) -> Scenario {
    let what = match length {
        Length::Short => {
            "one flood of HTTP/2 after the other, from 5 clients with 10 connections a second, each several times what a budget allows; in the end all floods, from 100 clients"
        }
        Length::Full => {
            "one flood of HTTP/2 after the other, from 5 clients with 50 connections a second, each several times what a budget allows; in the end all floods, from 100 clients with 100 a second"
        }
    };
    let (flood, calm) = (
        ms(length.of(700, 4_000) as u64),
        ms(length.of(500, 2_000) as u64),
    );
    let why = "what a connection makes evenkeel do is counted as it is read, before anything is done, and a budget is small beside what a worker does in a second";
    let mut scenario = Scenario::new("h2-floods", what)
        .beginning(Beginning::Line)
        .needs(Needs::Descriptors(4_000))
        .loads([Load::rate(32, 200), Load::rate(32, 200).over_h2()])
        .deed(fill)
        .pause(2 * calm)
        .claim(Claim::no_failure(why));
    for wave in waves(length) {
        scenario = scenario
            .mark(wave.name)
            .deed(move |stage| attack(stage, wave, flood))
            .mark(CALM)
            .pause(calm)
            .claim(is_borne(wave, (calm, length.tail(950, 990)), why));
    }
    scenario
}

/// For each worker as many honest clients as flood, with all the requests that they may have: what that takes is no growth.
pub(super) fn fill(stage: &mut Stage) -> Result<()> {
    let (to, pid) = (stage.line()?.listener("web"), stage.line()?.pid());
    let number = FLOODERS * usize::from(stage.workers);
    let before = Usage::of(pid)?.descriptors;
    let crowd = crowd::askers(to, number, STREAMS);
    crowd.wait_ready(number)?;
    // Each request has a connection to an endpoint.
    let all = number as u64 * u64::from(STREAMS);
    let deadline = Instant::now() + PATIENCE;
    while Usage::of(pid)?.descriptors < before + all {
        let in_time = Instant::now() < deadline;
        ensure!(in_time, "the endpoints do not have all requests");
        std::thread::sleep(ms(2));
    }
    stage.note("before", process::peak(pid)?);
    stage.note("workers", u64::from(stage.workers));
    crowd.disperse().map(drop)
}

/// Lets them flood for so long.
fn attack(stage: &mut Stage, wave: Wave, time: Duration) -> Result<()> {
    let (to, pid, name) = (
        stage.line()?.listener("web"),
        stage.line()?.pid(),
        wave.name,
    );
    process::forget_peak(pid)?;
    let how = Flooding {
        floods: wave.floods,
        every: wave.every,
    };
    let crowd = crowd::flooders(to, wave.number, how);
    std::thread::sleep(time);
    for ending in crowd.disperse()?.into_iter().flatten() {
        let is_told = ending.told == Some(ENHANCE_YOUR_CALM);
        let what = match ending.after {
            Some(_) if is_told => "told",
            Some(_) => "gone",
            None => "let go on",
        };
        stage.add(format!("{name} {what}"), 1);
        let after = ending.after.unwrap_or_default().as_millis();
        stage.most(format!("{name} last"), u64::try_from(after)?);
    }
    stage.note(format!("{name} peak"), process::peak(pid)?);
    Ok(())
}

/// What must hold of each wave.
fn is_borne(wave: Wave, (calm, tail): (Duration, u32), why: &'static str) -> Claim {
    let Wave {
        name, memory, each, ..
    } = wave;
    let bound = format!(
        "{name}: the p{} of the others at most doubles; each connection is told to be calm, or gone, within a second; memory grows by at most {} MiB, or {} for each worker",
        tail / 10,
        memory >> 20,
        each >> 20
    );
    Claim::new(bound, why, move |run| {
        let note = |what: &str| run.note(&format!("{name} {what}"));
        let (told, gone, on) = (note("told"), note("gone"), note("let go on"));
        let last = ms(note("last"));
        let grown = note("peak").saturating_sub(run.note("before"));
        let memory = memory.max(each * run.note("workers"));
        let (before, during) = tails(name, (calm, tail), run);
        let still = match on {
            0 => String::new(),
            on => format!(", {on} let go on"),
        };
        let found = format!(
            "{} → {}; {told} told, {gone} gone{still}, the last after {}; {} KiB",
            millis(before),
            run.beside(during, 2 * before),
            run.beside(last, SOON),
            grown >> 10,
        );
        let is_quick = during <= run.allows(2 * before);
        let are_ended = told > 0 && on == 0 && last <= run.allows(SOON);
        Measured::new(is_quick && are_ended && grown <= memory, found)
    })
}

/// What so many of a thousand of the others' requests took at most just before and just after a wave, and beside it.
fn tails(name: &str, (calm, tail): (Duration, u32), run: &Run) -> (Duration, Duration) {
    let at = run.mark(name);
    let end = run.marks.iter().map(|(_, time)| *time);
    let end = end.filter(|time| *time > at).min().unwrap_or(run.took);
    let before = run.began_within(at.saturating_sub(calm), at);
    let after = run.began_within(end, end.saturating_add(calm));
    let before = quantile(before.chain(after), tail);
    let during = quantile(run.began_within(at, end), tail);
    (before.unwrap_or_default(), during.unwrap_or(Duration::MAX))
}
