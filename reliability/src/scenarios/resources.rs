//! What runs out: descriptors, memory, the disk of the access log.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use evenkeel_testkit::Client;

use super::{Length, ms};
use crate::claim::{Claim, Measured, Span};
use crate::client::Load;
use crate::crowd::{self, SlowHead};
use crate::exchange::Outcome;
use crate::process;
use crate::scenario::{Beginning, Needs, Scenario};
use crate::stage::Stage;

/// Descriptors that evenkeel may have.
const DESCRIPTORS: u32 = 200;

/// More clients than that, and a configuration that would let all of them in.
pub(super) fn descriptors(length: Length) -> Scenario {
    let kept =
        "at the limit requests of high priority are served over the connections that there are";
    let turns = length.of(1, 4);
    let why = "where there are no more descriptors, accepting rests, and clients wait in the system's queue";
    Scenario::new(
        "descriptors",
        "evenkeel may have 200 descriptors; 400 clients connect and say nothing, while 24 others ask; then they go",
    )
    .beginning(Beginning::Descriptors(DESCRIPTORS))
    .needs(Needs::Descriptors(2_000))
    .top("max_connections = 10000")
    .listener("request_header_timeout = \"1h\"")
    .route("priority = \"high\"")
    .loads([Load::closed(24)])
    .requests(500)
    .mark("they come")
    .deed(move |stage| (0..turns).try_for_each(|_| exhaust(stage)))
    .mark("they are gone")
    .requests(length.requests(200))
    .claim(Claim::failures_are(
        "a 503 that names the reason",
        kept,
        |one| matches!(&one.outcome, Outcome::Reply(503, fault) if fault == "no-descriptors"),
    ))
    .claim(Claim::new("at most one of a thousand fails", kept, |run| {
        let (failed, all) = (run.failures(|_| true).len(), run.exchanges.len());
        Measured::new(1_000 * failed <= all, format!("{failed} of {all}"))
    }))
    .claim(Claim::no_failure_in(
        Span::after("they are gone"),
        "once they are gone",
        "what is released can be used",
    ))
    .claim(Claim::new(
        "there are no descriptors left, the log says so, and evenkeel waits for them without spinning",
        why,
        move |run| {
            let (used, busy) = (run.note("descriptors"), run.note("busy"));
            let found = format!(
                "{used} of {DESCRIPTORS} used, said {} times, {busy} % of a core for 24 clients",
                run.note("said")
            );
            let said = run.note("said") >= 1;
            Measured::new(used + 8 >= u64::from(DESCRIPTORS) && said && busy < 150, found)
        },
    ))
    .claim(Claim::new(
        "new clients are served again by itself when the others are gone",
        "what is released can be used, a second after the level has ended",
        move |run| {
            let served = run.note("served");
            Measured::new(served == turns as u64, format!("{served} times"))
        },
    ))
}

fn exhaust(stage: &mut Stage) -> Result<()> {
    let (to, pid) = (stage.line()?.listener("web"), stage.line()?.pid());
    let how = SlowHead {
        first: 0,
        pause: Duration::from_secs(3_600),
        again: 0,
        apart: Duration::ZERO,
    };
    let crowd = crowd::slow_heads(to, 400, how);
    crowd.wait_ready(400)?;
    let line = stage.line()?;
    line.log().wait_for("that accepting rests", |line| {
        line.contains("accepting rests")
    });
    let before = process::Usage::of(pid)?;
    let began = Instant::now();
    stage.let_pass(500)?;
    let now = process::Usage::of(pid)?;
    let hundredths = u64::try_from(began.elapsed().as_millis() / 10)?.max(1);
    stage.most("busy", (now.ticks - before.ticks) * 100 / hundredths);
    stage.most("descriptors", now.descriptors);
    drop(crowd.disperse()?);
    let line = stage.line()?;
    let lines = line.log().lines();
    let said = lines.iter().filter(|line| line.contains("accepting rests"));
    let said = said.count() as u64;
    stage.note("said", said);
    recover(stage)?;
    stage.let_pass(100)
}

/// What such clients send of a head, which may have 63 KiB.
const HEAD: usize = 60 << 10;

/// A client that is turned away comes again so many times.
const AGAIN: usize = 3;

/// So much beyond the ceiling may be used.
const MARGIN: u64 = 8 << 20;

/// Five times the load that there is memory for.
pub(super) fn memory(length: Length) -> Scenario {
    let mib = length.of(64, 256);
    let ceiling = (mib as u64) << 20;
    let number = 5 * (mib << 20) / HEAD / (1 + AGAIN);
    let what = match length {
        Length::Short => {
            "evenkeel may have 64 MB; clients with five times as much in heads that they never finish come as fast as they can and, turned away, again, while 24 others ask"
        }
        Length::Full => {
            "evenkeel may have 256 MB; clients with five times as much in heads that they never finish come as fast as they can and, turned away, again, while 24 others ask"
        }
    };
    let why = "near the ceiling new connections are turned away, and what was let in may not take what there is not; requests of high priority are never refused";
    Scenario::new("memory", what)
        .beginning(Beginning::Line)
        .needs(Needs::Descriptors(7_000))
        .top(&format!(
            "max_memory = \"{mib}MiB\"\nmax_connections = 10000"
        ))
        .listener("max_head = \"63KiB\"\nrequest_header_timeout = \"1m\"")
        .route("priority = \"high\"")
        .loads([Load::closed(24)])
        .requests(500)
        .mark("they come")
        .deed(move |stage| fill(stage, number))
        .mark("they are gone")
        .deed(recover)
        .requests(length.requests(200))
        .claim(Claim::no_failure(why))
        .claim(Claim::new(
            format!("memory stays below {mib} MiB and {} more", MARGIN >> 20),
            why,
            move |run| {
                let (peak, away) = (run.note("peak"), run.note("turned away"));
                let found = format!(
                    "{} MiB, {away} of {number} clients turned away to the last",
                    peak >> 20,
                );
                // Else there was nothing to see: those who were let in would not have filled it.
                let was_near = peak > ceiling / 2 && away > number as u64 / 2;
                Measured::new(was_near && peak <= ceiling + MARGIN, found)
            },
        ))
        .claim(Claim::new(
            "new clients are served again by itself",
            "what is freed goes back to the system",
            |run| Measured::new(run.note("served") == 1, run.note("served").to_string()),
        ))
}

fn fill(stage: &mut Stage, number: usize) -> Result<()> {
    let (to, pid) = (stage.line()?.listener("web"), stage.line()?.pid());
    process::forget_peak(pid)?;
    let how = SlowHead {
        first: HEAD,
        pause: Duration::from_secs(3_600),
        again: AGAIN,
        apart: Duration::ZERO,
    };
    let crowd = crowd::slow_heads(to, number, how);
    crowd.wait_ready(number)?;
    stage.let_pass(2_000)?;
    stage.note("peak", process::peak(pid)?);
    let heads = crowd.disperse()?;
    let away = heads.iter().filter(|head| head.gone.is_some()).count();
    stage.note("turned away", away as u64);
    Ok(())
}

/// Waits until somebody new is served.
fn recover(stage: &mut Stage) -> Result<()> {
    let to = stage.line()?.listener("web");
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let mut client = Client::connect(to);
        let sent = client.try_send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
        let response = client.try_response("GET");
        if sent && response.is_ok_and(|response| response.head.status() == 200) {
            stage.add("served", 1);
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "nobody new is served");
        std::thread::sleep(ms(20));
    }
}

/// The disk of the access log, in KiB.
const DISK: u32 = 64;

/// A log that can be written no more.
pub(super) fn full_disk(length: Length) -> Scenario {
    let why = "a thread of its own writes the log: what it cannot write is dropped, and traffic never waits for it";
    Scenario::new(
        "full-disk",
        "the access log is on a disk of 64 KiB, which is full after some hundred records; then there is room again",
    )
    .beginning(Beginning::Disk(DISK))
    .needs(Needs::Mounts)
    .sections("[access_log]\nto = { file = \"disk/access.log\" }\nformat = \"json\"")
    .loads(super::reloads::mixed())
    .requests(100)
    .mark("full")
    .deed(fill_disk)
    .requests(length.requests(300))
    .deed(empty_disk)
    .claim(Claim::no_failure(why))
    .claim(Claim::took_at_most(0, Span::after("full"), 990, ms(100), why))
    .claim(Claim::new(
        "the log says once that records are lost, and once how many when it can be written again",
        "one line for each change",
        |run| {
            let (said, over) = (run.note("said"), run.note("over"));
            let (lost, counted) = (run.note("lost"), run.note("counted"));
            let found = format!("said {said} times and {over}, {lost} lost, {counted} in the status");
            Measured::new(said == 1 && over == 1 && lost > 0 && counted >= lost, found)
        },
    ))
    .claim(Claim::new(
        "every line of the log is whole",
        "a record that was written in part is ended before the next",
        |run| {
            let (whole, torn) = (run.note("whole"), run.note("torn"));
            Measured::new(whole > 0 && torn <= 1, format!("{whole} whole, {torn} torn where the disk ended"))
        },
    ))
}

fn fill_disk(stage: &mut Stage) -> Result<()> {
    let line = stage.line()?;
    line.log().wait_for("that records are lost", |line| {
        line.contains("records are being lost")
    });
    Ok(())
}

/// Runs a command that sees the file system as evenkeel does.
fn beside(stage: &mut Stage, script: &str) -> Result<String> {
    let line = stage.line()?;
    let pid = line.pid().as_raw_nonzero().to_string();
    let folder = line.folder().to_owned();
    let output = Command::new("nsenter")
        .args(["--target", &pid, "--mount", "sh", "-c", script])
        .current_dir(folder)
        .output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn empty_disk(stage: &mut Stage) -> Result<()> {
    let disk = stage.line()?.folder().join("disk");
    let disk = disk.display();
    beside(stage, &format!("mount -o remount,size=256m {disk}"))?;
    let line = stage.line()?;
    let log = line.log();
    let told = log.wait_for("that records are written again", |line| {
        line.contains("records are written again")
    });
    let lost = told.split_once("lost=").and_then(|(_, rest)| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    let lost: u64 = lost.context("how many were lost")?;
    // Each worker counts what it lost when it hands over its next records.
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut counted = 0;
    while counted < lost && Instant::now() < deadline {
        let status = line.status();
        counted = status["access_records_lost"].as_u64().unwrap_or_default();
    }
    let lines = line.log().lines();
    let times = |text: &str| lines.iter().filter(|line| line.contains(text)).count() as u64;
    stage.note("said", times("records are being lost"));
    stage.note("over", times("records are written again"));
    stage.note("lost", lost);
    stage.note("counted", counted);
    let written = beside(stage, &format!("cat {disk}/access.log"))?;
    // The last one may be about to be written.
    let (written, _) = written.rsplit_once('\n').unwrap_or_default();
    let whole = |line: &&str| line.starts_with('{') && line.ends_with('}');
    stage.note("whole", written.lines().filter(whole).count() as u64);
    let torn = written.lines().filter(|line| !whole(line));
    stage.note("torn", torn.count() as u64);
    Ok(())
}
