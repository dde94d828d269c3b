//! The end of evenkeel, with clients that would like to go on, and its start on a socket that was there before it.

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use super::Length;
use super::reloads::mixed;
use crate::claim::{Claim, Measured};
use crate::client::Load;
use crate::exchange::Outcome;
use crate::proxy;
use crate::scenario::{Beginning, Scenario};
use crate::stage::Stage;

/// SIGTERM.
pub(super) fn terminated(length: Length) -> Scenario {
    let why = "what the system has queued is taken before the port is closed, what is under way is finished, and a kept connection is closed with a response";
    let leaving = |load: Load| Load {
        leaves: true,
        ..load
    };
    Scenario::new(
        "terminated",
        "SIGTERM, while clients with kept connections and with new ones go on asking",
    )
    .beginning(Beginning::Line)
    .top("shutdown_delay = \"500ms\"")
    .loads(mixed().map(leaving))
    .requests(length.requests(400))
    .mark("SIGTERM")
    .deed(|stage| {
        let line = stage.take_line()?;
        line.signal(Signal::TERM);
        let status = line.wait();
        stage.mark("ended");
        stage.note("status", u64::from(status.unsigned_abs()));
        Ok(())
    })
    .claim(Claim::no_failure(why))
    .claim(Claim::new(
        "everybody is served until the port is closed, and the process ends well",
        "a connection that is refused was not accepted",
        |run| {
            let after = run.mark("SIGTERM");
            let all = run.exchanges.iter().filter(|one| one.ended() > after);
            let (left, served): (Vec<_>, Vec<_>) =
                all.partition(|one| one.outcome == Outcome::NobodyThere);
            let status = run.note("status");
            let found = format!(
                "{} served after the signal, {} clients found nobody there, exit status {status}",
                served.len(),
                left.len()
            );
            let holds = status == 0 && !served.is_empty() && left.len() == 64;
            Measured::new(holds, found)
        },
    ))
}

/// The socket is systemd's.
pub(super) fn socket_activation(length: Length) -> Scenario {
    let why = "whoever connects while evenkeel is away waits on the socket, which is not its own to close, for its next start";
    let turns = length.of(2, 8);
    let all = turns as u64;
    Scenario::new(
        "socket-activation",
        "evenkeel is started on a socket that somebody else keeps, ended (SIGTERM) and started again",
    )
    .beginning(Beginning::Socket)
    .loads(mixed())
    .requests(500)
    .mark("the first end")
    .deed(move |stage| (0..turns).try_for_each(|_| restart(stage)))
    .requests(500)
    .claim(Claim::no_failure(why))
    .claim(Claim::new(
        format!("{turns} starts take over where the one before ended"),
        why,
        move |run| {
            let starts = run.note("starts");
            Measured::new(starts == all, starts.to_string())
        },
    ))
}

fn restart(stage: &mut Stage) -> Result<()> {
    let line = stage.take_line()?;
    line.signal(Signal::TERM);
    let status = line.wait();
    ensure!(status == 0, "it ended with {status}");
    let socket = stage.socket.as_ref().context("a socket")?;
    let start = proxy::start(stage.setting.beginning, Some(socket))?;
    let line = start.start(&stage.setup(|_| {}).text());
    stage.put_line(line);
    stage.add("starts", 1);
    stage.let_pass(200)
}
