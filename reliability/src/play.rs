//! Plays a scenario: endpoints, proxy and client are started, the steps are taken, and what came of it is handed over.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use evenkeel_testkit::NameServer;

use crate::book::Book;
use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::limits;
use crate::names::{self, Names};
use crate::network::{self, Namespace};
use crate::proxy::{Around, Programs, Proxy, Who};
use crate::run::Run;
use crate::scenario::{Beginning, Needs, Scenario, Step};
use crate::service;
use crate::stage::Stage;

/// Why a scenario cannot be played on this machine; none when it can.
#[must_use]
pub fn missing(scenario: &Scenario) -> Option<&'static str> {
    match scenario.needs {
        Needs::Network if !network::is_allowed() => {
            Some("it needs iproute2 and root, to make a network namespace")
        }
        Needs::Names if !names::is_allowed() => {
            Some("it needs root, to give the proxy a table of hosts of its own")
        }
        Needs::Mounts if !names::is_allowed() => {
            Some("it needs root, to give the proxy a disk of its own")
        }
        Needs::Descriptors(number) if !limits::raise_descriptors(number) => {
            Some("it needs more descriptors than this process may have")
        }
        Needs::Nothing
        | Needs::Network
        | Needs::Names
        | Needs::Service
        | Needs::Mounts
        | Needs::Descriptors(_) => None,
    }
}

/// Plays a scenario with one proxy that has this many workers.
///
/// # Errors
/// When something does not start, does not go on, or is not accounted for.
pub fn play(scenario: &Scenario, who: Who, workers: u16, programs: &Programs) -> Result<Run> {
    // The test kit panics where others return an error.
    let played = catch_unwind(AssertUnwindSafe(|| {
        perform(scenario, who, workers, programs)
    }));
    played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(anyhow!("{}", text.unwrap_or("something panicked")))
    })
}

fn perform(scenario: &Scenario, who: Who, workers: u16, programs: &Programs) -> Result<Run> {
    let mut stage = set(scenario, who, workers, programs)?;
    let played = scenario
        .steps
        .iter()
        .try_for_each(|step| take(&mut stage, step));
    strike(stage, played, scenario.leeway)
}

/// Starts everything.
fn set(scenario: &Scenario, who: Who, workers: u16, programs: &Programs) -> Result<Stage> {
    let book = Arc::new(Book::default());
    let mut endpoints = Vec::new();
    for (number, manner) in scenario.endpoints.iter().enumerate() {
        let is_apart = scenario.needs == Needs::Network && number == 0;
        let namespace = is_apart.then(Namespace::new).transpose()?;
        let (manner, book) = (manner.clone(), Arc::clone(&book));
        let endpoint = Endpoint::start(number, &programs.origin, manner, namespace, book);
        endpoints.push(endpoint?);
    }
    let mut setting = scenario.setting.clone();
    let names = (scenario.needs == Needs::Names).then(Names::new);
    let name_server = (scenario.needs == Needs::Service).then(NameServer::new);
    if let Some(names) = &names {
        let addresses = endpoints.iter().map(|endpoint| endpoint.address().ip());
        names.set(addresses.enumerate())?;
    }
    if let Some(server) = &name_server {
        setting.sections.push_str(&server.section());
        let others = endpoints.len() - usize::from(setting.last_is_aside);
        service::announce(server, &endpoints, 0..others);
    }
    let names_of_endpoints: Vec<String> = match (&names, &name_server) {
        (_, Some(_)) => {
            let aside = endpoints.last().filter(|_| setting.last_is_aside);
            let aside = aside.map(|one| one.address().to_string());
            [service::NAME.to_owned()]
                .into_iter()
                .chain(aside)
                .collect()
        }
        (Some(_), None) => {
            let ports = endpoints.iter().map(|one| one.address().port());
            let called = |(number, port)| format!("{}:{port}", Names::of(number));
            ports.enumerate().map(called).collect()
        }
        (None, None) => {
            let addresses = endpoints.iter().map(|one| one.address().to_string());
            addresses.collect()
        }
    };
    let socket = (setting.beginning == Beginning::Socket)
        .then(|| TcpListener::bind("127.0.0.1:0"))
        .transpose()?;
    let around = Around {
        endpoints: &names_of_endpoints,
        names: names.as_ref(),
        socket: socket.as_ref(),
    };
    let proxy = Proxy::start(who, workers, &setting, around)?;
    let start = Instant::now();
    let client = Client::start(proxy.address(), &scenario.loads, start);
    Ok(Stage {
        setting,
        endpoints,
        name_server,
        socket,
        tunnels: None,
        client,
        start,
        workers,
        proxy: Some(proxy),
        names_of_endpoints,
        book,
        names,
        marks: Vec::new(),
        notes: BTreeMap::new(),
        samples: Vec::new(),
    })
}

/// Takes everything away, and hands over what came of it.
fn strike(mut stage: Stage, played: Result<()>, leeway: u32) -> Result<Run> {
    let held_up = stage.client.held_up();
    drop(stage.tunnels.take());
    // What is still under way ends as its proxy sees to it, with the endpoints as they are.
    let exchanges = stage.client.finish();
    let networks: Vec<_> = stage.endpoints.drain(..).map(Endpoint::end).collect();
    if let Some(proxy) = stage.proxy.take()
        && played.is_ok()
    {
        proxy.end();
    }
    // Not before the proxy has heard of the end of every connection: a lost packet of that is sent again.
    drop(networks);
    played?;
    Ok(Run {
        exchanges: exchanges?,
        pages: stage.book.take(),
        marks: stage.marks,
        notes: stage.notes,
        samples: stage.samples,
        start: stage.start,
        took: stage.start.elapsed(),
        held_up,
        leeway,
    })
}

/// Takes a step.
fn take(stage: &mut Stage, step: &Step) -> Result<()> {
    match step {
        Step::Requests(number) => stage.let_pass(*number),
        Step::Pause(time) => {
            thread::sleep(*time);
            Ok(())
        }
        Step::Mark(name) => {
            stage.mark(name);
            Ok(())
        }
        Step::ForgetNames => stage.names.as_ref().context("it has no names")?.clear(),
        Step::Do(number, act) => stage.act(*number, act),
        Step::Deed(deed) => deed.perform(stage),
    }
}
