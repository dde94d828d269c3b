//! Other configurations under load: many in turn, broken ones, listeners that come and go.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use evenkeel_testkit::Client;

use super::{Length, ms};
use crate::claim::{Claim, Measured};
use crate::client::Load;
use crate::crowd::Tunnels;
use crate::origin::Manner;
use crate::scenario::{Beginning, Scenario, Setting};
use crate::stage::Stage;

/// Clients that keep their connections, and clients that make a new one for each request.
pub(super) const fn mixed() -> [Load; 2] {
    [Load::closed(48), Load::fresh(16)]
}

/// Tunnels that are open meanwhile.
const TUNNELS: usize = 20;

/// Two configurations in turn.
pub(super) fn reloads(length: Length) -> Scenario {
    let turns = length.of(30, 100);
    let all = turns as u64;
    let why = "unchanged listeners keep their sockets and connections, and what is under way ends under the configuration with which it began";
    let what = match length {
        Length::Short => "30 reloads, two configurations in turn, with 20 WebSockets open",
        Length::Full => "100 reloads, two configurations in turn, with 20 WebSockets open",
    };
    Scenario::new("reloads", what)
        .beginning(Beginning::Line)
        .loads(mixed())
        .aside(Manner::good(ms(0)))
        .deed(open_tunnels)
        .requests(500)
        .mark("the first reload")
        .deed(move |stage| (1..=turns).try_for_each(|turn| reload(stage, turn)))
        .requests(500)
        .deed(close_tunnels)
        .claim(Claim::no_failure(why))
        .claim(Claim::new(
            format!("{turns} configurations are served, each as soon as the command says so"),
            "a reload that is done is served",
            move |run| {
                let served = run.note("served");
                Measured::new(served == all, served.to_string())
            },
        ))
        .claim(tunnels_live(why))
}

/// Serves the configuration of that turn: another balancer, other limits and timeouts, another answer.
pub(crate) fn reload(stage: &mut Stage, turn: usize) -> Result<()> {
    let text = stage.setup(|setting| alternate(setting, turn)).text();
    let line = stage.line()?;
    line.configure(&text);
    let ended = line.command(&["reload"]);
    ensure!(ended.status == 0, "reload {turn}: {}", ended.stderr);
    let said = line.client().get("/turn").status(200).text();
    ensure!(said == turn.to_string(), "turn {turn} is answered {said}");
    stage.note("served", turn as u64);
    stage.let_pass(20)
}

fn alternate(setting: &mut Setting, turn: usize) {
    let route = format!("[[route]]\npath = \"/turn\"\nrespond.body = \"{turn}\"\n");
    setting.routes.push_str(&route);
    if turn % 2 == 1 {
        setting.balancer = Some("balancer = \"round-robin\"".to_owned());
        setting
            .cluster
            .push_str("connect_timeout = \"1s\"\nmax_idle_connections = 100\n");
        setting.listener.push_str("keepalive_timeout = \"30s\"\n");
    }
}

pub(crate) fn open_tunnels(stage: &mut Stage) -> Result<()> {
    let to = stage.line()?.listener("web");
    stage.tunnels = Some(Tunnels::open(to, TUNNELS)?);
    Ok(())
}

pub(super) fn close_tunnels(stage: &mut Stage) -> Result<()> {
    let tunnels = stage
        .tunnels
        .take()
        .context("tunnels are open")?
        .disperse()?;
    let alive = tunnels.iter().filter(|tunnel| tunnel.is_alive).count();
    stage.note("tunnels", alive as u64);
    stage.note("words", tunnels.iter().map(|tunnel| tunnel.words).sum());
    Ok(())
}

pub(super) fn tunnels_live(why: &'static str) -> Claim {
    Claim::new("every WebSocket lives on", why, |run| {
        let (alive, words) = (run.note("tunnels"), run.note("words"));
        let found = format!("{alive} of {TUNNELS}, {words} words came back");
        Measured::new(alive == TUNNELS as u64, found)
    })
}

/// Files that are no configuration.
pub(super) fn broken_reload(length: Length) -> Scenario {
    let why = "a file is checked whole before anything changes";
    let turns = length.of(2, 10);
    Scenario::new(
        "broken-reload",
        "reloads to files that are cut, misspelt, or name what is not there",
    )
    .beginning(Beginning::Line)
    .loads(mixed())
    .requests(500)
    .mark("the first reload")
    .deed(move |stage| (0..turns).try_for_each(|_| reload_in_vain(stage)))
    .requests(length.requests(500))
    .claim(Claim::no_failure(why))
    .claim(Claim::new(
        "each is refused with its place and its reason, and nothing changes",
        why,
        move |run| {
            let (refused, tried) = (run.note("refused"), run.note("tried"));
            let same = run.note("generation") == 1;
            let found = format!(
                "{refused} of {tried}, generation {}",
                run.note("generation")
            );
            Measured::new(refused == tried && tried > 0 && same, found)
        },
    ))
}

fn reload_in_vain(stage: &mut Stage) -> Result<()> {
    let good = stage.setup(|_| {}).text();
    let cut = &good[..good.len() / 2];
    let broken = [
        (format!("{cut}\n[[route"), "evenkeel.toml:"),
        (good.replace("balancer", "balancr"), "balancr"),
        (
            good.replace("cluster = \"app\"", "cluster = \"ap\""),
            "\"ap\"",
        ),
        (
            format!("{good}[listener.b]\nbind = \"192.0.2.1:1\"\n"),
            "192.0.2.1:1",
        ),
    ];
    let (mut refused, mut tried) = (0, 0);
    for (text, reason) in &broken {
        let line = stage.line()?;
        line.configure(text);
        let ended = line.command(&["reload"]);
        tried += 1;
        if ended.status == 1 && ended.stderr.contains(reason) {
            refused += 1;
        } else {
            bail!("{reason} is not in {}: {}", ended.status, ended.stderr);
        }
        stage.let_pass(50)?;
    }
    let generation = stage.line()?.status()["generation"].as_u64();
    stage.note("generation", generation.context("a generation")?);
    stage.note("refused", refused);
    stage.note("tried", tried);
    Ok(())
}

/// A second listener, again and again.
pub(super) fn listeners(length: Length) -> Scenario {
    let turns = length.of(3, 12);
    let all = turns as u64;
    let why = "a new listener is bound before anything changes; of one that is gone each connection's next request is its last, and what the system has queued is served before the port is closed";
    Scenario::new(
        "listeners",
        "a second listener is added and removed, again and again, with clients of its own",
    )
    .beginning(Beginning::Line)
    .loads(mixed())
    .requests(500)
    .mark("the first listener")
    .deed(move |stage| (0..turns).try_for_each(|_| come_and_go(stage)))
    .requests(200)
    .claim(Claim::no_failure(why))
    .claim(Claim::new(
        format!("{turns} times it serves and then is closed, and its clients lose nothing"),
        why,
        move |run| {
            let found = format!(
                "{} times, {} requests there",
                run.note("closed"),
                run.note("there")
            );
            Measured::new(run.note("closed") == all, found)
        },
    ))
}

/// Clients of the second listener keep their connections.
const KEPT: usize = 16;

fn come_and_go(stage: &mut Stage) -> Result<()> {
    let with = stage.setup(|setting| {
        setting
            .sections
            .push_str("[listener.second]\nbind = \"127.0.0.1:0\"\n");
        setting
            .routes
            .push_str("[[route]]\npath = \"/here\"\nrespond.body = \"here\"\n");
    });
    let without = stage.setup(|_| {}).text();
    let line = stage.line()?;
    line.configure(&with.text());
    let before = line.log().lines().len();
    let ended = line.command(&["reload"]);
    ensure!(ended.status == 0, "{}", ended.stderr);
    let opened = line.log().lines()[before..]
        .iter()
        .find_map(|line| opened(line));
    let address = opened.context("the log says where the listener is")?;
    let mut kept: Vec<Client> = (0..KEPT).map(|_| Client::connect(address)).collect();
    let mut there = 0;
    for client in &mut kept {
        client
            .get("/here")
            .status(200)
            .without("connection")
            .body("here");
        there += 1;
    }
    stage.let_pass(50)?;
    let line = stage.line()?;
    line.configure(&without);
    let ended = line.command(&["reload"]);
    ensure!(ended.status == 0, "{}", ended.stderr);
    // Its own route is gone with it: what these ask for goes to the endpoints, which do not know them and close.
    for client in &mut kept {
        client
            .get("/healthz")
            .status(200)
            .header("connection", "close");
        client.expect_closed();
        there += 1;
    }
    let is_closed = std::net::TcpStream::connect(address).is_err();
    ensure!(is_closed, "somebody still listens at {address}");
    stage.add("closed", 1);
    stage.add("there", there);
    stage.let_pass(50)
}

/// `listening listener="second" address="ADDRESS"` of the log.
fn opened(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listener=\"second\" address=\"")?;
    rest.split('"').next()?.parse().ok()
}
