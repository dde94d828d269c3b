//! Very many clients that are slow, beside those that are not.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Length, ms};
use crate::claim::{Claim, Measured, Span};
use crate::client::Load;
use crate::crowd::{self, SlowHead, SlowReader, Stalling};
use crate::origin::{Manner, errand};
use crate::process;
use crate::run::{millis, quantile};
use crate::scenario::{Beginning, Needs, Scenario};
use crate::stage::Stage;

/// How long a head may take in these scenarios.
const HEAD_TIMEOUT: Duration = Duration::from_secs(3);

/// Clients that never finish a head.
pub(super) fn slow_heads(length: Length) -> Scenario {
    let number = length.of(500, 2_000);
    let all = number as u64;
    let what = match length {
        Length::Short => {
            "500 clients begin a request and send its head at a byte a second; it may take 3 s"
        }
        Length::Full => {
            "2,000 clients begin a request and send its head at a byte a second; it may take 3 s"
        }
    };
    let unharmed = "a connection whose head is not there holds a small buffer and a deadline, and nothing waits for it";
    let gone = "a head that is not there in time is answered 408, and the connection gone half a second later, whether the client reads that or not";
    Scenario::new("slow-heads", what)
        .beginning(Beginning::Line)
        .needs(Needs::Descriptors(2 * 2_000 + 500))
        .listener("request_header_timeout = \"3s\"")
        // Not more than the machine does with ease: what is measured is what the others wait for.
        .loads([Load::rate(64, 400)])
        .pause(ms(length.of(3_000, 12_000) as u64))
        .mark("they come")
        .deed(move |stage| dawdle(stage, number))
        .claim(Claim::no_failure(unharmed))
        .claim(doubles_at_most(unharmed))
        .claim(Claim::new(
            format!("all {number} are told 408 and gone within a second of the timeout"),
            gone,
            move |run| {
                let (told, last) = (run.note("told 408"), ms(run.note("last gone")));
                let late = last.saturating_sub(HEAD_TIMEOUT);
                let found = format!("{told}, the last {} late", run.beside(late, ms(1_000)));
                let in_time = late <= run.allows(ms(1_000));
                // A client that was held up itself writes its next byte too late to hear anything.
                Measured::new(told + run.may_miss(all) >= all && in_time, found)
            },
        ))
}

fn dawdle(stage: &mut Stage, number: usize) -> Result<()> {
    let to = stage.line()?.listener("web");
    let how = SlowHead {
        first: 0,
        pause: ms(1_000),
        again: 0,
        apart: ms(1),
    };
    let crowd = crowd::slow_heads(to, number, how);
    crowd.wait_ready(number)?;
    let heads = crowd.wait()?;
    stage.mark("they are gone");
    let told = heads.iter().filter(|head| head.status == Some(408));
    stage.note("told 408", told.count() as u64);
    let last = heads.iter().filter_map(|head| head.gone).max();
    stage.note(
        "last gone",
        u64::try_from(last.unwrap_or_default().as_millis())?,
    );
    Ok(())
}

/// What 99 % of the others' requests take at most doubles at most.
fn doubles_at_most(why: &'static str) -> Claim {
    let bound = "the p99 of the others is at most twice that of the minute before";
    Claim::new(bound, why, |run| {
        let before = quantile(Span::before("they come").of(run), 990).unwrap_or_default();
        let during = run.began_within(run.mark("they come"), run.mark("they are gone"));
        let during = quantile(during, 990).unwrap_or(Duration::MAX);
        let found = format!("{} → {}", millis(before), run.beside(during, 2 * before));
        Measured::new(during <= run.allows(2 * before), found)
    })
}

/// Each of those that do not read may cost so much.
const EACH: u64 = 64 * 1024;

/// Clients that stop reading a body that tells its length.
pub(super) fn slow_readers(length: Length) -> Scenario {
    let what = "1,000 clients ask for 16 MiB, and stop reading after the first kilobyte";
    stopping("slow-readers", what, errand::LARGE, length)
}

/// The same with chunks.
pub(super) fn slow_chunks(length: Length) -> Scenario {
    let what = "1,000 clients ask for 16 MiB in chunks, and stop reading after the first kilobyte";
    stopping("slow-chunks", what, errand::LARGE_CHUNKED, length)
}

fn stopping(
    name: &'static str,
    what: &'static str,
    path: &'static str,
    length: Length,
) -> Scenario {
    let number: usize = 1_000;
    let why = "what is not taken is not read any further, and who waits among many holds what it has and no room besides";
    Scenario::new(name, what)
        .beginning(Beginning::Line)
        .needs(Needs::Descriptors(6_000))
        .loads([Load::rate(64, 200)])
        .aside(Manner::good(ms(0)))
        .requests(400)
        .mark("they come")
        .deed(move |stage| stop_reading(stage, number, path))
        .requests(length.requests(100))
        .claim(Claim::no_failure("nobody waits for who does not read"))
        .claim(Claim::new(
            format!("{number} of them cost at most 64 KiB of memory each"),
            why,
            move |run| {
                let memory = run.note("memory");
                let each = memory / (number as u64) / 1024;
                let found = format!("{each} KiB each, {} MiB in all", memory >> 20);
                Measured::new(memory <= EACH * number as u64, found)
            },
        ))
        .claim(Claim::new(
            "those that read on in the end have all of it",
            "a body that waits is not cut",
            |run| {
                let (wanted, whole) = (run.note("wanted"), run.note("whole"));
                Measured::new(
                    wanted > 0 && wanted == whole,
                    format!("{whole} of {wanted}"),
                )
            },
        ))
}

/// Every so many read on in the end.
const FINISHING: usize = 50;

fn stop_reading(stage: &mut Stage, number: usize, path: &'static str) -> Result<()> {
    let (to, pid) = (stage.line()?.listener("web"), stage.line()?.pid());
    let before = process::Usage::of(pid)?.memory;
    process::forget_peak(pid)?;
    let how = SlowReader {
        path,
        finishing: FINISHING,
    };
    let crowd = crowd::slow_readers(to, number, how);
    crowd.wait_ready(number)?;
    wait_until_still(pid)?;
    stage.note("memory", process::peak(pid)?.saturating_sub(before));
    stage.let_pass(200)?;
    let readers = crowd.disperse()?;
    let began = readers.iter().filter(|reader| reader.began).count();
    ensure!(began == number, "{began} of {number} began");
    let count = |which: fn(&crowd::Reader) -> bool| readers.iter().filter(|one| which(one)).count();
    stage.note("wanted", count(|one| one.wanted) as u64);
    stage.note("whole", count(|one| one.is_whole) as u64);
    Ok(())
}

/// Streams of each client that lets none of them come.
const STREAMS: u32 = 10;

/// Clients of HTTP/2 that open no window, and such that read nothing.
pub(super) fn h2_stalled(length: Length) -> Scenario {
    let number = length.of(20, 50);
    let (all, streams) = (number as u64, number as u64 * u64::from(STREAMS));
    let what = match length {
        Length::Short => {
            "20 clients ask for 1 MiB over HTTP/2, ten times each; half of them open no window, half read nothing; they may take nothing for 2 s"
        }
        Length::Full => {
            "50 clients ask for 1 MiB over HTTP/2, ten times each; half of them open no window, half read nothing; they may take nothing for 5 s"
        }
    };
    let write_timeout = ms(length.of(2_000, 5_000) as u64);
    let why = "a stream of which nothing is taken holds what was read for it and its endpoint's connection, and only until write_timeout";
    Scenario::new("h2-stalled", what)
        .beginning(Beginning::Line)
        .needs(Needs::Descriptors(4_000))
        .listener(&format!("write_timeout = \"{}s\"", write_timeout.as_secs()))
        .loads([Load::rate(32, 200), Load::rate(32, 200).over_h2()])
        .aside(Manner::good(ms(0)))
        .deed(super::floods::fill)
        .pause(ms(length.of(2_000, 8_000) as u64))
        .mark("they come")
        .deed(move |stage| stall(stage, number))
        .claim(Claim::no_failure(why))
        .claim(doubles_at_most(why))
        .claim(Claim::new(
            format!(
                "all {number} are rid of their streams, or gone, within a second of write_timeout"
            ),
            why,
            move |run| {
                let (ended, last) = (run.note("ended"), ms(run.note("last ended")));
                let late = last.saturating_sub(write_timeout);
                let found = format!("{ended}, the last {} late", run.beside(late, ms(1_000)));
                Measured::new(ended == all && late <= run.allows(ms(1_000)), found)
            },
        ))
        .claim(Claim::new(
            "each of their streams costs at most 64 KiB of memory",
            "what is not taken is not read any further",
            move |run| {
                let used = run.note("peak").saturating_sub(run.note("before"));
                let each = used / streams / 1024;
                Measured::new(
                    used <= EACH * streams,
                    format!("{each} KiB each, {} MiB in all", used >> 20),
                )
            },
        ))
}

fn stall(stage: &mut Stage, number: usize) -> Result<()> {
    let (to, pid) = (stage.line()?.listener("web"), stage.line()?.pid());
    process::forget_peak(pid)?;
    let how = Stalling {
        path: errand::MEDIUM,
        streams: STREAMS,
        apart: ms(30),
    };
    let crowd = crowd::stalled(to, number, how);
    let ended: Vec<_> = crowd.wait()?.into_iter().flatten().collect();
    stage.mark("they are gone");
    stage.note("peak", process::peak(pid)?);
    stage.note("ended", ended.len() as u64);
    let last = ended.into_iter().max().unwrap_or_default();
    stage.note("last ended", u64::try_from(last.as_millis())?);
    Ok(())
}

/// Waits until the memory of a process has not grown for a second.
fn wait_until_still(pid: rustix::process::Pid) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let (mut last, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_secs(1) {
        ensure!(Instant::now() < deadline, "its memory grows and grows");
        let now = process::peak(pid)?;
        if now > last {
            (last, since) = (now, Instant::now());
        }
        std::thread::sleep(ms(20));
    }
    Ok(())
}
