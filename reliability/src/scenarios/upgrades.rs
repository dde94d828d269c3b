//! Other processes in the place of the one that serves.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::Length;
use super::reloads::mixed;
use crate::claim::{Claim, Measured};
use crate::process;
use crate::scenario::{Beginning, Scenario};
use crate::stage::Stage;

/// One process after the other.
pub(super) fn upgrades(length: Length) -> Scenario {
    let turns = length.of(5, 20);
    let all = turns as u64;
    let what = match length {
        Length::Short => "5 upgrades",
        Length::Full => "20 upgrades",
    };
    let why = "both processes accept by the same sockets, what waits on them is the new one's, and the old one finishes what it has";
    Scenario::new("upgrades", what)
        .beginning(Beginning::Line)
        .loads(mixed())
        .requests(500)
        .mark("the first upgrade")
        .deed(move |stage| (1..=turns).try_for_each(|turn| upgrade(stage, turn)))
        .requests(500)
        .deed(|stage| {
            stage.line()?.wait_predecessors();
            stage.note("ended well", 1);
            Ok(())
        })
        .claim(Claim::no_failure(why))
        .claim(Claim::new(
            format!("{turns} processes take over, and those before them end well"),
            "an old process ends when its last client is gone",
            move |run| {
                let taken = run.note("taken over");
                let longest = Duration::from_millis(run.note("longest"));
                let found = format!("{taken}, each within {} ms", longest.as_millis());
                Measured::new(taken == all && run.note("ended well") == 1, found)
            },
        ))
}

pub(super) fn upgrade(stage: &mut Stage, turn: usize) -> Result<()> {
    let began = Instant::now();
    stage.line()?.upgrade();
    let took = u64::try_from(began.elapsed().as_millis())?;
    stage.most("longest", took);
    stage.note("taken over", turn as u64);
    stage.let_pass(100)
}

/// Programs that do not make it.
pub(super) fn crashing_upgrade(length: Length) -> Scenario {
    let why = "the old process gives nothing up before the new one says that it serves";
    Scenario::new(
        "crashing-upgrade",
        "upgrades to programs that crash: at once, with the sockets in their hands, without a word, with nonsense",
    )
    .beginning(Beginning::Line)
    .loads(mixed())
    .requests(500)
    .mark("the first upgrade")
    .deed(move |stage| {
        for _ in 0..length.of(1, 5) {
            crash(stage)?;
        }
        Ok(())
    })
    .requests(500)
    .claim(Claim::no_failure(why))
    .claim(Claim::new(
        "each is said to have failed, and why; the same process serves",
        why,
        |run| {
            let (said, tried) = (run.note("said"), run.note("tried"));
            Measured::new(said == tried && tried > 0, format!("{said} of {tried}"))
        },
    ))
}

fn crash(stage: &mut Stage) -> Result<()> {
    let line = stage.line()?;
    let pid = line.pid();
    let program = process::program(pid);
    let program = program.display();
    line.script("segfault", "kill -SEGV $$");
    // The program itself, which finds no descriptor for what it is given.
    line.script("crowded", &format!("ulimit -n 6; exec {program} \"$@\""));
    line.script("silent", "exec <&-; exit 0");
    line.script("nonsense", "echo what is this >&0; exit 3");
    for name in ["segfault", "crowded", "silent", "nonsense"] {
        let line = stage.line()?;
        let said = line.upgrade_in_vain(&format!("./{name}"));
        ensure!(
            said.contains("everything stays as it was"),
            "{name}: {said}"
        );
        let now = line.status()["pid"].as_i64();
        let same = i64::from(pid.as_raw_nonzero().get());
        ensure!(
            now == Some(same),
            "{name}: process {now:?} serves, not {same}"
        );
        stage.add("said", 1);
        stage.add("tried", 1);
        stage.let_pass(50)?;
    }
    Ok(())
}
