//! Endpoints that are found by a name server: when it says something else, and when it says nothing.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use evenkeel_testkit::Mood;

use super::{Length, ms};
use crate::claim::{Claim, Measured, Span};
use crate::scenario::{Beginning, Needs, Scenario};
use crate::service;
use crate::stage::Stage;

fn scenario(name: &'static str, what: &'static str) -> Scenario {
    Scenario::new(name, what)
        .beginning(Beginning::Line)
        .needs(Needs::Service)
        .loads(super::reloads::mixed())
        .cluster("resolve_interval = \"1s\"")
}

/// Other endpoints.
pub(super) fn dns_change(length: Length) -> Scenario {
    let why = "what a look-up brings takes the place of the endpoint set, and requests under way end where they are";
    let late = "an answer holds for a second, and is asked for again when that is over";
    Scenario {
        steps: Vec::new(),
        ..scenario(
            "dns-change",
            "endpoints are a service (SRV) of three; one after the other takes the place of the others, then all are back",
        )
    }
    .requests(500)
    .mark("the first change")
    .deed(|stage| change(stage, &[0], "only 0"))
    .requests(length.requests(100))
    .deed(|stage| change(stage, &[1, 2], "1 and 2"))
    .requests(length.requests(200))
    .deed(|stage| change(stage, &[0, 1, 2], "all"))
    .pause(ms(1_500))
    .requests(length.requests(200))
    .claim(Claim::no_failure(why))
    .claim(Claim::new(
        "once a change is seen only those that were named are asked",
        late,
        |run| {
            let others = |mark, gone: fn(usize) -> bool| {
                let late = Span::since(mark, ms(0)).of(run);
                let until = match mark {
                    "only 0 are asked" => run.mark("1 and 2"),
                    _ => run.mark("all"),
                };
                late.filter(|one| one.began < until)
                    .filter(|one| one.by.is_some_and(|by| gone(by.endpoint)))
                    .count()
            };
            let wrong = others("only 0 are asked", |one| one != 0)
                + others("1 and 2 are asked", |one| one == 0);
            Measured::new(wrong == 0, format!("{wrong} others"))
        },
    ))
}

fn change(stage: &mut Stage, which: &[usize], name: &'static str) -> Result<()> {
    let server = stage.name_server.as_ref().context("a name server")?;
    service::announce(server, &stage.endpoints, which.iter().copied());
    stage.mark(name);
    // As long as an answer holds, and once more, because it may just have been asked for.
    let deadline = Instant::now() + Duration::from_secs(20);
    let wanted = which.len();
    loop {
        let status = stage.line()?.status();
        let found = status["clusters"][0]["endpoints"].as_array();
        if found.map(Vec::len) == Some(wanted) {
            break;
        }
        ensure!(
            Instant::now() < deadline,
            "{wanted} endpoints are not found: {status}"
        );
        std::thread::sleep(ms(20));
    }
    stage.mark(match name {
        "only 0" => "only 0 are asked",
        "1 and 2" => "1 and 2 are asked",
        _ => "all are asked",
    });
    Ok(())
}

/// No answers.
pub(super) fn dns_death(length: Length) -> Scenario {
    let why = "who was found last stays when nothing is found";
    scenario(
        "dns-death",
        "the name server of a service (SRV) fails, falls silent, denies it, and is well again",
    )
    .requests(500)
    .mark("the first failure")
    .deed(move |stage| {
        for mood in [Mood::Failing, Mood::Silent, Mood::Well] {
            fail(stage, mood)?;
            stage.let_pass(length.requests(100))?;
        }
        Ok(())
    })
    .claim(Claim::no_failure(why))
    .claim(Claim::new(
        "it is asked in vain in each way, and all three endpoints are used all the time",
        why,
        |run| {
            let ways = run.note("ways");
            let used = (0..3).filter(|&endpoint| {
                let mut after = Span::after("the last failure").of(run);
                after.any(|one| one.by.is_some_and(|by| by.endpoint == endpoint))
            });
            let used = used.count();
            let found = format!("{ways} ways, {used} of 3 used");
            Measured::new(ways == 3 && used == 3, found)
        },
    ))
}

/// The name server answers like that, and knows nothing when it answers at all; waits until it was asked twice.
fn fail(stage: &mut Stage, mood: Mood) -> Result<()> {
    stage.mark("the last failure");
    let server = stage.name_server.as_ref().context("a name server")?;
    service::forget(server);
    server.mood(mood);
    let (before, deadline) = (
        service::asked(server),
        Instant::now() + Duration::from_secs(30),
    );
    while service::asked(server) < before + 2 {
        ensure!(Instant::now() < deadline, "nobody asks");
        std::thread::sleep(ms(20));
    }
    stage.add("ways", 1);
    Ok(())
}
